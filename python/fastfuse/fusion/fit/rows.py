"""A table's patterns as marks, and what a mixture of independent marks expects of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
EMPTY, MARK, MISSING = 0, 1, 2
MOST_ROWS = 1 << 16  # patterns of marks that soft votes are split into
MOST_PATTERNS = 1 << 17  # of masks
AT_ONCE = 1 << 21  # numbers


@dataclass(frozen=True, eq=False)
class Mixture:
    """Latent classes or levels, in each of which every rater marks a voxel independently of the others.

    Attributes
    ----------
    shares : ndarray, shape (L,)
        p(class).
    log_marks, log_no_marks : ndarray, shape (L, m)
        ln p(mark | class) of each rater, and of its complement.
    heard : ndarray of bool, shape (m,)
        False for a rater whose votes are another one's everywhere: who marks where that one does.
    """

    shares: Numbers
    log_marks: Numbers
    log_no_marks: Numbers
    heard: NDArray[np.bool_]

    def without(self, copies: NDArray[np.bool_]) -> Mixture:
        """Return the mixture in which these raters are copies, too."""
        return replace(self, heard=self.heard & ~copies)

    def with_copies(self, originals: NDArray[np.intp]) -> Mixture:
        """Return the mixture of raters without copies for all raters, of whom these are the originals."""
        distinct, column = np.unique(originals, return_inverse=True)
        heard = self.heard[column] & (originals == np.arange(len(originals)))
        assert len(distinct) == len(self.heard)
        return Mixture(self.shares, self.log_marks[:, column], self.log_no_marks[:, column], heard)


@dataclass(frozen=True, eq=False)
class Rows:
    """Distinct patterns of marks, and the number of voxels that have each.

    Attributes
    ----------
    votes : ndarray of int8, shape (rows, m)
        0, 1, or 2 for a missing vote.
    counts : ndarray of float64, shape (rows,)
        Fractional where soft votes were split.
    are_masks : bool
        Whether no vote was split.
    """

    votes: NDArray[np.int8]
    counts: Numbers
    are_masks: bool = True

    @classmethod
    def of(cls, patterns: Numbers, counts: Numbers) -> Rows | None:
        """Take a table; a vote q is a mark in the share q of its voxels. None if that makes too many patterns."""
        held = (counts > 0) & ~np.isnan(patterns).all(axis=1)
        patterns, weights = patterns[held], counts[held]
        fractional = is_soft(patterns)
        if not fractional.any():
            return cls(_as_votes(patterns), weights) if len(patterns) <= MOST_PATTERNS else None
        if (2.0 ** fractional.sum(axis=1)).sum() > MOST_ROWS:
            return None
        votes, row = _as_votes(patterns), np.arange(len(patterns))
        for i in np.flatnonzero(fractional.any(axis=0)):
            split = np.flatnonzero(fractional[row, i])
            marked, share = votes[split], patterns[row[split], i]
            marked[:, i] = MARK
            votes, row = np.concatenate([votes, marked]), np.concatenate([row, row[split]])
            weights = np.concatenate([weights, weights[split] * share])
            weights[split] *= 1 - share
        return cls(*_merged(votes, weights), are_masks=False)

    @property
    def raters(self) -> int:
        """Number of raters."""
        return len(self.votes.T)

    @property
    def voters(self) -> int:
        """Number of raters with a vote."""
        return int(np.count_nonzero((self.votes != MISSING).any(axis=0)))

    @cached_property
    def marks(self) -> NDArray[np.intp]:
        """Number of marks of each pattern."""
        return np.asarray((self.votes == MARK).sum(axis=1))

    @cached_property
    def observed(self) -> Numbers:
        """Voxels with 0 to m marks."""
        return np.asarray(np.bincount(self.marks, self.counts, self.raters + 1), np.float64)

    @cached_property
    def marked(self) -> float:
        """Voxels that anybody marks."""
        return float(self.counts[self.marks > 0].sum())

    @cached_property
    def originals(self) -> NDArray[np.intp]:
        """Whose votes each rater has: their own, or those of an earlier rater, if they are the same everywhere."""
        first: dict[bytes, int] = {}
        found = np.arange(self.raters)
        for i in np.flatnonzero((self.votes != MISSING).any(axis=0)).tolist():
            found[i] = first.setdefault(self.votes[:, i].tobytes(), i)
        return found

    @cached_property
    def copies(self) -> NDArray[np.bool_]:
        """Who votes as an earlier rater does everywhere."""
        return np.asarray(self.originals != np.arange(self.raters))

    @property
    def distinct(self) -> int:
        """Number of raters with a vote, copies left out."""
        return self.voters - int(np.count_nonzero(self.copies))

    def without_copies(self) -> Rows:
        """Return the rows without the columns of copies."""
        return Rows(self.votes[:, ~self.copies], self.counts, self.are_masks) if self.copies.any() else self

    @cached_property
    def readers(self) -> tuple[NDArray[np.bool_], Numbers]:
        """The sets of raters who vote on a voxel, shape (sets, m), and the voxels of each."""
        there = self.votes != MISSING
        if there.all():
            return there[:1], self.counts.sum(keepdims=True)
        sets, of_row = np.unique(there, axis=0, return_inverse=True)
        return sets, np.asarray(np.bincount(of_row.ravel(), self.counts, len(sets)), np.float64)

    def with_columns(self, places: list[int], raters: int) -> Rows:
        """Return the rows with a column for each rater, of whom those at ``places`` have votes here."""
        if len(places) == raters:
            return self
        votes = np.full((len(self.votes), raters), MISSING, np.int8)
        votes[:, places] = self.votes
        return Rows(votes, self.counts, self.are_masks)

    def table(self) -> tuple[Numbers, Numbers]:
        """Return patterns with nan for a missing vote, and counts."""
        return np.where(self.votes == MISSING, np.nan, self.votes), self.counts


def expected(mixture: Mixture, rows: Rows) -> Numbers | None:
    """Return the voxels with 0 to m marks that a mixture expects; None where a copy's original is not to be found.

    Given the class, the number of marks is a sum of independent marks: its distribution grows by one rater at a time.
    """
    times = _times(mixture, rows)
    if times is None:
        return None
    sets, voxels = rows.readers
    by_all = bool(sets.all())
    size = rows.raters + 1
    found = np.zeros(size)
    mark, no_mark = (np.exp(log_p)[..., None] for log_p in (mixture.log_marks, mixture.log_no_marks))
    for part in _parts(len(sets), len(mixture.shares) * size):
        chance = np.zeros((len(sets[part]), len(mixture.shares), size))
        chance[..., 0] = 1
        for i, marks in enumerate(times.tolist()):
            if not marks:
                continue
            with_vote = no_mark[:, i] * chance
            with_vote[..., marks:] += mark[:, i] * chance[..., :-marks]
            chance = with_vote if by_all else np.where(sets[part, i, None, None], with_vote, chance)
        found += voxels[part] @ (mixture.shares @ chance)
    return found


def log_likelihood(mixture: Mixture, rows: Rows) -> float:
    """Return ln p(marks) of all voxels, in nats."""
    heard = mixture.heard
    with np.errstate(divide="ignore"):
        log_shares = np.log(mixture.shares)
    total = 0.0
    for part in _parts(len(rows.votes), len(mixture.shares)):
        votes = rows.votes[part][:, heard]
        log_p = (
            log_shares
            + (votes == MARK) @ mixture.log_marks[:, heard].T
            + (votes == EMPTY) @ mixture.log_no_marks[:, heard].T
        )
        highest = log_p.max(axis=1)
        log_sum = highest + np.log(np.exp(log_p - highest[:, None]).sum(axis=1))
        total += float(rows.counts[part] @ log_sum)
    return total


def _times(mixture: Mixture, rows: Rows) -> NDArray[np.intp] | None:
    """Return how many marks a mark of each rater is: with those of their copies; 0 for a copy."""
    times = mixture.heard.astype(np.intp)
    for copy in [] if mixture.heard.all() else np.flatnonzero(~mixture.heard):
        votes = rows.votes[:, copy]
        if (votes == MISSING).all():
            continue
        alike = mixture.heard & (rows.votes == votes[:, None]).all(axis=0)
        if not alike.any():
            return None
        times[np.argmax(alike)] += 1
    return times


def is_soft(patterns: Numbers) -> NDArray[np.bool_]:
    """Tell which votes lie between 0 and 1."""
    return np.asarray((patterns > 0) & (patterns < 1))


def _as_votes(patterns: Numbers) -> NDArray[np.int8]:
    return np.where(np.isnan(patterns), MISSING, patterns == 1).astype(np.int8)


def _merged(votes: NDArray[np.int8], weights: Numbers) -> tuple[NDArray[np.int8], Numbers]:
    """Return each pattern once."""
    distinct, of_row = np.unique(votes, axis=0, return_inverse=True)
    return distinct, np.asarray(np.bincount(of_row.ravel(), weights, len(distinct)), np.float64)


def _parts(rows: int, numbers: int) -> Iterator[slice]:
    """Yield slices of so many rows, of so many numbers each, as are worked on at once."""
    step = max(1, AT_ONCE // max(numbers, 1))
    for first in range(0, rows, step):
        yield slice(first, first + step)
