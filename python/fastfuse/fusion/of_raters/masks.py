"""Votes that are masks."""

from __future__ import annotations

import numpy as np

from ...errors import said
from ..result import Rates
from ..vote_table import VoteTable


def masks_of(table: VoteTable, function: str) -> tuple[Rates, Rates]:
    """Return the patterns that occur, votes 0 and 1, and their counts.

    Raises
    ------
    ValueError
        Naming a rater with another vote.
    """
    patterns, counts = table.patterns[table.counts > 0], table.counts[table.counts > 0]
    for name, votes in zip(table.names, patterns.T, strict=True):
        fractional = votes[~np.isnan(votes) & (votes != 0) & (votes != 1)]
        if len(fractional):
            raise ValueError(
                said(
                    f"{name}: a vote is {fractional[0]:.6g}: {function} takes masks of 0 and 1; give threshold=0.5 "
                    "(--threshold 0.5), binarize=True (--binarize) or select_label=K (--select-label K)"
                )
            )
    return patterns, counts
