"""Doubts about headers whose images would fit a grid by whole voxels, although one of them may be wrong."""

from __future__ import annotations

import numpy as np

from .grids import Grid, affine_lost, assumptions, difference, moved_form, shift_of, two_places
from .lattice import Fit

WHOLE = "name the whole volume: grid=FILE (--grid FILE)"


def doubt_of(first: Grid, other: Grid, *, asked: bool, chosen: bool) -> str | None:
    """Return why an image must not be moved onto another's grid; None if it may.

    A header that is wrong looks like a part of the volume, or like another resolution: one whose other form fits, or
    whose forms disagree, and one that looks like none.

    Parameters
    ----------
    first, other : Grid
    asked : bool
        Whether the caller named the grid, or asked for resampling.
    chosen : bool
        Whether the caller said which form of a header counts.
    """
    if moved_form(first, other) or (not chosen and two_places(first, other)):
        return difference(first, other)
    if not affine_lost(first, other):
        return None
    if not (first.known and other.known):
        if first.shape != other.shape:
            return difference(first, other)
        joint = ":" if first.has_no_place or other.has_no_place else ", or"
        return f"{difference(first, other)}{joint} name the grid of both: grid=FILE (--grid FILE)"
    holds = [_holds(*pair) for pair in ((first, other), (other, first)) if pair[0].looks_like_none]
    if any(holds) and (len(holds) == 1 or asked):
        return None
    said = difference(first, other)
    return said if first.shape == other.shape else f"{said}; if its place is right, {WHOLE}, and it is padded"


def moved(first: Grid, other: Grid, fit: Fit) -> str:
    """Say that an image of the same shape lies elsewhere by whole voxels."""
    if fit.turned:
        return difference(first, other)
    voxels = shift_of(first, other)
    return (
        f"{other.name} and {first.name} have the shape {first.shape}, but lie "
        f"{voxels * first.voxel_mm.min():.3g} mm ({voxels:.3g} {'voxel' if f'{voxels:.3g}' == '1' else 'voxels'}) apart: one header is wrong; or, if each is a "
        f"part of one volume, {WHOLE}, and they are padded{assumptions(first, other)}"
    )


def _holds(whole: Grid, part: Grid) -> bool:
    """Tell whether a volume holds another, but for half a voxel."""
    at = (part.corners - whole.affine[:3, 3]) @ np.linalg.inv(whole.affine[:3, :3]).T
    return bool((at > -1.1).all() and (at < np.array(whole.shape) + 0.1).all())
