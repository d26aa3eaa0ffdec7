"""Probabilities where masks are needed: to grow, and for methods of masks. The remedy that is named makes masks."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..command import run_here
from ..images.networks import AFFINE, classes, regions, save_pair
from .common import save

SHAPE = (20, 19, 18)
SOFT = regions(0, 1, SHAPE)[0]
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")

# Commands that need masks; each writes out.nii.gz.
JOBS = {
    "soften": "soften {0} --image flair.nii -o out.nii.gz",
    "fuse --soften": "fuse {0} {1} --image flair.nii --soften -o out.nii.gz",
    "staple": "fuse {0} {1} --method staple -o out.nii.gz",
    "dilated-staple": "fuse {0} {1} --method dilated-staple --image flair.nii -o out.nii.gz",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Probabilities as volumes, in [0, 1] and scaled, and as a network's channels; an image; masks of the same."""
    image = np.random.default_rng(1).random(SHAPE) + SOFT
    save(tmp_path / "flair.nii", image.astype(np.float32), AFFINE)
    save(tmp_path / "mask.nii", (SOFT >= 0.5).astype(np.uint8), AFFINE)
    save(tmp_path / "unit.nii", SOFT, AFFINE)
    save(tmp_path / "scaled.nii", np.rint(255 * SOFT).astype(np.uint8), AFFINE)
    save(tmp_path / "levels.nii", np.where(SOFT >= 0.5, 1, 0.3 * (SOFT > 0.2)), AFFINE)
    values = classes(0, 3, SHAPE)
    save_pair(tmp_path / "net", values, values.argmax(axis=0).astype(np.uint8))
    return tmp_path


def made(folder: Path, command: str) -> np.ndarray:
    done = run_here(folder, *command.split(), "--overwrite")
    assert done.returncode == 0, done.stderr
    return np.asarray(nib.load(folder / "out.nii.gz").dataobj)


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("soft", ["unit.nii", "scaled.nii", "levels.nii", "net/case.npz --select-label 1"])
def test_the_threshold_is_named(folder: Path, job: str, soft: str) -> None:
    command = JOBS[job].format(soft, soft)
    refused = run_here(folder, *command.split())
    assert refused.returncode == 2
    [threshold] = set(re.findall(r"\((--threshold [\d.]+)\)", refused.stderr))
    assert threshold == f"--threshold {127.5 if soft == 'scaled.nii' else 0.5}"
    assert "--binarize" not in refused.stderr or soft == "scaled.nii"  # which may be a label map
    found = made(folder, f"{command} {threshold}")
    if "npz" in soft:
        save(folder / "mask.nii", (classes(0, 3, SHAPE)[1] >= 0.5).astype(np.uint8), AFFINE)
    np.testing.assert_array_equal(found, made(folder, JOBS[job].format("mask.nii", "mask.nii")))


@pytest.mark.parametrize("job", JOBS)
def test_binarize_of_a_network_makes_no_mask(folder: Path, job: str) -> None:
    """It takes the probability of all classes, which is above 0 everywhere."""
    command = JOBS[job].format("net/case.npz", "net/case.npz")
    refused = run_here(folder, *command.split(), "--binarize")
    assert refused.returncode == 2
    told = re.search(r"a mask is needed: cut that of some, as by (.*)$", refused.stderr.rstrip())
    assert told is not None
    assert told[1] == "--select-label 1 --threshold 0.5"
    assert made(folder, f"{command} {told[1]}").any()
    with pytest.raises(fastfuse.ImageError, match=r"select_label=1, mask_threshold=0\.5"):
        fastfuse.soften_files(
            [folder / "net" / "case.npz"], folder / "flair.nii", output=folder / "s.nii", binarize=True
        )


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("values", [[0, 255], [0, 1 / 255], [0, 3]])
def test_of_masks_of_other_values_binarize_is_named(folder: Path, job: str, values: list[float]) -> None:
    kind = np.float32 if values[1] < 1 else np.uint8
    save(folder / "odd.nii", np.where(SOFT >= 0.5, values[1], 0).astype(kind), AFFINE)
    command = JOBS[job].format("odd.nii", "odd.nii")
    refused = run_here(folder, *command.split())
    assert refused.returncode == 2
    if "staple" not in job:
        assert "--binarize counts whatever is above 0" in refused.stderr
    found = made(folder, f"{command} --binarize")
    np.testing.assert_array_equal(found, made(folder, JOBS[job].format("mask.nii", "mask.nii")))


def test_arrays() -> None:
    image = np.random.default_rng(1).random(SHAPE)
    for values, cut in ((SOFT, 0.5), (100 * SOFT, 50)):
        with pytest.raises(ValueError, match=rf"rater 0 .*mask >= {cut} makes one"):
            fastfuse.soften([values], image)
        grown, expected = (fastfuse.soften([one], image)[0] for one in (values >= cut, SOFT >= 0.5))
        np.testing.assert_array_equal(grown.values, expected.values)
