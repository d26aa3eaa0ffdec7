"""The reference with Beta priors of the rates, and with log-linear votes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastfuse import reference
from fastfuse.reference import fuse

from .common import NAN, WORKED, assert_equal, every_variant, log_likelihood, rates, votes_for

# --- Beta priors ---------------------------------------------------------------------------------------------


def test_map_worked() -> None:
    """The first M-step of the worked example: rater 1 has 5/3 true positives of 2, and 5/3 true negatives."""
    found = fuse(WORKED, method="staple", max_iter=1, performance_prior=((3, 2), (1, 1)))
    assert found.sensitivity[0] == pytest.approx((5 / 3 + 2) / (2 + 3), rel=1e-14)
    assert found.specificity[0] == pytest.approx(5 / 6, rel=1e-14)
    both = fuse(WORKED, method="staple", max_iter=1, performance_prior=(3, 2))
    assert both.specificity[0] == pytest.approx((5 / 3 + 2) / (2 + 3), rel=1e-14)


@every_variant
def test_map_limits(variant: dict[str, Any]) -> None:
    votes = votes_for(variant, 16)
    flat = fuse(votes, performance_prior=(1, 1), max_iter=5, tol=0, **variant)
    assert_equal(flat, fuse(votes, max_iter=5, tol=0, **variant), 0)
    sure = fuse(votes, performance_prior=((8e9 + 1, 2e9 + 1), (9e9 + 1, 1e9 + 1)), max_iter=5, **variant)
    np.testing.assert_allclose(sure.sensitivity, 0.8, atol=1e-7)
    np.testing.assert_allclose(sure.specificity, 0.9, atol=1e-7)
    log_p = log_likelihood(votes, np.repeat([0.8, 0.9], len(votes)), variant, sure.prior)
    assert sure.log_likelihood[-1] == pytest.approx(log_p, rel=1e-6)  # without the densities


# --- log-linear votes ----------------------------------------------------------------------------------------


def test_log_linear_worked() -> None:
    """A half is the geometric mean of mark and none; the posterior by hand."""
    theta1, theta0 = rates([0.9, 0.8]), rates([0.6, 0.75])
    a1, a0 = reference.vote_likelihoods(np.array([[0.5, 1], [0.25, NAN]]), theta1, theta0, "log_linear")
    np.testing.assert_allclose(a1, [[0.3, 0.9], [0.8**0.25 * 0.2**0.75, 1]], rtol=1e-14)
    np.testing.assert_allclose(a0, [[0.24**0.5, 0.4], [0.25**0.25 * 0.75**0.75, 1]], rtol=1e-14)
    w = reference.posterior(np.array([[0.5]]), np.array(0.5), *(rates(x[0][:1]) for x in (theta1, theta0)),
                            likelihood="log_linear")[0]  # fmt: skip
    assert w[0] == pytest.approx(0.3 / (0.3 + 0.24**0.5), rel=1e-14)


@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_log_linear_is_staple_on_binary_votes(m_step: str) -> None:
    votes = votes_for({"method": "staple"}, 17)
    options = {"max_iter": 10, "tol": 0}
    ours = fuse(votes, method="simplified-soft-staple", likelihood="log_linear", m_step=m_step, **options)
    assert_equal(ours, fuse(votes, method="staple", **options))


def test_log_linear_has_one_m_step() -> None:
    votes = votes_for({"method": "simplified-soft-staple"}, 18)
    options = {"method": "simplified-soft-staple", "likelihood": "log_linear", "max_iter": 10, "tol": 0}
    assert_equal(fuse(votes, m_step="em", **options), fuse(votes, m_step="paper", **options), 0)
