"""Vote tables and the three verbs, as the core has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from fastfuse import _core

from .common import options_for

SHAPE = (12, 10, 70)
METHODS = ("staple", "soft-staple", "simplified-soft-staple", "majority")
Raters = list[NDArray[Any]]


def votes_of(method: str, seed: int = 1, raters: int = 4) -> Raters:
    rng = np.random.default_rng(seed)
    truth = rng.random(SHAPE) < 0.1
    masks = [np.where(rng.random(SHAPE) < 0.9, truth, ~truth) for _ in range(raters)]
    if method in ("staple", "majority"):
        return [mask.astype(np.uint8) for mask in masks]
    rings = [rng.random(SHAPE) < 0.1 for _ in masks]
    return [np.where(ring, 0.3, mask).astype(np.float32) for ring, mask in zip(rings, masks, strict=True)]


def table_by_numpy(raters: Raters) -> tuple[NDArray[Any], NDArray[Any]]:
    """The plain twin: patterns and counts, nobody's pattern first."""
    votes = np.stack([np.asarray(rater, np.float64).ravel() for rater in raters], axis=1)
    patterns, counts = np.unique(votes, axis=0, return_counts=True)
    return patterns, counts


@pytest.mark.parametrize("method", METHODS)
def test_patterns_and_counts(method: str) -> None:
    raters = votes_of(method)
    table = _core.tabulate(raters, options=options_for(method))
    assert table is not None
    patterns, counts = table_by_numpy(raters)
    assert_array_equal(table.patterns, patterns)
    assert_array_equal(table.counts, counts)
    assert table.raters == len(raters)


@pytest.mark.parametrize("method", METHODS)
def test_halves_add_up(method: str) -> None:
    raters, options = votes_of(method), options_for(method)
    whole = _core.tabulate(raters, options=options)
    halves = [
        _core.tabulate([r[part] for r in raters], options=options) for part in (slice(5), slice(5, None))
    ]
    assert halves[0] is not None
    assert halves[1] is not None
    assert halves[0] != whole
    assert halves[0].add(halves[1]) == whole
    assert halves[1].add(halves[0]) == whole


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("prior", ["mean", "estimate", 0.2])
def test_three_verbs_are_fuse(method: str, m_step: str, prior: Any) -> None:
    raters, options = votes_of(method), options_for(method, m_step=m_step, prior=prior, threads=1)
    fused, applied = np.empty(SHAPE, np.float64), np.empty(SHAPE, np.float64)
    whole = _core.fuse(raters, fused, options=options)
    table = _core.tabulate(raters, options=options)
    assert table is not None
    found = _core.estimate(table, options=options)
    again = _core.apply(found.estimate, raters, applied, options=options)
    assert_array_equal(applied, fused)
    for result in (found, again):
        for name in ("sensitivity", "specificity", "prior", "iterations", "converged", "voxels", "disputed"):
            assert_array_equal(getattr(result, name), getattr(whole, name), err_msg=name)
        for name in ("volume", "read", "marked_by", "seen_by", "lowest", "highest", "log_likelihood"):
            assert_array_equal(getattr(result, name), getattr(whole, name), err_msg=name)


@pytest.mark.parametrize("roi", ["all", "disputed"])
def test_missing_votes(roi: str) -> None:
    raters = [rater.astype(np.float64) for rater in votes_of("soft-staple")]
    raters[1][:3] = np.nan
    raters[2][2:6] = np.nan
    options = options_for("soft-staple", missing="nan", roi=roi, threads=1)
    fused, applied = np.empty(SHAPE), np.empty(SHAPE)
    _core.fuse(raters, fused, options=options)
    table = _core.tabulate(raters, options=options)
    assert table is not None
    assert np.isnan(table.patterns).any()
    found = _core.estimate(table, options=options).estimate
    _core.apply(found, raters, applied, options=options)
    assert_array_equal(applied, fused)


def test_estimate_of_certain_votes() -> None:
    raters, options = [np.ones(SHAPE, np.uint8)] * 3, options_for("staple")
    fused, applied = np.empty(SHAPE), np.empty(SHAPE)
    whole = _core.fuse(raters, fused, options=options)
    _core.apply(whole.estimate, raters, applied, options=options)
    assert whole.estimate.certain
    assert_array_equal(applied, fused)


def test_estimate_survives_a_copy() -> None:
    raters, options = votes_of("soft-staple"), options_for("soft-staple")
    first, second = np.empty(SHAPE), np.empty(SHAPE)
    found = _core.fuse(raters, first, options=options).estimate
    names = [name for name in dir(_core.Estimate) if not name.startswith("_")]
    copy = _core.Estimate(**{name: getattr(found, name) for name in names})
    _core.apply(copy, raters, second, options=options)
    assert_array_equal(second, first)


def test_rates_known_from_elsewhere_serve_other_votes() -> None:
    options = options_for("simplified-soft-staple", threads=1)
    first, second = votes_of("simplified-soft-staple", 1), votes_of("simplified-soft-staple", 2)
    out = np.empty(SHAPE)
    found = _core.fuse(first, out, options=options).estimate
    _core.apply(found, second, out, options=options)
    votes = np.stack([np.asarray(rater, np.float64) for rater in second])
    shape = (-1, 1, 1, 1)
    one = votes * np.reshape(found.sensitivity, shape) + (1 - votes) * np.reshape(
        found.false_negative_rate, shape
    )
    zero = votes * np.reshape(found.false_positive_rate, shape) + (1 - votes) * np.reshape(
        found.specificity, shape
    )
    odds = found.prior / (1 - found.prior) * np.prod(one / zero, axis=0)
    assert_allclose(out, odds / (1 + odds), atol=1e-12)


@pytest.mark.parametrize("method", ["staple", "soft-staple"])
def test_drop_is_the_table_of_the_others(method: str) -> None:
    raters, options = votes_of(method), options_for(method)
    table = _core.tabulate(raters, options=options)
    assert table is not None
    for rater in range(len(raters)):
        others = raters[:rater] + raters[rater + 1 :]
        assert table.drop(rater) == _core.tabulate(others, options=options)


def test_drop_leaves_voxels_that_nobody_reads() -> None:
    table = _core.VoteTable([[np.nan, 1.0], [0.0, 1.0], [0.0, 0.0]], [2, 3, 4])
    assert_array_equal(table.drop(1).patterns, [[0.0], [np.nan]])
    assert_array_equal(table.drop(1).counts, [7, 0])


def test_order_is_restored() -> None:
    table = _core.VoteTable([[1.0, 0.3], [0.0, 1.0], [1.0, 0.3], [np.nan, 0.0]], [2, 3, 4, 5])
    assert_array_equal(table.patterns, [[0, 0], [np.nan, 0], [0, 1], [1, 0.3]])
    assert_array_equal(table.counts, [0, 5, 3, 6])
    assert _core.VoteTable(table.patterns, table.counts) == table


@pytest.mark.parametrize(
    ("patterns", "counts", "words"),
    [
        ([[0.0, 1.2]], [1], "outside"),
        ([[0.0, -0.5]], [1], "outside"),
        ([[0.0, 1.0]], [1.5], "whole"),
        ([[0.0, 1.0]], [-1], "whole"),
        ([[0.0, 1.0]], [np.inf], "whole"),
        ([[0.0, 1.0]], [1, 2], "count for each"),
        ([0.0, 1.0], [1], "count for each"),
    ],
)
def test_no_such_table(patterns: Any, counts: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        _core.VoteTable(patterns, counts)


def test_no_such_use() -> None:
    table = _core.VoteTable([[0.0, 0.3]], [7])
    with pytest.raises(ValueError, match="raters"):
        table.add(_core.VoteTable([[0.0]], [7]))
    with pytest.raises(IndexError, match="no rater 2"):
        table.drop(2)
    with pytest.raises(ValueError, match="0 and 1"):
        _core.estimate(table, options=options_for("staple"))
    with pytest.raises(ValueError, match="neighbours"):
        _core.estimate(table, options=options_for("soft-staple", mrf=1.0))


def test_more_patterns_than_memory_allows() -> None:
    rng = np.random.default_rng(0)
    raters = [rng.random((64, 64, 64)) for _ in range(3)]
    assert _core.tabulate(raters, options=options_for("soft-staple")) is None


@pytest.mark.parametrize("roi", ["all", "disputed"])
@pytest.mark.parametrize("route", ["auto", "lanes", "rows"])
def test_what_intervals_by_lesions_are_given(roi: str, route: str) -> None:
    raters = votes_of("soft-staple")
    options = options_for("soft-staple", roi=roi, route=route, intervals="lesions")
    result = _core.fuse(raters, np.empty(SHAPE), options=options)
    assert result.table == _core.tabulate(raters, options=options)
    assert result.table is not None
    assert result.pattern is not None
    assert result.marked is not None
    votes = np.stack([np.asarray(rater, np.float64) for rater in raters], axis=-1)
    inside = result.pattern >= 0
    assert_array_equal(result.table.patterns[result.pattern[inside]], votes[inside])
    assert_array_equal(
        inside,
        np.ones(SHAPE, bool) if roi == "all" else (votes.min(-1) != votes.max(-1)) | (votes.max(-1) % 1 != 0),
    )
    assert_array_equal(result.marked, (votes > 0.1).any(axis=-1))


def test_tables_are_kept_where_there_are_some() -> None:
    """For the fit test; a bootstrap reads the votes again where there is none."""
    raters = votes_of("staple")
    for intervals in ("none", "information", "bootstrap"):
        for route in ("patterns", "rows"):
            options = options_for("staple", intervals=intervals)
            options.route = route
            result = _core.fuse(raters, np.empty(SHAPE), options=options)
            assert (result.table is not None) == (route == "patterns" or intervals == "bootstrap")
        assert result.pattern is None
