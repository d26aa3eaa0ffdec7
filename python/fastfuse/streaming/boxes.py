"""Boxes of voxels: blocks of whole chunks, or slabs along the slowest axis, that cover a volume."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import TypeAlias

Box: TypeAlias = "tuple[slice, ...]"


def boxes_over(shape: Sequence[int], axes: Sequence[int], grain: Sequence[int], most: int) -> list[Box]:
    """Return boxes that cover a volume.

    Parameters
    ----------
    shape : sequence of int
    axes : sequence of int
        From the slowest to the fastest in memory.
    grain : sequence of int
        What is read at once: a chunk, or one plane. Boxes are whole ones of these; one at least.
    most : int
        Voxels of a box, if more than one grain fits.
    """
    lengths = [min(one, extent) for one, extent in zip(grain, shape, strict=True)]
    for axis in reversed(axes):
        room = most // max(prod(lengths), 1)
        if room < 1:
            break
        lengths[axis] = min(lengths[axis] * max(room, 1), shape[axis])
        if lengths[axis] < shape[axis]:
            break
    slices = [
        [
            slice(begin, min(begin + lengths[axis], shape[axis]))
            for begin in range(0, shape[axis], lengths[axis])
        ]
        for axis in axes
    ]
    order = [axes.index(axis) for axis in range(len(shape))]
    return [tuple(one[place] for place in order) for one in product(*slices)]


def shape_of(box: Box) -> tuple[int, ...]:
    """Return the lengths of a box."""
    return tuple(one.stop - one.start for one in box)


def origin_of(box: Box) -> tuple[int, ...]:
    """Return the first voxel of a box."""
    return tuple(one.start for one in box)


def widened(box: Box, by: Sequence[int], shape: Sequence[int]) -> Box:
    """Return a box with so many voxels more on both sides along each axis, as far as there are any."""
    return tuple(
        slice(max(one.start - more, 0), min(one.stop + more, extent))
        for one, more, extent in zip(box, by, shape, strict=True)
    )


def inside(box: Box, wider: Box) -> Box:
    """Return where a box lies in a wider one."""
    return tuple(
        slice(one.start - other.start, one.stop - other.start) for one, other in zip(box, wider, strict=True)
    )


def shown(box: Box) -> str:
    """Return a box as one writes it in Python."""
    return "[" + ", ".join(f"{one.start}:{one.stop}" for one in box) + "]"
