"""A label table: the distinct tuples of the raters' labels, and how many voxels have each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import said
from ...inputs.arrays import name_of, shown_number
from ...inputs.names import MOST_NAMED, check_count_of_names, counted, enumerated, listed_names
from ..backends import labels as core
from ..table_checks import (
    aligned,
    check_counts,
    check_voxels,
    checked_numbers,
    names_of_both,
    names_without,
    place_of,
    rows_shown,
)
from ..table_file import LABELS, Kind, named_if_damaged, read_table, write_table
from .chosen import Labels, checked_labels
from .declared import LabelsLike

PATTERNS = "labels, shape (rows, raters), and nan for a missing vote"
MISSING = -1
Codes = NDArray[np.int32]


class LabelTable:
    """The distinct tuples of the raters' labels, and the number of voxels that have each.

    :func:`tabulate` makes one of label maps. Tables add up: over cases, over parts of a volume; labels that only one of them
    has are taken in. Raters are told by their names; one whom only one of the tables has is absent from the other. Voxels on
    which nobody votes are not counted.

    Parameters
    ----------
    patterns : array_like, shape (rows, m)
        Label that each rater gives; nan for a missing vote.
    counts : array_like, shape (rows,)
        Number of voxels with each pattern.
    names : sequence of m str, optional
        What the raters are called; "rater 0", "rater 1", ... without it.
    labels : "all", sequence of int, or mapping of int to str, default "all"
        The labels that there are: those in ``patterns``, these, or these with names.

    Raises
    ------
    ValueError
        If shapes do not agree, a label is no whole number or none of ``labels``, a count is no whole number of at least
        0, there are more than 2^53 voxels, or ``names`` does not hold another name for each rater.
    TypeError
        For what is no array of numbers, or no list of names.

    Examples
    --------
    >>> import fastfuse
    >>> monday = fastfuse.tabulate([[0, 0, 2, 2], [0, 2, 2, 2]], labels="all")
    >>> tuesday = fastfuse.tabulate([[0, 0, 0, 4], [0, 0, 4, 4]], labels="all")
    >>> monday + tuesday
    LabelTable(2 raters, 8 voxels, 3 labels, 5 patterns)
      labels 0 2 4
      voxels  labels of rater 0, rater 1
           3  0 0
           2  2 2
           1  0 2
           1  0 4
           1  4 4
    """

    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __init__(
        self,
        patterns: ArrayLike,
        counts: ArrayLike,
        names: Sequence[str] | None = None,
        *,
        labels: LabelsLike = "all",
    ) -> None:
        given = listed_names(names)
        votes, count = checked_numbers(patterns, counts, PATTERNS)
        _check_whole(votes, given)
        check_counts(count)
        check_count_of_names(given, votes.shape[1])
        held = np.unique(votes[~np.isnan(votes)]).astype(np.int64).tolist()
        chosen = checked_labels(labels) or (checked_labels(held) if held else Labels(()))
        assert chosen is not None
        codes = _codes_of(votes, chosen, given)
        self._set(chosen, codes, count, given or [name_of(i, None) for i in range(votes.shape[1])])

    @property
    def labels(self) -> tuple[int, ...]:
        """The labels, in ascending order; a label's code is its place."""
        return self._labels.values

    @property
    def label_names(self) -> tuple[str, ...]:
        """What the labels are called; empty without names."""
        return self._labels.names

    @property
    def names(self) -> tuple[str, ...]:
        """What the raters are called."""
        return self._names

    @property
    def codes(self) -> Codes:
        """The patterns as codes, shape (rows, m); -1 is a missing vote. Rows are sorted."""
        return self._codes.copy()

    @property
    def patterns(self) -> NDArray[np.float64]:
        """The patterns as labels, shape (rows, m); nan is a missing vote."""
        return np.array([*self.labels, np.nan])[self._codes]

    @property
    def counts(self) -> NDArray[np.float64]:
        """Number of voxels with each pattern, shape (rows,)."""
        return self._counts.copy()

    @property
    def voxels(self) -> int:
        """Number of all voxels on which somebody votes."""
        return int(self._counts.sum())

    @property
    def volume(self) -> NDArray[np.float64]:
        """Voxels to which each rater gives each label, shape (m, K)."""
        most = len(self.labels) + 1
        found = [np.bincount(codes + 1, weights=self._counts, minlength=most)[1:] for codes in self._codes.T]
        return np.array(found)

    def __add__(self, other: LabelTable) -> LabelTable:
        if not isinstance(other, LabelTable):
            return NotImplemented
        names = names_of_both(self.names, other.names)
        check_voxels(self.voxels + other.voxels)
        labels = _united(self._labels, other._labels)
        codes = [
            aligned(_recoded(table._codes, table.labels, labels.values), table.names, names, MISSING)
            for table in (self, other)
        ]
        made = type(self).__new__(type(self))
        made._set(labels, np.concatenate(codes), np.concatenate([self._counts, other._counts]), names)
        return made

    def __radd__(self, other: object) -> LabelTable:
        """Return the table for 0, with which :func:`sum` starts."""
        if isinstance(other, int) and other == 0:
            return self
        return NotImplemented

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LabelTable):
            return NotImplemented
        (codes, counts), (others, other_counts) = self._held(), other._held()
        return (
            self.names == other.names
            and self._labels == other._labels
            and np.array_equal(counts, other_counts)
            and np.array_equal(codes, others)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make the table anew, for pickle and copy."""
        return _restored, (type(self), self._labels, self._codes, self._counts, self.names)

    def of_raters(self, names: Sequence[str]) -> LabelTable:
        """Return the table with these raters in this order; who is not in the table has no vote."""
        made = type(self).__new__(type(self))
        made._set(self._labels, aligned(self._codes, self.names, names, MISSING), self._counts, names)
        return made

    def named(self, names: Mapping[int, str]) -> LabelTable:
        """Return the table with these names of labels; a label without one is called by its number."""
        made = type(self).__new__(type(self))
        made._set(self._labels.named(names), self._codes, self._counts, self.names)
        return made

    def emptied(self) -> LabelTable:
        """Return a table of the same raters and labels without a voxel."""
        made = type(self).__new__(type(self))
        made._set(self._labels, self._codes[:0], self._counts[:0], self.names)
        return made

    def drop(self, rater: int | str) -> LabelTable:
        """Return the table of the other raters; the labels stay, also those that no other rater gives.

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
        """
        place = place_of(rater, self.names)
        names = names_without(place, self.names)
        made = type(self).__new__(type(self))
        made._set(self._labels, np.delete(self._codes, place, axis=1), self._counts, names)
        return made

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
        """
        kind, arrays = self.as_arrays()
        write_table(path, kind, **arrays)

    def as_arrays(self) -> tuple[Kind, dict[str, NDArray[Any]]]:
        """Return what a file of the table holds, and its kind."""
        return LABELS, {
            "labels": np.array(self.labels, dtype=np.int64),
            "label_names": np.array(self.label_names, dtype=np.str_),
            "codes": self._codes,
            "counts": self._counts,
            "names": np.array(self.names),
        }

    @classmethod
    def load(cls, path: Any) -> LabelTable:
        """Read a table that was saved.

        Raises
        ------
        FastfuseError
            Naming the file, if it cannot be read, is damaged, or holds no label table of this version.
        """
        kept = read_table(path, LABELS)
        with named_if_damaged(path):
            labels, patterns = _labels_in(kept), _patterns_in(kept)
            return cls(patterns, kept["counts"], kept["names"].tolist(), labels=labels)

    def _set(self, labels: Labels, codes: Codes, counts: NDArray[np.float64], names: Sequence[str]) -> None:
        """Hold rows in order, each once; that of voxels on which nobody votes, without a voxel.

        It stays because sums over rows have other last bits without it.
        """
        empty = (codes == MISSING).all(axis=1)
        counts = np.where(empty, 0.0, counts)
        codes, counts = codes[empty | (counts > 0)], counts[empty | (counts > 0)]
        if len(counts):
            rows = core.table_of(labels.values, codes, counts)
            codes, counts = rows.codes, rows.counts
        self._labels, self._codes, self._counts, self._names = labels, codes, counts, tuple(names)

    def _held(self) -> tuple[Codes, NDArray[np.float64]]:
        """Return the patterns that occur, and their counts."""
        return self._codes[self._counts > 0], self._counts[self._counts > 0]

    def __repr__(self) -> str:
        codes, counts = self._held()
        sizes = (
            counted(len(self.names), "rater"),
            counted(self.voxels, "voxel"),
            counted(len(self.labels), "label"),
            counted(len(counts), "pattern"),
        )
        lines = [f"LabelTable({', '.join(sizes)})"]
        if self.labels:
            lines.append(f"  labels {_first(self._labels.called)}")
        called = [*map(str, self.labels), "-"]
        title = f"labels of {enumerated(self.names)}"
        rows = rows_shown(counts, title, lambda row: _first([called[k] for k in codes[row]]))
        return "\n".join([*lines, *rows])


def table_of_codes(
    labels: Labels, codes: Codes, counts: NDArray[np.float64], names: Sequence[str]
) -> LabelTable:
    """Return the table of these codes, which are known to be right."""
    return _restored(LabelTable, labels, codes, counts, names)


def _restored(
    kind: type[LabelTable], labels: Labels, codes: Codes, counts: NDArray[np.float64], names: Sequence[str]
) -> LabelTable:
    made = kind.__new__(kind)
    made._set(labels, codes, counts, names)
    return made


def _first(words: Sequence[str]) -> str:
    """Return the first words, and whether there are others."""
    return " ".join(words[:MOST_NAMED]) + (" ..." if len(words) > MOST_NAMED else "")


def _check_whole(votes: NDArray[np.float64], names: Sequence[str] | None) -> None:
    bad = np.argwhere(~(np.isnan(votes) | ((votes == np.rint(votes)) & (np.abs(votes) <= 2**53))))
    if len(bad):
        row, rater = bad[0].tolist()
        held = f"{shown_number(float(votes[row, rater]))} of {name_of(rater, names)} in row {row}"
        raise ValueError(f"patterns holds {held}: give whole numbers within 2^53; {PATTERNS}")


def _codes_of(votes: NDArray[np.float64], labels: Labels, names: Sequence[str] | None) -> Codes:
    """Return labels as codes; refuse one that is none of the labels."""
    values = np.array([*labels.values, np.inf])
    codes = np.searchsorted(values[:-1], votes)
    wrong = np.argwhere((values[np.minimum(codes, len(values) - 1)] != votes) & ~np.isnan(votes))
    if len(wrong):
        row, rater = wrong[0].tolist()
        held = f"label {votes[row, rater]:.0f} of {name_of(rater, names)} in row {row}"
        known = enumerated([str(value) for value in labels.values])
        raise ValueError(f"patterns holds {held}, which is not in labels ({known}): add it there")
    return np.where(np.isnan(votes), MISSING, codes).astype(np.int32)


def _recoded(codes: Codes, before: Sequence[int], after: Sequence[int]) -> Codes:
    """Return codes among the labels ``before`` as those among ``after``."""
    places = np.array([*np.searchsorted(np.array(after), np.array(before)), MISSING], dtype=np.int32)
    return np.asarray(places[codes])


def _united(one: Labels, other: Labels) -> Labels:
    """Return the labels of both, with the names of both.

    Raises
    ------
    ValueError
        Naming the label that they call differently, or the name that they give to two.
    """
    values = tuple(sorted({*one.values, *other.values}))
    names = _told_names(one)
    for value, name in _told_names(other).items():
        if names.setdefault(value, name) != name:
            raise ValueError(
                said(
                    f"the tables call label {value} {names[value]!r} and {name!r}: give it one name in both, by labels={{{value}: name}} "
                    "(--label-names FILE)"
                )
            )
    labels = {name: value for value, name in names.items()}
    for value, name in names.items():
        if labels[name] != value:
            raise ValueError(
                f"the tables call labels {value} and {labels[name]} both {name!r}: give each label a name of its own"
            )
    return Labels(values).named(names)


def _told_names(labels: Labels) -> dict[int, str]:
    """Return the names that were given; a label is called by its number without one."""
    named = zip(labels.values, labels.names, strict=False)
    return {value: name for value, name in named if name != str(value)}


def _labels_in(kept: Mapping[str, NDArray[Any]]) -> Any:
    """Return a file's labels, as they are given to a table."""
    values, names = kept["labels"], kept["label_names"]
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise ValueError(f"labels holds {values.dtype} of shape {values.shape}")
    if names.ndim != 1 or (names.size and (names.dtype.kind != "U" or names.shape != values.shape)):
        raise ValueError(f"label_names holds {names.dtype} of shape {names.shape}")
    listed: list[int] = values.tolist()
    if listed != sorted(set(listed)):
        raise ValueError("labels do not rise")
    if not listed:
        return "all"
    return dict(zip(listed, map(str, names), strict=True)) if names.size else listed


def _patterns_in(kept: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Return a file's patterns."""
    codes, labels = kept["codes"], kept["labels"]
    if codes.ndim != 2 or codes.dtype.kind not in "iu":
        raise ValueError(f"codes holds {codes.dtype} of shape {codes.shape}")
    if codes.size and (codes.min() < MISSING or codes.max() >= labels.size):
        raise ValueError(f"codes lie from {codes.min()} to {codes.max()}, of {labels.size} labels")
    return np.asarray(np.append(labels.astype(np.float64), np.nan)[codes])
