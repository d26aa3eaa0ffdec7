"""Draws the structures of a DICOM RT Structure Set on a grid: a mask of those that are asked for, or a map of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import ImageError
from ....inputs.grids import NEAR
from ....inputs.lattice import Box, Turn
from ....inputs.names import counted, enumerated
from ...checks import check_memory
from ...image import Image
from ...paths import remark_on, shown
from ...wanted import Lattice, Wanted
from ..segments import SWITCH, Segment, names_of
from .even_odd import crossings, inside, rows_of
from .planes import Planes, planes_of, turn_of
from .structure_set import Contours, Structures

PER_CROSSING = 128  # bytes


@dataclass(frozen=True)
class _Piece:
    """What a structure marks of a slice of the turned grid: its first voxel, and the voxels of its box."""

    slice: int
    low: tuple[int, int]
    marked: NDArray[np.bool_]


@dataclass
class _Drawn:
    """A structure on the grid, and what is doubtful of it."""

    segment: Segment
    contours: Contours
    planes: Planes | None = None
    pieces: list[_Piece] = field(default_factory=list)

    @property
    def ends(self) -> tuple[list[int], list[int]]:
        """The first voxel of the box of all that is marked, along the axes of the turned grid, and that behind the last."""
        assert self.planes is not None
        low = [min(part) for part in zip(*(one.low for one in self.pieces), strict=True)]
        high = [max(one.low[at] + one.marked.shape[at] for one in self.pieces) for at in range(2)]
        slices = [one.slice for one in self.pieces]
        low.insert(self.planes.axis, min(slices))
        high.insert(self.planes.axis, max(slices) + 1)
        return low, high


def drawn(path: Path, structures: Structures, wanted: Wanted) -> Image:
    """Return structures drawn on the grid that the job gives.

    Raises
    ------
    ImageError
        If it gives none, or the contours do not lie on its slices.
    """
    if wanted.lattice is None:
        raise ImageError(
            f"{shown(path)}: it holds contours (RTSTRUCT), and no voxels or grid: give a mask of them, as 'fastfuse fuse FILE "
            "--select-segment NAME --grid CT.nii.gz --method majority -o MASK.nii.gz' makes it, CT.nii.gz by dcm2niix"
        )
    lattice, together = wanted.lattice(path), structures.together
    found = [_drawn(path, one, contours, lattice) for one, contours in structures.taken.items()]
    if together:
        _check_encloses(path, found)
    else:
        _check_labels(path, found, structures.segments)
    data, affine = _volume(path, found, lattice, structures.segments, together=together)
    return Image(
        path,
        data,
        affine,
        remark=remark_on(path, _doubts(found, lattice)),
        segments=structures.segments,
        is_channel=together,
        fills=(True, True, True),  # contours tell nothing of how far a volume reaches
        frame=structures.frame,
        drawn=True,
    )


def _drawn(path: Path, segment: Segment, contours: Contours, lattice: Lattice) -> _Drawn:
    """Draw a structure's contours."""
    if not contours.sizes.size:
        return _Drawn(segment, contours)
    planes = planes_of(path, segment, contours, lattice)
    check_memory(path, PER_CROSSING * (len(planes.x) + int(rows_of(planes.y, planes.after)[1].sum())))
    point, column, row = crossings(planes.x, planes.y, planes.after)
    order = np.argsort(planes.slices[point], kind="stable")
    at, starts = np.unique(planes.slices[point][order], return_index=True)  # none, if no row is crossed
    pieces = []
    for slice_, part in zip(at.tolist(), np.split(order, starts[1:]), strict=False):
        low, marked = inside(column[part], row[part])
        if marked.any():
            pieces.append(_Piece(slice_, low, marked))
    return _Drawn(segment, contours, planes, pieces)


def _check_encloses(path: Path, structures: Sequence[_Drawn]) -> None:
    """Refuse a structure that holds points or lines alone: nobody drew it as a region."""
    for one in structures:
        if one.contours.left_out and not one.contours.sizes.size:
            raise ImageError(
                f"{shown(path)}: its segment {one.segment.name!r} holds no closed contour ({_kinds(one.contours.left_out)}), and "
                f"so no region: choose another with {SWITCH}"
            )


def _check_labels(path: Path, structures: Sequence[_Drawn], segments: Sequence[Segment]) -> None:
    """Refuse a number that is no label."""
    for one in structures:
        if one.pieces and one.segment.label < 1:
            raise ImageError(
                f"{shown(path)}: the ROINumber of its segment {one.segment.name!r} is {one.segment.label}, which is background in a "
                f"map of all its segments, {names_of(segments)}: choose one with {SWITCH}"
            )


def _volume(
    path: Path,
    structures: Sequence[_Drawn],
    lattice: Lattice,
    segments: Sequence[Segment],
    *,
    together: bool,
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return a mask, or a map of numbers, and its affine: on the whole grid, or around contours that reach beyond it."""
    turn = turn_of(lattice.grid.affine)
    turned = [lattice.grid.shape[axis] for axis in turn.order]
    low, high = _ends(structures, turned)
    box = _box(low, high, turned, turn)
    kind = np.min_scalar_type(1 if together else max(1, *(one.segment.label for one in structures)))
    check_memory(path, int(np.prod(box.shape, dtype=object)) * kind.itemsize)
    volume = np.zeros(box.shape, kind, order="F")
    view = turn.of(volume)
    for one in structures:
        for part, marked in _parts(one, view, low):
            if not together and part[marked].any():
                raise ImageError(
                    f"{shown(path)}: its segments overlap, {names_of(segments)}: choose one with {SWITCH}, or select_label=K "
                    "(--select-label K)"
                )
            part[marked] = 1 if together else one.segment.label
    return volume, box.affine(lattice.grid.affine)


def _ends(structures: Sequence[_Drawn], turned: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the ends of the volume: those of the grid, if all that is marked lies within; else of what is marked."""
    ends = [one.ends for one in structures if one.pieces]
    if ends:
        low = [min(part) for part in zip(*(low for low, _ in ends), strict=True)]
        high = [max(part) for part in zip(*(high for _, high in ends), strict=True)]
        if min(low) < 0 or any(end > extent for end, extent in zip(high, turned, strict=True)):
            return low, high
    return [0, 0, 0], list(turned)


def _parts(
    one: _Drawn, view: NDArray[Any], low: Sequence[int]
) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_]]]:
    """Yield the voxels of the box of each piece of a structure, and which of them it marks."""
    if one.planes is None:
        return
    axis = one.planes.axis
    stack, first = np.moveaxis(view, axis, 2), [low[at] for at in range(3) if at != axis]
    for piece in one.pieces:
        x, y = (begin - start for begin, start in zip(piece.low, first, strict=True))
        width, height = piece.marked.shape
        yield stack[x : x + width, y : y + height, piece.slice - low[axis]], piece.marked


def _box(low: Sequence[int], high: Sequence[int], turned: Sequence[int], turn: Turn) -> Box:
    """Return a box of the turned grid along the grid's own axes."""
    first, shape = [0, 0, 0], [0, 0, 0]
    for at, axis in enumerate(turn.order):
        first[axis] = turned[at] - high[at] if at in turn.reverse else low[at]
        shape[axis] = high[at] - low[at]
    return Box(tuple(first), tuple(shape))


def _doubts(structures: Sequence[_Drawn], lattice: Lattice) -> list[str]:
    """Return what is to be said of structures and their grid, one line for all of a file."""
    name, several = lattice.grid.name, len(structures) > 1
    told: dict[str, list[str]] = {}
    for one in structures:
        for said in _doubts_of(one, name):
            told.setdefault(said, []).append(repr(one.segment.name))
    doubts = [f"{said} ({enumerated(names)})" if several else said for said, names in told.items()]
    return doubts if lattice.named else [f"its contours are drawn on the grid of {name}", *doubts]


def _doubts_of(one: _Drawn, name: str) -> list[str]:
    left_out, planes, doubts = one.contours.left_out, one.planes, []
    if left_out:
        count = sum(left_out.values())
        doubts.append(
            f"{counted(count, 'contour')} that {'enclose' if count > 1 else 'encloses'} nothing left out: {_kinds(left_out)}"
        )
    if planes is None:
        return doubts
    if planes.dropped:
        doubts.append(
            f"{planes.dropped} of {planes.planes} planes of contours left out, as another lies nearer to the centre of its slice of {name}"
        )
    drawn = np.unique(planes.slices)
    slices = int(drawn[-1] - drawn[0]) + 1
    if empty := slices - len(drawn):
        have = "have none, and are empty" if empty > 1 else "has none, and is empty"
        doubts.append(
            f"{empty} of the {slices} slices of {name} between its first and its last contour {have}: nothing is interpolated, and its "
            f"volume lacks {'theirs' if empty > 1 else 'that'}"
        )
    if planes.beside_mm > NEAR * planes.slice_mm:
        doubts.append(
            f"its contours lie up to {planes.beside_mm:.2g} mm beside the centres of the slices of {name}, and count for the nearest"
        )
    if not one.pieces:
        doubts.append(f"its contours enclose no voxel's centre of {name}")
    if planes.on_centres:
        doubts.append(
            "its contours run through the centres of voxels, as if they were traced from a mask: of those on a border only the ones "
            "at its right, front or lower side count, so that structures are up to a voxel narrower than that mask"
        )
    return doubts


def _kinds(left_out: Counter[str]) -> str:
    return enumerated([f"{count} {kind}" for kind, count in left_out.items()])
