"""Time border-STAPLE of a whole brain beside STAPLE, in one run: python bench/studies/border.py [RATERS]."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage

import fastfuse

SHAPE = (182, 218, 182)
REPEATS = 7


def raters(number: int) -> tuple[list[Any], Any, Any]:
    """Return masks of lesions whose borders lie apart, the brain, and an image on which lesions are bright."""
    rng = np.random.default_rng(0)
    at = np.stack(np.meshgrid(*[np.linspace(-1, 1, n, dtype=np.float32) for n in SHAPE], indexing="ij"))
    brain = (at**2).sum(axis=0) < 0.7
    seeds = np.zeros(SHAPE, bool)
    seeds.flat[rng.choice(np.flatnonzero(brain), 60, replace=False)] = True
    distance = ndimage.distance_transform_edt(~seeds).astype(np.float32)
    rough = [ndimage.gaussian_filter(rng.normal(size=SHAPE).astype(np.float32), 2) for _ in range(number)]
    masks = [((distance < 5 + rng.normal(0, 0.7) + 8 * one) & brain).astype(np.uint8) for one in rough]
    image = np.where(brain, 100 + 50 * (distance < 5), 0).astype(np.float32)
    return masks, brain.astype(np.uint8), image


def best(work: Callable[[], Any]) -> float:
    """Return the least time of some, in ms."""
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - begin))
    return min(times)


def main(number: int) -> None:
    """Print the times."""
    masks, brain, image = raters(number)
    options: dict[str, Any] = {"mask": brain, "roi": 4, "spacing_mm": (1, 1, 1)}
    border = fastfuse.border_staple
    print(f"{number} raters, shape {SHAPE}, {fastfuse.border_staple(masks, **options).n_iter} iterations")
    for name, work in {
        "staple, mask": lambda: fastfuse.staple(masks, mask=brain),
        "staple, mask, roi=4": lambda: fastfuse.staple(masks, **options),
        "border_staple, mask, roi=4": lambda: border(masks, **options),
        'border_staple, mask, roi="all"': lambda: border(masks, **{**options, "roi": "all"}),
        "border_staple with an image": lambda: border(masks, image, **options),
        "border_staple with evidence": lambda: border(masks, image, evidence=True, **options),
    }.items():
        print(f"{name:32} {best(work):8.1f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
