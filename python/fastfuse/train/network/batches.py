"""Batches of slices, drawn at random and rotated by a few degrees, and predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..targets.slices import Slices
from .precision import computing_in


class Pool:
    """All slices of the training cases, from which batches are drawn."""

    def __init__(self, cases: Sequence[Slices], lesion_share: float, rotation_deg: float) -> None:
        self._cases = cases
        self._share = lesion_share
        self._rotation = rotation_deg
        self._binary = all(slices.binary for slices in cases)
        self._all = [(case, z) for case, slices in enumerate(cases) for z in range(len(slices.target))]
        self._marked = [(case, z) for case, z in self._all if cases[case].lesions[z]] or self._all

    def draw(self, rng: np.random.Generator, size: int, part: slice = slice(None)) -> tuple[Tensor, Tensor]:
        """Return images, shape (size, channels, x, y), and targets, shape (size, 1, x, y), or a part of this batch."""
        from_marked = round(size * self._share)
        places = [self._marked[int(k)] for k in rng.integers(len(self._marked), size=from_marked)]
        places += [self._all[int(k)] for k in rng.integers(len(self._all), size=size - from_marked)]
        angles = np.deg2rad(rng.uniform(-self._rotation, self._rotation, size=size))[part]
        places = places[part]
        images = torch.stack([self._cases[case].images[z] for case, z in places])
        target = torch.stack([self._cases[case].target[z] for case, z in places])[:, None]
        if not self._rotation:
            return images, target
        pixels = np.array([self._cases[case].pixel_mm for case, _ in places])
        turned = rotate(torch.cat([images, target], dim=1), angles, pixels)
        target = turned[:, -1:]
        return turned[:, :-1], (target >= 0.5).to(target) if self._binary else target.clamp(0, 1)


def rotate(slices: Tensor, angles: NDArray[np.float64], pixel_mm: NDArray[np.float64]) -> Tensor:
    """Rotate slices about their centre, with linear interpolation and 0 outside.

    Parameters
    ----------
    slices : Tensor, shape (n, channels, x, y)
    angles : ndarray, shape (n,)
        In radians, from x to y.
    pixel_mm : ndarray, shape (n, 2)
        Edges of a pixel, so that angles are right also for oblong pixels.
    """
    length_x, length_y = (pixel_mm * slices.shape[2:]).T
    cos, sin = np.cos(angles), np.sin(angles)
    zero = np.zeros_like(angles)
    # torch's grid holds each pixel's source position: y before x, in units of half the extent.
    rows = np.array([[cos, -sin * length_x / length_y, zero], [sin * length_y / length_x, cos, zero]])
    theta = torch.from_numpy(rows.transpose(2, 0, 1)).to(slices)
    grid = nn.functional.affine_grid(theta, list(slices.shape), align_corners=False)
    return nn.functional.grid_sample(slices, grid, align_corners=False)


@torch.no_grad()
def predict(
    network: nn.Module,
    images: Tensor,
    device: torch.device,
    batch: int,
    precision: torch.dtype = torch.float32,
) -> Tensor:
    """Return each slice's probabilities, float32 on the CPU, shape (z, x, y)."""
    network.eval()
    parts = []
    for part in torch.split(images, batch):
        moved = part.to(device, memory_format=torch.channels_last)
        with computing_in(device, precision):
            parts.append(network(moved)[:, 0].float().cpu())
    return torch.cat(parts)
