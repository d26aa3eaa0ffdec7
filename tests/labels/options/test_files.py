"""Label maps as files: a margin, maps of priors, raters who are turned, confusion matrices in the sidecar."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse

from ...command import run_here
from ..files import AFFINE, LABELS, SHAPE, TSV, load, raters, save, saved, truth

pytestmark = pytest.mark.filterwarnings("ignore:.*(never gives label|holds 0 or 1|padded|turned)")
Atlas = NDArray[np.float64]


def atlas() -> Atlas:
    """Return priors (K, ...) that know where labels are."""
    rng = np.random.default_rng(1)
    found = np.stack([0.6 * (truth() == label) + 0.1 for label in LABELS])
    found += rng.random(found.shape) * 0.01
    return np.asarray(found / found.sum(axis=0))


def as_files(folder: Path, prior: Atlas) -> list[Path]:
    return [save(folder / f"p{label}.nii.gz", one) for label, one in zip(LABELS, prior, strict=True)]


def as_one(folder: Path, prior: Atlas, name: str = "atlas.nii.gz") -> Path:
    return save(folder / name, np.ascontiguousarray(np.moveaxis(prior, 0, -1)))


FORMS: dict[str, Callable[[Path, Atlas], Any]] = {
    "files": as_files,
    "texts": lambda folder, prior: [str(path) for path in as_files(folder, prior)],
    "one": as_one,
    "one text": lambda folder, prior: str(as_one(folder, prior)),
    "labels": lambda folder, prior: dict(zip(LABELS, as_files(folder, prior), strict=True)),
    "names": lambda folder, prior: dict(
        reversed(
            list(zip(("background", "necrosis", "edema", "enhancing"), as_files(folder, prior), strict=True))
        )
    ),
    "listed": lambda folder, prior: ",".join(map(str, as_files(folder, prior))),
    "named": lambda folder, prior: ",".join(
        f"{label}={path}" for label, path in zip((0, "necrosis", 2, 4), as_files(folder, prior), strict=True)
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_maps_of_priors(tmp_path: Path, form: str) -> None:
    paths, prior = saved(tmp_path), atlas()
    names = tmp_path / "names.tsv"
    names.write_text(TSV)
    plain = fastfuse.staple(raters(), labels="all", prior=prior)
    out = tmp_path / "o.nii.gz"
    fusion = fastfuse.fuse_files(
        paths, out, labels="all", label_names=names, prior=FORMS[form](tmp_path, prior),
        save_confidence=tmp_path / "sure.nii.gz",
    )  # fmt: skip
    np.testing.assert_array_equal(load(out), plain.label())
    np.testing.assert_array_equal(load(tmp_path / "sure.nii.gz"), plain.confidence())
    assert (plain.label() != fastfuse.staple(raters(), labels="all").label()).any()
    np.testing.assert_allclose(fusion.prior, plain.prior, rtol=1e-14)
    kept = json.loads((tmp_path / "o.json").read_text())["options"]["prior"]
    assert "atlas" in kept if "one" in form else len(kept) == 4


def test_maps_are_turned_onto_the_grid(tmp_path: Path) -> None:
    paths, prior = saved(tmp_path), atlas()
    plain = fastfuse.staple(raters(), labels="all", prior=prior)
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = SHAPE[0] - 1
    values = np.moveaxis(prior, 0, -1)[::-1]
    nib.save(nib.Nifti1Image(np.ascontiguousarray(values), AFFINE @ flip), tmp_path / "a.nii.gz")
    with pytest.warns(fastfuse.FusionWarning, match=r"a\.nii\.gz: axes turned") as caught:
        fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all", prior=tmp_path / "a.nii.gz")
    assert str(caught[0].message).count("axes turned") == 1
    np.testing.assert_array_equal(load(tmp_path / "o.nii"), plain.label())
    half = save(tmp_path / "half.nii.gz", np.ascontiguousarray(np.moveaxis(prior, 0, -1)[:7]))
    with pytest.raises(fastfuse.GridError, match=r"half\.nii\.gz"):
        fastfuse.fuse_files(paths, tmp_path / "x.nii", labels="all", prior=half)


def test_what_is_wrong_with_maps_names_the_file(tmp_path: Path) -> None:
    paths, prior = saved(tmp_path), atlas()
    out = tmp_path / "x.nii"
    bad = prior.copy()
    bad[2, 3, 4, 5] = 2
    with pytest.raises(
        ValueError, match=r"the prior \(atlas.nii.gz\) of label 2 holds 2 at voxel \(3, 4, 5\)"
    ):
        fastfuse.fuse_files(paths, out, labels="all", prior=as_one(tmp_path, bad))
    with pytest.raises(ValueError, match="prior holds 3 maps, and there are 4 labels"):
        fastfuse.fuse_files(paths, out, labels="all", prior=as_files(tmp_path, prior)[:3])
    with pytest.raises(ValueError, match="prior holds 1 map, and there are 4 labels"):
        fastfuse.fuse_files(paths, out, labels="all", prior=as_files(tmp_path, prior)[0])
    with pytest.raises(ValueError, match="prior has no map for label 4"):
        fastfuse.fuse_files(
            paths, out, labels="all", prior=dict(zip(LABELS[:3], as_files(tmp_path, prior), strict=False))
        )
    with pytest.raises(ValueError, match="prior names 'liver', and the labels have no names"):
        fastfuse.fuse_files(paths, out, labels="all", prior=f"liver={as_files(tmp_path, prior)[0]},0=x.nii")
    with pytest.raises(fastfuse.ImageError, match=r"gone\.nii"):
        fastfuse.fuse_files(paths, out, labels="all", prior=[tmp_path / "gone.nii"] * 4)
    with pytest.raises(ValueError, match="prior is 'smooth:4': a smoothed vote is for one structure"):
        fastfuse.fuse_files(paths, out, labels="all", prior="smooth:4")
    with pytest.raises(ValueError, match="prior is 'men': it must be 'mean' or 'estimate' or a probability"):
        fastfuse.fuse_files(paths, out, labels="all", prior="men")
    with pytest.raises(TypeError, match="prior is an array: fuse_files takes maps of priors as image files"):
        fastfuse.fuse_files(paths, out, labels="all", prior=prior)
    for option, value in (("prior", 0.5), ("roi", 4.0), ("m_step", "em")):
        with pytest.raises(ValueError, match=f"{option} is .*: majority has no such option"):
            fastfuse.fuse_files(paths, out, labels="all", method="majority", **{option: value})
    assert not out.exists()


def test_a_map_is_not_written_over(tmp_path: Path) -> None:
    paths = saved(tmp_path)
    prior = as_one(tmp_path, atlas(), "o.nii.gz")
    with pytest.raises(fastfuse.OutputError, match=r"o\.nii\.gz"):
        fastfuse.fuse_files(paths, prior, labels="all", prior=prior, overwrite=True)


def test_numbers_for_each_label(tmp_path: Path) -> None:
    paths = saved(tmp_path)
    plain = fastfuse.staple(raters(), labels="all", prior=[0.7, 0.1, 0.1, 0.1])
    for form in (
        "0.7,0.1,0.1,0.1",
        "0=0.7,1=0.1,2=0.1,4=0.1",
        [0.7, 0.1, 0.1, 0.1],
        {0: 0.7, 1: 0.1, 2: 0.1, 4: 0.1},
    ):
        fusion = fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all", prior=form, overwrite=True)  # type: ignore[call-overload]
        np.testing.assert_array_equal(fusion.confusion, plain.confusion)


def test_a_margin_takes_the_voxel_size_of_the_header(tmp_path: Path) -> None:
    paths = saved(tmp_path, count=3)
    sides = np.diag(AFFINE)[:3]
    maps = [np.where(truth() != 0, one, 0) for one in raters(3)]
    paths = [save(tmp_path / f"r{i}.nii.gz", one.astype(np.uint8)) for i, one in enumerate(maps)]
    plain = fastfuse.staple(maps, labels="all", roi=2.0, spacing_mm=tuple(sides))
    fusion = fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all", roi=2.0)
    assert fusion.n_voxels == plain.n_voxels < truth().size
    np.testing.assert_array_equal(load(tmp_path / "o.nii"), plain.label())
    facts = json.loads((tmp_path / "o.json").read_text())
    assert facts["options"]["roi"] == 2.0
    assert facts["region"]["voxels"] == plain.n_voxels


def test_confusion_matrices_in_the_sidecar(tmp_path: Path) -> None:
    paths = saved(tmp_path)
    empty = np.full(SHAPE, np.nan, np.float32)
    paths.append(save(tmp_path / "r4.nii.gz", empty))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fusion = fastfuse.fuse_files(
            paths, tmp_path / "o.nii", labels="all", missing="nan", performance_prior=None
        )
    found = [one["confusion"] for one in json.loads((tmp_path / "o.json").read_text())["raters"]]
    for rater in range(4):
        np.testing.assert_allclose(found[rater], fusion.confusion[rater], rtol=1e-15)
    assert found[4] == [[None] * 4] * 4


@pytest.mark.parametrize(("labels", "there"), [(32, True), (33, False)])
def test_confusion_matrices_of_many_labels_are_left_out(tmp_path: Path, labels: int, there: bool) -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, labels, SHAPE)
    paths = [
        save(tmp_path / f"r{i}.nii", np.where(rng.random(SHAPE) < 0.9, first, 0).astype(np.uint8))
        for i in range(3)
    ]
    fastfuse.fuse_files(paths, tmp_path / "o.nii", labels=range(labels), method="majority")
    facts = json.loads((tmp_path / "o.json").read_text())
    assert all(("confusion" in rater) == there for rater in facts["raters"])


def organs(count: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Return label maps of a body that is its own mirror image but for the labels, left and right."""
    rng = np.random.default_rng(seed)
    body = np.zeros((24, 20, 12), np.uint8)
    body[3:10, 4:9, 2:8], body[14:21, 4:9, 2:8] = 3, 5
    body[3:10, 11:16, 2:8], body[14:21, 11:16, 2:8] = 7, 5
    return [np.where(rng.random(body.shape) < 0.03, 0, body).astype(np.uint8) for _ in range(count)]


def said_of(folder: Path, maps: list[NDArray[np.uint8]], **options: Any) -> str:
    paths = [save(folder / f"r{i}.nii", np.ascontiguousarray(one)) for i, one in enumerate(maps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fastfuse.fuse_files(paths, folder / "c.nii", labels="all", overwrite=True, **options)
    return "\n".join(json.loads((folder / "c.json").read_text())["warnings"])


@pytest.mark.parametrize("method", ["staple", "majority"])
@pytest.mark.parametrize(
    ("turned", "told"),
    [
        (lambda one: one[::-1], "mirrored along axis 0 (left-right): median Dice 0.9"),
        (lambda one: one[::-1, :, ::-1], "mirrored along axis 0 (left-right)"),
    ],
)
def test_a_map_that_is_mirrored(tmp_path: Path, method: str, turned: Any, told: str) -> None:
    maps = organs(4)
    assert "only when" not in said_of(tmp_path, maps, method=method)
    maps[2] = turned(maps[2])
    said = said_of(tmp_path, maps, method=method)
    assert f"r2.nii fits the others only when {told}" in said
    assert said.count("only when") == 1


@pytest.mark.parametrize("names", [{3: 5, 5: 3}, {3: 7, 5: 3, 7: 5}])
def test_labels_that_are_exchanged(tmp_path: Path, names: dict[int, int]) -> None:
    """In a body that is its own mirror image, mirroring would hide it, and leave other labels on the wrong side."""
    maps = organs(4)
    for one in maps:
        one[11:13, 4:9, 9:11] = 9  # in the middle
    kept = maps[2].copy()
    for label, new in names.items():
        maps[2][kept == label] = new
    said = said_of(tmp_path, maps)
    told = " ".join(said.split("\n"))
    assert "r2.nii fits the others only with other labels" in told
    assert all(f"{new} as {label}" in told for label, new in names.items())
    assert "correct its labels" in told
    assert "mirrored" not in told
    maps[2] = kept
    assert "only" not in said_of(tmp_path, maps).replace("only one", "")


def test_shell(tmp_path: Path) -> None:
    saved(tmp_path)
    as_files(tmp_path, atlas())
    as_one(tmp_path, atlas())
    words = ["fuse", *(f"r{i}.nii.gz" for i in range(4)), "--labels", "all", "--overwrite"]
    wanted = fastfuse.staple(
        raters(), labels="all", prior=atlas(), roi=3.0, spacing_mm=tuple(np.diag(AFFINE)[:3])
    )
    for prior in (
        "atlas.nii.gz",
        "p0.nii.gz,p1.nii.gz,p2.nii.gz,p4.nii.gz",
        "0=p0.nii.gz,2=p2.nii.gz,1=p1.nii.gz,4=p4.nii.gz",
    ):
        done = run_here(tmp_path, *words, "-o", "o.nii.gz", "--prior", prior, "--roi", "3")
        assert done.returncode == 0, done.stderr
        np.testing.assert_array_equal(load(tmp_path / "o.nii.gz"), wanted.label())
    done = run_here(tmp_path, *words, "-o", "x.nii.gz", "--prior", "p0.nii.gz,p1.nii.gz")
    assert done.returncode == 2
    assert done.stderr.strip() == "error: --prior holds 2 maps, and there are 4 labels: give one for each"
