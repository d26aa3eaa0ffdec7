"""A case to fuse: votes and what goes with them, checked and on one grid."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ..dilation.margin import within_margin
from ..errors import said
from ..inputs.arrays import Array, as_companion, axes_in_memory_order, name_of, named_raters, with_frames
from ..inputs.channels import SCALED, check_scaled_classes
from ..inputs.checks import check_spacings, checked_decisions
from ..inputs.foreground import within
from ..inputs.in_memory import check_in_memory, spacing_of
from ..inputs.kinds import Sides
from ..inputs.libraries import are_arrays
from ..inputs.names import counted, enumerated, quoted
from ..inputs.raters import Raters
from ..inputs.rounding import without_rounding
from .declared import switch
from .option_checks import is_map
from .options import Options
from .prior_map import said_of_smoothed, without_certainty
from .votes import Votes

if TYPE_CHECKING:
    from .border.heights import Heights


@dataclass(frozen=True, eq=False)
class Case:
    """Votes of one shape. Arrays have the caller's axes; the core takes them in the order of memory.

    Attributes
    ----------
    given : Raters
        The raters who read the case; tensors where the votes lie on a device.
    shape : tuple of int
        Shape of each rater's votes.
    axes : sequence of int
        The axes from the slowest to the fastest in the first rater's memory.
    mask, prior_map : ndarray of that shape, optional
    present : list of ndarray or None
        Where each rater looked; empty if all raters looked everywhere.
    spacings : list of float
        Voxel size along the axes in the order of memory.
    votes : Votes
        What the caller gave.
    remarks : list of str
        What is doubtful.
    image : ndarray of that shape, optional
        What tells the anchor of border-STAPLE.
    decisions : ndarray of that shape, optional
        1 and 0 where the truth is known, -1 elsewhere.
    unchosen : list of ndarray
        The arrays of ``given`` as the caller has them, before labels, threshold or scale made votes of them.
    """

    given: Raters
    shape: tuple[int, ...]
    axes: Sequence[int]
    mask: Any
    prior_map: Array | None
    present: list[Array | None]
    spacings: list[float]
    votes: Votes
    remarks: list[str]
    unchosen: list[Array] = field(default_factory=list)
    image: Array | None = None
    decisions: NDArray[np.int8] | None = None

    @classmethod
    def of(cls, votes: Votes, options: Options) -> Case:
        """Take votes that are arrays, raters as a list (:meth:`Votes.listed`).

        Raises
        ------
        TypeError, ValueError
            Naming what is no array or has another shape.
        GridError
            Naming images that lie on different grids.
        """
        named = [] if are_arrays(votes.raters) else named_raters(votes.raters)
        named += [("mask", votes.mask), ("prior", options.prior)]
        named += [] if votes.image is None else [("image", votes.image)]
        looked: Sequence[Any] = [] if votes.present is None else list(cast("Sequence[Any]", votes.present))
        named += [(f"present of {name_of(i, votes.names)}", one) for i, one in enumerate(looked)]
        remarks = [*votes.doubts, *check_in_memory(named, options.spacing_mm)]
        given = Raters.of(votes.raters, votes.names)
        shape = given.arrays[0].shape
        axes = axes_in_memory_order(given.arrays[0])
        present = _as_present(votes.present, given, shape)
        prior_map = as_companion(options.prior, "prior", shape) if is_map(options.prior) else None
        mask = None if votes.mask is None else as_companion(votes.mask, "mask", shape)
        if prior_map is not None:
            prior_map, clamped = without_certainty(prior_map, mask, votes.titles)
            remarks += clamped + said_of_smoothed(options.prior, given.arrays)
        image = None if votes.image is None else as_companion(votes.image, "image", shape)
        decisions = None
        if votes.decisions is not None:
            decisions = checked_decisions(as_companion(votes.decisions, "decisions", shape))
        spacing = with_frames(spacing_for(options, named, in_mm=image is not None), shape)
        sides = check_spacings(spacing, len(axes))
        spacings = [sides[axis] for axis in axes]
        unchosen = given.arrays
        given = _chosen(given, options, mask, present, remarks, votes.raters)
        return cls(
            given, shape, axes, mask, prior_map, present, spacings, votes, remarks, unchosen, image, decisions
        )

    def without(self, places: Collection[int]) -> Case:
        """Return the case as if the raters at these places had not read it.

        Raises
        ------
        ValueError
            If no other rater has read it.
        """
        read = self.given
        kept = [i for i, place in enumerate(read.places) if place not in places]
        if not kept:
            raise ValueError(
                f"{enumerated(read.names)}: nobody else has votes here, and the table of the estimate has no vote of "
                "theirs: give the votes of a rater whom the estimate knows"
            )
        given = replace(
            read,
            arrays=[read.arrays[i] for i in kept],
            places=[read.places[i] for i in kept],
            names=[read.names[i] for i in kept],
        )
        return replace(
            self,
            given=given,
            present=[self.present[i] for i in kept] if self.present else [],
            unchosen=[self.unchosen[i] for i in kept],
        )

    def without_rounding(self, *, binary: bool) -> Case | None:
        """Return the case with votes mended that rounding left beside 0 or 1; None if there are none such."""
        given = self.given
        inside = [(self.mask, looked) for looked in self.present or [None] * len(given.arrays)]
        arrays, said = without_rounding(given.arrays, given.names, binary=binary, inside=inside)
        if not said:
            return None
        return replace(self, given=replace(given, arrays=arrays), remarks=self.remarks + said)

    @property
    def companions(self) -> list[Array]:
        """The arrays beside the votes."""
        return [
            array for array in (self.mask, self.prior_map, self.image, *self.present) if array is not None
        ]

    def in_memory_order(self) -> InMemory:
        """Return the arrays as the core takes them."""
        return InMemory(
            raters=[array.transpose(self.axes) for array in self.given.arrays],
            mask=None if self.mask is None else self.mask.transpose(self.axes),
            prior_map=None if self.prior_map is None else self.prior_map.transpose(self.axes),
            present=[None if array is None else array.transpose(self.axes) for array in self.present],
        )

    def heights(self, options: Options) -> Heights | None:
        """Return what the image tells of voxels in the order of memory; None without one."""
        if self.image is None:
            return None
        from .border.heights import heights_of

        sides = [self.spacings[list(self.axes).index(axis)] for axis in range(len(self.shape))]
        found = heights_of(
            self.image,
            self.given.arrays,
            sides,  # in the caller's order of axes: where two lesions are as near, that decides
            mask=self.mask,
            present=self.present,
            label=options.core_label,
        )
        return found.along(self.axes, self.shape)

    @property
    def titles(self) -> Mapping[str, str]:
        """What messages call the mask and the prior."""
        return self.votes.titles


@dataclass(frozen=True, eq=False)
class InMemory:
    """A case's arrays, their axes in the order in which they lie in memory."""

    raters: list[Array]
    mask: Array | None
    prior_map: Array | None
    present: list[Array | None]

    def within_margin(self, options: Options, spacings: list[float]) -> InMemory:
        """Return the same with a mask that ends a margin beyond what anybody marks, if the region is a margin."""
        if options.margin_mm is None:
            return self
        mask = within_margin(
            self.raters,
            options.margin_mm,
            spacings,
            mask=self.mask,
            present=self.present,
            label=options.core_label,
            threads=options.threads,
        )
        return replace(self, mask=mask)


def _chosen(
    given: Raters,
    options: Options,
    mask: Array | None,
    present: list[Array | None],
    remarks: list[str],
    raters: Sequence[Any],
) -> Raters:
    """Return the raters with votes made of their values, as the options say; one label is left to the core."""
    if options.core_label is not None or not options.selects:
        return given
    foreground, said = options.foreground.settled(given.arrays, given.names, mask)
    remarks += said + foreground.said_of_missing(given.arrays, mask)
    looked = present or [None] * len(given.arrays)
    arrays = [
        foreground.votes(array, name, inside=within(mask, seen), remarks=remarks)
        for array, name, seen in zip(given.arrays, given.names, looked, strict=True)
    ]
    if not foreground.labels:  # one label of a map has no classes beside it
        scale = foreground.scale if isinstance(foreground.scale, float) else 1.0
        check_scaled_classes(given.arrays, given.names, (scale, *SCALED), raters)
        check_scaled_classes(arrays, given.names, (1.0,), raters)
    return replace(given, arrays=arrays)


def spacing_for(options: Options, named: Iterable[tuple[str, Any]], *, in_mm: bool = False) -> Sides | None:
    """Return a voxel's size along the axes: as given, or as in an image's header; None where nothing needs it.

    Raises
    ------
    ValueError
        If it is needed, and the images do not tell it, or a margin is in mm and there are no images.
    """
    margin = in_mm or options.margin_mm is not None
    if options.spacing_mm is not None or not (margin or options.mrf):
        return options.spacing_mm
    sizes = spacing_of(named, in_mm=margin)
    if margin and sizes is None:
        what = (
            f"roi is {quoted(options.roi)}, a margin"
            if options.margin_mm is not None
            else "an image is read by distances"
        )
        instead = ", or roi='all'" if options.margin_mm is not None else ""
        raise ValueError(f"{what} in mm: give spacing_mm, the voxel's size along each axis{instead}")
    return sizes


def _as_present(present: Any, given: Raters, shape: tuple[int, ...]) -> list[Array | None]:
    """Return where each rater who read the case looked, None for everywhere; nothing if all did.

    Raises
    ------
    TypeError, ValueError
        If there is not one entry for each rater, or one has another shape.
    """
    if present is None:
        return []
    listed = list(present)
    if len(listed) != given.count:
        raise ValueError(
            said(
                f"present has {len(listed)} {'entry' if len(listed) == 1 else 'entries'} for {counted(given.count, 'rater')}: give one for each, None "
                f"({switch('present')} -) for a rater who looked everywhere"
            )
        )
    return [
        None if listed[i] is None else as_companion(listed[i], f"present of {name}", shape)
        for i, name in zip(given.places, given.names, strict=True)
    ]
