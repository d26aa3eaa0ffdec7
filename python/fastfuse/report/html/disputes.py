"""Finds the places where raters disagree, the largest first."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST = 30  # places that a report lists
UNREAD = -1  # in the place of a vote
# The half of the 26 neighbours that lies ahead: each pair of voxels is looked at once.
AHEAD = [step for step in itertools.product((-1, 0, 1), repeat=3) if step > (0, 0, 0)]


@dataclass(frozen=True)
class Place:
    """A connected region of voxels on which raters disagree.

    Attributes
    ----------
    at : tuple of 3 int
        Its voxel of most disagreement, that nearest to the centre of all.
    voxels : int
        Voxels of the region.
    weight : float
        Sum over the voxels of the share of pairs of raters who disagree there.
    """

    at: tuple[int, int, int]
    voxels: int
    weight: float


def disagreement(
    votes: Sequence[NDArray[np.generic]], looked: Sequence[NDArray[np.bool_]] = ()
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the voxels on which raters differ, as flat indices, and the share of pairs who differ there.

    ``looked``: where each rater looked; without it everywhere. Who did not look at a voxel is in no pair there.
    """
    first = votes[0]
    differs = np.zeros(first.shape, bool)
    for vote in votes[1:]:
        differs |= vote != first
    voxels = np.flatnonzero(differs)
    held = np.stack([vote.reshape(-1)[voxels] for vote in votes]).astype(np.int64)
    seen = np.stack([one.reshape(-1)[voxels] for one in looked]) if looked else np.ones(held.shape, bool)
    held = np.sort(np.where(seen, held, UNREAD), axis=0)
    alike = np.zeros(len(voxels))  # pairs of raters who agree: the runs of sorted votes
    run = np.zeros(len(voxels))
    for before, after in itertools.pairwise(held):
        run = np.where((before == after) & (after != UNREAD), run + 1, 0)
        alike += run
    count = seen.sum(axis=0)
    pairs = count * (count - 1) / 2
    apart = pairs > alike
    return voxels[apart], 1 - alike[apart] / pairs[apart]


def places_of(
    votes: Sequence[NDArray[np.generic]], most: int = MOST, looked: Sequence[NDArray[np.bool_]] = ()
) -> list[Place]:
    """Return where raters disagree: regions that touch by a corner, by falling weight."""
    shape = votes[0].shape
    voxels, weights = disagreement(votes, looked)
    if not voxels.size:
        return []
    labels = components(voxels, shape)
    totals = np.bincount(labels, weights)
    order = np.lexsort((np.arange(len(totals)), -totals))[:most]
    return [_place(voxels[labels == one], weights[labels == one], shape) for one in order]


def components(voxels: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the number of each voxel's connected region, from 0 on; ``voxels`` are flat indices, ascending."""
    pairs = [pair for step in AHEAD for pair in [_neighbours(voxels, step, shape)] if pair[0].size]
    labels = np.arange(len(voxels))
    if pairs:
        one, other = (np.concatenate(part) for part in zip(*pairs, strict=True))
        while True:
            least = np.minimum(labels[one], labels[other])
            before = labels.copy()
            np.minimum.at(labels, labels[one], least)
            np.minimum.at(labels, labels[other], least)
            while not np.array_equal(labels, labels[labels]):
                labels = labels[labels]
            if np.array_equal(labels, before):
                break
    return np.asarray(np.unique(labels, return_inverse=True)[1], dtype=np.int64).reshape(-1)


def _neighbours(
    voxels: NDArray[np.int64], step: Sequence[int], shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places in ``voxels`` of those with a neighbour one step on, and of these neighbours."""
    at = np.stack(np.unravel_index(voxels, shape)) + np.array(step)[:, None]
    inside = np.flatnonzero(((at >= 0) & (at < np.array(shape)[:, None])).all(axis=0))
    wanted = np.ravel_multi_index(tuple(at[:, inside]), shape)
    found = np.minimum(np.searchsorted(voxels, wanted), len(voxels) - 1)
    hit = voxels[found] == wanted
    return inside[hit], found[hit]


def _place(voxels: NDArray[np.int64], weights: NDArray[np.float64], shape: tuple[int, ...]) -> Place:
    at = np.stack(np.unravel_index(voxels, shape), axis=1)
    centre = weights @ at / weights.sum()
    far = ((at - centre) ** 2).sum(axis=1)
    far[weights < weights.max()] = np.inf
    x, y, z = at[int(np.argmin(far))].tolist()
    return Place((x, y, z), len(voxels), float(weights.sum()))
