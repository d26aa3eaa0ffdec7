"""Cases of raters whose rates are known, in memory."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from fastfuse import VoteTable

NAMES = ["Ann", "Bob", "Eve", "Zoe"]
RATES = [(0.8, 0.99), (0.7, 0.98), (0.9, 0.97), (0.6, 0.995)]
OF_SEVEN = [(0.8, 0.99), (0.7, 0.98), (0.9, 0.97), (0.6, 0.995), (0.75, 0.99), (0.65, 0.985), (0.85, 0.992)]
VOXELS = 1500


def masks_of(seed: int, prevalence: float, voxels: int = VOXELS) -> NDArray[np.float64]:
    """Return the four raters' masks of a case."""
    rng = np.random.default_rng(seed)
    truth = rng.random(voxels) < prevalence
    return np.array(
        [np.where(truth, rng.random(voxels) < one, rng.random(voxels) > zero) for one, zero in RATES],
        np.float64,
    )


def votes_of(kind: str, seed: int, prevalence: float) -> NDArray[np.float64]:
    """Return binary masks, few-valued soft votes, or maps of five labels."""
    votes = masks_of(seed, prevalence)
    rng = np.random.default_rng(seed + 1000)
    if kind == "soft":
        votes[(votes == 0) & (rng.random(votes.shape) < 0.05)] = 0.3
    if kind == "labels":
        label = rng.integers(1, 5, votes.shape[1])
        votes *= np.where(rng.random(votes.shape) < 0.9, label, rng.integers(1, 5, votes.shape))
    return votes


def cohort_of(kind: str, *, absent: bool) -> dict[str, NDArray[np.float64]]:
    """Return three cases of different prevalence; with ``absent``, one rater did not read the second."""
    cases = {f"case {k}": votes_of(kind, k, prevalence) for k, prevalence in enumerate((0.1, 0.02, 0.3))}
    if absent:
        cases["case 1"][2] = np.nan
    return cases


@cache
def drawn_tables(cases: int, voxels: int = 20_000) -> dict[str, VoteTable]:
    """Return the tables of cases of seven raters and of any prevalence, as if their voxels had been counted."""
    sensitivity, specificity = np.array(OF_SEVEN).T
    patterns = np.array(list(product([0.0, 1.0], repeat=7)))
    one = np.where(patterns == 1, sensitivity, 1 - sensitivity).prod(axis=1)
    zero = np.where(patterns == 0, specificity, 1 - specificity).prod(axis=1)
    rng = np.random.default_rng(3)
    prevalences = rng.uniform(0.005, 0.05, cases)
    return {
        f"{k:04}": VoteTable(patterns, rng.multinomial(voxels, pi * one + (1 - pi) * zero), list("ABCDEFG"))
        for k, pi in enumerate(prevalences)
    }
