"""Missing votes, regions, priors, the random field and the third soft model: the core against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastfuse import reference

from ..draws import mostly_slow
from ..problems import METHODS, Problem, simulated_raters, soften

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def problem_of(seed: int) -> Problem:
    """Return votes on a small volume, some of them missing, and a mixture of options."""
    rng = np.random.default_rng(seed)
    shape = [(70,), (9, 8), (5, 4, 6)][rng.integers(3)]
    m, n = int(rng.integers(2, 7)), int(np.prod(shape))
    method = METHODS[seed % 3]
    kind = "binary" if method == "staple" else ("three-valued", "dense", "binary")[rng.integers(3)]
    votes = soften(rng, simulated_raters(rng, m, n), kind)
    votes[:, 0], votes[:, 1] = 0, 1
    options: dict[str, Any] = {
        "prior": ("mean", "estimate", 0.2, rng.uniform(0.05, 0.6, shape))[rng.integers(4)]
    }
    options["init"] = ("vote", 0.9)[rng.integers(2)]
    if rng.random() < 0.6:
        votes[rng.random(votes.shape) < 0.25] = np.nan
        votes[:, 2:5] = np.nan
        options["missing"] = "nan"
    if method != "staple":
        options["m_step"] = ("paper", "em")[rng.integers(2)]
    if method == "soft-staple":
        options["expectation"] = ("auto", "enumerate", "characteristic")[rng.integers(3)]
    if method == "simplified-soft-staple" and rng.random() < 0.4:
        options["likelihood"] = "log_linear"
    if rng.random() < 0.4:
        options["roi"] = "disputed"
    elif len(shape) == 3 and rng.random() < 0.5:
        options["roi"] = 1.3
    if rng.random() < 0.5:
        options["mrf"] = float(rng.uniform(0.05, 1.5))
    if rng.random() < 0.4:
        options["performance_prior"] = ((4, 1.5), (2, 2), (1, 1))[rng.integers(3)]
    if rng.random() < 0.3:
        options["mask"] = rng.random(shape) < 0.8
        options["mask"].flat[:2] = True
    options["spacing_mm"] = tuple(rng.uniform(0.5, 2, len(shape)))
    return Problem(votes.reshape(m, *shape), method, options, f"{seed}-{method}-{kind}-" + "-".join(options))


PROBLEMS = [problem_of(seed) for seed in range(240)]


def reference_of(problem: Problem, **more: Any) -> reference.ReferenceFusion:
    options = {k: v for k, v in problem.options.items() if k not in ("missing", "expectation")}
    return reference.fuse(problem.votes, method=problem.method, **{**options, **more})


@pytest.mark.parametrize("route", ["auto", "rows"])
@pytest.mark.parametrize("problem", mostly_slow(PROBLEMS, 60), ids=lambda problem: problem.tag)
def test_equals_reference(problem: Problem, route: str) -> None:
    for n_iter in (1, 2, 5):
        ours = problem.fused(tol=0, max_iter=n_iter, route=route)
        theirs = reference_of(problem, tol=0, max_iter=n_iter)
        steps = min(ours.n_iter, theirs.n_iter)
        np.testing.assert_allclose(ours.probability, theirs.probability, rtol=0, atol=1e-9)
        np.testing.assert_allclose(ours.sensitivity, theirs.sensitivity, rtol=0, atol=1e-9)
        np.testing.assert_allclose(ours.specificity, theirs.specificity, rtol=0, atol=1e-9)
        np.testing.assert_allclose(
            ours.log_likelihood[:steps], theirs.log_likelihood[:steps], rtol=1e-9, atol=1e-8
        )
        assert ours.n_voxels == theirs.n_voxels
        inside = problem.options.get("mask", np.ones(ours.probability.shape, bool))
        if problem.options.get("roi", "all") in ("all", "disputed"):  # agreed voxels agree, too
            if "roi" in problem.options:
                inside = inside & ~np.isnan(problem.votes).all(axis=0)
            ppv, npv, dice = reference.agreement(problem.votes[:, inside], theirs.probability[inside])
            np.testing.assert_allclose(ours.ppv, ppv, rtol=0, atol=1e-9)
            np.testing.assert_allclose(ours.npv, npv, rtol=0, atol=1e-9)
            np.testing.assert_allclose(ours.dice, dice, rtol=0, atol=1e-9)
