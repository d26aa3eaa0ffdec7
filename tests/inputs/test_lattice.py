"""Grids on one lattice, against brute force over all voxels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastfuse.inputs.grids import Grid, check_same_grid
from fastfuse.inputs.lattice import Box, Turn, fit_of
from fastfuse.inputs.mirrors import Marked, misfit_of, turns_of
from fastfuse.inputs.nearest import resampled

SHAPE = (4, 5, 6)


def random_affine(rng: np.random.Generator) -> np.ndarray:
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = turn * rng.uniform(0.5, 3, 3)
    affine[:3, 3] = rng.uniform(-100, 100, 3)
    return affine


ORDERS = list(itertools.product(itertools.permutations(range(3)), itertools.product([1, -1], repeat=3)))


@pytest.mark.parametrize("at", range(len(ORDERS)))
def test_every_order_and_direction(at: int) -> None:
    """Each voxel of the turned array lies where the same voxel of the lattice lies."""
    rng = np.random.default_rng(at)
    order, signs = ORDERS[at]
    step, offset = np.eye(4), rng.integers(-9, 9, 3)
    step[:3, :3] = np.eye(3)[:, order] * signs
    step[:3, 3] = offset
    affine = random_affine(rng)
    data = rng.integers(0, 99, SHAPE)
    fit = fit_of(Grid("a", (3, 3, 3), affine), Grid("b", SHAPE, affine @ step))
    assert fit is not None
    assert fit.shift < 1e-9
    along = fit.along(data)
    assert along.shape == fit.box.shape
    for place in np.ndindex(SHAPE):
        on_lattice = np.rint(step @ [*place, 1])[:3].astype(int) - fit.box.low
        assert along[tuple(on_lattice)] == data[place]


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        (lambda step: step, True),
        (lambda step: step + 0.04 * np.eye(4)[:, 3:] @ [[0, 0, 0, 0]], True),
        (lambda step: np.diag([1.0005, 1, 1, 1]) @ step, True),
        (lambda step: np.diag([1.2, 1, 1, 1]) @ step, False),
        (lambda step: np.diag([2, 1, 1, 1]) @ step, False),
        (lambda step: step @ np.array([[1, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), False),
        (lambda step: step + np.array([[0, 0, 0, 0.09], [0] * 4, [0] * 4, [0] * 4]), True),
        (lambda step: step + np.array([[0, 0, 0, 0.2], [0] * 4, [0] * 4, [0] * 4]), False),
    ],
)
def test_a_tenth_of_a_voxel(change: object, fits: bool) -> None:
    lattice = Grid("a", SHAPE, np.eye(4))
    step = np.eye(4)
    step[:3, 3] = 2, -1, 3
    assert (fit_of(lattice, Grid("b", SHAPE, change(step))) is not None) == fits  # type: ignore[operator]


def test_boxes() -> None:
    one, other = Box((0, 0, 0), (4, 4, 4)), Box((2, -1, 3), (5, 2, 9))
    both = one.with_box(other)
    assert (both.low, both.shape) == ((0, -1, 0), (7, 5, 12))
    assert both.holds(one)
    assert both.holds(other)
    assert not one.holds(other)
    assert one.common(other) == Box((2, 0, 3), (2, 1, 1))
    assert one.common(Box((4, 0, 0), (1, 1, 1))) is None
    np.testing.assert_allclose(other.affine(np.diag([2.0, 3, 4, 1]))[:3, 3], [4, -3, 12])


def test_corners_are_compared_as_before() -> None:
    first = Grid("a", SHAPE, np.eye(4))
    moved = np.eye(4)
    moved[0, 3] = 0.05
    assert check_same_grid(first, first) is None
    remark = check_same_grid(first, Grid("b", SHAPE, moved))
    assert remark is not None
    assert "0.05 voxels" in remark


@pytest.mark.parametrize("seed", range(6))
def test_nearest_is_the_voxel_whose_centre_is_nearest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = rng.integers(1, 99, SHAPE)
    affine, other = random_affine(rng), random_affine(rng)
    other[:3, 3] = affine[:3, :3] @ rng.uniform(0, 4, 3) + affine[:3, 3]
    found, beyond = resampled(data, affine, (5, 4, 3), other)
    step = np.linalg.inv(affine) @ other
    outside = 0
    for place in np.ndindex(5, 4, 3):
        source = np.rint(step @ [*place, 1])[:3].astype(int)
        inside = all(0 <= at < extent for at, extent in zip(source, SHAPE, strict=True))
        outside += not inside
        assert found[place] == (data[tuple(source)] if inside else 0)
    assert beyond == outside


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", [bool, np.uint8, np.int16, np.float32, np.float64, ">i2", np.float16])
@pytest.mark.parametrize("size", [3, 8, 37])
def test_all_marked_voxels_are_found(order: str, kind: object, size: int) -> None:
    rng = np.random.default_rng(size)
    mask = np.asarray(rng.random((size, 5, 3)) < 0.3, dtype=kind, order=order)  # type: ignore[call-overload]
    found = Marked(mask, lambda votes: votes >= 0.5)
    assert found.count == np.count_nonzero(mask)
    assert sorted(map(tuple, found.places.T)) == sorted(map(tuple, np.argwhere(mask)))


def test_large_masks_are_sampled() -> None:
    mask = np.zeros((80, 90, 100), np.uint8, order="F")
    mask[:60, 10:70, 20:90] = 1
    found = Marked(mask, lambda votes: votes >= 0.5)
    assert found.count == pytest.approx(int(mask.sum()), rel=0.15)  # as a step through lines of voxels has it
    assert found.places.shape[1] < 10_000
    assert mask[tuple(found.places)].all()


def test_turns_keep_the_shape() -> None:
    assert len(turns_of((4, 5, 6))) == 8
    assert len(turns_of((5, 5, 6))) == 16
    assert len(turns_of((5, 5, 5))) == 48
    assert len(turns_of((5, 6, 1))) == 4
    assert turns_of((5, 5, 5))[0] == Turn((0, 1, 2), ())
    data = np.random.default_rng(0).random((4, 4, 4))
    for turn in turns_of(data.shape):
        there = turn.places(np.array(np.unravel_index(np.arange(64), data.shape)), data.shape)
        back = np.empty_like(data)
        back[tuple(there)] = data.ravel()
        np.testing.assert_array_equal(back, np.flip(data.transpose(turn.order), turn.reverse))


@pytest.mark.parametrize("seed", range(10))
def test_no_turn_is_invented(seed: int) -> None:
    """Masks at random, and small ones that lie within another's mirror image."""
    rng = np.random.default_rng(seed)
    masks = [np.asarray(rng.random((12, 12, 12)) < share, dtype=np.uint8) for share in (0.02, 0.1, 0.3)]
    small = np.zeros((12, 12, 12), np.uint8)
    small[2:4, 2:4, 2:4] = 1
    large = np.zeros_like(small)
    large[7:, 7:, 7:] = 1
    marked = [Marked(mask, lambda votes: votes > 0) for mask in (*masks, small, large)]
    for at, one in enumerate(marked):
        assert misfit_of(one, [*marked[:at], *marked[at + 1 :]]) is None
