"""Rows of several cases' label tables, and the labels that may be true in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...pooled.rows import summed
from ..table import LabelTable

Values = NDArray[np.float64]
Places = NDArray[np.int64]
UNKNOWN = 1e-3  # probability that a rater who does not know a label says what they never say there


@dataclass(frozen=True, eq=False)
class LabelRows:
    """Rows of all cases, and pairs: a row and a label that may be true there.

    Attributes
    ----------
    codes : ndarray of int, shape (rows, m)
        Votes; -1 is a missing one.
    count : ndarray, shape (rows,)
        Voxels of each row.
    case : ndarray of int, shape (rows,)
    cases, labels : int
        How many there are.
    row, label : ndarray of int, shape (pairs,)
        The pairs, in the order of the rows.
    first : ndarray of int, shape (rows,)
        The first pair of each row.
    """

    codes: Places
    count: Values
    case: Places
    cases: int
    labels: int
    row: Places
    label: Places
    first: Places

    @classmethod
    def of(cls, tables: Sequence[LabelTable], raters: Sequence[int], candidates: str) -> LabelRows:
        """Return the rows of tables that have the same raters and labels; of the raters at these places."""
        held = [table.counts > 0 for table in tables]
        codes = np.concatenate(
            [table.codes[rows][:, list(raters)] for table, rows in zip(tables, held, strict=True)]
        ).astype(np.int64)
        count = np.concatenate([table.counts[rows] for table, rows in zip(tables, held, strict=True)])
        case = np.repeat(np.arange(len(tables)), [np.count_nonzero(rows) for rows in held])
        labels = len(tables[0].labels)
        row, label = np.divmod(np.arange(len(codes) * labels), labels)
        if candidates == "voted":
            voted = np.repeat(np.arange(len(codes)), codes.shape[1])[codes.reshape(-1) >= 0]
            pairs = np.unique(voted * labels + codes.reshape(-1)[codes.reshape(-1) >= 0])
            row, label = np.divmod(pairs, labels)
        first = np.searchsorted(row, np.arange(len(codes)))
        return cls(codes, count, case, len(tables), labels, row, label, first)

    @cached_property
    def votes(self) -> Places:
        """Each rater's votes in the row of each pair, shape (m, pairs)."""
        return self.codes.T[:, self.row]

    @cached_property
    def places(self) -> list[tuple[NDArray[np.bool_], Places]]:
        """Of each rater the pairs where they vote, and each one's place in a matrix of truths and votes."""
        there = self.votes >= 0
        return [
            (held, self.label[held] * self.labels + votes[held])
            for held, votes in zip(there, self.votes, strict=True)
        ]

    def weighted(self, weights: Values) -> LabelRows:
        """Return the rows of a sample of cases; ``weights``: how often each is drawn."""
        return replace(self, count=self.count * weights[self.case])

    def volume(self) -> Values:
        """Return the votes for each label in each case, shape (cases, K)."""
        sums = np.zeros(self.cases * self.labels)
        for votes in self.codes.T:
            there = votes >= 0
            sums += np.bincount(self.case[there] * self.labels + votes[there], self.count[there], len(sums))
        return sums.reshape(self.cases, self.labels)

    def counts(self, held: Values) -> Values:
        """Return T[i, a, b]: the voxels of truth a to which rater i gives label b; ``held``: of each pair."""
        found = [summed(places, held[there], self.labels**2) for there, places in self.places]
        return np.array(found).reshape(-1, self.labels, self.labels)

    def mass(self, held: Values) -> Values:
        """Return the voxels of each truth in each case, shape (cases, K)."""
        places = self.case[self.row] * self.labels + self.label
        return summed(places, held, self.cases * self.labels).reshape(self.cases, self.labels)

    def guess(self, start: str, raters: Sequence[int] | None = None) -> Values:
        """Return w of each pair before there are rates: by plurality, ties shared, or by share of the votes.

        ``raters``: who has a say. Nothing in a row without votes.
        """
        votes = self.codes if raters is None else self.codes[:, list(raters)]
        said = (votes[self.row] == self.label[:, None]).sum(axis=1).astype(np.float64)
        most = np.maximum.reduceat(said, self.first)[self.row]
        if start != "vote":
            said = np.where((said == most) & (most > 0), 1.0, 0.0)
        whole = np.add.reduceat(said, self.first)[self.row]
        return np.asarray(np.divide(said, whole, out=np.zeros_like(said), where=whole > 0))


def fixed_rows(rows: LabelRows, unknown: Sequence[Sequence[int]], shares: Values) -> Values:
    """Return the rates of labels that raters do not know, nan of all others, shape (m, K, K).

    Such a rater says, with 1 - delta, what they say where the others' plurality is that label.
    """
    raters = rows.codes.shape[1]
    fixed = np.full((raters, rows.labels, rows.labels), np.nan)
    for rater, labels in enumerate(unknown):
        if not labels:
            continue
        others = [one for one in range(raters) if one != rater]
        said = rows.counts(rows.count[rows.row] * rows.guess("plurality", others))[rater]
        for label in labels:
            whole = said[label].sum()
            instead = said[label] / whole if whole > 0 else np.eye(rows.labels)[0]
            fixed[rater, label] = (1 - UNKNOWN) * instead + UNKNOWN * shares
    return fixed
