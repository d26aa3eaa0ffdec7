"""Label maps fused in Python: results, two labels as masks, refusals and warnings."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from fastfuse.fusion.labels.fuse import fuse_labels
from fastfuse.fusion.labels.options import LabelOptions
from fastfuse.fusion.labels.remarks import identified
from fastfuse.fusion.labels.result import LabelFusion

SHAPE = (12, 15, 10)
BRATS = np.array([0, 1, 2, 4])


def brats(raters: int = 4, seed: int = 0) -> tuple[NDArray[np.uint8], list[NDArray[np.uint8]]]:
    """Return truth and maps of labels 0, 1, 2, 4."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(BRATS, SHAPE, p=[0.5, 0.2, 0.2, 0.1]).astype(np.uint8)
    maps = [
        np.where(rng.random(SHAPE) < 0.8, truth, rng.choice(BRATS, SHAPE)).astype(np.uint8)
        for _ in range(raters)
    ]
    return truth, maps


def said(maps: Any, **options: Any) -> list[str]:
    """Return what a fusion warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fuse_labels(maps, options=LabelOptions(**options))
    return [str(one.message) for one in caught]


def test_brats_in_one_call() -> None:
    truth, maps = brats()
    fusion = fuse_labels(maps)
    label = fusion.label()
    assert fusion.labels == (0, 1, 2, 4)
    assert fusion.converged
    assert label.dtype == np.uint8
    assert label.shape == SHAPE
    assert np.mean(label == truth) > 0.95
    assert fusion.confusion.shape == (4, 4, 4)
    np.testing.assert_allclose(fusion.confusion.sum(axis=2), 1, atol=1e-12)
    np.testing.assert_array_equal(fusion.sensitivity, fusion.confusion[:, range(4), range(4)])
    np.testing.assert_array_equal(fusion.volume, [[np.sum(one == a) for a in BRATS] for one in maps])
    np.testing.assert_allclose(fusion.prior, fusion.volume.sum(axis=0) / fusion.volume.sum())


def test_regions_are_exact_sums() -> None:
    fusion = fuse_labels(brats()[1], dtype="float64")
    parts = {a: fusion.probability(a) for a in (0, 1, 2, 4)}
    np.testing.assert_allclose(fusion.probability([1, 4]), parts[1] + parts[4], rtol=0, atol=1e-15)
    np.testing.assert_allclose(sum(parts.values()), 1, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(fusion.confidence(), np.max(list(parts.values()), axis=0))
    w = np.stack(list(parts.values()))
    logs = np.log(w, where=w > 0, out=np.zeros_like(w))
    np.testing.assert_allclose(fusion.entropy(), -(w * logs).sum(axis=0), atol=1e-14)
    np.testing.assert_allclose(fusion.consensus_volume, w.sum(axis=(1, 2, 3)), rtol=1e-12)


def test_ppv_and_dice_are_against_the_consensus() -> None:
    _, maps = brats()
    fusion = fuse_labels(maps, dtype="float64")
    for i, one in enumerate(maps):
        for a, label in enumerate(fusion.labels):
            w, q = fusion.probability(label), one == label
            np.testing.assert_allclose(fusion.ppv[i, a], (w * q).sum() / q.sum(), rtol=1e-12)
            np.testing.assert_allclose(fusion.dice[i, a], 2 * (w * q).sum() / (w + q).sum(), rtol=1e-12)


def test_names_stand_for_labels() -> None:
    _, maps = brats()
    names = {0: "background", 1: "necrosis", 2: "edema", 4: "enhancing"}
    named, plain = fuse_labels(maps, labels=names), fuse_labels(maps)
    np.testing.assert_array_equal(named.probability("edema"), plain.probability(2))
    np.testing.assert_array_equal(named.probability(["necrosis", 4]), plain.probability([1, 4]))
    rows = named.table()
    assert len(rows) == 16
    assert rows[3] == {
        "rater": "rater 0",
        "label": 4,
        "name": "enhancing",
        "sensitivity": named.sensitivity[0, 3],
        "ppv": named.ppv[0, 3],
        "dice": named.dice[0, 3],
        "voxels": named.volume[0, 3],
        "consensus_voxels": named.consensus_volume[3],
        "prior": named.prior[3],
    }
    with pytest.raises(
        ValueError, match="'tumour': the names are 'background', 'necrosis', 'edema', 'enhancing'"
    ):
        named.probability("tumour")
    with pytest.raises(ValueError, match="label is 3: the labels are 0, 1, 2, 4"):
        named.probability([1, 3])


def test_top() -> None:
    fusion = fuse_labels(brats()[1], dtype="float64")
    labels, values = fusion.top(2)
    assert labels.shape == values.shape == (2, *SHAPE)
    np.testing.assert_array_equal(labels[0], fusion.label())
    np.testing.assert_array_equal(values[0], fusion.confidence())
    w = np.sort(np.stack([fusion.probability(a) for a in fusion.labels]), axis=0)
    np.testing.assert_array_equal(values[1], w[-2])
    with pytest.raises(ValueError, match="count is 5: there are 4 labels"):
        fusion.top(5)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([0, 1, 255], "uint8"),
        ([0, 1, 256], "uint16"),
        ([0, 1, 2035], "uint16"),
        ([0, 5, 70000], "uint32"),
        ([-1, 0, 1], "int8"),
        ([-1, 0, 200], "int16"),
        ([0, 1, 2**40], "uint64"),
    ],
)
def test_labels_have_the_smallest_type(labels: list[int], kind: str) -> None:
    rng = np.random.default_rng(0)
    maps = [np.array(labels)[rng.integers(0, 3, 500)] for _ in range(3)]
    label = fuse_labels(maps).label()
    assert label.dtype == kind
    assert set(np.unique(label)) <= set(labels)


@pytest.mark.parametrize("order", ["C", "F"])
def test_axes_are_the_callers(order: Any) -> None:
    _, maps = brats()
    mask = np.random.default_rng(5).random(SHAPE) < 0.7
    wanted = fuse_labels(maps, mask=mask)
    found = fuse_labels([np.asarray(one, order=order) for one in maps], mask=mask)
    np.testing.assert_array_equal(found.label(), wanted.label())
    np.testing.assert_array_equal(found.probability(2), wanted.probability(2))
    assert not found.label()[~mask].any()
    assert not found.confidence()[~mask].any()
    assert found.n_voxels == mask.sum()


def test_a_rater_who_did_not_read_the_case() -> None:
    _, maps = brats()
    fusion, wanted = fuse_labels([maps[0], None, *maps[1:]]), fuse_labels(maps)
    assert np.isnan(fusion.confusion[1]).all()
    assert not fusion.volume[1].any()
    np.testing.assert_array_equal(np.delete(fusion.confusion, 1, axis=0), wanted.confusion)
    np.testing.assert_array_equal(fusion.label(), wanted.label())


def test_undecided() -> None:
    maps = np.array([[0, 1, 2, 2], [0, 1, 1, 2]])
    tied = fuse_labels(maps, "majority", options=LabelOptions(undecided=9))
    assert tied.label().tolist() == [0, 1, 9, 2]
    assert fuse_labels(maps, "majority").label().tolist() == [0, 1, 2, 2]
    with pytest.raises(ValueError, match="undecided is 2, which is one of the labels"):
        fuse_labels(maps, options=LabelOptions(undecided=2))


def binary(seed: int, raters: int = 5) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    truth = rng.random(SHAPE) < 0.3
    return np.asarray(np.where(rng.random((raters, *SHAPE)) < 0.85, truth, ~truth), np.uint8)


def assert_same_bits(labels: LabelFusion, masks: fastfuse.Fusion) -> None:
    low, high = labels.labels
    np.testing.assert_array_equal(labels.probability(high), masks.probability)
    np.testing.assert_array_equal(labels.label() == high, masks.label() == 1)
    np.testing.assert_array_equal(labels.confusion[:, 1, 1], masks.sensitivity)
    np.testing.assert_array_equal(labels.confusion[:, 0, 0], masks.specificity)
    np.testing.assert_array_equal(labels.log_likelihood, masks.log_likelihood)
    np.testing.assert_array_equal(labels.dice[:, 1], masks.dice)
    np.testing.assert_array_equal(labels.ppv, np.stack([masks.npv, masks.ppv], 1))
    assert labels.prior[1] == masks.prior
    assert labels.n_iter == masks.n_iter
    np.testing.assert_allclose(labels.probability([low, high]), 1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("values", [(0, 1), (2, 5), (-3, 0)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_two_labels_are_masks(seed: int, values: tuple[int, int], dtype: Any) -> None:
    masks = binary(seed)
    maps = [np.array(values)[one] for one in masks]
    assert_same_bits(fuse_labels(maps, dtype=dtype), fastfuse.staple(list(masks), dtype=dtype))
    assert_same_bits(
        fuse_labels(maps, options=LabelOptions(prior="estimate", acceleration="squarem"), dtype=dtype),
        fastfuse.staple(list(masks), prior="estimate", acceleration="squarem", dtype=dtype),
    )
    by_vote = fuse_labels(maps, "majority", dtype=dtype)
    plain = fastfuse.majority_vote(list(masks), dtype=dtype)
    np.testing.assert_array_equal(by_vote.probability(values[1]), plain.probability)
    np.testing.assert_array_equal(by_vote.label() == values[1], plain.label() == 1)


def test_two_labels_with_mask_and_missing_votes() -> None:
    masks = binary(3).astype(np.float32)
    rng = np.random.default_rng(1)
    masks[rng.random(masks.shape) < 0.1] = np.nan
    mask = rng.random(SHAPE) < 0.8
    labels = fuse_labels(list(masks + 4), mask=mask, options=LabelOptions(missing="nan"))
    plain = fastfuse.staple(list(masks), mask=mask, missing="nan")
    assert labels.labels == (4, 5)
    np.testing.assert_array_equal(labels.probability(5), plain.probability)
    np.testing.assert_array_equal(labels.label()[mask], 4 + plain.label()[mask])
    for volume in (labels.label(), labels.probability(4), labels.confidence(), labels.entropy()):
        assert not volume[~mask].any()


def test_two_labels_by_the_rows_are_as_masks_too() -> None:
    """The path of many labels, asked for by an option of its own, to rounding."""
    masks = binary(4)
    by_rows = fuse_labels(
        list(masks), options=LabelOptions(init="vote", candidates="all", undecided=7), dtype="float64"
    )
    plain = fastfuse.staple(list(masks), dtype="float64")
    np.testing.assert_allclose(by_rows.probability(1), plain.probability, rtol=0, atol=1e-12)
    np.testing.assert_allclose(by_rows.sensitivity[:, 1], plain.sensitivity, rtol=0, atol=1e-12)
    assert by_rows.n_iter == plain.n_iter
    low = fuse_labels(list(masks), dtype="float64")
    np.testing.assert_allclose(low.dice, by_rows.dice, rtol=0, atol=1e-9)


def test_who_does_not_know_a_label() -> None:
    """Their row of it is left out: the label keeps the sensitivity that it has without them."""
    rng = np.random.default_rng(2)
    truth = rng.choice(4, 20000, p=[0.6, 0.2, 0.1, 0.1])
    maps = [np.where(rng.random(20000) < 0.85, truth, rng.integers(0, 4, 20000)) for _ in range(3)]
    blind = np.where(rng.random(20000) < 0.85, truth, rng.integers(0, 4, 20000))
    blind[blind == 3] = 0
    without = fuse_labels(maps)
    with pytest.warns(fastfuse.FusionWarning, match="rater 3 never gives label 3"):
        ignored = fuse_labels([*maps, blind])
    told = fuse_labels([*maps, blind], options=LabelOptions(knows={3: [0, 1, 2]}))
    np.testing.assert_allclose(told.sensitivity[:3, 3], without.sensitivity[:, 3], rtol=0, atol=0.02)
    missed = np.sum((truth == 3) & (ignored.label() != 3))
    assert np.sum((truth == 3) & (told.label() != 3)) < missed
    assert np.isnan(told.confusion[3, 3]).all()


@pytest.mark.parametrize("kind", ["many", "two"])
def test_weights(kind: str) -> None:
    maps = brats(3)[1] if kind == "many" else list(binary(0, 3))
    fusion = fuse_labels(maps, "majority", options=LabelOptions(weights=[3, 1, 1]))
    np.testing.assert_array_equal(fusion.label(), maps[0])


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"labels": [0, 1, 2]}, r"rater 0 holds 4 at voxel \(.*\), which is not in labels \(0, 1, 2\): add it"),
    ({"labels": [0, 1, 1]}, "labels holds 1 twice"),
    ({"labels": []}, "labels is empty"),
    ({"labels": "some"}, "labels is 'some': it must be 'all', a list of integers"),
    ({"labels": {0: "a", 1: "a"}}, "labels holds the name 'a' twice"),
    ({"labels": {0: "a", 1: "b\nc"}}, r"labels\[1\] is 'b\\nc': it holds a control character; leave it out"),
    ({"labels": range(70000)}, "labels holds 70000 labels: at most 65,535"),
    ({"labels": [0, 2**60]}, "labels holds a number beyond 2"),
    ({"init": "mean"}, "init is 'mean': it must be 'auto' or 'plurality' or 'vote' or 'itk'"),
    ({"candidates": "some"}, "candidates is 'some'"),
    ({"confusion": "none"}, "confusion is 'none'"),
    ({"performance_prior": (5, 1.5)}, r"performance_prior is \(5, 1.5\): of label maps"),
    ({"performance_prior": 3}, "performance_prior is 3: of label maps"),
    ({"prior": [0.5, 0.5]}, r"prior has shape \(2,\): with 4 labels"),
    ({"prior": [0.5, 0.5, 0.5, -0.5]}, "prior is .*: its entries must be probabilities that sum to 1"),
    ({"prior": {0: 0.5, 1: 0.2, 2: 0.3}}, "prior has no probability for label 4"),
    ({"knows": {"Ann": [0, 1]}}, "knows names 'Ann': the raters are rater 0, rater 1"),
    ({"knows": {9: [0, 1]}}, "knows names rater 9: there are 4, from 0 to 3"),
    ({"knows": {1: [0, 3]}}, r"knows\['rater 1'\] names label 3: the labels are 0, 1, 2, 4"),
    ({"knows": {1: [0, 1, 2]}}, r"rater 1 holds label 4 at \d+ voxels: knows says"),
    ({"weights": [1, 1, 1, 1]}, "weights are given: staple finds how much"),
    ({"tol": -1}, "tol is -1"),
    ({"max_iter": 0}, "max_iter is 0"),
]


@pytest.mark.parametrize(("given", "sentence"), REFUSED)
def test_refusals_name_what_is_wrong(given: dict[str, Any], sentence: str) -> None:
    labels = {"labels": given.pop("labels")} if "labels" in given else {}
    with pytest.raises(ValueError, match=sentence):
        fuse_labels(brats()[1], **labels, options=LabelOptions(**given))


def test_refusals_of_the_majority() -> None:
    with pytest.raises(ValueError, match="init is 'vote': majority has no such option"):
        fuse_labels(brats()[1], "majority", options=LabelOptions(init="vote"))
    with pytest.raises(ValueError, match=r"weights is .*: it must hold a positive number for each of the 4"):
        fuse_labels(brats()[1], "majority", options=LabelOptions(weights=[1, 0, 1, 1]))


def test_values_that_are_no_labels() -> None:
    _, maps = brats()
    soft = [one.astype(np.float32) for one in maps]
    soft[2][3, 4, 5] = 0.5
    with pytest.raises(
        ValueError, match=r"rater 2 holds 0.5 at voxel \(3, 4, 5\): a label map holds whole numbers"
    ):
        fuse_labels(soft)
    soft[2][3, 4, 5] = np.nan
    with pytest.raises(ValueError, match=r"rater 2 holds nan at voxel \(3, 4, 5\)"):
        fuse_labels(soft)
    assert fuse_labels(soft, options=LabelOptions(missing="nan")).volume[2].sum() == soft[0].size - 1
    with pytest.raises(ValueError, match="more than 65,535 different labels"):
        fuse_labels([np.arange(70000), np.arange(70000)])
    with pytest.raises(ValueError, match=r"3000 labels of 20 raters make confusion matrices of 1\.8e"):
        fuse_labels([np.arange(3000)] * 20)


def test_two_raters_warn() -> None:
    assert any("2 raters do not determine confusion matrices of 4 labels" in one for one in said(brats(2)[1]))
    assert said(brats(4)[1]) == []


def test_whether_the_model_is_identified() -> None:
    assert not identified(2, 2)
    assert identified(2, 3)
    assert not identified(100, 2)
    assert identified(100, 3)


def test_warnings() -> None:
    _, maps = brats()
    blind = np.where(maps[3] == 4, 1, maps[3])
    assert any(
        "rater 3 never gives label 4, which most others give" in one for one in said([*maps[:3], blind])
    )
    assert said([*maps[:3], blind], knows={3: [0, 1, 2]}) == []
    assert any("has not converged after 2 iterations" in one for one in said(maps, max_iter=2))
    assert any("there is one rater only" in one for one in said(maps[:1]))
    with pytest.warns(
        fastfuse.FusionWarning, match="nobody votes for label 9: the probability is 0 everywhere"
    ):
        fusion = fuse_labels(maps, labels=[0, 1, 2, 4, 9])
    assert not fusion.probability(9).any()
    with pytest.warns(fastfuse.FusionWarning):
        plain = fuse_labels(maps, labels=[0, 1, 2, 4, 9], options=LabelOptions(performance_prior=None))
    assert np.isnan(plain.sensitivity[:, 4]).all()


def test_a_rater_who_is_a_copy_of_one_label() -> None:
    """All agree everywhere: one label is certain."""
    with pytest.warns(fastfuse.FusionWarning, match="all raters give label 3 everywhere"):
        fusion = fuse_labels([np.full(SHAPE, 3)] * 3)
    assert (fusion.label() == 3).all()
    assert (fusion.confidence() == 1).all()


def test_repr() -> None:
    lines = repr(fuse_labels(brats()[1])).splitlines()
    assert lines[0].startswith("LabelFusion(staple, 4 raters, 4 labels, 1800 voxels, ")
    assert lines[1] == "  labels 0 1 2 4"


@pytest.mark.parametrize("value", [2**53 + 1, 2**60, 2.0**53 + 2, -(2.0**54)])
def test_labels_that_cannot_be_told_apart(value: Any) -> None:
    maps = [np.array([0, 1, value]), np.array([0, 1, value])]
    for fuse in (fastfuse.staple, fastfuse.majority_vote, fastfuse.tabulate):
        with pytest.raises(ValueError, match=r"beyond 2\^53:? labels"):
            fuse(maps, labels="all")


@pytest.mark.parametrize("scale", [1e308, 1.0, 1e-300])
def test_weights_count_by_their_ratios(scale: float) -> None:
    maps = [np.array(one) for one in ([0, 0, 1], [0, 0, 1], [2, 1, 2])]
    for weights, wanted in (([1, 1, 1], [0, 0, 1]), ([0.3, 0.3, 1], [2, 1, 2])):
        given = [scale * weight for weight in weights]
        fusion = fastfuse.majority_vote(maps, labels="all", weights=given)
        np.testing.assert_array_equal(fusion.label(), wanted)
        assert np.isfinite(fusion.confidence()).all()
