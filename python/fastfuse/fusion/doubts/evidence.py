"""What remarks are derived from: a fusion as it is written, the cut, and the options in use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backends.found import Found
from ..case import Case
from ..options import Options
from ..registry import Method
from ..result import Fusion, Ties

MOST_DIGITS = 17


@dataclass(frozen=True, eq=False)
class Evidence:
    """A fusion, and how it came about.

    Attributes
    ----------
    fusion : Fusion
    found : Found
    method : Method
    options : Options
    cut : float
        Cut of the mask that is made of the consensus.
    case : Case, optional
        The votes; None for an estimate from a table.
    ties : {"foreground", "background"}
        What a voxel becomes whose probability is the cut; the cut lies just above it for the background.
    for_dice : bool
        Whether the cut was found, for the highest expected Dice.
    advises : bool
        Whether remarks name options to try; not where the caller of all methods has none of them.
    """

    fusion: Fusion
    found: Found
    method: Method
    options: Options
    cut: float = 0.5
    case: Case | None = None
    ties: Ties = "foreground"
    for_dice: bool = False
    advises: bool = True

    @property
    def highest(self) -> np.floating:
        """The highest probability, in the precision in which it is written."""
        return self._written(self.found.highest)

    @property
    def lowest(self) -> np.floating:
        """The lowest probability inside the mask, in the precision in which it is written."""
        return self._written(self.found.lowest)

    @property
    def is_empty(self) -> bool:
        """Whether no fused voxel reaches the cut."""
        return bool(self.highest < self.written_cut)

    @property
    def is_empty_by_ties(self) -> bool:
        """Whether the highest probability is the cut itself, which counts as background."""
        return self.ties == "background" and bool(
            np.nextafter(self.highest, type(self.highest)(2)) >= self.written_cut
        )

    @property
    def is_full(self) -> bool:
        """Whether all fused voxels reach the cut."""
        return bool(self.lowest >= self.written_cut)

    @property
    def written_cut(self) -> np.floating:
        """The cut as arrays are compared with it; before NumPy 2 a single number is compared in double precision."""
        return self._written(self.cut)

    def _written(self, value: float) -> np.floating:
        dtype: Any = getattr(
            self.fusion.probability, "dtype", "float32"
        )  # what a device holds may not tell it
        wide = dtype.itemsize == 8 if isinstance(dtype, np.dtype) else str(dtype).endswith("float64")
        return np.float64(value) if wide else np.float32(value)


def shown_beside(value: np.floating, cut: float) -> str:
    """Return a probability with so many digits that it lies on its own side of the cut."""
    for digits in range(3, MOST_DIGITS):
        text = f"{float(value):.{digits}g}"
        is_marked = value >= type(value)(cut)
        if (type(value)(text) >= type(value)(cut)) == is_marked and (float(text) >= cut) == is_marked:
            return text
    return repr(float(value))
