"""Masks of a consensus and its raters, cut alike, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastfuse.fusion.backends.core import count_cuts

SHAPE = (11, 40, 37)


@pytest.mark.parametrize("lost", ["none", "one", "many", "a rater", "all of a voxel"])
@pytest.mark.parametrize("cut", [0.5, 0.3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_missing_votes_are_left_out(dtype: Any, cut: float, lost: str) -> None:
    rng = np.random.default_rng(0)
    votes = rng.random((5, *SHAPE)).round(1).astype(dtype)
    consensus = rng.random(SHAPE, np.float32)
    if lost == "one":
        votes[2, 5, 6, 7] = np.nan
    elif lost == "many":
        votes[rng.random(votes.shape) < 0.2] = np.nan
    elif lost == "a rater":
        votes[1] = np.nan
    elif lost == "all of a voxel":
        votes[:, 3, 4:9] = np.nan
    there, label = ~np.isnan(votes), consensus >= np.float32(cut)
    marks = votes >= dtype(cut)
    total = np.zeros(SHAPE, np.float32)
    for vote, seen in zip(votes, there, strict=True):
        np.add(total, vote, out=total, where=seen)
    voters = there.sum(axis=0)
    mean = (total >= (cut * voters).astype(np.float32)) & (voters > 0)
    axes = (1, 2, 3)
    wanted = (
        label.sum(),
        (there & label).sum(axis=axes).tolist(),
        marks.sum(axis=axes).tolist(),
        (marks & label).sum(axis=axes).tolist(),
        mean.sum(),
        (mean & label).sum(),
    )
    for threads in (1, 2):
        assert count_cuts(consensus, list(votes), cut, threads) == wanted
