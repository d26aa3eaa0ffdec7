"""Voxels whose truth is known: EM keeps it, as the reference does with a map of priors of 0 and 1 there."""

from __future__ import annotations

import numpy as np
import pytest

import fastfuse
from fastfuse import reference

METHODS = ("staple", "soft-staple", "simplified-soft-staple")
TIGHT = {"tol": 1e-13, "max_iter": 5000}


def drawn(seed: int, soft: bool, raters: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return votes, and decisions: some right, a few against all raters."""
    rng = np.random.default_rng(seed)
    truth = rng.random((9, 8, 7)) < 0.25
    flips = rng.random((raters, *truth.shape))
    votes = np.where(truth, flips < 0.8, flips < 0.07).astype(np.float64)
    if soft:
        votes[(votes == 0) & (rng.random(votes.shape) < 0.2)] = 0.3
    decisions = np.full(truth.shape, -1)
    decisions[2:4, 2:6] = truth[2:4, 2:6]
    decisions[6, 3] = ~truth[6, 3]
    return votes, decisions


def by_reference(votes: np.ndarray, decisions: np.ndarray, prior: float, **options: object) -> object:
    open_ones = decisions < 0
    a_map = np.where(open_ones, prior, decisions).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return reference.fuse(votes, prior=a_map, **options, **TIGHT)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("likelihood", ["mixture", "log_linear"])
def test_em_is_that_of_the_reference_with_the_truth_fixed(method: str, likelihood: str) -> None:
    if likelihood == "log_linear" and method != "simplified-soft-staple":
        pytest.skip("of simplified-soft-STAPLE alone")
    votes, decisions = drawn(1, soft=method != "staple")
    prior = float(votes[:, decisions < 0].mean())
    fusion = fastfuse.fuse(
        votes, method, decisions=decisions, dtype="float64", likelihood=likelihood, **TIGHT
    )
    known = by_reference(votes, decisions, prior, method=method, likelihood=likelihood)
    np.testing.assert_allclose(fusion.probability, known.probability, atol=2e-9)
    np.testing.assert_allclose(fusion.sensitivity, known.sensitivity, atol=2e-9)
    np.testing.assert_allclose(fusion.specificity, known.specificity, atol=2e-9)
    assert fusion.prior == pytest.approx(prior, abs=1e-12)
    assert np.array_equal(fusion.probability[decisions >= 0], decisions[decisions >= 0])


def test_em_of_soft_votes_by_the_true_m_step_too() -> None:
    votes, decisions = drawn(2, soft=True, raters=4)
    fusion = fastfuse.fuse(votes, "soft-staple", m_step="em", decisions=decisions, dtype="float64", **TIGHT)
    prior = float(votes[:, decisions < 0].mean())
    known = by_reference(votes, decisions, prior, method="soft-staple", m_step="em")
    np.testing.assert_allclose(fusion.probability, known.probability, atol=2e-9)
    np.testing.assert_allclose(fusion.sensitivity, known.sensitivity, atol=2e-9)


@pytest.mark.parametrize("acceleration", ["none", "squarem"])
def test_an_estimated_prior_is_that_of_the_open_voxels(acceleration: str) -> None:
    votes, decisions = drawn(3, soft=False)
    found = fastfuse.fuse(
        votes, "staple", prior="estimate", decisions=decisions, dtype="float64", acceleration=acceleration,
        **TIGHT,
    )  # fmt: skip
    open_ones = decisions < 0
    assert found.prior == pytest.approx(found.probability[open_ones].mean(), abs=1e-9)
    known = by_reference(votes, decisions, found.prior, method="staple")
    np.testing.assert_allclose(found.probability, known.probability, atol=1e-8)


@pytest.mark.parametrize("method", [*METHODS, "majority", "border-staple"])
def test_what_is_told_of_raters_is_against_the_consensus_as_it_is(method: str) -> None:
    votes, decisions = drawn(4, soft=False)
    options = {"roi": "all"} if method == "border-staple" else {}
    found = fastfuse.fuse(votes, method, decisions=decisions, dtype="float64", **options)
    w = found.probability
    assert np.array_equal(w[decisions >= 0], decisions[decisions >= 0])
    assert found.n_voxels == decisions.size
    np.testing.assert_allclose(found.volume, votes.sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(found.n_read, decisions.size)
    marked_by = (w * votes).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(found.dice, 2 * marked_by / (w.sum() + found.volume), rtol=1e-9)
    np.testing.assert_allclose(found.ppv, marked_by / found.volume, rtol=1e-9)
    unmarked = ((1 - w) * (1 - votes)).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(found.npv, unmarked / (1 - votes).sum(axis=(1, 2, 3)), rtol=1e-9)


@pytest.mark.parametrize("method", ["majority", "border-staple"])
@pytest.mark.parametrize("missing", [False, True])
def test_rates_of_a_consensus_that_is_set_are_against_it(method: str, missing: bool) -> None:
    """All numbers of a row have one reference: of open voxels what the method found, of decided ones their truth."""
    votes, decisions = drawn(6, soft=False)
    if missing:
        votes[1, :, :3] = np.nan
    options = {"roi": "all"} if method == "border-staple" else {}
    options |= {"missing": "nan"} if missing else {}
    before = fastfuse.fuse(votes, method, dtype="float64", **options)
    found = fastfuse.fuse(votes, method, decisions=decisions, dtype="float64", **options)
    at = decisions >= 0
    for i, vote in enumerate(votes):
        read = ~np.isnan(vote)
        for was, rate, w, q in (
            (before.sensitivity[i], found.sensitivity[i], found.probability, vote),
            (
                before.specificity[i],
                found.specificity[i],
                1 - found.probability,
                1 - vote,
            ),
        ):
            counted = (w * q)[read].sum()
            modelled = was * w[read & ~at].sum() + (w * q)[read & at].sum()
            part = counted if method == "majority" else modelled
            assert rate == pytest.approx(part / w[read].sum(), abs=1e-9)
    assert not np.allclose(found.sensitivity, before.sensitivity, atol=1e-3)
    none = fastfuse.fuse(votes, method, decisions=np.full(at.shape, -1), dtype="float64", **options)
    np.testing.assert_allclose(none.sensitivity, before.sensitivity, rtol=1e-12)
    np.testing.assert_allclose(none.specificity, before.specificity, rtol=1e-12)


@pytest.mark.parametrize("method", ["majority", "border-staple"])
def test_a_consensus_of_which_nothing_is_left_has_no_sensitivity(method: str) -> None:
    votes, decisions = drawn(7, soft=False)
    options = {"roi": "all"} if method == "border-staple" else {}
    decisions[:] = 0
    found = fastfuse.fuse(votes, method, decisions=decisions, dtype="float64", **options)
    assert np.isnan(found.sensitivity).all()
    np.testing.assert_allclose(found.specificity, 1 - votes.mean(axis=(1, 2, 3)))


def test_missing_votes_labels_and_turned_axes_are_counted_as_they_are() -> None:
    votes, decisions = drawn(5, soft=False)
    votes[1, :, :3] = np.nan
    plain = fastfuse.fuse(votes, "staple", missing="nan", decisions=decisions, dtype="float64", **TIGHT)
    prior = float(np.nanmean(votes[:, decisions < 0], axis=0).mean())
    known = by_reference(votes, decisions, prior, method="staple")
    np.testing.assert_allclose(plain.probability, known.probability, atol=2e-9)
    turned = fastfuse.fuse(
        [vote.T for vote in votes], "staple", missing="nan", decisions=decisions.T, dtype="float64", **TIGHT
    )
    np.testing.assert_allclose(turned.probability.T, plain.probability, atol=1e-12)
    whole = np.nan_to_num(votes)
    labels = [(4 * vote).astype(np.int16) for vote in whole]
    chosen = fastfuse.fuse(labels, "staple", select_label=4, decisions=decisions)
    assert np.array_equal(chosen.probability, fastfuse.fuse(whole, "staple", decisions=decisions).probability)


def test_a_case_of_which_all_marks_are_decided_has_rates() -> None:
    votes = np.zeros((3, 40))
    votes[0, :10], votes[1, :8], votes[2, 2:12] = 1, 1, 1
    decisions = np.full(40, -1)
    decisions[:12] = 0
    decisions[:10] = 1
    found = fastfuse.fuse(votes, "staple", decisions=decisions)
    np.testing.assert_allclose(found.sensitivity, [1, 0.8, 0.8], atol=1e-6)
    np.testing.assert_allclose(found.specificity, [1, 1, 28 / 30], atol=1e-6)
    assert found.label().sum() == 10


def test_squarem_and_intervals_take_the_known_votes_in() -> None:
    votes, decisions = drawn(6, soft=False)
    plain = fastfuse.fuse(votes, "staple", decisions=decisions, intervals="information", **TIGHT)
    quick = fastfuse.fuse(votes, "staple", decisions=decisions, acceleration="squarem", **TIGHT)
    np.testing.assert_allclose(quick.sensitivity, plain.sensitivity, atol=1e-9)
    w = plain.probability.astype(np.float64)
    whole = np.sqrt(plain.sensitivity * (1 - plain.sensitivity) / w.sum())  # if all truths were known
    assert plain.intervals is not None
    error = plain.intervals.sensitivity_error
    assert (error > 0.9 * whole).all()
    without = fastfuse.staple(votes, mask=decisions < 0, intervals="information", **TIGHT)
    assert without.intervals is not None
    assert (error < without.intervals.sensitivity_error).sum() >= 3


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("staple", {"mrf": 0.1, "spacing_mm": (1, 1, 1)}, "mrf"),
        ("staple", {"classes": 3}, "classes"),
        ("staple", {"intervals": "bootstrap"}, "intervals"),
        ("staple", {"max_memory": "1G"}, "max_memory"),
        ("simplified-soft-staple", {"m_step": "em"}, "m_step"),
        ("staple", {"labels": "all"}, "labels"),
    ],
)
def test_what_cannot_keep_decisions_refuses_them(method: str, options: dict[str, object], said: str) -> None:
    votes, decisions = drawn(7, soft=False)
    with pytest.raises(ValueError, match=f"decisions are given.*{said}"):
        fastfuse.fuse(votes.astype(np.uint8), method, decisions=decisions, **options)


def test_bad_decisions_are_refused() -> None:
    votes, decisions = drawn(8, soft=False)
    with pytest.raises(ValueError, match="-1 \\(open\\), 0 \\(background\\) and 1"):
        fastfuse.fuse(votes, "staple", decisions=decisions * 2)
    with pytest.raises(ValueError, match="decisions has shape"):
        fastfuse.fuse(votes, "staple", decisions=decisions[:3])
    with pytest.raises(ValueError, match="no voxel open"):
        fastfuse.fuse(votes, "staple", decisions=np.ones_like(decisions))


@pytest.mark.parametrize("method", [*METHODS, "majority", "border-staple"])
@pytest.mark.parametrize("marked", [0.0, 0.3, 1.0])
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_nothing_decided_is_no_decisions(method: str, marked: float) -> None:
    """Also where nobody marks anything, or everybody everything: no votes are known that would make up for it."""
    votes = list((np.random.default_rng(0).random((4, 6, 5)) < marked).astype(np.uint8))
    options = {"dtype": "float64", **({"roi": "all"} if method == "border-staple" else {})}
    mask = np.indices((6, 5))[0] > 0
    plain = fastfuse.fuse(votes, method, mask=mask, **options)
    decisions = np.where(mask, -1, 1)  # what lies outside the mask is not asked for
    found = fastfuse.fuse(votes, method, mask=mask, decisions=decisions, **options)
    for name in ("probability", "sensitivity", "specificity", "ppv", "npv", "log_likelihood", "n_voxels"):
        np.testing.assert_array_equal(getattr(found, name), getattr(plain, name))
