"""Presets of a fusion of files: what they set, and what wins over them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import _core
from fastfuse.files.preset import _margin as margin_of

from ..command import run_here
from .draws import SPACING, contours, dice

SHIFTS = [1.5, 1.0, 0.8, 0.5, 0.0, -0.5, -1.0]
DRAWN = contours(SHIFTS)
SHEARED = np.array([[1.0, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])


def save(folder: Path, name: str, data: Any, affine: Any = None) -> str:
    nib.save(nib.Nifti1Image(data, np.diag([*SPACING, 1]) if affine is None else affine), folder / name)
    return name


def raters(folder: Path, volumes: list[Any], affine: Any = None) -> list[str]:
    return [save(folder, f"rater{i}.nii.gz", one, affine) for i, one in enumerate(volumes)]


def soft() -> list[Any]:
    return [s.values for s in fastfuse.soften(DRAWN.masks, DRAWN.image, roi=DRAWN.brain)]


def networks() -> list[Any]:
    rng = np.random.default_rng(0)
    return [
        np.clip(0.9 * mask + 0.1 * rng.random(mask.shape), 0, 1).astype(np.float32) for mask in DRAWN.masks
    ]


def chosen(folder: Path, files: list[str], *words: str) -> dict[str, Any]:
    done = run_here(
        folder, "fuse", *files, "-o", "c.nii.gz", "--overwrite", "--preset", "recommended", *words
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads((folder / "c.json").read_text())
    assert facts["preset"]["name"] == "recommended"
    assert len(re.findall(r"^Preset recommended.*:", done.stdout, re.MULTILINE)) == 1
    assert facts["method"] == facts["preset"]["set"].get("method", facts["method"])
    return facts["preset"]["set"]


THREE = {"method": "staple", "classes": 3, "roi": 4.0}
BORDER = {"method": "border-staple", "roi": 4.0}
IMAGE = ("--image", "flair.nii.gz")


@pytest.mark.parametrize(
    ("votes", "count", "words", "expected"),
    [
        ("masks", 7, (), THREE),
        ("masks", 7, IMAGE, BORDER),
        ("masks", 3, IMAGE, BORDER),
        ("masks", 5, (), THREE),
        ("masks", 4, (), THREE),
        ("masks", 3, (), {"method": "majority"}),
        ("masks", 3, ("--roi", "4"), {"method": "border-staple"}),
        ("masks", 7, ("--prior", "mean", *IMAGE), {"method": "staple", "roi": 4.0}),
        ("masks", 7, ("--classes", "2", *IMAGE), {"method": "staple", "roi": 4.0}),
        ("masks", 7, ("--mrf", "0", *IMAGE), BORDER),
        ("masks", 2, (), {"method": "majority"}),
        ("masks", 1, (), {"method": "majority"}),
        ("copies", 3, (), {"method": "majority"}),
        ("masks", 7, ("--soften", *IMAGE), {"method": "soft-staple", "roi": 4.0}),
        ("soft", 7, (), {"method": "soft-staple", "roi": 4.0}),
        ("networks", 5, (), {"method": "majority"}),
        ("networks", 5, ("--threshold", "0.5"), THREE),
        ("percent", 5, ("--scale", "100"), THREE),
        ("labels", 5, ("--select-label", "2"), THREE),
        ("masks", 7, ("--roi", "all"), {"method": "staple", "classes": 3}),
        ("masks", 7, ("--roi", "8", *IMAGE), {"method": "border-staple"}),
        ("masks", 7, ("--classes", "2"), {"method": "staple", "roi": 4.0}),
        ("masks", 7, ("--prior", "estimate"), {"method": "staple", "roi": 4.0}),
        ("masks", 7, ("--prior", "flair01.nii.gz"), {"method": "staple", "roi": 4.0}),
        ("masks", 3, ("--mrf", "0.2"), {"method": "staple", "roi": 4.0}),
        ("masks", 7, ("--intervals", "information"), {"method": "staple", "roi": 4.0}),
        ("masks", 7, ("--method", "staple"), {"roi": 4.0}),
        ("masks", 7, ("--method", "majority"), {}),
        ("masks", 7, ("--method", "staple", "--roi", "2"), {}),
        ("masks", 7, ("--evidence", *IMAGE), BORDER),
        ("sheared", 7, (), {"method": "staple", "classes": 3}),
        ("one blank", 4, (), {"method": "majority"}),
        ("one blank", 4, IMAGE, BORDER),
        ("one blank", 5, (), THREE),
        ("one full", 4, (), {"method": "majority"}),
    ],
)
def test_what_recommended_sets(
    tmp_path: Path, votes: str, count: int, words: tuple[str, ...], expected: dict[str, Any]
) -> None:
    kinds = {
        "masks": lambda: DRAWN.masks,
        "sheared": lambda: DRAWN.masks,
        "copies": lambda: [DRAWN.masks[0], DRAWN.masks[0], DRAWN.masks[1]],
        "soft": soft,
        "networks": networks,
        "percent": lambda: [100 * mask for mask in DRAWN.masks],
        "one blank": lambda: [0 * DRAWN.masks[0], *DRAWN.masks],
        "one full": lambda: [0 * DRAWN.masks[0] + 1, *DRAWN.masks],
        "labels": lambda: [2 * mask for mask in DRAWN.masks],
    }
    affine = SHEARED if votes == "sheared" else None
    files = raters(tmp_path, kinds[votes]()[:count], affine)
    save(tmp_path, "flair.nii.gz", DRAWN.image, affine)
    save(tmp_path, "flair01.nii.gz", np.clip(DRAWN.image / 400, 0.001, 0.9).astype(np.float32))
    assert chosen(tmp_path, files, *words) == expected


def test_decisions_are_taken_by_what_recommended_sets(tmp_path: Path) -> None:
    """Three classes, which it sets without an image, take none: the list of its own consensus was refused."""
    files = raters(tmp_path, DRAWN.masks)
    assert chosen(tmp_path, files) == THREE
    assert run_here(tmp_path, "review", "c.nii.gz", "-o", "r.csv", "--everything").returncode == 0
    text = (tmp_path / "r.csv").read_text()
    first = text.splitlines()[1]
    (tmp_path / "r.csv").write_text(text.replace(first, first.replace(",,", ",no,", 1)))
    assert chosen(tmp_path, files, "--decisions", "r.csv") == BORDER
    facts = json.loads((tmp_path / "c.json").read_text())
    assert facts["preset"]["for"] == "7 masks, with decisions"
    assert [one["decision"] for one in facts["decisions"]["lesions"]] == ["no"]
    refused = run_here(
        tmp_path,
        "fuse",
        *files,
        "-o",
        "d.nii.gz",
        "--preset",
        "recommended",
        "--classes",
        "3",
        "--decisions",
        "r.csv",
    )
    assert "--classes is 3: a border is no decision; leave out --classes" in refused.stderr


@pytest.mark.parametrize(
    ("sides", "margin"),
    [((2.0625, 2.0625, 3), 4.13), ((2.4, 2.4, 5), 4.8), ((1.2, 1.2, 3), 4.0), ((2.1213, 4, 4), 4.25)],
)
def test_the_margin_is_at_least_two_voxels(sides: tuple[float, ...], margin: float) -> None:
    """Sides of NIfTI are in single precision; and a margin of 4.12 mm would end before the second voxel of 2.0625 mm."""
    single = np.float32(sides).tolist()
    assert margin_of(single) == margin
    reached = _core.near(np.eye(1, 6, dtype=np.uint8)[0], radius_mm=margin, spacing_mm=single[:1])
    assert np.count_nonzero(reached) == 1 + int(margin / sides[0] + 0.001)


def test_the_result_is_that_of_the_options(tmp_path: Path) -> None:
    files = [tmp_path / name for name in raters(tmp_path, DRAWN.masks)]
    image, mask = (
        tmp_path / save(tmp_path, "flair.nii.gz", DRAWN.image),
        save(tmp_path, "b.nii.gz", DRAWN.brain),
    )
    given = {"image": image, "mask": tmp_path / mask, "overwrite": True}
    found = fastfuse.fuse_files(files, tmp_path / "c.nii.gz", preset="recommended", **given)
    plain = fastfuse.fuse_files(files, tmp_path / "c.nii.gz", method="border-staple", roi=4.0, **given)
    np.testing.assert_array_equal(found.probability, plain.probability)
    assert dice(found.label(), DRAWN.truth) > 0.9
    with pytest.raises(ValueError, match="nothing grows"):  # the plain default is what it was
        fastfuse.fuse_files(files, tmp_path / "c.nii.gz", **given)


@pytest.mark.filterwarnings("ignore:the model does not fit")
def test_an_explicit_default_wins(tmp_path: Path) -> None:
    """In Python too, where the value is that of the signature."""
    files = [tmp_path / name for name in raters(tmp_path, DRAWN.masks)]
    options = {
        "method": "staple",
        "preset": "recommended",
        "mask": tmp_path / save(tmp_path, "b.nii.gz", DRAWN.brain),
    }
    whole = fastfuse.fuse_files(files, tmp_path / "a.nii.gz", roi="all", **options)
    near = fastfuse.fuse_files(files, tmp_path / "b2.nii.gz", **options)
    assert near.n_voxels < whole.n_voxels == np.count_nonzero(DRAWN.brain)


@pytest.mark.filterwarnings("ignore:the model does not fit")
def test_paper_is_the_default(tmp_path: Path) -> None:
    files = [tmp_path / name for name in raters(tmp_path, DRAWN.masks)]
    mask = tmp_path / save(tmp_path, "b.nii.gz", DRAWN.brain)
    plain = fastfuse.fuse_files(files, tmp_path / "a.nii.gz", mask=mask)
    paper = fastfuse.fuse_files(files, tmp_path / "p.nii.gz", mask=mask, preset="paper")
    np.testing.assert_array_equal(plain.probability, paper.probability)
    facts = json.loads((tmp_path / "p.json").read_text())
    assert facts["preset"]["set"] == {
        "method": "soft-staple", "m_step": "paper", "prior": "mean", "init": "auto", "roi": "all",
    }  # fmt: skip
    assert "preset" not in json.loads((tmp_path / "a.json").read_text())
    kept = fastfuse.fuse_files(files, tmp_path / "q.nii.gz", mask=mask, preset="paper", prior="estimate")
    assert kept.prior != paper.prior


def test_an_image_that_has_no_use_is_told(tmp_path: Path) -> None:
    files = raters(tmp_path, networks()[:5])
    save(tmp_path, "flair.nii.gz", DRAWN.image)
    words = ["-o", "c.nii.gz", "--preset", "recommended", *IMAGE]
    done = run_here(tmp_path, "fuse", *files, *words)
    assert done.returncode == 0
    assert "the image (flair.nii.gz) is not used: majority takes none" in done.stderr


@pytest.mark.parametrize("method", ["staple", "soft-staple", "simplified-soft-staple", "majority"])
def test_an_image_beside_a_typed_method_is_told(method: str, tmp_path: Path) -> None:
    files = raters(tmp_path, DRAWN.masks)
    save(tmp_path, "flair.nii.gz", DRAWN.image)
    words = ["-o", "c.nii.gz", "--preset", "recommended", "--method", method, *IMAGE]
    done = run_here(tmp_path, "fuse", *files, *words)
    assert done.returncode == 0, done.stderr
    assert f"the image (flair.nii.gz) is not used: {method} takes none" in done.stderr


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("method", ["staple", "soft-staple", "majority"])
def test_the_remedies_of_an_image_without_use_work(method: str, tmp_path: Path) -> None:
    files = [tmp_path / name for name in raters(tmp_path, DRAWN.masks)]
    given: dict[str, Any] = {"image": tmp_path / save(tmp_path, "flair.nii.gz", DRAWN.image)}
    with pytest.raises(ValueError, match="nothing grows") as refused:
        fastfuse.fuse_files(files, tmp_path / "c.nii.gz", method=method, **given)  # type: ignore[call-overload]
    assert ("add soften" in str(refused.value)) == (method != "staple")
    named = re.findall(r"choose ([\w-]+)", str(refused.value))
    assert named == ["border-staple", "dilated-staple"]
    ways = [{"method": name} for name in named]
    for i, way in enumerate([*ways, *([{"method": method, "soften": True}] * (method != "staple"))]):
        fastfuse.fuse_files(files, tmp_path / f"{i}.nii.gz", **way, **given)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--labels", "all"],
            "--preset is 'recommended', and --labels are given: it is for one structure",
        ),
        (["--max-iter", "0"], "--max-iter is 0"),
        (["--method", "border-staple", "--mrf", "1"], "--mrf is 1.0: border-staple has no such option"),
        (["--method", "border-staple", "--prior", "0.1"], "--prior is 0.1: border-staple has no such option"),
        (["--evidence"], "give image|--image"),
        (["--method", "auto", "--prior", "mean"], "--prior is 'mean': auto has no such option"),
    ],
)
def test_refused_with_the_remedy(tmp_path: Path, words: list[str], said: str) -> None:
    files = raters(tmp_path, DRAWN.masks)
    done = run_here(tmp_path, "fuse", *files, "-o", "c.nii.gz", "--preset", "recommended", *words)
    assert done.returncode == 2, done.stdout
    assert re.search(said, done.stderr), done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "c.nii.gz").exists()


def test_names_that_there_are_not(tmp_path: Path) -> None:
    files = [tmp_path / name for name in raters(tmp_path, DRAWN.masks)]
    with pytest.raises(ValueError, match="preset is 'best': it must be 'recommended' or 'paper'"):
        fastfuse.fuse_files(files, tmp_path / "c.nii.gz", preset="best")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="margin"):
        fastfuse.fuse_files(files, tmp_path / "c.nii.gz", preset="paper", margin=4)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="which has no such method: leave the preset out"):
        fastfuse.fuse_files(files, tmp_path / "c.nii.gz", preset="paper", method="border-staple")


@pytest.mark.parametrize(
    ("edges", "margin", "slices"),
    [((1, 1, 1), 4.0, 10), ((0.4, 0.4, 5), 4.0, 2), ((2.5, 2.5, 5), 5.0, 4), ((3, 3, 3), 6.0, 6)],
)
def test_the_margin_is_by_the_shortest_edge(tmp_path: Path, edges: Any, margin: float, slices: int) -> None:
    """As files/README.md says: along thick slices it takes none above or below."""
    ndimage = pytest.importorskip("scipy.ndimage")
    masks = [np.zeros((24, 24, 14), np.uint8) for _ in range(4)]
    for place, mask in enumerate(masks):
        mask[8 : 16 - place, 8:16, 6:8] = 1
    files = [tmp_path / name for name in raters(tmp_path, masks, np.diag([*edges, 1]))]
    given: Any = {"method": "staple", "preset": "recommended"}
    found = fastfuse.fuse_files(files, tmp_path / "c.nii", **given)
    assert json.loads((tmp_path / "c.json").read_text())["preset"]["set"] == {"roi": margin}
    near = ndimage.distance_transform_edt(~np.any(masks, axis=0), sampling=edges) <= margin
    assert found.n_voxels == near.sum()
    assert near.any(axis=(0, 1)).sum() == slices
