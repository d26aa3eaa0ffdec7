"""Votes whose patterns do not repeat, fused in vectors of floats or doubles: against the route by rows."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import _core
from tests.problems import dense

from ..doors import fuse_arrays

METHODS: tuple[str, ...] = ("soft-staple", "simplified-soft-staple", "majority")


def fuse(votes: Any, method: str, route: str, **options: Any) -> fastfuse.Fusion:
    options = {"tol": 0, "max_iter": 6} | options
    if method == "majority":
        options = {
            name: options[name]
            for name in options.keys() & {"mask", "dtype", "threads", "missing", "present"}
        }
    return fuse_arrays(votes, method, route=route, **options)[0]


def assert_same(ours: fastfuse.Fusion, exact: fastfuse.Fusion, atol: float) -> None:
    np.testing.assert_allclose(ours.sensitivity, exact.sensitivity, atol=atol, rtol=0)
    np.testing.assert_allclose(ours.specificity, exact.specificity, atol=atol, rtol=0)
    np.testing.assert_allclose(ours.probability, exact.probability, atol=atol, rtol=0)
    np.testing.assert_allclose(ours.log_likelihood[-1:], exact.log_likelihood[-1:], rtol=atol)
    np.testing.assert_allclose(ours.volume, exact.volume, rtol=atol)
    assert ours.n_voxels == exact.n_voxels


@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13])
def test_single_precision(m: int, method: str, m_step: str) -> None:
    """Votes and output of float32: 1e-6 of the exact answer."""
    votes = dense(m, 1500, seed=m)
    ours = fuse(votes, method, "lanes", m_step=m_step)
    exact = fuse(votes, method, "rows", m_step=m_step, dtype="float64")
    assert_same(ours, exact, 1e-6)


@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("seed", [7, 8])
def test_lanes_full_of_equal_products(seed: int, m_step: str) -> None:
    """Sums of floats round in one direction where all voxels are alike; they go to doubles before it shows."""
    rng = np.random.default_rng(seed)
    votes = np.repeat(rng.uniform(0.02, 0.98, (7, 1)).astype(np.float32), 60_000, axis=1)
    votes[:, ::50] = rng.random((7, 1200), np.float32)
    ours = fuse(votes, "soft-staple", "lanes", m_step=m_step)
    assert_same(ours, fuse(votes, "soft-staple", "rows", m_step=m_step, dtype="float64"), 1e-6)


@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("m", [7, 12, 16])
def test_double_precision(m: int, m_step: str) -> None:
    """Votes of float64: 1e-9, also where strips of the patterns are filled one by one."""
    votes = dense(m, 700, seed=m, dtype="float64")
    ours = fuse(votes, "soft-staple", "lanes", m_step=m_step, dtype="float64", max_iter=2)
    assert_same(ours, fuse(votes, "soft-staple", "rows", m_step=m_step, dtype="float64", max_iter=2), 1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 15, 16, 255, 256, 257, 511, 512, 513, 8191, 8193])
def test_ends_of_tiles(n: int, method: str) -> None:
    votes = dense(3, n, seed=n)
    assert_same(fuse(votes, method, "lanes"), fuse(votes, method, "rows", dtype="float64"), 1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("m", [4, 7])
def test_empty_tiles_and_mask(m: int, method: str, dtype: str) -> None:
    """Tiles without votes, inside and outside the mask and across its border; what lies outside is not read."""
    votes = dense(m, 6000)
    votes[:, 1000:3500] = 0
    mask = np.ones(6000, bool)
    mask[1500:2100] = mask[3400:3600] = mask[5990:] = False
    votes[:, 3500:3600] = np.nan
    ours = fuse(votes, method, "lanes", mask=mask, dtype=dtype)
    exact = fuse(votes, method, "rows", mask=mask, dtype="float64")
    assert_same(ours, exact, 1e-6 if dtype == "float32" else 1e-9)
    assert (ours.probability[~mask] == 0).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_prior_map(dtype: str) -> None:
    votes, prior = dense(5, 2000), dense(1, 2000, seed=9)[0]
    ours = fuse(votes, "simplified-soft-staple", "lanes", prior=prior, dtype=dtype)
    exact = fuse(votes, "simplified-soft-staple", "rows", prior=prior, dtype="float64")
    assert_same(ours, exact, 1e-6 if dtype == "float32" else 1e-9)


LOGS = "simplified-soft-staple"


@pytest.mark.parametrize("prior", [0.3, "estimate", "map"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("m", [1, 2, 5, 8, 13, 64])
def test_votes_that_weigh_the_log_likelihoods(m: int, dtype: str, prior: Any) -> None:
    """In doubles, whatever the votes are of; with empty tiles, a mask, and votes of 0 and 1 among the others."""
    votes = dense(m, 6000, seed=m, dtype=dtype)
    votes[:, 1000:3500] = 0
    votes[:, 4000:4500] = np.round(votes[:, 4000:4500])
    mask = np.ones(6000, bool)
    mask[1500:2100] = mask[5990:] = False
    options: dict[str, Any] = {"likelihood": "log_linear", "mask": mask, "dtype": dtype}
    options["prior"] = dense(1, 6000, seed=9)[0] if prior == "map" else prior
    ours = fuse(votes, LOGS, "lanes", **options)
    exact = fuse(votes, LOGS, "rows", **(options | {"dtype": "float64"}))
    assert_same(ours, exact, 1e-7 if dtype == "float32" else 1e-9)
    np.testing.assert_array_equal(
        ours.probability, fuse(votes, LOGS, "lanes", threads=2, **options).probability
    )


def test_log_likelihoods_far_apart() -> None:
    """Forty raters who agree: products beyond what any number holds, and a prior map next to 0 and 1."""
    votes = np.repeat(np.round(dense(1, 3000)), 40, axis=0) * 0.998 + 0.001
    prior = np.resize([1e-12, 0.5, 1 - 1e-12], 3000)
    options: dict[str, Any] = {"likelihood": "log_linear", "prior": prior, "max_iter": 4}
    ours = fuse(votes, LOGS, "lanes", dtype="float64", **options)
    assert_same(ours, fuse(votes, LOGS, "rows", dtype="float64", **options), 1e-9)


def test_intervals_where_votes_weigh_the_log_likelihoods() -> None:
    assert_same_errors(opinions(5, 3000), LOGS, 1e-6, likelihood="log_linear", dtype="float64")


def assert_same_errors(votes: Any, method: str, atol: float, **options: Any) -> None:
    """Check the intervals' standard errors in lanes against those by rows."""
    options = {"m_step": "em", "max_iter": 40, "intervals": "information"} | options
    ours = fuse(votes, method, "lanes", **options).intervals
    exact = fuse(votes, method, "rows", **(options | {"dtype": "float64"})).intervals
    assert ours is not None
    assert exact is not None
    for field in ("sensitivity_error", "specificity_error"):
        found, right = getattr(ours, field), getattr(exact, field)
        assert np.isfinite(right).any()
        np.testing.assert_allclose(found, right, rtol=atol)


def opinions(m: int, n: int) -> np.ndarray:
    """Return votes near 0 and 1 of raters who err, so that the rates are inner ones."""
    rng = np.random.default_rng(m)
    marks = rng.random((m, n)) < np.where(rng.random(n) < 0.4, 0.85, 0.1)
    return np.abs(marks - rng.uniform(0, 0.15, marks.shape)).astype(np.float32)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-4), ("float64", 1e-7)])
@pytest.mark.parametrize("prior", [0.4, "estimate"])
@pytest.mark.parametrize("method", METHODS[:2])
@pytest.mark.parametrize("m", [3, 4, 5, 7, 8])
def test_intervals(m: int, method: str, prior: Any, dtype: str, tolerance: float) -> None:
    """Scores in lanes, with empty tiles and a mask; masks of marks have no variability."""
    votes = opinions(m, 4000)
    votes[:, 2000:3500] = 0
    mask = np.ones(4000, bool)
    mask[500:600] = mask[3000:] = False
    assert_same_errors(votes, method, tolerance, prior=prior, dtype=dtype, mask=mask)
    assert_same_errors(np.round(votes), method, tolerance, prior=prior, dtype=dtype, mask=mask)


def test_intervals_have_the_same_bits_for_every_number_of_threads() -> None:
    votes = opinions(5, 60_000)
    for method in METHODS[:2]:
        one, two = (
            fuse(votes, method, "lanes", m_step="em", intervals="information", threads=threads).intervals
            for threads in (1, 2)
        )
        assert one is not None
        assert two is not None
        assert np.isfinite(one.sensitivity_error).all()
        assert one.sensitivity_error.tobytes() == two.sensitivity_error.tobytes()
        assert one.specificity_error.tobytes() == two.specificity_error.tobytes()


@pytest.mark.parametrize("m", [5, 14, 30])
def test_products_that_vanish_in_floats(m: int) -> None:
    """Raters whose rates are nearly 0 and 1: doubles where floats do not suffice, rows where doubles do not."""
    votes = np.where(dense(m, 800) > 0.5, 1 - 1e-6, 1e-6).astype(np.float32)
    votes += np.random.default_rng(0).uniform(0, 1e-7, votes.shape).astype(np.float32)
    for init in (0.9, 1 - 1e-11):
        ours = fuse(votes, "simplified-soft-staple", "lanes", init=init, m_step="em")
        exact = fuse(votes, "simplified-soft-staple", "rows", init=init, m_step="em", dtype="float64")
        assert np.isfinite(ours.probability).all()
        assert_same(ours, exact, 1e-6)


@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("method", METHODS)
def test_same_bits_for_every_number_of_threads(method: str, m_step: str) -> None:
    votes = dense(6, 100_000)
    one = fuse(votes, method, "lanes", m_step=m_step, threads=1)
    for threads in (2, 3):
        many = fuse(votes, method, "lanes", m_step=m_step, threads=threads)
        assert many.probability.tobytes() == one.probability.tobytes()
        assert many.sensitivity.tobytes() == one.sensitivity.tobytes()
        assert many.log_likelihood.tobytes() == one.log_likelihood.tobytes()


@pytest.mark.parametrize(
    ("votes", "route", "other"),
    [(dense(5, 50_000), "lanes", "rows"), (np.round(dense(5, 50_000) * 3) / 3, "patterns", "lanes")],
)
def test_route_suits_the_votes(votes: np.ndarray, route: str, other: str) -> None:
    """Whether patterns repeat is seen beforehand. The routes differ in the last bits."""

    def bits(route: str) -> bytes:
        return fuse(votes, "soft-staple", route, m_step="em").log_likelihood.tobytes()

    assert bits("auto") == bits(route)
    assert bits("auto") != bits(other)


@pytest.mark.parametrize("value", [np.nan, -0.1, 1.5, np.inf])
@pytest.mark.parametrize("method", METHODS)
def test_bad_vote_is_named(method: str, value: float) -> None:
    votes = dense(4, 30_000)
    votes[2, 20_001] = votes[1, 29_000] = value
    with pytest.raises(ValueError, match=r"rater 2 holds .* at voxel \(20001,\)"):
        fuse(votes, method, "lanes")


@pytest.mark.parametrize("route", ["patterns", "lanes"])
def test_the_first_bad_vote_is_named_though_a_later_one_is_found_sooner(route: str) -> None:
    """A failure further on stops nobody who may still find an earlier one."""
    votes = np.zeros((4, 300_000), np.float32) if route == "patterns" else dense(4, 300_000)
    votes[2, 60_000:] = np.nan
    votes[1, 60_001:] = 2
    for _ in range(20):
        with pytest.raises(ValueError, match=r"rater 2 holds nan at voxel \(60000,\)"):
            fuse(votes, "soft-staple", route, m_step="em", threads=2)


def test_negative_zero_is_zero() -> None:
    votes = dense(4, 3000)
    votes[:, ::7] = 0
    negative = np.where(votes == 0, np.float32(-0.0), votes)
    for method in METHODS:
        assert_same(fuse(negative, method, "lanes"), fuse(votes, method, "lanes"), 1e-12)


@pytest.mark.parametrize("instruction_set", ["avx2", "baseline"])
def test_other_processors(instruction_set: str) -> None:
    """Older instruction sets have kernels of their own; they agree to rounding."""
    code = f"""
        import os, sys
        os.environ["FASTFUSE_INSTRUCTION_SET"] = {instruction_set!r}
        import numpy as np
        sys.path.insert(0, {str(__file__.rsplit("/tests/", 1)[0])!r})
        from tests.problems import dense
        from tests.fusion.test_lanes import METHODS, assert_same, assert_same_errors, fuse, opinions
        for m in (3, 7, 12):
            votes = dense(m, 2000, seed=m)
            votes[:, 600:1200] = 0
            for method in METHODS:
                for m_step in ("paper", "em"):
                    exact = fuse(votes, method, "rows", m_step=m_step, dtype="float64")
                    assert_same(fuse(votes, method, "lanes", m_step=m_step), exact, 1e-6)
                    assert_same(fuse(votes, method, "lanes", m_step=m_step, dtype="float64"), exact, 1e-9)
            logs = dict(method=METHODS[1], likelihood="log_linear")
            assert_same(fuse(votes, route="lanes", **logs), fuse(votes, route="rows", **logs), 1e-6)
            for method in METHODS[:2]:
                assert_same_errors(opinions(m, 2000), method, 1e-7, dtype="float64")
        print("agree")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.stdout, done.stderr) == ("agree\n", "")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", ["soft-staple", "simplified-soft-staple"])
@pytest.mark.parametrize("m", [2, 5, 7, 13])
def test_marks_at_the_half_are_counted(m: int, method: str, dtype: str) -> None:
    """Of the mean vote, the consensus, and both, with votes at the half itself, without votes, and outside a mask."""
    votes = dense(m, 6000, seed=m, dtype=dtype)
    votes[:, 1000:2500] = 0
    votes[:, ::3] = np.round(votes[:, ::3] * 2) / 2
    mask = np.ones(6000, bool)
    mask[700:1900] = mask[5990:] = False
    options = _core.Options()
    options.method, options.route, options.max_iter = method, "lanes", 3
    out = np.empty(6000, dtype)
    marks = _core.fuse(list(votes), out, mask=mask, options=options).half_marks
    of_mean, of_consensus = (np.add.reduce(votes) >= 0.5 * m) & mask, out >= 0.5
    assert marks == [of_mean.sum(), of_consensus.sum(), (of_mean & of_consensus).sum()]
    assert 0 < of_mean.sum() < 6000
