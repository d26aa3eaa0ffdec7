"""Which pattern of votes each voxel of a case has, so that a new rater costs a read of their file alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...fusion.case import Case
from ...fusion.table_checks import aligned
from ...fusion.table_file import INDEX, read_table, table_bytes
from ...fusion.vote_table import VoteTable
from ...inputs.grids import Grid

SAME_MM = 1e-6  # by which voxels of the same grid may lie apart
Array = NDArray[Any]
Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class VoteIndex:
    """The pattern of each voxel.

    Attributes
    ----------
    rows : ndarray of unsigned integers, the volume's shape
        1 + the place of the voxel's pattern; 0 outside of the region.
    patterns : ndarray, shape (R, m)
        Votes; nan is a missing one.
    names : tuple of m str
    affine : ndarray, shape (4, 4)
        Where the voxels lie.
    """

    rows: Array
    patterns: Values
    names: tuple[str, ...]
    affine: Values

    @classmethod
    def of(cls, case: Case, names: Sequence[str], grid: Grid, label: int | None) -> VoteIndex:
        """Take the votes of a case that was read; ``label``: of maps, the one whose voxels are votes."""
        inside = np.ones(case.shape, bool) if case.mask is None else np.asarray(case.mask != 0)
        nobody = cls(inside.astype(np.uint8), np.zeros((1, 0)), (), np.asarray(grid.affine))
        return nobody.joined(votes_of(case, label), names)

    def joined(self, votes: Sequence[Array], names: Sequence[str]) -> VoteIndex:
        """Return the index with the votes of more raters."""
        rows, patterns = self.rows, self.patterns
        for one in votes:
            rows, patterns = _joined(rows, patterns, one)
        return VoteIndex(rows, patterns, (*self.names, *names), self.affine)

    def table(self, names: Sequence[str]) -> VoteTable:
        """Return the vote table, raters in this order; voxels on which nobody votes are in none."""
        counts = np.bincount(self.rows.reshape(-1), minlength=len(self.patterns) + 1)[1:]
        read = ~np.isnan(self.patterns).all(axis=1) & (counts > 0)
        return VoteTable(aligned(self.patterns[read], self.names, names, np.nan), counts[read], names)

    def is_of(self, grid: Grid) -> bool:
        """Tell whether another file's voxels are the same."""
        same = tuple(grid.shape) == self.rows.shape
        return same and bool(np.abs(np.asarray(grid.affine) - self.affine).max() <= SAME_MM)

    def as_bytes(self, key: str) -> bytes:
        """Return the file's content; ``key``: of the table that it belongs to."""
        return table_bytes(
            INDEX, rows=self.rows, patterns=self.patterns, names=np.array(self.names), affine=self.affine,
            key=np.array(key),
        )  # fmt: skip

    @classmethod
    def at(cls, path: Path, key: str) -> VoteIndex | None:
        """Read that of a table; None where there is none, it is another table's, or it is damaged."""
        if not path.is_file():
            return None
        try:
            kept = read_table(path, INDEX)
            found = cls(kept["rows"], kept["patterns"], tuple(map(str, kept["names"])), kept["affine"])
            return found if str(kept["key"]) == key and found._is_sound() else None
        except Exception:  # noqa: BLE001 - whatever it holds: the files are read in its place
            return None

    def _is_sound(self) -> bool:
        """Tell whether what a file held is an index: types, shapes, and votes in [0, 1] or missing."""
        rows, patterns, affine = self.rows, self.patterns, self.affine
        floats = patterns.dtype == np.float64 and affine.dtype == np.float64
        if rows.dtype.kind != "u" or not floats or patterns.shape[1:] != (len(self.names),):
            return False
        votes = np.isnan(patterns) | ((patterns >= 0) & (patterns <= 1))
        lies = rows.ndim == 3 and affine.shape == (4, 4) and np.isfinite(affine).all()
        return bool(votes.all() and lies and (not rows.size or rows.max() <= len(patterns)))


def votes_of(case: Case, label: int | None) -> list[Array]:
    """Return what each rater's voxels count as; nan where a vote is missing."""
    looked = case.present or [None] * len(case.given.arrays)
    votes = []
    for array, seen in zip(case.given.arrays, looked, strict=True):
        vote = array
        if label is not None:
            marked = np.rint(array) == label
            missing = np.isnan(array) if array.dtype.kind == "f" else np.zeros((), bool)
            vote = np.where(missing, np.nan, marked) if missing.any() else marked
        votes.append(vote if seen is None else np.where(seen != 0, vote, np.nan))
    return votes


def _joined(rows: Array, patterns: Values, votes: Array) -> tuple[Array, Values]:
    """Divide patterns by one more rater's votes. Most are 0, and are not sorted."""
    flat, votes = rows.reshape(-1), np.asarray(votes).reshape(-1)
    at = np.flatnonzero((flat > 0) & (votes != 0))
    values, code = np.unique(votes[at].astype(np.float64), return_inverse=True)
    values = np.concatenate([[0.0], values])
    before = flat[at].astype(np.int64) - 1
    keys = before * len(values) + code.reshape(-1) + 1
    zeros = np.bincount(flat, minlength=len(patterns) + 1)[1:] - np.bincount(before, minlength=len(patterns))
    held = np.concatenate([np.unique(keys), np.flatnonzero(zeros) * len(values)])
    held.sort()
    kind = np.min_scalar_type(len(held))
    of_zero = np.searchsorted(held, np.arange(len(patterns)) * len(values)) + 1
    after = np.concatenate([[0], of_zero]).astype(kind)[flat]
    after[at] = np.searchsorted(held, keys) + 1
    row, value = np.divmod(held, len(values))
    return after.reshape(rows.shape), np.column_stack([patterns[row], values[value]])
