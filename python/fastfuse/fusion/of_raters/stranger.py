"""Finds the rater who overlaps little with every other, who all agree: the file may be another patient's."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..result import Rates

if TYPE_CHECKING:
    from ..vote_table import VoteTable

FEWEST = 4  # raters: of three, two that are alike leave the third alone too often
# Of the demo's raters, in fours, the lowest ratios are .83 (Dice) and .85 (share), and .28 and .63 of one who finds half of the lesions;
# the highest of another patient's mask are .22 and .22, and .32 and .29 of one that is 10 mm away.
FAR = 0.5  # of the others' lowest Dice
OUTSIDE = 0.4  # of the others' lowest share: who finds little, or marks too much, has marks that others share
LEAST_DICE = 0.4  # of two of the others, who would else be no measure
LEAST_VOLUME = 0.1  # of the others' smallest: a few marks may all be wrong ones


class Stranger(NamedTuple):
    """A rater's place, their highest Dice with another, and the lowest of two others."""

    at: int
    highest: float
    least: float


def stranger_among(dice: Rates, volumes: Rates) -> Stranger | None:
    """Return the rater who overlaps little with every other, while all others agree; None if there is none.

    Raters who mark nothing are left out; at most one can be so far from all.

    Parameters
    ----------
    dice : ndarray of shape (m, m)
        Of each two.
    volumes : ndarray of shape (m,)
    """
    marking = np.flatnonzero(volumes > 0)
    if len(marking) < FEWEST:
        return None
    dice, sizes = dice[np.ix_(marking, marking)], volumes[marking]
    # What both mark, by what the one who marks less marks.
    share = dice * (sizes[:, None] + sizes) / (2 * np.minimum(sizes[:, None], sizes))
    for at, place in enumerate(marking):
        rest = np.delete(np.arange(len(marking)), at)
        pairs = tuple(rest[axis] for axis in np.triu_indices(len(rest), 1))
        highest, least = float(dice[at, rest].max()), float(dice[pairs].min())
        apart = highest < FAR * least and share[at, rest].max() < OUTSIDE * share[pairs].min()
        if apart and least >= LEAST_DICE and sizes[at] >= LEAST_VOLUME * sizes[rest].min():
            return Stranger(int(place), highest, least)
    return None


def stranger_in(table: VoteTable) -> Stranger | None:
    """Return such a rater in a table of masks, by the voxels that all of them read."""
    from .masks import masks_of  # with tables, which a fusion of files does not load

    patterns, counts = masks_of(table, "agreement")
    read = ~np.isnan(patterns).any(axis=1)
    agreed, sizes = overlaps(patterns[read], counts[read])
    dice = np.divide(2 * agreed, sizes, out=np.zeros(sizes.shape), where=sizes > 0)
    return stranger_among(dice, agreed.diagonal())


def remarks_on_stranger(table: VoteTable) -> list[str]:
    """Say who overlaps little with every other."""
    found = stranger_in(table)
    return [] if found is None else [in_words(table.names[found.at], found)]


def overlaps(patterns: Rates, counts: Rates) -> tuple[Rates, Rates]:
    """Return what each two raters mark both, and the sum of what they mark where both vote, in voxels."""
    seen, marks = ~np.isnan(patterns), np.nan_to_num(patterns)
    weighed = (marks * counts[:, None]).T
    sizes: Rates = weighed @ seen  # |R_i| where j votes
    return weighed @ marks, sizes + sizes.T


def in_words(name: str, found: Stranger) -> str:
    """Say so, and what to look at."""
    return (
        f"{name} overlaps little with every other rater (Dice at most {found.highest:.2f}, that of the others at least "
        f"{found.least:.2f}): is the file this patient's, of this structure, and neither moved nor mirrored? If it is, they read otherwise than all others"
    )
