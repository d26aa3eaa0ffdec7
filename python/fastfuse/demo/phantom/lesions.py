"""Lesions, and harmless spots that look like them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .geometry import Noise, Volume, ellipsoid
from .head import KINDS, Head
from .tissue import TISSUE

Spot = tuple[NDArray[np.int64], Volume]
"""Flat voxel indices around one lesion and their distance (mm) inside its contour."""


REACH_MM = 6.0
"""How far outside a lesion its distance is kept; beyond any rater's contour error."""


@dataclass(frozen=True)
class Lesion:
    """A lesion or look-alike: spot, volume (mm^3), contrast (1 = full), conspicuity."""

    spot: Spot
    volume: float
    contrast: float
    conspicuity: float


@dataclass(frozen=True)
class Disease:
    """What all raters look at; `blurred` shifts the contours of all of them alike."""

    lesions: list[Lesion]
    lookalikes: list[Lesion]
    blurred: Noise


def make_disease(rng: np.random.Generator, head: Head) -> Disease:
    """Make true lesions, and harmless spots that a rater may take for lesions."""
    count = int(rng.integers(32, 50))
    kinds = rng.choice(KINDS, size=count, p=(0.56, 0.16, 0.2, 0.08))
    volumes = rng.lognormal(0.0, 1.1, size=(count,))
    volumes[kinds != "periventricular"] *= 0.6
    load = rng.uniform(0.0026, 0.0036) * head.brain.size * head.step**3
    volumes = np.clip(volumes * load / volumes.sum(), 45.0, 4000.0)
    order = np.argsort(-volumes)
    fakes = rng.choice(KINDS[:3], size=24)
    sizes = np.concatenate([volumes[order], rng.uniform(40.0, 160.0, fakes.size)])
    spots = _scatter(rng, head, [*kinds[order], *fakes], sizes)
    made = []
    for k, (spot, volume) in enumerate(spots):
        contrast = rng.uniform(0.5, 1.0) if k < count else rng.uniform(0.1, 0.3)
        made.append(Lesion(spot, float(volume), contrast, rng.normal(0.0, 0.8)))
    return Disease(made[:count], made[count:], Noise(rng, 18.0))


def _scatter(
    rng: np.random.Generator, head: Head, kinds: Sequence[str], volumes: NDArray[np.float64]
) -> list[tuple[Spot, float]]:
    """Spots and volumes (mm^3) of lesions at random sites that keep apart."""
    wobble = Noise(rng, 9.0)
    slope = np.array(np.gradient(head.ventricle))
    placed: list[tuple[NDArray[np.float64], float]] = []
    found = []
    for kind, volume in zip(kinds, volumes, strict=True):
        long = rng.uniform(1.5, 2.3) if kind == "periventricular" else 1.2
        radius = (volume / long / 4.19) ** (1 / 3)
        for _ in range(40):
            site = int(rng.choice(head.sites[kind]))
            voxel = np.array(np.unravel_index(site, head.brain.shape))
            out = slope[(slice(None), *voxel)]
            out = out / np.linalg.norm(out)
            lift = 0.0
            if kind == "periventricular":
                lift = max(0.7 * long * radius - float(head.ventricle.flat[site]), 0.0)
            centre = voxel + out * lift / head.step
            if all(np.linalg.norm(centre - c) * head.step > 0.9 * (radius + r) for c, r in placed):
                break
        placed.append((centre, radius))
        if kind != "periventricular":
            out = rng.normal(size=3)
        axes = np.linalg.qr(np.column_stack([out, rng.normal(size=(3, 2))]))[0].T
        radii = (radius * long, radius, radius)
        found.append((_spot(head, centre, axes, radii, wobble), volume))
    return found


def _spot(
    head: Head,
    centre: NDArray[np.float64],
    axes: NDArray[np.float64],
    radii: Sequence[float],
    wobble: Noise,
) -> Spot:
    """Distances inside a bumpy ellipsoid, less where there is CSF.

    `centre` is in voxels, the rows of `axes` are unit vectors, `radii` are in mm.
    """
    shape = head.brain.shape
    half = (max(radii) + REACH_MM) / head.step
    low = np.maximum(np.floor(centre - half), 0).astype(int)
    high = np.minimum(np.ceil(centre + half) + 1, shape).astype(int)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    mesh = np.meshgrid(*(np.arange(b.start, b.stop) for b in box), indexing="ij")
    away = (np.stack(mesh) - centre[:, None, None, None]) * head.step
    turned = np.tensordot(axes, away, axes=1).astype(np.float32)
    bumps = 0.18 * min(radii) * wobble(head.at[(slice(None), *box)])
    inside = bumps - ellipsoid(turned, (0, 0, 0), radii) - 4.0 * head.csf[box]
    pieces, count = ndimage.label(inside > 0.0)
    if count > 1:
        largest = 1 + np.argmax(np.bincount(pieces.ravel())[1:])
        inside = np.where((pieces > 0) & (pieces != largest), -3.0, inside)
    keep = head.brain[box] & (inside > -REACH_MM)
    flat = np.ravel_multi_index([m[keep] for m in mesh], shape)
    return flat, inside[keep].astype(np.float32)


def draw_lesions(paint: Volume, lesions: list[Lesion]) -> None:
    """Paint fuzzy lesions; the starkest take up contrast agent, if large in a ring."""
    channels = paint.reshape(len(paint), -1)
    for lesion in lesions:
        flat, inside = lesion.spot
        cover = np.clip(0.5 + inside * np.float32(0.32), 0.0, 1.0)
        cover *= cover * (3.0 - 2.0 * cover) * np.float32(lesion.contrast)
        for channel, value in zip(channels, TISSUE["lesion"], strict=False):
            channel[flat] += cover * (np.float32(value) - channel[flat])
        if lesion.contrast > 0.93:
            edge = min(1.5, float(inside.max(initial=0.0)) / 2)
            ring = np.clip(1.3 - np.abs(inside - edge) * np.float32(0.8), 0.0, 1.0)
            channels[2, flat] += ring * (np.float32(1.2) - channels[2, flat])
