"""Voxels of label maps whose label is known: EM keeps it, as it does with maps of priors of 0 and 1 there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.fusion.labels.decisions import OPEN
from fastfuse.fusion.labels.fuse import fuse_label_votes
from fastfuse.fusion.labels.options import LabelOptions
from fastfuse.fusion.votes import Votes

TIGHT = {"tol": 1e-12, "max_iter": 5000}
PLAIN: dict[str, Any] = {"performance_prior": None, "candidates": "all", "init": "vote", **TIGHT}


def drawn(seed: int, kinds: int = 4, raters: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return maps, and decisions: some right, a few against all raters."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, kinds, (9, 8, 7))
    noise = rng.integers(0, kinds, (raters, *truth.shape))
    maps = np.where(rng.random(noise.shape) < 0.75, truth, noise).astype(np.int16)
    decisions = np.full(truth.shape, OPEN)
    decisions[2:4, 2:6] = truth[2:4, 2:6]
    decisions[6, 3] = (truth[6, 3] + 1) % kinds
    return maps, decisions


def fused(maps: Any, decisions: np.ndarray, method: Any = "staple", **options: Any) -> fastfuse.LabelFusion:
    votes = Votes(maps, mask=options.pop("mask", None), present=options.pop("present", None), dtype="float64")
    given = LabelOptions(**{**(PLAIN if method == "staple" else {}), "decisions": decisions, **options})
    return fuse_label_votes(votes, method, "all", given)[0]


def written_out(maps: np.ndarray, decisions: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The oracle: EM on every voxel, in which the decided ones keep their label; return the probabilities and the confusion."""
    votes = maps.reshape(len(maps), -1)
    known = decisions.ravel()
    at, labels = known != OPEN, np.arange(len(prior))
    of_vote = (votes[:, None] == labels[:, None]).astype(float)  # rater, label, voxel
    w = of_vote.mean(axis=0)
    for _ in range(5000):
        w[:, at] = known[at] == labels[:, None]
        counts = np.einsum("av,ibv->iab", w, of_vote)
        theta = counts / counts.sum(axis=2, keepdims=True)
        after = prior[:, None] * np.prod(np.einsum("iab,ibv->iav", theta, of_vote), axis=0)
        after /= after.sum(axis=0)
        after[:, at] = w[:, at]
        if abs(after - w).max() < 1e-13:
            break
        w = after
    return w.reshape(len(prior), *decisions.shape), theta


@pytest.mark.parametrize("acceleration", ["none", "squarem"])
def test_em_is_that_of_maps_of_priors(acceleration: str) -> None:
    maps, decisions = drawn(1)
    found = fused(maps, decisions, acceleration=acceleration)
    at = decisions != OPEN
    prior = np.bincount(maps[:, ~at].ravel(), minlength=4) / maps[:, ~at].size
    np.testing.assert_allclose(found.prior, prior)
    w, confusion = written_out(maps, decisions, prior)
    np.testing.assert_allclose(found.confusion, confusion, atol=1e-8)
    for label in range(4):
        np.testing.assert_allclose(found.probability(label), w[label], atol=1e-8)
        marks = maps == label
        both = (w[label] * marks).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(found.volume[:, label], marks.sum(axis=(1, 2, 3)))
        np.testing.assert_allclose(found.consensus_volume[label], w[label].sum(), rtol=1e-8)
        np.testing.assert_allclose(found.ppv[:, label], both / found.volume[:, label], rtol=1e-7)
        np.testing.assert_allclose(
            found.dice[:, label], 2 * both / (w[label].sum() + found.volume[:, label]), rtol=1e-7
        )
    np.testing.assert_array_equal(found.label()[at], decisions[at])
    assert found.n_voxels == decisions.size


@pytest.mark.parametrize(
    "options", [{"confusion": "class"}, {"performance_prior": (30, 0.9)}, {"candidates": "voted"}], ids=str
)
def test_all_ways_of_em_keep_it(options: dict[str, Any]) -> None:
    """The rates learn: where the reviewer says that all err, they fall; where they agree with the raters, they rise."""
    maps, _ = drawn(2)
    same = np.all(maps == maps[0], axis=0)
    plain = fused(maps, np.full(same.shape, OPEN), **options)
    agreed, against = np.full(same.shape, OPEN), np.full(same.shape, OPEN)
    agreed[same] = maps[0][same]
    against[same] = (maps[0][same] + 1) % 4
    low, high = (fused(maps, one, **options) for one in (against, agreed))
    assert (low.sensitivity < plain.sensitivity).all()
    assert (high.sensitivity >= plain.sensitivity - 0.02).all()
    np.testing.assert_array_equal(low.label()[same], against[same])
    np.testing.assert_array_equal(high.label()[same], maps[0][same])


@pytest.mark.parametrize("acceleration", ["none", "squarem"])
@pytest.mark.parametrize("performance_prior", [None, (30, 0.9)])
@pytest.mark.parametrize("seed", range(4))
def test_what_em_climbs_does_not_fall(seed: int, performance_prior: Any, acceleration: str) -> None:
    """The votes on decided voxels belong to it: they are in the sidecar's log_prior, as for masks."""
    maps, decisions = drawn(seed)
    decisions[4:] = (maps[0, 4:] + 1) % 4
    options = {"performance_prior": performance_prior, "acceleration": acceleration}
    found = fused(maps, decisions, **options, prior=[0.25] * 4)
    climbed = found.log_likelihood + found.log_prior
    assert np.diff(climbed).min() >= -1e-9 * abs(climbed[-1])
    if performance_prior is None:
        at = decisions != OPEN
        of_votes = [found.confusion[i][decisions[at], maps[i][at]] for i in range(len(maps))]
        np.testing.assert_allclose(found.log_prior[-1], np.log(of_votes).sum(), rtol=1e-9)


def test_nothing_decided_changes_nothing() -> None:
    maps, decisions = drawn(3)
    found, plain = fused(maps, np.full_like(decisions, OPEN)), fused(maps, None)
    np.testing.assert_array_equal(found.label(), plain.label())
    np.testing.assert_array_equal(found.confusion, plain.confusion)
    np.testing.assert_allclose(found.dice, plain.dice, rtol=1e-14)


def test_a_majority_is_set_there_and_rates_are_against_it() -> None:
    maps, decisions = drawn(4)
    maps = maps.astype(np.float32)
    maps[1, :, :3] = np.nan
    found = fused(maps, decisions, "majority", missing="nan")
    w = np.stack([found.probability(label) for label in range(4)])
    at = decisions != OPEN
    assert np.array_equal(w[:, at].argmax(axis=0), decisions[at])
    for i, votes in enumerate(maps):
        there = ~np.isnan(votes)
        for a in range(4):
            for b in range(4):
                share = (w[a] * there * (votes == b)).sum() / (w[a] * there).sum()
                assert found.confusion[i, a, b] == pytest.approx(share)
            both = (w[a] * (votes == a)).sum()
            assert found.dice[i, a] == pytest.approx(2 * both / ((w[a] * there).sum() + (votes == a).sum()))
            assert found.ppv[i, a] == pytest.approx(both / (votes == a).sum())
    assert found.n_voxels == decisions.size


def test_two_labels_are_masks() -> None:
    maps, decisions = drawn(5, kinds=2)
    found = fused(maps, decisions, performance_prior="auto", candidates="auto", init="auto")
    volume = np.where(decisions == OPEN, -1, decisions)
    masks = fastfuse.fuse(maps, "staple", decisions=volume, dtype="float64", **TIGHT)
    np.testing.assert_array_equal(found.probability(1), masks.probability)
    np.testing.assert_array_equal(found.sensitivity[:, 1], masks.sensitivity)


def test_voxels_outside_the_mask_and_turned_axes() -> None:
    maps, decisions = drawn(6)
    mask = np.ones(decisions.shape, np.uint8)
    mask[:, :, :2] = 0
    present = [None, np.roll(mask, 2, axis=1), None, None, None]
    found = fused(list(maps), decisions, mask=mask, present=present)
    assert not found.label()[mask == 0].any()
    assert found.n_voxels == mask.sum()
    turned = fused(
        [one.T for one in maps],
        decisions.T,
        mask=mask.T,
        present=[None if one is None else one.T for one in present],
    )
    np.testing.assert_array_equal(turned.label().T, found.label())
    np.testing.assert_allclose(turned.confusion, found.confusion, atol=1e-10)


def test_labels_far_apart_and_below_zero() -> None:
    maps, decisions = drawn(7)
    values = np.array([-7, 0, 300, 2**40])
    found = fused(values[maps], np.where(decisions == OPEN, OPEN, values[decisions % 4]))
    plain = fused(maps, decisions)
    np.testing.assert_array_equal(found.label(), values[plain.label()])


def test_bad_decisions_are_refused() -> None:
    maps, decisions = drawn(8)
    for given, options, said in (
        (np.where(decisions == 1, 9, decisions), {}, "hold label 9, which is not fused"),
        (decisions * 0, {}, "no voxel open"),
        (decisions[:3], {}, "have shape"),
        (decisions, {"intervals": "bootstrap"}, "intervals is 'bootstrap'"),
    ):
        with pytest.raises(ValueError, match=said):
            fused(maps, given, **options)


def test_an_estimate_keeps_them_too() -> None:
    maps, decisions = drawn(9)
    rates = fastfuse.estimate(fastfuse.tabulate(maps, labels="all"), "staple")
    votes = Votes(list(maps), dtype="float64")
    plain = rates.consensus_of(votes, LabelOptions())[0]
    found = rates.consensus_of(votes, LabelOptions(decisions=decisions))[0]
    at = decisions != OPEN
    np.testing.assert_array_equal(found.label()[at], decisions[at])
    np.testing.assert_array_equal(found.label()[~at], plain.label()[~at])
    np.testing.assert_array_equal(found.confusion, plain.confusion)


@pytest.mark.parametrize("method", ["majority", "staple"])
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_of_two_labels_what_is_decided_is_certain_where_nobody_votes(method: Any) -> None:
    maps = [np.array([3, 5, np.nan, np.nan, 5])] * 3
    found = fused(maps, np.array([OPEN, OPEN, 3, OPEN, OPEN]), method, missing="nan")
    assert found.probability(3)[:3].tolist() == [1, 0, 1]
    assert found.label()[:3].tolist() == [3, 5, 3]
    assert (found.label()[3] == 0) == (method == "majority")
