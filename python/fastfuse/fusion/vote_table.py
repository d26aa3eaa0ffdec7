"""A vote table: the distinct vote patterns of volumes, and how many voxels have each."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from ..inputs.arrays import name_of
from ..inputs.names import MOST_NAMED, check_count_of_names, counted, enumerated, listed_names
from .table_checks import (
    aligned,
    check_voxels,
    checked_rows,
    names_of_both,
    names_without,
    place_of,
    rows_shown,
)
from .table_file import MASSES, VOTES, Kind, named_if_damaged, read_one_of, write_table


class VoteTable:
    """The distinct patterns of votes, and the number of voxels that have each.

    :func:`tabulate` makes one of arrays. Tables add up: over cases, over parts of a volume. Raters are told by their names; one
    whom only one of the tables has is absent from the other: their votes are missing there.

    Parameters
    ----------
    patterns : array_like, shape (rows, m)
        Votes in [0, 1] of each rater; nan for a missing vote.
    counts : array_like, shape (rows,)
        Number of voxels with each pattern.
    names : sequence of m str, optional
        What the raters are called; "rater 0", "rater 1", ... without it.

    Raises
    ------
    ValueError
        If shapes do not agree, a vote lies outside [0, 1], a count is no whole number of at least 0, there are more
        than 2^53 voxels, or ``names`` does not hold another name for each rater.
    TypeError
        For what is no array of numbers, or no list of names.

    Examples
    --------
    >>> import fastfuse
    >>> monday = fastfuse.tabulate([[0, 0, 1, 1], [0, 1, 1, 1]])
    >>> tuesday = fastfuse.tabulate([[0, 0, 0, 1], [0, 0, 1, 1]])
    >>> monday + tuesday
    VoteTable(2 raters, 8 voxels, 3 patterns)
      voxels  votes of rater 0, rater 1
           3  0 0
           3  1 1
           2  0 1
    """

    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __init__(self, patterns: ArrayLike, counts: ArrayLike, names: Sequence[str] | None = None) -> None:
        given = listed_names(names)
        votes, count = checked_rows(patterns, counts, given)
        check_count_of_names(given, votes.shape[1])
        self._core = _core.VoteTable(votes, count)
        self._names = tuple(given or [name_of(i, None) for i in range(self._core.raters)])

    @property
    def in_core(self) -> _core.VoteTable:
        """The table as the core holds it."""
        return self._core

    @property
    def patterns(self) -> NDArray[np.float64]:
        """The patterns, shape (rows, m); nan is a missing vote. Row 0 is (0, ..., 0); the others are sorted."""
        return self.in_core.patterns

    @property
    def counts(self) -> NDArray[np.float64]:
        """Number of voxels with each pattern, shape (rows,)."""
        return self.in_core.counts

    @property
    def names(self) -> tuple[str, ...]:
        """What the raters are called."""
        return self._names

    @property
    def voxels(self) -> int:
        """Number of all voxels."""
        return int(self.counts.sum())

    def __add__(self, other: VoteTable) -> VoteTable:
        if not isinstance(other, VoteTable):
            return NotImplemented
        names = names_of_both(self.names, other.names)
        check_voxels(self.voxels + other.voxels)
        return self._with(self.of_raters(names).in_core.add(other.of_raters(names).in_core), names)

    def __radd__(self, other: object) -> VoteTable:
        """Return the table for 0, with which :func:`sum` starts."""
        if other == 0:
            return self
        return NotImplemented

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, VoteTable):
            return NotImplemented
        (patterns, counts), (others, other_counts) = self._held(), other._held()
        return (
            self.names == other.names
            and np.array_equal(counts, other_counts)
            and np.array_equal(patterns, others, equal_nan=True)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make the table anew, for pickle and copy."""
        return type(self), (self.patterns, self.counts, self.names)

    def of_raters(self, names: Sequence[str]) -> VoteTable:
        """Return the table with these raters in this order; who is not in the table has no vote."""
        if self.names == tuple(names):
            return self
        return type(self)(aligned(self.patterns, self.names, names, np.nan), self.counts, names)

    def drop(self, rater: int | str) -> VoteTable:
        """Return the table of the other raters.

        Parameters
        ----------
        rater : int or str
            Index or name of the rater to leave out.

        Raises
        ------
        ValueError
            If there is no such rater, or no other.
        TypeError
            If ``rater`` is neither a name nor an integer.

        Examples
        --------
        >>> import fastfuse
        >>> table = fastfuse.tabulate([[0, 1], [0, 1], [1, 0]], names=["Ann", "Bob", "Eve"])
        >>> table.drop("Eve").names
        ('Ann', 'Bob')
        """
        place = place_of(rater, self.names)
        return self._without(place, names_without(place, self.names))

    def _without(self, place: int, names: Sequence[str]) -> VoteTable:
        return self._with(self.in_core.drop(place), names)

    def save(self, path: Any) -> None:
        """Write the table to a file: NumPy's .npz, without pickle.

        Parameters
        ----------
        path : str or path
            What is there is replaced once the new file is complete.

        Raises
        ------
        OutputError
            If the file cannot be written there.

        Examples
        --------
        >>> import fastfuse, tempfile, pathlib
        >>> table = fastfuse.tabulate([[0, 1], [0, 1]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "votes.npz")
        ...     table.save(path)
        ...     fastfuse.VoteTable.load(path) == table
        True
        """
        kind, arrays = self.as_arrays()
        write_table(path, kind, **arrays)

    def as_arrays(self) -> tuple[Kind, dict[str, NDArray[Any]]]:
        """Return what a file of the table holds, and its kind."""
        return VOTES, {"patterns": self.patterns, "counts": self.counts, "names": np.array(self.names)}

    @classmethod
    def load(cls, path: Any) -> VoteTable:
        """Read a table that was saved; of masses, if that is what the file holds.

        Raises
        ------
        FastfuseError
            Naming the file, if it cannot be read, is damaged, or holds no vote table of this version.
        """
        kind, kept = read_one_of(path, VOTES, MASSES)
        if kind == MASSES:
            found: VoteTable = import_module(".masses.table", __package__).MassTable.of_file(path, kept)
            return found
        with named_if_damaged(path):
            return cls(kept["patterns"], kept["counts"], kept["names"])

    @classmethod
    def _with(cls, table: _core.VoteTable, names: Sequence[str]) -> VoteTable:
        """Wrap a table of the core."""
        made = cls.__new__(cls)
        made._core, made._names = table, tuple(names)
        return made

    def _held(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the patterns that occur, and their counts."""
        patterns, counts = self.patterns, self.counts
        return patterns[counts > 0], counts[counts > 0]

    def __repr__(self) -> str:
        patterns, counts = self._held()
        sizes = (
            counted(len(self.names), "rater"),
            counted(self.voxels, "voxel"),
            counted(len(counts), "pattern"),
        )
        lines = [f"VoteTable({', '.join(sizes)})"]
        title = f"votes of {enumerated(self.names)}"
        return "\n".join([*lines, *rows_shown(counts, title, lambda row: _shown_votes(patterns[row]))])


def _shown_votes(votes: NDArray[np.float64]) -> str:
    """Return a pattern's votes as text: those of the raters who are named."""
    first = " ".join("-" if np.isnan(vote) else f"{vote:.3g}" for vote in votes[:MOST_NAMED])
    return first if len(votes) <= MOST_NAMED else f"{first} ..."
