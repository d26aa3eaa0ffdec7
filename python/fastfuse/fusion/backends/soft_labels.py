"""The door to the compiled core for soft votes of several labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import _core
from ...inputs.arrays import name_of
from ..case import InMemory
from ..messages import Complaint
from .labels import CoreLabelOptions, CoreLabelTable

CoreVotes = _core.SoftVotes
CoreEstimate = _core.SoftEstimate
BadInput = _core.BadInput


def votes_of(
    labels: int,
    raters: Sequence[Sequence[NDArray[Any]]],
    kinds: Sequence[NDArray[np.float64] | None],
    beside: InMemory,
    missing: str,
    prior: Sequence[NDArray[Any]] = (),
) -> CoreVotes:
    """Take the raters' votes: an array for each label, or a map of codes with the votes that these stand for.

    ``prior``: a map for each label; none if the prior is the same everywhere.
    """
    return CoreVotes.of_arrays(
        labels, raters, kinds, mask=beside.mask, present=beside.present, prior=prior, missing=missing
    )


def tabulated(
    labels: int,
    maps: Sequence[NDArray[Any]],
    kinds: Sequence[NDArray[np.float64]],
    beside: InMemory,
    threads: int,
) -> CoreVotes:
    """Take raters who all have maps of codes, as the distinct tuples of these."""
    codes = range(max(len(kind) for kind in kinds))
    table = _core.tabulate_labels(
        maps, codes, mask=beside.mask, present=beside.present, missing="nan", threads=threads
    )
    return CoreVotes.of_table(labels, table, kinds)


def with_priors(table: CoreLabelTable, prior: Sequence[NDArray[Any]]) -> CoreVotes:
    """Take label maps that lie in a table, with a map of priors for each label, as the table's voxels lie."""
    count = len(table.labels)
    return CoreVotes.of_table(count, table, [np.eye(count)] * table.raters, prior=prior)


def survey(votes: CoreVotes, threads: int) -> dict[str, Any]:
    """Check the votes; return volumes, and what truncation drops."""
    return _core.survey_soft(votes, threads=threads)


def count_terms(votes: CoreVotes, truncations: Sequence[float], threads: int) -> list[float]:
    """Return the number of tuples of labels to sum over, under each truncation."""
    return _core.count_terms(votes, truncations, threads=threads)


def estimate(votes: CoreVotes, options: CoreLabelOptions, model: str, m_step: str) -> CoreEstimate:
    """Run EM, or take the mean."""
    return _core.estimate_soft(votes, options=options, model=model, m_step=m_step)


@dataclass(frozen=True, eq=False)
class SoftConsensus:
    """The consensus of soft votes, which keeps the votes and the rates; volumes are computed on demand."""

    votes: CoreVotes
    estimate: CoreEstimate
    values: Sequence[int]
    shape: tuple[int, ...]
    axes: Sequence[int]
    dtype: np.dtype[Any]
    names: Sequence[str] | None

    def label(self, kind: np.dtype[Any], rank: int, undecided: int | None) -> NDArray[Any]:
        """Return the label of each voxel that comes at this place from the most probable one."""
        out = self._new(kind)
        with self._votes_as_fused():
            _core.write_soft_label(
                self.votes, self.estimate, out, list(self.values), rank=rank, undecided=undecided
            )
        return self._seen(out)

    def ranked(self, rank: int) -> NDArray[Any]:
        """Return the probability of that label."""
        out = self._new(self.dtype)
        with self._votes_as_fused():
            _core.write_soft_ranked(self.votes, self.estimate, out, rank=rank)
        return self._seen(out)

    def probability(self, codes: Sequence[int]) -> NDArray[Any]:
        """Return the probability that one of these labels is true."""
        out = self._new(self.dtype)
        with self._votes_as_fused():
            _core.write_soft_probability(self.votes, self.estimate, out, codes)
        return self._seen(out)

    def entropy(self) -> NDArray[Any]:
        """Return the entropy in nats."""
        out = self._new(self.dtype)
        with self._votes_as_fused():
            _core.write_soft_entropy(self.votes, self.estimate, out)
        return self._seen(out)

    @contextmanager
    def _votes_as_fused(self) -> Iterator[None]:
        """Refuse votes that have become none: they were looked at when they were fused."""
        try:
            yield
        except BadInput as bad:
            raise ValueError(
                f"{name_of(bad.args[1], self.names)}'s votes were changed since they were fused, and a volume is made of them when it is "
                "asked for: fuse again, and change the arrays after that only"
            ) from None

    def _new(self, kind: np.dtype[Any]) -> NDArray[Any]:
        return np.empty([self.shape[axis] for axis in self.axes], dtype=kind)

    def _seen(self, out: NDArray[Any]) -> NDArray[Any]:
        """Return the same with the caller's axes."""
        return out.transpose(np.argsort(self.axes))


def sentence(bad: Complaint, votes: Sequence[float]) -> str:
    """Say what is wrong with a soft vote, and what to do; ``votes`` are the rater's for the labels, there."""
    if bad.rater < 0:  # no voxel is to blame
        return bad.sentence()
    place = bad.held.partition(" at voxel ")[2]
    logits = "these look like logits: a softmax over the labels makes probabilities of them"
    overlapping = (
        "structures that may overlap, each with a probability of its own, are fused with overlap=True"
    )
    if bad.kind == "not_probabilities" and bad.value == 0:
        return (
            f"{bad.holder}'s votes are all 0 at voxel {place}: leave such voxels out by mask, or make them nan, which is no vote "
            f"with missing='nan'; {overlapping}"
        )
    if bad.kind == "not_probabilities" and all(0 <= vote <= 1 for vote in votes):
        return (
            f"{bad.holder}'s votes sum to {bad.value:.6g} at voxel {place}, not to 1: add the label that is left out, or divide "
            f"them by their sum; {overlapping}"
        )
    if bad.kind == "not_probabilities":
        return f"{bad.holder}'s votes sum to {bad.value:.6g} at voxel {place}, not to 1: {logits}"
    if bad.kind == "out_of_range":
        return f"{bad.holder} {bad.held}, below 0: {logits}"
    return bad.sentence()
