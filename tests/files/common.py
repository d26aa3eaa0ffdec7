"""Small images on one grid, and files with one fault each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

SHAPE = (14, 18, 11)
AFFINE = np.array([[-1.0, 0, 0, 90], [0, 1.2, 0, -126], [0, 0, 3.0, -72], [0, 0, 0, 1]])


def save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE, **header: Any) -> Path:
    image = nib.Nifti1Image(data, affine)
    for name, value in header.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- grids ---------------------------------------------------------------------------------------------------


def shifted(mm: float) -> np.ndarray:
    affine = AFFINE.copy()
    affine[0, 3] += mm
    return affine


# --- damaged and hostile files -------------------------------------------------------------------------------


def truncate(path: Path, keep: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


def patch(path: Path, at: int, values: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[at : at + len(values)] = values
    path.write_bytes(content)


def wrong_crc(path: Path) -> None:
    patch(path, path.stat().st_size - 8, b"\0\0\0\0")


def nan_affine(path: Path) -> None:
    patch(path, 280, np.array([np.nan] * 4, "<f4").tobytes())


DAMAGE = {
    "empty": (".nii", lambda path: path.write_bytes(b""), "the file is empty"),
    "half": (".nii", lambda path: truncate(path, 0.5), "truncated"),
    "half gz": (".nii.gz", lambda path: truncate(path, 0.5), "a complete image file"),
    "header only": (".nii", lambda path: truncate(path, 0.1), "a complete image file|truncated"),
    "wrong crc": (".nii.gz", wrong_crc, "CRC.*; its content is damaged, so copy it again"),
    "noise": (".nii", lambda path: path.write_bytes(os.urandom(2000)), "cannot be read"),
    "noise gz": (".nii.gz", lambda path: path.write_bytes(b"\x1f\x8b" + os.urandom(2000)), "cannot be read"),
    "nan affine": (".nii", nan_affine, "affine"),
    "zero affine": (".nii", lambda path: patch(path, 280, bytes(48)), "affine"),
    "negative dim": (".nii", lambda path: patch(path, 42, np.array([-5], "<i2").tobytes()), "rater1.nii"),
    "zero dim": (".nii", lambda path: patch(path, 42, np.array([0], "<i2").tobytes()), "no voxels"),
    "large dims": (".nii", lambda path: patch(path, 42, np.array([300] * 3, "<i2").tobytes()), "truncated"),
    "offset in header": (
        ".nii",
        lambda path: patch(path, 108, np.array([4], "<f4").tobytes()),
        "vox offset 4 too low",
    ),
    "unknown type": (
        ".nii",
        lambda path: patch(path, 70, np.array([9999], "<i2").tobytes()),
        "cannot be read",
    ),
    "complex type": (".nii", lambda path: patch(path, 70, np.array([32], "<i2").tobytes()), "rater1.nii"),
}
