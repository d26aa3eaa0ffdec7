"""The reference's observed information, standard errors and intervals."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from fastfuse import reference
from fastfuse.reference import fuse

from ..problems import simulated_raters
from .common import NAN, every_variant, log_likelihood, votes_for
from .test_random_field import of_voxel


def louis(votes: np.ndarray, x: np.ndarray, pi: Any, variant: dict[str, Any]) -> np.ndarray:
    """Information by Louis's identity, voxel by voxel: w and u, first and second derivatives of log (pi A1), ..."""
    m, n = votes.shape
    p = 2 * m + 1
    information = np.zeros((p, p))
    for q, pi_t in zip(votes.T, np.broadcast_to(pi, n), strict=True):
        there = ~np.isnan(q)
        patterns = [(1.0, q)]
        if variant["method"] == "soft-staple":
            bits = [np.array(b, dtype=float) for b in product(*((0, 1) if ok else (NAN,) for ok in there))]
            patterns = [(np.where(b == 1, q, 1 - q)[there].prod(), b) for b in bits]
        for mass, b in patterns:
            w = of_voxel(b, pi_t, x[:m], x[m : 2 * m], {**variant, "method": "simplified-soft-staple"})[0]
            s1, h1 = derivatives(b, x[:m], there, variant)
            s0, h0 = derivatives(1 - b, x[m : 2 * m], there, variant)
            one = np.concatenate([s1, np.zeros(m), [1 / pi_t]])
            zero = np.concatenate([np.zeros(m), s0, [-1 / (1 - pi_t)]])
            second = np.concatenate([w * h1, (1 - w) * h0, [-w / pi_t**2 - (1 - w) / (1 - pi_t) ** 2]])
            gap = one - zero
            information -= mass * (np.diag(second) + w * (1 - w) * np.outer(gap, gap))
    return information


def derivatives(
    q: np.ndarray, theta: np.ndarray, there: np.ndarray, variant: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """First and second derivative of log a_i(q) in theta_i; nil without a vote."""
    if variant.get("likelihood") == "log_linear":
        first, second = q / theta - (1 - q) / (1 - theta), -q / theta**2 - (1 - q) / (1 - theta) ** 2
    else:
        first = (2 * q - 1) / (q * theta + (1 - q) * (1 - theta))
        second = -(first**2)
    return np.where(there, first, 0), np.where(there, second, 0)


@pytest.mark.parametrize("edge", [0.1, 1e-7, 1e-12])
@pytest.mark.parametrize("prior", [0.3, "map"])
@every_variant
def test_information_by_another_way(variant: dict[str, Any], prior: Any, edge: float) -> None:
    votes = votes_for(variant, 20, (5, 6))
    rng = np.random.default_rng(21)
    pi = rng.uniform(0.1, 0.6, (5, 6)) if prior == "map" else prior
    inside = rng.random((5, 6)) < 0.8
    one, zero = rng.uniform(0.55, 0.99, 4), rng.uniform(0.6, 0.999, 4)
    one[0], zero[1] = 1 - edge, edge
    given = {"sensitivity": one, "specificity": zero, "prior": pi, "mask": inside}
    given |= {key: value for key, value in variant.items() if key != "m_step"}
    found, _ = reference.information(votes, estimate_prior=prior != "map", **given)
    there = inside & ~np.isnan(votes).all(axis=0)
    at = np.broadcast_to(pi, (5, 6))[there]
    expected = louis(votes[:, there], np.concatenate([one, zero]), at, variant)[: len(found), : len(found)]
    root = np.sqrt(np.abs(np.diag(expected)))
    np.testing.assert_allclose(found / np.outer(root, root), expected / np.outer(root, root), atol=1e-9)
    prior_of_rates = ((3, 2), (5, 1.5))
    curved, _ = reference.information(
        votes, estimate_prior=prior != "map", performance_prior=prior_of_rates, **given
    )
    rise = [2 / one**2 + 1 / (1 - one) ** 2, 4 / zero**2 + 0.5 / (1 - zero) ** 2]
    np.testing.assert_allclose(np.diag(curved - found)[:8], np.concatenate(rise), rtol=1e-8)


def test_information_is_the_slope_of_the_slope() -> None:
    """By plain second differences of a likelihood written otherwise."""
    variant = {"method": "soft-staple"}
    votes = votes_for(variant, 22, (12,), m=2)
    x = np.array([0.8, 0.7, 0.9, 0.75, 0.3])
    found, _ = reference.information(
        votes, method="soft-staple", sensitivity=x[:2], specificity=x[2:4], prior=0.3, estimate_prior=True
    )
    d = 1e-3 * np.eye(5)
    f = lambda x: log_likelihood(votes, x, variant)
    second = [[f(x + a + b) - f(x + a - b) - f(x - a + b) + f(x - a - b) for a in d] for b in d]
    np.testing.assert_allclose(found, -np.array(second) / 4e-6, rtol=1e-3, atol=1e-2)


def test_standard_errors_where_the_truth_is_known() -> None:
    """With a prior map that leaves no doubt, each rate is a share of known voxels: se^2 = theta (1 - theta) / n."""
    rng = np.random.default_rng(23)
    truth = np.arange(100) < 40
    votes = simulated_raters(rng, 3, 100)
    known = np.where(truth, 1 - 1e-13, 1e-13)
    found = fuse(votes, method="staple", prior=known, init=0.8)
    np.testing.assert_allclose(found.sensitivity, votes[:, truth].mean(axis=1), atol=1e-9)
    information, _ = reference.information(
        votes,
        method="staple",
        sensitivity=found.sensitivity,
        specificity=found.specificity,
        prior=known,
        estimate_prior=False,
    )
    theta, n = np.concatenate([found.sensitivity, found.specificity]), np.repeat([40, 60], 3)
    np.testing.assert_allclose(
        reference.standard_errors(information), np.sqrt(theta * (1 - theta) / n), rtol=1e-6
    )


def test_standard_errors_are_those_of_repeated_studies() -> None:
    """Sixty simulated studies: the rates scatter as the information says, and intervals cover the truth."""
    rng = np.random.default_rng(24)
    one, zero, m = np.array([0.9, 0.8, 0.7, 0.85]), np.array([0.95, 0.9, 0.85, 0.97]), 4
    truths = np.concatenate([one, zero, [0.3]])
    estimates, errors = [], []
    for _ in range(60):
        truth = rng.random(1500) < 0.3
        votes = (rng.random((m, 1500)) < np.where(truth, one[:, None], 1 - zero[:, None])).astype(float)
        votes[rng.random(votes.shape) < 0.2] = NAN
        found = fuse(votes, method="staple", prior="estimate", tol=1e-6)
        estimates.append([*found.sensitivity, *found.specificity, found.prior])
        known = {"sensitivity": found.sensitivity, "specificity": found.specificity, "prior": found.prior}
        information, _ = reference.information(votes, method="staple", estimate_prior=True, **known)
        errors.append(reference.standard_errors(information))
    said = np.sqrt(np.mean(np.square(errors), axis=0))
    np.testing.assert_allclose(np.std(estimates, axis=0, ddof=1) / said, 1, atol=0.35)
    assert np.std(estimates, axis=0, ddof=1).sum() / said.sum() == pytest.approx(1, abs=0.12)
    low, high = reference.logit_interval(np.array(estimates), np.array(errors))
    assert ((low < truths) & (truths < high)).mean() == pytest.approx(0.95, abs=0.03)


def test_rater_without_votes_has_no_information() -> None:
    votes = votes_for({"method": "staple"}, 25)
    one, zero = np.array([0.9, 0.8, 0.7, 0.85]), np.array([0.95, 0.9, 0.85, 0.97])
    plain, _ = reference.information(
        votes, method="staple", sensitivity=one, specificity=zero, prior=0.3, estimate_prior=True
    )
    silent, _ = reference.information(
        np.insert(votes, 1, NAN, axis=0),
        method="staple",
        sensitivity=np.insert(one, 1, NAN),
        specificity=np.insert(zero, 1, NAN),
        prior=0.3,
        estimate_prior=True,
    )
    others = [0, 2, 3, 4, 5, 7, 8, 9, 10]
    np.testing.assert_array_equal(silent[np.ix_(others, others)], plain)
    assert np.isnan(silent[[1, 6]]).all()
    errors = reference.standard_errors(silent)
    np.testing.assert_array_equal(errors[others], reference.standard_errors(plain))
    assert np.isnan(errors[[1, 6]]).all()


def test_standard_errors_worked() -> None:
    np.testing.assert_allclose(
        reference.standard_errors(np.array([[4.0, 2], [2, 3]])), np.sqrt([3 / 8, 4 / 8]), rtol=1e-14
    )
    assert np.isnan(reference.standard_errors(np.ones((2, 2)))).all()  # nothing tells the two apart
    np.testing.assert_array_equal(reference.standard_errors(np.diag([4.0, -1])), [0.5, NAN])


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_logit_interval(level: float) -> None:
    theta, se = np.array([0.5, 0.9, 0.999, NAN]), np.array([0.1, 0.02, 0.001, NAN])
    low, high = reference.logit_interval(theta, se, level)
    scale = se[:3] / (theta[:3] * (1 - theta[:3]))
    normal = stats.norm(special.logit(theta[:3]), scale)
    np.testing.assert_allclose(low[:3], special.expit(normal.ppf((1 - level) / 2)), rtol=1e-12)
    np.testing.assert_allclose(high[:3], special.expit(normal.ppf((1 + level) / 2)), rtol=1e-12)
    assert (low[:3] > 0).all()
    assert (high[:3] < 1).all()
    assert np.isnan([low[3], high[3]]).all()
