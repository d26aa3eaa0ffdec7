"""Votes that rounding left just beside 0 or 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import FusionWarning

from ..problems import simulated_raters

MASKS = simulated_raters(np.random.default_rng(0), 3, 120).reshape(3, 4, 5, 6)
NOISE = np.random.default_rng(1).uniform(0, 0.4, MASKS.shape)
SOFT = np.where(NOISE > 0.3, MASKS, np.where(MASKS == 1, 1 - NOISE, NOISE))
SAID = "votes that rounding left just beside 0 or 1 were taken for these: "


def tabulated(raters: Any) -> Any:
    return fastfuse.estimate(fastfuse.tabulate(raters), "majority")


def applied(raters: Any) -> Any:
    return fastfuse.estimate(fastfuse.tabulate(MASKS)).apply(raters)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "fuse",
    [
        fastfuse.soft_staple,
        fastfuse.simplified_soft_staple,
        fastfuse.majority_vote,
        fastfuse.fuse,
        tabulated,
        applied,
    ],
)
@pytest.mark.filterwarnings(
    "ignore:.*(stopped|worse than chance|no better than chance|far from):fastfuse.FusionWarning"
)
def test_soft_votes(fuse: Any, dtype: Any) -> None:
    votes = SOFT.astype(dtype)
    off = max(1e-6, float(np.finfo(dtype).eps))
    beside = np.where(votes == 1, dtype(1 + off), votes)
    expected = fuse(votes)
    with pytest.warns(FusionWarning, match=SAID + r"\d+ of rater 0, such as 1\.0\d+, \d+ of rater 1"):
        found = fuse(beside)
    if hasattr(expected, "probability"):
        np.testing.assert_array_equal(found.probability, expected.probability)
    np.testing.assert_array_equal(found.sensitivity, expected.sensitivity)
    np.testing.assert_array_equal(beside, np.where(votes == 1, dtype(1 + off), votes))  # the caller's stay


@pytest.mark.filterwarnings("ignore:[^;]*far from:fastfuse.FusionWarning")
def test_below_zero() -> None:
    votes = np.where(SOFT == 0, -1e-7, SOFT)
    with pytest.warns(FusionWarning, match=SAID + r"\d+ of rater 0, such as -1e-07"):
        found = fastfuse.soft_staple(votes)
    np.testing.assert_array_equal(found.probability, fastfuse.soft_staple(SOFT).probability)


@pytest.mark.parametrize("values", [(0.0, 1.0000001), (-1e-7, 0.9999999), (1e-9, 1 - 1e-6)])
def test_masks(values: tuple[float, float]) -> None:
    masks = np.array(values)[MASKS.astype(int)]
    with pytest.warns(FusionWarning, match=SAID):
        found = fastfuse.staple(masks)
    np.testing.assert_array_equal(found.probability, fastfuse.staple(MASKS).probability)


@pytest.mark.filterwarnings("ignore:[^;]*far from:fastfuse.FusionWarning")
def test_only_what_counts_is_told() -> None:
    votes = SOFT.copy()
    votes[0, 0, 0, :2] = 1.0000001
    mask = np.ones(SOFT[0].shape, bool)
    mask[0, 0, 1] = False
    with pytest.warns(FusionWarning, match=SAID + "1 of rater 0, such as"):
        fastfuse.soft_staple(votes, mask=mask)
    mask[0, 0, 0] = False
    fastfuse.soft_staple(votes, mask=mask)


def test_what_is_further_off_is_named() -> None:
    votes = SOFT.copy()
    votes[1, 0, 0, 0], votes[2, 3, 4, 5] = 1.0000001, 1.001
    with pytest.raises(ValueError, match=r"rater 2 holds 1\.001 at voxel \(3, 4, 5\)"):
        fastfuse.soft_staple(votes)
    masks = MASKS.astype(float)
    masks[1, 0, 0, 0], masks[2, 3, 4, 5] = 1.0000001, 0.99
    with pytest.raises(ValueError, match=r"rater 2 holds 0\.99 at voxel \(3, 4, 5\): staple takes masks"):
        fastfuse.staple(masks)


def test_masks_that_grow() -> None:
    image = np.linspace(0, 1, MASKS[0].size).reshape(MASKS[0].shape)
    near = MASKS.astype(np.float32) * np.float32(1.0000001)
    with pytest.warns(FusionWarning, match=SAID + r"\d+ of mask"):
        soft = fastfuse.conditional_dilation(near[0], image)
    np.testing.assert_array_equal(soft.values, fastfuse.conditional_dilation(MASKS[0], image).values)
    with pytest.warns(FusionWarning, match=SAID + r"\d+ of rater 0, such as .* of rater 2"):
        softened = fastfuse.soften(near, image)
    for found, expected in zip(softened, fastfuse.soften(MASKS, image), strict=True):
        np.testing.assert_array_equal(found.values, expected.values)
