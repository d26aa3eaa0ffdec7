"""Soft votes of labels in the public functions: routes, two labels as the binary methods, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from fastfuse.fusion.labels.soft import fuse as soft_fuse
from fastfuse.fusion.labels.soft import kinds
from fastfuse.reference import labels as reference

from .soft import softmax, without_some

pytestmark = pytest.mark.filterwarnings("ignore:(EM has not converged|2 raters do not|no rater)")

LABELS = [0, 1, 2, 4]
SHAPE = (5, 6, 10)
Votes = list[NDArray[Any]]


def networks(labels: int = 4, raters: int = 3, seed: int = 0) -> Votes:
    q = softmax(np.random.default_rng(seed), labels, raters, 300)
    return [one.reshape(labels, *SHAPE) for one in q]


def maps_of(votes: Votes) -> Votes:
    return [np.array(LABELS)[one.argmax(axis=0)] for one in votes]


def stacked(fusion: fastfuse.LabelFusion) -> NDArray[Any]:
    return np.stack([fusion.probability(label).ravel() for label in fusion.labels])


def flat(votes: Votes) -> NDArray[np.float64]:
    return np.stack([one.reshape(len(one), -1) for one in votes]).astype(np.float64)


FUNCTIONS: dict[str, Any] = {
    "simplified-soft-staple": fastfuse.simplified_soft_staple,
    "soft-staple": fastfuse.soft_staple,
}


@pytest.mark.parametrize("method", FUNCTIONS)
@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_functions_against_reference(method: str, m_step: str) -> None:
    votes = networks()
    options: dict[str, Any] = {"m_step": m_step, "performance_prior": (5.0, 0.9), "max_iter": 30}
    fusion = FUNCTIONS[method](votes, labels=LABELS, dtype="float64", **options)
    wanted = reference.fuse_labels(flat(votes), method, **options)
    np.testing.assert_allclose(stacked(fusion), wanted.probability, rtol=0, atol=1e-11)
    np.testing.assert_allclose(fusion.confusion, wanted.confusion, rtol=0, atol=1e-11)
    np.testing.assert_allclose(fusion.volume, flat(votes).sum(axis=2), rtol=1e-12)
    won = np.array(LABELS)[reference.winner(wanted.probability)]
    np.testing.assert_array_equal(fusion.label().ravel(), won)
    np.testing.assert_allclose(fusion.confidence().ravel(), wanted.probability.max(axis=0), atol=1e-11)
    assert fusion.method == method
    assert fusion.most_dropped == 0


def test_majority_takes_the_mean() -> None:
    votes = networks()
    fusion = fastfuse.majority_vote(votes, labels=LABELS, weights=[1, 2, 1], dtype="float64")
    wanted = reference.mean_vote(flat(votes), np.array([1.0, 2.0, 1.0]))
    np.testing.assert_allclose(stacked(fusion), wanted, rtol=0, atol=1e-14)
    tied = [np.array([[0.5, 0.2], [0.5, 0.3], [0.0, 0.5]])] * 2
    assert fastfuse.majority_vote(tied, labels=[3, 5, 7]).label().tolist() == [5, 7]
    assert fastfuse.majority_vote(tied, labels=[3, 5, 7], undecided=9).label().tolist() == [9, 7]


def test_order_of_labels_is_that_of_channels() -> None:
    votes = networks()
    plain = fastfuse.simplified_soft_staple(votes, labels=LABELS, dtype="float64")
    names = {4: "enhancing", 0: "background", 2: "edema", 1: "necrosis"}
    moved = [one[[3, 0, 2, 1]] for one in votes]
    named = fastfuse.simplified_soft_staple(moved, labels=names, dtype="float64")
    np.testing.assert_array_equal(named.probability("edema"), plain.probability(2))
    assert named.labels == (0, 1, 2, 4)


@pytest.mark.parametrize("method", FUNCTIONS)
def test_layouts_types_and_stacks(method: str) -> None:
    votes = [one.astype(np.float32) for one in networks()]
    plain = stacked(FUNCTIONS[method](votes, labels=LABELS))
    others: list[Any] = [
        np.stack(votes),
        [np.asfortranarray(one) for one in votes],
        [np.moveaxis(np.ascontiguousarray(np.moveaxis(one, 0, -1)), -1, 0) for one in votes],
        [one.astype(">f4") for one in votes],
    ]
    for other in others:
        found = FUNCTIONS[method](other, labels=LABELS)
        np.testing.assert_allclose(stacked(found), plain, rtol=0, atol=1e-6)
        assert found.label().shape == SHAPE


@pytest.mark.parametrize("method", FUNCTIONS)
def test_label_maps_beside_soft_votes(method: str) -> None:
    votes = networks()
    hard = maps_of(votes)
    one_hot = np.stack([hard[1] == label for label in LABELS]).astype(np.float64)
    mixed = FUNCTIONS[method]([votes[0], hard[1], votes[2]], labels=LABELS, dtype="float64")
    dense = FUNCTIONS[method]([votes[0], one_hot, votes[2]], labels=LABELS, dtype="float64")
    np.testing.assert_allclose(stacked(mixed), stacked(dense), rtol=0, atol=1e-12)
    staple = fastfuse.staple(hard, labels="all")
    np.testing.assert_array_equal(FUNCTIONS[method](hard, labels="all").confusion, staple.confusion)


@pytest.mark.parametrize("method", FUNCTIONS)
def test_missing_votes_and_masks(method: str) -> None:
    q = without_some(np.random.default_rng(1), softmax(np.random.default_rng(0), 4, 3, 300), 0.2)
    votes = [one.reshape(4, *SHAPE) for one in q]
    mask = np.random.default_rng(2).random(SHAPE) < 0.6
    options: dict[str, Any] = {"performance_prior": (5.0, 0.9), "max_iter": 20}
    found = FUNCTIONS[method](votes, labels=LABELS, missing="nan", mask=mask, dtype="float64", **options)
    wanted = reference.fuse_labels(q[:, :, mask.ravel()], method, **options)
    np.testing.assert_allclose(stacked(found)[:, mask.ravel()], wanted.probability, rtol=0, atol=1e-11)
    assert not stacked(found)[:, ~mask.ravel()].any()
    present = [~np.isnan(one[0]) for one in votes]
    filled = [np.nan_to_num(one, nan=9) for one in votes]
    looked = FUNCTIONS[method](filled, labels=LABELS, present=present, mask=mask, dtype="float64", **options)
    np.testing.assert_allclose(stacked(looked), stacked(found), rtol=0, atol=1e-12)
    absent = FUNCTIONS[method]([votes[0], None, votes[2]], labels=LABELS, missing="nan")
    assert np.isnan(absent.confusion[1]).all()


@pytest.mark.parametrize("method", FUNCTIONS)
@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.filterwarnings("ignore:every rater comes out as no better than chance")
def test_two_labels_give_the_bits_of_binary_votes(method: str, m_step: str) -> None:
    votes = networks(2)
    upper = [one[1] for one in votes]
    plain = FUNCTIONS[method](upper, m_step=m_step)
    found = FUNCTIONS[method](votes, labels=[3, 7], m_step=m_step)
    np.testing.assert_array_equal(found.probability(7), plain.probability)
    np.testing.assert_array_equal(found.sensitivity[:, 1], plain.sensitivity)
    mean = fastfuse.majority_vote(votes, labels=[3, 7])
    np.testing.assert_array_equal(mean.probability(7), fastfuse.majority_vote(upper).probability)
    again = FUNCTIONS[method](
        votes, labels=[3, 7], m_step=m_step, undecided=9, dtype="float64", init="vote", candidates="all"
    )
    wide = FUNCTIONS[method](upper, m_step=m_step, dtype="float64")
    np.testing.assert_allclose(again.probability(7), wide.probability, rtol=0, atol=1e-12)


@pytest.mark.parametrize("labels", [2, 4])
@pytest.mark.parametrize("kind", ["f4", "u1"])
@pytest.mark.parametrize("asked", ["all", "listed"])
def test_one_hot_votes_are_label_maps(labels: int, kind: str, asked: str) -> None:
    """Also where some are missing, nan in all channels; they are no label maps of as many slices."""
    maps = np.stack([one.argmax(axis=0) for one in networks(labels)])
    hot = [np.stack([one == k for k in range(labels)]).astype(kind) for one in maps]
    of = "all" if asked == "all" else list(range(labels))
    found, wanted = fastfuse.majority_vote(hot, labels=of), fastfuse.majority_vote(list(maps), labels=of)
    np.testing.assert_array_equal(found.label(), wanted.label())
    if kind == "f4":
        gone = np.random.default_rng(0).random(maps.shape) < 0.3
        gone[0].flat[:100] = True  # more than are looked at first
        hot = [np.where(g, np.nan, one).astype(kind) for g, one in zip(gone, hot, strict=True)]
        found = fastfuse.majority_vote(hot, labels=of, missing="nan")
        wanted = fastfuse.majority_vote(list(np.where(gone, np.nan, maps)), labels=of, missing="nan")
        np.testing.assert_array_equal(found.label(), wanted.label())
        np.testing.assert_array_equal(found.volume, wanted.volume)


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_maps_of_two_slices_are_no_votes() -> None:
    """Slices that are each other's complement by chance, of one rater, or because each is of one label."""
    one = np.random.default_rng(0).integers(0, 2, (1, 6, 7))
    pair, other = np.concatenate([one, 1 - one]), np.random.default_rng(1).integers(0, 2, (2, 6, 7))
    flat = np.ones((2, 6, 7), int) * [[[0]], [[1]]]
    for maps in ([pair, other, 1 - other], [flat] * 3, [pair[:, :4], pair[:, 2:], 1 - pair[:, :4]]):
        assert fastfuse.majority_vote(maps, labels=[0, 1]).label().shape == maps[0].shape


def test_exact_by_truncated_enumeration(monkeypatch: pytest.MonkeyPatch) -> None:
    votes = networks()
    exact = fastfuse.soft_staple(votes, labels=LABELS, dtype="float64")
    monkeypatch.setattr(kinds, "MOST_KINDS", 100)
    with pytest.raises(
        ValueError, match=r"rater 0 holds probabilities of many values.*simplified_soft_staple"
    ):
        fastfuse.soft_staple(votes, labels=LABELS)
    whole = fastfuse.soft_staple(votes, labels=LABELS, truncation=0, dtype="float64")
    np.testing.assert_allclose(stacked(whole), stacked(exact), rtol=0, atol=1e-12)
    assert (whole.truncation, whole.most_dropped) == (0, 0)
    cut = fastfuse.soft_staple(votes, labels=LABELS, truncation=0.02)
    dropped = reference.truncate(flat(votes), 0.02)[1]
    assert cut.truncation == 0.02
    np.testing.assert_allclose(
        [cut.most_dropped, cut.mean_dropped], [dropped.max(), dropped.mean()], rtol=1e-12
    )
    monkeypatch.setattr(soft_fuse, "MOST_TERMS", 3000.0)
    with pytest.warns(
        fastfuse.FusionWarning, match=r"leaves more than 3e\+03 tuples of labels, so it was raised to 0\.16"
    ):
        raised = fastfuse.soft_staple(votes, labels=LABELS, truncation=0.01)
    assert raised.truncation > 0.01
    assert raised.mean_dropped > 0


def test_few_valued_votes_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many voxels, few votes: by a table, as voxel by voxel."""
    rng = np.random.default_rng(0)
    few = softmax(rng, 3, 1, 6)[0].T
    votes = [few[rng.integers(0, 6, 5000)].T for _ in range(3)]
    table = fastfuse.soft_staple(votes, labels=[0, 1, 2], dtype="float64")
    monkeypatch.setattr(kinds, "MOST_KINDS", 2)
    by_voxel = fastfuse.soft_staple(votes, labels=[0, 1, 2], truncation=0, dtype="float64")
    np.testing.assert_allclose(stacked(table), stacked(by_voxel), rtol=0, atol=1e-11)


REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (
        lambda q: [q[0], 3 * q[1], q[2]],
        {},
        r"rater 1's votes sum to 3 at voxel \(0, 0, 0\).*look like logits",
    ),
    (lambda q: [q[0], q[1], np.log(q[2] + 1e-9)], {}, r"rater 2 holds -.*look like logits"),
    (lambda q: [q[0], np.where(q[1] > 0.5, np.nan, q[1]), q[2]], {}, "rater 1 holds nan"),
    (lambda q: [q[0], q[1][:3], q[2]], {}, r"rater 1 has shape \(3, 5, 6, 10\): soft votes of 4 labels"),
    (lambda q: [q[0], q[1][:, 1:], q[2]], {}, "rater 1 has a volume of shape"),
    (
        lambda q: [q[0], np.full(SHAPE, 3), q[2]],
        {},
        r"rater 1 holds 3 at voxel \(0, 0, 0\), which is not in labels",
    ),
    (lambda q: q, {"roi": "disputed"}, "roi is 'disputed': label maps take a margin in mm"),
    (lambda q: q, {"mask": np.zeros(SHAPE, bool)}, "^the mask is empty: no voxel to fuse$"),
    (lambda q: q, {"present": [np.zeros(SHAPE, bool)] * 3}, "^every vote is missing: no voxel to fuse$"),
    (lambda q: q, {"truncation": 0.7}, "truncation is 0.7"),
    (lambda q: q, {"undecided": 4}, "undecided is 4, which is one of the labels"),
]


@pytest.mark.parametrize(("change", "options", "said"), REFUSED)
def test_refusals(change: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fastfuse.soft_staple(change(networks()), labels=LABELS, **options)


@pytest.mark.filterwarnings("default:no rater")
def test_raters_who_tell_nothing() -> None:
    """Votes that do not depend on each other: EM finds the prior, and says so."""
    noise = np.random.default_rng(0).dirichlet(np.full(3, 5.0), (3, 2000))
    with pytest.warns(fastfuse.FusionWarning, match="no rater's votes depend on the truth"):
        fastfuse.simplified_soft_staple(
            list(np.moveaxis(noise, 2, 1)), labels=[0, 1, 2], performance_prior=None, max_iter=200
        )


def test_all_takes_the_channels_for_labels() -> None:
    """Fractions that do not sum to 1 are a label map's mistake."""
    votes = networks()
    np.testing.assert_array_equal(
        fastfuse.majority_vote(votes, labels="all").label(),
        fastfuse.majority_vote(votes, labels=[0, 1, 2, 3]).label(),
    )
    with pytest.raises(ValueError, match=r"rater 0 holds 0\.5 at voxel .*soft votes of K labels have shape"):
        fastfuse.majority_vote([np.full((4, 6), 0.5)] * 3, labels="all")
    with pytest.raises(ValueError, match="rater 0 is a single number"):
        fastfuse.majority_vote([np.array(0.5)] * 3, labels=[0, 1])


def test_staple_and_others_refuse() -> None:
    with pytest.raises(ValueError, match="staple takes label maps"):
        fastfuse.staple(networks(), labels=LABELS)
    with pytest.raises(ValueError, match=r"truncation is 0\.1"):
        fastfuse.fuse(networks(), "simplified-soft-staple", labels=LABELS, truncation=0.1)  # type: ignore[call-overload]


@pytest.mark.parametrize("method", FUNCTIONS)
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_one_voxel_in_which_no_label_is_likely(method: str) -> None:
    """No label holds a whole voxel, so that no rates tell whether votes depend on the truth."""
    fusion = FUNCTIONS[method]([np.array([[0.25], [0.5], [0.25]])] * 2, labels=[0, 1, 2], max_iter=1)
    assert fusion.consensus_volume.max() < 1
    assert fusion.label().tolist() == [1]
