"""The result of a fusion of label maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from textwrap import indent
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...inputs.checks import check_count, whole_number
from ...inputs.names import counted
from ..native.label_outlets import LabelOutlets
from .chosen import Labels, smallest_type
from .declared import Label
from .intervals import LabelIntervals

if TYPE_CHECKING:
    from ..native.origin import Origin

MOST_SHOWN = 8  # labels
Rates = NDArray[np.float64]


class Consensus(Protocol):
    """What is true at each voxel, for volumes on demand."""

    def label(self, kind: np.dtype[Any], rank: int, undecided: int | None) -> NDArray[Any]:
        """Return the label of each voxel that comes at this place from the most probable one."""

    def ranked(self, rank: int) -> NDArray[Any]:
        """Return the probability of that label."""

    def probability(self, codes: Sequence[int]) -> NDArray[Any]:
        """Return the probability that one of these labels is true."""

    def entropy(self) -> NDArray[Any]:
        """Return the entropy in nats."""


@dataclass(frozen=True, eq=False)
class LabelFusion(LabelOutlets):
    """A consensus of label maps and what it says of the raters; K labels, in ascending order, and m raters.

    Volumes are made when they are asked for, from the arrays that were given: change none before that. Outside the mask
    they are 0.

    Attributes
    ----------
    labels : tuple of int
        The K labels.
    label_names : tuple of str
        What they are called; empty if they were given without names.
    raters : tuple of str
        What the raters are called.
    confusion : ndarray of float64, shape (m, K, K)
        p(vote b | truth a) at [rater, a, b]; nan where nothing determines it: nobody thinks the label true at a voxel,
        or the rater has no vote; and for a label that the rater does not know, by ``knows``.
    sensitivity : ndarray of float64, shape (m, K)
        p(vote a | truth a), the diagonal of ``confusion``.
    prior : ndarray of float64, shape (K,)
        p(truth) that was used, before any vote.
    log_likelihood : ndarray of float64, shape (n_iter,)
        Of all votes, in nats, after each M-step.
    log_prior : ndarray of float64, shape (n_iter,)
        Of the confusion matrices under ``performance_prior``, without its constant, and of the votes on voxels that a
        reviewer decided; 0 without both, and of two labels, which are fused as masks. EM climbs the sum of both.
        The paper's M-step on soft votes need not raise it.
    n_iter : int
        M-steps done; with acceleration, extrapolations that were kept count too.
    converged : bool
        Whether no rate moved by more than ``tol`` in the last M-step, of labels that hold a voxel.
    method : str
    n_voxels : int
        Voxels inside the mask on which somebody votes.
    volume : ndarray of float64, shape (m, K)
        Voxels to which each rater gives each label.
    consensus_volume : ndarray of float64, shape (K,)
        Sum of each label's probability.
    ppv : ndarray of float64, shape (m, K)
        p(truth a | vote a) under the consensus; nan if the rater never gives the label.
    dice : ndarray of float64, shape (m, K)
        Soft Dice with the consensus; nan for a label that the rater does not know. Both are against the labels'
        probabilities, not against ``label()``.
    truncation : float
        Of soft votes: probabilities up to this were dropped.
    most_dropped, mean_dropped : float
        The mass that this drops at a voxel, summed over the raters: at most, and on average. With the same rates no
        probability is off by more.
    intervals : LabelIntervals or None
        Standard errors and 95 % intervals of sensitivity; None if they were not asked for.
    """

    labels: tuple[int, ...]
    label_names: tuple[str, ...]
    raters: tuple[str, ...]
    confusion: Rates
    prior: Rates
    log_likelihood: Rates
    log_prior: Rates
    n_iter: int
    converged: bool
    method: str
    n_voxels: int
    volume: Rates
    consensus_volume: Rates
    ppv: Rates
    dice: Rates
    consensus: Consensus
    undecided: int | None = None
    truncation: float = 0.0
    most_dropped: float = 0.0
    mean_dropped: float = 0.0
    intervals: LabelIntervals | None = None
    _origin: Origin | None = field(default=None, repr=False, kw_only=True)
    _untold: NDArray[np.bool_] | None = field(default=None, repr=False, kw_only=True)  # whose rates are 0/0

    @property
    def sensitivity(self) -> Rates:
        """p(vote a | truth a) of each rater and label, shape (m, K)."""
        return np.diagonal(self.confusion, axis1=1, axis2=2)

    def label(self) -> NDArray[Any]:
        """Return the most probable label of each voxel, in the smallest type that holds the labels.

        Labels whose probabilities differ by 1e-9 or less are tied: the largest wins, or ``undecided`` is written where it
        was given.
        """
        return self.consensus.label(self._integers(), 0, self.undecided)

    def confidence(self) -> NDArray[Any]:
        """Return the probability of the most probable label."""
        return self.consensus.ranked(0)

    def entropy(self) -> NDArray[Any]:
        """Return the entropy of each voxel's labels, in nats: 0 where one is certain, log K where all are alike."""
        return self.consensus.entropy()

    def probability(self, label: Label | Sequence[Label]) -> NDArray[Any]:
        """Return the probability of a label, or that one of several is true.

        Parameters
        ----------
        label : int, str, or sequence of them
            A label or its name. Of several, such as the parts of a tumour, the exact sum.
        """
        return self.consensus.probability(self._labels().codes(label, "label"))

    def top(self, count: int = 2) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the most probable labels and their probabilities, the most probable one first.

        Where fewer labels may be true, the most probable one is repeated, with probability 0.

        Returns
        -------
        labels : ndarray, shape (count, ...)
        probabilities : ndarray, shape (count, ...)
        """
        count = check_count(count, "count", least=1)
        if count > len(self.labels):
            there = "is" if len(self.labels) == 1 else "are"
            raise ValueError(f"count is {count}: there {there} {counted(len(self.labels), 'label')}")
        labels = np.stack([self.consensus.label(self._integers(), rank, None) for rank in range(count)])
        return labels, np.stack([self.consensus.ranked(rank) for rank in range(count)])

    def _shown_confusion(self) -> Rates:
        """Return the rates as figures show them: nan where the consensus holds no voxel of the true label where the rater votes."""
        if self._untold is None:
            return self.confusion
        return np.where(self._untold[:, :, None], np.nan, self.confusion)

    def _shown_sensitivity(self) -> Rates:
        """Return the sensitivities as tables show them: nan as of :meth:`_shown_confusion`."""
        return np.diagonal(self._shown_confusion(), axis1=1, axis2=2)

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each rater and label: a list of dicts, as ``pandas.DataFrame`` takes it; nan for a rate that is 0/0."""
        called, shown = self._labels().called, self._shown_sensitivity()
        return [
            {
                "rater": rater,
                "label": label,
                "name": name,
                "sensitivity": float(shown[i, a]),
                **self._interval(i, a),
                "ppv": float(self.ppv[i, a]),
                "dice": float(self.dice[i, a]),
                "voxels": float(self.volume[i, a]),
                "consensus_voxels": float(self.consensus_volume[a]),
                "prior": float(self.prior[a]),
            }
            for i, rater in enumerate(self.raters)
            for a, (label, name) in enumerate(zip(self.labels, called, strict=True))
        ]

    def _interval(self, rater: int, code: int) -> dict[str, float]:
        """Return a rate's error and interval as a row of the table has them."""
        if self.intervals is None:
            return {}
        error, ends = self.intervals.sensitivity_error, self.intervals.sensitivity
        low, high = ends[rater, code].tolist()
        return {
            "sensitivity_error": float(error[rater, code]),
            "sensitivity_low": low,
            "sensitivity_high": high,
        }

    def _labels(self) -> Labels:
        return Labels(self.labels, self.label_names)

    def _integers(self) -> np.dtype[Any]:
        """Return the smallest type that holds the labels, what is written where they are tied, and 0."""
        return smallest_type([*self.labels, *([] if self.undecided is None else [self.undecided])])

    def __repr__(self) -> str:
        state = "converged" if self.converged else "not converged"
        return (
            f"LabelFusion({self.method}, {counted(len(self.raters), 'rater')}, {counted(len(self.labels), 'label')}, "
            f"{counted(self.n_voxels, 'voxel')}, {counted(self.n_iter, 'iteration')}, {state})\n"
            f"{rates_in_lines(self._labels(), self._shown_sensitivity())}"
        )


def rates_in_lines(labels: Labels, sensitivity: Rates) -> str:
    """Return the first labels and the sensitivities for them, as results show them."""
    rates = np.array2string(sensitivity[:, :MOST_SHOWN], precision=4)
    more = f" ... ({len(labels.values)})" if len(labels.values) > MOST_SHOWN else ""
    return f"  labels {' '.join(labels.called[:MOST_SHOWN])}{more}\n  sensitivity\n{indent(rates, '   ')}"


def entropy_of(parts: Sequence[NDArray[Any]] | NDArray[Any]) -> NDArray[Any]:
    """Return the entropy of the labels' probabilities, in nats."""
    total = np.zeros_like(parts[0])
    for part in parts:
        total -= part * np.log(part, out=np.zeros_like(part), where=part > 0)
    return total


def same_undecided(undecided: int | None, labels: Labels) -> int | None:
    """Return what is written where labels are tied; refuse one of the labels."""
    if undecided is not None and whole_number(undecided, "undecided") in labels.values:
        raise ValueError(
            f"undecided is {undecided}, which is one of the labels: choose a number that is none of them"
        )
    return undecided
