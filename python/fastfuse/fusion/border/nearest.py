"""The nearest lesion of each voxel, where one alone is nearest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from ...images.memory import load_scipy
from ...inputs.lattice import HEADERS

DIGITS = 9  # of distances in mm; beyond them the order of axes shows
AT_ONCE = 1 << 20  # pairs of a voxel and an offset that are looked at together

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.integer]
Places = NDArray[np.int64]


def nearest_lesions(
    number: Integers, spacing_mm: Sequence[float], reach_mm: float
) -> tuple[Floats, Integers]:
    """Return how far each voxel is from any lesion, and the number of the nearest one.

    ``number`` is that of each lesion's voxels, 0 elsewhere. The nearest is 0 where two lesions are as near, up to ``reach_mm``:
    which of them a distance transform takes depends on the order and the direction of the axes.
    """
    # not at the start of every fusion
    ndimage = load_scipy("image of border-staple", "scipy.ndimage").ndimage
    distance, at = ndimage.distance_transform_edt(number == 0, sampling=spacing_mm, return_indices=True)
    nearest = number[tuple(at)]
    near = np.flatnonzero((number == 0) & (distance <= reach_mm))
    if len(near) and number.max() > 1:
        tied = _tied(number, near, nearest.ravel()[near], distance.ravel()[near], spacing_mm)
        nearest[np.unravel_index(near[tied], number.shape)] = 0
    return np.round(distance, DIGITS), nearest


def _tied(
    number: Integers, voxel: Places, nearest: Integers, distance: Floats, spacing_mm: Sequence[float]
) -> Flags:
    """Return whether another lesion than the nearest has a voxel at the same distance, of each of these voxels."""
    shells = _Shells(number.shape, spacing_mm, distance.max())
    padded = np.pad(number, [(cells, cells) for cells in shells.reach])
    place = [
        at + cells for at, cells in zip(np.unravel_index(voxel, number.shape), shells.reach, strict=True)
    ]
    there = np.ravel_multi_index(place, padded.shape)
    shell = shells.of(distance)
    order = np.argsort(shell, kind="stable")
    tied = np.zeros(len(voxel), bool)
    for same in np.split(order, np.flatnonzero(np.diff(shell[order])) + 1):
        shifts = shells.offsets(shell[same[0]]) @ (np.array(padded.strides) // padded.itemsize)
        for some in np.array_split(same, 1 + len(same) * len(shifts) // AT_ONCE):
            other = padded.ravel()[there[some, None] + shifts]
            tied[some] = ((other > 0) & (other != nearest[some, None])).any(axis=1)
    return tied


class _Shells:
    """Offsets between voxels, by their length in mm: a shell has those of one length, up to the rounding of sides in headers."""

    def __init__(self, shape: Sequence[int], spacing_mm: Sequence[float], longest: float) -> None:
        longest *= 1 + HEADERS
        sides = [min(int(longest / side), length - 1) for side, length in zip(spacing_mm, shape, strict=True)]
        squares = [
            (np.arange(-cells, cells + 1) * side) ** 2 for cells, side in zip(sides, spacing_mm, strict=True)
        ]
        length = np.sqrt(reduce(np.add.outer, squares))
        within = np.flatnonzero(length <= longest)
        within = within[np.argsort(length.ravel()[within], kind="stable")]
        lengths = length.ravel()[within]
        begins = np.flatnonzero(np.diff(lengths, prepend=-1.0) > HEADERS * lengths)
        self.reach = sides
        self._lengths = lengths[begins]
        self._members = np.split(within, begins[1:])
        self._shape = length.shape

    def of(self, distance: Floats) -> Places:
        """Return the shell of each distance."""
        return np.searchsorted(self._lengths, distance * (1 + HEADERS / 2), side="right") - 1

    def offsets(self, shell: int) -> Places:
        """Return the offsets of a shell, in voxels."""
        return np.stack(np.unravel_index(self._members[shell], self._shape), axis=-1) - self.reach
