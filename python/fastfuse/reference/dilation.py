"""Conditional dilation in plain NumPy and SciPy: the other half of :mod:`fastfuse.reference`.

Grow a mask into the brightest of the voxels that a dilation adds. Nothing here is shared with the compiled code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass
class ReferenceSoftMask:
    """What the reference finds; see :class:`fastfuse.SoftMask` for the fields."""

    values: Array
    threshold: list[float]  # of each lesion, or of all together
    image_threshold: list[float]
    size: float


def conditional_dilation(
    mask: ArrayLike,
    image: ArrayLike,
    *,
    size: float = 1.2,
    label: float = 0.3,
    iterations: int = 6,
    threshold: str | float = "adaptive",
    scope: str = "volume",
    connected: bool = False,
    radius_mm: float | None = None,
    spacing_mm: tuple[float, float, float] = (1, 1, 1),
    normalize: bool = True,
    roi: ArrayLike | None = None,
) -> ReferenceSoftMask:
    """Grow a mask (x, y, z) into bright voxels; options as in :func:`fastfuse.conditional_dilation`."""
    marked = np.asarray(mask) > 0
    intensity = np.asarray(image, dtype=np.float64)
    inside = np.ones(marked.shape, bool) if roi is None else np.asarray(roi) > 0
    low, high = 0.0, 1.0
    if normalize and threshold == "adaptive":
        low, high = np.percentile(intensity[inside & np.isfinite(intensity)], [0.1, 99.9])
        intensity = (
            np.clip((intensity - low) / (high - low), 0, 1) if high > low else np.zeros_like(intensity)
        )
    owner, candidates = candidates_of(marked, iterations, radius_mm, spacing_mm, pooled=scope == "volume")
    soft = marked.astype(np.float64)
    cuts = []
    for lesion in range(1, owner.max(initial=0) + 1):
        own, near = marked & (owner == lesion), candidates & (owner == lesion) & inside
        cut, ring = find_ring(own, near, intensity, size, threshold, connected)
        soft[ring] = label
        cuts.append(cut)
    reached = np.count_nonzero(soft) / marked.sum() if marked.any() else np.nan
    return ReferenceSoftMask(soft, cuts, [low + cut * (high - low) for cut in cuts], reached)


def candidates_of(
    marked: Mask, iterations: int, radius_mm: float | None, spacing_mm: tuple[float, ...], *, pooled: bool
) -> tuple[NDArray[np.int64], Mask]:
    """Lesion numbers (x, y, z) of the mask and of the voxels that a dilation adds, and where those are."""
    from scipy import ndimage

    if pooled:
        lesion = marked.astype(np.int64)
    else:
        lesion = ndimage.label(marked, np.ones((3, 3, 3)))[0].astype(np.int64)
    nearest = np.full(marked.shape, np.inf)
    owner = lesion.copy()
    for number in range(1, lesion.max(initial=0) + 1):  # of two as near the lower number stays
        if radius_mm is None:
            away = ndimage.distance_transform_cdt(lesion != number, "taxicab").astype(np.float64)
            away[away > iterations] = np.inf
        else:
            away = np.array([squared_mm(p, lesion == number, spacing_mm) for p in np.ndindex(marked.shape)])
            away[away > (radius_mm * (1 + 1e-6)) ** 2] = np.inf
            away = away.reshape(marked.shape)
        nearer = ~marked & (away < nearest * (1 - 1e-9))  # not by rounding alone
        owner[nearer], nearest[nearer] = number, away[nearer]
    return owner, ~marked & np.isfinite(nearest)


def squared_mm(place: tuple[int, ...], lesion: Mask, spacing_mm: tuple[float, ...]) -> float:
    """Squared distance in mm from a voxel to a lesion; the smallest terms are added first."""
    terms = np.sort(((np.argwhere(lesion) - place) * np.array(spacing_mm, dtype=np.float64)) ** 2, axis=1)
    return float((terms[:, 0] + terms[:, 1] + terms[:, 2]).min())


def find_ring(
    own: Mask, candidates: Mask, intensity: Array, size: float, threshold: str | float, connected: bool
) -> tuple[float, Mask]:
    """Return the cut that was used and the ring."""
    if threshold == "exact":
        return ranked_ring(own, candidates, intensity, size, connected)
    if not isinstance(threshold, str):
        return threshold, ring_above(threshold, own, candidates, intensity, connected)
    cut = 0.99
    for _ in range(100):
        ring = ring_above(cut, own, candidates, intensity, connected)
        if (own.sum() + ring.sum()) / own.sum() >= size:
            return cut, ring
        last, cut = cut, cut - 0.01
    return last, ring


def ring_above(cut: float, own: Mask, candidates: Mask, intensity: Array, connected: bool) -> Mask:
    """Candidates above the cut; if connected, those whose 6-connected component touches the mask."""
    from scipy import ndimage

    ring = candidates & (intensity > cut)
    if not connected:
        return ring
    return np.asarray(ndimage.binary_propagation(own, mask=own | ring) & ring)


def ranked_ring(
    own: Mask, candidates: Mask, intensity: Array, size: float, connected: bool
) -> tuple[float, Mask]:
    """Take the brightest candidates one by one, of equals the first; if connected, as they touch what is there."""
    from scipy import ndimage

    wanted = np.ceil(np.round((size - 1) * own.sum(), 9))
    ring = np.zeros(own.shape, bool)
    while ring.sum() < wanted:
        open_to_all = candidates & ~ring
        if connected:
            open_to_all &= ndimage.binary_dilation(own | ring)
        if not open_to_all.any():
            break
        at = np.flatnonzero(open_to_all)
        ring.flat[at[np.argmax(intensity.flat[at])]] = True
    return (float(intensity[ring].min()) if ring.any() else np.nan), ring
