"""Lesion-wise detection, by the rule of the MSSEG-2016 challenge or by any overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..inputs.checks import check_choice, check_number
from .components import large_and_small
from .space import ROUNDING

LEAST_MM3 = 3.0  # components of this volume or less are no lesions
COVERED = 0.10  # α: a detected lesion has more than this share covered
OUTSIDE = 0.70  # β: a covering lesion has at most this share outside of all lesions
EXPLAINED = 0.65  # γ: covering lesions are checked until they make up this share of the covered voxels
CONNECTIVITY = 6
MATCHES = ("msseg", "any")

Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Detection:
    """Numbers of lesions, of detected ones and of confirmed ones.

    Attributes
    ----------
    prediction_lesions, truth_lesions : int
        Lesions in each mask that are larger than the least volume.
    detected_lesions : int
        Lesions of the truth that the prediction detects.
    confirmed_lesions : int
        Lesions of the prediction that the truth confirms.
    prediction_left_out, truth_left_out : int
        Components of each mask of the least volume or less, which are no lesions.
    """

    prediction_lesions: int
    truth_lesions: int
    detected_lesions: int
    confirmed_lesions: int
    prediction_left_out: int = 0
    truth_left_out: int = 0

    @property
    def sensitivity(self) -> float:
        """Share of the true lesions that are detected; nan if there are none."""
        return self.detected_lesions / self.truth_lesions if self.truth_lesions else math.nan

    @property
    def ppv(self) -> float:
        """Share of the predicted lesions that are confirmed; nan if there are none."""
        return self.confirmed_lesions / self.prediction_lesions if self.prediction_lesions else math.nan

    @property
    def f1(self) -> float:
        """Harmonic mean of sensitivity and PPV; 1 for two empty masks, 0 if only one has lesions.

        nan if neither has lesions, but one has components that were left out: nothing was compared.
        """
        if not self.prediction_lesions and not self.truth_lesions:
            return math.nan if self.prediction_left_out or self.truth_left_out else 1.0
        if not self.detected_lesions or not self.confirmed_lesions:
            return 0.0
        return 2 * self.sensitivity * self.ppv / (self.sensitivity + self.ppv)


@dataclass(frozen=True)
class Matched:
    """Lesions of both masks, and which of them the other mask finds; lesion i has the index i - 1.

    Attributes
    ----------
    prediction, truth : ndarray of int32, shape (x, y, z)
        Numbers of the lesions, 0 elsewhere.
    detected, confirmed : ndarray of bool
        Of each lesion of the truth, whether the prediction detects it; of each of the prediction, whether the truth
        confirms it.
    covered, explained : ndarray of int64
        Voxels of each lesion of the truth in lesions of the prediction, and the reverse.
    prediction_left_out, truth_left_out : int
        Components that are no lesions.
    """

    prediction: NDArray[np.int32]
    truth: NDArray[np.int32]
    detected: Flags
    confirmed: Flags
    covered: Counts
    explained: Counts
    prediction_left_out: int
    truth_left_out: int

    @property
    def counts(self) -> Detection:
        """Numbers of lesions."""
        return Detection(
            prediction_lesions=len(self.confirmed),
            truth_lesions=len(self.detected),
            detected_lesions=int(np.count_nonzero(self.detected)),
            confirmed_lesions=int(np.count_nonzero(self.confirmed)),
            prediction_left_out=self.prediction_left_out,
            truth_left_out=self.truth_left_out,
        )


def detection(
    prediction: ArrayLike,
    truth: ArrayLike,
    voxel_mm3: float = 1.0,
    *,
    least_mm3: float = LEAST_MM3,
    connectivity: int = CONNECTIVITY,
    match: str = "msseg",
) -> Detection:
    """Count detected and confirmed lesions, by default by the rule of the MSSEG-2016 challenge.

    Lesions are connected components larger than ``least_mm3``. Smaller components become background in both masks,
    and are counted. By ``match="any"``, a true lesion is detected if predicted lesions cover one of its voxels. By
    ``match="msseg"`` it is detected if

    - predicted lesions cover more than α = 10 % of its voxels, and
    - none of the covering lesions has more than β = 70 % of its own voxels outside of all true lesions. They are
      checked by decreasing overlap, until they make up γ = 65 % of the covered voxels.

    A predicted lesion is confirmed by the same rule with the roles exchanged. The challenge's own program, Anima's
    animaSegPerfAnalyzer, differs in three details. This function

    - checks, of two predicted lesions of equal overlap, the one with the smaller share outside first (Anima: undefined);
    - checks predicted lesions until γ is reached (Anima: at most the number of true lesions plus 1);
    - treats 3 voxels of 1.0000001 mm³ as 3 mm³, because headers round.

    Parameters
    ----------
    prediction, truth : array_like, shape (x, y, z) or (x, y)
        Foreground is what is not 0.
    voxel_mm3 : float
        Volume of a voxel, in mm³.
    least_mm3 : float
        Components of this volume or less are left out; 3 mm³ in the challenge.
    connectivity : {6, 18, 26}
        Neighbours share a face (the challenge), an edge, or a corner.
    match : {"msseg", "any"}
        When a lesion counts as found.

    Returns
    -------
    Detection

    Raises
    ------
    ValueError, TypeError
        If shapes differ, an array is neither 2-D nor 3-D, or an option is out of range.
    FastfuseError
        If scipy is not installed.

    References
    ----------
    .. [1] Commowick O. et al.: Objective evaluation of multiple sclerosis lesion segmentation using a data management
       and processing infrastructure. Scientific Reports 8, 13650 (2018). doi:10.1038/s41598-018-31911-7
    """
    options = {"least_mm3": least_mm3, "connectivity": connectivity, "match": match}
    return matched(prediction, truth, voxel_mm3, **options).counts  # type: ignore[arg-type]


def matched(
    prediction: ArrayLike,
    truth: ArrayLike,
    voxel_mm3: float,
    *,
    least_mm3: float,
    connectivity: int,
    match: str,
) -> Matched:
    """Find the lesions of both masks and match them; the parameters are those of :func:`detection`."""
    voxel = check_number(voxel_mm3, "voxel_mm3", "a number above 0", lambda x: x > 0)
    least_voxels = math.floor(check_least(least_mm3) / voxel * (1 + ROUNDING)) + 1
    check_choice(match, "match", MATCHES)
    found, found_small = large_and_small(prediction, least_voxels, connectivity)
    real, real_small = large_and_small(truth, least_voxels, connectivity)
    if found.shape != real.shape:
        raise ValueError(f"the prediction has shape {found.shape}, the truth has shape {real.shape}")
    table = _Overlaps.of(real, found)
    return Matched(
        prediction=found,
        truth=real,
        detected=table.rows_found(match),
        confirmed=table.turned().rows_found(match),
        covered=table.covered(),
        explained=table.turned().covered(),
        prediction_left_out=found_small,
        truth_left_out=real_small,
    )


def check_least(least_mm3: float) -> float:
    """Return the volume up to which components are no lesions."""
    return check_number(least_mm3, "least_mm3", "a number of mm³ of at least 0", lambda x: x >= 0)


@dataclass(frozen=True)
class _Overlaps:
    """Overlaps of the rows' lesions with the columns' as a sparse matrix; lesion i has the index i - 1."""

    rows: Counts
    columns: Counts
    voxels: Counts
    row_sizes: Counts
    column_sizes: Counts

    @classmethod
    def of(cls, row_labels: NDArray[np.int32], column_labels: NDArray[np.int32]) -> _Overlaps:
        row_sizes, column_sizes = (np.bincount(labels.ravel())[1:] for labels in (row_labels, column_labels))
        both = (row_labels > 0) & (column_labels > 0)
        pairs = (row_labels[both] - 1) * np.int64(len(column_sizes)) + (column_labels[both] - 1)
        found, voxels = np.unique(pairs, return_counts=True)
        rows, columns = np.divmod(found, max(len(column_sizes), 1))
        return cls(rows, columns, voxels, row_sizes, column_sizes)

    def turned(self) -> _Overlaps:
        """Exchange rows and columns."""
        return _Overlaps(self.columns, self.rows, self.voxels, self.column_sizes, self.row_sizes)

    def covered(self) -> Counts:
        """Return the covered voxels of each row's lesion."""
        return np.bincount(self.rows, self.voxels, len(self.row_sizes)).astype(np.int64)

    def rows_found(self, match: str) -> Flags:
        """Return which of the rows' lesions the columns' lesions find, by one of the two rules."""
        return self.covered() > 0 if match == "any" else self._detected_rows()

    def _detected_rows(self) -> Flags:
        covered = self.covered()
        inside = np.bincount(self.columns, self.voxels, len(self.column_sizes))
        outside = (self.column_sizes - inside) / self.column_sizes
        order = np.lexsort((outside[self.columns], -self.voxels, self.rows))
        rows, columns, voxels = self.rows[order], self.columns[order], self.voxels[order]
        before = np.cumsum(voxels) - voxels  # cumulative overlap before each pair, over all rows
        before = before - before[np.searchsorted(rows, rows)]  # within its row
        looked_at = before / covered[rows] < EXPLAINED
        refused = np.unique(rows[looked_at & (outside[columns] > OUTSIDE)])
        detected = covered / self.row_sizes > COVERED
        detected[refused] = False
        return np.asarray(detected)
