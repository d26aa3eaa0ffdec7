"""Axial slices of a case for a network: all modalities, normalised, cut to a frame around the brain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...evaluation.components import bounding_box
from ...images.image import ras_axes

if TYPE_CHECKING:
    from torch import Tensor

Volume = NDArray[np.float32]


@dataclass(frozen=True)
class Slices:
    """A case's axial slices.

    Attributes
    ----------
    images : Tensor of float32, shape (z, channels, x, y)
    target : Tensor of float32, shape (z, x, y)
        The consensus, in [0, 1].
    pixel_mm : tuple of float
        Edges of a pixel in x and y.
    lesions : ndarray of bool, shape (z,)
        Slices with lesions, by one rule for all targets, so that all targets have the same batches.
    binary : bool
        Whether the target is 0 and 1, and must stay so when slices are rotated.
    """

    images: Tensor
    target: Tensor
    pixel_mm: tuple[float, float]
    lesions: NDArray[np.bool_]
    binary: bool = False


@dataclass(frozen=True)
class Frame:
    """A box in a volume in RAS order; it may reach beyond the volume.

    Attributes
    ----------
    axes, reversed_axes : tuple of int
        The volume's axes in the order R, A, S, and the axes of that order to reverse.
    start, stop : tuple of int
        Corners, in voxels of the volume in RAS order.
    """

    axes: tuple[int, ...]
    reversed_axes: tuple[int, ...]
    start: tuple[int, ...]
    stop: tuple[int, ...]

    @staticmethod
    def around(brain: NDArray[Any], affine: NDArray[np.float64]) -> Frame:
        """Return the brain's bounding box; the whole volume if there is no brain."""
        axes, backwards = ras_axes(affine)
        inside = np.flip(brain.transpose(axes) != 0, backwards)
        box = bounding_box(inside if inside.any() else np.ones_like(inside))
        start, stop = zip(*((side.start, side.stop) for side in box), strict=True)
        return Frame(axes, backwards, start, stop)

    def widened(self, size: Sequence[int]) -> Frame:
        """Return a frame of ``size`` in x and y, centred on this one."""
        grown = [wide - extent for wide, extent in zip(size, self.shape, strict=False)]
        start = [low - more // 2 for low, more in zip(self.start, grown, strict=False)]
        stop = [low + wide for low, wide in zip(start, size, strict=True)]
        return replace(self, start=(*start, self.start[2]), stop=(*stop, self.stop[2]))

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents in x, y and z."""
        return tuple(stop - start for start, stop in zip(self.start, self.stop, strict=True))

    def cut(self, volume: NDArray[Any]) -> NDArray[Any]:
        """Return the frame's voxels as slices, shape (z, x, y); 0 beyond the volume."""
        turned = np.flip(volume.transpose(self.axes), self.reversed_axes)
        framed = np.zeros(self.shape, volume.dtype)
        to, source = self._overlap(turned.shape)
        framed[to] = turned[source]
        return framed.transpose(2, 0, 1)

    def paste(self, slices: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
        """Return a volume of ``shape``, in its own order, that holds the slices; 0 elsewhere."""
        volume = np.zeros(shape, slices.dtype)
        turned = np.flip(volume.transpose(self.axes), self.reversed_axes)
        source, to = self._overlap(turned.shape)
        turned[to] = slices.transpose(1, 2, 0)[source]
        return volume

    def _overlap(self, shape: Sequence[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Return the overlap of frame and volume, as slices of the frame and of the volume."""
        low = [max(start, 0) for start in self.start]
        high = [min(stop, extent) for stop, extent in zip(self.stop, shape, strict=True)]
        frame = tuple(slice(a - start, b - start) for a, b, start in zip(low, high, self.start, strict=True))
        return frame, tuple(slice(a, b) for a, b in zip(low, high, strict=True))


def common_size(frames: Sequence[Frame], multiple: int) -> tuple[int, int]:
    """Return the smallest x and y that hold every frame and are multiples of a number."""
    x, y = (max(frame.shape[axis] for frame in frames) for axis in (0, 1))
    return -(-x // multiple) * multiple, -(-y // multiple) * multiple


def normalised(images: Mapping[str, NDArray[Any]], brain: NDArray[Any], frame: Frame) -> Volume:
    """Return slices, shape (z, channels, x, y): mean 0 and variance 1 inside the brain, 0 outside."""
    inside = frame.cut(brain != 0)
    slices = np.zeros((frame.shape[2], len(images), *frame.shape[:2]), np.float32)
    for channel, image in enumerate(images.values()):
        values = frame.cut(image).astype(np.float32)
        held = values[inside].astype(np.float64)
        mean, spread = float(held.mean()), float(held.std())
        slices[:, channel] = np.where(inside, (values - mean) / (spread or 1.0), 0)
    return slices
