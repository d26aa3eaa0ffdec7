"""Fused cohorts with images, and what of them is exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

import fastfuse

from ...cohort.files import NAMES, SHAPE, make_cohort, save
from ...command import run_here

CHANNELS = ("--images", "data", "--channel", "T1={case}/t1.nii.gz", "--channel", "FLAIR={case}/flair.nii.gz")
CASES = [f"case-{number:02}" for number in range(5)]
PLACED = np.array([[1.0, 0, 0, -12], [0, 1, 0, 7], [0, 0, 2, -20], [0, 0, 0, 1]])
OF_BIDS = ("fused", "--out", "raw", "--images", "data", "--channel", "FLAIR=**/{case}_*FLAIR.nii.gz")


def with_images(data: Path, cases: int = 5, *, labels: bool = False) -> Path:
    """Make a cohort with two images of each case, the second stored as scaled integers."""
    make_cohort(data, cases, labels=labels)
    rng = np.random.default_rng(5)
    for case in sorted(data.iterdir()):
        save(case / "t1.nii.gz", rng.normal(size=SHAPE).astype(np.float32))
        save(case / "flair.nii.gz", rng.integers(0, 900, SHAPE).astype(np.int16))
    return data


def exported(root: Path, *words: str) -> Path:
    done = run_here(root, "export", "nnunet", "fused", "--out", "raw", *CHANNELS, *words)
    assert done.returncode == 0, done.stderr
    return root / "raw" / "Dataset501_fused"


def refused(root: Path, *words: str) -> str:
    """Return the one line of a refusal, which leaves nothing behind."""
    done = run_here(root, "export", "nnunet", *words)
    assert done.returncode == 2, done.stderr
    assert not [*(root / "raw").glob("*")], "a part of a data set"
    assert not [*(root / "raw").glob(".*")]
    return done.stderr.strip().splitlines()[-1]


def voxels(path: Path) -> Any:
    return np.asanyarray(nib.load(path).dataobj)


def of_bids(root: Path, affine: Any, *, crop: int = 0, turned: bool = False) -> None:
    """Make two sessions of three subjects, and one of a fourth; masks may lack the first planes, images be mirrored."""
    rng = np.random.default_rng(0)
    for subject, session in [*((one, two) for one in "abc" for two in "12"), ("d", "1")]:
        case = f"sub-{subject}_ses-{session}"
        anat = root / "data" / f"sub-{subject}" / f"ses-{session}" / "anat"
        whole = np.zeros(SHAPE, np.uint8)
        whole[3:7, 2:6, 2:5] = 1
        for rater in NAMES:
            noisy = whole * (rng.random(SHAPE) < 0.9)
            noisy[3, 2, 2] = 1
            moved = affine.copy()
            moved[0, 3] += crop * affine[0, 0]
            path = root / "data/derivatives/masks" / f"{case}_rater-{rater}_mask.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(noisy[crop:].astype(np.uint8), moved), path)
        image, place = rng.normal(size=SHAPE).astype(np.float32), affine.copy()
        if turned:
            place[0, 0], place[0, 3] = -affine[0, 0], affine[0, 3] + (SHAPE[0] - 1) * affine[0, 0]
        anat.mkdir(parents=True)
        nib.save(nib.Nifti1Image(image, place), anat / f"{case}_acq-3d_FLAIR.nii.gz")
    fastfuse.fuse_cohort(root / "data", root / "fused", method="staple", replicates=10)
