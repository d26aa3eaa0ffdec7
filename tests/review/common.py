"""A case of four raters with four lesions, and lists that are decided."""

from __future__ import annotations

import csv
import io
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np

import fastfuse

SHAPE = (24, 20, 16)
AFFINE = np.array(
    [[0, 0, 2.0, -7], [-1.5, 0, 0, 20], [0, 1.0, 0, 3], [0, 0, 0, 1]]
)  # axes turned, sides unlike
VOXEL_ML = 3.0 / 1000
RATERS = [f"rater {i}.nii.gz" for i in range(4)]

# Corners of boxes, and who marks them: all; three; one; two, of whom the second marks a part.
ALL, THREE, ONE, TWO = (2, 2, 2), (10, 2, 2), (18, 2, 2), (2, 12, 8)


def box(at: tuple[int, int, int], sides: tuple[int, int, int]) -> tuple[slice, ...]:
    return tuple(slice(first, first + side) for first, side in zip(at, sides, strict=True))


def case_in(folder: Path) -> Path:
    """Write four raters' masks, and their consensus."""
    masks = np.zeros((4, *SHAPE), np.uint8)
    for i in range(4):
        masks[(i, *box(ALL, (4, 4, 4)))] = 1
    for i in range(3):
        masks[(i, *box(THREE, (3, 3, 3)))] = 1
    masks[(3, *box(ONE, (3, 3, 2)))] = 1
    masks[(0, *box(TWO, (4, 3, 2)))] = 1
    masks[(1, *box(TWO, (2, 3, 2)))] = 1
    for name, mask in zip(RATERS, masks, strict=True):
        nib.save(nib.Nifti1Image(mask, AFFINE), folder / name)
    fused(folder, "consensus.nii.gz")
    return folder


def fused(folder: Path, output: str, *, quietly: bool = True, **options: object) -> fastfuse.Fusion:
    options = {"method": "staple", "names": ["Anna", "Bert", "Carla", "=Dora"], **options}
    with warnings.catch_warnings():
        if quietly:  # so few voxels leave doubts
            warnings.simplefilter("ignore", fastfuse.FusionWarning)
        return fastfuse.fuse_files([folder / name for name in RATERS], folder / output, **options)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def decide(path: Path, decisions: dict[str, str], **changes: str) -> Path:
    """Write decisions into a list, and whatever else into all lines."""
    rows = rows_of(path)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, "decision": decisions.get(row["lesion"], ""), **changes} for row in rows)
    return path
