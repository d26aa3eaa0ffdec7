"""The three verbs: what a table tells is what a fusion of the votes finds."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import VoteTable, estimate, tabulate
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
        ("staple", {}, "the table holds the vote 0.3: staple takes votes 0 and 1"),
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


def test_signature_is_that_of_the_declarations() -> None:
    parameters = inspect.signature(estimate).parameters
    assert {one.name for one in DECLARED if one.of_table} == set(parameters) - {"table", "method"}
    for name, parameter in list(parameters.items())[2:]:
        assert parameter.default == BY_NAME[name].default
        if name != "prior":  # a table takes no map
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
