"""What pooling is for: rates of 200 cases are nearer to the truth than those of each, and their intervals hold it."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from fastfuse import VoteTable, pool
from fastfuse.fusion.pooled.samples import draws

from .common import NAMES as READERS
from .common import masks_of, votes_of

CASES, COHORTS = 200, 40
SENSITIVITY = np.array([0.8, 0.7, 0.9, 0.6, 0.75])
SPECIFICITY = np.array([0.995, 0.998, 0.99, 0.999, 0.996])
PATTERNS = np.array(list(product([0.0, 1.0], repeat=5)))
NAMES = list("ABCDE")
Rates = NDArray[np.float64]


def cohort(rng: np.random.Generator, *, vary: float) -> tuple[dict[str, VoteTable], Rates, Rates]:
    """Return the tables of 200 cases of any size and prevalence, and the raters' rates over all cases.

    ``vary``: how far a rater is from themselves in a case, as the standard deviation of the logit of their rates.
    """
    tables = {}
    for case in range(CASES):
        sensitivity, specificity = (
            1 / (1 + np.exp(-(np.log(rate / (1 - rate)) + vary * rng.normal(size=5))))
            for rate in (SENSITIVITY, SPECIFICITY)
        )
        one = np.where(PATTERNS == 1, sensitivity, 1 - sensitivity).prod(axis=1)
        zero = np.where(PATTERNS == 0, specificity, 1 - specificity).prod(axis=1)
        prior, voxels = np.exp(rng.uniform(np.log(0.003), np.log(0.03))), rng.integers(20_000, 60_000)
        counts = rng.multinomial(voxels, prior * one + (1 - prior) * zero)
        tables[f"{case:03}"] = VoteTable(PATTERNS, counts, NAMES)
    return tables, *_over_all(vary)


def _over_all(vary: float) -> tuple[Rates, Rates]:
    """Return the mean over cases of rates whose logits vary."""
    draws = np.random.default_rng(0).normal(size=200_000)
    means = [
        np.array([np.mean(1 / (1 + np.exp(-(np.log(one / (1 - one)) + vary * draws)))) for one in rates])
        for rates in (SENSITIVITY, SPECIFICITY)
    ]
    return means[0], means[1]


@pytest.mark.slow
@pytest.mark.parametrize("vary", [0.0, 0.3])
def test_pooled_rates_and_their_intervals(vary: float) -> None:
    """Of raters who are the same in each case, and of raters who vary."""
    rng = np.random.default_rng(21)
    hits, errors, alone = [], [], []
    for number in range(COHORTS):
        tables, sensitivity, specificity = cohort(rng, vary=vary)
        found = pool(tables, "staple", prior="estimate", intervals="bootstrap", replicates=100, seed=number)
        assert found.intervals is not None
        for ends, truth in (
            (found.intervals.sensitivity, sensitivity),
            (found.intervals.specificity, specificity),
        ):
            hits.append((ends[:, 0] <= truth) & (truth <= ends[:, 1]))
        errors.append(found.sensitivity - sensitivity)
        if number < 5:
            alone += [
                fastfuse.estimate(table, "staple", prior="estimate").sensitivity - sensitivity
                for table in tables.values()
            ]
    coverage = float(np.mean(hits))
    ratio = float(np.sqrt(np.mean(np.square(errors)) / np.mean(np.square(alone))))
    print(
        f"raters vary by {vary}: error {ratio:.3f} of that of single cases, intervals hold the truth in {coverage:.3f}"
    )
    assert ratio <= 0.2
    assert 0.90 <= coverage <= 0.98


DRAWS = 10


@pytest.mark.slow
def test_rates_of_200_phantom_heads() -> None:
    """Of the phantom's raters who err voxel by voxel, drawn anew on the same heads: what STAPLE takes for granted."""
    phantom = pytest.importorskip("fastfuse.phantom", reason="needs SciPy")
    heads = []
    for seed in range(CASES):
        case = phantom.make_case(50_000 + seed, shape=(48, 56, 48), spacing_mm=4.0)
        heads.append(case.lesions[case.brain == 1] == 1)
    truth = np.array([[one.sensitivity, one.specificity] for one in phantom.FLIPS]).T
    rng = np.random.default_rng(8)
    hits, errors, alone = [], [], []
    for draw in range(DRAWS):
        tables = {}
        for case, lesions in enumerate(heads):
            chance = np.where(lesions, truth[0][:, None], 1 - truth[1][:, None])
            tables[f"{case:03}"] = fastfuse.tabulate(rng.random(chance.shape) < chance, axis=0)
        found = pool(tables, "staple", prior="estimate", intervals="bootstrap", replicates=100, seed=draw)
        assert found.intervals is not None
        ends = np.array([found.intervals.sensitivity, found.intervals.specificity])
        hits.append((ends[..., 0] <= truth) & (truth <= ends[..., 1]))
        errors.append(found.sensitivity - truth[0])
        if draw == 0:
            alone = [
                fastfuse.estimate(table, "staple", prior="estimate").sensitivity - truth[0]
                for table in tables.values()
            ]
    coverage = np.mean(hits, axis=(0, 2))
    ratio = float(np.sqrt(np.mean(np.square(errors)) / np.mean(np.square(alone))))
    print(f"phantom heads: error {ratio:.3f} of that of single cases, intervals hold the truth in {coverage}")
    assert ratio <= 0.2
    assert ((coverage >= 0.90) & (coverage <= 0.98)).all()


REPLICATES = 100
LACKED = r"lacking in more than 5 % of the bootstrap's samples of cases: no intervals"


def cases_of_one_who_reads_few(kind: str, cases: int, read: int) -> dict[str, Any]:
    """Return tables of cases, of which Zoe reads but the last ones."""
    tables = {}
    for case in range(cases):
        votes = votes_of(kind, 100 + case, 0.02 + 0.03 * case)
        who = READERS if case >= cases - read else READERS[:3]
        tables[f"{case:02}"] = fastfuse.tabulate(
            list(votes[: len(who)]), names=who, labels="all" if kind == "labels" else None
        )
    return tables


def rates_of(found: Any) -> Any:
    if found.sensitivity.ndim == 2:
        return found.sensitivity
    return np.stack([found.sensitivity, found.specificity])


@pytest.mark.parametrize("priors", ["own", "shared"])
@pytest.mark.parametrize(
    ("kind", "method"), [("masks", "staple"), ("soft", "soft-staple"), ("labels", "staple")]
)
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_samples_without_a_rater_say_nothing_of_the_rater(kind: str, method: Any, priors: Any) -> None:
    """Of 6 cases Zoe reads 3: 1.6 % of the samples lack her. Each sample is fused again, as cases of its own."""
    tables = cases_of_one_who_reads_few(kind, 6, 3)
    belief = (20, 0.9) if kind == "labels" else (5, 1.5)
    options: Any = {"priors": priors, "performance_prior": belief, "tol": 1e-9, "max_iter": 5000}
    found = pool(tables, method, intervals="bootstrap", replicates=REPLICATES, **options)
    samples = []
    for times in draws(len(tables), REPLICATES, 0):
        drawn = {
            f"{case} {time}": table
            for (case, table), count in zip(tables.items(), times, strict=True)
            for time in range(int(count))
        }
        once = pool(drawn, method, **options)
        rates = np.full_like(rates_of(found), np.nan)
        for place, name in enumerate(once.names):
            whose = READERS.index(name)
            if kind == "labels":
                rates[whose, [found.labels.index(one) for one in once.labels]] = once.sensitivity[place]
            else:
                rates[:, whose] = once.sensitivity[place], once.specificity[place]
        samples.append(rates)
    assert np.isnan(samples).any()
    expected = np.moveaxis(np.nanpercentile(samples, [2.5, 97.5], axis=0), 0, -1)
    ends = found.intervals.sensitivity
    if kind != "labels":
        ends = np.stack([ends, found.intervals.specificity])
    # A sample's EM begins at the rates of all cases, and of labels may end at another mode.
    np.testing.assert_allclose(ends, expected, rtol=0, atol=5e-3 if kind == "labels" else 1e-4)


@pytest.mark.parametrize("priors", ["own", "shared"])
@pytest.mark.parametrize("kind", ["masks", "labels"])
@pytest.mark.filterwarnings("ignore:[^;]*(same votes|performance_prior):fastfuse.FusionWarning")
def test_who_reads_too_few_cases_has_no_interval(kind: str, priors: Any) -> None:
    """Of 12 cases Zoe reads one, which 35 % of the samples lack; the others read all."""
    tables = cases_of_one_who_reads_few(kind, 12, 1)
    with pytest.warns(fastfuse.FusionWarning, match="Zoe is " + LACKED):
        found: Any = pool(tables, "staple", priors=priors, intervals="bootstrap", replicates=100)
    assert np.isnan(found.intervals.sensitivity[3]).all()
    assert np.isfinite(found.intervals.sensitivity[:3]).all()
    assert np.isfinite(found.sensitivity[3]).all()


@pytest.mark.parametrize("priors", ["own", "shared"])
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_samples_of_too_few_raters_for_three_classes(priors: Any) -> None:
    """Three raters do not determine them: samples without Zoe count for nobody, and of one case nobody has intervals."""
    options: Any = {"priors": priors, "classes": 3, "intervals": "bootstrap", "replicates": 12}
    found = pool(cases_of_one_who_reads_few("masks", 6, 4), "staple", **options)
    assert np.isfinite(found.intervals.sensitivity).all()
    assert (found.intervals.sensitivity[:, 0] < found.sensitivity).all()
    with pytest.warns(
        fastfuse.FusionWarning, match="samples of cases fewer than 4 raters vote: no intervals"
    ):
        few = pool(cases_of_one_who_reads_few("masks", 6, 1), "staple", **options)
    assert np.isnan(few.intervals.sensitivity).all()


@pytest.mark.parametrize("priors", ["own", "shared"])
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_of_two_raters_one_who_reads_few_leaves_none_with_an_interval(priors: Any) -> None:
    """A sample without the other has one rater, who is right whatever is drawn: nobody has an interval, and that is said."""
    tables = {}
    for case in range(10):
        names = READERS[:2] if case == 9 else READERS[:1]
        tables[f"{case}"] = fastfuse.tabulate(list(masks_of(case, 0.1)[: len(names)]), names=names)
    with pytest.warns(
        fastfuse.FusionWarning, match="samples of cases fewer than 2 raters vote: no intervals"
    ):
        found = pool(tables, "staple", priors=priors, intervals="bootstrap", replicates=40)
    assert found.intervals is not None
    assert np.isnan(found.intervals.sensitivity).all()
