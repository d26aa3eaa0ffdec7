"""Slices: their surface is a contour, their distances lie in the plane."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from fastfuse import evaluate, evaluate_files
from fastfuse.evaluation.surface import surface_distances

from .test_surface import blobs

ONE, TWO = blobs(1)[:, :, 7], blobs(2)[:, :, 7]
SIDES = (0.7, 1.2)


def contour(mask: np.ndarray) -> np.ndarray:
    """Pixels of a slice with a neighbour outside."""
    padded = np.pad(mask, 1)
    core = mask.copy()
    for axis in range(2):
        for step in (-1, 1):
            core &= np.roll(padded, step, axis)[1:-1, 1:-1]
    return mask & ~core


def test_the_surface_is_the_contour() -> None:
    a, b = (np.argwhere(contour(mask)) * SIDES for mask in (ONE, TWO))
    apart = np.linalg.norm(a[:, None] - b, axis=2)
    there, back = apart.min(axis=1), apart.min(axis=0)
    assert len(a) < ONE.sum()
    found = surface_distances(ONE, TWO, SIDES)
    assert found.hd95_mm == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)))
    assert found.assd_mm == pytest.approx(np.concatenate([there, back]).mean())
    assert found.hd100_mm == pytest.approx(apart.min(axis=1).max().clip(back.max()))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_volume_of_one_slice_is_that_slice(axis: int) -> None:
    sides = np.insert(np.array(SIDES), axis, 4.0)
    volumes = [np.expand_dims(mask, axis) for mask in (ONE, TWO)]
    assert surface_distances(*volumes, sides) == surface_distances(ONE, TWO, SIDES)


@pytest.mark.filterwarnings("ignore")
def test_as_monai() -> None:
    metrics = pytest.importorskip("monai.metrics", reason="needs MONAI, of the extra oracles")
    torch = pytest.importorskip("torch")
    one, two = (torch.from_numpy(np.stack([~mask, mask])[None].astype(np.float32)) for mask in (ONE, TWO))
    found = surface_distances(ONE, TWO, SIDES, tolerance_mm=1.3)
    theirs = {
        "hd95_mm": metrics.compute_hausdorff_distance(one, two, percentile=95, spacing=SIDES),
        "hd100_mm": metrics.compute_hausdorff_distance(one, two, spacing=SIDES),
        "assd_mm": metrics.compute_average_surface_distance(one, two, symmetric=True, spacing=SIDES),
        "surface_dice": metrics.compute_surface_dice(one, two, [1.3], spacing=SIDES),
    }
    assert asdict(found) == pytest.approx({name: float(value) for name, value in theirs.items()}, rel=1e-5)


def test_rows_and_single_voxels() -> None:
    """The surface of a row is its ends; that of one voxel is the voxel."""
    row, end = np.ones((9, 1, 1)), np.zeros((9, 1, 1))
    end[0] = 1
    assert surface_distances(row, end).hd100_mm == 8
    assert surface_distances(row, end).assd_mm == pytest.approx((0 + 8 + 0) / 3)
    assert surface_distances(np.ones((1, 1, 1)), np.ones((1, 1, 1))).hd100_mm == 0


@pytest.mark.parametrize(
    ("reshaped", "spacing", "thickness"),
    [
        (lambda mask: mask, SIDES, 1.0),
        (lambda mask: mask, (*SIDES, 3.0), 3.0),
        (lambda mask: mask[..., None], SIDES, 1.0),
        (lambda mask: mask[..., None], (*SIDES, 3.0), 3.0),
        (lambda mask: mask[..., None, None, None], (*SIDES, 3.0), 3.0),
    ],
)
def test_evaluate_takes_slices(reshaped: Any, spacing: tuple[float, ...], thickness: float) -> None:
    found = evaluate(reshaped(ONE), reshaped(TWO), spacing_mm=spacing, mask=reshaped(np.ones(ONE.shape)))
    distances = surface_distances(ONE, TWO, SIDES)
    assert (found.hd95_mm, found.assd_mm) == (distances.hd95_mm, distances.assd_mm)
    assert found.dice == 2 * (ONE & TWO).sum() / (ONE.sum() + TWO.sum())
    assert found.truth_ml == pytest.approx(TWO.sum() * 0.84 * thickness / 1000)


def test_files_of_one_slice(tmp_path: Path) -> None:
    """Of two axes, of three, of four: nothing of the header says more than the pixels' size."""
    expected = asdict(evaluate(ONE, TWO, spacing_mm=SIDES, tolerance_mm=1))
    affine = np.diag([*SIDES, 1.0, 1.0])
    truth = tmp_path / "t.nii"
    nib.save(nib.Nifti1Image(TWO[..., None].astype(np.uint8), affine), truth)
    for axes in range(2, 5):
        data = ONE.astype(np.uint8).reshape((*ONE.shape, 1, 1)[:axes])
        path = tmp_path / f"p{axes}.nii"
        nib.save(nib.Nifti1Image(data, affine), path)
        assert asdict(evaluate_files(path, truth, tolerance_mm=1)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("prediction", "options", "message"),
    [
        (ONE[0], {}, r"the prediction has shape \(19,\): a 2-D slice or a 3-D volume is needed"),
        (
            np.stack([ONE, ONE], axis=2),
            {},
            r"the truth has shape \(24, 19\), the prediction has shape \(24, 19, 2\)",
        ),
        (ONE, {"spacing_mm": (1,)}, r"spacing_mm is \(1,\)"),
        (ONE, {"spacing_mm": (1, 0)}, r"spacing_mm\[1\] is 0"),
        (ONE, {"spacing_mm": (1, 1, -1)}, r"spacing_mm\[2\] is -1"),
    ],
)
def test_bad_input(prediction: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(prediction, TWO, **options)
