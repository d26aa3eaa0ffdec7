"""What the core finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ... import _core

CoreEstimate = _core.Estimate
CoreTable = _core.VoteTable
Rates = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Found:
    """What the core finds beside the probability; arrays have an entry for each rater who read the case.

    Attributes
    ----------
    sensitivity, specificity : ndarray
        Of each rater.
    prior : float
    log_likelihood : ndarray
        After each M-step.
    iterations : int
    converged : bool
    voxels, disputed : float
        Number of fused voxels, and number of voxels on which raters differ.
    volume, unmarked, read : ndarray
        Σ q, Σ (1 - q) and number of the voxels on which each rater votes.
    marked_by, seen_by, neither : ndarray
        Σ w q, Σ w and Σ (1 - w)(1 - q) over the voxels on which each rater votes, w the consensus.
    lowest, highest : float
        Extreme probabilities inside the mask.
    information, variability : ndarray
        Observed information of the rates, and variability of their scores; empty if it was not asked for.
    estimate : CoreEstimate
        The rates as the core keeps them.
    table : CoreTable, optional
        The votes as a table, for a bootstrap.
    pattern : ndarray of int32, optional
        Each voxel's row of the table, -1 outside of it; for a bootstrap of lesions.
    marked : ndarray of bool, optional
        What anybody marks; for a bootstrap of lesions.
    half_marks : list of float, optional
        Voxels at 0.5 or above: of the mean vote, of the consensus, and of both; None where the core counts none.
    """

    sensitivity: Rates
    specificity: Rates
    prior: float
    log_likelihood: Rates
    iterations: int
    converged: bool
    voxels: float
    disputed: float
    volume: Rates
    unmarked: Rates
    read: Rates
    marked_by: Rates
    seen_by: Rates
    neither: Rates
    lowest: float
    highest: float
    information: Rates
    variability: Rates
    estimate: CoreEstimate
    table: CoreTable | None
    pattern: NDArray[np.int32] | None
    marked: NDArray[np.bool_] | None
    half_marks: list[float] | None = None

    @classmethod
    def of(cls, result: _core.Result) -> Found:
        """Take the core's result."""
        return cls(
            sensitivity=result.sensitivity,
            specificity=result.specificity,
            prior=result.prior,
            log_likelihood=result.log_likelihood,
            iterations=result.iterations,
            converged=result.converged,
            voxels=result.voxels,
            disputed=result.disputed,
            volume=result.volume,
            unmarked=result.unmarked,
            read=result.read,
            marked_by=result.marked_by,
            seen_by=result.seen_by,
            neither=result.neither,
            lowest=result.lowest,
            highest=result.highest,
            information=result.information,
            variability=result.variability,
            estimate=result.estimate,
            table=result.table,
            pattern=result.pattern,
            marked=result.marked,
            half_marks=result.half_marks,
        )
