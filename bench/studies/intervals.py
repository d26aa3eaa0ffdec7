"""How often the intervals of several seeds hold the truth: python bench/studies/intervals.py.

Values of each seed and case are drawn as case + seed + network of the fold + rest, all normal with mean 0; of 95 %
intervals (:func:`fastfuse.train.results.resampling.two_way_interval`) the share that holds 0 is printed.
"""

from __future__ import annotations

import numpy as np

from fastfuse.train.results.resampling import two_way_interval

FOLDS, DRAWS, RESAMPLES = 5, 2000, 1000
PROBLEMS = [  # cases, seeds; standard deviations of case, seed, network and rest
    (15, 1, (1, 0, 0, 1)),
    (15, 1, (1, 0, 0.5, 0.5)),
    (15, 2, (1, 0.5, 0, 0.5)),
    (15, 3, (1, 0.3, 0, 0.5)),
    (15, 3, (1, 0, 0.5, 0.5)),
    (15, 3, (0.2, 1, 0, 0.2)),
    (6, 3, (1, 0.3, 0, 0.5)),
    (15, 5, (1, 0.5, 0.5, 0.5)),
]


def share_held(cases: int, seeds: int, spread: tuple[float, ...], draws: int = DRAWS) -> float:
    """Return the share of intervals that hold the truth."""
    rng = np.random.default_rng(0)
    fold = np.arange(cases) % FOLDS
    held = 0
    for draw in range(draws):
        shapes = ((1, cases), (seeds, 1), (seeds, FOLDS), (seeds, cases))
        case, seed, network, rest = (rng.normal(0, sd, size) for sd, size in zip(spread, shapes, strict=True))
        values = case + seed + network[:, fold] + rest
        low, high = two_way_interval(values, resamples=RESAMPLES, seed=draw)
        held += low <= 0 <= high
    return held / draws


if __name__ == "__main__":
    print("cases  seeds  case, seed, network, rest    held")
    for cases, seeds, spread in PROBLEMS:
        print(
            f"{cases:5} {seeds:6}  {', '.join(map(str, spread)):26} {share_held(cases, seeds, spread):6.3f}"
        )
