"""A mass table: how much of volumes lies on each binary pattern of votes, where the votes do not repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import said
from ...inputs.names import check_count_of_names, counted, enumerated, listed_names
from ..backends import core
from ..registry import Method
from ..table_checks import (
    check_voxels,
    names_of_both,
    rows_shown,
)
from ..table_file import MASSES, Kind, named_if_damaged, read_table
from ..vote_table import VoteTable
from .sums import Sums, checked, merged

Values = NDArray[np.float64]
BEYOND = (
    "the votes have more distinct patterns than a table of votes holds, and more raters, or groups of raters who looked "
    "elsewhere, than one of masses (12 raters): round them first, as in np.round(votes, 1), or fuse case by case"
)


NO_COUNTS = (
    "the votes have too many distinct patterns to count: their table holds masses, which soft-staple takes alone; round "
    "the votes first, as in np.round(votes, 1), or make masks of them by threshold=0.5"
)


class MassTable(VoteTable):
    """The masses of the binary vote patterns of volumes: all that soft-STAPLE needs to know of their soft votes.

    :func:`fastfuse.tabulate` makes one of votes that have too many distinct patterns to count, as
    probabilities of a network do. It adds up, also with tables of counts. A voxel's soft votes divide it among the
    binary patterns, N(B) = Σ_t Π_i q_it(b_i), eq. (8); the paper's M-step needs M_i(B) = Σ_t q_it q_t(B) beside it. Each
    voxel's terms are rounded once, to multiples of 2^-53; from there on all sums are of whole numbers. Therefore
    ``tabulate(a) + tabulate(b)`` is the table of both bit for bit, in whatever order, by any number of threads.

    It has masses in the place of counts, which it refuses to tell. ``drop`` is the exact marginal of the sums; a table of the
    other raters' votes differs from it by what rounding each term has lost, at most 2^-53 of a voxel for each voxel.
    """

    __hash__: ClassVar[None]

    def __init__(self, sums: Sums, names: Sequence[str], voxels: int) -> None:
        self._sums, self._names, self._voxels = sums, tuple(names), voxels

    @classmethod
    def of_core(cls, found: core.Masses, places: Sequence[int], names: Sequence[str]) -> MassTable:
        """Take what the core gathered of the raters at ``places``; the others have no vote."""
        absent, whole, part, voxels = found
        sums = Sums.of_groups(absent, whole, part).placed(places, len(names))
        return cls(sums, names, voxels)

    @classmethod
    def of(cls, table: VoteTable) -> MassTable:
        """Return the masses of a table of votes.

        Raises
        ------
        ValueError
            For more raters, or groups of them, than a mass table holds.
        """
        if isinstance(table, MassTable):
            return table
        found = core.masses_of(table.in_core)
        if found is None:
            raise ValueError(BEYOND)
        return cls.of_core(found, range(len(table.names)), table.names)

    @property
    def in_core(self) -> Any:
        """Nothing that the core knows."""
        raise ValueError(NO_COUNTS)

    @property
    def counts(self) -> Values:
        """Refused: soft votes divide voxels."""
        raise ValueError(NO_COUNTS)

    @property
    def patterns(self) -> Values:
        """The binary patterns that have a mass, sorted, shape (rows, m); nan is a missing vote."""
        return np.where(self._sums.codes < 0, np.nan, self._sums.codes)

    @property
    def masses(self) -> Values:
        """N(B) of each pattern, shape (rows,)."""
        return self._sums.values[:, 0]

    @property
    def moments(self) -> Values:
        """M_i(B) of each pattern and rater, shape (rows, m)."""
        return self._sums.values[:, 1:]

    @property
    def voxels(self) -> int:
        """Number of all voxels."""
        return self._voxels

    def __add__(self, other: VoteTable) -> MassTable:
        if not isinstance(other, VoteTable):
            return NotImplemented
        names = names_of_both(self.names, other.names)
        voxels = self.voxels + other.voxels
        check_voxels(voxels)
        both = [MassTable.of(table).of_raters(names)._sums for table in (self, other)]
        return type(self)(merged(both), names, voxels)

    def __radd__(self, other: object) -> MassTable:
        """Add a table of votes, or return the table for 0, with which :func:`sum` starts."""
        if isinstance(other, VoteTable):
            return self + other
        if other == 0:
            return self
        return NotImplemented

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, VoteTable):
            return NotImplemented
        if not isinstance(other, MassTable):
            return False
        return (self.names, self.voxels) == (other.names, other.voxels) and self._sums.equals(other._sums)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make the table anew, for pickle and copy."""
        return type(self), (self._sums, self.names, self.voxels)

    def as_votes(self) -> VoteTable | None:
        """Return the table of votes if all are 0 or 1, as after a rater was dropped; None else."""
        sums = self._sums
        moved = np.where(sums.codes == 1, sums.whole[:, :1], 0) != sums.whole[:, 1:]
        if sums.part.any() or moved.any():
            return None
        return VoteTable(self.patterns, self.masses, self.names)

    def of_raters(self, names: Sequence[str]) -> MassTable:
        """Return the table with these raters in this order; who is not in the table has no vote."""
        if self.names == tuple(names):
            return self
        return type(self)(
            self._sums.placed([list(names).index(name) for name in self.names], len(names)),
            names,
            self.voxels,
        )

    def _without(self, place: int, names: Sequence[str]) -> MassTable:
        return type(self)(merged([self._sums.without(place)]), names, self.voxels)

    def as_arrays(self) -> tuple[Kind, dict[str, NDArray[Any]]]:
        """Return what a file of the table holds, and its kind."""
        held: dict[str, NDArray[Any]] = {
            "codes": self._sums.codes,
            "whole": self._sums.whole,
            "part": self._sums.part,
        }
        return MASSES, {**held, "voxels": np.array(self.voxels), "names": np.array(self.names)}

    @classmethod
    def load(cls, path: Any) -> MassTable:
        """Read a table that was saved.

        Raises
        ------
        FastfuseError
            Naming the file, if it cannot be read, is damaged, or holds no mass table of this version.
        """
        return cls.of_file(path, read_table(path, MASSES))

    @classmethod
    def of_file(cls, path: Any, kept: Mapping[str, Any]) -> MassTable:
        """Return the table whose arrays a file holds."""
        with named_if_damaged(path):
            sums, voxels = checked(kept["codes"], kept["whole"], kept["part"], kept["voxels"])
            names = listed_names(kept["names"]) or []
            check_count_of_names(names, sums.codes.shape[1])
        return cls(sums, names, voxels)

    def __repr__(self) -> str:
        masses, codes = self.masses, self._sums.codes
        sizes = (
            counted(len(self.names), "rater"),
            counted(self.voxels, "voxel"),
            counted(len(masses), "binary pattern"),
        )
        title = f"votes of {enumerated(self.names)}"

        def votes(row: int) -> str:
            return " ".join("-" if code < 0 else str(code) for code in codes[row].tolist())

        return "\n".join([f"MassTable({', '.join(sizes)})", *rows_shown(masses, title, votes)])


def settled(table: VoteTable) -> VoteTable:
    """Return a table of votes in the place of masses that are those of masks."""
    votes = table.as_votes() if isinstance(table, MassTable) else None
    return table if votes is None else votes


def weights_of(table: VoteTable) -> Values:
    """Return the voxels, or the mass, of each pattern."""
    return table.masses if isinstance(table, MassTable) else table.counts


def check_takes_masses(method: Method) -> None:
    """Refuse methods of which masses are not all that they need to know."""
    if method.votes == "binary":
        raise ValueError(
            f"the table holds masses of soft votes: {method.name} takes votes 0 and 1; soft votes are for soft-staple"
        )
    if method.name != "soft-staple":
        raise ValueError(
            said(
                f"the votes have too many distinct patterns for {method.name}, which has no finite table then: choose soft-staple, "
                "round them first, as in np.round(votes, 1), or fuse case by case (--pool none)"
            )
        )
