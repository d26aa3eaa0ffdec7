"""Masks whose header runs the other way along some axes.

In the archive of 2016 two raters' masks of one case are so: they cover FLAIR's voxels, in another order.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import GridError
from ...inputs.grids import NEAR, Grid, check_same_grid

STRAIGHT = 0.1  # how far a step may be from one voxel along one axis, in voxels


def fit(first: Grid, other: Grid, *, fix_flips: bool) -> tuple[tuple[int, ...], str | None]:
    """Compare a mask's grid with an image's; return the axes to flip and a remark on what is doubtful.

    Parameters
    ----------
    first, other : Grid
        The image's and the mask's.
    fix_flips : bool
        Return the axes along which the mask runs the other way, rather than refuse it.

    Raises
    ------
    GridError
        If the grids differ in any other way, or in this one and it is not to be mended.
    """
    axes = reversed_axes(first, other)
    if not axes:
        return (), check_same_grid(first, other)
    which = f"{'axis' if len(axes) == 1 else 'axes'} {' and '.join(map(str, axes))}"
    apart_mm = float(np.linalg.norm(mirrored(other, axes).corners - first.corners, axis=1).max())
    if apart_mm > NEAR * first.voxel_mm.min():
        raise GridError(
            f"{other.name} runs the other way than {first.name} along {which}, and once flipped still lies "
            f"{apart_mm:.3g} mm apart: one header is wrong; look at both in a viewer, and correct it"
        )
    if not fix_flips:
        raise GridError(
            f"{other.name} is flipped along {which} of {first.name}: pass --fix-flips (fix_flips=True) to flip it "
            "back"
        )
    return axes, f"{other.name} was flipped back along {which}"


def reversed_axes(first: Grid, other: Grid) -> tuple[int, ...]:
    """Return the axes along which the directions are opposite; none if the grids differ in more than these."""
    step = np.linalg.inv(first.affine[:3, :3]) @ other.affine[:3, :3]
    signs = np.where(np.diag(step) < 0, -1.0, 1.0)
    if first.shape != other.shape or np.abs(step - np.diag(signs)).max() > STRAIGHT:
        return ()
    return tuple(int(axis) for axis in np.flatnonzero(signs < 0))


def mirrored(grid: Grid, axes: tuple[int, ...]) -> Grid:
    """Return where the voxels lie once the array is flipped along some axes."""
    turn = np.eye(4)
    for axis in axes:
        turn[axis, axis] = -1.0
        turn[axis, 3] = grid.shape[axis] - 1
    return replace(grid, affine=grid.affine @ turn)
