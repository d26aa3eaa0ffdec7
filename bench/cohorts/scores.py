"""Scores of probabilities against a truth, and their bootstrap intervals over cases."""

from __future__ import annotations

from typing import Any

import numpy as np

SURE = 1e-3  # probabilities are kept in [SURE, 1 - SURE] for the log score
BINS = 10  # of the calibration error
RESAMPLES = 2000
LEVEL = 0.95


def sure(p: Any) -> Any:
    """Return probabilities that no single voxel can spoil the log score with."""
    return np.clip(p, SURE, 1 - SURE)


def calibration_error(p: Any, share: Any, counts: Any) -> float:
    """Return the mean distance of the probability from the share that is true, in 10 bins; ``counts``: voxels."""
    bins = np.minimum((np.asarray(p, np.float64) * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, counts * (p - share), BINS)
    total = np.sum(counts)
    return float(np.abs(gaps).sum() / total) if total else float("nan")


def interval_of_mean(values: Any, seed: int = 0) -> tuple[float, float, float]:
    """Return the mean over cases, and the ends of its 95 % bootstrap interval over them; nan cases are left out."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return (float("nan"),) * 3
    drawn = np.random.default_rng(seed).integers(0, len(known), (RESAMPLES, len(known)))
    low, high = np.percentile(known[drawn].mean(axis=1), [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(known.mean()), float(low), float(high)


def in_markdown(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown, numbers to the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
