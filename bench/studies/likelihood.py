"""Draw the log-likelihood against the iteration, for both M-steps: python bench/studies/likelihood.py FIGURE.png.

The paper says that it rises monotonically. With its own M-step it need not; with the true maximiser it does.
Five raters mark 200 voxels around a truth, and hesitate: their votes are spread out. Of 200 such problems
the script counts those in which the likelihood falls somewhere, and it draws one of them.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import fastfuse

PROBLEMS = 200
M_STEPS = {"paper": "#d55e00", "em": "#0072b2"}


def hesitant_raters(seed: int) -> NDArray[np.float64]:
    """Return votes (5, 200), none of them 0 or 1."""
    rng = np.random.default_rng(seed)
    truth = rng.random(200) < 0.3
    sensitivity, specificity = rng.uniform(0.6, 0.95, (5, 1)), rng.uniform(0.8, 0.99, (5, 1))
    marks = rng.random((5, 200)) < np.where(truth, sensitivity, 1 - specificity)
    return np.where(marks, rng.uniform(0.4, 1, marks.shape), rng.uniform(0, 0.5, marks.shape))


def falls(fuse: Callable[..., fastfuse.Fusion], seed: int, m_step: str) -> bool:
    """Tell whether the likelihood falls by more than rounding in some iteration."""
    rise = np.diff(fuse(hesitant_raters(seed), m_step=m_step).log_likelihood)
    return bool((rise < -1e-9).any())


def main(path: Path) -> None:
    """Count the falls, and draw both M-steps on a problem where the paper's falls for both methods."""
    warnings.simplefilter("ignore", fastfuse.FusionWarning)
    methods = (fastfuse.soft_staple, fastfuse.simplified_soft_staple)
    for fuse in methods:
        for m_step in M_STEPS:
            fallen = sum(falls(fuse, seed, m_step) for seed in range(PROBLEMS))
            print(f"{fuse.__name__}, m_step={m_step!r}: falls in {fallen} of {PROBLEMS} problems")
    seed = next(seed for seed in range(PROBLEMS) if all(falls(fuse, seed, "paper") for fuse in methods))
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for ax, fuse in zip(figure.subplots(1, 2), methods, strict=True):
        for m_step, colour in M_STEPS.items():
            values = fuse(hesitant_raters(seed), m_step=m_step).log_likelihood[:25]
            ax.plot(np.arange(1, len(values) + 1), values, ".-", color=colour, label=f'm_step="{m_step}"')
        ax.set(title=fuse.__name__, xlabel="iteration", ylabel="log-likelihood (nats)")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
