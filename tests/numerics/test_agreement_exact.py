"""Predictive values and Dice, held against exact arithmetic: nan where undefined, right digits where tiny."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import reference

from ..doors import fuse_arrays

ROUTES = ("auto", "patterns", "lanes", "rows")
BELOW_ONE = 1 - 2.0**-53


def exact(votes: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return PPV, NPV and Dice (3, m) by sums of fractions."""
    found = []
    for rater in votes.reshape(len(votes), -1):
        terms = [
            (Fraction(float(q)), Fraction(float(p)))
            for q, p in zip(rater, w.ravel(), strict=True)
            if not np.isnan(q)
        ]
        marked, unmarked = sum(q for q, _ in terms), sum(1 - q for q, _ in terms)
        both, neither = sum(q * p for q, p in terms), sum((1 - q) * (1 - p) for q, p in terms)
        wholes = ((both, marked), (neither, unmarked), (2 * both, marked + sum(p for _, p in terms)))
        found.append([float(part / whole) if whole else np.nan for part, whole in wholes])
    return np.array(found).T


def votes_of(kind: str) -> np.ndarray:
    rng = np.random.default_rng(3)
    votes = (rng.random((5, 40)) < 0.4).astype(np.float64)
    if kind != "binary":
        votes = np.where(rng.random(votes.shape) < 0.5, votes, rng.random(votes.shape))
    votes[1] = 1  # marks everything
    votes[2] = 0  # marks nothing
    if kind == "tiny":
        votes[1, 7], votes[2, 7] = BELOW_ONE, 1e-290
        votes[3], votes[3, 3] = 1, 1 - 1e-9
        votes[4], votes[4, 5] = 0, 1e-300
    return votes


METHODS = ("staple", "soft-staple", "simplified-soft-staple", "majority")


@pytest.mark.parametrize("kind", ["binary", "dense", "tiny"])
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("method", METHODS)
def test_agreement_has_the_right_digits(method: str, route: str, kind: str) -> None:
    if method == "staple" and kind != "binary":
        return
    votes = votes_of(kind)
    asked: list[dict[str, Any]] = (
        [{}] if method == "majority" else [{}, {"prior": 0.999999}, {"roi": "disputed"}]
    )
    for options in asked:
        fused, _ = fuse_arrays(list(votes), method, route=route, dtype="float64", **options)
        ours = [fused.ppv, fused.npv, fused.dice]
        np.testing.assert_allclose(ours, exact(votes, fused.probability), rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("method", METHODS)
def test_agreement_of_missing_votes(method: str) -> None:
    votes = votes_of("binary")
    votes[0, :20] = votes[1, 5:] = np.nan
    fused, _ = fuse_arrays(list(votes), method, missing="nan", dtype="float64")
    np.testing.assert_allclose([fused.ppv, fused.npv, fused.dice], exact(votes, fused.probability), rtol=1e-9)


@pytest.mark.parametrize("mrf", [0.3, 30.0])
def test_agreement_of_a_random_field(mrf: float) -> None:
    votes = votes_of("binary").reshape(5, 5, 8)
    for method, route in (("staple", "patterns"), ("staple", "rows"), ("soft-staple", "rows")):
        fused, _ = fuse_arrays(list(votes), method, mrf=mrf, route=route, dtype="float64")
        np.testing.assert_allclose(
            [fused.ppv, fused.npv, fused.dice], exact(votes, fused.probability), rtol=1e-9
        )


@pytest.mark.parametrize("size", [4, 5000])
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_who_marks_everything_has_no_npv(size: int) -> None:
    """For sums of every length, in single precision too, and where roundings of large sums would leave something."""
    rng = np.random.default_rng(0)
    votes = rng.random((5, size)).astype(np.float32)
    votes[1], votes[4] = 1, 0
    for fuse in (fastfuse.majority_vote, fastfuse.soft_staple, fastfuse.simplified_soft_staple):
        fused = fuse(list(votes))
        assert np.isnan(fused.npv[1])
        assert np.isnan(fused.ppv[4])
        others = [0, 2, 3]
        np.testing.assert_allclose(fused.npv[others], exact(votes, fused.probability)[1][others], rtol=2e-5)
        ppv, npv, dice = reference.agreement(votes, fused.probability)
        np.testing.assert_allclose(fused.ppv, ppv, rtol=2e-5)
        np.testing.assert_allclose(fused.npv, npv, rtol=2e-5)
        np.testing.assert_allclose(fused.dice, dice, rtol=2e-5)


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_the_case_that_was_minus_infinity() -> None:
    fused = fastfuse.majority_vote([[1, 1, 1, 1], [0, 0, 0, 1], [1, 0, 0, 1], [1, 0, 0, 1], [0, 0, 0, 0]])
    np.testing.assert_allclose(fused.npv, [np.nan, 2 / 3, 0.8, 0.8, 0.55])


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_rates_of_who_never_saw_background_are_undefined() -> None:
    """Against the mean vote, a rater who looked where all mark, or where nobody does, has one rate only."""
    nan = np.nan
    fused = fastfuse.majority_vote([[1, 0, 0, 1], [nan, nan, nan, 1], [nan, 0, 0, nan]], missing="nan")
    np.testing.assert_allclose(fused.sensitivity, [1, 1, nan], atol=1e-11)
    np.testing.assert_allclose(fused.specificity, [1, nan, 1], atol=1e-11)
