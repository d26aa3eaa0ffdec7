"""The three verbs: what a table tells is what a fusion of the votes finds."""

from __future__ import annotations

import copy
import inspect
import itertools
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import VoteTable, estimate, tabulate
from fastfuse.fusion.labels.declared import LABEL_OPTIONS
from fastfuse.fusion.options import BY_NAME, DECLARED, Options

from .test_vote_table import OPTIONS, SHAPE, votes_of

SOFT = ("soft-staple", "simplified-soft-staple")
CASES = [
    *(("staple", kind) for kind in ("masks", "missing", "labels")),
    *itertools.product(SOFT, OPTIONS),
    *(("majority", kind) for kind in OPTIONS),
]
quiet = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def halves_of(votes: np.ndarray, **options: Any) -> VoteTable:
    return tabulate(votes[:, :5], **options) + tabulate(votes[:, 5:], **options)


@quiet
@pytest.mark.parametrize(("method", "kind"), CASES)
def test_halves_give_the_fusion_of_the_whole(method: str, kind: str) -> None:
    votes, options = votes_of(kind), OPTIONS[kind]
    whole = fastfuse.fuse(votes, method, dtype="float64", **options)
    rates = estimate(halves_of(votes, **options), method)
    np.testing.assert_allclose(rates.sensitivity, whole.sensitivity, rtol=0, atol=1e-12)
    np.testing.assert_allclose(rates.specificity, whole.specificity, rtol=0, atol=1e-12)
    assert rates.prior == pytest.approx(whole.prior, rel=0, abs=1e-12, nan_ok=True)
    assert (rates.n_iter, rates.converged, rates.n_voxels) == (whole.n_iter, whole.converged, whole.n_voxels)
    applied = rates.apply(votes, dtype="float64", **options)
    np.testing.assert_array_equal(applied.probability, whole.probability)
    for name in ("volume", "n_read", "ppv", "npv", "dice"):
        np.testing.assert_array_equal(getattr(applied, name), getattr(whole, name))


@quiet
@pytest.mark.parametrize(
    "options",
    [
        {"prior": "estimate"},
        {"prior": 0.02, "init": 0.9},
        {"m_step": "em", "acceleration": "squarem"},
        {"performance_prior": (5, 1.5), "max_iter": 7},
    ],
)
@pytest.mark.parametrize("method", SOFT)
def test_options_mean_what_they_do_in_a_fusion(method: str, options: dict[str, Any]) -> None:
    votes = votes_of("soft")
    whole = fastfuse.fuse(votes, method, **options)
    rates = estimate(halves_of(votes), method, **options)
    np.testing.assert_allclose(rates.sensitivity, whole.sensitivity, rtol=0, atol=1e-12)
    np.testing.assert_allclose(rates.log_likelihood, whole.log_likelihood, rtol=1e-12)
    np.testing.assert_array_equal(rates.apply(votes).probability, whole.probability)


@quiet
@pytest.mark.parametrize(
    "region", [{"roi": "disputed"}, {"roi": 2.0, "spacing_mm": (1, 1, 2)}, {"mask": True}]
)
def test_regions(region: dict[str, Any]) -> None:
    votes = votes_of("soft")
    if "mask" in region:
        region = {"mask": np.random.default_rng(1).random(SHAPE) < 0.7}
    whole = fastfuse.soft_staple(votes, **region)
    applied = estimate(tabulate(votes, **region)).apply(votes, **region)
    np.testing.assert_array_equal(applied.probability, whole.probability)


@quiet
def test_intervals() -> None:
    votes = votes_of("soft")
    for kind in ("information", "bootstrap"):
        options: dict[str, Any] = {"intervals": kind, "m_step": "em", "replicates": 10, "seed": 3}
        whole = fastfuse.soft_staple(votes, **options)
        rates = estimate(tabulate(votes), **options)
        np.testing.assert_allclose(rates.intervals.sensitivity, whole.intervals.sensitivity, rtol=1e-9)
        assert rates.apply(votes).intervals is rates.intervals


@quiet
def test_cohort() -> None:
    """Rates of three cases serve each of them, whoever read it."""
    cases = [votes_of("masks", seed=seed) for seed in range(3)]
    given = [list(cases[0]), [*cases[1][:4], None], list(cases[2])]
    rates = estimate(sum(tabulate(case) for case in given), "staple")
    fused = rates.apply(given[1])
    assert fused.probability.shape == SHAPE
    np.testing.assert_array_equal(fused.sensitivity[:4], rates.sensitivity[:4])
    assert np.isnan(fused.sensitivity[4])
    assert fused.n_read[4] == 0


@quiet
def test_into_an_array() -> None:
    votes = votes_of("soft")
    rates = estimate(tabulate(votes))
    out = np.empty(SHAPE)
    assert rates.apply(votes, out=out).probability is out
    np.testing.assert_array_equal(out, rates.apply(votes, dtype="float64", threads=2).probability)


def test_shown() -> None:
    rates = estimate(tabulate(votes_of("soft", 2), names=["Ann", "Robert"]), prior="estimate")
    lines = repr(rates).splitlines()
    assert lines[0].startswith("Estimate(soft-staple, 2 raters, 2184 voxels, prior 0.")
    assert lines[2].split() == ["Ann", f"{rates.sensitivity[0]:.4f}", f"{rates.specificity[0]:.4f}"]
    assert "_rates" not in repr(rates)


def test_what_a_table_cannot_tell_is_refused() -> None:
    table = tabulate(votes_of("soft"))
    for refused, options, sentence in (
        ("staple", {}, "rater .: holds the vote 0.3, and staple takes votes 0 and 1: soft"),
        ("soft-staple", {"prior": np.full(SHAPE, 0.2)}, "prior is a map: a table knows no places"),
        ("soft-staple", {"intervals": "lesions"}, "intervals is 'lesions': a table knows no places"),
        ("soft-staple", {"likelihood": "log_linear"}, "soft-staple has no such option"),
        ("soft-staple", {"tol": -1}, "tol is -1"),
        ("dilated-staple", {}, "dilated-staple needs an image"),
        ("mean", {}, "method is 'mean'"),
    ):
        with pytest.raises(ValueError, match=sentence):
            estimate(table, refused, **options)
    with pytest.raises(ValueError, match="there are 4 raters, and the estimate is of 5"):
        estimate(table).apply(votes_of("soft", 4))


def test_refusals_say_what_to_do() -> None:
    table = VoteTable([[0, 0], [1, 0], [1, 1]], [5, 2, 3])
    for method, options, sentence in (
        (
            "staple",
            {"m_step": "em"},
            "no such option; leave it out, or choose soft-staple or simplified-soft-staple",
        ),
        ("staple", {"expectation": "enumerate"}, "no such option; leave it out, or choose soft-staple"),
        (
            "majority",
            {"tol": 0.1},
            "leave it out, or choose soft-staple, simplified-soft-staple, border-staple or staple",
        ),
        ("soft_staple", {}, "method is 'soft_staple': write 'soft-staple'"),
        ("majority_vote", {}, "method is 'majority_vote': write 'majority'"),
        (
            "mean",
            {},
            "'staple' or 'soft-staple' or 'simplified-soft-staple' or 'border-staple' or 'majority' or 'auto'",
        ),
    ):
        for call in (estimate, fastfuse.fuse):
            with pytest.raises(ValueError, match=rf"{sentence}$"):
                call(table if call is estimate else [[0, 1], [1, 1]], method, **options)


@pytest.mark.parametrize(
    ("table", "what"),
    [(None, "None"), ([[0, 1]], "a list"), ("a.npz", "'a.npz'"), (0, "0"), (np.zeros(3), "an ndarray")],
)
def test_what_is_no_table_is_refused(table: Any, what: str) -> None:
    with pytest.raises(TypeError, match=rf"^table is {what}: make it with fastfuse\.tabulate\(raters\)$"):
        estimate(table)


def test_what_the_core_refuses_is_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"^the table holds no vote: there is nothing to estimate from$"):
        estimate(tabulate([[0, 1], [1, 1]], mask=[0, 0]))
    votes = np.full((21, 3), 0.4)
    votes[:, 0], votes[:, 1] = 0, 1
    with pytest.raises(
        ValueError, match=r"^21 raters have fractional votes in one pattern of the table: .*'char"
    ):
        estimate(tabulate(votes, axis=0), expectation="enumerate")


A, B, C = [0, 0, 1, 1, 1], [0, 1, 1, 1, 0], [0, 0, 0, 1, 1]
METHODS = ("staple", *SOFT, "majority")


@pytest.mark.parametrize("method", METHODS)
def test_a_rater_of_whom_the_table_knows_nothing(method: str) -> None:
    with pytest.warns(fastfuse.FusionWarning, match="rater 1 has no vote"):
        rates = estimate(tabulate([A, None, C]), method)
    looked = [None, [1, 1, 1, 1, 0], None]
    with pytest.warns(fastfuse.FusionWarning) as caught:
        fused = rates.apply([A, B, C], present=looked)
    told = "rater 1 has no vote in the table of the estimate: their votes count for nothing here"
    assert [str(one.message) for one in caught] == [told]
    assert caught[0].filename == __file__
    with pytest.warns(fastfuse.FusionWarning, match="^rater 1 has no vote$"):
        without = rates.apply([A, None, C])
    for name in ("probability", "sensitivity", "specificity", "volume", "n_read", "dice"):
        np.testing.assert_array_equal(getattr(fused, name), getattr(without, name))
    assert np.isnan(fused.sensitivity[1])
    with pytest.raises(ValueError, match=r"^rater 1: nobody else has votes here"):
        rates.apply([None, B, None])


@pytest.mark.parametrize("method", METHODS[:-1])
@pytest.mark.parametrize(("vote", "words"), [(0, "nobody marks anything"), (1, "everybody marks everything")])
def test_tables_of_constant_votes(method: str, vote: int, words: str) -> None:
    constant = [[vote] * 5] * 3
    with pytest.warns(fastfuse.FusionWarning, match=f"^{words} in the table: no") as caught:
        rates = estimate(tabulate(constant), method)
    assert len(caught) == 1
    with pytest.raises(ValueError, match=f"^{words} in the table of the estimate: it tells no s"):
        rates.apply([A, B, C])
    with pytest.warns(fastfuse.FusionWarning, match=f"^{words}: the .*est probability is {vote}$"):
        np.testing.assert_array_equal(rates.apply(constant).probability, [vote] * 5)


@pytest.mark.parametrize("method", METHODS)
def test_remarks_are_true_of_what_was_written(method: str) -> None:
    rates = estimate(tabulate([A, B, C]), method)
    with pytest.warns(
        fastfuse.FusionWarning, match="^nobody marks anything: the highest probability is "
    ) as caught:
        nothing = rates.apply([[0] * 5] * 3)
    assert str(caught[0].message).endswith(f" {nothing.probability.max():.3g}")
    with pytest.warns(
        fastfuse.FusionWarning, match="^label 4 does not occur .*: the highest probability is "
    ):
        rates.apply([A, B, C], select_label=4)
    with pytest.warns(fastfuse.FusionWarning, match=r"^label 1 does not occur \(values that occur: 0\)"):
        rates.apply([A, B, C], select_label=1, mask=[1, 0, 0, 0, 0])
    with pytest.warns(
        fastfuse.FusionWarning, match="^there is one rater only: .* rests on their votes alone"
    ):
        rates.apply([A, None, None])


@pytest.mark.parametrize("method", METHODS)
def test_no_voxel_in_dispute(method: str) -> None:
    rates = estimate(tabulate([A, B, C]), method)
    with pytest.warns(fastfuse.FusionWarning, match="^no voxel is in doubt: all raters agree everywhere$"):
        fused = rates.apply([A, A, A], roi="disputed")
    np.testing.assert_array_equal(fused.probability, A)
    for name in ("sensitivity", "specificity", "prior", "log_likelihood", "n_iter", "converged"):
        np.testing.assert_array_equal(getattr(fused, name), getattr(rates, name))


@quiet
def test_a_consensus_of_agreed_voxels_is_not_empty() -> None:
    votes = np.zeros((3, 30))
    votes[:, :5] = 1
    votes[0, 5:7] = 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fused = fastfuse.staple(votes, roi="disputed", prior=0.01, performance_prior=(50, 2))
    assert fused.label().sum() == 5
    assert not [one for one in caught if "the consensus is empty" in str(one.message)]


def test_a_disputed_part_without_marks() -> None:
    votes = np.array([[1, 1, 0, 0, 0, 0], [1, 1, 0, 0, np.nan, np.nan]])
    with pytest.warns(
        fastfuse.FusionWarning, match="^no voxel is in doubt: all raters agree everywhere$"
    ) as caught:
        fused = fastfuse.staple(votes, missing="nan", roi="disputed")
    assert len(caught) == 1
    np.testing.assert_array_equal(fused.probability, votes[0])


def test_another_number_of_raters() -> None:
    rates = estimate(tabulate([A, B, C]))
    for votes in ([A] * 4, (A, B), np.array([A] * 4), iter([A] * 4)):
        with pytest.raises(ValueError, match=r"there are \d raters, and the estimate is of 3"):
            rates.apply(votes)


@quiet
@pytest.mark.parametrize("method", METHODS)
def test_copies_and_pickles(method: str) -> None:
    rates = estimate(tabulate([A, B, C], names=["Ann", "Bob", "Eve"]), method)
    for other in (copy.deepcopy(rates), pickle.loads(pickle.dumps(rates))):
        assert repr(other) == repr(rates)
        applied = other.apply([B, A, C]), rates.apply([B, A, C])
        np.testing.assert_array_equal(applied[0].probability, applied[1].probability)


@quiet
def test_many_raters_are_shown_in_part() -> None:
    lines = repr(estimate(tabulate(votes_of("masks", 30)))).splitlines()
    assert (len(lines), lines[-1]) == (13, "  and 20 more")
    one = estimate(VoteTable([[0, 1, 1]], [1]), "staple", max_iter=1)
    assert repr(one).startswith("Estimate(staple, 3 raters, 1 voxel, prior 0.6667, 1 iteration, ")


def test_signature_is_that_of_the_declarations() -> None:
    parameters = inspect.signature(estimate).parameters
    of_labels = {"candidates", "confusion", "knows", "weights"}
    of_votes = {one.name for one in DECLARED if one.of_table}
    assert of_votes | of_labels == set(parameters) - {"table", "method", "start"}
    for name, parameter in list(parameters.items())[2:-1]:
        assert parameter.default == {**BY_NAME, **LABEL_OPTIONS}[name].default
        if name in of_votes - {"prior"}:  # a table takes no map
            assert parameter.annotation == Options.__annotations__[name]
    for verb in (tabulate, fastfuse.Estimate.apply):
        for name, parameter in inspect.signature(verb).parameters.items():
            if name in BY_NAME:
                assert parameter.default == BY_NAME[name].default
                assert BY_NAME[name].entry in inspect.getdoc(verb)


def test_doubtful_estimates_warn_where_they_are_made() -> None:
    with pytest.warns(fastfuse.FusionWarning, match="stopped at max_iter = 1") as caught:
        estimate(tabulate(votes_of("soft")), max_iter=1)
    assert caught[0].filename == __file__
    with pytest.warns(fastfuse.FusionWarning, match="Bob marks nothing"):
        estimate(VoteTable([[0, 0, 0], [1, 0, 1], [1, 0, 0]], [50, 10, 1], ["Ann", "Bob", "Eve"]), "staple")
