"""The nearest lesion of a voxel, and none where two are as near: by a distance transform of each lesion alone."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

import fastfuse
from fastfuse.fusion.border.nearest import nearest_lesions

REACH_MM = 6.0
SIDES = [(1.0, 1.0, 1.0), (0.5, 1.0, 1.5), (2.5, 2.5, 1.0), (0.9765625, 0.9765625, 3.0), (0.3, 1.0, 20.0)]


def lesions(seed: int, shape: tuple[int, ...], share: float) -> NDArray[np.int32]:
    marked = np.random.default_rng(seed).random(shape) < share
    return np.asarray(ndimage.label(marked, np.ones((3,) * len(shape)))[0], np.int32)


def one_by_one(number: NDArray[np.int32], sides: tuple[float, ...]) -> tuple[NDArray[Any], NDArray[Any]]:
    away = np.array(
        [ndimage.distance_transform_edt(number != one, sampling=sides) for one in range(1, number.max() + 1)]
    )
    distance = away.min(axis=0)
    alone = np.isclose(away, distance, rtol=0, atol=1e-9).sum(axis=0) == 1
    return distance, np.where(alone, away.argmin(axis=0) + 1, 0)


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize(("shape", "share"), [((14, 12, 10), 0.01), ((9, 20, 1), 0.03), ((16, 11, 7), 0.0)])
def test_nearest(sides: tuple[float, ...], shape: tuple[int, ...], share: float) -> None:
    ties = 0
    for seed in range(3):
        number = lesions(seed, shape, share)
        if not share:
            number[3, 4, 5] = 1  # a lesion alone
        distance, expected = one_by_one(number, sides)
        found, nearest = nearest_lesions(number, sides, REACH_MM)
        near = distance <= REACH_MM
        np.testing.assert_allclose(found, distance, rtol=0, atol=1e-9)
        np.testing.assert_array_equal(nearest[near], expected[near])
        ties += int(np.count_nonzero(expected[near] == 0))
    assert (ties > 0) == (share > 0)


@pytest.mark.parametrize("sides", [(1.0, 1.0, 1.0), (0.48828125, 0.48828125, 3.0)])
def test_sides_that_a_header_rounds_leave_ties_as_they_are(sides: tuple[float, ...]) -> None:
    """Of axes that lie obliquely the sides are known in single precision: two that are alike differ in the last digits."""
    number = lesions(2, (14, 12, 10), 0.01)
    distance, nearest = nearest_lesions(number, sides, REACH_MM)
    assert (nearest == 0).any()
    for noise in ((1e-7, 0, -1e-7), (-2e-7, 1e-7, 0)):
        rounded = tuple(side * (1 + one) for side, one in zip(sides, noise, strict=True))
        _, found = nearest_lesions(number, rounded, REACH_MM)
        near = distance < REACH_MM * (1 - 1e-6)
        np.testing.assert_array_equal(found[near], nearest[near])


def test_two_axes() -> None:
    number = lesions(4, (20, 24), 0.03)
    distance, expected = one_by_one(number, (1.0, 2.0))
    _, nearest = nearest_lesions(number, (1.0, 2.0), REACH_MM)
    np.testing.assert_array_equal(nearest[distance <= REACH_MM], expected[distance <= REACH_MM])


def test_many_pairs_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    number = lesions(1, (14, 12, 10), 0.01)
    _, at_once = nearest_lesions(number, (1.0, 1.0, 1.0), REACH_MM)
    monkeypatch.setattr("fastfuse.fusion.border.nearest.AT_ONCE", 7)
    np.testing.assert_array_equal(nearest_lesions(number, (1.0, 1.0, 1.0), REACH_MM)[1], at_once)


def test_the_way_an_array_lies_does_not_matter() -> None:
    """Any axis may run backwards, as in RAS and LPS, and axes may come in any order."""
    rng = np.random.default_rng(5)
    truth = np.zeros((26, 24, 20), bool)
    for corner in ((4, 4, 4), (4, 11, 4), (11, 4, 10), (18, 12, 4), (18, 12, 11), (11, 18, 14)):
        truth[tuple(slice(start, start + 5) for start in corner)] = True
    image = 100 + 60.0 * truth + 8 * rng.standard_normal(truth.shape)
    masks = [truth & (rng.random(truth.shape) > 0.02 * rater) for rater in range(5)]
    sides = (1.0, 1.5, 1.0)
    plain = fastfuse.border_staple(masks, image, spacing_mm=sides)
    assert plain.anchor_from == "image"
    for order, ways in product(permutations(range(3)), product((1, -1), repeat=3)):
        ways_of = tuple(slice(None, None, way) for way in ways)
        turned = fastfuse.border_staple(
            [mask[ways_of].transpose(order) for mask in masks],
            image[ways_of].transpose(order),
            spacing_mm=[sides[axis] for axis in order],
        )
        back = turned.probability.transpose(np.argsort(order))[ways_of]
        assert turned.anchor == pytest.approx(plain.anchor, rel=0, abs=1e-9)
        np.testing.assert_allclose(back, plain.probability, rtol=0, atol=1e-6)
