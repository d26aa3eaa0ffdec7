"""Label maps as masks, one label after the other, so that what is told of raters by their masks' Dice is told of label maps."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from ..labels.chosen import Labels
from ..labels.estimate import LabelEstimate
from ..labels.options import BACKGROUND, unknown_flags
from ..labels.table import LabelTable
from ..vote_table import VoteTable


def masks_of_labels(table: LabelTable, unknown: Mapping[str, Collection[int]] | None = None) -> VoteTable:
    """Return a table whose Dice of two raters is that over all labels but 0: 2 Σ |A_k ∩ B_k| / Σ (|A_k| + |B_k|).

    It holds a voxel once for each label that somebody gives it. ``unknown``: labels that raters do not know, by the raters' names:
    they have no vote on these.
    """
    codes, patterns, counts = table.codes, [np.zeros((1, len(table.names)))], [np.zeros(1)]
    for code, label in enumerate(table.labels):
        if label == BACKGROUND:
            continue
        rows = (codes == code).any(axis=1) & (table.counts > 0)
        marks = np.where(codes[rows] < 0, np.nan, codes[rows] == code)
        for rater, name in enumerate(table.names):
            if label in (unknown or {}).get(name, ()):
                marks[:, rater] = np.nan
        patterns.append(marks)
        counts.append(table.counts[rows])
    return VoteTable(np.concatenate(patterns), np.concatenate(counts), table.names)


def unknown_to(estimate: LabelEstimate) -> dict[str, list[int]]:
    """Return the labels that raters do not know, by the raters' names."""
    labels = Labels(estimate.labels, estimate.label_names)
    flags = unknown_flags(estimate._options.knows, labels, estimate.names, estimate.volume)
    return {
        name: [label for label, lacks in zip(labels.values, row, strict=True) if lacks]
        for name, row in zip(estimate.names, flags.tolist(), strict=True)
    }


def voxels_with_labels(table: LabelTable) -> int:
    """Return the voxels to which somebody gives a label that is not 0, and that two or more read."""
    given = np.array([label != BACKGROUND for label in table.labels])[table.codes] & (table.codes >= 0)
    read = np.count_nonzero(table.codes >= 0, axis=1) >= 2
    return int(table.counts[given.any(axis=1) & read].sum())
