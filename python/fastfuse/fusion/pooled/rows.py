"""Weighted vote patterns of several cases: what EM with a prior of each case runs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..masses.table import MassTable
from ..vote_table import VoteTable

Values = NDArray[np.float64]
Places = NDArray[np.int64]

MISSING = -1.0
MOST_TERMS = 2**24  # binary patterns in which all soft patterns may take part


def settled(step: Callable[[Values], Values], start: Values, tol: float, most: int) -> Values:
    """Return where repeated steps lead, until one changes nothing by more than ``tol``, or after ``most``."""
    for _ in range(most):
        before, start = start, step(start)
        if float(np.abs(start - before).max()) <= tol:
            break
    return start


class TooManyTerms(Exception):
    """Soft patterns have too many fractional votes to divide them one by one."""


@dataclass(frozen=True, eq=False)
class CaseRows:
    """Patterns of several cases, each held once, and entries: how many voxels of a case have a pattern.

    Attributes
    ----------
    votes : ndarray, shape (R, m)
        Patterns; -1 is a missing vote.
    case, row : ndarray of int, shape (E,)
        Case and pattern of each entry, in the order of the cases.
    count : ndarray, shape (E,)
        Voxels; masses where soft patterns are divided into binary ones.
    cases : int
        Number of cases.
    moment : ndarray, shape (E, m), optional
        Sum of each rater's vote over an entry's voxels, where the pattern holds another vote.
    """

    votes: Values
    case: Places
    row: Places
    count: Values
    cases: int
    moment: Values | None = None

    @classmethod
    def of(cls, tables: Sequence[VoteTable]) -> CaseRows:
        """Return the patterns of tables that have the same raters; voxels on which nobody votes are left out.

        Where one of them holds masses, the patterns are binary ones, with the masses of all.
        """
        if any(isinstance(table, MassTable) for table in tables):
            return cls._of_masses([MassTable.of(table) for table in tables])
        return cls._of_votes(tables)

    @classmethod
    def _of_masses(cls, tables: Sequence[MassTable]) -> CaseRows:
        parts, cases, counts, moments = [], [], [], []
        for place, table in enumerate(tables):
            patterns = table.patterns
            held = ~np.isnan(patterns).all(axis=1)
            parts.append(np.where(np.isnan(patterns[held]), MISSING, patterns[held]))
            cases.append(np.full(np.count_nonzero(held), place))
            counts.append(table.masses[held])
            moments.append(table.moments[held])
        votes, row = _distinct(np.concatenate(parts))
        count, moment = np.concatenate(counts), np.concatenate(moments)
        return cls(votes, np.concatenate(cases), row, count, len(tables), moment)

    @classmethod
    def _of_votes(cls, tables: Sequence[VoteTable]) -> CaseRows:
        parts, cases, counts = [], [], []
        for place, table in enumerate(tables):
            patterns, count = table.patterns, table.counts
            held = (count > 0) & ~np.isnan(patterns).all(axis=1)
            parts.append(np.where(np.isnan(patterns[held]), MISSING, patterns[held]))
            cases.append(np.full(np.count_nonzero(held), place))
            counts.append(count[held])
        votes, row = _distinct(np.concatenate(parts))
        return cls(votes, np.concatenate(cases), row, np.concatenate(counts), len(tables))

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Where a vote is missing, shape (R, m)."""
        return self.votes < 0

    @property
    def mean_vote(self) -> Values:
        """Mean of the votes of each pattern, shape (R,)."""
        given = ~self.missing
        return np.asarray(np.where(given, self.votes, 0).sum(axis=1) / given.sum(axis=1))

    @property
    def is_soft(self) -> bool:
        """Whether there are votes between 0 and 1."""
        return bool(((self.votes > 0) & (self.votes < 1)).any())

    def voting(self) -> NDArray[np.bool_]:
        """Return who votes in each case, shape (cases, m)."""
        given = ~self.missing[self.row] & (self.count > 0)[:, None]
        return np.stack([self.by_case(one) > 0 for one in given.T.astype(np.float64)], axis=1)

    def voting_where(self) -> NDArray[np.bool_]:
        """Return who votes in each case where anybody marks, and where anybody does not, shape (2, cases, m)."""
        anybody = np.stack([(self.votes > 0).any(axis=1), (self.votes < 1).any(axis=1, where=~self.missing)])
        given = ~self.missing[self.row] & (self.count > 0)[:, None]
        parts = given & anybody[:, self.row, None]
        return np.stack(
            [np.stack([self.by_case(one) > 0 for one in part.T.astype(np.float64)], axis=1) for part in parts]
        )

    def weighted(self, weights: Values) -> CaseRows:
        """Return the rows of a sample of cases; ``weights``: how often each is drawn."""
        drawn = weights[self.case] > 0
        case, factor = self.case[drawn], weights[self.case[drawn]]
        moment = None if self.moment is None else self.moment[drawn] * factor[:, None]
        return replace(self, case=case, row=self.row[drawn], count=self.count[drawn] * factor, moment=moment)

    def by_case(self, values: Values) -> Values:
        """Return the sums of the entries' values over each case."""
        return summed(self.case, values, self.cases)

    def by_row(self, values: Values) -> Values:
        """Return the sums of the entries' values over each pattern."""
        return summed(self.row, values, len(self.votes))

    def masses(self) -> CaseRows:
        """Return the masses N(B) of the binary patterns of each case, eq. (8), and their moments.

        Raises
        ------
        TooManyTerms
            If the patterns have too many fractional votes to divide them.
        """
        soft, pattern, weight = _terms(self.votes)
        binary, place = _distinct(pattern)
        first = np.searchsorted(soft, np.arange(len(self.votes) + 1))
        length = (first[1:] - first[:-1])[self.row]
        begin = np.cumsum(length) - length
        term = np.arange(length.sum()) - np.repeat(begin - first[self.row], length)
        mass = np.repeat(self.count, length) * weight[term]
        keys, entry = np.unique(np.repeat(self.case, length) * len(binary) + place[term], return_inverse=True)
        votes = np.repeat(np.where(self.missing, 0, self.votes)[self.row], length, axis=0)
        moment = np.stack([summed(entry, mass * vote, len(keys)) for vote in votes.T], axis=1)
        case, row = np.divmod(keys, len(binary))
        return CaseRows(binary, case, row, summed(entry, mass, len(keys)), self.cases, moment)


def summed(places: Places, values: Values, size: int) -> Values:
    """Return the sums of the values at each place, in their order."""
    return np.bincount(places, values, size).astype(np.float64, copy=False)


def _terms(votes: Values) -> tuple[Places, Values, Values]:
    """Divide soft patterns by each fractional vote; return the pattern of each term, the binary one, and its weight."""
    soft, pattern, weight = np.arange(len(votes)), votes.copy(), np.ones(len(votes))
    for rater in range(votes.shape[1]):
        vote = pattern[:, rater]
        at = np.flatnonzero((vote > 0) & (vote < 1))
        if len(pattern) + len(at) > MOST_TERMS:
            raise TooManyTerms
        yes, q = pattern[at].copy(), vote[at].copy()
        yes[:, rater] = 1
        pattern[at, rater] = 0
        soft, pattern = np.concatenate([soft, soft[at]]), np.concatenate([pattern, yes])
        no = weight.copy()
        no[at] *= 1 - q
        weight = np.concatenate([no, weight[at] * q])
    order = np.argsort(soft, kind="stable")
    return soft[order], pattern[order], weight[order]


def _distinct(rows: Values) -> tuple[Values, Places]:
    """Return the distinct rows, sorted, and the place of each row among them."""
    found, place = np.unique(rows, axis=0, return_inverse=True)
    return found, place.reshape(-1)
