"""Summaries of measures over cases."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .bootstrap import bootstrap_interval
from .overlap import Overlap
from .result import SCORES, Evaluation


@dataclass(frozen=True)
class Summary:
    """One measure over cases.

    Attributes
    ----------
    mean, median : float
        Over the cases in which the measure is defined: infinite if it is in a case (the mean) or in most (the median);
        nan if it is defined in none.
    low, high : float
        95 % confidence interval of the mean, as in :func:`fastfuse.evaluation.bootstrap.bootstrap_interval`.
    defined : int
        Number of cases in which the measure is defined, infinite ones included.
    undefined, infinite : int
        Number of cases in which the measure is undefined, and infinite.
    """

    mean: float
    median: float
    low: float
    high: float
    defined: int
    undefined: int
    infinite: int


@dataclass(frozen=True)
class FolderEvaluation:
    """Measures of a folder of predictions.

    Attributes
    ----------
    cases : dict of str to Evaluation
        By the case's name: the prediction's path in its folder, without ending.
    summary : dict of str to Summary
        Mean, median, 95 % bootstrap interval of the mean and counts of undefined and infinite values of each measure.
    pooled : Overlap
        All cases' voxels counted together: ``pooled.dice`` is the pooled Dice.
    missing_predictions, missing_truths : list of str
        Files of the truths' folder without a prediction, and of the predictions' folder without a truth.
    matched_by : dict of str to int
        Number of cases that were matched by file name, and in each of the other ways.
    cropped : list of str
        Cases whose files were cropped, so that the box that holds both is all that was counted.
    failed : dict of str to str
        Why each other case could not be compared, as where a file is damaged; no measure counts it.
    """

    cases: Mapping[str, Evaluation]
    summary: Mapping[str, Summary]
    pooled: Overlap
    missing_predictions: list[str]
    missing_truths: list[str]
    matched_by: Mapping[str, int]
    cropped: list[str] = field(default_factory=list)
    failed: Mapping[str, str] = field(default_factory=dict)


def summaries_of(results: Sequence[Evaluation]) -> dict[str, Summary]:
    """Return a summary of each measure; the surface Dice is left out unless a tolerance was given."""
    columns = {name: [getattr(result, name) for result in results] for name in SCORES}
    return {name: summary_of(values) for name, values in columns.items() if None not in values}


def summary_of(values: Iterable[float]) -> Summary:
    """Summarise one measure."""
    found = np.array(list(values), dtype=np.float64)
    defined = found[~np.isnan(found)]
    low, high = bootstrap_interval(defined)
    return Summary(
        mean=float(defined.mean()) if len(defined) else math.nan,
        median=_median(defined.tolist()),
        low=low,
        high=high,
        defined=len(defined),
        undefined=len(found) - len(defined),
        infinite=int(np.isinf(defined).sum()),
    )


def pooled_of(results: Iterable[Evaluation]) -> Overlap:
    """Return the overlap of all cases' voxels together."""
    counts = [
        (one.true_positives, one.false_positives, one.false_negatives, one.true_negatives) for one in results
    ]
    return Overlap(*(sum(column) for column in zip(*counts, strict=True)))


def _median(values: Sequence[float]) -> float:
    """Return the median; between a finite and an infinite value it is infinite."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return low if low == high else (low + high) / 2
