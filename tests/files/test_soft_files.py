"""Soft masks from files to files, and fusions that soften first."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

import fastfuse

from ..cli.test_cli import run
from ..command import run_here
from .common import AFFINE, files_in, save

SHAPE = (16, 18, 12)
SPACING = (1.0, 1.2, 3.0)


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return ndimage.gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), 2) > 0.1


@pytest.fixture(scope="module")
def masks(truth: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.array([truth ^ (rng.random(SHAPE) < 0.05) for _ in range(4)]).astype(np.uint8)


@pytest.fixture(scope="module")
def flair(truth: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(2).normal(0, 20, SHAPE)
    return (ndimage.gaussian_filter(truth * 400.0, 1) + noise + 300).astype(np.int16)


@pytest.fixture
def folder(tmp_path: Path, masks: np.ndarray, flair: np.ndarray) -> Path:
    for i, mask in enumerate(masks, start=1):
        save(tmp_path / f"rater{i}.nii.gz", mask)
    save(tmp_path / "flair.nii.gz", flair)
    brain = np.ones(SHAPE, np.uint8)
    brain[:3] = 0
    save(tmp_path / "brain.nii.gz", brain)
    return tmp_path


RATERS = [f"rater{i}.nii.gz" for i in range(1, 5)]


def values(path: Path) -> np.ndarray:
    return np.asanyarray(nib.load(path).dataobj)


# --- soften_files --------------------------------------------------------------------------------------------


def test_soften_files(folder: Path, masks: np.ndarray, flair: np.ndarray) -> None:
    brain = values(folder / "brain.nii.gz")
    options: dict[str, Any] = {"size": 1.4, "radius_mm": 3.2, "threshold": "exact", "scope": "lesion"}
    softened = fastfuse.soften_files(
        [folder / name for name in RATERS],
        folder / "flair.nii.gz",
        out_dir=folder / "new" / "soft",
        roi=folder / "brain.nii.gz",
        **options,
    )
    assert len(softened) == 4
    for name, mask, soft in zip(RATERS, masks, softened, strict=True):
        expected = fastfuse.conditional_dilation(mask, flair, roi=brain, spacing_mm=SPACING, **options)
        np.testing.assert_array_equal(soft.values, expected.values)
        image = nib.load(folder / "new" / "soft" / name)
        assert image.get_data_dtype() == np.float32
        np.testing.assert_array_equal(np.asanyarray(image.dataobj), expected.values)
        np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)
        facts = json.loads((folder / "new" / "soft" / name).with_name(name[:-7] + ".json").read_text())
        assert facts["mask"] == str(folder / name)
        assert facts["image"] == str(folder / "flair.nii.gz")
        assert facts["roi"] == str(folder / "brain.nii.gz")
        assert facts["options"] == {
            "label": 0.3,
            "connected": False,
            "normalize": True,
            "binarize": False,
            **options,
            "spacing_mm": pytest.approx(list(SPACING)),
        }
        assert facts["size"] == expected.size
        assert facts["threshold"] == [None if np.isnan(cut) else cut for cut in expected.threshold]
        assert facts["ring_voxels"] == expected.ring_voxels
        assert facts["warnings"] == []


@pytest.mark.filterwarnings("ignore:rings are counted in voxels")  # of slices of 3 mm
def test_soften_one_file(folder: Path, masks: np.ndarray, flair: np.ndarray) -> None:
    soft = fastfuse.soften_files([folder / RATERS[0]], folder / "flair.nii.gz", output=folder / "s.nii")[0]
    np.testing.assert_array_equal(values(folder / "s.nii"), soft.values)
    facts = json.loads((folder / "s.json").read_text())
    low, high = np.percentile(flair, [0.1, 99.9])
    assert facts["scaling"] == {"low": low, "high": high}
    assert facts["image_threshold"] == pytest.approx(low + facts["threshold"] * (high - low))
    assert "spacing_mm" not in facts["options"]


def test_empty_mask_file(folder: Path) -> None:
    save(folder / "empty.nii", np.zeros(SHAPE, np.uint8))
    with pytest.warns(fastfuse.FusionWarning, match=r"empty\.nii marks nothing, so that nothing grows"):
        [soft] = fastfuse.soften_files(
            [folder / "empty.nii"], folder / "flair.nii.gz", output=folder / "s.nii"
        )
    assert not soft.values.any()
    facts = json.loads((folder / "s.json").read_text())
    assert (facts["size"], facts["threshold"], facts["mask_voxels"]) == (None, None, 0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, r"give output \(-o\) for one mask, or out_dir"),
        ({"output": "a.nii", "out_dir": "b"}, ValueError, r"give output \(-o\)"),
        ({"output": "a.nii"}, ValueError, "4 masks, but one output"),
        ({"out_dir": "."}, fastfuse.OutputError, "rater1.nii.gz: is one of the inputs"),
        ({"out_dir": "flair.nii.gz"}, fastfuse.OutputError, "flair.nii.gz: is a file, not a folder"),
        ({"out_dir": "o", "spacing_mm": (1, 1, 1)}, TypeError, "unexpected keyword argument 'spacing_mm'"),
        ({"out_dir": "o", "sigma": 1}, TypeError, "unexpected keyword argument 'sigma'"),
        ({"out_dir": "o", "size": 0}, ValueError, "size is 0"),
        ({"out_dir": "o", "roi": "missing.nii"}, fastfuse.ImageError, "missing.nii: no such file"),
    ],
)
def test_bad_input(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.chdir(folder)
    before = files_in(folder)
    with pytest.raises(error, match=message):
        fastfuse.soften_files(RATERS, "flair.nii.gz", **options)
    assert files_in(folder) - {"o"} == before


@pytest.mark.filterwarnings("ignore:rings are counted in voxels")  # of slices of 3 mm
def test_one_bad_mask_writes_nothing(folder: Path, masks: np.ndarray) -> None:
    save(folder / "rater3.nii.gz", 255 * masks[2])
    paths = [folder / name for name in RATERS]
    with pytest.raises(ValueError, match=r"rater3\.nii\.gz holds 255 at voxel .*binarize=True"):
        fastfuse.soften_files(paths, folder / "flair.nii.gz", out_dir=folder / "soft")
    assert not (folder / "soft").exists()
    fastfuse.soften_files(paths, folder / "flair.nii.gz", out_dir=folder / "soft", binarize=True)
    assert len(files_in(folder / "soft")) == 8


IMAGES = {
    "whole numbers": lambda flair: flair,
    "fractions": lambda flair: flair + 0.25,
    "from 0": lambda flair: flair - flair.min(),
    "8 bits": lambda flair: np.clip((flair - 250.0) / 2, 0, 255).astype(np.uint8),
    "z-scores": lambda flair: (flair - flair.mean()) / flair.std(),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_mask_and_image_swapped(folder: Path, flair: np.ndarray, kind: str) -> None:
    """An image in the place of a mask is called one, as a fusion calls it; binarize would mark all of it."""
    image = save(folder / "image.nii.gz", IMAGES[kind](flair))
    with pytest.raises(
        ValueError, match=r"an image, such as FLAIR.* .*rater1\.nii\.gz holds two values, .* swap the two"
    ) as caught:
        fastfuse.soften_files([image], folder / RATERS[0], output=folder / "s.nii.gz")
    assert "binarize" not in str(caught.value)


def test_an_image_for_a_mask(folder: Path, flair: np.ndarray) -> None:
    image = save(folder / "image.nii.gz", flair + 0.25)
    with pytest.raises(
        ValueError, match=r"from .* to .*: is this an image, such as FLAIR, and no rater's\?$"
    ):
        fastfuse.soften_files([image], folder / "flair.nii.gz", output=folder / "s.nii.gz")


@pytest.mark.parametrize(
    "values", [np.arange(5), np.arange(60), np.linspace(0, 1, 30), np.linspace(0, 100, 30)]
)
def test_a_map_of_labels_is_called_no_image(folder: Path, values: np.ndarray) -> None:
    labels = np.zeros(np.prod(SHAPE))
    labels[-300:] = np.resize(values, 300)
    path = save(folder / "labels.nii.gz", labels.reshape(SHAPE).astype(np.float32))
    remedy = "binarize=True" if values.max() > 1 else r"of probabilities, mask >= 0\.5 makes one"
    with pytest.raises(ValueError, match=f"a mask holds 0 and 1; {remedy}"):
        fastfuse.soften_files([path], folder / "flair.nii.gz", output=folder / "s.nii.gz")


def test_grids_must_agree(folder: Path, flair: np.ndarray) -> None:
    mirrored = AFFINE.copy()
    mirrored[0, 0] *= -1
    save(folder / "mirrored.nii", flair, mirrored)
    with pytest.raises(fastfuse.GridError, match=r"mirrored\.nii .*axis 0 is flipped"):
        fastfuse.soften_files([folder / RATERS[0]], folder / "mirrored.nii", output=folder / "s.nii")
    with pytest.raises(fastfuse.GridError, match=r"mirrored\.nii .*axis 0 is flipped"):
        fastfuse.fuse_files(
            [folder / name for name in RATERS], folder / "c.nii", soften=True, image=folder / "mirrored.nii"
        )


# --- fuse_files ----------------------------------------------------------------------------------------------


def test_fuse_softened(folder: Path, masks: np.ndarray, flair: np.ndarray) -> None:
    brain = values(folder / "brain.nii.gz")
    fused = fastfuse.fuse_files(
        [folder / name for name in RATERS],
        folder / "c.nii.gz",
        soften=True,
        image=folder / "flair.nii.gz",
        mask=folder / "brain.nii.gz",
        dilation={"size": 1.5, "radius_mm": 3.1},
        m_step="em",
    )
    softened = fastfuse.soften(masks, flair, roi=brain, size=1.5, radius_mm=3.1, spacing_mm=SPACING)
    expected = fastfuse.soft_staple([soft.values for soft in softened], mask=brain, m_step="em")
    np.testing.assert_array_equal(fused.probability, expected.probability)
    facts = json.loads((folder / "c.json").read_text())["dilation"]
    assert facts["options"]["size"] == 1.5
    assert facts["roi"] == str(folder / "brain.nii.gz")
    assert [rater["size"] for rater in facts["raters"]] == [soft.size for soft in softened]


@pytest.mark.filterwarnings("ignore:rings are counted in voxels")  # of slices of 3 mm
def test_fuse_dilated_staple(folder: Path, masks: np.ndarray, flair: np.ndarray) -> None:
    fused = fastfuse.fuse_files(
        [folder / name for name in RATERS],
        folder / "c.nii.gz",
        method="dilated-staple",
        image=folder / "flair.nii.gz",
        save_label=folder / "l.nii.gz",
    )
    expected = fastfuse.dilated_staple(masks, flair)
    np.testing.assert_array_equal(values(folder / "c.nii.gz"), expected.probability)
    np.testing.assert_array_equal(values(folder / "l.nii.gz"), fastfuse.staple(masks).label())
    facts = json.loads((folder / "c.json").read_text())
    assert facts["method"] == fused.method == "dilated-staple"
    assert facts["dilation"]["consensus"]["ring_voxels"] == np.count_nonzero(
        expected.probability == np.float32(0.3)
    )
    assert facts["raters"][0]["sensitivity"] == expected.sensitivity[0]


@pytest.mark.filterwarnings("ignore:rings are counted in voxels")  # of slices of 3 mm
def test_select_label_then_soften(folder: Path, masks: np.ndarray, flair: np.ndarray) -> None:
    paths = [save(folder / f"labels{i}.nii", 3 * mask + (mask == 0)) for i, mask in enumerate(masks)]
    for method in ("soft-staple", "dilated-staple"):
        fused = fastfuse.fuse_files(
            paths,
            folder / f"{method}.nii",
            method=method,
            soften=method == "soft-staple",
            image=folder / "flair.nii.gz",
            select_label=3,
        )
        if method == "soft-staple":
            expected = fastfuse.soft_staple([soft.values for soft in fastfuse.soften(masks, flair)])
        else:
            expected = fastfuse.dilated_staple(masks, flair)
        np.testing.assert_array_equal(fused.probability, expected.probability)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"soften": True}, r"soften needs image"),
        ({"method": "dilated-staple"}, r"dilated-staple needs image"),
        ({"image": "flair.nii.gz"}, "image is given, but nothing grows"),
        ({"dilation": {"size": 1.3}}, "options of a dilation are given, but nothing grows"),
        (
            {"soften": True, "method": "staple", "image": "flair.nii.gz"},
            "soften is set, but staple takes masks",
        ),
        ({"soften": True, "image": "flair.nii.gz", "dilation": {"label": 1}}, "label is 1"),
    ],
)
def test_softening_that_makes_no_sense(folder: Path, options: dict[str, Any], message: str) -> None:
    before = files_in(folder)
    with pytest.raises(ValueError, match=message):
        fastfuse.fuse_files([folder / name for name in RATERS], folder / "c.nii", **options)
    assert files_in(folder) == before


# --- the command ---------------------------------------------------------------------------------------------


def test_soften_command(folder: Path, masks: np.ndarray, flair: np.ndarray) -> None:
    words = (
        "--ring-label 0.4 --ring-threshold 550 --ring-scope lesion --ring-connected "
        "--ring-radius-mm 3.3 --no-normalize --roi brain.nii.gz --threads 1"
    )
    done = run(folder, "soften", *RATERS, "--image", "flair.nii.gz", "--out-dir", "soft", *words.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert "conditional dilation of 4 masks" in done.stdout
    assert "wrote soft, with a .json beside each soft mask" in done.stdout
    expected = fastfuse.conditional_dilation(
        masks[1],
        flair,
        label=0.4,
        threshold=550,
        scope="lesion",
        connected=True,
        radius_mm=3.3,
        spacing_mm=SPACING,
        roi=values(folder / "brain.nii.gz"),
    )
    np.testing.assert_array_equal(values(folder / "soft" / RATERS[1]), expected.values)
    row = next(line for line in done.stdout.splitlines() if RATERS[1] in line)
    assert f"{expected.voxels:,}" in row
    assert f"{expected.ring_voxels:,}" in row
    again = run_here(folder, "soften", *RATERS, "--image", "flair.nii.gz", "--out-dir", "soft")
    assert again.returncode == 2
    assert again.stderr.startswith("error: soft/rater1.nii.gz: exists already")


def test_fuse_soften_command(folder: Path, masks: np.ndarray, flair: np.ndarray) -> None:
    done = run(
        folder,
        "fuse",
        *RATERS,
        "--soften",
        "--image",
        "flair.nii.gz",
        "-o",
        "c.nii.gz",
        "--ring-iterations",
        "2",
    )
    assert (done.returncode, done.stderr) == (0, "")
    softened = fastfuse.soften(masks, flair, iterations=2)
    expected = fastfuse.soft_staple([soft.values for soft in softened])
    np.testing.assert_array_equal(values(folder / "c.nii.gz"), expected.probability)
    assert "grown to" in done.stdout
    assert f"× {softened[0].size:.3f}" in done.stdout


def test_dilated_staple_command(folder: Path, masks: np.ndarray, flair: np.ndarray) -> None:
    words = ["--method", "dilated-staple", "--image", "flair.nii.gz", "--ring-size", "1.5"]
    done = run(folder, "fuse", *RATERS, "-o", "c.nii.gz", *words)
    assert done.returncode == 0
    assert done.stderr.startswith("warning: rings are counted in voxels, of 1 x 1.2 x 3 mm")
    assert done.stderr.count("warning") == 1
    expected = fastfuse.dilated_staple(masks, flair, size=1.5)
    np.testing.assert_array_equal(values(folder / "c.nii.gz"), expected.probability)
    without = run_here(folder, "fuse", *RATERS, "-o", "d.nii.gz", "--method", "dilated-staple")
    assert (without.returncode, without.stdout) == (2, "")
    assert without.stderr == "error: dilated-staple needs --image, the FLAIR that masks grow on\n"


def test_empty_mask_is_printed(folder: Path, masks: np.ndarray) -> None:
    save(folder / "empty.nii", 0 * masks[0])
    done = run_here(folder, "soften", "empty.nii", "--image", "flair.nii.gz", "-o", "s.nii")
    assert re.search(r"empty\.nii +0 +0 +undefined +none", done.stdout)


def test_messages_of_the_shell(folder: Path, masks: np.ndarray, flair: np.ndarray) -> None:
    bad = flair.astype(np.float32)
    bad[:] = np.nan
    bad[0, 0, :] = 1
    save(folder / "bad.nii", bad)
    (folder / "b").mkdir()
    save(folder / "b" / "rater1.nii.gz", masks[0])
    save(folder / "nine.nii", 9 * masks[0] + 4 * masks[1])
    for words, message in (
        ("rater1.nii.gz --image bad.nii -o s.nii --no-normalize", "error: bad.nii holds nan at voxel"),
        ("rater1.nii.gz --image flair.nii.gz -o s.nii --ring-size .5", "error: --ring-size is 0.5"),
        ("rater1.nii.gz --image flair.nii.gz -o s.nii --ring-radius-mm 0", "error: --ring-radius-mm is 0.0"),
        (
            "rater1.nii.gz --image flair.nii.gz -o s.nii --roi nine.nii",
            "error: nine.nii: it holds 0, 4, 9, 13, and a region",
        ),
        (
            "rater1.nii.gz b/rater1.nii.gz --image flair.nii.gz --out-dir o",
            "rater1.nii.gz would both become o/",
        ),
        ("rater1.nii.gz missing.nii --image flair.nii.gz --out-dir o/p", "error: missing.nii: no such file"),
    ):
        done = run_here(folder, "soften", *words.split())
        assert done.returncode == 2
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
        assert not (folder / "o").exists()
    fuse = ["fuse", *RATERS, "--soften", "--image", "flair.nii.gz", "-o", "c.nii"]
    done = run_here(folder, *fuse, "--select-label", "1", "--binarize")
    assert "--select-label and --binarize are given" in done.stderr
    done = run_here(folder, *fuse, "--select-label", "9")
    assert "label 9 does not occur" in done.stderr
