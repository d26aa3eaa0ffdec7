"""A map as prior: the moments of its cells, and EM over its voxels, give one answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

import fastfuse

from ...doors import fuse_arrays

SHAPE = (12, 30, 45)  # no multiple of a block
Volume = NDArray[Any]


def truth() -> NDArray[np.bool_]:
    return np.random.default_rng(0).random(SHAPE) < 0.1


def masks(m: int) -> list[Volume]:
    rng = np.random.default_rng(m)
    return [(truth() ^ (rng.random(SHAPE) < 0.04)).astype(np.uint8) for _ in range(m)]


def rings(m: int) -> list[Volume]:
    rng = np.random.default_rng(m)
    return [np.where(mask & (rng.random(SHAPE) < 0.4), np.float32(0.3), mask) for mask in masks(m)]


def dense(m: int) -> list[Volume]:
    rng = np.random.default_rng(m)
    return [np.clip(np.where(truth(), 0.7, 0.1) + 0.15 * rng.standard_normal(SHAPE), 0, 1) for _ in range(m)]


def sparse(m: int) -> list[Volume]:
    """Return masks whose middle is dense: some voxels have few fractional votes, and most none."""
    middle = np.zeros(SHAPE, bool)
    middle[4:8, 5:25] = True
    middle |= np.random.default_rng(7).random(SHAPE) < 0.02
    return [np.where(middle, vote, mask) for vote, mask in zip(dense(m), masks(m), strict=True)]


def smooth() -> Volume:
    """Return an atlas in float32, on both sides of 1/2, most of it the same low number."""
    rng = np.random.default_rng(1)
    return np.where(truth(), rng.uniform(0.2, 0.999, SHAPE), 1e-4).astype(np.float32)


def wide() -> Volume:
    """Return doubles from 1e-12 to 1 - 1e-12, evenly in their log-odds."""
    return 1 / (1 + np.exp(np.random.default_rng(2).uniform(-27.6, 27.6, SHAPE)))


MAPS: dict[str, Callable[[], Volume]] = {
    "smooth": smooth,
    "wide": wide,
    "constant": lambda: np.full(SHAPE, 0.02),
    "powers of two": lambda: np.ldexp(1.0, -np.random.default_rng(3).integers(1, 9, SHAPE)),
}
CASES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "masks": ("staple", lambda: masks(5), {"max_iter": 8}),
    "nine masks": ("staple", lambda: masks(9), {"max_iter": 8}),
    "twenty masks": ("staple", lambda: masks(20), {"max_iter": 8}),
    "one mask": ("staple", lambda: masks(1), {"max_iter": 8}),
    "rings": ("simplified-soft-staple", lambda: rings(5), {"max_iter": 8}),
    "rings, em": ("simplified-soft-staple", lambda: rings(5), {"max_iter": 8, "m_step": "em"}),
    "rings, log-linear": (
        "simplified-soft-staple",
        lambda: rings(5),
        {"max_iter": 8, "likelihood": "log_linear"},
    ),
    "rings, soft": ("soft-staple", lambda: rings(4), {"max_iter": 8}),
    "rings, soft, em": ("soft-staple", lambda: rings(4), {"max_iter": 8, "m_step": "em"}),
    "dense": ("soft-staple", lambda: dense(4), {"max_iter": 8}),
    "dense, em": ("soft-staple", lambda: dense(4), {"max_iter": 8, "m_step": "em"}),
    "one dense": ("soft-staple", lambda: dense(1), {"max_iter": 8}),
    "two dense": ("soft-staple", lambda: dense(2), {"max_iter": 8}),
    "three dense": ("soft-staple", lambda: dense(3), {"max_iter": 8}),
    "seven dense": ("soft-staple", lambda: dense(7), {"max_iter": 4}),
    "dense here and there": ("soft-staple", lambda: sparse(6), {"max_iter": 8}),
    "dense here and there, em": ("soft-staple", lambda: sparse(6), {"max_iter": 8, "m_step": "em"}),
}


def fused(case: str, prior: Volume, route: str = "auto", **options: Any) -> fastfuse.Fusion:
    method, votes, own = CASES[case]
    fixed = {"dtype": "float64", "tol": 0.0, "prior": prior, "route": route}
    return fuse_arrays(votes(), method, **fixed, **own, **options)[0]


def assert_one_answer(case: str, prior: Volume, **options: Any) -> None:
    ours, exact = fused(case, prior, **options), fused(case, prior, "rows", **options)
    for name in ("sensitivity", "specificity", "probability"):
        assert_allclose(getattr(ours, name), getattr(exact, name), rtol=0, atol=2e-13, err_msg=name)
    assert_allclose(ours.log_likelihood, exact.log_likelihood, rtol=1e-13)
    assert_allclose(ours.volume, exact.volume, rtol=1e-13)
    assert ours.prior == pytest.approx(exact.prior, rel=1e-13)
    assert ours.n_voxels == exact.n_voxels


@pytest.mark.parametrize("which", MAPS)
@pytest.mark.parametrize("case", CASES)
def test_one_answer(case: str, which: str) -> None:
    assert_one_answer(case, MAPS[which]())


@pytest.mark.parametrize(
    "case", ["masks", "twenty masks", "rings, soft, em", "dense", "dense, em", "three dense"]
)
def test_what_lies_outside_a_mask_does_not_count(case: str) -> None:
    """Not even a prior that is none."""
    inside = np.random.default_rng(4).random(SHAPE) < 0.7
    inside[:4] = False
    assert_one_answer(case, np.where(inside, smooth(), 2), mask=inside)


@pytest.mark.parametrize("case", ["rings", "rings, em"])
def test_missing_votes(case: str) -> None:
    """Of a voxel that nobody looked at, the probability is the prior, and it stays out of all sums."""
    method, votes, own = CASES[case]
    rng = np.random.default_rng(5)
    nobody = rng.random(SHAPE) < 0.1
    some = [np.where(nobody | (rng.random(SHAPE) < 0.2), np.nan, vote) for vote in votes()]
    fixed = {"dtype": "float64", "tol": 0.0, "prior": wide(), "missing": "nan"} | own
    ours, exact = (fuse_arrays(some, method, route=route, **fixed)[0] for route in ("auto", "rows"))
    assert_allclose(ours.probability, exact.probability, rtol=0, atol=1e-13)
    assert_allclose(ours.probability[nobody], wide()[nobody], rtol=1e-14)
    assert_allclose(ours.log_likelihood, exact.log_likelihood, rtol=1e-13)
    assert_allclose(ours.volume, exact.volume, rtol=1e-13)


@pytest.mark.parametrize("case", ["masks", "rings, soft", "dense"])
def test_priors_next_to_none_and_to_certainty(case: str) -> None:
    """They have no cell: EM goes over the voxels."""
    assert_one_answer(case, np.random.default_rng(6).choice([1e-300, 0.5, 1 - 2**-53], SHAPE))


@pytest.mark.parametrize("case", ["masks", "nine masks", "rings, soft", "dense, em", "seven dense"])
def test_same_bits_for_every_team(case: str) -> None:
    method, votes, own = CASES[case]
    many = [np.tile(vote, (8, 1, 1)) for vote in votes()]  # several jobs
    prior = np.tile(smooth(), (8, 1, 1))
    one, *others = (
        fuse_arrays(many, method, dtype="float64", prior=prior, threads=threads, **own)[0]
        for threads in (1, 2, 3)
    )
    for other in others:
        assert_array_equal(one.probability, other.probability)
        assert_array_equal(one.sensitivity, other.sensitivity)
        assert_array_equal(one.log_likelihood, other.log_likelihood)


@pytest.mark.parametrize("case", ["masks", "rings, soft", "dense"])
@pytest.mark.parametrize("bad", [-0.1, 1.5, np.nan])
def test_a_prior_that_is_none_is_named(case: str, bad: float) -> None:
    prior = wide()
    prior[3, 2, 7] = bad
    with pytest.raises(ValueError, match=r"prior.*\(3, 2, 7\)"):
        fused(case, prior)


def test_a_float32_consensus_is_the_rounded_one() -> None:
    method, votes, own = CASES["masks"]
    narrow, exact = (
        fuse_arrays(votes(), method, prior=smooth(), dtype=dtype, **own)[0].probability
        for dtype in ("float32", "float64")
    )
    assert_array_equal(narrow, exact.astype(np.float32))
