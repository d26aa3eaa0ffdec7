"""A vote table: the distinct vote patterns of volumes, and how many voxels have each."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from ..errors import FastfuseError
from ..inputs.arrays import name_of

FORMAT, VERSION = "fastfuse vote table", 1
MOST_SHOWN = 5  # patterns


class VoteTable:
    """The distinct patterns of votes, and the number of voxels that have each.

    :func:`tabulate` makes one of arrays. Tables of the same raters add up: over cases, over parts of a volume.

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
        If shapes do not agree, a vote lies outside [0, 1], or a count is no whole number of at least 0.

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
        self.in_core = _core.VoteTable(patterns, counts)
        given = None if names is None else [str(name) for name in names]
        if given is not None and len(given) != self.in_core.raters:
            raise ValueError(f"names has {len(given)} entries for {self.in_core.raters} raters")
        if given is not None and len(set(given)) != len(given):
            raise ValueError("names holds a name twice: each rater needs a name of their own")
        self._names = tuple(given or [name_of(i, None) for i in range(self.in_core.raters)])

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
        if self.names != other.names:
            raise ValueError(
                f"the tables have different raters ({', '.join(self.names)}; {', '.join(other.names)}): tables of "
                "the same raters in the same order add up"
            )
        return self._with(self.in_core.add(other.in_core), self.names)

    def __radd__(self, other: object) -> VoteTable:
        """Return the table for 0, with which :func:`sum` starts."""
        if other == 0:
            return self
        return NotImplemented

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, VoteTable):
            return NotImplemented
        return self.names == other.names and self.in_core == other.in_core

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

        Examples
        --------
        >>> import fastfuse
        >>> table = fastfuse.tabulate([[0, 1], [0, 1], [1, 0]], names=["Ann", "Bob", "Eve"])
        >>> table.drop("Eve").names
        ('Ann', 'Bob')
        """
        place = self._place_of(rater)
        if len(self.names) == 1:
            raise ValueError("the table has one rater only: dropping them leaves nothing")
        names = [name for i, name in enumerate(self.names) if i != place]
        return self._with(self.in_core.drop(place), names)

    def save(self, path: Any) -> None:
        """Write the table to a file: NumPy's .npz, without pickle.

        Parameters
        ----------
        path : str or path
            What is there is replaced.

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
        content = io.BytesIO()
        np.savez_compressed(
            content,
            format=np.array(FORMAT),
            version=np.array(VERSION),
            patterns=self.patterns,
            counts=self.counts,
            names=np.array(self.names),
        )
        Path(path).write_bytes(content.getvalue())

    @classmethod
    def load(cls, path: Any) -> VoteTable:
        """Read a table that was saved.

        Raises
        ------
        FastfuseError
            Naming the file, if it cannot be read, is damaged, or holds no vote table of this version.
        """
        kept = _read(Path(path))
        try:
            of_ours, version = str(kept["format"]) == FORMAT, int(kept["version"])
        except (KeyError, TypeError, ValueError):
            of_ours, version = False, 0
        if not of_ours:
            raise FastfuseError(f"{path}: holds no vote table of fastfuse")
        if version != VERSION:
            raise FastfuseError(
                f"{path}: is a vote table of version {version}, and this fastfuse reads version {VERSION}: tabulate "
                "the votes again, or use the fastfuse that wrote it"
            )
        try:
            return cls(kept["patterns"], kept["counts"], kept["names"].tolist())
        except (KeyError, TypeError, ValueError) as error:
            raise FastfuseError(f"{path}: is damaged ({error})") from None

    @classmethod
    def _with(cls, table: _core.VoteTable, names: Sequence[str]) -> VoteTable:
        """Wrap a table of the core."""
        made = cls.__new__(cls)
        made.in_core, made._names = table, tuple(names)
        return made

    def _place_of(self, rater: int | str) -> int:
        if isinstance(rater, str):
            if rater not in self.names:
                raise ValueError(f"there is no rater {rater!r}: the table has {', '.join(self.names)}")
            return self.names.index(rater)
        if not -len(self.names) <= rater < len(self.names):
            raise ValueError(f"there is no rater {rater}: the table has {len(self.names)}")
        return rater % len(self.names)

    def __repr__(self) -> str:
        patterns, counts = self.patterns, self.counts
        held = np.flatnonzero(counts)
        order = held[np.argsort(-counts[held], kind="stable")]
        m = len(self.names)
        lines = [f"VoteTable({m} rater{'s' * (m != 1)}, {self.voxels} voxels, {len(held)} patterns)"]
        width = max(len("voxels"), *(len(f"{counts[row]:.0f}") for row in order[:1]))
        if len(order):
            lines.append(f"  {'voxels':>{width}}  votes of {', '.join(self.names)}")
        for row in order[:MOST_SHOWN]:
            votes = " ".join("-" if np.isnan(vote) else f"{vote:.3g}" for vote in patterns[row])
            lines.append(f"  {counts[row]:>{width}.0f}  {votes}")
        if len(order) > MOST_SHOWN:
            rest = int(counts[order[MOST_SHOWN:]].sum())
            lines.append(f"  {rest:>{width}}  {len(order) - MOST_SHOWN} other patterns")
        return "\n".join(lines)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz file; nothing if it is a file of NumPy's of another kind."""
    try:
        kept = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
        return {name: kept[name] for name in kept.files} if hasattr(kept, "files") else {}
    except FileNotFoundError:
        raise FastfuseError(f"{path}: there is no such file") from None
    except Exception as error:  # noqa: BLE001 - whatever a file's content does to the reader
        raise FastfuseError(f"{path}: cannot be read as a vote table ({error})") from None
