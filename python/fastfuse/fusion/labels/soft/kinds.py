"""Votes of few values as maps of codes: what makes the exact expectation over all tuples of labels affordable."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .given import Given

MOST_KINDS = 4096  # distinct votes of a rater whose votes are few-valued
AT_ONCE = 1 << 18  # voxels


def as_kinds(given: Given, mask: NDArray[np.bool_] | None) -> Given | None:
    """Return a rater's votes as a map of codes; None if they hold too many distinct votes, as a softmax does."""
    if given.codes is not None:
        return given
    keys = _keys(given)
    counts = np.ones(given.shape, bool) if mask is None else mask
    known = np.empty(0)
    flat, inside = keys.reshape(-1), counts.reshape(-1)
    for begin in range(0, flat.size, AT_ONCE):
        part = flat[begin : begin + AT_ONCE][inside[begin : begin + AT_ONCE]]
        known = np.union1d(known, part[~np.isnan(part)])
        if known.size > MOST_KINDS:
            return None
    codes = np.minimum(np.searchsorted(known, flat), max(known.size - 1, 0))
    counted = inside & ~np.isnan(flat)
    votes = np.stack([channel.reshape(-1) for channel in given.classes])
    kinds = np.zeros((max(known.size, 1), len(votes)))
    kinds[codes[counted]] = votes[:, counted].T
    for channel, kind in zip(votes, kinds.T, strict=True):  # two votes with one key
        if (channel[counted] != kind[codes[counted]]).any():
            return None
    kinds /= np.where(kinds.any(axis=1, keepdims=True), kinds.sum(axis=1, keepdims=True), 1)
    missing = np.isnan(flat)
    if missing.any():
        found = np.where(missing, np.float32(np.nan), codes.astype(np.float32))
    else:
        found = codes.astype(np.min_scalar_type(len(kinds)))
    return Given([], found.reshape(given.shape), kinds)


def _keys(given: Given) -> NDArray[np.float64]:
    """Return a number for each voxel, which different votes hardly share; nan where the vote is missing."""
    weights = np.random.default_rng(0).random(len(given.classes))
    keys = np.zeros(given.shape)
    for channel, weight in zip(given.classes, weights, strict=True):
        keys += channel * weight
    return keys
