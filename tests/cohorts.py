"""Tiny cohorts in both layouts of MSSEG-2016."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import nibabel as nib
import numpy as np

SHAPE = (8, 9, 7)
AFFINE = np.array([[-1.0, 0, 0, 30], [0, 1.2, 0, -40], [0, 0, 3.0, -20], [0, 0, 0, 1]])
MODALITIES = ("DP", "FLAIR", "GADO", "T1", "T2")


def save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def voxels(path: Path) -> np.ndarray:
    return np.asanyarray(nib.load(path).dataobj)


def image(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 900, SHAPE, np.int16)


def rater_mask(number: int) -> np.ndarray:
    """Return a rater's mask of the one lesion; raters 1 to 4 differ from all others in a voxel at its corner."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:5, 3:6, 2:4] = 1
    mask[4, 5, 1 + number % 4] ^= 1
    return mask


def brain() -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:-1, 1:-1, 1:-1] = 1
    return mask


def save_images(folder: Path, seed: int, suffix: str = "_preprocessed.nii.gz") -> None:
    for i, name in enumerate(MODALITIES):
        save(folder / f"{name}{suffix}", image(10 * seed + i))


def save_masks(folder: Path, raters: int, suffix: str = ".nii.gz") -> None:
    for number in range(1, raters + 1):
        save(folder / f"ManualSegmentation_{number}{suffix}", rater_mask(number))
    save(folder / f"Consensus{suffix}", rater_mask(1))


def current_case(root: Path, center: str, patient: str, *, split: str = "Training", raters: int = 3) -> Path:
    """Write one case as today's download lays it out; return its folder."""
    folder = root / split / center / patient
    save_images(folder / "Preprocessed_Data", seed=crc32(f"{split} {patient}".encode()))
    save(folder / "Raw_Data" / "FLAIR.nii.gz", np.zeros((3, 3, 3), np.int16))
    save_masks(folder / "Masks", raters)
    save(folder / "Masks" / "Brain_Mask.nii.gz", brain())
    return folder


def mask_path(folder: Path, number: int) -> Path:
    return folder / "Masks" / f"ManualSegmentation_{number}.nii.gz"


def flipped(mask: np.ndarray, axes: tuple[int, ...], shift_mm: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return array and affine of a mask whose voxels are stored the other way along some axes."""
    turn = np.eye(4)
    for axis in axes:
        turn[axis, axis], turn[axis, 3] = -1, SHAPE[axis] - 1
    affine = AFFINE @ turn
    affine[0, 3] += shift_mm
    return np.ascontiguousarray(np.flip(mask, axes)), affine


def first_case(cohort: Path) -> Path:
    return cohort / "Training" / "Center_01" / "Patient_01"


def image_path(folder: Path, name: str) -> Path:
    return folder / "Preprocessed_Data" / f"{name}_preprocessed.nii.gz"
