"""One block of a volume: read, counted, and its consensus looked up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...dilation.margin import within_margin
from ...errors import FastfuseError, reason_of
from ...inputs.arrays import Array, axes_in_memory_order
from ...inputs.foreground import within
from ...inputs.output_array import Destination
from ...inputs.raters import Raters
from ...streaming.boxes import Box, inside, origin_of, shown
from ...streaming.sources import Source
from ..backends import core
from ..backends.found import CoreEstimate
from ..case import Case
from ..votes import Votes
from .given import Streamed

VOXEL = re.compile(r"at voxel \(([0-9, ]+)\)")


@dataclass(frozen=True, eq=False)
class Content:
    """What was read of a block, and of what lies around it."""

    raters: list[Array]
    mask: Array | None
    present: list[Array | None]


def read(given: Streamed, box: Box) -> Content:
    """Read a block of all raters."""
    wide = given.wide(box)
    named = zip(given.raters, given.names, strict=True)
    return Content(
        [_read(source, wide, name) for source, name in named],
        None if given.mask is None else _read(given.mask, wide, given.titles["mask"]),
        [None if one is None else _read(one, wide, "present") for one in given.present],
    )


def _read(source: Source, box: Box, name: str) -> Array:
    try:
        return source.read(box)
    except (MemoryError, FastfuseError):
        raise
    except Exception as error:
        raise FastfuseError(f"{name} cannot be read at {shown(box)} ({reason_of(error)})") from error


def done_with(given: Streamed, box: Box) -> None:
    """Let the memory of a block go."""
    for source in given.sources:
        source.done_with(given.wide(box))


def counts_in(
    given: Streamed, box: Box, content: Content
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return a block's patterns and their counts; None if there are too many."""
    asked = core.core_options(given.method, given.options, given.spacings)
    with voxels_from(origin_of(box)):
        case = case_of(given, box, content)
        table = core.explained(case, lambda placed: core.tabulate(placed.in_memory_order(), asked))[1]
    return None if table is None else (table.patterns, table.counts)


def consensus_in(
    given: Streamed, rates: CoreEstimate, box: Box, content: Content, dtype: Any, out: NDArray[Any] | None
) -> NDArray[Any]:
    """Return the consensus of a block, written into ``out`` if it is given."""
    with voxels_from(origin_of(box)):
        case = case_of(given, box, content)
        used = [*case.given.arrays, *case.companions]
        destination = Destination.of(out, dtype, case.shape, tuple(case.axes), used)
        asked = core.core_options(given.method, given.options, [given.spacings[axis] for axis in case.axes])
        work = destination.work

        def written(placed: Case) -> bool:
            return core.apply_where_read(rates, placed.in_memory_order(), work, asked)

        case, some = core.explained(case, written)
    if not some:
        nobody = rates.prior if given.method.estimates and not rates.certain else 0.0
        mask = case.in_memory_order().mask
        work[...] = nobody if mask is None else np.where(mask != 0, nobody, 0)
    return destination.finish()


def case_of(given: Streamed, box: Box, content: Content) -> Case:
    """Return the votes of a block inside its region."""
    case = _votes_of(given, content)
    margin = given.options.margin_mm
    if margin is not None:
        case = replace(case, mask=_near(case, given, margin))
    cut = inside(box, given.wide(box))
    arrays = [array[cut] for array in case.given.arrays]
    return replace(
        case,
        given=replace(case.given, arrays=arrays),
        shape=arrays[0].shape,
        axes=axes_in_memory_order(arrays[0]),
        mask=None if case.mask is None else case.mask[cut],
        present=[None if one is None else one[cut] for one in case.present],
    )


def _votes_of(given: Streamed, content: Content) -> Case:
    """Return all that was read, with votes made of values as the options say."""
    arrays, foreground = content.raters, given.options.foreground
    if given.options.core_label is None and foreground.selects:
        looked = content.present or [None] * len(arrays)
        arrays = [
            foreground.votes(array, name, inside=within(content.mask, seen))
            for array, name, seen in zip(arrays, given.names, looked, strict=True)
        ]
    return Case(
        given=Raters(arrays, given.places, given.count, given.names),
        shape=arrays[0].shape,
        axes=axes_in_memory_order(arrays[0]),
        mask=content.mask,
        prior_map=None,
        present=content.present,
        spacings=given.spacings,
        votes=Votes([], titles=given.titles),
        remarks=[],
        unchosen=content.raters,
    )


def _near(case: Case, given: Streamed, margin: float) -> Array:
    """Return the region within a margin of what anybody marks, with the caller's axes; empty where nobody does."""
    held = case.in_memory_order()
    region = within_margin(
        held.raters,
        margin,
        [given.spacings[axis] for axis in case.axes],
        mask=held.mask,
        present=held.present,
        label=given.options.core_label,
        threads=given.options.threads,
    )
    if region is None or region is held.mask:
        return np.zeros(case.shape, dtype=bool)
    return region.transpose(np.argsort(case.axes))


@contextmanager
def voxels_from(origin: tuple[int, ...]) -> Iterator[None]:
    """Name voxels in what is refused by their place in the volume, not in the block."""
    try:
        yield
    except ValueError as error:
        raise type(error)(VOXEL.sub(lambda found: _moved(found[1], origin), str(error))) from None


def _moved(place: str, origin: tuple[int, ...]) -> str:
    indices = [int(index) for index in place.split(",") if index.strip()]
    return f"at voxel {tuple(index + first for index, first in zip(indices, origin, strict=True))}"
