"""What EM climbs never falls, with jumps and without: soft and hard votes, both models of errors, priors, `knows`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.fusion.labels.result import LabelFusion

PROBLEMS = 60
SLACK = 1e-8  # nats: rounding of sums over 100 voxels
SOFT: list[tuple[Any, dict[str, Any]]] = [
    (fastfuse.simplified_soft_staple, {}),
    (fastfuse.simplified_soft_staple, {"likelihood": "log_linear"}),
    (fastfuse.soft_staple, {"truncation": 0}),
]


def problem(seed: int) -> tuple[np.random.Generator, int, int, dict[str, Any]]:
    """Return a generator, the numbers of labels and raters, and options, all at random."""
    rng = np.random.default_rng(seed)
    labels, raters = int(rng.integers(3, 6)), int(rng.integers(2, 5))
    options = {
        "acceleration": "squarem",
        "prior": str(rng.choice(["mean", "estimate"])),
        "init": str(rng.choice(["plurality", "vote"])),
        "performance_prior": [None, (3.0, 0.8)][int(rng.integers(2))],
        "candidates": "all",
        "max_iter": 120,
    }
    return rng, labels, raters, options


def falls(fusion: LabelFusion) -> float:
    """Return by how much the objective falls in its worst step."""
    steps = np.diff(fusion.log_likelihood + fusion.log_prior)
    return float(-steps.min(initial=0))


@pytest.mark.parametrize("confusion", ["full", "class"])
@pytest.mark.parametrize(("fuse", "more"), SOFT, ids=["simplified", "log-linear", "exact"])
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_soft_votes(fuse: Any, more: dict[str, Any], confusion: str) -> None:
    worst = []
    for seed in range(PROBLEMS // 2):
        rng, labels, raters, options = problem(seed)
        q = [rng.dirichlet(np.full(labels, 0.5), 100).T for _ in range(raters)]
        options |= more | {"m_step": "em"}
        worst.append(falls(fuse(q, labels=range(labels), confusion=confusion, **options)))
    assert max(worst) <= SLACK


@pytest.mark.parametrize("confusion", ["full", "class"])
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_hard_votes_of_raters_who_lack_a_label(confusion: str) -> None:
    worst = []
    for seed in range(PROBLEMS):
        rng, labels, raters, options = problem(seed)
        maps = rng.integers(0, labels, (raters + 1, 100))
        maps[0][maps[0] == labels - 1] = 0
        knows = {0: range(labels - 1)}
        worst.append(
            falls(fastfuse.staple(maps, labels=range(labels), knows=knows, confusion=confusion, **options))
        )
    assert max(worst) <= SLACK


def test_jumps_stay_in_the_model_of_one_rate_for_each_label() -> None:
    """Off the diagonal a row is in proportion to the labels' shares, however often EM jumped."""
    rng = np.random.default_rng(1)
    q = [rng.dirichlet(np.full(4, 0.5), 100).T for _ in range(3)]
    options: dict[str, Any] = {"m_step": "em", "performance_prior": None, "candidates": "all"}
    for most in (40, 67, 200):
        with pytest.warns(fastfuse.FusionWarning, match="not converged"):
            fusion = fastfuse.simplified_soft_staple(
                q, labels=range(4), confusion="class", acceleration="squarem", max_iter=most, **options
            )
        shares = fusion.volume.sum(axis=0) / fusion.volume.sum()
        for a in range(4):
            others = np.delete(np.arange(4), a)
            ratio = fusion.confusion[:, a][:, others] / shares[others]
            np.testing.assert_allclose(ratio / ratio[:, :1], 1, rtol=1e-12)
