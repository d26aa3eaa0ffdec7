"""Dense votes of which some are missing, in lanes: by who votes, against the route by rows and the reference."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import _core, reference
from tests.core.common import options_for
from tests.fusion.test_lanes import METHODS, assert_same, assert_same_errors, fuse, opinions
from tests.problems import dense

N = 9000  # some tiles more than a job takes
HOLES = ("one vote", "slabs", "here and there", "half", "one rater", "a stretch that nobody saw")

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def with_holes(votes: np.ndarray, holes: str, seed: int = 1) -> np.ndarray:
    """Return votes (m, n), of which those are NaN that `holes` says; voxels without a vote among them."""
    rng = np.random.default_rng(seed)
    votes, n = votes.copy(), votes.shape[1]
    if holes == "one vote":
        votes[-1, n // 2] = np.nan
    elif holes == "slabs":
        votes[0, n // 3 :] = np.nan
        votes[-1, n // 2 : n - 100] = np.nan
    elif holes == "here and there":
        votes[rng.random(votes.shape) < 0.05] = np.nan
    elif holes == "half":
        votes[rng.random(votes.shape) < 0.5] = np.nan
    elif holes == "one rater":
        votes[0] = np.nan
    else:
        votes[:, n // 2 : n // 2 + 700] = np.nan
    return votes


@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("holes", HOLES)
@pytest.mark.parametrize("m", [1, 2, 3, 5, 7, 10])
def test_single_precision(m: int, holes: str, method: str, m_step: str) -> None:
    if m == 1 and holes == "one rater":
        pytest.skip("there is no vote")
    votes = with_holes(dense(m, N, seed=m), holes)
    votes[:, 2000:4000] = np.where(np.isnan(votes[:, 2000:4000]), np.nan, 0)
    ours = fuse(votes, method, "lanes", m_step=m_step, missing="nan")
    exact = fuse(votes, method, "rows", m_step=m_step, missing="nan", dtype="float64")
    assert_same(ours, exact, 2e-6)
    np.testing.assert_array_equal(ours.n_read, exact.n_read)
    for name in ("ppv", "npv", "dice"):
        np.testing.assert_allclose(getattr(ours, name), getattr(exact, name), atol=2e-6)


@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize(
    ("m", "method", "holes"),
    [
        (11, "soft-staple", "slabs"),
        (13, "soft-staple", "one vote"),
        (33, "simplified-soft-staple", "slabs"),
        (63, "majority", "one vote"),
        (64, "simplified-soft-staple", "one vote"),
    ],
)
def test_many_raters(m: int, method: str, holes: str, m_step: str) -> None:
    votes = with_holes(dense(m, 600, seed=m), holes)
    ours = fuse(votes, method, "lanes", m_step=m_step, missing="nan", max_iter=2)
    exact = fuse(votes, method, "rows", m_step=m_step, missing="nan", max_iter=2, dtype="float64")
    assert_same(ours, exact, 2e-6)


@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("m", [12, 14])
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_more_ways_to_be_missing_than_lanes_serve(m: int, share: float, method: str, m_step: str) -> None:
    """Raters who miss votes at random, in a thousand ways; of fourteen voxel by voxel then, the same answer."""
    votes = dense(m, 2000)
    votes[np.random.default_rng(1).random(votes.shape) < share] = np.nan
    options: dict[str, Any] = {"m_step": m_step, "missing": "nan", "max_iter": 1}
    for threads in (1, 2):
        ours = fuse(votes, method, "lanes", threads=threads, **options)
        assert_same(ours, fuse(votes, method, "rows", dtype="float64", **options), 2e-6)


@pytest.mark.parametrize("holes", HOLES)
@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("method", METHODS[:2])
def test_double_precision_is_the_references(method: str, m_step: str, holes: str) -> None:
    votes = with_holes(dense(4, 1300, dtype="float64"), holes)
    mask = np.random.default_rng(2).random(1300) < 0.8
    options: dict[str, Any] = {"m_step": m_step, "mask": mask, "tol": 0, "max_iter": 5}
    ours = fuse(votes, method, "lanes", missing="nan", dtype="float64", **options)
    exact = reference.fuse(votes, method=method, **options)
    there = ~np.isnan(exact.sensitivity)
    np.testing.assert_allclose(ours.sensitivity[there], exact.sensitivity[there], atol=1e-9)
    np.testing.assert_allclose(ours.specificity[there], exact.specificity[there], atol=1e-9)
    np.testing.assert_allclose(ours.probability, exact.probability, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("holes", HOLES)
def test_prior_map_and_mask(holes: str, dtype: str) -> None:
    votes, prior = with_holes(dense(5, N), holes), dense(1, N, seed=9)[0]
    mask = np.random.default_rng(2).random(N) < 0.7
    options: dict[str, Any] = {"prior": prior, "mask": mask, "missing": "nan"}
    ours = fuse(votes, "simplified-soft-staple", "lanes", dtype=dtype, **options)
    exact = fuse(votes, "simplified-soft-staple", "rows", dtype="float64", **options)
    assert_same(ours, exact, 2e-6 if dtype == "float32" else 1e-9)


@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("holes", HOLES)
@pytest.mark.parametrize("levels", [1, 3])
def test_votes_of_few_values_with_a_prior_map(levels: int, holes: str, m_step: str) -> None:
    """Masks by the moments of their patterns; fractional votes of which some are missing row by row."""
    votes = with_holes(np.round(dense(5, 4000) * levels) / levels, holes)
    options: dict[str, Any] = {"prior": dense(1, 4000, seed=9)[0], "missing": "nan", "m_step": m_step}
    ours = fuse(votes, "soft-staple", "auto", dtype="float64", **options)
    assert_same(ours, fuse(votes, "soft-staple", "rows", dtype="float64", **options), 1e-8)


@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_raters_who_begin_on_different_planes(m_step: str) -> None:
    """What the first voxels hold does not tell what all do."""
    votes = dense(8, 60_000)
    for i in range(8):
        votes[i, : 4000 * i] = np.nan
    options = options_for("soft-staple", missing="nan", m_step=m_step)
    assert _core.plan(list(votes.reshape(8, 30, 40, 50)), options=options).engine == "lanes"
    zeros = np.nan_to_num(votes)
    options = options_for("soft-staple", m_step=m_step)
    assert _core.plan(list(zeros.reshape(8, 30, 40, 50)), options=options).engine == "lanes"


@pytest.mark.parametrize("holes", HOLES)
def test_votes_that_weigh_the_log_likelihoods(holes: str) -> None:
    votes = with_holes(dense(5, N), holes)
    options: dict[str, Any] = {"likelihood": "log_linear", "missing": "nan"}
    ours = fuse(votes, "simplified-soft-staple", "lanes", **options)
    assert_same(ours, fuse(votes, "simplified-soft-staple", "rows", dtype="float64", **options), 1e-7)


@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("holes", HOLES)
def test_soft_votes_with_a_prior_map(holes: str, m_step: str) -> None:
    """The map's moments for votes that are all there; the others are gone through in every iteration."""
    votes, prior = with_holes(dense(4, 5000), holes), dense(1, 5000, seed=9)[0]
    mask = np.random.default_rng(2).random(5000) < 0.7
    options: dict[str, Any] = {"prior": prior, "mask": mask, "missing": "nan", "m_step": m_step}
    exact = fuse(votes, "soft-staple", "rows", dtype="float64", **options)
    for threads in (1, 2):
        assert_same(fuse(votes, "soft-staple", "auto", threads=threads, **options), exact, 2e-6)
    assert_same(fuse(votes, "soft-staple", "auto", dtype="float64", **options), exact, 1e-8)


@pytest.mark.parametrize("kind", [np.uint8, np.float32, bool])
@pytest.mark.parametrize("method", METHODS)
def test_present_says_the_same_as_nan(method: str, kind: Any) -> None:
    """What is not looked at is not read, and marks outside the mask say nothing."""
    votes = with_holes(dense(5, N), "here and there")
    mask = np.ones(N, bool)
    mask[100:200] = False
    looked = ~np.isnan(votes)
    present = [one.astype(kind) for one in looked]
    present[0][150] = 1
    if kind is not bool:
        present[0][160] = 7
    ours = fuse(np.where(looked, votes, 9), method, "lanes", mask=mask, present=present)
    exact = fuse(votes, method, "lanes", mask=mask, missing="nan")
    np.testing.assert_array_equal(ours.probability, exact.probability)
    np.testing.assert_array_equal(ours.sensitivity, exact.sensitivity)


def test_present_that_is_neither_0_nor_1_is_named() -> None:
    votes, present = dense(3, N), np.ones((3, N), np.uint8)
    present[1, 7000] = 0
    present[1, 8000] = 3
    with pytest.raises(ValueError, match=r"present of rater 1 holds 3 at voxel \(8000,\)"):
        fuse(votes, "majority", "lanes", present=list(present))


@pytest.mark.parametrize("value", [np.inf, -0.5, 1.5])
@pytest.mark.parametrize("method", METHODS)
def test_bad_vote_beside_missing_ones_is_named(method: str, value: float) -> None:
    votes = with_holes(dense(4, N), "here and there")
    voxel = int(np.flatnonzero(np.isnan(votes[0]) & ~np.isnan(votes[2]))[40])
    votes[2, voxel] = value
    with pytest.raises(ValueError, match=rf"rater 2.*{voxel}"):
        fuse(votes, method, "lanes", missing="nan")


@pytest.mark.parametrize("everybody", [True, False])
def test_bad_prior_is_named_where_votes_are_missing(everybody: bool) -> None:
    votes, prior = dense(4, N), np.full(N, 0.3)
    votes[slice(None) if everybody else 1, 6000] = np.nan
    prior[6000] = 1
    options = options_for("simplified-soft-staple", route="lanes", missing="nan")
    with pytest.raises(_core.BadInput, match="6000"):
        _core.fuse(list(votes), np.empty(N, np.float32), prior_map=prior, options=options)


@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("holes", HOLES)
def test_same_bits_for_every_number_of_threads(method: str, m_step: str, holes: str) -> None:
    votes = with_holes(dense(5, 200_000), holes)
    one = fuse(votes, method, "lanes", m_step=m_step, missing="nan", threads=1)
    for threads in (2, 3):
        other = fuse(votes, method, "lanes", m_step=m_step, missing="nan", threads=threads)
        np.testing.assert_array_equal(one.probability, other.probability)
        np.testing.assert_array_equal(one.sensitivity, other.sensitivity)


def test_products_that_vanish_in_floats() -> None:
    """Where floats cannot hold the product of ten raters' rates, doubles find the others' groups anew."""
    votes = with_holes(np.repeat(dense(1, N) > 0.5, 10, axis=0).astype(np.float32) * 0.98 + 0.01, "slabs")
    options: dict[str, Any] = {"m_step": "em", "missing": "nan", "max_iter": 12}
    ours = fuse(votes, "simplified-soft-staple", "lanes", **options)
    assert_same(ours, fuse(votes, "simplified-soft-staple", "rows", dtype="float64", **options), 2e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 5e-4), ("float64", 1e-7)])
@pytest.mark.parametrize("holes", ["slabs", "here and there"])
@pytest.mark.parametrize("prior", [0.4, "estimate"])
def test_intervals(holes: str, prior: Any, dtype: str, tolerance: float) -> None:
    votes = with_holes(opinions(5, 4000), holes)
    assert_same_errors(votes, "simplified-soft-staple", tolerance, prior=prior, dtype=dtype, missing="nan")


@pytest.mark.parametrize("holes", HOLES)
@pytest.mark.parametrize("method", METHODS[:2])
def test_estimate_is_applied(method: str, holes: str) -> None:
    """An estimate gives the consensus of the votes that it was found on, though nothing is gathered again."""
    raters = list(with_holes(dense(5, N), holes))
    options = options_for(method, route="lanes", missing="nan", max_iter=6)
    first, again = np.empty(N, np.float32), np.empty(N, np.float32)
    found = _core.fuse(raters, first, options=options)
    _core.apply(found.estimate, raters, again, options=options)
    np.testing.assert_allclose(again, first, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", METHODS[:2])
@pytest.mark.parametrize("holes", HOLES)
def test_marks_at_the_half_are_counted(method: str, holes: str, dtype: str) -> None:
    """Of the mean of the votes that are there, the consensus, and both; the prior is the mark where nobody voted."""
    votes = with_holes(dense(5, N, dtype=dtype), holes)
    options = options_for(method, route="lanes", missing="nan", max_iter=3, prior=0.7)
    out = np.empty(N, dtype)
    marks = _core.fuse(list(votes), out, options=options).half_marks
    read = (~np.isnan(votes)).sum(axis=0)
    of_mean, of_consensus = (np.nansum(votes, axis=0) >= 0.5 * read) & (read > 0), out >= 0.5
    assert marks == [of_mean.sum(), of_consensus.sum(), (of_mean & of_consensus).sum()]


@pytest.mark.parametrize("instruction_set", ["avx2", "baseline"])
def test_other_processors(instruction_set: str) -> None:
    code = f"""
        import os, sys
        os.environ["FASTFUSE_INSTRUCTION_SET"] = {instruction_set!r}
        sys.path.insert(0, {str(__file__.rsplit("/tests/", 1)[0])!r})
        from tests.fusion.missing.test_missing_lanes import *
        for m in (2, 5, 8, 12):
            for method in METHODS:
                for m_step in ("paper", "em"):
                    test_single_precision(m, "here and there", method, m_step)
        test_double_precision_is_the_references("soft-staple", "paper", "slabs")
        print("agree")
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.stdout, done.stderr) == ("agree\n", "")


def test_voxels_that_nobody_saw_have_the_prior() -> None:
    votes, prior = with_holes(dense(4, N), HOLES[-1]), dense(1, N, seed=9)[0]
    nobody = np.isnan(votes).all(axis=0)
    for method in METHODS[:2]:
        assert (fuse(votes, method, "lanes", missing="nan", prior=0.25).probability[nobody] == 0.25).all()
    mapped = fuse(votes, "simplified-soft-staple", "lanes", missing="nan", prior=prior)
    np.testing.assert_array_equal(mapped.probability[nobody], prior[nobody].astype(np.float32))
    assert (fuse(votes, "majority", "lanes", missing="nan").probability[nobody] == 0).all()


def test_order_of_memory_changes_nothing_but_rounding() -> None:
    votes = with_holes(dense(5, N), "here and there").reshape(5, 10, 30, 30)
    one = fastfuse.soft_staple(list(votes), missing="nan", m_step="em")
    turned = [np.asfortranarray(vote) for vote in votes]
    other = fastfuse.soft_staple(turned, missing="nan", m_step="em")
    np.testing.assert_allclose(one.probability, other.probability, atol=1e-5)
