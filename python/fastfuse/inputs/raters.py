"""The raters who read a case, and who of them hold the same votes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from .arrays import Array, as_raters, name_of

FEWEST_MARKS = 30  # raters whose votes agree on nine of ten marks agree on so many by chance once in 24 times, and on fewer more often
FEWEST_DIFFER = 3  # raters who differ, up from whom border-STAPLE counts copies once

Same: TypeAlias = Callable[[int, int], bool]
"""Tells whether two raters, by their places, hold the same votes."""


@dataclass(frozen=True)
class Raters:
    """The raters who read a case.

    Attributes
    ----------
    arrays : list of ndarray
        Their votes, of one shape.
    places : list of int
        Their places among all raters.
    count : int
        Number of all raters.
    names : list of str
        What messages call those who read the case.
    """

    arrays: list[Array]
    places: list[int]
    count: int
    names: list[str]

    @classmethod
    def of(cls, raters: Sequence[Any], names: Sequence[str] | None = None) -> Raters:
        """Take the votes of raters as :func:`listed` returns them.

        Raises
        ------
        TypeError, ValueError
            As :func:`as_raters`, and if all are None.
        """
        places = [i for i, rater in enumerate(raters) if rater is not None]
        if raters and not places:
            raise ValueError("all raters are None: give at least one array of votes")
        called = [name_of(i, names) for i in places]
        return cls(as_raters([raters[i] for i in places], called), places, len(raters), called)

    def listed(self) -> list[Array | None]:
        """Return all raters' arrays, None for one who did not read the case."""
        read = dict(zip(self.places, self.arrays, strict=True))
        return [read.get(i) for i in range(self.count)]


def remarks_on_same_votes(
    marks: Sequence[float],
    same: Same,
    names: Sequence[str] | None,
    *,
    hints: Sequence[Hashable] | None = None,
    files: Sequence[Hashable] = (),
    once: bool = False,
) -> list[str]:
    """Say who hold the same votes; only raters with the same hints are compared.

    Parameters
    ----------
    marks : sequence of float
        How much each rater marks. Who marks little may agree with another one by chance.
    same : callable
    names : sequence of str, optional
        What the raters are called.
    hints : sequence, optional
        What is equal for copies, and seldom for others; ``marks`` without it.
    files : sequence, optional
        The file of each rater: of one that is given several times is told where files are read.
    once : bool
        Whether copies count as one rater where three differ.
    """
    hints = marks if hints is None else hints
    if len(set(hints)) == len(hints):
        return []
    groups: dict[Hashable, list[list[int]]] = {}
    for i, hint in enumerate(hints):
        alike = groups.setdefault(hint, [])
        for group in alike if marks[i] >= FEWEST_MARKS else ():
            if same(group[0], i):
                group.append(i)
                break
        else:
            alike.append([i])
    distinct = sum(map(len, groups.values()))
    copies = [group for alike in groups.values() for group in alike if len(group) > 1]
    if files:
        copies = [group for group in copies if len({files[i] for i in group}) > 1]
    once = once and distinct >= FEWEST_DIFFER
    return [_same_votes([name_of(i, names) for i in group], once=once) for group in copies]


def _same_votes(names: Sequence[str], *, once: bool) -> str:
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    if once:
        return f"{listed} hold the same votes: they count as one rater"
    return f"{listed} hold the same votes: they count as {len(names)} raters; leave copies out"
