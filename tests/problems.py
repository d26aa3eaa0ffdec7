"""Fusion problems that several tests share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

import fastfuse
from fastfuse import reference

from .doors import fuse_by_name

SOFT = (fastfuse.soft_staple, fastfuse.simplified_soft_staple)
METHODS = ("staple", "soft-staple", "simplified-soft-staple")


def simulated_raters(rng: np.random.Generator, m: int, n: int, *, prevalence: float = 0.3) -> np.ndarray:
    """Binary masks (m, n) of raters around a truth."""
    truth = rng.random(n) < prevalence
    sensitivity = rng.uniform(0.6, 0.95, (m, 1))
    specificity = rng.uniform(0.8, 0.99, (m, 1))
    return (rng.random((m, n)) < np.where(truth, sensitivity, 1 - specificity)).astype(np.float64)


def soften(rng: np.random.Generator, masks: np.ndarray, kind: str) -> np.ndarray:
    """Turn binary masks into soft votes: {0, 0.3, 1}, or all different."""
    if kind == "three-valued":
        return np.where((masks == 0) & (rng.random(masks.shape) < 0.2), 0.3, masks)
    if kind == "dense":
        return np.where(masks == 1, rng.uniform(0.4, 1, masks.shape), rng.uniform(0, 0.5, masks.shape))
    return masks


def dense(m: int, n: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    """Return votes (m, n), none of them 0 or 1, around a truth."""
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.3
    logit = np.where(truth, 2.0, -2.5) + rng.normal(0, 1.5, (m, n))
    return (1 / (1 + np.exp(-logit))).astype(dtype)


@dataclass
class Problem:
    """Votes and options, to be given to the package and to the reference alike."""

    votes: np.ndarray
    method: str
    options: dict[str, Any] = field(default_factory=dict)
    tag: str = ""

    def fused(self, **more: Any) -> fastfuse.Fusion:
        return fuse_by_name(list(self.votes), self.method, dtype="float64", **{**self.options, **more})

    def reference(self, **more: Any) -> reference.ReferenceFusion:
        return reference.fuse(self.votes, method=self.method, **{**self.options, **more})


def random_problem(seed: int) -> Problem:
    """Return one of the combinations of size, votes, method and options, with random content."""
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(1, 9)), int(rng.integers(20, 120))
    method = METHODS[seed % 3]
    kind = "binary" if method == "staple" else ("three-valued", "dense", "binary")[rng.integers(3)]
    votes = soften(rng, simulated_raters(rng, m, n), kind)
    votes[:, 0], votes[:, 1] = 0, 1  # never all empty or all full
    prior = ("mean", "estimate", 0.2, rng.uniform(0.05, 0.6, n), rng.choice([0.1, 0.4], n))[rng.integers(5)]
    options: dict[str, Any] = {"prior": prior, "init": ("vote", 0.9)[rng.integers(2)]}
    if method != "staple":
        options["m_step"] = ("paper", "em")[rng.integers(2)]
    if rng.random() < 0.5:
        mask = rng.random(n) < 0.7
        mask[:2] = True
        options["mask"] = mask
    kinds = "map" if isinstance(prior, np.ndarray) else prior
    tag = f"{seed}-{method}-{kind}-m{m}-{kinds}-{options.get('m_step', '')}-{options['init']}"
    return Problem(votes, method, options, tag)


def assert_same(a: Any, b: Any, tolerance: float) -> None:
    """Compare all that two fusions found."""
    np.testing.assert_allclose(a.probability, b.probability, rtol=0, atol=tolerance)
    np.testing.assert_allclose(a.sensitivity, b.sensitivity, rtol=0, atol=tolerance)
    np.testing.assert_allclose(a.specificity, b.specificity, rtol=0, atol=tolerance)
    assert abs(a.prior - b.prior) <= tolerance
