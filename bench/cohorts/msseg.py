"""Cohorts with truth in the layout of MSSEG-2016: ``Training/CENTRE/PATIENT`` and ``truth/PATIENT.nii.gz``.

Such are those of ``fastfuse demo --cohort``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastfuse.comparison.problem import Problem
from fastfuse.fusion.options import Options
from fastfuse.fusion.votes import Votes
from fastfuse.images.reading import read

MARGIN_MM = 4.0
FLIPPING, SENSITIVITY, SPECIFICITY = 5, 0.8, 0.95  # raters who err voxel by voxel


class Patient(NamedTuple):
    """A case: what there is to fuse, and the truth inside the brain."""

    name: str
    problem: Problem
    truth: Any
    spacing_mm: tuple[float, ...]


def patients(cohort: Path, most: int | None = None, *, flips: bool = False) -> Iterator[Patient]:
    """Yield the cases of a cohort; with ``flips``, raters who err independently, voxel by voxel, in the place of its own."""
    folders = sorted(cohort.glob("Training/*/*"))[:most]
    if not folders:
        sys.exit(f"{cohort}: there are no cases in Training/CENTRE/PATIENT")
    for seed, folder in enumerate(folders):
        rng = np.random.default_rng(seed) if flips else None
        yield patient(folder, cohort / "truth" / f"{folder.name}.nii.gz", rng)


def patient(folder: Path, truth_path: Path, flips: np.random.Generator | None) -> Patient:
    """Read one case."""
    paths = sorted(folder.glob("Masks/ManualSegmentation_*.nii.gz"))
    image = read(folder / "Preprocessed_Data" / "FLAIR_preprocessed.nii.gz")
    brain = read(folder / "Masks" / "Brain_Mask.nii.gz").data > 0
    truth = (read(truth_path).data > 0) & brain
    masks = [read(path).data > 0 for path in paths] if flips is None else flipped(truth, flips)
    sides = tuple(map(float, image.header.get_zooms()[:3]))
    votes = Votes(masks, brain, axis=0, image=image.data).listed()
    problem, _ = Problem.of(votes, Options(spacing_mm=sides).checked(), MARGIN_MM, None)
    return Patient(folder.name, problem, truth, sides)


def flipped(truth: Any, rng: np.random.Generator) -> list[Any]:
    """Return masks of raters who err independently, voxel by voxel."""
    right = np.where(truth, SENSITIVITY, SPECIFICITY)
    return [np.where(rng.random(truth.shape) < right, truth, ~truth) for _ in range(FLIPPING)]


def true_rates(one: Patient, region: Any) -> tuple[Any, Any]:
    """Return each rater's sensitivity and specificity against the truth, over a region."""
    truth, masks = one.truth[region], [mask[region] for mask in one.problem.masks]
    return np.array([mask[truth].mean() for mask in masks]), np.array(
        [1 - mask[~truth].mean() for mask in masks]
    )
