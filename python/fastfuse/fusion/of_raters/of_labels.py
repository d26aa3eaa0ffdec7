"""Label maps as masks, one label after the other, so that what is told of raters by their masks' Dice is told of label maps."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from ..backends import labels as core
from ..labels.chosen import Labels
from ..labels.estimate import LabelEstimate
from ..labels.options import BACKGROUND, unknown_flags
from ..labels.pooled.estimate import PooledLabelEstimate
from ..labels.readers import Readers
from ..labels.table import LabelTable
from ..result import share_of
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


def ppv_and_dice(
    estimate: LabelEstimate, tables: Mapping[str, LabelTable]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each rater's PPV and Dice for each label over cases, shape (m, K), against the consensus by the rates that the cases share.

    ``tables``: of the cases, by their names. nan is 0/0, and the Dice of a label that the rater does not know.
    """
    agreed, seen, volume = np.zeros((3, *estimate.volume.shape))
    for case, table in tables.items():
        of_case = estimate.of(case) if isinstance(estimate, PooledLabelEstimate) else estimate
        at = [estimate.names.index(name) for name in table.names]
        for whole, part in zip(
            (agreed, seen, volume), _matched(of_case.of_raters(table.names), table), strict=True
        ):
            whole[at] += part
    labels = Labels(estimate.labels, estimate.label_names)
    unknown = unknown_flags(estimate._options.knows, labels, estimate.names, estimate.volume)
    return share_of(agreed, volume), np.where(unknown, np.nan, share_of(2 * agreed, seen + volume))


def _matched(estimate: LabelEstimate, table: LabelTable) -> NDArray[np.float64]:
    """Return the voxels of each label on which each rater and the consensus agree, that the consensus has, and the rater."""
    labels = Labels(estimate.labels, estimate.label_names)
    names = dict(zip(labels.values, labels.names, strict=True)) if labels.names else list(labels.values)
    whole = LabelTable(np.zeros((0, len(table.names))), [], table.names, labels=names) + table
    found = np.zeros((3, *whole.volume.shape))
    found[2] = whole.volume
    read = np.flatnonzero(whole.volume.any(axis=1)).tolist()
    if read:
        rows = core.table_of(labels.values, np.ascontiguousarray(whole.codes[:, read]), whole.counts)
        told = estimate._consensus(rows, estimate._options, Readers(whole.names, read))
        shape = (len(read), len(labels.values))
        found[0][read], found[1][read] = (np.reshape(part, shape) for part in (told.agreed, told.seen))
    return found
