"""The reference in a region of interest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from fastfuse.reference import fuse

from .common import NAN, assert_equal, every_variant, votes_for


@pytest.mark.parametrize("mrf", [0, 0.5])
@pytest.mark.parametrize("prior", ["mean", "estimate", 0.4, "map"])
@every_variant
def test_disputed(variant: dict[str, Any], prior: Any, mrf: float) -> None:
    votes = votes_for(variant, 11, (8, 9), m=3)
    prior = np.random.default_rng(2).uniform(0.1, 0.4, (8, 9)) if prior == "map" else prior
    inside = np.random.default_rng(3).random((8, 9)) < 0.8
    missing = np.isnan(votes)
    together = (~missing).sum(axis=0) >= 2
    none = (missing | (votes == 0)).all(axis=0) & together
    every = (missing | (votes == 1)).all(axis=0) & together
    disputed = inside & ~none & ~every
    assert min(disputed.sum(), (inside & none).sum(), (inside & every).sum()) > 1
    options = {"prior": prior, "max_iter": 10, "tol": 0, **variant}
    found = fuse(votes, roi="disputed", mask=inside, mrf=mrf, **options)
    np.testing.assert_array_equal(found.probability[~disputed], (inside & every)[~disputed])
    assert found.n_voxels == (disputed & ~missing.all(axis=0)).sum()
    np.testing.assert_array_equal(found.n_read, (~missing & disputed).sum(axis=(1, 2)))
    if not mrf:
        masked = fuse(votes, mask=disputed, **options)
        masked.probability[~disputed] = found.probability[~disputed]
        assert_equal(found, masked, 0)


def test_disputed_where_nothing_is() -> None:
    found = fuse(
        [[0, 1, NAN, 1], [0, 1, NAN, 1], [0, 1, NAN, NAN]], method="staple", roi="disputed", prior=0.3
    )
    np.testing.assert_array_equal(found.probability, [0, 1, 0.3, 1])
    assert np.isnan([*found.sensitivity, *found.specificity]).all()
    assert (found.n_iter, found.converged, found.n_voxels, found.log_likelihood.size) == (0, True, 0, 0)
    np.testing.assert_array_equal(found.n_read, [0, 0, 0])


def test_one_reader_alone_does_not_agree() -> None:
    found = fuse([[0, 1, 0, 1, 1], [0, 1, 1, NAN, 1], [NAN, 1, 0, NAN, 1]], method="staple", roi="disputed")
    assert found.n_voxels == 2
    assert 0 < found.probability[3] < 1


def test_disputed_soft_votes() -> None:
    """Agreement is of certain votes alone: 0.3 from everybody is in doubt."""
    found = fuse([[0, 0.3, 1, 1, 0], [0, 0.3, 1, 0.9, 1]], roi="disputed")
    assert found.n_voxels == 3


@pytest.mark.parametrize("margin", [0.0, 1.0, 2.5, 100.0])
@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.5, 1.2, 3)])
def test_margin(spacing: tuple[float, ...], margin: float) -> None:
    rng = np.random.default_rng(11)
    votes = np.zeros((3, 7, 8, 6))
    votes[:, 2:5, 3:5, 2:4] = rng.choice([0, 0.05, 0.3, 1], (3, 3, 2, 2))
    votes[rng.random(votes.shape) < 0.1] = NAN
    inside = rng.random((7, 8, 6)) < 0.9
    votes[:, ~inside] = 1  # outside the mask nothing counts
    marked = inside & (np.nan_to_num(votes) > 0.1).any(axis=0)
    near = inside & (ndimage.distance_transform_edt(~marked, sampling=spacing) <= margin + 1e-9)
    options = {"max_iter": 5, "tol": 0, "method": "simplified-soft-staple", "mrf": 0.2}
    found = fuse(votes, roi=margin, mask=inside, spacing_mm=spacing, **options)
    assert_equal(found, fuse(votes, mask=near, spacing_mm=spacing, **options), 0)
    assert (found.probability[~near] == 0).all()


def test_margin_counts_its_own_edge() -> None:
    """Three voxels of 0.1 mm are 0.3 mm, though not in floats."""
    votes = np.zeros((2, 9))
    votes[0, 4] = 1
    assert np.count_nonzero(fuse(votes, method="staple", roi=0.3, spacing_mm=[0.1]).probability) == 7
    assert np.count_nonzero(fuse(votes, method="staple", roi=0.29, spacing_mm=[0.1]).probability) == 5


def test_margin_around_nothing() -> None:
    """The margin is then the whole: a case without lesions is none without an answer."""
    options: dict[str, Any] = {"method": "staple", "prior": 0.3, "max_iter": 3}
    assert_equal(fuse(np.zeros((2, 4)), roi=3, **options), fuse(np.zeros((2, 4)), **options), 0)
