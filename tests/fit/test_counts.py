"""What models expect, against the reference, which goes through all patterns of marks, and against simulation."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.reference.border import border_staple
from fastfuse.reference.classes import three_classes
from fastfuse.reference.fit import expected_marks, log_likelihood_of_marks, mixture_of, observed_marks
from fastfuse.reference.fusion import fuse

from ..border.draws import SPACING, contours
from ..border.draws import rows as rows_of

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
STEPS = {"max_iter": 30, "tol": 1e-300}
FITS: dict[str, dict[str, Any]] = {
    "border-staple": {"method": "border-staple"},
    "three classes": {"method": "staple", "classes": 3},
    "staple": {"method": "staple", "prior": "estimate"},
}


def drawn(seed: int, *, soft: bool) -> tuple[Any, Any]:
    """Return votes (m, n) and counts, of masks or soft votes, some of them missing; nobody votes as another one does."""
    rng = np.random.default_rng(seed)
    while True:
        votes, counts = rows_of(rng)
        fractional = bool(((votes > 0) & (votes < 1)).any())
        distinct = len(np.unique(np.nan_to_num(votes, nan=2), axis=0)) == len(votes)
        if fractional == soft and distinct and 5 <= len(votes) <= 7 and 6 < len(counts) < 30:
            return votes, counts


def reference(name: str, votes: Any, counts: Any) -> Any:
    if name == "border-staple":
        return mixture_of(border_staple(votes, counts, **STEPS))
    if name == "three classes":
        return mixture_of(three_classes(votes, counts, **STEPS))
    voxels = np.repeat(votes, counts.astype(int), axis=1)
    return mixture_of(fuse(voxels, method="staple", prior="estimate", **STEPS))


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("seed", range(4))
def test_the_model_that_was_used(name: str, seed: int) -> None:
    votes, counts = drawn(seed, soft=False)
    counts = np.ceil(counts / 20)
    estimate = fastfuse.estimate(fastfuse.VoteTable(votes.T, counts), **FITS[name], **STEPS)
    fit = estimate.fit
    assert fit is not None
    assert fit.used == name
    mixture = reference(name, votes, counts)
    found = fit.models[name]
    np.testing.assert_allclose(fit.observed, observed_marks(votes, counts), rtol=1e-12)
    np.testing.assert_allclose(found.expected, expected_marks(votes, counts, mixture), rtol=1e-7, atol=1e-6)
    marked = counts[(votes == 1).any(axis=0)].sum()
    assert fit.marked == marked
    told = log_likelihood_of_marks(votes, counts, mixture) / marked
    assert found.log_likelihood_per_mark == pytest.approx(told, rel=1e-8)
    assert found.log_likelihood_per_mark == pytest.approx(estimate.log_likelihood[-1] / marked, rel=1e-8)
    for one in fit.models.values():
        assert one.expected.sum() == pytest.approx(fit.observed.sum())


@pytest.mark.parametrize("seed", range(3))
def test_soft_votes_are_marks_with_their_probability(seed: int) -> None:
    votes, counts = drawn(seed, soft=True)
    estimate = fastfuse.estimate(
        fastfuse.VoteTable(votes.T, counts), "soft-staple", m_step="em", prior="estimate"
    )
    fit = estimate.fit
    assert fit is not None
    np.testing.assert_allclose(fit.observed, observed_marks(votes, counts), rtol=1e-9)
    shares = np.array([1 - estimate.prior, estimate.prior])
    marks = np.stack([1 - estimate.specificity, estimate.sensitivity], axis=1)
    found = fit.models["soft-staple"]
    told = log_likelihood_of_marks(votes, counts, (shares, marks))
    assert found.log_likelihood_per_mark * fit.marked == pytest.approx(told, rel=1e-9)
    assert told == pytest.approx(estimate.log_likelihood[-1], rel=1e-9)  # EM runs on the same marks
    np.testing.assert_allclose(found.expected, expected_marks(votes, counts, (shares, marks)), rtol=1e-9)


def test_a_rater_who_is_there_twice_marks_twice() -> None:
    votes, counts = drawn(1, soft=False)
    table = fastfuse.VoteTable(np.vstack([votes, votes[:1]]).T, counts)
    fit = fastfuse.estimate(table, "border-staple", **STEPS).fit
    assert fit is not None
    mixture = reference("border-staple", votes, counts)
    told = log_likelihood_of_marks(votes, counts, mixture) / fit.marked
    assert fit.models["border-staple"].log_likelihood_per_mark == pytest.approx(told, rel=1e-8)
    rng = np.random.default_rng(0)
    shares, p = mixture
    level = rng.choice(len(shares), 200_000, p=shares / shares.sum())
    times = np.array([2, *[1] * (len(votes) - 1)])
    there = ~np.isnan(votes)
    simulated = np.zeros(len(times) + 2)
    for seen, count in zip(there.T, counts, strict=True):
        marks = (rng.random((len(times), 20_000)) < p[:, level[:20_000]]) * (times * seen)[:, None]
        simulated += count * np.bincount(marks.sum(axis=0), minlength=len(simulated)) / 20_000
    share = fit.models["border-staple"].expected / counts.sum()
    np.testing.assert_allclose(share, simulated / counts.sum(), atol=0.01)


@pytest.mark.parametrize("seed", range(2))
def test_expected_is_what_simulation_gives(seed: int) -> None:
    """Votes drawn of the fitted STAPLE itself."""
    rng = np.random.default_rng(seed)
    truth = rng.random(100_000) < 0.1
    masks = [np.where(truth, rng.random(truth.size) < 0.8, rng.random(truth.size) > 0.95) for _ in range(5)]
    fusion = fastfuse.staple(masks, prior="estimate")
    truth = rng.random(2_000_000) < fusion.prior
    marks = np.zeros(truth.size, int)
    for se, sp in zip(fusion.sensitivity, fusion.specificity, strict=True):
        marks += np.where(truth, rng.random(truth.size) < se, rng.random(truth.size) > sp)
    simulated = np.bincount(marks, minlength=6) / 20
    assert fusion.fit is not None
    expected = fusion.fit.models["staple"].expected
    assert (np.abs(simulated - expected) <= 5 * np.sqrt(expected / 20) + 1e-9).all()


def test_all_doors_have_the_same(tmp_path: Any) -> None:
    """Arrays, a table, an estimate that is applied; pickled too."""
    one = contours([0.6, 0.3, 0.0, -0.2, 0.1])
    where: dict[str, Any] = {"mask": one.brain, "roi": 4.0, "spacing_mm": SPACING}
    for method in ("staple", "border-staple"):
        fusion = fastfuse.fuse(one.masks, method, **where)
        table = fastfuse.tabulate(one.masks, **where)
        estimate = fastfuse.estimate(table, method)  # type: ignore[arg-type]
        fits = [fusion.fit, estimate.fit, estimate.apply(one.masks, **where).fit]
        fits += [pickle.loads(pickle.dumps(made)).fit for made in (fusion, estimate)]
        for fit in fits:
            assert fit is not None
            assert (fit.used, list(fit.models)) == (fits[0].used, list(fits[0].models))  # type: ignore[union-attr]
            np.testing.assert_array_equal(fit.observed, fits[0].observed)  # type: ignore[union-attr]
            for name, model in fit.models.items():
                np.testing.assert_allclose(model.expected, fits[0].models[name].expected, rtol=1e-6)  # type: ignore[union-attr]
        marks = np.sum(one.masks, axis=0)[np.asarray(fusion.probability) > -1]
        assert fits[0].observed[1:].tolist() == [  # type: ignore[union-attr]
            float(((marks == k).ravel() & (one.brain.ravel() > 0)).sum()) for k in range(1, 6)
        ]


def test_raters_who_did_not_read() -> None:
    one = contours([0.6, 0.3, 0.0, -0.2, 0.1])
    without = fastfuse.staple(one.masks, prior="estimate").fit
    with_two = fastfuse.staple([None, *one.masks, None], prior="estimate").fit
    assert without is not None
    assert with_two is not None
    assert with_two.observed.shape == (8,)
    np.testing.assert_array_equal(with_two.observed, [*without.observed, 0, 0])
    np.testing.assert_array_equal(
        with_two.models["staple"].expected, [*without.models["staple"].expected, 0, 0]
    )


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_border_staple_of_a_rater_who_saw_nothing() -> None:
    """Their border is undefined; NumPy warns of nothing."""
    one = contours([0.6, 0.3, 0.0, -0.2, 0.1])
    options: dict[str, Any] = {"roi": "all", "dtype": "float64"}
    blind = np.full(one.masks[0].shape, np.nan)
    found = fastfuse.border_staple([*one.masks, blind], missing="nan", **options).fit
    without = fastfuse.border_staple(one.masks, **options).fit
    assert found is not None
    assert without is not None
    expected = found.models["border-staple"].expected
    np.testing.assert_allclose(expected, [*without.models["border-staple"].expected, 0], rtol=1e-9)


@pytest.mark.parametrize("kind", ["two values", "any"])
def test_a_map_of_priors_counts_by_its_mean(kind: str) -> None:
    rng = np.random.default_rng(0)
    prior = rng.choice([0.05, 0.4], 50_000) if kind == "two values" else rng.uniform(0.05, 0.4, 50_000)
    truth = rng.random(prior.size) < prior
    masks = [np.where(truth, rng.random(truth.size) < 0.8, rng.random(truth.size) > 0.95) for _ in range(4)]
    fit = fastfuse.staple(masks, prior=prior).fit
    assert fit is not None
    np.testing.assert_allclose(fit.models[str(fit.used)].expected, fit.observed, rtol=0.05)


@pytest.mark.parametrize(
    "options",
    [{"roi": "disputed"}, {"mrf": 0.3}],
    ids=str,
)
def test_none_where_the_table_does_not_tell(options: dict[str, Any]) -> None:
    one = contours([0.6, 0.3, 0.0, -0.2, 0.1])
    assert fastfuse.staple(one.masks, **options).fit is None


def test_none_of_dense_votes_and_of_nothing() -> None:
    rng = np.random.default_rng(0)
    assert fastfuse.soft_staple(rng.random((5, 40, 40, 40))).fit is None
    assert fastfuse.staple(np.zeros((3, 10), bool)).fit is None
    assert fastfuse.staple(np.ones((3, 10), bool)).fit is None


def test_a_majority_has_no_model_of_its_own() -> None:
    one = contours([0.6, 0.3, 0.0, -0.2, 0.1])
    fit = fastfuse.majority_vote(one.masks, mask=one.brain).fit
    assert fit is not None
    assert fit.used is None
    assert list(fit.models) == ["staple", "three classes", "border-staple"]


def test_two_raters_have_staple_alone() -> None:
    one = contours([0.6, -0.3])
    fit = fastfuse.staple(one.masks, mask=one.brain).fit
    assert fit is not None
    assert list(fit.models) == ["staple, prior fixed", "staple"]


def test_soft_votes_cost_no_closer_look() -> None:
    """Their patterns would be split, sorted and thrown away: as long as a fusion takes."""
    rng = np.random.default_rng(0)
    fusion = fastfuse.soft_staple(rng.choice([0, 0.3, 1], (5, 2000), p=[0.6, 0.1, 0.3]))
    assert "rows" not in vars(fusion._votes)
    assert fusion.fit is not None
    assert "rows" in vars(fusion._votes)
