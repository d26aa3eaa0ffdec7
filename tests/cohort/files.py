"""Small cohorts on disk: a folder for each case, a mask for each rater."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from fastfuse import fuse_cohort
from fastfuse.cohort.fuse import CohortFusion

from .common import masks_of

SHAPE = (10, 9, 8)
NAMES = ("Ann", "Bob", "Eve")
GLOB = "{case}/masks/{rater}.nii.gz"
AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])


def save(path: Path, data: NDArray[np.generic]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, AFFINE), path)
    return path


def mask_path(root: Path, case: str, rater: str) -> Path:
    return root / case / "masks" / f"{rater}.nii.gz"


def masks(seed: int) -> NDArray[np.uint8]:
    """Return the masks of three raters."""
    return masks_of(seed, 0.2, int(np.prod(SHAPE)))[:3].reshape(3, *SHAPE).astype(np.uint8)


def add_case(root: Path, number: int, *, labels: bool = False) -> str:
    """Write a case; return its name."""
    case, votes = f"case-{number:02}", masks(number)
    if labels:
        votes = votes * np.random.default_rng(number).integers(1, 4, SHAPE).astype(np.uint8)
    for rater, mask in zip(NAMES, votes, strict=True):
        save(mask_path(root, case, rater), mask)
    return case


def make_cohort(root: Path, cases: int = 5, *, labels: bool = False) -> Path:
    for number in range(cases):
        add_case(root, number, labels=labels)
    return root


def without_recipe(alone: dict[str, bytes]) -> dict[str, bytes]:
    """Return the contents of one fusion without the recipe, which is another one of a case of a cohort."""
    facts = json.loads(alone["consensus.json"])
    del facts["recipe"]
    return {**alone, "consensus.json": (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode()}


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder but the summary, which tells what one run did."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "cohort.json" and not path.name.startswith(".")
    }


def fused(root: Path, out: Path, **options: Any) -> CohortFusion:
    return fuse_cohort(root, out, **{"glob": GLOB, "method": "staple", "replicates": 10, **options})


def consensus(out: Path, case: str) -> Any:
    return np.asanyarray(nib.load(out / "cases" / case / "consensus.nii.gz").dataobj)
