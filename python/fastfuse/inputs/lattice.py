"""How one image's voxels lie on another's lattice: their axes' order and direction, and whole voxels of offset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grids import NEAR, Grid

HEADERS = 1e-6  # relative error of lengths in mm: headers hold voxels' sides in single precision


def box_of(array: NDArray[Any]) -> tuple[slice, ...] | None:
    """Return the smallest box that holds all that is not 0; None if there is nothing."""
    box = [slice(0, length) for length in array.shape]
    for axis in range(array.ndim):
        part = array[tuple(box)]
        others = tuple(a for a in range(array.ndim) if a != axis)
        found = np.flatnonzero(part.any(axis=others))
        if not found.size:
            return None
        box[axis] = slice(int(found[0]), int(found[-1]) + 1)
    return tuple(box)


def around(boxes: Sequence[tuple[slice, ...] | None]) -> tuple[slice, ...] | None:
    """Return the smallest box that holds all others; None around none."""
    there = [box for box in boxes if box is not None]
    if not there:
        return None
    return tuple(
        slice(min(side.start for side in sides), max(side.stop for side in sides))
        for sides in zip(*there, strict=True)
    )


def grown(box: tuple[slice, ...], reaches: Sequence[int], shape: Sequence[int]) -> tuple[slice, ...]:
    """Return the box, larger by so many voxels on all sides, inside the volume."""
    return tuple(
        slice(max(side.start - reach, 0), min(side.stop + reach, length))
        for side, reach, length in zip(box, reaches, shape, strict=True)
    )


@dataclass(frozen=True)
class Box:
    """A box of voxels on a lattice: its first voxel, and its extents."""

    low: tuple[int, ...]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> Box:
        """Return the box of the lattice's own image."""
        return cls((0,) * len(shape), shape)

    @property
    def high(self) -> tuple[int, ...]:
        """The voxel after the last one along each axis."""
        return tuple(at + extent for at, extent in zip(self.low, self.shape, strict=True))

    def with_box(self, other: Box) -> Box:
        """Return the smallest box that holds both."""
        low = tuple(map(min, self.low, other.low))
        shape = tuple(end - at for at, end in zip(low, map(max, self.high, other.high), strict=True))
        return Box(low, shape)

    def holds(self, other: Box) -> bool:
        """Tell whether another box lies within this one."""
        return self.with_box(other) == self

    def common(self, other: Box) -> Box | None:
        """Return the box of the voxels that both have; None if there are none."""
        low = tuple(map(max, self.low, other.low))
        shape = tuple(end - at for at, end in zip(low, map(min, self.high, other.high), strict=True))
        return Box(low, shape) if min(shape) > 0 else None

    def slices_of(self, part: Box) -> tuple[slice, ...]:
        """Return where a part of this box lies in its array."""
        return tuple(
            slice(at - low, at - low + extent)
            for at, low, extent in zip(part.low, self.low, part.shape, strict=True)
        )

    def affine(self, lattice: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the affine of this box's array, from that of the lattice."""
        step = np.eye(4)
        step[:3, 3] = self.low
        return lattice @ step


@dataclass(frozen=True)
class Turn:
    """Axes of a volume in another order, some of which are then reversed.

    Attributes
    ----------
    order : tuple of int
        The volume's axis that becomes each axis.
    reverse : tuple of int
        Axes to reverse after that.
    """

    order: tuple[int, ...] = (0, 1, 2)
    reverse: tuple[int, ...] = ()

    def of(self, volume: NDArray[Any]) -> NDArray[Any]:
        """Return the volume turned; a view."""
        return np.flip(volume.transpose(self.order), self.reverse)

    def places(self, places: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[np.intp]:
        """Return where voxels of a volume of this shape come to lie; places are (3, n)."""
        turned = places[list(self.order)]
        for axis in self.reverse:
            turned[axis] = shape[self.order[axis]] - 1 - turned[axis]
        return turned

    @property
    def exchanged(self) -> list[int]:
        """Axes that another one has become."""
        return [axis for axis, source in enumerate(self.order) if axis != source]


@dataclass(frozen=True)
class Fit:
    """An image's box on a lattice, and how its axes must be turned to lie along those of the lattice.

    Attributes
    ----------
    box : Box
    order : tuple of 3 int
        The image's axes in the order of the lattice's.
    reverse : tuple of int
        Axes to reverse after that.
    shift : float
        How far the corners lie from those of whole voxels, in voxels.
    """

    box: Box
    order: tuple[int, ...]
    reverse: tuple[int, ...]
    shift: float

    @property
    def turned(self) -> bool:
        """Whether axes have another order or direction."""
        return self.order != (0, 1, 2) or bool(self.reverse)

    def along(self, data: NDArray[Any]) -> NDArray[Any]:
        """Return an image's array with its axes as the lattice's; a view."""
        return Turn(self.order, self.reverse).of(data)


def fit_of(lattice: Grid, image: Grid) -> Fit | None:
    """Return how an image lies on the lattice of another; None if its voxels lie between those.

    Voxels may lie up to a tenth of the smallest voxel side apart.
    """
    step = np.linalg.inv(lattice.affine) @ image.affine  # the image's indices to those of the lattice
    signs = np.rint(step[:3, :3])
    if not all((np.abs(signs).sum(axis=axis) == 1).all() for axis in (0, 1)):
        return None
    order = np.argmax(np.abs(signs), axis=1)
    shape = np.array(image.shape)
    middle = (shape - 1) / 2
    low = np.rint(step[:3, :3] @ middle + step[:3, 3] - middle[order])
    whole = np.eye(4)
    whole[:3, :3] = signs
    whole[:3, 3] = low + middle[order] - signs @ middle
    apart = lattice.affine @ whole - image.affine
    ends = np.array(np.meshgrid(*[(-0.5, extent - 0.5) for extent in shape])).reshape(3, -1)
    distance = float(np.linalg.norm(apart[:3, :3] @ ends + apart[:3, 3:], axis=0).max())
    shift = distance / float(lattice.voxel_mm.min())
    if shift > NEAR:
        return None
    box = Box(tuple(map(int, low)), tuple(int(image.shape[axis]) for axis in order))
    reverse = tuple(axis for axis in range(3) if signs[axis, order[axis]] < 0)
    return Fit(box, tuple(map(int, order)), reverse, shift)
