"""Exact sums over binary patterns: whole voxels, and parts of 2^-53 of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..table_checks import MOST_VOXELS

Codes = NDArray[np.int8]
Whole = NDArray[np.int64]
BITS = 53  # of the part of a voxel


@dataclass(frozen=True, eq=False)
class Sums:
    """Masses and moments of binary patterns, each a number whole + part · 2^-53.

    Attributes
    ----------
    codes : ndarray of int8, shape (rows, m)
        The patterns, sorted; -1 is a missing vote.
    whole, part : ndarray of int64, shape (rows, 1 + m)
        N(B), and M_i(B) of each rater.
    """

    codes: Codes
    whole: Whole
    part: Whole

    @classmethod
    def of_groups(cls, absent: NDArray[np.uint32], whole: Whole, part: Whole) -> Sums:
        """Take the (groups, 1 + m, 2^m) sums of the core; ``absent``: the raters without a vote in each group."""
        raters, patterns = whole.shape[1] - 1, whole.shape[2]
        bits = np.arange(raters)
        votes = (np.arange(patterns)[:, None] >> bits & 1).astype(np.int8)
        rows = []
        for missing, one, rest in zip((absent[:, None] >> bits & 1).astype(bool), whole, part, strict=True):
            codes = np.where(missing, np.int8(-1), votes)
            held = (one[0] > 0) | (rest[0] > 0)
            rows.append(cls(codes[held], one[:, held].T, rest[:, held].T))
        return merged(rows) if rows else cls.empty(raters)

    @classmethod
    def empty(cls, raters: int) -> Sums:
        """Return the sums of no voxel."""
        none = np.zeros((0, raters + 1), np.int64)
        return cls(np.zeros((0, raters), np.int8), none, none)

    @property
    def values(self) -> NDArray[np.float64]:
        """The sums as numbers, each rounded once."""
        return self.whole + self.part * 2.0**-BITS

    def placed(self, places: Sequence[int], raters: int) -> Sums:
        """Return the sums with the raters at these places among so many; the others have no vote."""
        columns = [0, *(1 + place for place in places)]
        codes = np.full((len(self.codes), raters), np.int8(-1))
        codes[:, list(places)] = self.codes
        wide = np.zeros((2, len(codes), 1 + raters), np.int64)
        wide[0][:, columns], wide[1][:, columns] = self.whole, self.part
        return merged([Sums(codes, wide[0], wide[1])])

    def without(self, place: int) -> Sums:
        """Return the rows without one rater's votes: several may have the same pattern."""
        return Sums(
            np.delete(self.codes, place, axis=1),
            np.delete(self.whole, 1 + place, axis=1),
            np.delete(self.part, 1 + place, axis=1),
        )

    def equals(self, other: Sums) -> bool:
        """Tell whether all are the same."""
        return (
            np.array_equal(self.codes, other.codes)
            and np.array_equal(self.whole, other.whole)
            and np.array_equal(self.part, other.part)
        )


def merged(parts: Iterable[Sums]) -> Sums:
    """Return the sums of all parts, patterns in order."""
    parts = list(parts)
    codes, row = np.unique(np.concatenate([one.codes for one in parts]), axis=0, return_inverse=True)
    sums = np.zeros((2, len(codes), parts[0].whole.shape[1]), np.int64)
    places = np.split(row.reshape(-1), np.cumsum([len(one.codes) for one in parts])[:-1])
    for one, place in zip(parts, places, strict=True):
        for into, what in zip(sums, (one.whole, one.part), strict=True):
            np.add.at(into, place, what)
    whole, part = sums
    return Sums(codes, whole + (part >> BITS), part & (2**BITS - 1))


def checked(
    codes: NDArray[Any], whole: NDArray[Any], part: NDArray[Any], voxels: NDArray[Any]
) -> tuple[Sums, int]:
    """Return the sums that a file holds, and the number of voxels.

    Raises
    ------
    ValueError
        If they cannot be those of votes.
    """
    if (
        codes.ndim != 2
        or codes.dtype != np.int8
        or not codes.shape[1]
        or not np.isin(codes, (-1, 0, 1)).all()
    ):
        raise ValueError(f"codes holds {codes.dtype} of shape {codes.shape}, or others than -1, 0 and 1")
    shape = (len(codes), codes.shape[1] + 1)
    for name, sums in (("whole", whole), ("part", part)):
        if sums.dtype != np.int64 or sums.shape != shape or (sums < 0).any():
            raise ValueError(f"{name} holds {sums.dtype} of shape {sums.shape}, or less than 0")
    if (part >= 2**BITS).any():
        raise ValueError("part holds a whole voxel")
    if voxels.ndim or voxels.dtype.kind not in "iu" or not 0 <= voxels <= MOST_VOXELS:
        raise ValueError("voxels is no number of voxels")
    found = merged([Sums(codes, whole, part)])
    values = found.values
    if len(found.codes) != len(codes) or (values[:, 1:] > values[:, :1]).any():
        raise ValueError("a pattern occurs twice, or a moment is more than its mass")
    if abs(values[:, 0].sum() - float(voxels)) > 1e-6 * float(voxels):
        raise ValueError("the masses are not those of so many voxels")
    return found, int(voxels)
