"""Rates from a label table are those of the fusion of its votes, and give its consensus."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import LabelTable, estimate, tabulate
from fastfuse.fusion.labels.declared import LABEL_OPTIONS
from fastfuse.fusion.options import BY_NAME

from .common import SHAPE, maps_of, with_gaps

OPTIONS: list[dict[str, Any]] = [
    {},
    {"acceleration": "squarem", "prior": "estimate"},
    {"init": "itk", "candidates": "all", "performance_prior": (5.0, 0.9)},
    {"confusion": "class", "prior": {0: 0.4, 1: 0.3, 4: 0.2, 2035: 0.1}},
    {"init": "vote", "candidates": "all", "performance_prior": None},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("missing", [False, True])
def test_rates_and_consensus_of_the_fusion(options: dict[str, Any], missing: bool) -> None:
    maps = with_gaps(maps_of()) if missing else maps_of()
    fused = fastfuse.staple(maps, labels="all", missing="nan", **options)
    rates = estimate(tabulate(maps, labels="all", missing="nan"), "staple", **options)
    for name in ("confusion", "sensitivity", "prior", "log_likelihood", "log_prior", "volume"):
        np.testing.assert_array_equal(getattr(rates, name), getattr(fused, name))
    applied = rates.apply(maps, missing="nan")
    np.testing.assert_array_equal(applied.label(), fused.label())
    exact = 0 if (rates.confusion > 1e-12).all() else 1e-9
    for label in rates.labels:
        np.testing.assert_allclose(applied.probability(label), fused.probability(label), rtol=0, atol=exact)
    for name in ("ppv", "dice", "consensus_volume"):
        np.testing.assert_allclose(getattr(applied, name), getattr(fused, name), rtol=1e-9)


def test_who_does_not_know_a_label() -> None:
    maps = maps_of()
    maps[1][maps[1] == 4] = 0
    knows = {"Bob": [0, 1, 2035]}
    table = tabulate(maps, labels="all", names=["Ann", "Bob", "Cleo", "Dan"])
    rates = estimate(table, "staple", knows=knows)
    np.testing.assert_array_equal(
        rates.confusion, fastfuse.staple(maps, labels="all", knows={1: [0, 1, 2035]}).confusion
    )
    with pytest.raises(ValueError, match="knows names 'Eve': the raters are Ann"):
        estimate(table, "staple", knows={"Eve": [0]})


def test_parts_and_permutations() -> None:
    maps = maps_of()
    halves = [tabulate([one[part] for one in maps], labels="all") for part in (slice(4), slice(4, None))]
    whole = estimate(tabulate(maps, labels="all"), "staple")
    np.testing.assert_array_equal(estimate(halves[1] + halves[0], "staple").confusion, whole.confusion)
    order = [2, 0, 3, 1]
    other = estimate(tabulate([maps[i] for i in order], labels="all"), "staple")
    np.testing.assert_allclose(other.confusion, whole.confusion[order], atol=1e-9)
    renamed = [3000 - one for one in maps]  # labels in reverse order
    asked: dict[str, Any] = {"performance_prior": (10.0, 0.9)}
    whole = estimate(tabulate(maps, labels="all"), "staple", **asked)
    other = estimate(tabulate(renamed, labels="all"), "staple", **asked)
    np.testing.assert_allclose(other.confusion, whole.confusion[:, ::-1, ::-1], atol=1e-9)


@pytest.mark.parametrize("weights", [None, [1, 2, 0.5, 1]])
def test_majority(weights: Any) -> None:
    maps = maps_of()
    rates = estimate(tabulate(maps, labels="all"), "majority", weights=weights)
    fused = fastfuse.majority_vote(maps, labels="all", weights=weights)
    np.testing.assert_array_equal(rates.confusion, fused.confusion)
    np.testing.assert_array_equal(rates.apply(maps).label(), fused.label())
    np.testing.assert_array_equal(rates.apply(maps).probability(4), fused.probability(4))
    assert (rates.n_iter, rates.log_likelihood.size) == (0, 0)


@pytest.mark.filterwarnings("ignore:rater 2 has no vote")
@pytest.mark.parametrize("method", ["staple", "majority"])
def test_two_labels_have_the_bits_of_masks(method: Any) -> None:
    maps = with_gaps(maps_of(values=np.array([2, 7])))
    masks = [np.where(np.isnan(one), np.nan, one == 7) for one in maps]
    options: dict[str, Any] = {"prior": "estimate"} if method == "staple" else {}
    rates = estimate(tabulate(maps, labels="all", missing="nan"), method, **options)
    wanted = estimate(tabulate(masks, missing="nan"), method, **options)
    np.testing.assert_array_equal(rates.sensitivity, np.stack([wanted.specificity, wanted.sensitivity], -1))
    here = [maps[1], maps[0], None, maps[3]]
    there = [masks[1], masks[0], None, masks[3]]
    applied, by_masks = rates.apply(here, missing="nan"), wanted.apply(there, missing="nan")
    np.testing.assert_array_equal(applied.probability(7), by_masks.probability)
    assert np.isnan(applied.confusion[2]).all()
    fused = fastfuse.fuse(maps, method, labels="all", missing="nan", **options)
    np.testing.assert_array_equal(rates.confusion, fused.confusion)


def test_votes_of_other_voxels() -> None:
    """w as of an E-step in plain NumPy, of the raters who are there."""
    maps = maps_of()
    rates = estimate(tabulate(maps, labels="all"), "staple", candidates="all")
    others = maps_of(seed=5)
    mask = np.random.default_rng(0).random(SHAPE) < 0.5
    applied = rates.apply([others[0], None, *others[2:]], mask=mask, dtype="float64")
    theta = np.clip(rates.confusion, 1e-12, 1)
    codes = [np.searchsorted(rates.labels, one[mask]) for one in others]
    w = rates.prior[:, None] * np.prod([theta[i][:, codes[i]] for i in (0, 2, 3)], axis=0)
    for a, label in enumerate(rates.labels):
        np.testing.assert_allclose(applied.probability(label)[mask], (w / w.sum(axis=0))[a], atol=1e-12)
        assert not applied.probability(label)[~mask].any()
    assert np.isnan(applied.confusion[1]).all()
    assert applied.n_voxels == mask.sum()


def test_a_rater_without_a_vote_in_the_table() -> None:
    maps = maps_of()
    rates = estimate(tabulate([*maps[:3], None], labels="all"), "staple")
    assert np.isnan(rates.confusion[3]).all()
    np.testing.assert_array_equal(rates.confusion[:3], fastfuse.staple(maps[:3], labels="all").confusion)
    with pytest.warns(fastfuse.FusionWarning, match="rater 3 has no vote in the table") as caught:
        applied = rates.apply(maps)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(applied.label(), rates.apply([*maps[:3], None]).label())


def test_refused_by_name() -> None:
    maps = maps_of()
    table = tabulate(maps, labels="all", names=list("ABCD"))
    rates = estimate(table, "staple")
    strange = [one.copy() for one in maps]
    strange[2][0, 0, 0] = 9
    with pytest.raises(ValueError, match=r"^C holds 9 at voxel \(0, 0, 0\).*the estimate does not know"):
        rates.apply(strange)
    with pytest.raises(ValueError, match="there are 3 raters, and the estimate is of 4"):
        rates.apply(maps[:3])
    with pytest.raises(ValueError, match="undecided is 4, which is one of the labels"):
        rates.apply(maps, undecided=4)
    with pytest.raises(
        ValueError, match="method is 'soft-staple': a label table takes 'staple' or 'majority'"
    ):
        estimate(table)  # type: ignore[call-overload]
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("m_step is 'em'", {"m_step": "em"}),
        ("expectation is", {"expectation": "enumerate"}),
        ("intervals is 'information'", {"intervals": "information"}),
        ("intervals is 'lesions'", {"intervals": "lesions"}),
        ("prior is a map", {"prior": np.full((4, 3, 3), 0.25)}),
        (r"prior has shape \(2,\)", {"prior": [0.5, 0.5]}),
        ("weights is", {"weights": [1, 1, 1, 1]}),
    ]
    for sentence, options in wrong:
        with pytest.raises(ValueError, match=f"^{sentence}"):
            estimate(table, "staple", **options)
    with pytest.raises(ValueError, match=r"knows is .* for label maps"):
        estimate(tabulate([[0, 1], [1, 1]]), "staple", knows={0: [1]})  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="the table holds no vote"):
        estimate(LabelTable(np.empty((0, 3)), []), "staple")
    with pytest.raises(TypeError, match=re.escape("make it with fastfuse.tabulate(raters)")):
        estimate(maps, "staple")  # type: ignore[call-overload]


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_labels_of_which_the_table_tells_nothing() -> None:
    rates = estimate(tabulate(maps_of(values=np.array([0, 1, 4])), labels=[0, 1, 4, 9]), "staple")
    with pytest.raises(ValueError, match="rater 0 gives label 9 here, and nobody does in the table"):
        rates.apply([[0, 9], [0, 1], [0, 1], [0, 4]])
    assert rates.apply([[0, 4], [0, 1], [0, 4], [0, 4]]).label().tolist() == [0, 4]


def test_copies_pickles_shown() -> None:
    maps = maps_of()
    for values in (np.array([0, 1]), np.array([0, 1, 4])):
        maps = maps_of(values=values)
        rates = estimate(tabulate(maps, labels="all"), "staple", intervals="bootstrap", replicates=3)
        for other in (copy.deepcopy(rates), pickle.loads(pickle.dumps(rates))):
            assert repr(other) == repr(rates)
            np.testing.assert_array_equal(other.apply(maps).label(), rates.apply(maps).label())
        assert repr(rates).startswith(f"LabelEstimate(staple, 4 raters, {len(values)} labels, 720 voxels, ")


def test_signatures_are_those_of_the_declarations() -> None:
    declared = {**BY_NAME, **LABEL_OPTIONS}
    for verb in (estimate, tabulate, fastfuse.LabelEstimate.apply):
        for name, parameter in inspect.signature(verb).parameters.items():
            if name in declared:
                assert parameter.default == declared[name].default
