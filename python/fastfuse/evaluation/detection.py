"""Which lesions are found, and which of those found are true."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..inputs.checks import check_number
from .components import labelled

LEAST_MM3 = 3.0  # a lesion is larger than this
COVERED = 0.10  # α: more than this share of a lesion must be covered
OUTSIDE = 0.70  # β: at most this share of a covering lesion may lie outside of all lesions
EXPLAINED = 0.65  # γ: this share of what is covered is to be looked at
CONNECTIVITY = 6
ROUNDING = 1e-5  # of a voxel's volume: headers hold single precision

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Detection:
    """Lesions found and missed.

    Attributes
    ----------
    prediction_lesions, truth_lesions : int
        Lesions larger than the least volume in each mask.
    detected_lesions : int
        Lesions of the truth that the prediction detects.
    confirmed_lesions : int
        Lesions of the prediction that the truth confirms.
    """

    prediction_lesions: int
    truth_lesions: int
    detected_lesions: int
    confirmed_lesions: int

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
        """2 s p / (s + p) of sensitivity and PPV; 1 if neither mask has lesions, 0 if one alone has none."""
        if not self.prediction_lesions and not self.truth_lesions:
            return 1.0
        if not self.detected_lesions or not self.confirmed_lesions:
            return 0.0
        return 2 * self.sensitivity * self.ppv / (self.sensitivity + self.ppv)


def detection(
    prediction: ArrayLike,
    truth: ArrayLike,
    voxel_mm3: float = 1.0,
    *,
    least_mm3: float = LEAST_MM3,
    connectivity: int = CONNECTIVITY,
) -> Detection:
    """Count lesions found and missed by the rule of the MSSEG-2016 challenge.

    Lesions are connected components larger than ``least_mm3``; smaller ones become background in either mask.
    A true lesion is detected if

    - predicted lesions cover more than α = 10 % of its voxels, and
    - of those that cover it, taken by decreasing overlap until they make up at least γ = 65 % of what is covered,
      none lies by more than β = 70 % of its own voxels outside of all true lesions.

    A predicted lesion is confirmed by the same rule with the roles exchanged. Where Anima's
    animaSegPerfAnalyzer, the challenge's own program, leaves something open or slips, this function

    - takes of two predicted lesions of equal overlap the one that lies less outside first (Anima: undefined),
    - goes through predicted lesions until γ is reached (Anima: through as many as there are true lesions plus 1),
    - takes a lesion of 3 voxels of 1.0000001 mm³ for one of 3 mm³, which is what rounding in headers leaves.

    Parameters
    ----------
    prediction, truth : array_like, shape (x, y, z)
        What is not 0 is marked.
    voxel_mm3 : float
        A voxel's volume in mm³.
    least_mm3 : float
        Lesions of this volume or less are left out, 3 mm³ in the challenge.
    connectivity : {6, 18, 26}
        Neighbours share a face (the challenge), an edge, or a corner.

    Returns
    -------
    Detection

    Raises
    ------
    ValueError, TypeError
        If shapes differ, an array is not 3-D, or an option is out of range.
    FastfuseError
        If scipy is not installed.

    References
    ----------
    .. [1] Commowick O. et al.: Objective evaluation of multiple sclerosis lesion segmentation using a data management
       and processing infrastructure. Scientific Reports 8, 13650 (2018). doi:10.1038/s41598-018-31911-7
    """
    voxel = check_number(voxel_mm3, "voxel_mm3", "a number above 0", lambda x: x > 0)
    least = check_number(least_mm3, "least_mm3", "a number of at least 0", lambda x: x >= 0)
    least_voxels = math.floor(least / voxel * (1 + ROUNDING)) + 1
    found, real = (labelled(mask, least_voxels, connectivity) for mask in (prediction, truth))
    if found.shape != real.shape:
        raise ValueError(f"the prediction has shape {found.shape}, the truth has shape {real.shape}")
    table = _Overlaps.of(real, found)
    return Detection(
        prediction_lesions=len(table.column_sizes),
        truth_lesions=len(table.row_sizes),
        detected_lesions=table.detected_rows(),
        confirmed_lesions=table.turned().detected_rows(),
    )


@dataclass(frozen=True)
class _Overlaps:
    """The pairs of a row's and a column's lesion that overlap, sparse: lesion i has the index i - 1."""

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

    def detected_rows(self) -> int:
        """Count the rows' lesions that those of the columns detect."""
        covered = np.bincount(self.rows, self.voxels, len(self.row_sizes))
        inside = np.bincount(self.columns, self.voxels, len(self.column_sizes))
        outside = (self.column_sizes - inside) / self.column_sizes
        order = np.lexsort((outside[self.columns], -self.voxels, self.rows))
        rows, columns, voxels = self.rows[order], self.columns[order], self.voxels[order]
        before = np.cumsum(voxels) - voxels  # overlap of the pairs before, of all rows
        before = before - before[np.searchsorted(rows, rows)]  # of the same row
        looked_at = before / covered[rows] < EXPLAINED
        refused = np.unique(rows[looked_at & (outside[columns] > OUTSIDE)])
        detected = covered / self.row_sizes > COVERED
        detected[refused] = False
        return int(np.count_nonzero(detected))
