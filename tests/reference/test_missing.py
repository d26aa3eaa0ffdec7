"""The reference on missing votes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize, special

from fastfuse import reference
from fastfuse.reference import fuse

from .common import (
    NAN,
    WORKED,
    assert_equal,
    every_maximiser,
    every_variant,
    log_likelihood,
    rates,
    slope,
    votes_for,
)


@every_variant
def test_missing_worked(variant: dict[str, Any]) -> None:
    found = fuse(WORKED, max_iter=1, **variant)
    assert found.prior == pytest.approx(1 / 2, abs=1e-15)
    np.testing.assert_allclose(found.sensitivity, [5 / 6, 2 / 3, 2 / 3], rtol=1e-14)
    np.testing.assert_allclose(found.specificity, [5 / 6, 1 / 3, 5 / 6], rtol=1e-14)
    np.testing.assert_allclose(found.probability, [5 / 6, 20 / 21, 2 / 27, 2 / 27, 1 / 2], rtol=1e-13)
    np.testing.assert_allclose(found.log_likelihood, [np.log(1 / 3 * 7 / 72 * 3 / 8 * 1 / 4)], rtol=1e-14)
    assert found.n_voxels == 4
    np.testing.assert_array_equal(found.n_read, [4, 3, 3])


def test_missing_mean_is_of_voxels_not_of_votes() -> None:
    """One voxel with three marks, one with a single 0: the mean is 1/2, though of the votes it is 3/4."""
    found = fuse([[1, 0], [1, NAN], [1, NAN]], method="staple", max_iter=1)
    assert found.prior == pytest.approx(1 / 2, abs=1e-15)


@pytest.mark.parametrize("init", ["vote", 0.8])
@pytest.mark.parametrize("prior", ["mean", "estimate", 0.2])
@every_variant
def test_rater_without_votes_is_left_out(variant: dict[str, Any], prior: Any, init: Any) -> None:
    votes = votes_for(variant, 1)
    options = {"prior": prior, "init": init, "mrf": 0.3, "max_iter": 20, **variant}
    without = fuse(votes, **options)
    silent = np.insert(votes, 2, NAN, axis=0)
    found = fuse(silent, performance_prior=(1, 1), **options)
    assert np.isnan([found.sensitivity[2], found.specificity[2]]).all()
    assert found.n_read[2] == 0
    for field in ("sensitivity", "specificity", "n_read"):
        setattr(found, field, np.delete(getattr(found, field), 2))
    assert_equal(found, without)
    np.testing.assert_array_equal(found.n_read, without.n_read)
    assert np.isnan(fuse(silent, performance_prior=(3, 2), **options).sensitivity[2])


@pytest.mark.parametrize("init", ["vote", 0.8])
@pytest.mark.parametrize("prior", ["mean", "estimate", 0.2, "map"])
@every_variant
def test_voxels_without_votes_are_as_if_masked(variant: dict[str, Any], prior: Any, init: Any) -> None:
    votes = votes_for(variant, 2)
    unread = np.isnan(votes).all(axis=0)
    assert unread.sum() > 1
    prior = np.random.default_rng(0).uniform(0.1, 0.4, unread.size) if prior == "map" else prior
    options = {"prior": prior, "init": init, "max_iter": 20, **variant}
    found, masked = fuse(votes, **options), fuse(votes, mask=~unread, **options)
    expected = prior[unread] if isinstance(prior, np.ndarray) else found.prior
    np.testing.assert_allclose(found.probability[unread], expected, rtol=1e-14)
    masked.probability[unread] = found.probability[unread]
    assert_equal(found, masked)
    assert found.n_voxels == (~unread).sum()
    np.testing.assert_array_equal(found.n_read, (~np.isnan(votes)).sum(axis=1))


@every_variant
def test_nan_where_all_is_there_changes_nothing(variant: dict[str, Any]) -> None:
    """A voxel read by nobody turns on every path for missing votes; the others do not feel it."""
    votes = votes_for(variant, 3, missing=0)
    options = {"max_iter": 15, **variant}
    found = fuse(np.insert(votes, 7, NAN, axis=1), **options)
    found.probability = np.delete(found.probability, 7)
    assert_equal(found, fuse(votes, **options))


@pytest.mark.parametrize("prior", ["estimate", 0.25, "map"])
@pytest.mark.parametrize("beta", [None, ((4, 2), (8, 1.5))])
@every_maximiser
def test_stationary(variant: dict[str, Any], beta: Any, prior: Any) -> None:
    """Where EM comes to rest, the slope of the likelihood (times the Beta densities) is nil, or leads out of [0, 1]."""
    votes = votes_for(variant, 32, (100,))
    pi = {"estimate": None, "map": np.random.default_rng(1).choice([0.2, 0.4], 100)}.get(prior, prior)
    given = prior if pi is None else pi
    found = fuse(votes, prior=given, performance_prior=beta, tol=1e-9, max_iter=20_000, **variant)
    assert found.converged
    x = np.concatenate([found.sensitivity, found.specificity, [found.prior] if pi is None else []])
    rise = np.repeat(np.array(beta or ((1, 1), (1, 1))) - 1.0, len(votes), axis=0).T

    def objective(x: np.ndarray) -> float:
        rate = x[: rise.shape[1]]
        log_beta = special.xlogy(rise[0], rate) + special.xlogy(rise[1], 1 - rate)
        return log_likelihood(votes, x, variant, pi) + float(log_beta.sum())

    inner = (x > 1e-5) & (x < 1 - 1e-5)
    assert inner.any()
    np.testing.assert_allclose(slope(objective, x, inner), 0, atol=1e-3)
    for i in np.flatnonzero(~inner):  # at the edge it falls inwards
        inwards = x.copy()
        inwards[i] += 1e-5 * (1 if x[i] < 0.5 else -1)
        assert objective(inwards) < objective(x)
    assert found.log_likelihood[-1] == pytest.approx(log_likelihood(votes, x, variant, pi), rel=1e-9)


@every_maximiser
def test_no_other_rates_are_likelier(variant: dict[str, Any]) -> None:
    """A general optimiser, started elsewhere, ends at the same rates."""
    votes = votes_for(variant, 5, (50,), m=3, missing=0.15)
    votes = np.where(np.isnan(votes), NAN, np.clip(votes, 0, 1))
    beta = (3, 2)  # keeps the optimum inside
    found = fuse(votes, prior=0.3, init=0.8, performance_prior=beta, tol=1e-12, max_iter=20_000, **variant)

    def loss(logit: np.ndarray) -> float:
        x = special.expit(logit)
        return -log_likelihood(votes, x, variant, 0.3) - float((2 * np.log(x) + np.log(1 - x)).sum())

    best = optimize.minimize(loss, np.full(6, 1.0), method="BFGS", options={"gtol": 1e-4})
    np.testing.assert_allclose(
        special.expit(best.x), np.concatenate([found.sensitivity, found.specificity]), atol=1e-4
    )


@pytest.mark.parametrize("beta", [None, (2, 1.5)])
@pytest.mark.parametrize("prior", ["estimate", 0.3])
@every_maximiser
def test_likelihood_rises(variant: dict[str, Any], prior: Any, beta: Any) -> None:
    """Of log-linear votes with either M-step; with Beta priors it is the sum with their logarithms that rises."""
    votes = votes_for(variant, 6)
    sums = []
    for n_iter in range(1, 12):
        found = fuse(votes, prior=prior, init=0.8, performance_prior=beta, tol=0, max_iter=n_iter, **variant)
        a, b = np.array(beta or (1, 1)) - 1.0
        rate = np.concatenate([found.sensitivity, found.specificity])
        sums.append(found.log_likelihood[-1] + float((a * np.log(rate) + b * np.log1p(-rate)).sum()))
    assert np.diff(sums).min() > -1e-10


def test_simulated_raters_with_half_of_the_votes_missing() -> None:
    rng = np.random.default_rng(7)
    truth = rng.random(20_000) < 0.2
    sensitivity, specificity = np.array([0.9, 0.8, 0.7, 0.85, 0.6]), np.array([0.95, 0.9, 0.98, 0.85, 0.97])
    marks = np.where(truth, sensitivity[:, None], 1 - specificity[:, None])
    votes = (rng.random(marks.shape) < marks).astype(np.float64)
    votes[rng.random(marks.shape) < 0.5] = NAN
    found = fuse(votes, method="staple", prior="estimate", tol=1e-6)
    np.testing.assert_allclose(found.sensitivity, sensitivity, atol=0.05)
    np.testing.assert_allclose(found.specificity, specificity, atol=0.02)
    assert found.prior == pytest.approx(0.2, abs=0.01)
    read = ~np.isnan(votes).all(axis=0)
    for cut in (0.1, 0.5, 0.8):  # the consensus is calibrated
        near = read & (np.abs(found.probability - cut) < 0.1)
        assert truth[near].mean() == pytest.approx(found.probability[near].mean(), abs=0.05)


@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_soft_staple_leaves_missing_votes_out_of_the_patterns(m_step: str) -> None:
    votes = votes_for({"method": "soft-staple"}, 8, missing=0.4)
    found = fuse(votes, m_step=m_step, max_iter=6, tol=0)
    theta1, theta0 = rates(found.sensitivity), rates(found.specificity)
    w, log_p = reference.characteristic(votes, found.prior, theta1, theta0)
    np.testing.assert_allclose(found.probability, w, rtol=0, atol=1e-13)
    assert found.log_likelihood[-1] == pytest.approx(log_p.sum(), rel=1e-12)


def test_a_half_in_the_mixture_weighs_nothing() -> None:
    """a_i1(1/2) = a_i0(1/2) = 1/2 whatever the rates: as no vote, in the consensus."""
    votes = votes_for({"method": "simplified-soft-staple"}, 9)
    theta1, theta0 = rates([0.9, 0.8, 0.7, 0.6]), rates([0.95, 0.9, 0.99, 0.8])
    w = reference.posterior(votes, np.array(0.3), theta1, theta0)[0]
    halves = reference.posterior(np.where(np.isnan(votes), 0.5, votes), np.array(0.3), theta1, theta0)[0]
    np.testing.assert_allclose(w, halves, rtol=1e-13)


def test_rate_without_evidence_stays() -> None:
    """The last rater reads only where all mean votes are 0: the first M-step does not tell their sensitivity."""
    votes = [[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [NAN, NAN, NAN, 0, 0]]
    assert fuse(votes, method="staple", max_iter=1).sensitivity[2] == 0.5
    assert fuse(votes, method="staple", max_iter=5, tol=0).sensitivity[2] == reference.EPSILON
    strict = fuse(votes, method="staple", max_iter=1, performance_prior=(4, 2))
    assert strict.sensitivity[2] == pytest.approx(3 / 4)


@pytest.mark.parametrize(("prior", "expected"), [("mean", NAN), ("estimate", NAN), (0.2, 0.2)])
def test_no_votes_at_all(prior: Any, expected: float) -> None:
    found = fuse(np.full((2, 3), NAN), prior=prior)
    np.testing.assert_array_equal(found.probability, np.full(3, expected))
    assert (found.n_iter, found.converged, found.n_voxels) == (0, True, 0)
    assert np.isnan([*found.sensitivity, *found.specificity]).all()
    given = np.array([0.1, 0.2, 0.3])
    np.testing.assert_array_equal(fuse(np.full((2, 3), NAN), prior=given).probability, given)
