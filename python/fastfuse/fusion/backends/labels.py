"""The door to the compiled core for label maps: tables, estimates, volumes, and sentences for what it refuses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import _core
from ...errors import said
from ...inputs.names import enumerated
from ..case import Case, InMemory
from ..messages import ONE_BY_ONE, Complaint

CoreLabelOptions = _core.LabelOptions
CoreLabelTable = _core.LabelTable
CoreLabelEstimate = _core.LabelEstimate
MOST_LABELS = 65535
MOST = 2.0**53


def find(arrays: InMemory, missing: str, threads: int) -> list[int]:
    """Return the labels that occur where they count."""
    return _core.find_labels(
        arrays.raters, mask=arrays.mask, present=arrays.present, missing=missing, threads=threads
    )


def tabulate(arrays: InMemory, labels: Sequence[int], missing: str, threads: int) -> CoreLabelTable:
    """Return the distinct tuples of the raters' labels, with an index to write volumes by."""
    return _core.tabulate_labels(
        arrays.raters, labels, mask=arrays.mask, present=arrays.present, missing=missing, threads=threads
    )


def table_of(labels: Sequence[int], codes: NDArray[np.int32], counts: NDArray[np.float64]) -> CoreLabelTable:
    """Return a table of rows in any order; -1 is a missing vote."""
    return _core.LabelTable(labels, codes, counts)


def estimate(table: CoreLabelTable, options: CoreLabelOptions) -> CoreLabelEstimate:
    """Run EM on a table."""
    return _core.estimate_labels(table, options=options)


def fit(
    table: CoreLabelTable,
    counts: NDArray[np.float64],
    start: NDArray[np.float64],
    options: CoreLabelOptions,
) -> NDArray[np.float64]:
    """Return the confusion of a table with other counts; EM starts near ``start``."""
    return _core.fit_labels(table, counts, start, options=options)


def apply(
    table: CoreLabelTable,
    confusion: NDArray[np.float64],
    prior: Sequence[float],
    candidates: str,
    threads: int,
) -> CoreLabelEstimate:
    """Return the consensus of votes whose raters' rates are known."""
    return _core.apply_labels(table, confusion, prior, candidates=candidates, threads=threads)


@dataclass(frozen=True, eq=False)
class TupleConsensus:
    """The consensus of voxels, kept as that of the rows of a table; volumes are written on demand."""

    table: CoreLabelTable
    truths: _core.LabelTruths
    shape: tuple[int, ...]
    axes: Sequence[int]
    dtype: np.dtype[Any]
    threads: int

    def label(self, kind: np.dtype[Any], rank: int, undecided: int | None) -> NDArray[Any]:
        """Return the label of each voxel that comes at this place from the most probable one."""
        out = self._new(kind)
        _core.write_label(self.table, self.truths, out, rank=rank, undecided=undecided, threads=self.threads)
        return self._seen(out)

    def ranked(self, rank: int) -> NDArray[Any]:
        """Return the probability of that label."""
        out = self._new(self.dtype)
        _core.write_ranked(self.table, self.truths, out, rank=rank, threads=self.threads)
        return self._seen(out)

    def probability(self, codes: Sequence[int]) -> NDArray[Any]:
        """Return the probability that one of these labels is true."""
        out = self._new(self.dtype)
        _core.write_probability(self.table, self.truths, out, codes, threads=self.threads)
        return self._seen(out)

    def entropy(self) -> NDArray[Any]:
        """Return the entropy in nats."""
        out = self._new(self.dtype)
        _core.write_entropy(self.table, self.truths, out, threads=self.threads)
        return self._seen(out)

    def _new(self, kind: np.dtype[Any]) -> NDArray[Any]:
        return np.empty([self.shape[axis] for axis in self.axes], dtype=kind)

    def _seen(self, out: NDArray[Any]) -> NDArray[Any]:
        """Return the same with the caller's axes."""
        return out.transpose(np.argsort(self.axes))


@contextmanager
def refusals_explained(case: Case, labels: Sequence[int], *, of_estimate: bool = False) -> Iterator[None]:
    """Raise what the core refuses in label maps as sentences.

    ``labels`` are those that are fused, if they are known; ``of_estimate``: those that an estimate knows.
    """
    try:
        yield
    except _core.BadInput as bad:
        kind, rater, voxel, value = bad.args
        given = case.given
        complaint = Complaint(
            kind, rater, voxel, value, given.arrays, case.mask, case.axes, given.names, case.titles
        )
        raise ValueError(said(_sentence(complaint, labels, of_estimate=of_estimate))) from None


def _sentence(bad: Complaint, labels: Sequence[int], *, of_estimate: bool) -> str:
    if (
        bad.kind in ("unknown_label", "not_label")
        and abs(bad.value) >= MOST
        and bad.value == np.rint(bad.value)
    ):
        place = bad.held.partition(" at voxel ")[2]
        return (
            f"{bad.holder} holds a label of about {bad.value:.6g} at voxel {place}: beyond 2^53 labels cannot be told apart; number "
            "them anew"
        )
    if bad.kind == "unknown_label" and of_estimate:
        return (
            f"{bad.holder} {bad.held}, which the estimate does not know (it knows "
            f"{enumerated([str(label) for label in labels])}): estimate from a table of votes that hold it"
        )
    if bad.kind == "unknown_label":
        return (
            f"{bad.holder} {bad.held}, which is not in labels ({enumerated([str(label) for label in labels])}): add it "
            "there, or labels='all' takes all that occur"
        )
    if bad.kind == "too_many_labels":
        return (
            f"the raters hold more than {MOST_LABELS:,} different labels: these do not look like label maps; if they are, "
            f"{ONE_BY_ONE}"
        )
    if bad.kind == "not_label":
        return (
            f"{bad.holder} {bad.held}: a label map holds whole numbers; soft votes of K labels have shape "
            "(K, ...), the labels first; those of one label are fused without labels (--labels)"
        )
    return bad.sentence()
