"""Paired differences, their intervals and tests, and calibration: against SciPy, enumeration and numbers by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pytest.importorskip("torch")
stats = pytest.importorskip("scipy.stats")

from fastfuse.evaluation.bootstrap import bootstrap_interval
from fastfuse.train.results.reliability import facts_of, reliability_from, reliability_of, together
from fastfuse.train.results.resampling import two_way_interval
from fastfuse.train.results.significance import holm, signed_rank


def by_enumeration(values: list[float]) -> float:
    """The share of all signs whose sum of ranks lies as far out."""
    held = [value for value in values if value]
    ranks = stats.rankdata(np.abs(held))
    middle = ranks.sum() / 2
    found = abs(sum(rank for rank, value in zip(ranks, held, strict=True) if value > 0) - middle)
    far = [
        abs(sum(rank for rank, up in zip(ranks, signs, strict=True) if up) - middle) >= found - 1e-9
        for signs in itertools.product((0, 1), repeat=len(held))
    ]
    return float(np.mean(far))


@pytest.mark.parametrize("count", [1, 3, 6, 15, 40])
def test_signed_rank_is_scipys(count: int) -> None:
    values = np.random.default_rng(count).normal(0.3, 1, count)
    assert signed_rank(values) == pytest.approx(stats.wilcoxon(values, method="exact").pvalue)


@pytest.mark.parametrize("values", [[1, 1, -1, 2, 0, 2, -3], [0, 0, 1.5], [-2, -2, -2, -2], [1, -1]])
def test_signed_rank_with_ties_and_zeros(values: list[float]) -> None:
    assert signed_rank(values) == pytest.approx(by_enumeration(values))


def test_signed_rank_of_many_and_of_none() -> None:
    values = np.random.default_rng(0).normal(0.1, 1, 500)
    expected = stats.wilcoxon(values, method="asymptotic", correction=False).pvalue
    assert signed_rank(values) == pytest.approx(expected, rel=1e-6)
    assert np.isnan(signed_rank([np.nan]))
    assert signed_rank([0.0, 0.0]) == 1
    assert signed_rank([1, 2, 3, np.nan]) == pytest.approx(0.25)


def test_holm() -> None:
    """The example of p.adjust in R, and one whose order is mixed."""
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.04, 0.01, np.nan, 0.03])[:2] == pytest.approx([0.06, 0.03])
    assert np.isnan(holm([0.04, 0.01, np.nan, 0.03])[2])
    assert holm([0.6, 0.9]) == [1.0, 1.0]


def test_interval_of_one_seed_is_the_usual_one() -> None:
    values = np.random.default_rng(1).normal(70, 5, 15)
    usual = bootstrap_interval(values, resamples=20_000)
    assert two_way_interval(values[None], resamples=20_000) == pytest.approx(usual, abs=0.15)
    assert two_way_interval(values[None]) == two_way_interval(values[None])


def test_interval_leaves_out_what_is_missing() -> None:
    values = np.random.default_rng(2).normal(0, 1, (3, 8))
    values[:, 7] = np.nan
    assert two_way_interval(values) == two_way_interval(values[:, :7])
    values[1, :3] = np.nan
    assert np.isfinite(two_way_interval(values)).all()
    assert np.isnan(two_way_interval(values[:, 7:])).all()
    assert np.isnan(two_way_interval(np.zeros((0, 5)))).all()
    assert two_way_interval(np.full((2, 5), 3.0)) == (3.0, 3.0)


def test_coverage() -> None:
    """Of 95 % intervals about nine in ten or more hold the truth; those that take a seed for a given fact do not."""
    rng = np.random.default_rng(7)
    held, naive = 0, 0
    draws = 400
    for _ in range(draws):
        cases, seeds = rng.normal(0, 1, 15), rng.normal(0, 0.5, (3, 1))
        values = cases + seeds + rng.normal(0, 0.5, (3, 15))
        low, high = two_way_interval(values, resamples=500)
        held += low <= 0 <= high
        low, high = two_way_interval(values.mean(axis=0)[None], resamples=500)
        naive += low <= 0 <= high
    assert held / draws >= 0.91
    assert naive / draws < held / draws - 0.03


def test_reliability_by_hand() -> None:
    """Two voxels of 0.25, marked by one and by two of four experts; one of 0.95, marked by all; one outside the brain."""
    probability = np.array([0.25, 0.25, 0.95, 0.6])
    masks = np.array([[1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 1, 0]])
    found = reliability_of(probability, list(masks), np.array([1, 1, 1, 0]))
    assert sum(found.voxels) == 3
    assert found.voxels[2] == 2
    assert found.voxels[9] == 1
    assert found.ece == pytest.approx((abs(0.5 - 0.75) + abs(0.95 - 1)) / 3)
    assert found.brier == pytest.approx(((probability - masks) ** 2)[:, :3].mean())
    assert reliability_from(facts_of(found)) == found
    both = together([found, found])
    assert both.ece == pytest.approx(found.ece)
    assert sum(both.voxels) == 6


def test_what_experts_vote_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    masks = [rng.random(20_000) < 0.3 for _ in range(7)]
    share = np.mean(masks, axis=0)
    assert reliability_of(share, masks, np.ones(20_000)).ece == pytest.approx(0, abs=1e-12)
    sure = reliability_of((share > 0.5) * 1.0, masks, np.ones(20_000))
    assert sure.ece > 0.1
    assert sure.brier > reliability_of(share, masks, np.ones(20_000)).brier


def test_rounding_is_no_difference() -> None:
    assert signed_rank([-1e-17] * 6) == 1
    assert signed_rank([0.3, 0.2, -1e-17, 0.4]) == signed_rank([0.3, 0.2, 0.0, 0.4]) < 1
