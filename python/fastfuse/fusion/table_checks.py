"""Checks of what a vote table is made of: patterns, counts, and the rater to drop."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import reason_of
from ..inputs.arrays import name_of, shown_number
from ..inputs.names import counted, enumerated, quoted

MOST_SHOWN = 5  # rows
MOST_VOXELS = 2**53  # beyond, a float64 no longer tells whole numbers apart
BEYOND = "at most 2^53, beyond which whole numbers can no longer be told apart"
PATTERNS = "votes in [0, 1], shape (rows, raters), and nan for a missing vote"
COUNTS = "whole numbers from 0 to 2^53, one for each row"


def checked_rows(
    patterns: Any, counts: Any, names: Sequence[str] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return patterns and counts as arrays.

    Raises
    ------
    TypeError, ValueError
        Naming the value and its row, for anything but votes in [0, 1] and whole numbers, of shapes that agree.
    """
    votes, count = checked_numbers(patterns, counts, PATTERNS)
    bad = np.argwhere(~(np.isnan(votes) | ((votes >= 0) & (votes <= 1))))
    if len(bad):
        row, rater = bad[0].tolist()
        held = f"{shown_number(float(votes[row, rater]))} of {name_of(rater, names)} in row {row}"
        raise ValueError(f"patterns holds {held}: give {PATTERNS}")
    check_counts(count)
    return votes, count


def checked_numbers(patterns: Any, counts: Any, what: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return patterns, which hold ``what``, and counts as arrays of shapes that agree."""
    votes, count = _numbers(patterns, "patterns", what), _numbers(counts, "counts", COUNTS)
    if votes.ndim != 2 or votes.shape[1] == 0:
        raise ValueError(f"patterns has shape {votes.shape}: give {what}")
    if count.shape != votes.shape[:1]:
        rows = f"{len(votes)} row{'s' * (len(votes) != 1)}"
        raise ValueError(f"counts has shape {count.shape} for {rows} of patterns: give {COUNTS}")
    return votes, count


def check_counts(count: NDArray[np.float64]) -> None:
    """Refuse what is no number of voxels."""
    whole = (count >= 0) & (count <= MOST_VOXELS) & (count == np.floor(count))
    if not whole.all():
        row = int(np.argmin(whole))
        raise ValueError(f"counts holds {shown_number(float(count[row]))} in row {row}: give {COUNTS}")
    check_voxels(sum(map(int, count.tolist())))


def check_voxels(voxels: int) -> None:
    """Refuse more voxels than can be counted."""
    if voxels > MOST_VOXELS:
        raise ValueError(f"the table would hold {voxels} voxels: {BEYOND}")


def place_of(rater: Any, names: Sequence[str]) -> int:
    """Return the index of a rater who is given by name or number."""
    if isinstance(rater, str):
        if rater not in names:
            raise ValueError(f"there is no rater {quoted(rater)}: the table has {enumerated(names)}")
        return names.index(rater)
    number: int | None = None
    if not isinstance(rater, (bool, np.bool_)):
        with suppress(TypeError):
            number = operator.index(rater)
    if number is None:
        raise TypeError(
            f"rater is {quoted(rater)}: give one rater, by name or by a number from 0 to {len(names) - 1}"
        )
    if not -len(names) <= number < len(names):
        raise ValueError(f"there is no rater {number}: the table has {len(names)}")
    return number % len(names)


def names_of_both(names: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the raters of two tables: in their order if it is the same, else sorted.

    Raises
    ------
    ValueError
        For different numbers of raters without names, of whom nobody can tell who is who.
    """
    if tuple(names) == tuple(others):
        return list(names)
    if any(_are_numbers(called) for called in (names, others)):
        raise ValueError(
            f"the tables have different raters ({enumerated(names)}; {enumerated(others)}): name them in both, by "
            'tabulate(masks, names=["Anna", "Bert"]), and tables add up by name'
        )
    return sorted({*names, *others})


def aligned(
    columns: NDArray[Any], names: Sequence[str], wanted: Sequence[str], absent: float
) -> NDArray[Any]:
    """Return a table's columns in the order of the wanted raters; who is not among ``names`` has no vote."""
    if tuple(names) == tuple(wanted):
        return columns
    placed = np.full((len(columns), len(wanted)), absent, columns.dtype)
    placed[:, [list(wanted).index(name) for name in names]] = columns
    return placed


def _are_numbers(names: Sequence[str]) -> bool:
    """Tell whether nobody has named the raters."""
    return list(names) == [name_of(i, None) for i in range(len(names))]


def names_without(place: int, names: Sequence[str]) -> list[str]:
    """Return the other raters' names; refuse to leave none."""
    if len(names) == 1:
        raise ValueError("the table has one rater only: dropping them leaves nothing")
    return [name for i, name in enumerate(names) if i != place]


def rows_shown(counts: NDArray[np.float64], title: str, shown: Callable[[int], str]) -> list[str]:
    """Return the most frequent rows of a table as lines, under a title; ``shown``: the votes of a row."""
    order = np.argsort(-counts, kind="stable").tolist()
    if not order:
        return []
    width = max(len("voxels"), len(f"{counts[order[0]]:.0f}"))
    lines = [f"  {'voxels':>{width}}  {title}"]
    lines += [f"  {counts[row]:>{width}.0f}  {shown(row)}" for row in order[:MOST_SHOWN]]
    if len(order) > MOST_SHOWN:
        rest = int(counts[order[MOST_SHOWN:]].sum())
        lines.append(f"  {rest:>{width}}  {counted(len(order) - MOST_SHOWN, 'other pattern')}")
    return lines


def _numbers(value: Any, name: str, what: str) -> NDArray[np.float64]:
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array: fill it; give {what}")
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O" and all(isinstance(one, int) for one in array.flat):  # beyond 64 bits
            array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:  # rows of several lengths
        raise ValueError(f"{name} cannot be read as an array ({reason_of(error)}): give {what}") from None
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} holds elements of type {array.dtype}: give {what}")
    return array.astype(np.float64)
