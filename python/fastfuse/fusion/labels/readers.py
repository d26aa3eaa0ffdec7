"""Raters, of whom some may not have read a case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..case import Case


@dataclass(frozen=True)
class Readers:
    """All raters' names, and the places of those who read the case."""

    names: tuple[str, ...]
    places: list[int]

    @classmethod
    def of(cls, case: Case) -> Readers:
        """Return those of a case."""
        read = dict(zip(case.given.places, case.given.names, strict=True))
        given = case.votes.names
        names = [read.get(i) or (given[i] if given else f"rater {i}") for i in range(case.given.count)]
        return cls(tuple(names), list(case.given.places))

    @property
    def count(self) -> int:
        """Number of all raters."""
        return len(self.names)

    def entries(self, values: Sequence[Any]) -> list[Any]:
        """Return the entries of the raters who read the case; nothing of nothing."""
        return [values[place] for place in self.places] if len(values) else []

    def for_all(self, values: NDArray[Any], absent: float) -> NDArray[Any]:
        """Return an array with entries for all raters."""
        if len(self.places) == self.count:
            return values
        of_all = np.full((self.count, *values.shape[1:]), absent)
        of_all[self.places] = values
        return of_all
