"""Sheared grids: volumes are determinants, and distances take the whole affine."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from fastfuse import FusionWarning, evaluate, evaluate_against_raters, evaluate_files, fuse_files
from fastfuse.evaluation.space import Space
from fastfuse.evaluation.surface import surface_distances

from .test_surface import blobs, surface_of

ONE, TWO = blobs(1), blobs(2)
TILT = np.eye(4)
TILT[1, 2] = 0.5  # a gantry tilted by 27 degrees
STEEP = np.array([[0.5, 0, 0.2, 3], [0.1, 0.5, 1.1, 0], [0, 0, 3.0, -7], [0, 0, 0, 1]])
SHEARED = {"tilt": TILT, "steep": STEEP, "mirrored": STEEP * [[-1], [1], [1], [1]]}


def turned(angle: float) -> np.ndarray:
    """An affine of 0.7 × 1.2 × 3 mm, turned about an oblique axis: no shear."""
    from scipy.spatial.transform import Rotation

    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_rotvec(angle * np.array([1, 2, -1])).as_matrix() * (0.7, 1.2, 3.0)
    return affine


@pytest.mark.parametrize("affine", SHEARED.values(), ids=SHEARED)
def test_distances_are_those_of_the_places(affine: np.ndarray) -> None:
    a, b = (np.argwhere(surface_of(mask)) @ affine[:3, :3].T for mask in (ONE, TWO))
    apart = np.linalg.norm(a[:, None] - b, axis=2)
    there, back = apart.min(axis=1), apart.min(axis=0)
    found = surface_distances(ONE, TWO, Space.of_affine(affine), tolerance_mm=1)
    assert found.hd95_mm == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)))
    assert found.assd_mm == pytest.approx(np.concatenate([there, back]).mean())
    assert found.hd100_mm == pytest.approx(max(there.max(), back.max()))
    assert found != surface_distances(ONE, TWO, np.linalg.norm(affine[:3, :3], axis=0), tolerance_mm=1)


@pytest.mark.parametrize("affine", SHEARED.values(), ids=SHEARED)
def test_volumes_are_determinants(affine: np.ndarray) -> None:
    images = [nib.Nifti1Image(mask.astype(np.uint8), affine) for mask in (ONE, TWO)]
    found = evaluate(*images)
    voxel = abs(np.linalg.det(affine[:3, :3]))
    assert found.prediction_ml == pytest.approx(ONE.sum() * voxel / 1000)
    assert found.truth_ml == pytest.approx(TWO.sum() * voxel / 1000)


def test_the_cube_of_the_tilted_gantry() -> None:
    mask = np.zeros((9, 9, 9), np.uint8)
    mask[2:7, 2:7, 2:7] = 1
    image = nib.Nifti1Image(mask, TILT)
    assert evaluate(image, image).truth_ml == pytest.approx(0.125)


def test_lesions_are_large_by_the_determinant() -> None:
    """Three voxels of 1 mm³ each are 3 mm³, though the product of the steps' lengths says 3.35."""
    mask = np.zeros((9, 9, 9), np.uint8)
    mask[2:5, 4, 4] = 1
    assert evaluate(nib.Nifti1Image(mask, TILT), nib.Nifti1Image(mask, TILT)).truth_left_out == 1
    assert evaluate(mask, mask, spacing_mm=(1, 1, 1.118)).truth_lesions == 1


@pytest.mark.parametrize("affine", [*SHEARED.values(), turned(0.4), turned(0)])
def test_fuse_and_evaluate_agree_about_a_file(tmp_path: Path, affine: np.ndarray) -> None:
    truth = tmp_path / "t.nii.gz"
    nib.save(nib.Nifti1Image(TWO.astype(np.uint8), affine), truth)
    nib.save(nib.Nifti1Image(ONE.astype(np.uint8), affine), tmp_path / "a.nii.gz")
    raters = [truth, tmp_path / "a.nii.gz"]
    fuse_files(raters, tmp_path / "c.nii.gz", method="majority")
    fused = json.loads((tmp_path / "c.json").read_text())
    found = evaluate_files(raters[1], truth, output=tmp_path / "e.json")
    volumes = [rater["volume_ml"] for rater in fused["raters"]]
    assert volumes == pytest.approx([found.truth_ml, found.prediction_ml], rel=1e-5)
    voxel = json.loads((tmp_path / "e.json").read_text())["options"]["voxel_mm3"]
    assert voxel == pytest.approx(abs(np.linalg.det(affine[:3, :3])), rel=1e-6)


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.7])
def test_turning_changes_nothing(angle: float) -> None:
    images = [nib.Nifti1Image(mask.astype(np.uint8), turned(angle)) for mask in (ONE, TWO)]
    assert Space.of_affine(turned(angle)).steps is None
    expected = evaluate(ONE, TWO, spacing_mm=(0.7, 1.2, 3.0), tolerance_mm=1)
    assert asdict(evaluate(*images, tolerance_mm=1)) == pytest.approx(asdict(expected), rel=1e-9)


def test_headers_of_single_precision_are_no_shear() -> None:
    for angle in np.linspace(0, 3, 20):
        assert Space.of_affine(turned(angle).astype(np.float32)).steps is None
    barely = np.eye(4)
    barely[0, 1] = 1e-4
    assert Space.of_affine(barely).steps is not None


@pytest.mark.parametrize(("unit", "mm"), [("meter", 1e3), ("micron", 1e-3), ("mm", 1), ("unknown", 1)])
def test_units_of_headers(tmp_path: Path, unit: str, mm: float) -> None:
    """One image in memory and in a file, whatever its header counts in."""
    images = []
    for name, mask in (("p", ONE), ("t", TWO)):
        image = nib.Nifti1Image(mask.astype(np.uint8), np.diag([0.7 / mm, 1.2 / mm, 3 / mm, 1]))
        image.header.set_xyzt_units(unit)
        nib.save(image, tmp_path / f"{name}.nii")
        images.append(image)
    expected = asdict(evaluate(ONE, TWO, spacing_mm=(0.7, 1.2, 3.0), tolerance_mm=1))
    assert asdict(evaluate(*images, tolerance_mm=1)) == pytest.approx(expected, rel=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FusionWarning)  # that another unit is converted
        found = evaluate_files(tmp_path / "p.nii", tmp_path / "t.nii", tolerance_mm=1)
    assert asdict(found) == pytest.approx(expected, rel=1e-6)


def test_images_of_simpleitk() -> None:
    """Axes z, y, x; and a slice."""
    sitk = pytest.importorskip("SimpleITK")
    for one, two, sides in ((ONE, TWO, (0.7, 1.2, 3.0)), (ONE[..., 7], TWO[..., 7], (0.7, 1.2))):
        images = [sitk.GetImageFromArray(mask.T.astype(np.uint8)) for mask in (one, two)]
        for image in images:
            image.SetSpacing(sides)
        found = asdict(evaluate(*images, tolerance_mm=1))
        expected = asdict(evaluate(one, two, spacing_mm=sides, tolerance_mm=1))
        assert found == pytest.approx(expected)


def test_slices_of_nibabel() -> None:
    images = [
        nib.Nifti1Image(mask[..., 7].astype(np.uint8), np.diag([0.7, 1.2, 1, 1])) for mask in (ONE, TWO)
    ]
    assert evaluate(*images) == evaluate(ONE[..., 7], TWO[..., 7], spacing_mm=(0.7, 1.2))


@pytest.mark.filterwarnings("ignore")
def test_tensors_that_carry_an_affine() -> None:
    """MONAI's, with a channel in front or without."""
    data = pytest.importorskip("monai.data", reason="needs MONAI, of the extra oracles")
    torch = pytest.importorskip("torch")
    affine = torch.diag(torch.tensor([0.7, 1.2, 3.0, 1.0], dtype=torch.float64))
    expected = evaluate(ONE, TWO, spacing_mm=(0.7, 1.2, 3.0))
    for lead in ((), (1,), (1, 1)):
        one, two = (
            data.MetaTensor(torch.from_numpy(mask.reshape(*lead, *mask.shape)), affine=affine)
            for mask in (ONE, TWO)
        )
        assert evaluate(one, two) == expected


@pytest.mark.parametrize("affine", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.ones((4, 4))])
def test_affines_that_are_none(affine: np.ndarray) -> None:
    with pytest.raises(ValueError, match="its affine is not an invertible matrix of finite numbers"):
        Space.of_affine(affine)


class Batched:
    """An image of a batch: the affines of its cases in one array."""

    def __init__(self, values: NDArray[np.uint8], affine: object) -> None:
        self.values, self.affine, self.shape = values, affine, values.shape

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[np.uint8]:
        return self.values


@pytest.mark.parametrize("affine", [np.eye(4)[None], np.zeros((2, 4, 4)), np.zeros((1, 1, 3, 3))])
def test_an_affine_that_is_no_matrix_is_not_taken_for_1_mm(affine: NDArray[np.float64]) -> None:
    truth = np.zeros((9, 9, 9), np.uint8)
    truth[2:5, 2:5, 2:5] = 1
    odd, straight = Batched(truth, affine), Batched(truth, np.diag([1.0, 1.0, 3.0, 1.0]))
    for prediction, other in ((odd, odd), (odd, truth), (truth, odd)):
        with pytest.raises(
            ValueError, match=r"^the (prediction|truth) has an affine that is no matrix of 4 x 4"
        ):
            evaluate(prediction, other)
        assert evaluate(prediction, other, spacing_mm=(1, 1, 3)).truth_ml == pytest.approx(0.081)
    with pytest.raises(ValueError, match="has an affine that is no matrix of 4 x 4"):
        evaluate_against_raters(odd, [odd, odd], roi=1)
    for prediction, other in ((odd, straight), (straight, odd)):
        assert evaluate(prediction, other).truth_ml == pytest.approx(0.081)
