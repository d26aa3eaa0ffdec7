"""Soft votes of labels: the core against brute force, and what holds of every fusion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastfuse import _core
from fastfuse.reference import labels as reference

from .common import draw, fit
from .soft import fit_soft, probability, softmax, without_some

EM = ("simplified-soft-staple", "log-linear", "soft-staple")


def options_of(trial: int, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "init": ("plurality", "vote")[trial % 2],
        "candidates": ("voted", "all")[trial // 2 % 2],
        "confusion": ("full", "full", "class")[rng.integers(3)],
        "prior": ("mean", "estimate")[rng.integers(2)],
        "performance_prior": (None, (float(rng.uniform(0.5, 20)), 0.9))[rng.integers(2)],
        "max_iter": int(rng.integers(1, 30)),
    }


def for_core(options: dict[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in options.items() if name not in ("init", "prior")}
    return {**found, "start": options["init"], "estimates_prior": options["prior"] == "estimate"}


@pytest.mark.parametrize("method", EM)
@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("trial", range(7))
def test_random_problems(method: str, m_step: str, trial: int) -> None:
    rng = np.random.default_rng(trial)
    labels, raters = int(rng.integers(2, 6)), int(rng.integers(2, 5))
    q = softmax(rng, labels, raters, int(rng.integers(20, 100)))
    q[rng.random(q.shape) < 0.2] = 0  # classes that a rater excludes
    q = np.where(q.sum(axis=1, keepdims=True) > 0, q, 1)
    q /= q.sum(axis=1, keepdims=True)
    if trial % 3 == 0:
        q = without_some(rng, q, 0.3)
    options = options_of(trial, rng)
    wanted = reference.fuse_labels(q, method, m_step=m_step, **options)
    ours = fit_soft(q, method, m_step=m_step, **for_core(options))
    found = ours.found
    assert found.iterations == wanted.n_iter
    assert found.converged == wanted.converged
    np.testing.assert_allclose(ours.w, wanted.probability, rtol=0, atol=1e-11)
    known = ~np.isnan(found.confusion)
    assert known.any()
    np.testing.assert_allclose(found.confusion[known], wanted.confusion[known], rtol=0, atol=1e-11)
    np.testing.assert_allclose(found.prior, wanted.prior, rtol=0, atol=1e-11)
    np.testing.assert_allclose(
        found.log_likelihood + found.log_prior, wanted.objective, rtol=1e-11, atol=1e-9
    )


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5]])
def test_mean_vote(weights: list[float] | None) -> None:
    rng = np.random.default_rng(0)
    q = without_some(rng, softmax(rng, 4, 3, 200), 0.3)
    ours = fit_soft(q, "majority", weights=weights or [])
    wanted = reference.mean_vote(q, None if weights is None else np.array(weights))
    np.testing.assert_allclose(ours.w, wanted, rtol=0, atol=1e-14)
    known = np.where(np.isnan(q), 0, q)
    np.testing.assert_allclose(ours.found.agreed, (known * wanted).sum(axis=2), rtol=1e-12)
    np.testing.assert_allclose(ours.found.mass, wanted.sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("method", [*EM, "majority"])
def test_threads_give_the_same_bits(method: str) -> None:
    q = softmax(np.random.default_rng(1), 5, 4, 12_000)
    alone = fit_soft(q, method, threads=1, max_iter=3, truncation=0.02)
    for threads in (2, 4):
        other = fit_soft(q, method, threads=threads, max_iter=3, truncation=0.02)
        np.testing.assert_array_equal(other.w, alone.w)
        np.testing.assert_array_equal(other.found.confusion, alone.found.confusion)
        np.testing.assert_array_equal(other.found.log_likelihood, alone.found.log_likelihood)


@pytest.mark.parametrize("method", EM)
def test_order_of_classes_and_raters_does_not_matter(method: str) -> None:
    rng = np.random.default_rng(2)
    q = softmax(rng, 4, 3, 150)
    plain = fit_soft(q, method, m_step="em", max_iter=20)
    classes, raters = rng.permutation(4), rng.permutation(3)
    other = fit_soft(q[raters][:, classes], method, m_step="em", max_iter=20)
    np.testing.assert_allclose(other.w, plain.w[classes], rtol=0, atol=1e-11)
    np.testing.assert_allclose(
        other.found.confusion, plain.found.confusion[raters][:, classes][:, :, classes], rtol=0, atol=1e-11
    )


@pytest.mark.parametrize("method", EM)
def test_hard_votes_are_those_of_label_maps(method: str) -> None:
    _, maps = draw(np.random.default_rng(3), 4, 4, 300)
    options: dict[str, Any] = {"performance_prior": (5.0, 0.9), "max_iter": 20}
    soft = fit_soft(reference.one_hot(maps, 4), method, **options)
    np.testing.assert_allclose(soft.w, fit(maps, 4, **options).w, rtol=0, atol=1e-11)


@pytest.mark.parametrize("trial", range(20))
def test_truncation_keeps_its_bound(trial: int) -> None:
    rng = np.random.default_rng(trial)
    labels, raters = int(rng.integers(2, 6)), int(rng.integers(2, 5))
    q = softmax(rng, labels, raters, 200, spread=0.2)
    tau = float(rng.choice([0.002, 0.02, 0.1, 0.3]))
    whole = fit_soft(q, "soft-staple", m_step="em", max_iter=10)
    whole.votes.truncation = tau
    cut = probability(whole.votes, whole.estimate, q.shape[1:])
    kept, dropped = reference.truncate(q, tau)
    assert (np.abs(cut - whole.w) <= dropped + 1e-12).all()
    survey = _core.survey_soft(whole.votes)
    np.testing.assert_allclose(survey["most_dropped"], dropped.max(), rtol=0, atol=1e-14)
    np.testing.assert_allclose(survey["mean_dropped"], dropped.mean(), rtol=0, atol=1e-14)
    terms = _core.count_terms(whole.votes, [0.0])
    assert terms[0] == (kept > 0).sum(axis=1).prod(axis=0).sum()


@pytest.mark.parametrize("raters", [40, 120])
def test_products_that_underflow(raters: int) -> None:
    rng = np.random.default_rng(4)
    q = softmax(rng, 3, raters, 60, spread=0.05)
    wanted = reference.fuse_labels(q, "simplified-soft-staple", max_iter=5)
    ours = fit_soft(q, "simplified-soft-staple", max_iter=5)
    np.testing.assert_allclose(ours.w, wanted.probability, rtol=0, atol=1e-10)


@pytest.mark.parametrize("method", ["simplified-soft-staple", "soft-staple"])
def test_em_never_falls(method: str) -> None:
    for seed in range(5):
        q = softmax(np.random.default_rng(seed), 4, 3, 80)
        found = fit_soft(q, method, m_step="em", start="vote", max_iter=60).found
        assert (np.diff(found.log_likelihood) >= -1e-9).all()


def test_runs_and_masks_are_counted() -> None:
    """Runs of voxels with the same votes, cut by a mask, as single voxels."""
    rng = np.random.default_rng(5)
    q = np.repeat(softmax(rng, 3, 3, 300), 7, axis=2)
    mask = rng.random(q.shape[2]) < 0.7
    votes = _core.SoftVotes.of_arrays(3, [list(one) for one in q], [None] * 3, mask=mask)
    options = _core.LabelOptions()
    options.max_iter = 10
    estimate = _core.estimate_soft(votes, options=options, model="mixture")
    w = probability(votes, estimate, q.shape[1:])
    wanted = reference.fuse_labels(q[:, :, mask], "simplified-soft-staple", max_iter=10)
    np.testing.assert_allclose(w[:, mask], wanted.probability, rtol=0, atol=1e-11)
    assert not w[:, ~mask].any()
