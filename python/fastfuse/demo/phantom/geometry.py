"""Bodies as signed distances (mm, negative inside), and smooth noise in space."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Volume = NDArray[np.float32]


class Noise:
    """Unit-variance noise of one wavelength (mm), defined at every position in space."""

    SIZE = 64
    PER_WAVE = 9

    def __init__(self, rng: np.random.Generator, wavelength: float) -> None:
        shape = (self.SIZE,) * 3
        white = rng.standard_normal(shape)
        field = np.fft.irfftn(np.fft.rfftn(white) * _band(self.SIZE, self.PER_WAVE), s=shape, axes=(0, 1, 2))
        self.field: NDArray[np.float32] = (field / field.std()).astype(np.float32)
        self.step: float = wavelength / self.PER_WAVE

    def __call__(self, at: Volume) -> Volume:
        """Return the values at positions (3, ...) in mm."""
        places = at / np.float32(self.step)
        values: Volume = ndimage.map_coordinates(
            self.field, places, order=1, mode="grid-wrap", output=np.float32
        )
        return values


@cache
def _band(n: int, per_wave: int) -> NDArray[np.float64]:
    """Return the weights of a noise's frequencies; they take as long as the transforms, and are the same each time."""
    freq = np.fft.fftfreq(n)
    radius = np.sqrt(
        freq[:, None, None] ** 2 + freq[None, :, None] ** 2 + np.fft.rfftfreq(n)[None, None, :] ** 2
    )
    return np.asarray(np.exp(-0.5 * ((radius * per_wave - 1.0) / 0.25) ** 2))


def cover_of(distance: Volume, width: float) -> Volume:
    """Return the fraction of a voxel inside a border that is blurred over `width` mm."""
    cover: Volume = np.clip(0.5 - distance / np.float32(width), 0.0, 1.0)
    return cover


def blend(a: Volume, b: Volume, k: float) -> Volume:
    """Return the distance to the union of two bodies, with the seam rounded over `k` mm."""
    h = cover_of(a - b, 2.0 * k)
    union: Volume = b + h * (a - b) - np.float32(k) * h * (1.0 - h)
    return union


def ellipsoid(at: Volume, centre: Sequence[float], radii: Sequence[float]) -> Volume:
    """Return the approximate distance (mm) to an ellipsoid aligned with the axes."""
    one = np.float32(1)
    q = [(a - np.float32(c)) / np.float32(r) for a, c, r in zip(at, centre, radii, strict=True)]
    k0 = np.sqrt(sum((v * v for v in q), one * 0))
    k1 = np.sqrt(sum(((v / np.float32(r)) ** 2 for v, r in zip(q, radii, strict=True)), one * 1e-6))
    return np.asarray(k0 * (k0 - one) / k1, dtype=np.float32)


def tube(at: Volume, nodes: Sequence[tuple[float, float, float, float]]) -> Volume:
    """Return the distance (mm) to a chain of nodes (x, y, z, radius)."""
    best = np.full(at.shape[1:], 1e3, dtype=np.float32)
    for first, last in pairwise(nodes):
        axis = np.subtract(last[:3], first[:3]).astype(np.float32)
        rel = [a - np.float32(c) for a, c in zip(at, first, strict=False)]
        t = sum(r * v for r, v in zip(rel, axis, strict=True)) / np.float32(axis @ axis)
        t = np.clip(t, 0.0, 1.0)
        away = np.sqrt(sum((r - t * v) ** 2 for r, v in zip(rel, axis, strict=True)))
        np.minimum(best, away - first[3] - t * (last[3] - first[3]), out=best)
    return best


def waver(rng: np.random.Generator, at: Volume, wavelength: float, mm: float) -> Volume:
    """Return positions shifted by smooth noise of `mm` standard deviation on each axis."""
    return np.stack([a + np.float32(mm) * Noise(rng, wavelength)(at) for a in at])


def grid(shape: tuple[int, int, int], step: float) -> tuple[NDArray[np.float64], Volume]:
    """Return the affine and the RAS positions (3, nx, ny, nz), in mm, of all voxels."""
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = -np.multiply(shape, (90 / 182, 126 / 218, 72 / 182)) * step
    axes = [o + step * np.arange(n) for o, n in zip(affine[:3, 3], shape, strict=True)]
    at = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)
    return affine, at
