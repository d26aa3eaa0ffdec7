"""The compiled fusion against the plain NumPy one, and the laws that both must obey."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import fastfuse
from fastfuse import reference

from ..doors import fuse_by_name
from ..draws import mostly_slow
from ..problems import METHODS, SOFT, Problem, assert_same, random_problem, simulated_raters, soften

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")

PROBLEMS = [random_problem(seed) for seed in range(240)]
BY_TAG = {problem.tag: problem for problem in PROBLEMS}


@cache
def expected(tag: str, n_iter: int) -> reference.ReferenceFusion:
    """Return the reference's answer after so many iterations: that of every route, which it does not know."""
    return BY_TAG[tag].reference(tol=0, max_iter=n_iter)


@pytest.mark.parametrize("route", ["patterns", "lanes", "rows"])
@pytest.mark.parametrize("problem", mostly_slow(PROBLEMS, 60), ids=lambda problem: problem.tag)
def test_equals_reference(problem: Problem, route: str) -> None:
    for n_iter in (1, 2, 6):
        ours = problem.fused(tol=0, max_iter=n_iter, route=route)
        theirs = expected(problem.tag, n_iter)
        assert_same(ours, theirs, 1e-9)
        # At an exact fixed point one of the two may stop a step earlier: nothing moves any more.
        steps = min(ours.n_iter, theirs.n_iter)
        assert steps == n_iter or np.ptp([ours.sensitivity, theirs.sensitivity], axis=0).max() < 1e-12
        np.testing.assert_allclose(
            ours.log_likelihood[:steps], theirs.log_likelihood[:steps], rtol=1e-10, atol=1e-9
        )


@pytest.mark.parametrize("problem", PROBLEMS[:30], ids=lambda problem: problem.tag)
def test_converges_where_the_reference_does(problem: Problem) -> None:
    ours, theirs = problem.fused(tol=1e-9, max_iter=5000), problem.reference(tol=1e-9, max_iter=5000)
    assert ours.converged == theirs.converged
    assert_same(ours, theirs, 1e-7)


@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_many_fractional_raters(m_step: str) -> None:
    """Twelve raters with fractional votes: beyond the terms that are laid out at once."""
    rng = np.random.default_rng(5)
    votes = soften(rng, simulated_raters(rng, 12, 12), "dense")
    for prior in (0.3, rng.uniform(0.1, 0.5, 12)):  # the masses' table, and each row's own terms
        problem = Problem(votes, "soft-staple", {"m_step": m_step, "prior": prior, "tol": 0, "max_iter": 3})
        assert_same(problem.fused(), problem.reference(), 1e-9)


@pytest.mark.parametrize("m", [17, 40, 63])
@pytest.mark.parametrize("method", METHODS)
def test_many_raters_with_binary_votes(m: int, method: str) -> None:
    """Products of very many likelihoods underflow nothing."""
    rng = np.random.default_rng(m)
    votes = simulated_raters(rng, m, 300)
    ours = fuse_by_name(votes, method, dtype="float64", tol=0, max_iter=4)
    theirs = reference.fuse(votes, method="staple", tol=0, max_iter=4)
    assert_same(ours, theirs, 1e-9)
    np.testing.assert_allclose(ours.log_likelihood, theirs.log_likelihood, rtol=1e-10)


@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_few_fractional_among_many_raters(m_step: str) -> None:
    """Forty raters, of whom three are in doubt at a voxel: no table of 2^40 is needed."""
    rng = np.random.default_rng(8)
    votes = simulated_raters(rng, 40, 60)
    for voxel in range(60):
        votes[rng.choice(40, 3, replace=False), voxel] = rng.random(3)
    ours = fastfuse.soft_staple(votes, m_step=m_step, dtype="float64", max_iter=1, tol=0)
    expected = _brute_force_few(votes, ours)
    np.testing.assert_allclose(ours.probability, expected, rtol=0, atol=1e-11)


def _brute_force_few(votes: np.ndarray, fused: fastfuse.Fusion) -> np.ndarray:
    """w of each voxel, through the binary patterns that its fractional votes reach."""
    w = np.zeros(votes.shape[1])
    theta1 = (fused.sensitivity, 1 - fused.sensitivity)
    theta0 = (fused.specificity, 1 - fused.specificity)
    for t, q in enumerate(votes.T):
        doubtful = np.flatnonzero((q > 0) & (q < 1))
        for bits in np.ndindex(*(2,) * len(doubtful)):
            b = q.copy()
            b[doubtful] = bits
            mass = np.where(np.array(bits) == 1, q[doubtful], 1 - q[doubtful]).prod()
            w[t] += mass * reference.posterior(b[:, None], np.array(fused.prior), theta1, theta0)[0][0]
    return w


@pytest.mark.parametrize("kind", ["three-valued", "dense"])
@pytest.mark.parametrize("method", METHODS)
def test_permutations(method: str, kind: str) -> None:
    rng = np.random.default_rng(3)
    votes = simulated_raters(rng, 6, 500)
    votes = votes if method == "staple" else soften(rng, votes, kind)
    straight = fuse_by_name(votes, method, dtype="float64")
    raters, voxels = rng.permutation(6), rng.permutation(500)
    by_rater = fuse_by_name(votes[raters], method, dtype="float64")
    np.testing.assert_allclose(by_rater.sensitivity, straight.sensitivity[raters], rtol=0, atol=1e-12)
    np.testing.assert_allclose(by_rater.probability, straight.probability, rtol=0, atol=1e-12)
    by_voxel = fuse_by_name(votes[:, voxels], method, dtype="float64")
    np.testing.assert_allclose(by_voxel.specificity, straight.specificity, rtol=0, atol=1e-12)
    np.testing.assert_allclose(by_voxel.probability, straight.probability[voxels], rtol=0, atol=1e-12)


@pytest.mark.parametrize("route", ["patterns", "lanes", "rows"])
@pytest.mark.parametrize("method", METHODS)
def test_doubling_every_voxel(method: str, route: str) -> None:
    rng = np.random.default_rng(4)
    votes = simulated_raters(rng, 5, 400)
    votes = votes if method == "staple" else soften(rng, votes, "dense")
    once = fuse_by_name(votes, method, dtype="float64", route=route)
    twice = fuse_by_name(np.tile(votes, 2), method, dtype="float64", route=route)
    assert twice.n_iter == once.n_iter
    np.testing.assert_allclose(twice.sensitivity, once.sensitivity, rtol=0, atol=1e-12)
    np.testing.assert_allclose(twice.probability, np.tile(once.probability, 2), rtol=0, atol=1e-12)
    np.testing.assert_allclose(twice.log_likelihood, 2 * once.log_likelihood, rtol=1e-12)


@pytest.mark.parametrize("init", ["vote", 0.8])
@pytest.mark.parametrize("prior", ["mean", "estimate", 0.1])
def test_all_methods_agree_on_binary_votes(prior: object, init: object) -> None:
    rng = np.random.default_rng(6)
    votes = simulated_raters(rng, 7, 800)
    options = {"prior": prior, "init": init, "dtype": "float64"}
    plain = fastfuse.staple(votes, **options)
    for soft in SOFT:
        for m_step in ("paper", "em"):
            assert_same(soft(votes, m_step=m_step, **options), plain, 1e-12)


@pytest.mark.parametrize("prior", ["mean", "estimate", 0.2])
@pytest.mark.parametrize("soft", SOFT)
def test_em_never_lowers_the_likelihood(soft: object, prior: object) -> None:
    for seed in range(25):
        rng = np.random.default_rng(seed)
        votes = soften(rng, simulated_raters(rng, 5, 200), ("three-valued", "dense")[seed % 2])
        fused = soft(votes, m_step="em", prior=prior, init=0.9, tol=1e-9)
        rise = np.diff(fused.log_likelihood)
        assert len(rise) > 2
        assert rise.min() >= -1e-9 * abs(fused.log_likelihood[-1])


@pytest.mark.parametrize("soft", SOFT)
def test_paper_m_step_may_lower_the_likelihood(soft: object) -> None:
    """What the documentation says of it: not an error of ours, but the paper's M-step."""
    falls = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        votes = soften(rng, simulated_raters(rng, 5, 200), ("three-valued", "dense")[seed % 2])
        falls += bool((np.diff(soft(votes).log_likelihood) < -1e-9).any())
    assert 5 <= falls <= 39


def test_prior_estimate_is_less_biased_than_mean() -> None:
    """Five raters of sensitivity 0.8 and specificity 0.95 at a prevalence of 0.01."""
    rng = np.random.default_rng(0)
    truth = rng.random(400_000) < 0.01
    votes = [(rng.random(truth.size) < np.where(truth, 0.8, 0.05)).astype(np.uint8) for _ in range(5)]
    mean = fastfuse.staple(votes).sensitivity.mean()
    estimate = fastfuse.staple(votes, prior="estimate").sensitivity.mean()
    assert 0.8 - mean == pytest.approx(0.44, abs=0.03)
    assert estimate == pytest.approx(0.8, abs=0.02)
