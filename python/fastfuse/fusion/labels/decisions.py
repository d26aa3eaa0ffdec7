"""Decisions on label maps: voxels whose label is known, as a reviewer told it; EM keeps it.

EM leaves these voxels out and adds their votes to the counts of every M-step, with the truth that is known, as it does of masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import said
from ...inputs.names import enumerated, quoted
from ..backends.labels import CoreLabelEstimate
from ..case import Case
from .chosen import Labels
from .options import LabelOptions
from .prior_map import is_prior_map
from .result import Consensus

OPEN = int(np.iinfo(np.int64).min)  # stands for a voxel that nobody decided
MISSING = -1  # in place of a code
Counts = NDArray[np.float64]


def check_label_decisions(options: LabelOptions) -> None:
    """Refuse decisions where EM cannot keep them."""
    if options.decisions is None:
        return
    if options.intervals != "none":
        raise ValueError(
            said(
                f"decisions are given, and intervals is {quoted(options.intervals)}: what is decided is not drawn anew; leave "
                "out intervals, or decisions (--decisions)"
            )
        )
    if is_prior_map(options.prior):
        raise ValueError(
            "decisions are given, and prior is a map of each label: give one of both; a map may hold 1 for what is known"
        )


@dataclass(frozen=True, eq=False)
class Counted:
    """What the core finds in a table, with other voxels counted too; as of ``CoreLabelEstimate``."""

    confusion: Counts
    prior: Counts
    log_likelihood: Counts
    log_prior: Counts
    iterations: int
    converged: bool
    voxels: float
    mass: Counts
    seen: Counts
    agreed: Counts


@dataclass(frozen=True, eq=False)
class Decided:
    """The votes on the voxels that are decided.

    Attributes
    ----------
    at : ndarray of bool
        These voxels, inside the mask, with the caller's axes.
    truth : ndarray of int, shape (n,)
        Code of the label that is true.
    votes : ndarray of int, shape (m, n)
        Codes of those who read the case; -1 where a rater has no vote.
    labels : tuple of int
    """

    at: NDArray[np.bool_]
    truth: NDArray[np.intp]
    votes: NDArray[np.intp]
    labels: tuple[int, ...]

    @classmethod
    def of(cls, case: Case, labels: Labels, decisions: NDArray[np.int64]) -> Decided:
        """Take the votes of a case inside its region; ``decisions``: labels, and OPEN.

        Raises
        ------
        ValueError
            For a label that is not fused, and where no voxel is left open.
        """
        if decisions.shape != case.shape:
            raise ValueError(f"decisions have shape {decisions.shape}, and the maps {case.shape}")
        at = decisions != OPEN
        inside = np.ones(case.shape, bool) if case.mask is None else np.asarray(case.mask != 0)
        at &= inside
        strange = set(np.unique(decisions[at]).tolist()) - set(labels.values)
        if strange:
            raise ValueError(
                f"decisions hold label {min(strange)}, which is not fused: the labels are {enumerated(labels.called)}"
            )
        if not (inside & ~at).any():
            raise ValueError("decisions leave no voxel open: there is nothing to fuse")
        looked = case.present or [None] * len(case.given.arrays)
        votes = [
            _codes_of(array[at], None if seen is None else seen[at], labels.values)
            for array, seen in zip(case.given.arrays, looked, strict=True)
        ]
        truth = np.searchsorted(labels.values, decisions[at])
        return cls(at, truth, np.array(votes, np.intp), labels.values)

    def open_part(self, case: Case) -> Case:
        """Return the case with a mask of the voxels that are open."""
        mask = ~self.at if case.mask is None else (case.mask != 0) & ~self.at
        return replace(case, mask=mask.astype(np.uint8))

    @property
    def counts(self) -> Counts:
        """Voxels of each truth and vote, of each rater: shape (m, K, K)."""
        kinds = len(self.labels)
        found = np.zeros((len(self.votes), kinds, kinds))
        for of_rater, votes in zip(found, self.votes, strict=True):
            there = votes != MISSING
            np.add.at(of_rater, (self.truth[there], votes[there]), 1)
        return found

    @property
    def known(self) -> list[float]:
        """The same as the core takes it, the vote before the truth."""
        return [float(one) for one in self.counts.transpose(0, 2, 1).ravel()]

    def as_masks(self) -> NDArray[np.int8]:
        """Return the decisions on two labels as those on masks of the larger one."""
        volume = np.full(self.at.shape, -1, np.int8)
        volume[self.at] = self.truth
        return volume

    def added_to(self, found: CoreLabelEstimate, *, by_votes: bool) -> Counted:
        """Return what the core found in the open voxels, with these counted too; ``by_votes``: rates are counts, not EM's."""
        counts = self.counts
        raters, kinds, _ = counts.shape
        seen, agreed = (np.asarray(one).reshape(raters, kinds) for one in (found.seen, found.agreed))
        confusion = np.asarray(found.confusion)
        if by_votes:
            votes = np.where(seen[:, :, None] > 0, confusion, 0) * seen[:, :, None] + counts
            with np.errstate(invalid="ignore"):
                confusion = votes / votes.sum(axis=2, keepdims=True)
        voted = (self.votes != MISSING).any(axis=0)
        return Counted(
            confusion=confusion,
            prior=found.prior,
            log_likelihood=found.log_likelihood,
            log_prior=found.log_prior,
            iterations=found.iterations,
            converged=found.converged,
            voxels=found.voxels + int(np.count_nonzero(voted)),
            mass=np.asarray(found.mass) + np.bincount(self.truth[voted], minlength=kinds),
            seen=seen + counts.sum(axis=2),
            agreed=agreed + np.diagonal(counts, axis1=1, axis2=2),
        )


def _codes_of(values: NDArray[Any], looked: NDArray[Any] | None, labels: Sequence[int]) -> NDArray[np.intp]:
    """Return codes of votes that are labels, or missing."""
    there = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
    if looked is not None:
        there &= looked != 0
    codes = np.full(values.shape, MISSING, np.intp)
    codes[there] = np.searchsorted(labels, np.rint(values[there]).astype(np.int64))
    return codes


@dataclass(frozen=True, eq=False)
class DecidedConsensus:
    """A consensus of open voxels, with the labels that were decided."""

    of_open: Consensus
    decided: Decided

    def label(self, kind: np.dtype[Any], rank: int, undecided: int | None) -> NDArray[Any]:
        """Return the label of each voxel that comes at this place from the most probable one."""
        return self._with(
            self.of_open.label(kind, rank, undecided), np.array(self.decided.labels)[self.decided.truth]
        )

    def ranked(self, rank: int) -> NDArray[Any]:
        """Return the probability of that label."""
        return self._with(self.of_open.ranked(rank), float(rank == 0))

    def probability(self, codes: Sequence[int]) -> NDArray[Any]:
        """Return the probability that one of these labels is true."""
        return self._with(self.of_open.probability(codes), np.isin(self.decided.truth, list(codes)))

    def entropy(self) -> NDArray[Any]:
        """Return the entropy in nats."""
        return self._with(self.of_open.entropy(), 0.0)

    def _with(self, volume: NDArray[Any], there: Any) -> NDArray[Any]:
        volume[self.decided.at] = there
        return volume
