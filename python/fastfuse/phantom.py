"""Synthetic whole-brain multiple-sclerosis case with several simulated raters.

Anatomy is drawn from signed distances (mm, negative inside) in an MNI-like RAS frame:
x to the right, y to the front, z up, origin near the anterior commissure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Volume = NDArray[np.float32]
Spot = tuple[NDArray[np.int64], Volume]
"""Flat voxel indices around one lesion and their distance (mm) inside its contour."""

MODALITIES = ("FLAIR", "T1", "GADO", "DP", "T2")
KINDS = ("periventricular", "juxtacortical", "deep", "infratentorial")
REACH_MM = 6.0
"""How far outside a lesion its distance is kept; beyond any rater's contour error."""
DOUBT = np.float32(0.3)

# Relative brightness of each tissue in the order of MODALITIES.
TISSUE = {
    "scalp": (0.30, 0.62, 0.64, 0.38, 0.34),
    "skull": (0.05, 0.10, 0.10, 0.10, 0.06),
    "csf": (0.09, 0.17, 0.17, 0.66, 1.00),
    "grey": (0.59, 0.50, 0.51, 0.80, 0.62),
    "white": (0.47, 0.80, 0.81, 0.62, 0.40),
    "striatum": (0.57, 0.57, 0.58, 0.73, 0.53),
    "thalamus": (0.53, 0.64, 0.65, 0.70, 0.48),
    "pallidum": (0.45, 0.72, 0.73, 0.60, 0.34),
    "lesion": (0.95, 0.38, 0.40, 1.00, 0.92),
    "vessel": (0.10, 0.15, 1.15, 0.15, 0.08),
}


@dataclass(frozen=True)
class RaterStyle:
    """A rater's persistent habits."""

    name: str  #: what characterises the rater
    bias_mm: float  #: mean displacement of the contours, positive outwards
    smooth_mm: float  #: standard deviation of their smooth displacement
    slice_mm: float  #: standard deviation of their displacement between axial slices
    detect_mm3: float  #: volume of an ordinary lesion that is seen every second time
    false_lesions: int  #: number of look-alikes outlined in every case
    doubt_mm: float  #: mean width of the doubted rim outside the contour


RATERS: tuple[RaterStyle, ...] = (
    RaterStyle("good", 0.1, 0.5, 0.15, 25.0, 1, 0.5),
    RaterStyle("timid", -0.9, 0.4, 0.2, 60.0, 0, 1.0),
    RaterStyle("generous", 1.0, 0.5, 0.25, 25.0, 4, 0.6),
    RaterStyle("misses small lesions", 0.1, 0.5, 0.2, 400.0, 0, 0.6),
    RaterStyle("invents lesions", 0.3, 0.5, 0.3, 30.0, 14, 0.9),
    RaterStyle("sloppy", 0.2, 0.9, 0.8, 90.0, 5, 1.2),
    RaterStyle("careful", -0.2, 0.45, 0.2, 20.0, 2, 0.5),
)


@dataclass(frozen=True)
class Scanner:
    """The look of one centre's images."""

    name: str  #: name of the centre
    noise: float  #: standard deviation of the noise, relative to brightness 1
    bias: float  #: relative standard deviation of the smooth inhomogeneity
    scale: float  #: stored value of brightness 1
    exponent: float  #: power applied to brightness; above 1 raises the contrast
    blur_mm: float  #: standard deviation of the point spread


SCANNERS: tuple[Scanner, ...] = (
    Scanner("Center_01", 0.020, 0.05, 900.0, 1.0, 0.45),
    Scanner("Center_07", 0.035, 0.09, 420.0, 1.2, 0.60),
    Scanner("Center_08", 0.028, 0.07, 2400.0, 0.85, 0.75),
)


@dataclass(frozen=True)
class Case:
    """One patient: images, truth and raters, all on the same (nx, ny, nz) grid.

    Attributes
    ----------
    affine : ndarray of float64, shape (4, 4)
        Voxel index to RAS position in mm.
    images : dict of str to ndarray of int16
        One volume for each of `MODALITIES`.
    brain, lesions : ndarray of uint8
        Masks (0 or 1) of the brain and of the true lesions.
    masks : tuple of ndarray of uint8
        Each rater's lesion mask.
    votes : tuple of ndarray of float32
        As `masks`, and 0.3 on the voxels outside his contour that the rater doubts.
    """

    affine: NDArray[np.float64]
    images: dict[str, NDArray[np.int16]]
    brain: NDArray[np.uint8]
    lesions: NDArray[np.uint8]
    masks: tuple[NDArray[np.uint8], ...]
    votes: tuple[NDArray[np.float32], ...]


@dataclass
class _Head:
    """Anatomy on the grid: positions (3, nx, ny, nz), distances and tissue covers."""

    step: float
    at: Volume
    paint: Volume
    brain: NDArray[np.bool_]
    csf: Volume
    ventricle: Volume
    sites: dict[str, NDArray[np.int64]]


@dataclass(frozen=True)
class _Lesion:
    """A lesion or look-alike: spot, volume (mm^3), contrast (1 = full), conspicuity."""

    spot: Spot
    volume: float
    contrast: float
    conspicuity: float


@dataclass(frozen=True)
class _Disease:
    """What all raters look at; `blurred` shifts the contours of all of them alike."""

    lesions: list[_Lesion]
    lookalikes: list[_Lesion]
    blurred: _Noise


class _Noise:
    """Unit-variance noise of one wavelength (mm), defined at every position in space."""

    SIZE = 64
    PER_WAVE = 9

    def __init__(self, rng: np.random.Generator, wavelength: float) -> None:
        n = self.SIZE
        freq = np.fft.fftfreq(n)
        radius = np.sqrt(
            freq[:, None, None] ** 2 + freq[None, :, None] ** 2 + np.fft.rfftfreq(n)[None, None, :] ** 2
        )
        band = np.exp(-0.5 * ((radius * self.PER_WAVE - 1.0) / 0.25) ** 2)
        white = rng.standard_normal((n, n, n))
        field = np.fft.irfftn(np.fft.rfftn(white) * band, s=(n, n, n), axes=(0, 1, 2))
        self.field = (field / field.std()).astype(np.float32)
        self.step = wavelength / self.PER_WAVE

    def __call__(self, at: Volume) -> Volume:
        """Values at positions (3, ...) in mm."""
        places = at / np.float32(self.step)
        values: Volume = ndimage.map_coordinates(
            self.field, places, order=1, mode="grid-wrap", output=np.float32
        )
        return values


def _cover(distance: Volume, width: float) -> Volume:
    """Fraction of a voxel inside a border blurred over `width` mm."""
    cover: Volume = np.clip(0.5 - distance / np.float32(width), 0.0, 1.0)
    return cover


def _blend(a: Volume, b: Volume, k: float) -> Volume:
    """Distance to the union of two bodies, their seam rounded over `k` mm."""
    h = _cover(a - b, 2.0 * k)
    union: Volume = b + h * (a - b) - np.float32(k) * h * (1.0 - h)
    return union


def _ellipsoid(at: Volume, centre: Sequence[float], radii: Sequence[float]) -> Volume:
    """Approximate distance (mm) to an ellipsoid aligned with the axes."""
    one = np.float32(1)
    q = [(a - np.float32(c)) / np.float32(r) for a, c, r in zip(at, centre, radii, strict=True)]
    k0 = np.sqrt(sum((v * v for v in q), one * 0))
    k1 = np.sqrt(sum(((v / np.float32(r)) ** 2 for v, r in zip(q, radii, strict=True)), one * 1e-6))
    return np.asarray(k0 * (k0 - one) / k1, dtype=np.float32)


def _tube(at: Volume, nodes: Sequence[tuple[float, float, float, float]]) -> Volume:
    """Distance (mm) to a chain of nodes (x, y, z, radius)."""
    best = np.full(at.shape[1:], 1e3, dtype=np.float32)
    for first, last in pairwise(nodes):
        axis = np.subtract(last[:3], first[:3]).astype(np.float32)
        rel = [a - np.float32(c) for a, c in zip(at, first, strict=False)]
        t = sum(r * v for r, v in zip(rel, axis, strict=True)) / np.float32(axis @ axis)
        t = np.clip(t, 0.0, 1.0)
        away = np.sqrt(sum((r - t * v) ** 2 for r, v in zip(rel, axis, strict=True)))
        np.minimum(best, away - first[3] - t * (last[3] - first[3]), out=best)
    return best


def _stroke(paint: Volume, cover: Volume, tissue: str) -> None:
    """Paint a tissue over all channels: the modalities, then CSF and white matter."""
    values = (*TISSUE[tissue], float(tissue == "csf"), float(tissue == "white"))
    for channel, value in zip(paint, values, strict=True):
        channel += cover * (np.float32(value) - channel)


def _grid(shape: tuple[int, int, int], step: float) -> tuple[NDArray[np.float64], Volume]:
    """Affine and the RAS positions (3, nx, ny, nz) in mm of all voxels."""
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = -np.multiply(shape, (90 / 182, 126 / 218, 72 / 182)) * step
    axes = [o + step * np.arange(n) for o, n in zip(affine[:3, 3], shape, strict=True)]
    at = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)
    return affine, at


def _waver(rng: np.random.Generator, at: Volume, wavelength: float, mm: float) -> Volume:
    """Positions shifted by smooth noise of `mm` standard deviation on each axis."""
    return np.stack([a + np.float32(mm) * _Noise(rng, wavelength)(at) for a in at])


def _bodies(at: Volume) -> tuple[Volume, Volume, Volume]:
    """Distances (mm) to cerebrum, cerebellum and brainstem."""
    x, y, z = np.abs(at[0]), at[1], at[2]
    half = np.stack([x, y, z])
    narrowed = x / (1.0 - 0.0010 * np.clip(y + 18.0, 0.0, 90.0))
    deepened = np.where(z > 18.0, z, 18.0 + (z - 18.0) * np.float32(62 / 46))
    egg = np.stack([narrowed, y, deepened])
    cerebrum = _ellipsoid(egg, (0, -18, 18), (67, 85, 62))
    for lobe in ((18, 28, 16), (34, 40, 36)), ((20, -66, 10), (33, 37, 34)):
        cerebrum = _blend(cerebrum, _ellipsoid(half, *lobe), 5.0)
    temporal = [(36.0, 14.0, -26.0, 13.0), (46.0, -12.0, -22.0, 18.0)]
    cerebrum = _blend(cerebrum, _tube(half, [*temporal, (48, -40, -10, 17)]), 5.0)
    cerebellum = _ellipsoid(half, (22, -64, -38), (31, 27, 21))
    cerebellum = _blend(cerebellum, _ellipsoid(half, (0, -60, -28), (12, 20, 22)), 5.0)
    medulla = [(0, -40, -60, 9), (0, -46, -99, 7)]
    stem = _tube(at, [(0, -20, -2, 13), (0, -25, -30, 14), *medulla])
    cistern = np.minimum(_ellipsoid(half, (0, -8, -30), (20, 26, 21)), np.maximum(stem - 3.0, z + 7.0))
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
    top = _waver(rng, top, 30.0, 2.0)
    fold = 0.6 * _Noise(rng, 23.0)(top)
    top[0] = np.abs(top[0])
    fold += 0.8 * _Noise(rng, 23.0)(top)
    field = np.full(depth.shape, 9.0, dtype=np.float32)
    field[shell] = fold
    steep = sum(g * g for g in np.gradient(field, np.float32(step)))
    floor = np.zeros_like(depth)
    floor[shell] = 15.5 + 3.5 * _Noise(rng, 45.0)(top)
    deep = np.maximum(-_ellipsoid(at, (0, -12, 9), (34, 54, 26)), 0.0)
    away = field**2 / (steep + np.float32(0.001)) + deep**2 + seam**2
    distance: Volume = np.sqrt(away + np.maximum(depth - floor, 0.0) ** 2)
    return distance


def _draw(rng: np.random.Generator, at: Volume, step: float) -> _Head:
    """Paint one person's head without lesions."""
    soft = max(1.0, step)
    cerebrum, cerebellum, stem = _bodies(at)
    paint = np.zeros((len(MODALITIES) + 2, *at.shape[1:]), dtype=np.float32)
    hull = _blend(_blend(cerebrum, cerebellum, 14.0), stem, 10.0) - np.float32(2.0)
    for distance, tissue in (hull - 11, "scalp"), (hull - 6, "skull"), (hull, "csf"):
        _stroke(paint, _cover(distance, soft), tissue)
    at = _waver(rng, at, 34.0, 1.5)
    depth, core = _hemisphere_depth(at, cerebrum)
    fold = _folds(rng, at, depth, step)
    width = rng.uniform(0.3, 0.6) + 1.5 * np.exp(depth * np.float32(-0.2))
    _stroke(paint, _cover(-depth, soft), "grey")
    below = np.minimum(depth, fold - width) - np.float32(2.8)
    below = np.maximum(below, np.minimum(core - 1.0, 9.0 - np.abs(at[0])))
    _stroke(paint, _cover(-below, soft), "white")
    _stroke(paint, _cover(-depth, soft) * _cover(fold - width, soft), "csf")
    sinus = np.hypot(at[0], cerebrum - 2.5) - 2.0 + 9.0 * (at[2] < 5.0)
    _stroke(paint, _cover(sinus, soft), "vessel")
    _draw_hindbrain(paint, at, cerebellum, stem, soft)
    ventricle = _draw_core(rng, paint, at, soft)
    brain = np.minimum(np.minimum(cerebrum, cerebellum), np.maximum(stem, -64 - at[2]))
    sites = _sites(paint, at, ventricle, below)
    return _Head(step, at, paint, brain < 1.0, paint[-2].copy(), ventricle, sites)


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
    _stroke(paint, _cover(cerebellum, soft), "grey")
    _stroke(paint, _cover(cerebellum, soft) * _cover(fissure, soft) * 0.8, "csf")
    arbor = cerebellum + 12.0 - 5.0 * np.cos(fan * 10.0)
    arms = _tube(np.stack([np.abs(x), y, z]), [(9, -32, -32, 7), (20, -54, -36, 8)])
    _stroke(paint, _cover(np.minimum(np.minimum(arbor, arms), stem), soft), "white")
    _stroke(paint, _cover(_ellipsoid(at, (0, -43, -33), (7, 4, 11)), soft), "csf")


def _draw_core(rng: np.random.Generator, paint: Volume, at: Volume, soft: float) -> Volume:
    """Paint deep grey nuclei and ventricles; distance (mm) to the latter."""
    half = np.stack([np.abs(at[0]), at[1], at[2]])
    caudate = [(13, 18, 6, 6.0), (14, 8, 14, 5.0), (18, -12, 22, 3.0), (25, -30, 18, 2)]
    nuclei = {
        "striatum": np.minimum(_ellipsoid(half, (26, 1, 1), (5.5, 17, 10)), _tube(half, caudate)),
        "pallidum": _ellipsoid(half, (19.5, -4, -1), (4, 9, 6.5)),
        "thalamus": _ellipsoid(half, (11, -18, 6), (8.5, 15, 8.5)),
    }
    for tissue, distance in nuclei.items():
        _stroke(paint, _cover(distance, soft + 0.6), tissue)
    body = [(13, 33, 3, 2), (9, 24, 9, 5), (8, 6, 16, 5.5), (11, -12, 21, 5)]
    back = [(16, -27, 20, 5.5), (24, -42, 11, 7), (27, -58, 7, 4.5), (25, -76, 4, 2)]
    horn = [(24, -42, 10, 6), (33, -34, -4, 3.5), (35, -16, -15, 2.2), (30, -6, -19, 2)]
    lateral: Volume = np.minimum(_tube(half, [*body, *back]), _tube(half, horn))
    lateral -= np.float32(rng.uniform(-0.8, 1.6))
    lateral = np.maximum(lateral, 0.8 - half[0])
    lateral = np.maximum(lateral, -np.minimum(nuclei["striatum"], nuclei["thalamus"]))
    dirty = np.float32(0.15) * np.exp(np.maximum(lateral, 0.0) * np.float32(-0.3))
    _stroke(paint, dirty, "lesion")
    third = _ellipsoid(half, (0, -14, -1), (2.2, 15, 9))
    cistern = _ellipsoid(half, (0, -37, -1), (8, 4, 7))
    _stroke(paint, _cover(np.minimum(third, cistern), soft), "csf")
    _stroke(paint, _cover(lateral, soft), "csf")
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


def _spot(
    head: _Head,
    centre: NDArray[np.float64],
    axes: NDArray[np.float64],
    radii: Sequence[float],
    wobble: _Noise,
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
    inside = bumps - _ellipsoid(turned, (0, 0, 0), radii) - 4.0 * head.csf[box]
    pieces, count = ndimage.label(inside > 0.0)
    if count > 1:
        largest = 1 + np.argmax(np.bincount(pieces.ravel())[1:])
        inside = np.where((pieces > 0) & (pieces != largest), -3.0, inside)
    keep = head.brain[box] & (inside > -REACH_MM)
    flat = np.ravel_multi_index([m[keep] for m in mesh], shape)
    return flat, inside[keep].astype(np.float32)


def _scatter(
    rng: np.random.Generator, head: _Head, kinds: Sequence[str], volumes: NDArray[np.float64]
) -> list[tuple[Spot, float]]:
    """Spots and volumes (mm^3) of lesions at random sites that keep apart."""
    wobble = _Noise(rng, 9.0)
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


def _disease(rng: np.random.Generator, head: _Head) -> _Disease:
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
        made.append(_Lesion(spot, float(volume), contrast, rng.normal(0.0, 0.8)))
    return _Disease(made[:count], made[count:], _Noise(rng, 18.0))


def _draw_lesions(paint: Volume, lesions: list[_Lesion]) -> None:
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


def _rate(
    rng: np.random.Generator,
    style: RaterStyle,
    head: _Head,
    disease: _Disease,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """One rater's mask and votes."""
    shape = head.brain.shape
    perceived = np.full(head.brain.size, -2 * REACH_MM, dtype=np.float32)
    count = min(style.false_lesions, len(disease.lookalikes))
    picked = rng.choice(len(disease.lookalikes), count, replace=False)
    outlined = [disease.lookalikes[k] for k in picked]
    for lesion in disease.lesions:
        odds = 1.5 * np.log(lesion.volume / style.detect_mm3)
        odds += 4.0 * (lesion.contrast - 0.75) + lesion.conspicuity
        if rng.random() < 1.0 / (1.0 + np.exp(-odds)):
            outlined.append(lesion)
    for lesion in outlined:
        flat, inside = lesion.spot
        perceived[flat] = np.maximum(perceived[flat], inside)
    near = np.flatnonzero(perceived > -REACH_MM)
    at = head.at.reshape(3, -1)[:, near]
    slices = rng.normal(0.0, style.slice_mm, size=(shape[2],))
    shift = np.float32(style.bias_mm) + 0.45 * disease.blurred(at) + style.smooth_mm * _Noise(rng, 16.0)(at)
    inside = perceived[near] + shift + slices[near % shape[2]]
    doubt = style.doubt_mm * (1.0 + _Noise(rng, 12.0)(at))
    votes = np.zeros(head.brain.size, dtype=np.float32)
    votes[near[(inside <= 0.0) & (inside > -doubt)]] = DOUBT
    votes[near[inside > 0.0]] = 1.0
    return (votes == 1.0).astype(np.uint8).reshape(shape), votes.reshape(shape)


def _scan(rng: np.random.Generator, scanner: Scanner, head: _Head) -> dict[str, NDArray[np.int16]]:
    """Images of the painted head as a centre's scanner would store them."""
    shading = np.exp(np.float32(scanner.bias) * _Noise(rng, 170.0)(head.at))
    images = {}
    for name, channel in zip(MODALITIES, head.paint, strict=False):
        signal = np.maximum(channel, 0.0) ** np.float32(scanner.exponent)
        signal = ndimage.gaussian_filter(signal, scanner.blur_mm / head.step) * shading
        for quadrature in range(2):
            grain = rng.standard_normal(signal.shape, dtype=np.float32)
            grain *= np.float32(scanner.noise)
            signal = np.hypot(signal, grain) if quadrature else signal + grain
        images[name] = np.clip(signal * scanner.scale, 0, 32767).astype(np.int16)
    return images


def make_case(
    seed: int,
    *,
    shape: tuple[int, int, int] = (182, 218, 182),
    spacing_mm: float = 1.0,
    scanner: Scanner = SCANNERS[0],
    raters: Sequence[RaterStyle] = RATERS,
) -> Case:
    """Make one patient with images, true lesions and the raters' masks.

    Parameters
    ----------
    seed : int
        Chooses anatomy, lesions, noise and the raters' accidents, not their habits.
    shape : tuple of int
        Number of voxels (nx, ny, nz).
    spacing_mm : float
        Voxel edge in mm; shape times spacing should be about 182 x 218 x 182 mm.
    scanner : Scanner
        Look of the images; has no effect on anatomy, lesions and masks.
    raters : sequence of RaterStyle
        One entry for each rater.

    Returns
    -------
    Case
        The same bits for the same arguments.
    """
    affine, at = _grid(shape, spacing_mm)
    anatomy = np.random.default_rng([seed, 0])
    at *= anatomy.uniform(0.97, 1.04, (3, 1, 1, 1)).astype(np.float32)
    at = _waver(anatomy, at, 100.0, 1.2)
    head = _draw(anatomy, at, spacing_mm)
    disease = _disease(np.random.default_rng([seed, 1]), head)
    _draw_lesions(head.paint, [*disease.lookalikes, *disease.lesions])
    truth = np.zeros(head.brain.size, dtype=np.uint8)
    for lesion in disease.lesions:
        flat, inside = lesion.spot
        truth[flat[inside > 0.0]] = 1
    images = _scan(np.random.default_rng([seed, 2]), scanner, head)
    rated = [
        _rate(np.random.default_rng([seed, 3, k]), style, head, disease) for k, style in enumerate(raters)
    ]
    return Case(
        affine=affine,
        images=images,
        brain=head.brain.astype(np.uint8),
        lesions=truth.reshape(shape),
        masks=tuple(mask for mask, _ in rated),
        votes=tuple(votes for _, votes in rated),
    )
