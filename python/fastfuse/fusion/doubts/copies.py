"""Remarks on copies among raters: who hold the same votes, and a model that is not determined without them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...inputs.raters import Same, remarks_on_same_votes
from ..backends.found import CoreTable, Found
from ..case import Case
from ..option_checks import FEWEST_OF_CLASSES
from ..options import Options
from ..registry import Method

if TYPE_CHECKING:
    from ..vote_table import VoteTable
    from ..votes import Votes

FEWEST_OF_LEVELS = 3


class TableOfCodes(Protocol):
    """A table of labels: rows of codes, and the voxels of each."""

    @property
    def codes(self) -> NDArray[np.int32]:
        """A row for each pattern, a column for each rater."""

    @property
    def counts(self) -> NDArray[np.float64]:
        """Voxels of each row."""


def remarks_on_copies(
    volume: Sequence[float], found: Found, case: Case, method: Method, options: Options
) -> list[str]:
    """Say who of a case hold the same votes: by the table of their votes, or where there is none, voxel by voxel."""
    if len(set(volume)) == len(volume):
        return []
    if found.table is None or case.decisions is not None:  # whose table is that of the open voxels
        same: Same = partial(equal_in_case, case, options.core_label)
    else:
        same = same_in_table(found.table, case.given.places)
    votes = case.votes
    return remarks_on_same_votes(volume, same, votes.names, files=votes.files, once=method.of_levels)


def remarks_on_copies_in(table: VoteTable, votes: Votes) -> list[str]:
    """Say who hold the same votes; ``table`` is that of the votes."""
    marks = table.counts @ np.nan_to_num(table.patterns)
    same = same_in_table(table, range(len(table.names)))
    return remarks_on_same_votes(marks.tolist(), same, votes.names or table.names, files=votes.files)


def same_in_table(table: CoreTable | VoteTable, places: Sequence[int]) -> Same:
    """Return what compares raters in a table, whose columns are those of raters at these places."""

    def same(one: int, other: int) -> bool:
        votes = table.patterns[table.counts > 0]
        first, second = (votes[:, places.index(place)] for place in (one, other))
        return np.array_equal(first, second, equal_nan=True)

    return same


def same_in_codes(table: TableOfCodes, places: Sequence[int]) -> Same:
    """Return what compares raters in a table of labels, whose columns are those of raters at these places."""

    def same(one: int, other: int) -> bool:
        codes = table.codes[table.counts > 0]
        first, second = (codes[:, places.index(place)] for place in (one, other))
        return np.array_equal(first, second)

    return same


def equal_in_case(case: Case, label: int | None, one: int, other: int) -> bool:
    """Tell whether two raters' votes are the same inside the mask; arrays may be tensors on a device."""
    at = [case.given.places.index(place) for place in (one, other)]
    arrays: list[Any] = [case.given.arrays[i] for i in at]
    looked = [case.present[i] for i in at] if case.present else [None, None]
    return equal_votes(arrays, looked, case.mask, label)


def equal_votes(arrays: Sequence[Any], looked: Sequence[Any], mask: Any, label: int | None = None) -> bool:
    """Tell whether two arrays hold the same votes inside a mask; nan, and what was not looked at, is none."""
    missing = [
        array != array if seen is None else (array != array) | (seen == 0)  # noqa: PLR0124 - nan is not itself
        for array, seen in zip(arrays, looked, strict=True)
    ]
    one, other = arrays if label is None else [array == label for array in arrays]
    differ = (missing[0] != missing[1]) | ((one != other) & ~missing[0])
    if isinstance(mask, type(arrays[0])):
        differ = differ & (mask != 0)
    return not bool(differ.any())


def remarks_on_few_who_differ(found: Found, method: Method, options: Options) -> list[str]:
    """Say so where so few raters differ that the model would be refused to them without the copies."""
    fewest = FEWEST_OF_LEVELS if method.of_levels else FEWEST_OF_CLASSES if options.classes > 2 else 0
    if not fewest or found.table is None:
        return []
    voted = found.table.patterns[:, ~np.isnan(found.table.patterns).all(axis=0)]
    distinct = len(np.unique(np.nan_to_num(voted, nan=-1.0), axis=1).T)
    if distinct >= fewest or distinct == voted.shape[1]:
        return []
    what = "border-staple" if method.of_levels else "classes=3"
    counted = (
        f"of {voted.shape[1]} raters {distinct} differ, the others are copies: {what} needs {fewest} who differ, and the consensus "
        "follows those who were copied; leave copies out, and take the mean (method='majority')"
    )
    return [counted]
