"""The 48 ways to turn a volume by a right angle or mirror it, and the one in which two label maps agree."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inputs.lattice import Turn

SOME = 1000  # marked voxels by which a turn is tried first

Levels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Match:
    """How the levels of one map agree with the labels of another.

    Attributes
    ----------
    turn : Turn
        Of the levels.
    labels : dict of int to int
        The label of each level that occurs.
    wrong : int
        Number of voxels at which they differ.
    marked : int
        Number of voxels that are not background in both.
    """

    turn: Turn
    labels: dict[int, int]
    wrong: int
    marked: int

    @property
    def share(self) -> float:
        """Share of the marked voxels that agree; 1 where nothing is marked."""
        return max(0.0, 1 - self.wrong / self.marked) if self.marked else 1.0


def turns_onto(shape: tuple[int, ...], other: tuple[int, ...]) -> Iterator[Turn]:
    """Yield the ways to turn a volume of one shape into one of the other, first those that change least."""
    found = [
        Turn(axes, flipped)
        for axes in itertools.permutations(range(3))
        if tuple(shape[axis] for axis in axes) == other
        for count in range(4)
        for flipped in itertools.combinations(range(3), count)
    ]
    yield from sorted(found, key=lambda turn: (turn != Turn(), turn.order != (0, 1, 2), len(turn.reverse)))


def matches(levels: Levels, labels: Levels) -> list[Match]:
    """Return how the levels agree with the labels, for each way to turn them, the best first.

    Label 0 is the background. Where they agree everywhere in the first way, only others that change nothing are returned.
    """
    foreground = np.nonzero(labels)
    marked = labels[foreground]
    values = np.unique(marked)
    places = np.searchsorted(values, marked)
    counts = np.bincount(levels.ravel(order="K"))
    found: list[Match] = []
    some = tuple(axis[:: max(1, marked.size // SOME)] for axis in foreground)
    for turn in turns_onto(levels.shape, labels.shape):
        if (
            found
            and found[0].wrong == 0
            and not np.array_equal(turn.of(levels)[some], found[0].turn.of(levels)[some])
        ):
            continue
        there = turn.of(levels)[foreground].astype(np.int64)
        table = np.bincount(there * len(values) + places, minlength=len(counts) * len(values))
        inside = (
            table.reshape(len(counts), len(values)) if len(values) else np.zeros((len(counts), 0), np.int64)
        )
        outside = counts - inside.sum(axis=1)
        found.append(_match(turn, np.column_stack([outside, inside]), [0, *map(int, values)]))
    return sorted(found, key=lambda match: match.wrong)


def _match(turn: Turn, table: NDArray[np.int64], values: list[int]) -> Match:
    """Give each level the label that it shares most voxels with, none twice."""
    labels: dict[int, int] = {}
    for place in np.argsort(-table, axis=None, kind="stable"):
        level, column = (int(index) for index in np.unravel_index(place, table.shape))
        if table[level, column] == 0:
            break
        if level not in labels and values[column] not in labels.values():
            labels[level] = values[column]
    right = sum(int(table[level, values.index(label)]) for level, label in labels.items())
    background = sum(int(table[level, 0]) for level, label in labels.items() if label == 0)
    total = int(table.sum())
    return Match(turn, labels, total - right, total - background)


def in_words(turn: Turn) -> str:
    """Say how a volume is turned."""
    parts = [
        _named(axes, what)
        for axes, what in ((turn.exchanged, "exchanged"), (list(turn.reverse), "flipped"))
        if axes
    ]
    return " and ".join(parts) or "as they are"


def _named(axes: list[int], what: str) -> str:
    named = [str(axis) for axis in axes]
    if len(named) == 1:
        return f"axis {named[0]} {what}"
    return f"axes {', '.join(named[:-1])} and {named[-1]} {what}"
