"""More raters than patterns can be told apart: the characteristic function, and beyond 63 raters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import reference

from ..doors import fuse_arrays
from ..draws import mostly_slow
from ..problems import assert_same, simulated_raters, soften

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")

INITS: tuple[str | float, ...] = ("vote", 0.7, 0.9, 1 - 1e-9)
DENORMAL = 5e-324  # the least double above 0

# Of 1000 items, how many have the votes 00000, 10000, 01000, ...: bit 0 is the first of five raters.
PUBLISHED = [
    485, 59, 152, 20, 4, 1, 6, 11, 11, 1, 7, 4, 0, 1, 3, 13,
    35, 9, 21, 9, 1, 8, 11, 48, 1, 0, 0, 11, 0, 5, 12, 51,
]  # fmt: skip


def fractional_votes(rng: np.random.Generator, m: int, n: int) -> np.ndarray:
    """Return soft votes of which some are 0, 1, or as near to 0 as a double can be."""
    votes = soften(rng, simulated_raters(rng, m, n), "dense")
    edge = rng.random((m, n))
    for value, share in ((DENORMAL, 0.05), (1.0, 0.1), (0.0, 0.15)):
        votes[edge < share] = value
        edge[edge < share] = 1
    return votes


def rates(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return theta, 1 - theta


SELDOM = (6, 8, 10, 12, 13, 15, 16, 18)  # numbers of raters between others


# --- the characteristic function against the patterns --------------------------------------------------------


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize(
    "m", [pytest.param(m, marks=pytest.mark.slow) if m in SELDOM else m for m in range(1, 19)]
)
def test_characteristic_equals_enumeration(m: int, m_step: str, init: str | float) -> None:
    rng = np.random.default_rng(m)
    votes = list(fractional_votes(rng, m, 12 if m < 14 else 5))
    options: dict[str, Any] = {"m_step": m_step, "init": init, "tol": 0, "dtype": "float64"}
    for max_iter in (1, 2, 5):
        by_patterns, by_integral = (
            fastfuse.soft_staple(votes, expectation=way, max_iter=max_iter, **options)
            for way in ("enumerate", "characteristic")
        )
        np.testing.assert_allclose(by_integral.probability, by_patterns.probability, rtol=0, atol=1e-10)
        assert_same(by_integral, by_patterns, 1e-9)
        steps = min(by_integral.n_iter, by_patterns.n_iter)  # of one rater either may stand still first
        np.testing.assert_allclose(
            by_integral.log_likelihood[:steps], by_patterns.log_likelihood[:steps], rtol=1e-9
        )


@pytest.mark.parametrize("seed", range(24))
def test_characteristic_equals_enumeration_with_options(seed: int) -> None:
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(1, 11)), 20
    votes = fractional_votes(rng, m, n)
    options: dict[str, Any] = {
        "prior": ("mean", "estimate", 1e-6, rng.uniform(0.01, 0.9, n))[seed % 4],
        "m_step": ("paper", "em")[seed // 4 % 2],
        "init": INITS[rng.integers(len(INITS))],
    }
    if rng.random() < 0.5:
        votes[rng.random(votes.shape) < 0.2] = np.nan
        options["missing"] = "nan"
    if rng.random() < 0.5:
        options["performance_prior"] = (5, 1.5)
    by_patterns, by_integral = (
        fastfuse.soft_staple(list(votes), expectation=way, max_iter=4, tol=0, dtype="float64", **options)
        for way in ("enumerate", "characteristic")
    )
    assert_same(by_integral, by_patterns, 1e-9)


@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_binary_votes_of_many_are_staple(m_step: str) -> None:
    votes = list(simulated_raters(np.random.default_rng(0), 90, 300))
    options: dict[str, Any] = {"tol": 0, "max_iter": 3, "dtype": "float64"}
    soft = fastfuse.soft_staple(votes, m_step=m_step, **options)
    assert_same(soft, fastfuse.staple(votes, **options), 1e-10)


# --- against random draws, and the reference's integral ------------------------------------------------------


def drawn(
    q: np.ndarray, fused: fastfuse.Fusion, rng: np.random.Generator, draws: int = 100_000, part: int = 10_000
) -> tuple[np.ndarray, np.ndarray]:
    """Return the reference's mean and standard error of ``draws`` patterns, a part at a time to save memory."""
    found = [
        reference.monte_carlo(q, fused.prior, rates(fused.sensitivity), rates(fused.specificity), part, rng)
        for _ in range(draws // part)
    ]
    means, errors = np.array(found).transpose(1, 0, 2)
    return means.mean(axis=0), np.sqrt((errors**2).sum(axis=0)) / len(found)


@pytest.mark.parametrize("init", ["vote", 0.8])
@pytest.mark.parametrize("m", [30, 64, 200])
@pytest.mark.parametrize("draws", mostly_slow((20_000, 100_000, 10_000_000), 1))
def test_many_fractional_raters(m: int, init: str | float, draws: int) -> None:
    rng = np.random.default_rng(m)
    n, some = 40, 2 if draws > 1_000_000 else 5
    truth = rng.random(n) < 0.4
    votes = np.clip(rng.uniform(0, 1, (m, n)) + np.where(truth, 0.02, -0.02), 0, 1)
    fused = fastfuse.soft_staple(
        list(votes), init=init, prior=0.4, max_iter=1, expectation="auto", dtype="float64"
    )
    theta = rates(fused.sensitivity), rates(fused.specificity)
    exact, _ = reference.characteristic(votes, fused.prior, *theta)
    np.testing.assert_allclose(fused.probability, exact, rtol=0, atol=1e-11)
    doubtful = np.argsort(np.abs(fused.probability - 0.5))[:some]  # where draws differ
    mean, error = drawn(votes[:, doubtful], fused, rng, draws)
    assert (np.abs(fused.probability[doubtful] - mean) <= 5 * error + 1e-12).all()


@pytest.mark.parametrize("m", [30, 100])
def test_likelihood_of_many_rises(m: int) -> None:
    votes = list(fractional_votes(np.random.default_rng(m), m, 60))
    fused = fastfuse.soft_staple(votes, m_step="em", max_iter=20, tol=0)
    assert (np.diff(fused.log_likelihood) >= -1e-9 * abs(fused.log_likelihood[-1])).all()


# --- more than 63 raters -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["binary", "missing"])
@pytest.mark.parametrize("m", [63, 64, 65, 100, 300])
def test_many_binary_raters(m: int, kind: str) -> None:
    rng = np.random.default_rng(m)
    votes = simulated_raters(rng, m, 200)
    options: dict[str, Any] = {}
    if kind == "missing":
        votes[rng.random(votes.shape) < 0.3] = np.nan
        options = {"missing": "nan"}
    for max_iter in (1, 3):
        ours = fastfuse.staple(list(votes), max_iter=max_iter, tol=0, dtype="float64", **options)
        theirs = reference.fuse(votes, method="staple", max_iter=max_iter, tol=0)
        assert_same(ours, theirs, 1e-9)
        np.testing.assert_allclose(ours.log_likelihood, theirs.log_likelihood, rtol=1e-9)


@pytest.mark.parametrize("m", [64, 200])
@pytest.mark.parametrize("likelihood", ["mixture", "log_linear"])
def test_many_simplified_raters(m: int, likelihood: str) -> None:
    votes = fractional_votes(np.random.default_rng(m), m, 100)
    options: dict[str, Any] = {"likelihood": likelihood, "max_iter": 3, "tol": 0}
    ours = fastfuse.simplified_soft_staple(list(votes), dtype="float64", **options)
    assert_same(ours, reference.fuse(votes, method="simplified-soft-staple", **options), 1e-9)


@pytest.mark.parametrize("m", [20, 64, 100])
@pytest.mark.parametrize("method", ["staple", "soft-staple", "simplified-soft-staple"])
def test_every_way_finds_the_same(method: str, m: int) -> None:
    rng = np.random.default_rng(m)
    readings = simulated_raters(rng, m, 30)
    votes = readings[:, rng.integers(0, 30, 500)]  # so that patterns repeat
    if method != "staple":
        votes[votes == 0] = np.where(rng.random((votes == 0).sum()) < 0.2, 0.3, 0)
        votes = votes[:, rng.integers(0, 20, 500)]
    options: dict[str, Any] = {"max_iter": 3, "tol": 0, "dtype": "float64"}
    auto, *forced = (
        fuse_arrays(list(votes), method, route=route, **options)[0]
        for route in ("auto", "patterns", "lanes", "rows")
    )
    for other in forced:
        assert_same(other, auto, 1e-10)


def test_too_many_fractional_votes_only_if_enumerated() -> None:
    votes = np.full((21, 6), 0.3)
    votes[:, 0] = [1] * 20 + [0.5]
    message = r"21 raters have fractional votes at voxel \(1,\): expectation='enumerate' .* at most 20"
    with pytest.raises(ValueError, match=message):
        fastfuse.soft_staple(list(votes), expectation="enumerate")
    for expectation in ("auto", "characteristic"):
        assert np.isfinite(fastfuse.soft_staple(list(votes), expectation=expectation).probability).all()
    fastfuse.soft_staple(list(votes[1:]), expectation="enumerate", max_iter=1)


@pytest.mark.parametrize("m", [30, 100])
@pytest.mark.parametrize("fuse", [fastfuse.staple, fastfuse.soft_staple, fastfuse.simplified_soft_staple])
def test_same_bits_for_every_thread_count(fuse: Any, m: int) -> None:
    rng = np.random.default_rng(m)
    binary = fuse is fastfuse.staple
    votes = list(simulated_raters(rng, m, 20_000) if binary else fractional_votes(rng, m, 5000))
    one, two = (fuse(votes, threads=threads, max_iter=3, tol=0, dtype="float64") for threads in (1, 2))
    for field in ("probability", "sensitivity", "specificity", "log_likelihood"):
        assert getattr(one, field).tobytes() == getattr(two, field).tobytes()


# --- a published case ----------------------------------------------------------------------------------------


def test_published_five_raters() -> None:
    patterns = np.repeat(np.arange(32), PUBLISHED)
    votes = [(patterns >> rater & 1).astype(np.uint8) for rater in range(5)]
    fused = fastfuse.staple(votes, prior=0.5, init=0.99999, tol=1e-12, max_iter=100_000)
    expected = [0.683572080864, 0.821556768892, 0.619166852992, 0.389409921992, 0.670420859555]
    assert math.fsum(PUBLISHED) == 1000
    np.testing.assert_allclose(fused.sensitivity, expected, rtol=0, atol=1e-6)
