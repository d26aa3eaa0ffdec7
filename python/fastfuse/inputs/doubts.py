"""Doubts about headers whose images would fit a grid by whole voxels, although one of them may be wrong."""

from __future__ import annotations

from itertools import product

import numpy as np

from .grids import Grid, affine_lost, assumptions, difference, moved_form, shift_of, two_places
from .lattice import Box, Fit, fit_of
from .nearest import EVEN

WHOLE = "name the whole volume: grid=FILE (--grid FILE)"
NEAREST = "pass resample='nearest' (--resample nearest)"
ITSELF = "nibabel.processing.resample_from_to({what}, rater, order=1, mode='nearest')"
COVERING = ("image", "prior")  # beyond them nothing is known, while a mask and votes are 0 there


def doubt_of(first: Grid, other: Grid, *, asked: bool, chosen: bool, kind: str = "votes") -> str | None:
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
    kind : str
        What the other image is: of an image or a prior, other remedies work than of votes.
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
    remedy = _remedy(first, other, kind) if any(holds) and first.shape != other.shape else ""
    return f"{said}; if its place is right, {remedy}" if remedy else said


def between(first: Grid, other: Grid, kind: str) -> str:
    """Say that an image's voxels lie between those of the grid that it is put on, and what to do that works."""
    if affine_lost(first, other):
        return f"{difference(first, other)}; if its place is right, {_remedy(first, other, kind)}"
    if kind in COVERING and not _lies_within(first, other):
        return difference(first, other, f"; {_covering(first, other, kind)}")
    return difference(first, other, f", or {NEAREST}")


def by_file(name: object) -> str:
    """Return how to name a file's grid."""
    return f"grid='{name}' (--grid {name})"


def _remedy(first: Grid, other: Grid, kind: str) -> str:
    """Return what to do where each place is right, as it was found to work."""
    fit = fit_of(first, other)
    if kind in COVERING and (fit is None or not fit.box.holds(Box.of(first.shape))):
        own = f", or name its own grid: {by_file(other.name)}" if fit is not None else ""
        return f"{_covering(first, other, kind)}{own}"
    if fit is None:
        return f"{NEAREST}, with the grid of all: grid=FILE (--grid FILE)"
    if kind in COVERING:
        return "name the raters' grid: grid=FILE (--grid FILE), and it is cropped"
    return f"{WHOLE}, and it is padded"


def _covering(first: Grid, other: Grid, kind: str) -> str:
    """Say how an image, or a prior, that is neither padded nor covers a grid voxel by voxel comes onto it."""
    if _holds(other, first):
        return f"resample the {kind} onto the raters' grid first, as by {ITSELF.format(what=kind)}"
    return f"the {kind} covers only a part of {first.name}: give one that covers all"


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


def _lies_within(first: Grid, other: Grid) -> bool:
    """Tell whether each voxel of a grid has a nearest one within another image."""
    step = np.linalg.inv(other.affine) @ first.affine
    at = np.floor(
        (np.array(list(product(*[(0, extent - 1) for extent in first.shape]))) @ step[:3, :3].T)
        + step[:3, 3]
        + 0.5
        + EVEN
    )
    return bool((at >= 0).all() and (at < np.array(other.shape)).all())
