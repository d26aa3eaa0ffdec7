"""SIMPLE and shape-based averaging: known values, and the plain references, voxel by voxel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fastfuse.comparison.shapes import shape_average
from fastfuse.comparison.simple import simple
from fastfuse.reference.others import shape_based_average, simple_consensus


def patterns_of(masks: Any) -> tuple[Any, Any, Any]:
    """Return the distinct patterns of masks, shape (m, n), their voxels, and each voxel's row."""
    found, rows, counts = np.unique(masks.T, axis=0, return_inverse=True, return_counts=True)
    return found.astype(float), counts.astype(float), rows.ravel()


def raters(seed: int, number: int, shape: tuple[int, ...] = (500,)) -> Any:
    """Return masks of raters of whom some are far off."""
    rng = np.random.default_rng(seed)
    truth = rng.random(shape) < 0.3
    return np.stack([truth ^ (rng.random(shape) < rng.choice([0.02, 0.1, 0.45])) for _ in range(number)])


@pytest.mark.parametrize("seed", range(40))
def test_simple_is_the_reference(seed: int) -> None:
    masks = raters(seed, 3 + seed % 8).astype(float)
    least, step = ((0.05, 0.07), (0.3, 0.1), (0.0, 0.0), (0.8, 0.05))[seed % 4]
    patterns, counts, rows = patterns_of(masks)
    found = simple(patterns, counts, least=least, step=step)
    consensus, kept = simple_consensus(masks, least, step)
    np.testing.assert_array_equal(found.share[rows] >= 0.5, consensus)
    np.testing.assert_array_equal(found.kept, kept)


def test_simple_by_hand() -> None:
    """Three alike, one who marks elsewhere: majority is the three's, their Dice 1, the other's 0, who is discarded."""
    masks = np.zeros((4, 10))
    masks[:3, :4] = 1
    masks[3, 6:] = 1
    patterns, counts, rows = patterns_of(masks)
    found = simple(patterns, counts)
    assert found.dice.tolist() == [1, 1, 1, 0]
    assert found.kept.tolist() == [True, True, True, False]
    np.testing.assert_array_equal(found.share[rows], masks[0])
    assert found.rounds == 1


def test_simple_weighs_by_dice() -> None:
    """Two rounds, by hand: the weight is the Dice with the consensus, and an even share is marked."""
    masks = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]], float)
    patterns, counts, rows = patterns_of(masks)
    found = simple(patterns, counts)
    weights = np.array([1, 2 / 3, 4 / 5])  # the majority marks two voxels
    np.testing.assert_allclose(found.dice, weights)
    np.testing.assert_allclose(found.share[rows], weights @ masks / weights.sum())


@pytest.mark.parametrize("mark", [0.0, 1.0])
def test_simple_of_nothing_and_of_everything(mark: float) -> None:
    found = simple(np.full((1, 3), mark), np.array([7.0]))
    assert found.share.tolist() == [mark]
    assert found.kept.all()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("shape", "sides"), [((7, 6, 5), (1, 1.5, 3)), ((11, 12), (1, 1)), ((23,), (0.5,))])
def test_shapes_are_the_reference(seed: int, shape: tuple[int, ...], sides: tuple[float, ...]) -> None:
    """Masks at the volume's edge, full and empty ones included."""
    rng = np.random.default_rng(seed)
    at = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    masks = [
        np.sqrt((((at - rng.uniform(0, shape)) * sides) ** 2).sum(axis=-1)) < rng.uniform(1, 6)
        for _ in range(2 + seed % 4)
    ]
    masks += [np.zeros(shape, bool), np.ones(shape, bool)][: seed % 3]
    np.testing.assert_array_equal(
        shape_average(masks, sides), shape_based_average(np.stack(masks), np.array(sides))
    )


@pytest.mark.parametrize("sides", [(0.3, 0.3, 0.9), (0.8, 0.8, 2.4), (0.1, 0.1, 0.3)])
def test_shapes_of_sides_in_single_precision(sides: tuple[float, ...]) -> None:
    """Where two distances cancel, as 3 steps of 0.3 mm and one of 0.9 mm do, no rounding of a header decides."""
    rng = np.random.default_rng(0)
    masks = [gaussian_filter(rng.random((16, 16, 12)), 1.5) > 0.5 for _ in range(2)]
    whole = np.divide(sides, sides[0]).round()
    for given in (sides, np.float32(sides).tolist()):
        np.testing.assert_array_equal(shape_average(masks, given), shape_average(masks, whole))


def test_shapes_by_hand() -> None:
    """Lengths 2 and 6 from one end: their mean border lies at 4; a rater with nothing has no say."""
    masks = [np.arange(12) < length for length in (2, 6)]
    np.testing.assert_array_equal(shape_average(masks, [1.0]), np.arange(12) < 4)
    np.testing.assert_array_equal(shape_average([*masks, np.zeros(12, bool)], [1.0]), np.arange(12) < 4)
    assert not shape_average([np.zeros(5, bool)] * 2, [1.0]).any()
    for marks in ([0, 1, 1], [0, 0, 1], [1, 0], [1, 1]):
        full = [np.full(5, mark, bool) for mark in marks]
        wanted = shape_based_average(np.stack(full), np.ones(1))
        np.testing.assert_array_equal(shape_average(full, [1.0]), wanted)
        assert wanted.all() == (2 * sum(marks) >= len(marks))
