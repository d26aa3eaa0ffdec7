"""Rings of label maps: what they take, and their fusion without an array of all labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from fastfuse.dilation.soft_labels import settle
from fastfuse.reference import labels as reference

pytestmark = pytest.mark.filterwarnings("ignore:EM has not converged")

SHAPE = (14, 15, 12)


def anatomy(seed: int = 0, raters: int = 3) -> tuple[list[NDArray[np.uint8]], NDArray[np.float64]]:
    """Return maps of the labels 0, 1, 2, 4, whose structures touch, and an image that is bright around them."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.indices(SHAPE))
    maps = []
    for _ in range(raters):
        one = np.zeros(SHAPE, np.uint8)
        for label, centre in ((1, (4, 4, 5)), (2, (8, 8, 6)), (4, (4, 10, 6))):
            radius = 3 + rng.uniform(-0.4, 0.4)
            one[np.sqrt(((grid - np.reshape(centre, (3, 1, 1, 1))) ** 2).sum(axis=0)) <= radius] = label
        maps.append(one)
    image = rng.random(SHAPE) + 2 * (np.mean([one > 0 for one in maps], axis=0))
    return maps, image


def test_rings_take_from_the_background_only() -> None:
    maps, image = anatomy()
    for soft, one in zip(fastfuse.soften_labels(maps, image, size=1.8), maps, strict=True):
        ring = soft.ring != 0
        assert ring.sum() > 100
        assert (one[ring] == 0).all()
        np.testing.assert_array_equal(soft.label, one)
        assert set(soft.sizes) == {1, 2, 4}
        votes = soft.votes([0, 1, 2, 4])
        np.testing.assert_allclose(votes.sum(axis=0), 1, rtol=0, atol=1e-6)
        assert ((votes > 0).sum(axis=0) <= 2).all()


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 1.0, 3.0), (0.5, 2.0, 1.0)])
@pytest.mark.parametrize("seed", range(4))
def test_the_nearer_label_takes_a_voxel(spacing: tuple[float, float, float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    label_map = rng.choice([0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 5], (6, 7, 5))
    rings = {label: (rng.random(label_map.shape) < 0.6) & (label_map == 0) for label in (1, 2, 5)}
    taken = np.zeros(label_map.size, np.int64)
    places = {label: np.flatnonzero(ring) for label, ring in rings.items()}
    for label in (5, 2, 1):
        taken[places[label]] = label
    settle(taken, label_map, places, spacing)
    wanted = reference.ring_labels(label_map, rings, spacing)
    np.testing.assert_array_equal(taken.reshape(label_map.shape), wanted)


def test_one_label_is_soften() -> None:
    maps, image = anatomy()
    masks = [(one == 1).astype(np.uint8) for one in maps]
    for soft, plain in zip(fastfuse.soften_labels(masks, image), fastfuse.soften(masks, image), strict=True):
        np.testing.assert_allclose(soft.votes([0, 1])[1], plain.values, rtol=0, atol=1e-7)
        assert soft.sizes[1] == plain.size


@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("function", [fastfuse.soft_staple, fastfuse.simplified_soft_staple])
def test_rings_as_their_votes(function: Any, m_step: str) -> None:
    """Fused as pairs of labels, as arrays of all labels, and by brute force."""
    maps, image = anatomy()
    softened = fastfuse.soften_labels(maps, image, size=1.6)
    labels = [0, 1, 2, 4]
    options: dict[str, Any] = {"m_step": m_step, "performance_prior": (5.0, 0.9), "max_iter": 15}
    compact = function(softened, labels=labels, dtype="float64", **options)
    votes = [soft.votes(labels).astype(np.float64) for soft in softened]
    dense = function(votes, labels=labels, dtype="float64", **options)
    q = np.stack([one.reshape(4, -1) for one in votes])
    method = function.__name__.replace("_", "-")
    wanted = reference.fuse_labels(q, method, **options)
    for fusion in (compact, dense):
        w = np.stack([fusion.probability(label).ravel() for label in labels])
        np.testing.assert_allclose(w, wanted.probability, rtol=0, atol=1e-7)
        np.testing.assert_allclose(fusion.confusion, wanted.confusion, rtol=0, atol=1e-7)
    mean = fastfuse.majority_vote(softened, labels=labels, dtype="float64")
    np.testing.assert_allclose(mean.probability(2).ravel(), q[:, 2].mean(axis=0), rtol=0, atol=1e-7)


def test_two_labels_are_soft_masks() -> None:
    maps, image = anatomy()
    masks = [(one == 1).astype(np.uint8) for one in maps]
    plain = fastfuse.soft_staple([soft.values for soft in fastfuse.soften(masks, image)])
    found = fastfuse.soft_staple(fastfuse.soften_labels(masks, image), labels=[0, 1])
    np.testing.assert_array_equal(found.probability(1), plain.probability)


def test_rings_beside_label_maps() -> None:
    maps, image = anatomy()
    softened = fastfuse.soften_labels(maps, image)
    mixed = fastfuse.soft_staple([softened[0], maps[1], softened[2]], labels=[0, 1, 2, 4])
    assert mixed.label().shape == SHAPE
    one_hot = np.stack([maps[1] == label for label in (0, 1, 2, 4)]).astype(np.float32)
    dense = fastfuse.soft_staple([softened[0], one_hot, softened[2]], labels=[0, 1, 2, 4])
    np.testing.assert_allclose(mixed.confusion, dense.confusion, rtol=0, atol=1e-11)


def test_refusals() -> None:
    maps, image = anatomy()
    softened = fastfuse.soften_labels(maps, image)
    with pytest.raises(ValueError, match="labels lacks 0, the background of rater 0"):
        fastfuse.soft_staple(softened, labels=[1, 2, 4])
    with pytest.raises(ValueError, match=r"rater 0 holds 4 at voxel .*not in labels \(0, 1, 2\)"):
        fastfuse.soft_staple(softened, labels=[0, 1, 2])
    with pytest.raises(ValueError, match=r"rater 0 holds 0\.5: a label map holds whole numbers"):
        fastfuse.soften_labels([maps[0] * 0.5], image)
    with pytest.raises(TypeError, match="raters is one SoftLabels"):
        fastfuse.soft_staple(softened[0], labels=[0, 1, 2, 4])
