"""What pooling is for: rates of 200 cases are nearer to the truth than those of each, and their intervals hold it."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from fastfuse import VoteTable, pool

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
