"""Votes that are read block by block, and what is to be done with them; it can be sent to another process."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil, prod
from typing import Any

from ...errors import said
from ...inputs.arrays import name_of, named_raters, transposed, with_frames
from ...inputs.checks import check_spacings
from ...inputs.in_memory import check_in_memory
from ...inputs.libraries import dask_of
from ...inputs.names import counted, enumerated, quoted
from ...streaming.boxes import Box, boxes_over, shape_of, shown, widened
from ...streaming.executors import workers_of
from ...streaming.memory import FOR_VOXELS, LARGEST_BLOCK, LARGEST_TASK, shown_memory, voxels_within
from ...streaming.sources import IN_MEMORY, ArraySource, Source, StoreSource, source_of
from ..case import spacing_for
from ..declared import switch
from ..option_checks import is_map
from ..options import Options
from ..registry import Method
from ..votes import Votes

AT_ONCE = 2  # blocks in memory: one at work, the next read meanwhile
TASKS_A_WORKER = 4  # at least, so that none waits long for another


@dataclass(frozen=True, eq=False)
class Streamed:
    """Votes of one shape, by sources.

    Attributes
    ----------
    shape : tuple of int
        Of each rater's votes.
    raters : list of Source
        Of those who read the case.
    places, count, names
        As of :class:`Raters`.
    mask : Source, optional
    present : list of Source or None
        Where each rater looked; empty if all looked everywhere.
    spacings : list of float
        Voxel size along the caller's axes.
    titles : mapping
        What messages call the mask.
    method, options
    """

    shape: tuple[int, ...]
    raters: list[Source]
    places: list[int]
    count: int
    names: list[str]
    mask: Source | None
    present: list[Source | None]
    spacings: list[float]
    titles: Mapping[str, str]
    method: Method
    options: Options

    @classmethod
    def of(cls, votes: Votes, method: Method, options: Options) -> tuple[Streamed, list[str]]:
        """Take listed votes, and say what is doubtful of their grids.

        Raises
        ------
        TypeError, ValueError
            Naming what is no array, has another shape, or cannot be had block by block.
        """
        check_fit(votes, method, options)
        named = [*named_raters(votes.raters), ("mask", votes.mask)]
        remarks = [*votes.doubts, *check_in_memory(named, options.spacing_mm)]
        places = [i for i, rater in enumerate(votes.raters) if rater is not None]
        if not places:
            raise ValueError("no raters: give at least one array of votes")
        names = [name_of(i, votes.names) for i in places]
        raters = [source_of(votes.raters[i], name) for i, name in zip(places, names, strict=True)]
        shape = raters[0].shape
        for source, name in zip(raters, names, strict=True):
            _check_shape(source, name, shape, names[0])
        mask = _companion(votes.mask, "mask", shape)
        present = _present_of(votes.present, places, names, shape, len(votes.raters))
        spacings = check_spacings(with_frames(spacing_for(options, named), shape), len(shape))
        plain = replace(options, executor=None, max_memory=None)
        made = cls(
            shape,
            raters,
            places,
            len(votes.raters),
            names,
            mask,
            present,
            spacings,
            votes.titles,
            method,
            plain,
        )
        return made, remarks

    @property
    def sources(self) -> list[Source]:
        """All that is read."""
        return [one for one in (*self.raters, self.mask, *self.present) if one is not None]

    @property
    def halo(self) -> list[int]:
        """How many voxels beyond a block tell what is near it."""
        margin = self.options.margin_mm
        if margin is None:
            return [0] * len(self.shape)
        return [
            min(ceil(margin / side), extent) for side, extent in zip(self.spacings, self.shape, strict=True)
        ]

    def wide(self, box: Box) -> Box:
        """Return what is to be read for a block."""
        return widened(box, self.halo, self.shape)

    @contextmanager
    def one_pass(self) -> Iterator[None]:
        """Close in the end what a pass through the blocks has opened."""
        try:
            yield
        finally:
            for source in self.sources:
                source.close()

    def without(self, ignored: Collection[int]) -> Streamed:
        """Return the same as if the raters at these places had not read the case."""
        kept = [i for i, place in enumerate(self.places) if place not in ignored]
        if not kept:
            raise ValueError(
                f"{enumerated(self.names)}: nobody else has votes here, and the table of the estimate has no vote of "
                "theirs: give the votes of a rater whom the estimate knows"
            )
        return replace(
            self,
            raters=[self.raters[i] for i in kept],
            places=[self.places[i] for i in kept],
            names=[self.names[i] for i in kept],
            present=[self.present[i] for i in kept] if self.present else [],
        )

    def without_region(self) -> Streamed:
        """Return the same for the whole volume, as where nobody marks anything there is no margin."""
        return replace(self, options=replace(self.options, roi="all"))

    def without_sources(self) -> Streamed:
        """Return what a block needs to know beside its content, on one thread if nothing else is said."""
        options = replace(self.options, threads=self.options.threads or 1)
        return replace(self, raters=[], mask=None, present=[], options=options)

    @property
    def of_dask(self) -> bool:
        """Whether all that is read are arrays of dask."""
        return all(isinstance(one, StoreSource) and dask_of(one.store) is not None for one in self.sources)

    def boxes(self, limit: int | None, executor: Any, grain: tuple[int, ...] | None = None) -> list[Box]:
        """Return blocks within a memory limit; ``grain``: chunks of what is written.

        Raises
        ------
        ValueError
            If one chunk, or one plane, does not fit.
        """
        first = next((one for one in self.sources if one.in_order), self.raters[0])
        grain = grain or first.grain or next((one.grain for one in self.raters if one.grain), None)
        if grain is None or first.in_order:
            grain = tuple(1 if axis == first.axes[0] else length for axis, length in enumerate(self.shape))
        held = AT_ONCE if executor is None else 1
        held += int(
            first.in_order and any(self.halo)
        )  # the end of a slab that was inflated is kept for the next
        taken = sum(one.dtype.itemsize for one in self.sources if not isinstance(one, ArraySource))
        margin = 4 if any(self.halo) else 0
        bytes_a_voxel = held * taken + 8 + margin + (4 * len(self.raters) if self._converts else 0)
        most = voxels_within(limit, bytes_a_voxel)
        largest_part = LARGEST_BLOCK if executor is None else LARGEST_TASK
        cap = largest_part // max(one.dtype.itemsize for one in self.raters)
        if executor is not None:
            cap = min(cap, ceil(prod(self.shape) / (TASKS_A_WORKER * workers_of(executor))))
        target, largest = min(most, max(cap, 1)), most + 1
        while largest > most and target:  # what is read around a block takes room, too
            boxes = boxes_over(self.shape, first.axes, grain, target)
            widest = max((self.wide(box) for box in boxes), key=lambda box: prod(shape_of(box)))
            largest, target = prod(shape_of(widest)), target // 2
        if largest > most and limit is not None:
            need = largest * bytes_a_voxel / FOR_VOXELS
            raise ValueError(
                f"max_memory is {shown_memory(limit)}: one block of {shown(widest)} of all raters needs "
                f"{shown_memory(need)}; give more, or store the votes in smaller chunks"
            )
        return boxes

    @property
    def _converts(self) -> bool:
        """Whether votes are made of the raters' values, as a copy."""
        return self.options.core_label is None and self.options.foreground.selects

    def check_travel(self) -> None:
        """Refuse what workers in other processes cannot read."""
        named = [*zip(self.raters, self.names, strict=True), (self.mask, self.titles["mask"])]
        named += [(one, f"present of {name}") for one, name in zip(self.present, self.names, strict=False)]
        for source, name in named:
            if source is None or source.travels:
                continue
            if isinstance(source, StoreSource) and dask_of(source.store) is not None:
                raise ValueError(
                    f"{name} is an array of dask, which its own scheduler computes: leave executor out, or give what it reads, as "
                    "zarr or h5py"
                )
            if source.in_order:
                raise ValueError(
                    f"{name} is compressed as a whole, and is read in one go: leave executor out, or give a task a case"
                )
            raise ValueError(
                f"{name} {IN_MEMORY}: with executor give what is read from a file: a numpy.memmap, an image in .nii, zarr or h5py"
            )


def check_fit(votes: Votes, method: Method, options: Options) -> None:
    """Refuse by name what needs all voxels at once."""
    ways = {"max_memory": options.max_memory, "executor": options.executor}
    given_way = next(
        (f"{name} is given" for name, value in ways.items() if value is not None), "votes are lazy"
    )
    reason = f"{given_way}: votes are read block by block"
    remedy = (
        "leave one of both out"
        if given_way != "votes are lazy"
        else "leave it out, or give votes that are in memory"
    )
    asked = {
        "a map as prior": is_map(options.prior),
        f"mrf ({switch('mrf')})": bool(options.mrf),
        "roi='disputed'": options.roi == "disputed",
        "intervals='lesions'": options.intervals == "lesions",
        "scale='auto'": options.scale == "auto",
        "an image": votes.image is not None,
        "evidence": options.evidence,
        f"device {quoted(options.device)}": options.device not in (None, "cpu"),
        f"{method.name}, which grows on an image,": method.grows,
    }
    for what, given in asked.items():
        if given:
            raise ValueError(said(f"{reason}, and {what} needs all voxels at once: {remedy}"))


def _check_shape(source: Source, name: str, shape: tuple[int, ...], first: str) -> None:
    if source.shape != shape:
        remedy = transposed(name, source.shape, shape) or "resample to one grid"
        raise ValueError(f"{name} has shape {source.shape}, {first} has shape {shape}: {remedy}")
    if not shape or 0 in shape:
        raise ValueError(f"the raters' arrays are empty: shape {shape}")


def _companion(value: Any, name: str, shape: tuple[int, ...]) -> Source | None:
    if value is None:
        return None
    source = source_of(value, name)
    if source.shape != shape:
        remedy = transposed(name, source.shape, shape)
        raise ValueError(
            f"{name} has shape {source.shape}, the raters have shape {shape}{remedy and ': '}{remedy}"
        )
    return source


def _present_of(
    present: Any, places: list[int], names: list[str], shape: tuple[int, ...], raters: int
) -> list[Source | None]:
    if present is None:
        return []
    listed = list(present)
    if len(listed) != raters:
        raise ValueError(
            f"present has {counted(len(listed), 'entry')} for {counted(raters, 'rater')}: give one for each, None for a "
            "rater who looked everywhere"
        )
    return [_companion(listed[i], f"present of {name}", shape) for i, name in zip(places, names, strict=True)]
