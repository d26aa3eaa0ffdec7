"""The raters who read a case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .arrays import Array, as_raters, name_of


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
