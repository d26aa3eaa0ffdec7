"""Label maps that lie in a table, with a map of priors: against brute force, and against the votes read voxel by voxel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastfuse import _core
from fastfuse.reference import labels as reference

from ..common import draw, missing_votes
from ..soft import Volume, probability
from .test_core import assert_same, atlas, for_core, options_of

Maps = NDArray[np.int64]


def in_table(
    maps: Maps, labels: int, prior: Volume, missing: NDArray[np.bool_] | None = None, threads: int = 0
) -> _core.SoftVotes:
    arrays = list(maps) if missing is None else list(np.where(missing, np.nan, maps))
    table = _core.tabulate_labels(arrays, range(labels), missing="nan", threads=threads)
    return _core.SoftVotes.of_table(labels, table, [np.eye(labels)] * len(maps), prior=list(prior))


def voxel_by_voxel(
    maps: Maps, labels: int, prior: Volume, missing: NDArray[np.bool_] | None = None
) -> _core.SoftVotes:
    arrays = maps.astype(np.float64) if missing is None else np.where(missing, np.nan, maps)
    kinds = [np.eye(labels)] * len(maps)
    return _core.SoftVotes.of_arrays(
        labels, [[one] for one in arrays], kinds, prior=list(prior), missing="nan"
    )


def estimate(
    votes: _core.SoftVotes, labels: int, raters: int, knows: dict[int, list[int]], **options: Any
) -> _core.SoftEstimate:
    asked = _core.LabelOptions()
    if knows:
        asked.unknown = [
            [a for a in range(labels) if i in knows and a not in knows[i]] for i in range(raters)
        ]
    for name, value in options.items():
        setattr(asked, name, value)
    return _core.estimate_soft(votes, options=asked, model="enumeration", m_step="em")


@pytest.mark.parametrize("trial", range(60))
def test_random_label_maps(trial: int) -> None:
    rng = np.random.default_rng(1000 + trial)
    labels, raters = (int(number) for number in rng.integers(2, 6, 2))
    _, maps = draw(rng, labels, raters, int(rng.integers(20, 150)), rng.uniform(0.4, 0.9))
    missing = missing_votes(rng, maps.shape, 0.3) if trial % 4 == 0 else None
    knows = {0: [a for a in range(labels) if rng.random() < 0.7]} if trial % 5 == 0 else {}
    options = options_of(trial, rng, labels, raters)
    prior = atlas(rng, labels, maps.shape[1])
    q = reference.one_hot(maps, labels, missing)
    wanted = reference.fuse_labels(q, "staple", prior=reference.clamped(prior), knows=knows, **options)
    votes = in_table(maps, labels, prior, missing)
    made = estimate(votes, labels, raters, knows, **for_core(options))
    found, w = made.found, probability(votes, made, (labels, maps.shape[1]))
    assert_same(found, w, wanted)
    np.testing.assert_allclose(found.prior, reference.clamped(prior).mean(axis=1), rtol=0, atol=1e-12)
    told = np.where(np.isnan(q), 0, q)
    np.testing.assert_allclose(found.agreed, np.einsum("at,iat->ia", w, told), rtol=1e-11, atol=1e-11)
    seen = np.einsum("at,it->ia", w, ~np.isnan(q).any(axis=1))
    np.testing.assert_allclose(found.seen, seen, rtol=1e-11, atol=1e-11)
    assert _core.survey_soft(votes)["clamped"] == ((prior < 1e-6) | (prior > 1 - 1e-6)).any(axis=0).sum()


@pytest.mark.parametrize("candidates", ["voted", "all"])
@pytest.mark.parametrize("acceleration", ["none", "squarem"])
def test_volumes_are_those_of_voxel_by_voxel(candidates: str, acceleration: str) -> None:
    """Also where nobody votes, and where one tuple has more voxels than are summed at a time."""
    rng = np.random.default_rng(0)
    labels, n = 4, 30_000
    _, maps = draw(rng, labels, 3, n, 0.8)
    maps[:, :20_000] = np.array([[0], [1], [1]])
    missing = missing_votes(rng, maps.shape, 0.05)
    missing[:, rng.random(n) < 0.01] = True
    prior = atlas(rng, labels, n)
    options: dict[str, Any] = {"candidates": candidates, "acceleration": acceleration, "max_iter": 9}
    written = []
    for make in (in_table, voxel_by_voxel):
        votes = make(maps, labels, prior, missing)
        made = estimate(votes, labels, 3, {}, **options)
        label, second = np.empty((2, n), np.uint8)
        top, entropy, both = np.empty((3, n))
        values = [0, 3, 5, 9]
        _core.write_soft_label(votes, made, label, values, undecided=77)
        _core.write_soft_label(votes, made, second, values, rank=1)
        _core.write_soft_ranked(votes, made, top, rank=1)
        _core.write_soft_entropy(votes, made, entropy)
        _core.write_soft_probability(votes, made, both, [1, 3])
        written.append((label, second, top, entropy, both, made.found))
    for ours, theirs in zip(written[0][:2], written[1][:2], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(written[0][2:5], written[1][2:5], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
    np.testing.assert_allclose(written[0][5].log_likelihood, written[1][5].log_likelihood, rtol=1e-12)
    assert written[0][5].voxels == written[1][5].voxels < n


def test_votes_that_the_rates_call_impossible() -> None:
    """EM keeps zeros: a voxel at which every label has a rate of 0 says nothing, and is tied."""
    n = 400
    truth = np.arange(n) % 2
    maps = np.stack([truth, truth, truth])
    maps[:, -1] = [0, 1, 2]
    prior = np.full((3, n), 1 / 3)
    for candidates in ("voted", "all"):
        votes = in_table(maps, 3, prior)
        made = estimate(votes, 3, 3, {}, candidates=candidates, max_iter=50)
        other = voxel_by_voxel(maps, 3, prior)
        same = estimate(other, 3, 3, {}, candidates=candidates, max_iter=50)
        ours, theirs = probability(votes, made, (3, n)), probability(other, same, (3, n))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_many_raters_whose_product_is_below_all_numbers() -> None:
    rng = np.random.default_rng(4)
    truth, maps = draw(rng, 3, 1200, 60, 0.4)
    prior = atlas(rng, 3, 60)
    wanted = reference.fuse_labels(
        reference.one_hot(maps, 3), "staple", prior=reference.clamped(prior), candidates="all", max_iter=5
    )
    votes = in_table(maps, 3, prior)
    made = estimate(votes, 3, 1200, {}, candidates="all", max_iter=5)
    assert_same(made.found, probability(votes, made, (3, 60)), wanted)
    np.testing.assert_array_equal(wanted.probability.argmax(axis=0), truth)
    assert wanted.objective[-1] < np.log(1e-250) * 60


def test_threads_give_the_same_bits() -> None:
    rng = np.random.default_rng(1)
    _, maps = draw(rng, 4, 4, 60_000, 0.9)
    prior = atlas(rng, 4, 60_000)
    found = []
    for threads in (1, 4):
        votes = in_table(maps, 4, prior, threads=threads)
        made = estimate(votes, 4, 4, {}, max_iter=6, acceleration="squarem", threads=threads)
        found.append((probability(votes, made, (4, 60_000)), made.found))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1].confusion, found[1][1].confusion)
    np.testing.assert_array_equal(found[0][1].log_likelihood, found[1][1].log_likelihood)
    np.testing.assert_array_equal(found[0][1].prior, found[1][1].prior)


def test_a_bad_map_is_refused_where_it_counts() -> None:
    rng = np.random.default_rng(0)
    _, maps = draw(rng, 3, 3, 50)
    for change, kind, label in (
        ((1, 7, 1.5), "prior", 1),
        ((0, 9, np.nan), "prior", 0),
        ((2, 3, 0.9), "prior_sum", -1),
    ):
        bad = atlas(rng, 3, 50)
        bad[:, 3] = 1 / 3
        bad[change[0], change[1]] = change[2]
        with pytest.raises(_core.BadInput) as refused:
            _core.survey_soft(in_table(maps, 3, bad))
        assert refused.value.args[:3] == (kind, label, change[1])
        mask = np.ones(50, np.uint8)
        mask[change[1]] = 0
        table = _core.tabulate_labels(list(maps), range(3), mask=mask)
        votes = _core.SoftVotes.of_table(3, table, [np.eye(3)] * 3, prior=list(bad))
        assert _core.survey_soft(votes)["voxels"] == 49


def test_a_map_that_does_not_fit_the_table_is_refused() -> None:
    rng = np.random.default_rng(0)
    _, maps = draw(rng, 3, 3, 50)
    table = _core.tabulate_labels(list(maps), range(3))
    kinds = [np.eye(3)] * 3
    with pytest.raises(ValueError, match="prior needs an array for each label"):
        _core.SoftVotes.of_table(3, table, kinds, prior=[np.ones(50)] * 2)
    with pytest.raises(ValueError, match="prior needs kinds that are the labels"):
        _core.SoftVotes.of_table(3, table, [np.full((3, 3), 1 / 3)] * 3, prior=list(atlas(rng, 3, 50)))
    others = _core.SoftVotes.of_table(3, table, kinds, prior=list(atlas(rng, 3, 60)))
    with pytest.raises(ValueError, match="others than the map of priors"):
        _core.survey_soft(others)
    votes = in_table(maps, 3, atlas(rng, 3, 50))
    with pytest.raises(ValueError, match="needs the model enumeration"):
        _core.estimate_soft(votes, options=_core.LabelOptions(), model="mixture")
