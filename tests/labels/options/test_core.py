"""Maps of priors, raters who do not know a label, ITK's start and jumps, of soft and hard votes: the core by brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastfuse import _core
from fastfuse.reference import labels as reference

from ..common import draw, fit, missing_votes
from ..soft import Volume, fit_soft, probability, softmax, without_some

EM = ("simplified-soft-staple", "log-linear", "soft-staple")
INITS = ("plurality", "vote", "itk")


def atlas(rng: np.random.Generator, labels: int, voxels: int) -> Volume:
    """Return a map of priors (K, n), with zeros and ones."""
    found = rng.dirichlet(np.full(labels, 0.7), voxels).T
    found[:, rng.random(voxels) < 0.2] = 1 / labels
    certain = rng.random(voxels) < 0.1
    found[:, certain] = np.eye(labels)[rng.integers(0, labels, int(certain.sum()))].T
    return np.asarray(found)


def options_of(trial: int, rng: np.random.Generator, labels: int, raters: int) -> dict[str, Any]:
    return {
        "init": INITS[trial % 3],
        "candidates": ("voted", "all")[trial // 3 % 2],
        "confusion": ("full", "full", "class")[rng.integers(3)],
        "performance_prior": (None, (float(rng.uniform(0.5, 20)), 0.9))[rng.integers(2)],
        "max_iter": int(rng.integers(1, 30)),
    }


def for_core(options: dict[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in options.items() if name != "init"}
    return {**found, "start": options["init"]}


def assert_same(ours: Any, w: Volume, wanted: reference.ReferenceLabels) -> None:
    assert ours.iterations == wanted.n_iter
    assert ours.converged == wanted.converged
    np.testing.assert_allclose(w, wanted.probability, rtol=0, atol=1e-11)
    known = ~np.isnan(ours.confusion)
    assert known.any()
    np.testing.assert_allclose(ours.confusion[known], wanted.confusion[known], rtol=0, atol=1e-11)
    np.testing.assert_allclose(ours.log_likelihood + ours.log_prior, wanted.objective, rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("method", EM)
@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("trial", range(10))
def test_random_soft_problems(method: str, m_step: str, trial: int) -> None:
    rng = np.random.default_rng(100 + trial)
    labels, raters = int(rng.integers(2, 6)), int(rng.integers(2, 5))
    q = softmax(rng, labels, raters, int(rng.integers(20, 80)))
    if trial % 4 == 0:
        q = without_some(rng, q, 0.3)
    knows = {}
    if trial % 2:
        rater, lacking = int(rng.integers(raters)), int(rng.integers(labels))
        q[rater, lacking] = 0
        q[rater] /= q[rater].sum(axis=0)
        knows = {rater: [a for a in range(labels) if a != lacking]}
    prior = atlas(rng, labels, q.shape[2]) if trial % 3 else None
    options = options_of(trial, rng, labels, raters)
    pi: Any = "mean" if prior is None else reference.clamped(prior)
    wanted = reference.fuse_labels(q, method, m_step=m_step, prior=pi, knows=knows, **options)
    ours = fit_soft(q, method, m_step=m_step, prior_map=prior, knows=knows, **for_core(options))
    assert_same(ours.found, ours.w, wanted)
    mean = pi if prior is None else pi.mean(axis=1)
    if prior is not None:
        np.testing.assert_allclose(ours.found.prior, mean, rtol=0, atol=1e-12)
        survey = _core.survey_soft(ours.votes)
        assert survey["clamped"] == ((prior < 1e-6) | (prior > 1 - 1e-6)).any(axis=0).sum()


def fit_hard(
    maps: NDArray[np.int64],
    labels: int,
    prior: Volume,
    knows: dict[int, list[int]],
    missing: NDArray[np.bool_] | None = None,
    **options: Any,
) -> tuple[_core.LabelEstimate, Volume]:
    """Fuse maps of codes with a map of priors."""
    asked = _core.LabelOptions()
    if knows:
        asked.unknown = [
            [a for a in range(labels) if i in knows and a not in knows[i]] for i in range(len(maps))
        ]
    for name, value in options.items():
        setattr(asked, name, value)
    arrays = maps.astype(np.float64) if missing is None else np.where(missing, np.nan, maps)
    votes = _core.SoftVotes.of_arrays(
        labels, [[one] for one in arrays], [np.eye(labels)] * len(maps), prior=list(prior), missing="nan"
    )
    estimate = _core.estimate_soft(votes, options=asked, model="enumeration", m_step="em")
    return estimate.found, probability(votes, estimate, (labels, maps.shape[1]))


@pytest.mark.parametrize("trial", range(60))
def test_random_label_maps(trial: int) -> None:
    """A map of priors beside label maps; where it is the same everywhere, as the prior of a table."""
    rng = np.random.default_rng(trial)
    labels, raters = (int(number) for number in rng.integers(2, 6, 2))
    truth, maps = draw(rng, labels, raters, int(rng.integers(20, 150)), rng.uniform(0.4, 0.9))
    missing = missing_votes(rng, maps.shape, 0.3) if trial % 4 == 0 else None
    knows = {0: [a for a in range(labels) if rng.random() < 0.7]} if trial % 5 == 0 else {}
    options = options_of(trial, rng, labels, raters)
    prior = atlas(rng, labels, maps.shape[1])
    q = reference.one_hot(maps, labels, missing)
    wanted = reference.fuse_labels(q, "staple", prior=reference.clamped(prior), knows=knows, **options)
    found, w = fit_hard(maps, labels, prior, knows, missing, **for_core(options))
    assert_same(found, w, wanted)
    votes = np.where(np.isnan(q), 0, q)
    np.testing.assert_allclose(found.agreed, np.einsum("at,iat->ia", w, votes), rtol=1e-11, atol=1e-11)
    seen = np.einsum("at,it->ia", w, ~np.isnan(q).any(axis=1))
    np.testing.assert_allclose(found.seen, seen, rtol=1e-11, atol=1e-11)
    alike = rng.dirichlet(np.ones(labels) * 5)
    flat, even = fit_hard(
        maps, labels, np.tile(alike[:, None], maps.shape[1]), knows, missing, **for_core(options)
    )
    table = fit(maps, labels, missing=missing, knows=knows, prior=list(alike), **for_core(options))
    np.testing.assert_allclose(even, table.w, rtol=0, atol=1e-11)
    assert flat.iterations == table.estimate.iterations
    assert truth.size == even.shape[1]


@pytest.mark.parametrize("method", EM)
@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_jumps_end_where_em_does(method: str, m_step: str) -> None:
    for seed in range(2):
        rng = np.random.default_rng(seed)
        q = softmax(rng, 4, 4, 500, spread=0.6)
        slow = fit_soft(q, method, m_step=m_step, tol=1e-9, performance_prior=(20.0, 0.9))
        quick = fit_soft(
            q, method, m_step=m_step, tol=1e-9, performance_prior=(20.0, 0.9), acceleration="squarem"
        )
        assert slow.found.converged
        assert quick.found.converged
        assert quick.found.iterations < slow.found.iterations
        np.testing.assert_allclose(quick.w, slow.w, rtol=0, atol=1e-5)
        if m_step == "em":
            climbed = np.diff(quick.found.log_likelihood + quick.found.log_prior)
            assert (climbed >= -1e-8).all()


def test_jumps_never_end_lower_where_em_is_cheap() -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        q = softmax(rng, 3, 3, 60)
        plain, jumps = (
            fit_soft(q, "simplified-soft-staple", m_step="em", acceleration=kind).found
            for kind in ("none", "squarem")
        )
        assert jumps.log_likelihood[-1] >= plain.log_likelihood[-1] - 2e-3


@pytest.mark.parametrize("method", [*EM, "staple"])
def test_order_of_classes_and_raters_does_not_matter(method: str) -> None:
    rng = np.random.default_rng(2)
    q = softmax(rng, 4, 3, 150)
    q[1, 2] = 0
    q /= q.sum(axis=1, keepdims=True)
    prior = atlas(rng, 4, 150)
    classes, raters = rng.permutation(4), rng.permutation(3)
    knows = {1: [0, 1, 3]}
    moved = {int(np.flatnonzero(raters == 1)[0]): [int(np.flatnonzero(classes == a)[0]) for a in knows[1]]}
    if method == "staple":
        maps = q.argmax(axis=1)
        _, plain = fit_hard(maps, 4, prior, knows, max_iter=20)
        places = np.argsort(classes)
        _, other = fit_hard(places[maps[raters]], 4, prior[classes], moved, max_iter=20)
    else:
        plain = fit_soft(q, method, m_step="em", prior_map=prior, knows=knows, max_iter=20).w
        other = fit_soft(
            q[raters][:, classes], method, m_step="em", prior_map=prior[classes], knows=moved, max_iter=20
        ).w
    np.testing.assert_allclose(other, plain[classes], rtol=0, atol=1e-11)


@pytest.mark.parametrize("method", EM)
def test_threads_give_the_same_bits(method: str) -> None:
    rng = np.random.default_rng(1)
    q, prior = softmax(rng, 4, 4, 12_000), atlas(rng, 4, 12_000)
    options: dict[str, Any] = {"max_iter": 4, "truncation": 0.02, "acceleration": "squarem", "m_step": "em"}
    alone = fit_soft(q, method, threads=1, prior_map=prior, **options)
    other = fit_soft(q, method, threads=4, prior_map=prior, **options)
    np.testing.assert_array_equal(other.w, alone.w)
    np.testing.assert_array_equal(other.found.confusion, alone.found.confusion)


def test_a_bad_map_is_refused_where_it_counts() -> None:
    rng = np.random.default_rng(0)
    q, prior = softmax(rng, 3, 3, 50), atlas(rng, 3, 50)
    for change, kind, label in (
        ((1, 7, 1.5), "prior", 1),
        ((0, 9, np.nan), "prior", 0),
        ((2, 3, 0.9), "prior_sum", -1),
    ):
        bad = prior.copy()
        bad[:, 3] = 1 / 3
        bad[change[0], change[1]] = change[2]
        with pytest.raises(_core.BadInput) as refused:
            fit_soft(q, "soft-staple", prior_map=bad)
        assert refused.value.args[:3] == (kind, label, change[1])
