"""One person's head without lesions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .geometry import Noise, Volume, blend, cover_of, ellipsoid, tube, waver
from .tissue import MODALITIES, stroke

KINDS = ("periventricular", "juxtacortical", "deep", "infratentorial")


@dataclass
class Head:
    """Anatomy on the grid: positions (3, nx, ny, nz), distances and tissue covers."""

    step: float
    at: Volume
    paint: Volume
    brain: NDArray[np.bool_]
    csf: Volume
    ventricle: Volume
    sites: dict[str, NDArray[np.int64]]


def draw_head(rng: np.random.Generator, at: Volume, step: float) -> Head:
    """Paint one person's head without lesions."""
    soft = max(1.0, step)
    cerebrum, cerebellum, stem = _bodies(at)
    paint = np.zeros((len(MODALITIES) + 2, *at.shape[1:]), dtype=np.float32)
    hull = blend(blend(cerebrum, cerebellum, 14.0), stem, 10.0) - np.float32(2.0)
    for distance, tissue in (hull - 11, "scalp"), (hull - 6, "skull"), (hull, "csf"):
        stroke(paint, cover_of(distance, soft), tissue)
    at = waver(rng, at, 34.0, 1.5)
    depth, core = _hemisphere_depth(at, cerebrum)
    fold = _folds(rng, at, depth, step)
    width = rng.uniform(0.3, 0.6) + 1.5 * np.exp(depth * np.float32(-0.2))
    stroke(paint, cover_of(-depth, soft), "grey")
    below = np.minimum(depth, fold - width) - np.float32(2.8)
    below = np.maximum(below, np.minimum(core - 1.0, 9.0 - np.abs(at[0])))
    stroke(paint, cover_of(-below, soft), "white")
    stroke(paint, cover_of(-depth, soft) * cover_of(fold - width, soft), "csf")
    sinus = np.hypot(at[0], cerebrum - 2.5) - 2.0 + 9.0 * (at[2] < 5.0)
    stroke(paint, cover_of(sinus, soft), "vessel")
    _draw_hindbrain(paint, at, cerebellum, stem, soft)
    ventricle = _draw_core(rng, paint, at, soft)
    brain = np.minimum(np.minimum(cerebrum, cerebellum), np.maximum(stem, -64 - at[2]))
    sites = _sites(paint, at, ventricle, below)
    return Head(step, at, paint, brain < 1.0, paint[-2].copy(), ventricle, sites)


def _bodies(at: Volume) -> tuple[Volume, Volume, Volume]:
    """Distances (mm) to cerebrum, cerebellum and brainstem."""
    x, y, z = np.abs(at[0]), at[1], at[2]
    half = np.stack([x, y, z])
    narrowed = x / (1.0 - 0.0010 * np.clip(y + 18.0, 0.0, 90.0))
    deepened = np.where(z > 18.0, z, 18.0 + (z - 18.0) * np.float32(62 / 46))
    egg = np.stack([narrowed, y, deepened])
    cerebrum = ellipsoid(egg, (0, -18, 18), (67, 85, 62))
    for lobe in ((18, 28, 16), (34, 40, 36)), ((20, -66, 10), (33, 37, 34)):
        cerebrum = blend(cerebrum, ellipsoid(half, *lobe), 5.0)
    temporal = [(36.0, 14.0, -26.0, 13.0), (46.0, -12.0, -22.0, 18.0)]
    cerebrum = blend(cerebrum, tube(half, [*temporal, (48, -40, -10, 17)]), 5.0)
    cerebellum = ellipsoid(half, (22, -64, -38), (31, 27, 21))
    cerebellum = blend(cerebellum, ellipsoid(half, (0, -60, -28), (12, 20, 22)), 5.0)
    medulla = [(0, -40, -60, 9), (0, -46, -99, 7)]
    stem = tube(at, [(0, -20, -2, 13), (0, -25, -30, 14), *medulla])
    cistern = np.minimum(ellipsoid(half, (0, -8, -30), (20, 26, 21)), np.maximum(stem - 3.0, z + 7.0))
    cerebrum = np.maximum(cerebrum, -np.minimum(cistern, cerebellum - 2.5))
    return cerebrum, cerebellum, stem


def _hemisphere_depth(at: Volume, cerebrum: Volume) -> tuple[Volume, Volume]:
    """Depth (mm) below the surface of a hemisphere, and into the midline structures."""
    x, y, z = at
    tall = np.where(z > -2.0, np.float32(31), np.float32(14))
    core = 31.0 * (1.0 - np.hypot((y + 6.0) / 41.0, (z + 2.0) / tall))
    falx = np.hypot(x, np.maximum(core, 0.0)) - 0.9
    side = np.abs(x)
    rise = z + 4.0 + 0.42 * y
    cleft = np.hypot(0.9 * rise, np.maximum(37.0 - side, 0.0))
    insula = np.hypot(side - 37.0, np.maximum(np.abs(rise) - 11.0, 0.0))
    ends = np.maximum(np.abs(y + 6.0) - 27.0, 0.0)
    sylvian = np.hypot(np.minimum(cleft, insula), ends) - 1.2
    return np.minimum(np.minimum(-cerebrum, falx), sylvian), core


def _folds(rng: np.random.Generator, at: Volume, depth: Volume, step: float) -> Volume:
    """Distance (mm) from the nearest sulcus.

    Sulci are the zero level of noise that hardly changes along the way to the surface,
    so that they enter perpendicular to it.
    """
    smooth = ndimage.gaussian_filter(depth, 2.0 / step)
    slope = np.stack(np.gradient(smooth, np.float32(step)))
    length = np.sqrt((slope**2).sum(axis=0)) + np.float32(1e-3)
    slope /= length
    # Where opposite surfaces are equally far, the direction flips and would tear folds.
    seam = 30.0 * np.clip(0.85 - length, 0.0, 1.0) * (depth > 8.0)
    shell = (depth > -3.0) & (depth < 32.0)
    top = (at - np.float32(0.7) * np.clip(depth, 0.0, 24.0) * slope)[:, shell]
    top = waver(rng, top, 30.0, 2.0)
    fold = 0.6 * Noise(rng, 23.0)(top)
    top[0] = np.abs(top[0])
    fold += 0.8 * Noise(rng, 23.0)(top)
    field = np.full(depth.shape, 9.0, dtype=np.float32)
    field[shell] = fold
    steep = sum(g * g for g in np.gradient(field, np.float32(step)))
    floor = np.zeros_like(depth)
    floor[shell] = 15.5 + 3.5 * Noise(rng, 45.0)(top)
    deep = np.maximum(-ellipsoid(at, (0, -12, 9), (34, 54, 26)), 0.0)
    away = field**2 / (steep + np.float32(0.001)) + deep**2 + seam**2
    distance: Volume = np.sqrt(away + np.maximum(depth - floor, 0.0) ** 2)
    return distance


def _draw_hindbrain(
    paint: Volume,
    at: Volume,
    cerebellum: Volume,
    stem: Volume,
    soft: float,
) -> None:
    """Paint the cerebellum, its folia fanning out from the fourth ventricle."""
    x, y, z = at
    fan = np.arctan2(z + 26.0, -(y + 42.0)) + np.float32(0.014) * np.abs(x)
    reach = np.hypot(y + 42.0, z + 26.0)
    fissure = np.abs(np.sin(fan * 20.0)) * reach * np.float32(1 / 20) - 0.4
    fissure = np.maximum(fissure, -10.0 - cerebellum)
    stroke(paint, cover_of(cerebellum, soft), "grey")
    stroke(paint, cover_of(cerebellum, soft) * cover_of(fissure, soft) * 0.8, "csf")
    arbor = cerebellum + 12.0 - 5.0 * np.cos(fan * 10.0)
    arms = tube(np.stack([np.abs(x), y, z]), [(9, -32, -32, 7), (20, -54, -36, 8)])
    stroke(paint, cover_of(np.minimum(np.minimum(arbor, arms), stem), soft), "white")
    stroke(paint, cover_of(ellipsoid(at, (0, -43, -33), (7, 4, 11)), soft), "csf")


def _draw_core(rng: np.random.Generator, paint: Volume, at: Volume, soft: float) -> Volume:
    """Paint deep grey nuclei and ventricles; distance (mm) to the latter."""
    half = np.stack([np.abs(at[0]), at[1], at[2]])
    caudate = [(13, 18, 6, 6.0), (14, 8, 14, 5.0), (18, -12, 22, 3.0), (25, -30, 18, 2)]
    nuclei = {
        "striatum": np.minimum(ellipsoid(half, (26, 1, 1), (5.5, 17, 10)), tube(half, caudate)),
        "pallidum": ellipsoid(half, (19.5, -4, -1), (4, 9, 6.5)),
        "thalamus": ellipsoid(half, (11, -18, 6), (8.5, 15, 8.5)),
    }
    for tissue, distance in nuclei.items():
        stroke(paint, cover_of(distance, soft + 0.6), tissue)
    body = [(13, 33, 3, 2), (9, 24, 9, 5), (8, 6, 16, 5.5), (11, -12, 21, 5)]
    back = [(16, -27, 20, 5.5), (24, -42, 11, 7), (27, -58, 7, 4.5), (25, -76, 4, 2)]
    horn = [(24, -42, 10, 6), (33, -34, -4, 3.5), (35, -16, -15, 2.2), (30, -6, -19, 2)]
    lateral: Volume = np.minimum(tube(half, [*body, *back]), tube(half, horn))
    lateral -= np.float32(rng.uniform(-0.8, 1.6))
    lateral = np.maximum(lateral, 0.8 - half[0])
    lateral = np.maximum(lateral, -np.minimum(nuclei["striatum"], nuclei["thalamus"]))
    dirty = np.float32(0.15) * np.exp(np.maximum(lateral, 0.0) * np.float32(-0.3))
    stroke(paint, dirty, "lesion")
    third = ellipsoid(half, (0, -14, -1), (2.2, 15, 9))
    cistern = ellipsoid(half, (0, -37, -1), (8, 4, 7))
    stroke(paint, cover_of(np.minimum(third, cistern), soft), "csf")
    stroke(paint, cover_of(lateral, soft), "csf")
    return lateral


def _sites(paint: Volume, at: Volume, ventricle: Volume, below: Volume) -> dict[str, NDArray[np.int64]]:
    """Flat indices of the voxels where each kind of lesion may be centred."""
    white = paint[-1] > 0.8
    above = white & (at[2] > -2.0) & (below > 1.0)
    beside = (np.abs(ventricle - 3.0) < 2.0) & (np.abs(at[0]) > 7.0)
    wheres = (
        above & beside,
        above & (below < 3.5) & (ventricle > 12.0),
        above & (below > 4.0) & (ventricle > 8.0),
        white & (at[1] < -15.0) & (np.abs(at[2] + 39.0) < 21.0),
    )
    return {kind: np.flatnonzero(where) for kind, where in zip(KINDS, wheres, strict=True)}
