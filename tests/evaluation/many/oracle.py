"""The scores against several raters in plain NumPy, voxel by voxel, from their definitions; it shares no code with the package."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np


def dice_where_agreed(p: Any, raters: list[Any], cut: float = 0.5) -> float:
    shared = predicted = true = 0
    for value, votes in zip(p, zip(*raters, strict=True), strict=True):
        if len(set(votes)) > 1:
            continue
        mark, vote = value >= cut, votes[0] == 1
        shared, predicted, true = shared + (mark and vote), predicted + mark, true + vote
    return 2 * shared / (predicted + true) if predicted + true else 1.0


def confidence(p: Any, raters: list[Any]) -> float:
    inside = [value for value, votes in zip(p, zip(*raters, strict=True), strict=True) if all(votes)]
    outside = [1 - value for value, votes in zip(p, zip(*raters, strict=True), strict=True) if not any(votes)]
    return (math.fsum(inside) / len(inside) + math.fsum(outside) / len(outside)) / 2


def ece(p: Any, rater: Any, bins: int = 50) -> float:
    """Each voxel's likelier class, in bins of its probability that hold their lower end; 1 by itself."""
    held: dict[int, list[tuple[float, bool]]] = {}
    for value, vote in zip(p, rater, strict=True):
        top = max(value, 1 - value)
        at = next(k for k in range(bins, -1, -1) if top >= k / bins)
        held.setdefault(at, []).append((top, (value >= 0.5) == (vote == 1)))
    total = 0.0
    for group in held.values():
        confident = math.fsum(top for top, _ in group) / len(group)
        right = sum(one for _, one in group) / len(group)
        total += len(group) / len(p) * abs(confident - right)
    return total


def crps(volume: float, volumes: Any, *, ends: float = 40.0, points: int = 400_001) -> float:
    """The integral by the midpoint rule, over ``ends`` standard deviations to both sides of all that matters."""
    mean, sigma = np.mean(volumes), np.sqrt(np.mean((volumes - np.mean(volumes)) ** 2))
    low, high = min(mean, volume) - ends * sigma, max(mean, volume) + ends * sigma
    total = 0.0
    for start, end in ((low, volume), (volume, high)):  # the step lies between two pieces
        y = start + (end - start) * (np.arange(points) + 0.5) / points
        below = 0.5 * (1 + np.array([math.erf(one) for one in (y - mean) / (sigma * math.sqrt(2))]))
        total += float(np.mean((below - (start >= volume)) ** 2)) * (end - start)
    return total


def curvas_crps(volume: float, volumes: Any) -> float:
    """As the challenge's code computes it: over three standard deviations, of a distribution in 100 points."""
    normal = NormalDist(float(np.mean(volumes)), float(np.std(volumes)))
    at = np.linspace(normal.inv_cdf(0.01), normal.inv_cdf(0.99), 100)
    mean, sigma = normal.mean, normal.stdev
    y = mean + 6 * sigma * ((np.arange(1_000_000) + 0.5) / 1_000_000 - 0.5)
    below = np.interp(y, at, [normal.cdf(one) for one in at], left=0, right=1)
    return float(np.mean((below - (y >= volume)) ** 2)) * 6 * sigma


def curve(p: Any, raters: list[Any], bins: int = 10) -> list[tuple[int, float, float]]:
    """Voxels of each bin, their mean probability and the mean share of raters who mark."""
    found = []
    for k in range(bins):
        group = [
            (value, sum(votes) / len(votes))
            for value, votes in zip(p, zip(*raters, strict=True), strict=True)
            if k / bins <= value and (value < (k + 1) / bins or k == bins - 1)
        ]
        means = [math.fsum(column) / len(group) for column in zip(*group, strict=True)] if group else []
        found.append((len(group), *(means or [math.nan, math.nan])))
    return found
