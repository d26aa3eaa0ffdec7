"""SQUAREM ends no lower than plain EM, where EM climbs the likelihood and its steps cost next to nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ..doors import fuse_arrays
from ..draws import mostly_slow
from ..problems import simulated_raters, soften

SLACK = 2e-3  # nats


def problem(seed: int) -> tuple[np.ndarray, str]:
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(2, 9)), int(rng.integers(30, 400))
    prevalence = rng.choice([0.02, 0.1, 0.3, 0.5])
    kind = ("binary", "three-valued", "dense")[seed % 3]
    votes = soften(rng, simulated_raters(rng, m, n, prevalence=prevalence), kind)
    votes[:, 0], votes[:, 1] = 0, 1
    return votes, kind


@pytest.mark.parametrize("seed", mostly_slow([75, 385, 129, 133, 211, 540, *range(200)], 30))
def test_ends_no_lower(seed: int) -> None:
    """The first seeds are those of 700 where extrapolations led to a lower maximum."""
    votes, kind = problem(seed)
    methods = ["simplified-soft-staple", "soft-staple"] + ["staple"] * (kind == "binary")
    asked: list[dict[str, Any]] = [{}, {"prior": "estimate"}, {"init": 0.9}, {"performance_prior": (5, 1.5)}]
    for method in methods:
        for options in asked:
            more = {} if method == "staple" else {"m_step": "em"}
            for most in (10, 1000):
                given = {**options, **more, "max_iter": most, "dtype": "float64", "route": "patterns"}
                plain, _ = fuse_arrays(list(votes), method, **given)
                ours, _ = fuse_arrays(list(votes), method, acceleration="squarem", **given)
                assert ours.n_iter == len(ours.log_likelihood) <= most
                assert reached(ours, options) > reached(plain, options) - SLACK


def reached(fused: Any, options: dict[str, Any]) -> float:
    """Return the log-likelihood, with the log-density of Beta priors."""
    a, b = options.get("performance_prior", (1, 1))
    rates = np.concatenate([fused.sensitivity, fused.specificity])
    prior = (a - 1) * np.log(rates).sum() + (b - 1) * np.log1p(-rates).sum() if (a, b) != (1, 1) else 0
    return float(fused.log_likelihood[-1] + prior)
