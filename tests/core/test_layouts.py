"""Votes in any layout, type and order of memory give what contiguous ones give, bit for bit."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import fastfuse

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")

Array = NDArray[Any]
Layout = Callable[[Array], Array]
SHAPES = [(40, 37, 70), (5, 6, 7), (67, 300), (1, 90, 41, 2)]


def in_larger(array: Array) -> Array:
    """Return the inside of a larger array."""
    inside = np.zeros([n + 3 for n in array.shape], array.dtype)[tuple(slice(1, n + 1) for n in array.shape)]
    inside[...] = array
    return inside


def stepped(step: int, axis: int) -> Layout:
    """Return a layout that takes every so manieth index of an axis of a larger array."""

    def lay(array: Array) -> Array:
        shape = list(array.shape)
        shape[axis] *= abs(step)
        larger = np.zeros(shape, array.dtype)
        view = np.moveaxis(np.moveaxis(larger, axis, 0)[::step], 0, axis)
        view[...] = array
        return view

    return lay


def in_order(*axes: int) -> Layout:
    """Return a layout whose axes lie in memory in this order, as far as there are so many."""

    def lay(array: Array) -> Array:
        order = [axis for axis in axes if axis < array.ndim] + list(range(len(axes), array.ndim))
        return np.ascontiguousarray(array.transpose(order)).transpose(np.argsort(order))

    return lay


def swapped(array: Array) -> Array:
    return array.astype(array.dtype.newbyteorder())


LAYOUTS: dict[str, Layout] = {
    "cropped": in_larger,
    "flipped": lambda array: np.flip(np.flip(array).copy()),
    "flipped rows": stepped(-1, 0),
    "flipped lines": stepped(-1, -1),
    "every second": stepped(2, -1),
    "every second, backwards": stepped(-2, -1),
    "every third": stepped(3, -1),
    "every second plane": stepped(2, 0),
    "Fortran": np.asfortranarray,
    "Fortran, cropped": lambda array: in_larger(array.T).T,
    "middle axis first": in_order(1, 0, 2),
    "last axis first": in_order(2, 0, 1),
    "middle axis last": in_order(0, 2, 1),
    "bytes swapped": swapped,
    "Fortran, bytes swapped": lambda array: np.asfortranarray(swapped(array)),
}


def masks(shape: tuple[int, ...], m: int = 4) -> list[Array]:
    rng = np.random.default_rng(0)
    truth = rng.random(shape) < 0.2
    return [(truth ^ (rng.random(shape) < 0.1)).astype(np.uint8) for _ in range(m)]


def dense(shape: tuple[int, ...], dtype: Any = np.float32) -> list[Array]:
    rng = np.random.default_rng(1)
    return [np.clip(0.7 * mask + 0.2 * rng.random(shape), 0.01, 0.99).astype(dtype) for mask in masks(shape)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_do_not_matter(layout: str, shape: tuple[int, ...]) -> None:
    lay, raters = LAYOUTS[layout], masks(shape)
    inside = (np.random.default_rng(2).random(shape) < 0.7).astype(np.int16)
    for dtype in (np.uint8, np.int16, np.float32, np.float64):
        votes = [mask.astype(dtype) for mask in raters]
        mixed = [votes[0], *map(lay, votes[1:])]  # the first rater decides on the order of axes
        for options in ({}, {"mask": (inside, lay(inside))}, {"present": ([inside] * 4, [lay(inside)] * 4)}):
            ours, theirs = ({name: pair[k] for name, pair in options.items()} for k in (0, 1))
            assert_array_equal(
                fastfuse.staple(mixed, **theirs).probability, fastfuse.staple(votes, **ours).probability
            )
    soft = dense(shape)
    assert_array_equal(
        fastfuse.soft_staple([soft[0], *map(lay, soft[1:])]).probability,
        fastfuse.soft_staple(soft).probability,
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_swapped_bytes_of_any_length(dtype: Any) -> None:
    """Whole vectors, and the few items after them."""
    for length in (*range(1, 71), 4096 + 17):
        votes = [vote.astype(dtype) for vote in np.random.default_rng(length).random((2, length))]
        found = fastfuse.majority_vote([swapped(vote) for vote in votes], dtype="float64", threads=1)
        assert_array_equal(found.probability, fastfuse.majority_vote(votes, dtype="float64").probability)


def test_every_half_is_read_as_numpy_reads_it() -> None:
    halves = np.arange(0x3C01, dtype=np.uint16).view(np.float16)  # all from 0 to 1
    votes = [halves, halves[::-1], np.full(len(halves), 0.25, np.float16)]
    singles = [vote.astype(np.float32) for vote in votes]
    for found, expected in zip(
        (fastfuse.majority_vote(votes), fastfuse.simplified_soft_staple(votes)),
        (fastfuse.majority_vote(singles), fastfuse.simplified_soft_staple(singles)),
        strict=True,
    ):
        assert_array_equal(found.probability, expected.probability)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, -0.5, 1.5])
def test_halves_that_are_no_votes_are_named(bad: float) -> None:
    votes = [vote.astype(np.float16) for vote in dense((6, 7, 8))]
    votes[1][2, 3, 4] = bad
    with pytest.raises(ValueError, match=r"rater 1.*\(2, 3, 4\)"):
        fastfuse.soft_staple(votes)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float32, np.float64])
def test_labels_of_any_type(dtype: Any) -> None:
    raters = masks((30, 31, 32))
    labels = [(3 * mask + (np.roll(mask, 5) > mask)).astype(dtype) for mask in raters]
    if dtype in (np.float32, np.float64):
        labels = [label * dtype(1 + 1e-6) for label in labels]
    expected = fastfuse.staple(raters)
    found = fastfuse.staple(labels, select_label=3)
    assert_array_equal(found.probability, expected.probability)
    assert_array_equal(found.sensitivity, expected.sensitivity)


@pytest.mark.parametrize("m", [1, 2, 4, 9, 20])  # patterns of one byte, of two, of a word
@pytest.mark.parametrize("masked", [False, True])
def test_masks_and_where_raters_looked(m: int, masked: bool) -> None:
    shape = (31, 33, 35)
    rng = np.random.default_rng(m)
    votes, looked = masks(shape, m), [rng.random(shape) < 0.8 for _ in range(m)]
    looked[0][:2] = False
    mask = rng.random(shape) < 0.6 if masked else None
    present: list[Any] = list(looked)
    if m > 1:
        present[1], looked[1] = None, np.ones(shape, bool)
    found = fastfuse.staple(votes, present=present, mask=mask)
    holes = [np.where(seen, vote, np.nan) for seen, vote in zip(looked, votes, strict=True)]
    expected = fastfuse.staple(holes, missing="nan", mask=mask)
    assert_array_equal(found.probability, expected.probability)
    assert_array_equal(found.volume, expected.volume)
    assert found.n_voxels == expected.n_voxels


def test_disputed_voxels_of_any_type() -> None:
    raters = masks((20, 21, 22))
    expected = fastfuse.staple([mask.astype(np.int64) for mask in raters], roi="disputed")
    for dtype in (bool, np.uint8, np.float16, np.float32, np.float64):
        found = fastfuse.staple([mask.astype(dtype) for mask in raters], roi="disputed")
        assert_array_equal(found.probability, expected.probability)
        assert_array_equal(found.volume, expected.volume)
    tiny = [mask.astype(np.float64) for mask in raters]
    tiny[0][tiny[0] == 0] = 1e-60  # no float holds it: these voxels are disputed
    assert fastfuse.soft_staple(tiny, roi="disputed").n_voxels > expected.n_voxels


@pytest.mark.parametrize("dtype", [bool, np.int16, np.float32])
def test_margins_of_any_type(dtype: Any) -> None:
    raters = [np.zeros((20, 21, 22), np.uint8) for _ in range(3)]
    for i, rater in enumerate(raters):
        rater[4 + 5 * i, 10, 5 * i + 2] = 1  # far from the others: each widens the region
    options: dict[str, Any] = {"roi": 3.0, "spacing_mm": (1, 1, 1)}
    expected = fastfuse.staple(raters, **options)
    found = fastfuse.staple([rater.astype(dtype) for rater in raters], **options)
    assert_array_equal(found.probability, expected.probability)
    assert found.n_voxels == expected.n_voxels == 3 * 123 - 1  # one voxel of the first ball lies outside


@pytest.mark.parametrize("instruction_set", ["avx512", "baseline"])
def test_every_half_from_0_to_1(instruction_set: str) -> None:
    """By the processor's own instruction, and without; the last ones are fewer than it takes at once."""
    code = f"""
        import os
        os.environ["FASTFUSE_INSTRUCTION_SET"] = {instruction_set!r}
        import warnings
        import fastfuse
        import numpy as np
        warnings.simplefilter("ignore", fastfuse.FusionWarning)  # both raters are the same
        halves = np.arange(0x3c01, dtype=np.uint16).view(np.float16)
        found = fastfuse.majority_vote([halves, halves]).probability
        print(np.array_equal(found, halves.astype(np.float32)), len(found) % 8)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout, done.stderr) == ("True 1\n", "")


def beside(layout: str, array: Array) -> Array:
    """Return an array in a layout whose memory beside its items holds no zeros."""
    lines, step = {"cropped": (3, 1), "flipped": (3, -1), "every second": (0, 2), "backwards": (0, -2)}[
        layout
    ]
    shape = (*array.shape[:-1], abs(step) * array.shape[-1] + lines)
    larger = np.full(shape, 7, array.dtype)
    view = larger[..., : shape[-1] - lines][..., ::step]
    view[...] = array
    return view


@pytest.mark.parametrize("layout", ["cropped", "flipped", "every second", "backwards"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("length", [3, 21, 67, 182])
def test_no_mark_of_a_view_is_passed_over(layout: str, dtype: Any, length: int) -> None:
    empty = np.zeros((2, 100, length), dtype)
    for k in [*range(length), 100 * length + 1]:
        vote = empty.copy()
        vote.flat[100 * length // 2 + k] = 1
        votes = [beside(layout, vote), beside(layout, empty), beside(layout, empty)]
        found = fastfuse.majority_vote(votes, threads=1).probability
        assert_array_equal(found, (vote / 3).astype(np.float32))


@pytest.mark.parametrize("hole", [0, 4095, 4096, 12_000, 3 * 4096 - 1, None])
def test_blocks_that_a_rater_saw_whole(hole: int | None) -> None:
    votes = masks((4 * 4096 - 5,))
    looked = [np.ones(votes[0].shape, np.uint8) for _ in votes]
    if hole is not None:
        looked[1][hole] = 0
        looked[2][hole:] = 0
    found = fastfuse.staple(votes, present=looked)
    holes = [np.where(seen, vote, np.nan) for seen, vote in zip(looked, votes, strict=True)]
    expected = fastfuse.staple(holes, missing="nan")
    assert_array_equal(found.probability, expected.probability)
    assert_array_equal(found.volume, expected.volume)
