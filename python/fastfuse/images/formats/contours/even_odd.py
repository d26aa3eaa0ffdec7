"""Fills polygons by the even-odd rule, in whole numbers, so that each machine marks the same voxels.

A voxel's centre is inside if a line from it to lower coordinates crosses the polygons an odd number of times. A centre on an
edge lies on the upper side of it along the first axis, or along the second where the edge runs along the first. Polygons that
share an edge so share no voxel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNIT = 1024  # steps of a voxel that points are rounded to
MOST = 1 << 19  # voxels from the origin, of a point: products then fit 64 bits

Whole = NDArray[np.int64]


def following(sizes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the point after each point of closed polygons of these sizes, which lie one behind the other."""
    after = np.arange(1, int(sizes.sum()) + 1)
    ends = np.cumsum(sizes)
    after[ends - 1] = ends - sizes
    return after


def rows_of(y: Whole, after: NDArray[np.intp]) -> tuple[Whole, Whole]:
    """Return the first row that the edge at each point crosses, and how many; an edge holds its lower end, not its upper one."""
    other = y[after]
    low, high = np.minimum(y, other), np.maximum(y, other)
    first = -(-low // UNIT)
    return first, -(-high // UNIT) - first


def crossings(x: Whole, y: Whole, after: NDArray[np.intp]) -> tuple[NDArray[np.intp], Whole, Whole]:
    """Return where edges cross the rows of voxels' centres: the edge's point, the first voxel behind it, and the row."""
    first, count = rows_of(y, after)
    point = np.repeat(np.arange(len(y)), count)
    row = first[point] + np.arange(len(point)) - np.repeat(np.cumsum(count) - count, count)
    up = (y <= y[after])[point]
    low, high = np.where(up, point, after[point]), np.where(up, after[point], point)
    across, rise = x[high] - x[low], y[high] - y[low]
    column = -(-(x[low] * rise + (UNIT * row - y[low]) * across) // (UNIT * rise))
    return point, column, row


def inside(column: Whole, row: Whole) -> tuple[tuple[int, int], NDArray[np.bool_]]:
    """Return the first voxel of the box of all crossings of a plane, and which voxels (x, y) of the box are inside."""
    low = int(column.min()), int(row.min())
    width, height = int(column.max()) - low[0] + 1, int(row.max()) - low[1] + 1
    times = np.bincount((row - low[1]) * width + (column - low[0]), minlength=width * height)
    odd = (times & 1).astype(np.uint8).reshape(height, width)
    return low, np.bitwise_xor.accumulate(odd, axis=1)[:, :-1].T.astype(bool)
