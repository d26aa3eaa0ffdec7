"""Variants of the reference, votes for them, and the likelihood by its definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

from fastfuse import reference
from fastfuse.reference import ReferenceFusion

from ..problems import simulated_raters, soften

NAN = np.nan

# Four voxels with votes and one without; the mean votes are 1, 2/3, 0, 1/3.
WORKED = np.array([[1, 1, 0, 0, NAN], [1, 0, NAN, 1, NAN], [NAN, 1, 0, 0, NAN]])

VARIANTS: list[dict[str, Any]] = [
    {"method": "staple"},
    {"method": "soft-staple", "m_step": "paper"},
    {"method": "soft-staple", "m_step": "em"},
    {"method": "simplified-soft-staple", "m_step": "paper"},
    {"method": "simplified-soft-staple", "m_step": "em"},
    {"method": "simplified-soft-staple", "likelihood": "log_linear"},
]
MAXIMISERS = [v for v in VARIANTS if v["method"] == "staple" or v.get("m_step") != "paper"]


def name(variant: dict[str, Any]) -> str:
    return "-".join(map(str, variant.values()))


every_variant = pytest.mark.parametrize("variant", VARIANTS, ids=name)
every_maximiser = pytest.mark.parametrize("variant", MAXIMISERS, ids=name)


def votes_for(
    variant: dict[str, Any], seed: int, shape: tuple[int, ...] = (60,), m: int = 4, missing: float = 0.25
) -> np.ndarray:
    """Votes (m, ...) of which some are missing; the first voxels are read by nobody."""
    rng = np.random.default_rng(seed)
    n = int(np.prod(shape))
    votes = simulated_raters(rng, m, n)
    if variant["method"] != "staple":
        votes = soften(rng, votes, ("dense", "three-valued")[seed % 2])
    votes[rng.random(votes.shape) < missing] = NAN
    if missing:
        votes[:, :2] = NAN
    return votes.reshape(m, *shape)


def rates(theta: Any) -> tuple[np.ndarray, np.ndarray]:
    theta = np.asarray(theta, dtype=np.float64)
    return theta, 1 - theta


def assert_equal(a: ReferenceFusion, b: ReferenceFusion, tolerance: float = 1e-12) -> None:
    for field in ("probability", "sensitivity", "specificity", "prior"):
        np.testing.assert_allclose(getattr(a, field), getattr(b, field), rtol=0, atol=tolerance)
    assert (a.n_iter, a.converged, a.n_voxels) == (b.n_iter, b.converged, b.n_voxels)
    np.testing.assert_allclose(a.log_likelihood, b.log_likelihood, rtol=tolerance, atol=tolerance)


def log_likelihood(
    votes: np.ndarray, parameters: np.ndarray, variant: dict[str, Any], pi: Any = None
) -> float:
    """L or L_soft at (theta1, theta0[, pi]), voxel by voxel; L_soft in the closed form, never by patterns."""
    m = len(votes)
    theta1, theta0 = parameters[:m], parameters[m : 2 * m]
    prior = np.broadcast_to(parameters[2 * m] if pi is None else pi, votes.shape[1])
    total = 0.0
    for q, p in zip(votes.T, prior, strict=True):
        there = ~np.isnan(q)
        q, one, zero = q[there], theta1[there], theta0[there]
        if variant["method"] == "soft-staple":
            total += reference.characteristic(q[:, None], p, rates(one), rates(zero))[1][0]
            continue
        if variant.get("likelihood") == "log_linear":
            log_a1 = special.xlogy(q, one) + special.xlogy(1 - q, 1 - one)
            log_a0 = special.xlogy(q, 1 - zero) + special.xlogy(1 - q, zero)
        else:
            log_a1, log_a0 = np.log(1 - q - one + 2 * q * one), np.log(q + zero - 2 * q * zero)
        total += np.logaddexp(np.log(p) + log_a1.sum(), np.log(1 - p) + log_a0.sum())
    return float(total)


def slope(f: Any, x: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Derivatives by central differences, in the directions marked."""
    steps = 1e-6 * np.eye(len(x))[along]
    return np.array([(f(x + d) - f(x - d)) / 2e-6 for d in steps])
