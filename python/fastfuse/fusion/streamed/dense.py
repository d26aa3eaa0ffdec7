"""Votes that do not repeat, read block by block: their masses, and what else is told of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...streaming.boxes import Box, origin_of
from ..backends import core
from ..case import InMemory
from ..doubts.copies import equal_votes
from ..masses.sums import Sums, merged
from ..masses.table import BEYOND, MassTable
from .blocks import Content, case_of, voxels_from
from .given import Streamed

SHOWN_OF_A_BLOCK = 256  # voxels that stand for all where it is asked whether raters are classes
Marks = NDArray[np.int64]
Shown = NDArray[np.float64]
Part = tuple[core.Masses, Marks, Shown]


@dataclass(frozen=True, eq=False)
class DenseVotes:
    """What is told of votes that have too many distinct patterns to count; arrays have an entry for each who read the case.

    Attributes
    ----------
    sums : Sums
        Masses and moments of binary patterns.
    voxels : int
        On which somebody votes.
    marked : ndarray of int64, shape (m,)
        Voxels on which each rater's vote is at least 0.5.
    shown : ndarray, shape (n, m)
        Votes of a few voxels of each block.
    """

    sums: Sums
    voxels: int
    marked: Marks
    shown: Shown

    @classmethod
    def of(cls, parts: Iterable[Part | None], raters: int) -> DenseVotes:
        """Add the parts of all blocks up.

        Raises
        ------
        ValueError
            For more raters, or groups of them, than a mass table holds.
        """
        sums, voxels, marked, shown = Sums.empty(raters), 0, np.zeros(raters, np.int64), []
        for part in parts:
            if part is None:
                raise ValueError(BEYOND)
            (absent, whole, rest, read), marks, few = part
            sums = merged([sums, Sums.of_groups(absent, whole, rest)])
            voxels, marked = voxels + read, marked + marks
            shown.append(few)
        return cls(sums, voxels, marked, np.concatenate(shown))

    def table(self, places: Sequence[int], names: Sequence[str]) -> MassTable:
        """Return the table; those who read the case are at ``places`` among the names."""
        return MassTable(self.sums.placed(places, len(names)), names, self.voxels)


def masses_in(given: Streamed, box: Box, content: Content) -> Part | None:
    """Return the masses of a block, marks and a few voxels; None for more masses than memory is meant for."""
    asked = core.core_options(given.method, given.options, given.spacings)
    with voxels_from(origin_of(box)):
        case, masses = core.explained(
            case_of(given, box, content), lambda placed: core.tabulate_masses(placed.in_memory_order(), asked)
        )
    if masses is None:
        return None
    held = case.in_memory_order()
    return masses, _marks_in(held), _shown_of(held)


def equal_in(one: int, other: int, given: Streamed, box: Box, content: Content) -> bool:
    """Tell whether two of the raters who read the case have the same votes in a block."""
    case = case_of(given, box, content)
    arrays = [case.given.arrays[i] for i in (one, other)]
    looked = [case.present[i] if case.present else None for i in (one, other)]
    return equal_votes(arrays, looked, case.mask)


def _marks_in(held: InMemory) -> Marks:
    """Return on how many voxels of the region each rater's vote is at least 0.5."""
    found = []
    for place, votes in enumerate(held.raters):
        marks = votes >= 0.5
        for region in (held.mask, held.present[place] if held.present else None):
            if region is not None:
                marks = marks & (region != 0)
        found.append(np.count_nonzero(marks))
    return np.array(found, np.int64)


def _shown_of(held: InMemory) -> Shown:
    """Return the votes of a few voxels, spread over the region."""
    inside = range(held.raters[0].size) if held.mask is None else np.flatnonzero(held.mask)
    few = np.array(inside[:: max(len(inside) // SHOWN_OF_A_BLOCK, 1)][:SHOWN_OF_A_BLOCK], np.int64)
    return np.stack([votes.reshape(-1)[few].astype(np.float64) for votes in held.raters], axis=1)
