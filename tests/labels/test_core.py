"""What holds of every fusion of label maps."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastfuse import _core
from fastfuse.reference import labels as reference

from .common import draw, fit, missing_votes

DEFAULTS: dict[str, Any] = {"performance_prior": (20.0, 0.9)}
FROM_VOTES: dict[str, Any] = {"start": "vote", "candidates": "all"}
BOTH = [DEFAULTS, FROM_VOTES]


def large(
    raters: int = 5, labels: int = 30, shape: tuple[int, ...] = (40, 50, 60)
) -> list[NDArray[np.uint8]]:
    """Return maps in whose runs of labels the raters differ: more tuples than one block holds."""
    rng = np.random.default_rng(3)
    coarse = np.repeat(rng.integers(0, labels, (shape[0], shape[1], shape[2] // 6)), 6, axis=2)
    maps = []
    for _ in range(raters):
        moved = np.roll(coarse, rng.integers(-2, 3), axis=2)
        noise = rng.random(shape) < 0.1
        maps.append(np.where(noise, rng.integers(0, labels, shape), moved).astype(np.uint8))
    return maps


def volumes(maps: list[NDArray[Any]], labels: int, threads: int, **options: Any) -> list[NDArray[Any]]:
    """Return everything that a fusion gives."""
    asked = _core.LabelOptions()
    for name, value in {**options, "threads": threads}.items():
        setattr(asked, name, value)
    table = _core.tabulate_labels(maps, range(labels), threads=threads)
    found = _core.estimate_labels(table, options=asked)
    label = np.empty(maps[0].shape, np.uint8)
    confidence, entropy, part = (np.empty(maps[0].shape) for _ in range(3))
    _core.write_label(table, found.truths, label, threads=threads)
    _core.write_ranked(table, found.truths, confidence, threads=threads)
    _core.write_entropy(table, found.truths, entropy, threads=threads)
    _core.write_probability(table, found.truths, part, [1, 3], threads=threads)
    rates = [found.confusion, found.prior, found.log_likelihood, found.log_prior, found.mass]
    return [table.codes, table.counts, *rates, label, confidence, entropy, part]


@pytest.mark.parametrize(
    "options", [DEFAULTS, {**FROM_VOTES, "acceleration": "squarem"}, {"votes_alone": True}]
)
def test_threads_give_the_same_bits(options: dict[str, Any]) -> None:
    maps = large()
    alone = volumes(maps, 30, 1, max_iter=30, **options)
    assert len(alone[1]) > 4096
    for threads in (2, 4):
        for one, other in zip(alone, volumes(maps, 30, threads, max_iter=30, **options), strict=True):
            np.testing.assert_array_equal(one, other)


def forty_labels(raters: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return maps and missing votes; some votes go with few truths, others with most."""
    rng = np.random.default_rng(11)
    _, maps = draw(rng, 40, raters, 3000, accuracy=0.5)
    maps[0, maps[1] == 7] = 3
    maps[0, maps[1] == 8] = 8
    maps[2, maps[1] == 8] = 8
    return maps, missing_votes(rng, maps.shape, 0.1)


@pytest.mark.parametrize("options", [FROM_VOTES, {**FROM_VOTES, **DEFAULTS}])
@pytest.mark.parametrize("raters", [3, 9])
def test_rows_with_few_and_with_many_candidates(options: dict[str, Any], raters: int) -> None:
    maps, missing = forty_labels(raters)
    found = fit(maps, 40, missing=missing, max_iter=30, **options)
    wanted = reference.fuse_labels(
        reference.one_hot(maps, 40, missing),
        init="vote",
        candidates="all",
        performance_prior=options.get("performance_prior"),
        max_iter=30,
    )
    np.testing.assert_allclose(found.w, wanted.probability, atol=1e-11)
    candidates = (wanted.probability > 0).sum(axis=0)
    assert candidates.max() > 24
    assert candidates.min() <= 24 or "performance_prior" in options


@pytest.mark.parametrize("raters", [3, 9])
def test_where_jumps_end_with_few_and_with_many_candidates(raters: int) -> None:
    maps, missing = forty_labels(raters)
    found = fit(maps, 40, missing=missing, max_iter=30, acceleration="squarem", **FROM_VOTES)
    log_likelihood = reference.expectation(
        reference.one_hot(maps, 40, missing),
        ~missing,
        np.nan_to_num(found.estimate.confusion),
        np.asarray(found.estimate.prior),
        np.ones((40, maps.shape[1]), bool),
        "staple",
    )[2]
    assert found.estimate.log_likelihood[-1] == pytest.approx(log_likelihood, rel=1e-12)


def test_table_counts_every_tuple() -> None:
    maps = large()
    table = _core.tabulate_labels(maps, range(30))
    tuples, counts = np.unique(np.stack([one.ravel() for one in maps], axis=1), axis=0, return_counts=True)
    np.testing.assert_array_equal(table.codes, tuples)
    np.testing.assert_array_equal(table.counts, counts)


@pytest.mark.parametrize("raters", [3, 13, 40])
def test_tuples_of_many_words(raters: int) -> None:
    """Codes of more raters than one word holds."""
    rng = np.random.default_rng(raters)
    _, maps = draw(rng, 200, raters, 9000, 0.95)
    missing = missing_votes(rng, maps.shape, 0.1)
    table = _core.tabulate_labels(
        [np.where(gone, np.nan, one) for one, gone in zip(maps, missing, strict=True)],
        range(200),
        missing="nan",
    )
    codes = np.where(missing, 200, maps).T
    tuples, counts = np.unique(codes, axis=0, return_counts=True)
    np.testing.assert_array_equal(np.where(table.codes < 0, 200, table.codes), tuples)
    np.testing.assert_array_equal(table.counts, counts)


KINDS = ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">i2", ">f4"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", ["C", "F", "strided"])
def test_types_and_layouts(kind: str, layout: str) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2 if kind == "bool" else 5, (3, 20, 30, 25))
    plain = [one.astype("u1") for one in values]
    maps = [one.astype(kind) for one in values]
    if layout == "F":
        maps = [np.asfortranarray(one) for one in maps]
    elif layout == "strided":
        maps = [np.repeat(one, 2, axis=1)[:, ::2] for one in maps]
    labels = _core.find_labels(plain)
    assert _core.find_labels(maps) == labels
    table, wanted = _core.tabulate_labels(maps, labels), _core.tabulate_labels(plain, labels)
    np.testing.assert_array_equal(table.codes, wanted.codes)
    np.testing.assert_array_equal(table.counts, wanted.counts)


@pytest.mark.parametrize("options", BOTH)
def test_permuted_labels_permute_the_result(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(11)
    labels = 6
    _, maps = draw(rng, labels, 4, 3000)
    order = rng.permutation(labels)
    plain, permuted = fit(maps, labels, **options), fit(order[maps], labels, **options)
    np.testing.assert_allclose(permuted.w[order], plain.w, rtol=0, atol=1e-10)
    np.testing.assert_allclose(
        permuted.estimate.confusion[:, order][:, :, order], plain.estimate.confusion, rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("options", BOTH)
def test_permuted_raters_permute_the_result(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(12)
    _, maps = draw(rng, 6, 5, 3000)
    order = rng.permutation(5)
    plain, permuted = fit(maps, 6, **options), fit(maps[order], 6, **options)
    np.testing.assert_allclose(permuted.w, plain.w, rtol=0, atol=1e-10)
    np.testing.assert_allclose(
        permuted.estimate.confusion, plain.estimate.confusion[order], rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("acceleration", ["none", "squarem"])
def test_what_em_climbs_never_falls(seed: int, acceleration: str) -> None:
    rng = np.random.default_rng(seed)
    labels = int(rng.integers(3, 9))
    _, maps = draw(rng, labels, int(rng.integers(2, 7)), 1500, rng.uniform(0.3, 0.9))
    for options in ({}, {"performance_prior": (float(rng.uniform(0.1, 50)), 0.9)}):
        found = fit(
            maps,
            labels,
            **FROM_VOTES,
            **options,
            acceleration=acceleration,
            confusion=("full", "class")[seed % 2],
            estimates_prior=seed % 3 == 0,
            max_iter=200,
        ).estimate
        climbed = np.diff(found.log_likelihood + found.log_prior)
        assert climbed.min() > -1e-9 * abs(found.log_likelihood[-1])


def test_acceleration_ends_where_em_does() -> None:
    _, maps = draw(np.random.default_rng(2), 5, 5, 4000, 0.6)
    plain = fit(maps, 5, **FROM_VOTES, tol=1e-10)
    fast = fit(maps, 5, **FROM_VOTES, tol=1e-10, acceleration="squarem")
    assert fast.estimate.iterations < plain.estimate.iterations
    np.testing.assert_allclose(fast.w, plain.w, rtol=0, atol=1e-6)


def test_rare_tuples_keep_their_label() -> None:
    """Structural zeros: of labels that never go with a vote, none is given to it."""
    _, maps = draw(np.random.default_rng(4), 5, 4, 2000, 0.8)
    maps[:, :3] = 5  # a label that all agree on
    found = fit(maps, 6, **FROM_VOTES)
    np.testing.assert_array_equal(found.w[5, :3], 1)
    assert found.w[5, 3:].max() == 0


def test_voxels_without_a_vote_are_as_the_prior() -> None:
    rng = np.random.default_rng(5)
    _, maps = draw(rng, 4, 3, 500)
    missing = missing_votes(rng, maps.shape, 0.2)
    with_gap = missing.copy()
    with_gap[:, :7] = True
    found = fit(maps, 4, missing=with_gap, **FROM_VOTES)
    wanted = fit(maps[:, 7:], 4, missing=missing[:, 7:], **FROM_VOTES)
    assert found.estimate.voxels == 493
    np.testing.assert_array_equal(found.estimate.confusion, wanted.estimate.confusion)
    np.testing.assert_allclose(found.w[:, :7].T, np.tile(found.estimate.prior, (7, 1)), rtol=0, atol=1e-15)


def test_a_mask_leaves_out_what_lies_beyond() -> None:
    rng = np.random.default_rng(6)
    _, maps = draw(rng, 4, 3, 20000)
    mask = rng.random(20000) < 0.6
    held = maps.copy()
    held[:, ~mask] = 99  # not looked at
    table = _core.tabulate_labels(list(held), range(4), mask=mask)
    options = _core.LabelOptions()
    found = _core.estimate_labels(table, options=options)
    wanted = fit(maps[:, mask], 4)
    np.testing.assert_array_equal(found.confusion, wanted.estimate.confusion)
    label = np.full(20000, 77)
    _core.write_label(table, found.truths, label)
    np.testing.assert_array_equal(label[mask], wanted.label)
    assert not label[~mask].any()


def test_present_is_as_missing() -> None:
    rng = np.random.default_rng(8)
    _, maps = draw(rng, 4, 3, 9000)
    missing = missing_votes(rng, maps.shape, 0.3)
    by_nan = fit(maps, 4, missing=missing).table
    looked = [~gone for gone in missing]
    by_present = _core.tabulate_labels(list(np.where(missing, 99, maps)), range(4), present=looked)
    np.testing.assert_array_equal(by_nan.codes, by_present.codes)
    np.testing.assert_array_equal(by_nan.counts, by_present.counts)


def test_weights_of_the_majority() -> None:
    maps = np.array([[0, 1, 2, 2], [0, 1, 1, 1], [0, 2, 0, 1]])
    plain = fit(maps, 3, votes_alone=True)
    np.testing.assert_allclose(plain.w[:, 3], [0, 2 / 3, 1 / 3])
    assert plain.label.tolist() == [0, 1, 2, 1]  # of three tied labels the largest
    heavy = fit(maps, 3, votes_alone=True, weights=[5.0, 1.0, 1.0])
    assert heavy.label.tolist() == maps[0].tolist()
    np.testing.assert_allclose(heavy.w[:, 3], [0, 2 / 7, 5 / 7])


def test_ranks_follow_the_probability() -> None:
    rng = np.random.default_rng(9)
    _, maps = draw(rng, 5, 4, 3000, 0.5)
    found = fit(maps, 5, **FROM_VOTES, performance_prior=(3.0, 0.9))
    order = np.argsort(-found.w, axis=0, kind="stable")
    for rank in range(5):
        label, value = np.empty(3000, np.uint16), np.empty(3000)
        _core.write_label(found.table, found.estimate.truths, label, rank=rank)
        _core.write_ranked(found.table, found.estimate.truths, value, rank=rank)
        np.testing.assert_array_equal(value, np.sort(found.w, axis=0)[-1 - rank])
        np.testing.assert_array_equal(label, order[rank])
    entropy = np.empty(3000)
    _core.write_entropy(found.table, found.estimate.truths, entropy)
    np.testing.assert_allclose(entropy, -(found.w * np.log(found.w)).sum(axis=0), atol=1e-12)


def test_tables_are_made_of_rows_in_any_order() -> None:
    _, maps = draw(np.random.default_rng(10), 4, 3, 700)
    table = fit(maps, 4).table
    twice = _core.LabelTable(range(4), np.concatenate([maps.T, maps.T]), np.ones(1400))
    np.testing.assert_array_equal(twice.codes, table.codes)
    np.testing.assert_array_equal(twice.counts, 2 * table.counts)


def test_rates_of_other_voxels() -> None:
    """Rates that were estimated on one half, applied to the other: w as of the reference's E-step."""
    _, maps = draw(np.random.default_rng(13), 4, 5, 2000)
    rates = fit(maps[:, :1000], 4, **FROM_VOTES).estimate
    rest = _core.tabulate_labels(list(maps[:, 1000:]), range(4))
    truths = _core.apply_labels(rest, rates.confusion, rates.prior.tolist(), candidates="all").truths
    w = np.empty((4, 1000))
    for a in range(4):
        _core.write_probability(rest, truths, w[a], [a])
    theta = np.clip(rates.confusion, 1e-12, 1)
    votes = maps[:, 1000:]
    wanted = rates.prior[:, None] * np.prod([theta[i][:, votes[i]] for i in range(5)], axis=0)
    np.testing.assert_allclose(w, wanted / wanted.sum(axis=0), rtol=0, atol=1e-13)
    voted = reference.one_hot(votes, 4).sum(axis=0) > 0
    assert (w[~voted] > 0).any()


SLOW = """
import numpy as np
from fastfuse import _core
rng = np.random.default_rng(0)
maps = [rng.integers(0, 60, (60, 80, 100)).astype(np.uint8) for _ in range(6)]
options = _core.LabelOptions()
options.tol, options.max_iter, options.candidates = 0, 10**9, "voted"
print("begun", flush=True)
_core.estimate_labels(_core.tabulate_labels(maps, range(60)), options=options)
"""


def test_interrupted() -> None:
    """Control and C at the keyboard end it at once."""
    with subprocess.Popen(
        [sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline().strip() == b"begun"
        with pytest.raises(subprocess.TimeoutExpired):
            run.wait(1.5)
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=20)
        assert b"KeyboardInterrupt" in errors
