"""Who read a case, and who did not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..fusion.result import Fusion
from .arrays import Array, as_raters, name_of


@dataclass(frozen=True)
class Raters:
    """Those who read the case, and how many there are in all."""

    arrays: list[Array]
    places: list[int]
    count: int
    names: list[str]

    @classmethod
    def of(cls, raters: Any, names: Sequence[str] | None = None) -> Raters:
        """Take the votes as the caller has them.

        Raises
        ------
        TypeError, ValueError
            As :func:`as_raters`, and if all are None.
        """
        if isinstance(raters, (list, tuple)):
            places = [i for i, rater in enumerate(raters) if rater is not None]
            if raters and not places:
                raise ValueError("all raters are None: give at least one array of votes")
            called = [name_of(i, names) for i in places]
            return cls(as_raters([raters[i] for i in places], called), places, len(raters), called)
        arrays = as_raters(raters, names)
        called = [name_of(i, names) for i in range(len(arrays))]
        return cls(arrays, list(range(len(arrays))), len(arrays), called)

    def listed(self) -> list[Array | None]:
        """Return all raters' arrays, None for one who did not read the case."""
        read = dict(zip(self.places, self.arrays, strict=True))
        return [read.get(i) for i in range(self.count)]

    def whole(self, fusion: Fusion) -> Fusion:
        """Return the fusion with entries for those who did not read the case, too."""
        if len(self.places) == self.count:
            return fusion
        parts: dict[str, Any] = {}
        for name in ("sensitivity", "specificity", "ppv", "npv", "dice", "volume", "n_read"):
            parts[name] = np.full(self.count, 0.0 if name in ("volume", "n_read") else np.nan)
            parts[name][self.places] = getattr(fusion, name)
        if fusion.intervals is not None:
            parts["intervals"] = fusion.intervals.of_all(self.places, self.count)
        return replace(fusion, **parts)
