"""SQUAREM: the same fixed point as plain EM, in fewer iterations."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import fastfuse
from tests.problems import dense


def problem(kind: str) -> np.ndarray:
    votes = dense(5, 4000, seed=3)
    return {"dense": votes, "soft": np.round(votes * 2) / 2, "binary": (votes > 0.5).astype(np.uint8)}[kind]


CASES = [
    (fastfuse.soft_staple, "dense", {"m_step": "em"}),
    (fastfuse.soft_staple, "dense", {"m_step": "em", "prior": "estimate"}),
    (fastfuse.soft_staple, "soft", {"m_step": "paper"}),
    (fastfuse.simplified_soft_staple, "dense", {"m_step": "em"}),
    (fastfuse.simplified_soft_staple, "soft", {"m_step": "paper"}),
    (fastfuse.staple, "binary", {"prior": "estimate"}),
    (fastfuse.staple, "binary", {"init": 0.9}),
]


@pytest.mark.parametrize(("function", "kind", "options"), CASES)
def test_same_fixed_point(function: Any, kind: str, options: dict[str, Any]) -> None:
    votes = problem(kind)
    exact = function(votes, dtype="float64", tol=1e-13, max_iter=10_000, **options)
    ours = function(votes, dtype="float64", tol=1e-10, acceleration="squarem", **options)
    plain = function(votes, dtype="float64", tol=1e-10, **options)
    assert ours.converged
    assert ours.n_iter == len(ours.log_likelihood)
    assert ours.n_iter <= plain.n_iter
    np.testing.assert_allclose(ours.sensitivity, exact.sensitivity, atol=1e-7)
    np.testing.assert_allclose(ours.specificity, exact.specificity, atol=1e-7)
    np.testing.assert_allclose(ours.probability, exact.probability, atol=1e-6)


@pytest.mark.parametrize("seed", [2, 11])
def test_likelihood_is_that_of_the_parameters(seed: int) -> None:
    """Far extrapolations magnify rounding: a rate and its complement must still sum to 1."""
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(3, 8)), 3000
    truth = rng.random(n) < rng.choice([0.03, 0.3])
    marks = np.stack([np.where(rng.random(n) < rng.uniform(0.05, 0.35), ~truth, truth) for _ in range(m)])
    votes = 1 / (1 + np.exp(-(3 * (2 * marks - 1) + rng.standard_normal(marks.shape))))
    for most in range(3, 240, 3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fastfuse.FusionWarning)  # max_iter
            fused = fastfuse.simplified_soft_staple(
                list(votes), m_step="em", dtype="float64", acceleration="squarem", max_iter=most
            )
        sensitivity, specificity = fused.sensitivity[:, None], fused.specificity[:, None]
        one = fused.prior * (votes * sensitivity + (1 - votes) * (1 - sensitivity)).prod(0)
        zero = (1 - fused.prior) * (votes * (1 - specificity) + (1 - votes) * specificity).prod(0)
        np.testing.assert_allclose(fused.log_likelihood[-1], np.log(one + zero).sum(), atol=1e-8)
        np.testing.assert_allclose(fused.probability, one / (one + zero), atol=1e-9)
        assert (np.diff(fused.log_likelihood) > -1e-9).all()


def test_saves_iterations_where_em_is_slow() -> None:
    votes = dense(3, 4000, seed=5)
    plain = fastfuse.soft_staple(votes, m_step="em")
    ours = fastfuse.soft_staple(votes, m_step="em", acceleration="squarem")
    assert plain.n_iter > 20
    assert ours.n_iter < plain.n_iter / 2


@pytest.mark.parametrize("seed", range(20))
def test_likelihood_never_falls(seed: int) -> None:
    votes = dense(4, 500, seed=seed, dtype="float64")
    for function in (fastfuse.soft_staple, fastfuse.simplified_soft_staple):
        fused = function(votes, m_step="em", acceleration="squarem", dtype="float64", max_iter=300)
        assert (np.diff(fused.log_likelihood) > -1e-9).all()
        assert np.isfinite(fused.sensitivity).all()


def test_rates_do_not_stick_to_the_border() -> None:
    """An extrapolation that overshoots must not leave a rate at 1, where EM can hardly move it."""
    votes = dense(7, 20_000, seed=11)
    exact = fastfuse.simplified_soft_staple(votes, m_step="em", tol=1e-12, max_iter=20_000, dtype="float64")
    ours = fastfuse.simplified_soft_staple(
        votes, m_step="em", tol=1e-10, acceleration="squarem", dtype="float64"
    )
    np.testing.assert_allclose(ours.sensitivity, exact.sensitivity, atol=1e-5)


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_stops_at_max_iter(most: int) -> None:
    with pytest.warns(fastfuse.FusionWarning, match=f"max_iter = {most}"):
        fused = fastfuse.soft_staple(problem("dense"), max_iter=most, tol=0, acceleration="squarem")
    assert fused.n_iter == most
    assert not fused.converged


def test_unknown_acceleration() -> None:
    with pytest.raises(
        ValueError, match="acceleration is 'fast': it must be 'none' or 'squarem' or 'sample'"
    ):
        fastfuse.staple(problem("binary"), acceleration="fast")
