"""Files that are parts of one volume, turned, or between its voxels."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import evaluate, evaluate_files, evaluate_folders

from .test_evaluation import SPACING, save
from .test_surface import SHAPE, blobs

AFFINE = np.diag([-0.7, 1.2, 3.0, 1.0])
AFFINE[:3, 3] = 80, -60, 11
TRUTH = blobs(3, 0.1).astype(np.uint8)
PREDICTION = np.zeros(SHAPE, np.uint8)
PREDICTION[4:20, 3:15, 2:11] = blobs(4, 0.2)[4:20, 3:15, 2:11]

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def cropped(path: Path) -> Path:
    """The prediction's box alone, as Slicer writes it."""
    origin = AFFINE.copy()
    origin[:3, 3] = (AFFINE @ [4, 3, 2, 1])[:3]
    return save(path, PREDICTION[4:20, 3:15, 2:11], origin)


def turned(path: Path) -> Path:
    """The same voxels, with axes in another order and direction."""
    nib.save(nib.as_closest_canonical(nib.Nifti1Image(PREDICTION, AFFINE)), path)
    return path


@pytest.mark.parametrize("make", [cropped, turned])
def test_parts_of_one_volume(tmp_path: Path, make) -> None:
    truth, prediction = save(tmp_path / "t.nii", TRUTH, AFFINE), make(tmp_path / "p.nii")
    expected = asdict(evaluate(PREDICTION, TRUTH, spacing_mm=SPACING, tolerance_mm=1))
    for grid in (None, truth):
        found = evaluate_files(prediction, truth, tolerance_mm=1, grid=grid)
        overlaps = {
            name: expected[name] for name in ("dice", "hd95_mm", "assd_mm", "truth_lesions", "true_positives")
        }
        assert {name: asdict(found)[name] for name in overlaps} == pytest.approx(overlaps, rel=1e-6)
    evaluate_files(prediction, truth, grid=truth, save_lesions=tmp_path / "l.nii")
    labels = nib.load(tmp_path / "l.nii")
    np.testing.assert_allclose(labels.affine, AFFINE, atol=1e-5)
    np.testing.assert_array_equal((np.asarray(labels.dataobj) > 0) & (TRUTH == 0) & (PREDICTION == 0), False)


def test_other_voxels_are_resampled_on_request(tmp_path: Path) -> None:
    between = AFFINE.copy()
    between[:3, 3] += 0.3 * AFFINE[:3, :3].sum(axis=1)
    truth, prediction = save(tmp_path / "t.nii", TRUTH, AFFINE), save(tmp_path / "p.nii", PREDICTION, between)
    with pytest.raises(fastfuse.GridError, match=r"p\.nii|t\.nii"):
        evaluate_files(prediction, truth)
    found = evaluate_files(prediction, truth, grid=truth, resample="nearest")
    assert found.dice == pytest.approx(evaluate(PREDICTION, TRUTH).dice, abs=0.02)


def test_folders_too(tmp_path: Path) -> None:
    for what in ("p", "t"):
        (tmp_path / what).mkdir()
    for name, make in (("a", cropped), ("b", turned)):
        make(tmp_path / "p" / f"{name}.nii")
        save(tmp_path / "t" / f"{name}.nii", TRUTH, AFFINE)
    found = evaluate_folders(tmp_path / "p", tmp_path / "t", tolerance_mm=1)
    dice = evaluate(PREDICTION, TRUTH).dice
    assert [one.dice for one in found.cases.values()] == pytest.approx([dice, dice])
