"""Volumes on another grid: images linearly, masks by partial volume or by the nearest voxel.

Where the axes of both grids are parallel, each axis has a matrix of weights, which are exact: shares of overlapping
voxels, or those of linear interpolation. Otherwise points in each voxel are sampled.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ...evaluation.components import needed_scipy
from ...inputs.grids import SAME, corners
from ...inputs.nearest import EVEN

Affine = NDArray[np.float64]
Weights = NDArray[np.float64]

PARALLEL = 0.01  # voxels that axes may drift apart over the volume
HALF = 0.5 - 1e-6  # share of a voxel that is marked; sums of exact halves may round below
FINE = 4  # points along a voxel's edge, at the least, that tell how much of it is marked


@dataclass(frozen=True)
class Move:
    """How a grid's voxels lie in those of another, whose volumes are moved to it.

    Attributes
    ----------
    step : ndarray of float64, shape (4, 4)
        Indices on the grid to indices on the source.
    source, shape : tuple of int
        Voxels of the source, and of the grid.
    """

    step: Affine
    source: tuple[int, ...]
    shape: tuple[int, ...]

    @staticmethod
    def between(source: tuple[int, ...], affine: Affine, shape: tuple[int, ...], to_affine: Affine) -> Move:
        """Return how volumes of one shape and affine move to another."""
        return Move(np.linalg.inv(affine) @ to_affine, source, shape)

    def image(self, data: NDArray[Any]) -> NDArray[np.float32]:
        """Return an image: linear along axes that get finer, the mean over a voxel along the others; 0 beyond."""
        if self._order is not None:
            return self._weighted(data, smooth).astype(np.float32)
        counts = [max(int(np.ceil(length - SAME)), 1) for length in self._lengths]
        inside = self._sampled(np.ones(self.source, np.uint8), counts, "grid-constant", order=0)
        held = self._sampled(data, counts, "nearest", order=1, within=True)
        return np.divide(held, inside, out=np.zeros_like(held), where=inside > 0)

    def mask(self, data: NDArray[Any], how: str = "partial") -> NDArray[np.uint8]:
        """Return a mask: what is marked by at least half ("partial"), or whose "nearest" voxel is."""
        marked = (data != 0).astype(np.float32)
        if self._order is not None:
            shares = self._weighted(marked, overlap if how == "partial" else nearest)
            return (shares >= HALF).astype(np.uint8)
        even = [2 * int(np.ceil(length / 2)) for length in self._lengths]  # no point between two voxels
        counts = [max(FINE, count) if how == "partial" else 1 for count in even]
        return (self._sampled(marked, counts, "grid-constant", order=0) >= HALF).astype(np.uint8)

    def share_inside(self, marked: NDArray[Any]) -> float:
        """Return the share of a mask's voxels whose centres lie on the grid; 1 if nothing is marked."""
        places = np.argwhere(marked)
        if not len(places):
            return 1.0
        back = np.linalg.inv(self.step)
        at = places @ back[:3, :3].T + back[:3, 3]
        return float(((at > -0.5 - SAME) & (at < np.array(self.shape) - 0.5 + SAME)).all(axis=1).mean())

    @property
    def _lengths(self) -> list[float]:
        """How many of the source's voxels an edge of the grid's voxels passes."""
        return [float(length) for length in np.linalg.norm(self.step[:3, :3], axis=0)]

    @property
    def _order(self) -> tuple[int, ...] | None:
        """The source's axis along each axis of the grid; None if the axes are not parallel."""
        turn = self.step[:3, :3]
        order = tuple(int(axis) for axis in np.abs(turn).argmax(axis=0))
        if sorted(order) != [0, 1, 2]:
            return None
        straight = np.zeros_like(self.step)
        straight[3, 3] = 1
        straight[:3, 3] = self.step[:3, 3]
        for axis, source in enumerate(order):
            straight[source, axis] = turn[source, axis]
        apart = np.abs(corners(self.shape, straight) - corners(self.shape, self.step)).max()
        return order if apart <= PARALLEL else None

    def _weighted(
        self, data: NDArray[Any], weights_of: Callable[[float, float, int, int], Weights]
    ) -> NDArray[np.float64]:
        """Return a volume by one matrix of weights for each axis, the one that makes it smallest first."""
        csr_array = needed_scipy().sparse.csr_array
        order = self._order
        assert order is not None
        held = data.transpose(order).astype(np.float64)
        for axis in np.argsort(self._lengths)[::-1].tolist():
            source = order[axis]
            scale, start = float(self.step[source, axis]), float(self.step[source, 3])
            weights = csr_array(weights_of(scale, start, self.shape[axis], self.source[source]))
            first = np.moveaxis(held, axis, 0)
            moved = weights @ first.reshape(len(first), -1)
            held = np.moveaxis(moved.reshape(-1, *first.shape[1:]), 0, axis)
        return held

    def _sampled(
        self, data: NDArray[Any], counts: Sequence[int], mode: str, *, order: int, within: bool = False
    ) -> NDArray[np.float32]:
        """Return the mean over points in each voxel; ``within``: those beyond the source count as 0."""
        ndimage = needed_scipy().ndimage
        total = np.zeros(self.shape, np.float32)
        marks = np.ones(self.source, np.uint8)

        def at_points(
            of: NDArray[Any], offset: NDArray[np.float64], mode: str, order: int, kind: DTypeLike
        ) -> Any:
            start = self.step[:3, :3] @ offset + self.step[:3, 3]
            return ndimage.affine_transform(
                of, self.step[:3, :3], start, self.shape, kind, order, mode, prefilter=False
            )

        points = [(np.arange(count) + 0.5) / count - 0.5 for count in counts]
        for point in itertools.product(*points):
            offset = np.array(point)
            values = at_points(data, offset, mode, order, np.float32)
            total += values * at_points(marks, offset, "grid-constant", 0, np.uint8) if within else values
        return total / np.float32(np.prod(counts))


def overlap(scale: float, start: float, count: int, source: int) -> Weights:
    """Return the share of each of ``count`` voxels that lies in each of the source's, along one axis.

    Voxel k of the grid lies at ``start + scale * k`` in indices of the source.
    """
    centres = start + scale * np.arange(count) + 0.5
    low, high = (_whole(centres + side * abs(scale))[:, None] for side in (-0.5, 0.5))
    edges = np.arange(source)
    shared = np.clip(np.minimum(high, edges + 1) - np.maximum(low, edges), 0, None)
    return np.asarray(shared / (high - low))


def smooth(scale: float, start: float, count: int, source: int) -> Weights:
    """Return weights of linear interpolation, or of the mean where voxels get larger; each voxel's sum is 1, or 0."""
    if abs(scale) >= 1 - SAME:
        weights = overlap(scale, start, count, source)
        sums = weights.sum(axis=1, keepdims=True)
        return np.asarray(np.divide(weights, sums, out=np.zeros_like(weights), where=sums > SAME))
    centres = start + scale * np.arange(count)
    within = (centres > -0.5 - SAME) & (centres < source - 0.5 + SAME)
    at = _whole(np.clip(centres, 0, source - 1))
    low = np.minimum(at.astype(int), max(source - 2, 0))
    weights = np.zeros((count, source))
    rows = np.arange(count)
    weights[rows, np.minimum(low + 1, source - 1)] = at - low
    weights[rows, low] += 1 - (at - low)
    return np.asarray(weights * within[:, None])


def nearest(scale: float, start: float, count: int, source: int) -> Weights:
    """Return 1 for the voxel of the source in which each centre lies; what lies between two belongs to the upper."""
    at = np.floor(start + scale * np.arange(count) + 0.5 + EVEN)
    return np.asarray(at[:, None] == np.arange(source), dtype=np.float64)


def _whole(edges: NDArray[Any]) -> NDArray[np.float64]:
    """Return places in voxels, those that a header's rounding keeps from whole numbers as such."""
    near = np.rint(edges)
    return np.asarray(np.where(np.abs(edges - near) <= SAME, near, edges), np.float64)
