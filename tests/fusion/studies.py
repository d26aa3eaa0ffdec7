"""Simulated studies, whose true rates are known, and their intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.fusion.intervals import Intervals

FIELDS = ("sensitivity_error", "specificity_error", "sensitivity", "specificity")
quiet = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def study(
    rng: np.random.Generator, m: int = 5, n: int = 2000, prevalence: float = 0.3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return binary votes (m, n) of independent voxels, and the true sensitivities and specificities."""
    sensitivity, specificity = rng.uniform(0.7, 0.95, m), rng.uniform(0.8, 0.97, m)
    truth = rng.random(n) < prevalence
    marks = rng.random((m, n)) < np.where(truth, sensitivity[:, None], 1 - specificity[:, None])
    return marks.astype(np.float64), sensitivity, specificity


def covered(found: Intervals, sensitivity: Any, specificity: Any) -> np.ndarray:
    """Return whether each interval holds the truth, of sensitivities and specificities (2, m)."""
    ends = np.stack([found.sensitivity, found.specificity])
    truth = np.broadcast_to(np.stack([sensitivity, specificity]), ends.shape[:2])
    return np.asarray((ends[..., 0] <= truth) & (truth <= ends[..., 1]))


def assert_equal(a: Intervals, b: Intervals) -> None:
    assert a.kind == b.kind
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


def intervals_of(votes: Any, **options: Any) -> Intervals:
    found = fastfuse.staple(votes, **options).intervals
    assert found is not None
    return found
