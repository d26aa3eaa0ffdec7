"""The core against brute force, and against what other software finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.reference import labels as reference

from .common import Fitted, draw, fit, missing_votes

INITS = ("plurality", "vote", "itk")
CANDIDATES = ("voted", "all")
CONFUSIONS = ("full", "full", "class")


def options_of(trial: int, rng: np.random.Generator, labels: int) -> dict[str, Any]:
    prior: Any = ("mean", "estimate", rng.dirichlet(np.ones(labels)))[rng.integers(3)]
    dirichlet = (None, (float(rng.uniform(0.5, 20)), 0.9))[rng.integers(2)]
    return {
        "init": INITS[trial % 3],
        "candidates": CANDIDATES[trial // 3 % 2],
        "confusion": CONFUSIONS[trial // 6 % 3],
        "prior": prior,
        "performance_prior": dirichlet,
        "max_iter": int(rng.integers(1, 60)),
    }


def for_core(options: dict[str, Any]) -> dict[str, Any]:
    prior = options["prior"]
    return {
        "start": options["init"],
        "candidates": options["candidates"],
        "confusion": options["confusion"],
        "performance_prior": options["performance_prior"],
        "max_iter": options["max_iter"],
        "estimates_prior": isinstance(prior, str) and prior == "estimate",
        "prior": [] if isinstance(prior, str) else prior.tolist(),
    }


def assert_close(found: Fitted, wanted: reference.ReferenceLabels) -> None:
    estimate = found.estimate
    assert estimate.iterations == wanted.n_iter
    assert estimate.converged == wanted.converged
    np.testing.assert_allclose(found.w, wanted.probability, rtol=0, atol=1e-11)
    known = ~np.isnan(estimate.confusion)
    assert known.any()
    np.testing.assert_allclose(estimate.confusion[known], wanted.confusion[known], rtol=0, atol=1e-11)
    np.testing.assert_allclose(estimate.prior, wanted.prior, rtol=0, atol=1e-11)
    np.testing.assert_allclose(
        estimate.log_likelihood + estimate.log_prior, wanted.objective, rtol=1e-11, atol=1e-9
    )
    possible = wanted.probability.sum(axis=0) > 0.5  # ITK's first rates may call votes impossible
    assert (found.label == reference.winner(wanted.probability))[possible].all()


@pytest.mark.parametrize("trial", range(200))
def test_random_problems(trial: int) -> None:
    """All inits, candidates, models and priors, with missing votes and raters who do not know a label."""
    rng = np.random.default_rng(trial)
    labels, raters = (int(number) for number in rng.integers(2, 7, 2))
    _, maps = draw(rng, labels, raters, int(rng.integers(20, 200)), rng.uniform(0.4, 0.9))
    missing = missing_votes(rng, maps.shape, 0.3) if rng.random() < 0.4 else None
    knows = (
        {int(rng.integers(raters)): [a for a in range(labels) if rng.random() < 0.7]}
        if rng.random() < 0.4
        else {}
    )
    options = options_of(trial, rng, labels)
    wanted = reference.fuse_labels(reference.one_hot(maps, labels, missing), knows=knows, **options)
    found = fit(maps, labels, missing=missing, knows=knows, **for_core(options))
    assert_close(found, wanted)


@pytest.mark.parametrize("init", ["vote", "plurality"])
@pytest.mark.parametrize("candidates", CANDIDATES)
@pytest.mark.parametrize("seed", range(5))
def test_a_rater_who_read_nothing_of_a_label(init: str, candidates: str, seed: int) -> None:
    """Nothing tells their rates for it, which the M-step leaves as they were: not 0, which would exclude it where they vote."""
    rng = np.random.default_rng(seed)
    _, maps = draw(rng, 4, 4, 60, 0.8)
    maps[:, ::7] = rng.integers(0, 4, maps[:, ::7].shape)
    missing = np.zeros(maps.shape, bool)
    missing[0] = (maps[1:] == 3).sum(axis=0) > (1 if init == "plurality" else 0)
    maps[0, maps[0] == 3] = 2
    maps[2:, 0] = 3, 0  # a vote for it where the first one reads
    missing[0, 0] = init != "plurality"
    options: dict[str, Any] = {"init": init, "candidates": candidates, "prior": "mean", "max_iter": 3}
    options |= {"confusion": "full", "performance_prior": None}
    wanted = reference.fuse_labels(reference.one_hot(maps, 4, missing), **options)
    found = fit(maps, 4, missing=missing, **for_core(options))
    np.testing.assert_allclose(found.w, wanted.probability, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_so_few_voxels_that_no_label_holds_one(seed: int) -> None:
    """Rates of labels that hold less than a voxel never settle; those of the largest do, so that EM does not end at once."""
    rng = np.random.default_rng(seed)
    maps = rng.integers(0, 4, (3, 1 + seed % 2))
    options: dict[str, Any] = {"init": "vote", "candidates": "all", "confusion": "full", "prior": "estimate"}
    options |= {"performance_prior": (0.5, 0.3), "max_iter": 30}
    wanted = reference.fuse_labels(reference.one_hot(maps, 4), **options)
    found = fit(maps, 4, **for_core(options))
    assert found.estimate.iterations == wanted.n_iter > 1
    np.testing.assert_allclose(found.w, wanted.probability, rtol=0, atol=1e-9)
    table = fastfuse.tabulate(list(maps), labels=range(4), axis=0)
    given: dict[str, Any] = {"init": "vote", "prior": "estimate", "performance_prior": (0.5, 0.3)}
    pooled = fastfuse.pool({"case": table}, "staple", priors="own", **given)
    known = fastfuse.estimate(table, "staple", **given)
    assert pooled.n_iter == known.n_iter
    np.testing.assert_allclose(pooled.confusion, known.confusion, rtol=0, atol=1e-6)


@pytest.mark.parametrize("labels", [2, 3])
def test_brute_force_over_all_tuples(labels: int) -> None:
    """soft-STAPLE of hard votes goes through all K^m tuples at every voxel."""
    rng = np.random.default_rng(labels)
    _, maps = draw(rng, labels, 4, 60)
    options = {"init": "vote", "candidates": "all", "prior": "estimate", "max_iter": 30}
    wanted = reference.fuse_labels(reference.one_hot(maps, labels), "soft-staple", **options)
    found = fit(maps, labels, start="vote", candidates="all", estimates_prior=True, max_iter=30)
    assert_close(found, wanted)


@pytest.mark.parametrize("raters", [30, 60])
def test_products_that_underflow(raters: int) -> None:
    """Rates near 0 of many raters: their product is below what a double holds."""
    rng = np.random.default_rng(1)
    _, maps = draw(rng, 3, raters, 300, 0.999)
    maps[:, 0] = np.arange(raters) % 3  # votes that the rates make all but impossible
    options = {"init": "vote", "candidates": "all", "max_iter": 20}
    wanted = reference.fuse_labels(reference.one_hot(maps, 3), performance_prior=(1e-9, 0.9), **options)
    found = fit(maps, 3, start="vote", candidates="all", max_iter=20, performance_prior=(1e-9, 0.9))
    np.testing.assert_allclose(found.w, wanted.probability, rtol=0, atol=1e-11)


A = [0, 1, 3, 3, 4, 6, 6, 0]
B = [1, 1, 2, 4, 4, 5, 7, 1]
C = [0, 2, 2, 3, 5, 5, 6, 8]


@pytest.mark.parametrize(
    ("maps", "undecided", "wanted"),
    [
        ([A, B], 8, [8, 1, 8, 8, 4, 8, 8, 8]),
        ([A, B, C], 9, [0, 1, 2, 3, 4, 5, 6, 9]),
    ],
)
def test_itks_own(maps: list[list[int]], undecided: int, wanted: list[int]) -> None:
    """The tests that come with ITK's MultiLabelSTAPLE."""
    found = fit(np.array(maps), 9, start="itk", candidates="all", undecided=undecided)
    assert found.label.tolist() == wanted


def test_plurality_of_itks_own() -> None:
    """Of three maps, a label with two votes wins; where all differ, none does."""
    found = fit(np.array([A, B, C]), 9, votes_alone=True, undecided=9)
    assert found.label.tolist() == [0, 1, 2, 3, 4, 5, 6, 9]


@pytest.mark.parametrize("seed", range(3))
def test_simpleitk(seed: int) -> None:
    """No label differs, and matrices by 1e-6. Where EM creeps they may by 1e-5: ITK keeps them as floats."""
    sitk = pytest.importorskip("SimpleITK")
    labels, raters = 5, 6
    _, maps = draw(np.random.default_rng(seed), labels, raters, 4000)
    filter_ = sitk.MultiLabelSTAPLEImageFilter()
    filter_.SetTerminationUpdateThreshold(1e-9)
    images = [sitk.GetImageFromArray(one.reshape(1, 40, 100).astype(np.uint8)) for one in maps]
    theirs = sitk.GetArrayFromImage(filter_.Execute(images)).ravel()
    ours = fit(maps, labels, start="itk", candidates="all", tol=1e-9)
    np.testing.assert_array_equal(theirs, ours.label)
    for i in range(raters):
        matrix = np.array(filter_.GetConfusionMatrix(i)).reshape(-1, labels)[:labels].T
        np.testing.assert_allclose(matrix, ours.estimate.confusion[i], rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore")  # pandas' of what crowd-kit does
@pytest.mark.parametrize("share", [0.4, pytest.param(0.0, marks=pytest.mark.slow)])
def test_crowdkit(share: float) -> None:
    """Dawid and Skene, with and without missing votes."""
    aggregation = pytest.importorskip("crowdkit.aggregation")
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(7)
    labels, raters, voxels = 5, 6, 400
    _, maps = draw(rng, labels, raters, voxels)
    missing = missing_votes(rng, maps.shape, share)
    rows = [(t, i, maps[i, t]) for i in range(raters) for t in range(voxels) if not missing[i, t]]
    frame = pandas.DataFrame(rows, columns=["task", "worker", "label"])
    theirs = aggregation.DawidSkene(n_iter=100, tol=-np.inf).fit(frame).probas_.sort_index()
    ours = fit(
        maps,
        labels,
        missing=missing,
        start="vote",
        candidates="all",
        estimates_prior=True,
        tol=0,
        max_iter=100,
    )
    np.testing.assert_allclose(theirs[sorted(theirs.columns)].to_numpy().T, ours.w, rtol=0, atol=1e-9)
