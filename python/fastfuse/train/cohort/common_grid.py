"""One grid for all cases, as the paper's authors brought all to one: before fusion, training and scoring."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cohort.msseg import Case
from ...errors import CohortError, ImageError
from ...images.grids.boxes import nothing
from ...images.image import Image, ras_axes
from ...images.paths import shown
from ...images.reading import read
from ...inputs.grids import SAME, shift_of
from ..options import ExperimentOptions, GridOptions
from .loading import LoadedCase, hash_of, load_case
from .resampling import Move

MOST_VOXELS = 2**28  # of a case: 640 along each edge
LEAST_BRAIN = 0.25  # share of the brain that must lie on a grid that is named
GRID = "--grid"  # what stands for the grid among the names of cases
WHOLE = 0.999  # share from which on nothing is said


@dataclass(frozen=True)
class OwnGrid:
    """The grid that a case's files have, where it is not that of the experiment.

    Attributes
    ----------
    like : Image
        FLAIR's affine and header, without its voxels.
    brain : ndarray of bool
        Outside of it predictions are 0.
    """

    like: Image
    brain: NDArray[np.bool_]

    def volume(self, values: NDArray[Any], affine: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return a prediction of another grid on this one, linearly."""
        move = Move.between(values.shape, affine, self.brain.shape, self.like.affine)
        return move.image(values) * self.brain


@dataclass(frozen=True)
class PlacedCase:
    """A case on the experiment's grid.

    Attributes
    ----------
    loaded : LoadedCase
    own : OwnGrid or None
        None where the case's files lie on that grid, so that nothing was changed.
    remarks : list of str
        What the grid cuts off.
    volumes : dict of int to float
        Of each rater who marks something, by their number: the mask's volume on this grid, in that on the case's own.
    """

    loaded: LoadedCase
    own: OwnGrid | None
    remarks: list[str]
    volumes: dict[int, float]


def load_for(case: Case, options: ExperimentOptions) -> LoadedCase:
    """Read a case as the experiment does: on its grid."""
    return on_grid(load_case(case, fix_flips=options.fix_flips, gaps=True), options.grid).loaded


def on_grid(loaded: LoadedCase, options: GridOptions) -> PlacedCase:
    """Bring a case's images and masks to the grid of the options; one that lies on it is returned as it is.

    Raises
    ------
    CohortError
        If the case does not lie where the grid does, or has too many voxels there.
    ImageError, GridError
        If the grid's file cannot be read, or axes are not at right angles.
    """
    like = loaded.like
    target = _target(loaded, options)
    if target is None or (target.data.shape == like.data.shape and shift_of(like.grid, target.grid) <= SAME):
        return PlacedCase(loaded, None, [], {})
    move = Move.between(like.data.shape, like.affine, target.data.shape, target.affine)
    brain = brain_of(loaded.brain, loaded.images["FLAIR"])
    remarks = [] if not options.file else _cut_off(loaded, brain, move, Path(options.file))
    images = {name: move.image(image) for name, image in loaded.images.items()}
    masks = [move.mask(mask, options.masks) for mask in loaded.masks]
    if loaded.brain is None:  # FLAIR tells where the brain is: what is interpolated beyond it does not count
        images["FLAIR"] *= move.mask(brain, options.masks)
    placed = LoadedCase(
        loaded.case,
        images,
        masks,
        None if loaded.brain is None else move.mask(loaded.brain, options.masks),
        replace(like, data=images["FLAIR"], affine=target.affine, header=target.header, scaled=False),
        loaded.remarks,
    )
    own = OwnGrid(replace(like, data=nothing(like.data.shape, like.data.dtype)), brain)
    return PlacedCase(placed, own, remarks, _volumes(loaded, placed))


def brain_of(brain: NDArray[Any] | None, flair: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the brain mask; without one, where FLAIR is not 0; the whole volume if that is empty."""
    inside = (flair if brain is None else brain) != 0
    return inside if inside.any() else np.ones_like(inside)


def grid_hashes(options: GridOptions) -> dict[str, dict[str, str]]:
    """Return the hash of the grid's file, as run.json keeps those of all files; nothing without one."""
    return {GRID: {"file": hash_of(options.file)}} if options.file else {}


def check_grid(options: GridOptions, files: Mapping[str, Any]) -> None:
    """Refuse a grid's file that is not the one of a run, whose run.json lists these files.

    Raises
    ------
    CohortError, ImageError
        If it has changed, or is gone.
    """
    for name, hashes in grid_hashes(options).items():
        if files.get(name) != hashes:
            raise CohortError(
                f"{shown(options.file)}: has changed since the run; put back the file that it read"
            )


def _target(loaded: LoadedCase, options: GridOptions) -> Image | None:
    """Return an image of the grid that a case is brought to; None for its own."""
    if options.file:
        if not loaded.like.grid.placed:
            raise CohortError(
                f"{loaded.case.name}: the header of {shown(loaded.like.path.name)} does not say where it lies, so it cannot "
                "be brought to the grid of a file; save it with its place, or give --spacing instead"
            )
        path = Path(options.file)
        try:
            return _read_grid(path, path.stat().st_mtime_ns)
        except OSError as error:
            raise ImageError(
                f"{shown(path)}: cannot be read ({error.strerror}); grid.file names no image"
            ) from None
    return _of_spacing(loaded, options.spacing_mm) if options.spacing_mm else None


@lru_cache(maxsize=1)
def _read_grid(path: Path, _changed: int) -> Image:
    """Return a file's grid, without its voxels."""
    image = read(path)
    if not image.grid.placed:
        raise ImageError(
            f"{shown(path)}: its header does not say where it lies; name another image as the grid"
        )
    if image.grid.sheared:
        raise ImageError(
            f"{shown(path)}: its axes are not at right angles (a tilted gantry?), so it cannot be the grid of all cases; name "
            "an upright image, or give --spacing instead"
        )
    return replace(image, data=nothing(image.data.shape, image.data.dtype))


def _of_spacing(loaded: LoadedCase, spacing_mm: float) -> Image:
    """Return the case's own box in voxels of a size; axes that have it already are kept.

    The first voxel's corner stays, by the order right, anterior, superior, whatever the order in the file.
    """
    like = loaded.like
    factors = [
        1.0 if abs(side / spacing_mm - 1) <= SAME else spacing_mm / side for side in like.grid.spacing_mm
    ]
    shape = [
        max(math.ceil(extent / factor - SAME), 1)
        for extent, factor in zip(like.data.shape, factors, strict=True)
    ]
    if math.prod(shape) > MOST_VOXELS or min(shape) < min(2, *like.data.shape):
        raise CohortError(
            f"{loaded.case.name}: in voxels of {spacing_mm:g} mm it would have {' x '.join(map(str, shape))} of them; give "
            "another spacing"
        )
    order, backwards = ras_axes(like.affine)
    step = np.diag([*factors, 1.0])
    for axis, factor in enumerate(factors):
        step[axis, 3] = (factor - 1) / 2
        if order.index(axis) in backwards:
            step[axis, 3] = like.data.shape[axis] - 0.5 - factor * (shape[axis] - 0.5)
    data = nothing(tuple(shape), like.data.dtype)
    return replace(like, data=data, affine=like.affine @ step)


def _cut_off(loaded: LoadedCase, brain: NDArray[np.bool_], move: Move, file: Path) -> list[str]:
    """Say what of a case lies beyond a named grid; refuse a case that lies elsewhere."""
    held = move.share_inside(brain)
    if held < LEAST_BRAIN:
        raise CohortError(
            f"{loaded.case.name}: {100 * held:.0f} % of its brain lie on the grid of {shown(file)}: it is not in the same "
            "space; register it first, or give --spacing instead of --grid"
        )
    marked = move.share_inside(np.any(loaded.masks, axis=0))
    return [
        f"{100 * (1 - share):.2g} % of {what} lie beyond the grid of {shown(file)}"
        for what, share in (("the brain", held), ("what raters mark", marked))
        if share < (WHOLE if what == "the brain" else 1)
    ]


def _volumes(before: LoadedCase, after: LoadedCase) -> dict[int, float]:
    """Return the volume of each rater's mask after, in that before; none for masks of nothing."""
    voxels = after.like.grid.voxel_mm3 / before.like.grid.voxel_mm3
    return {
        rater: voxels * int(np.count_nonzero(now)) / marked
        for rater, mask, now in zip(before.case.raters, before.masks, after.masks, strict=True)
        if (marked := int(np.count_nonzero(mask)))
    }
