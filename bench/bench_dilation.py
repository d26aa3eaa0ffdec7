"""Conditional dilation of a whole-brain mask of 60 lesions: fastfuse, plain SciPy, and the best that libraries allow.

pytest bench/bench_dilation.py --benchmark-columns=median,rounds

The limit: mask and image are read once, and a new volume is written. The rivals get what fastfuse gets, a mask and an image, and must find the same ring before they are timed.
"""

from __future__ import annotations

import statistics
import time
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

import fastfuse
import limits
from common import SMALL, case

ITERATIONS, RADIUS_MM, SIZE = 6, 5.0, 1.2
LESIONS = 1 if SMALL else 60  # a small brain has no room for more than it has
Mask = NDArray[np.bool_]
Volume = NDArray[Any]


@cache
def sixty_lesions() -> NDArray[np.uint8]:
    """Return the mask of the rater who invents lesions, filled up to 60 with balls of 3 mm in the brain."""
    mask, brain = case().masks[4].copy(), ndimage.binary_erosion(case().brain, iterations=8)
    ball = np.linalg.norm(np.indices((7, 7, 7)) - 3, axis=0) <= 3
    rng = np.random.default_rng(0)
    while ndimage.label(mask, np.ones((3, 3, 3)))[1] < LESIONS:
        corner = rng.integers(0, np.array(mask.shape) - 7)
        box = tuple(slice(start, start + 7) for start in corner)
        if brain[box].all():
            mask[box] |= ball
    return mask


@cache
def flair(normalised: bool) -> Volume:
    """Return FLAIR as read from an int16 file, or scaled to [0, 1] in single precision."""
    image = case().images["FLAIR"]
    return scaled(image).astype(np.float32) if normalised else image


def scaled(image: Volume) -> Volume:
    low, high = np.percentile(image, [0.1, 99.9])
    return np.clip((image - low) / (high - low), 0, 1)


# --- plain SciPy, as the method is written ---------------------------------------------------------------------


def plain(mask: Volume, image: Volume, normalise: bool) -> Volume:
    bright = scaled(image) if normalise else image.astype(np.float64)
    marked = mask != 0
    candidates = ndimage.binary_dilation(marked, iterations=ITERATIONS) & ~marked
    return fall(marked, candidates, bright)


def fall(marked: Mask, candidates: Mask, bright: Volume) -> Volume:
    n, cut = np.count_nonzero(marked), 0.99
    for _ in range(100):
        ring = candidates & (bright > cut)
        if (n + np.count_nonzero(ring)) / n >= SIZE:
            break
        cut -= 0.01
    return soft(marked, np.flatnonzero(ring))


def soft(marked: Mask, ring: NDArray[np.intp]) -> Volume:
    values = marked.astype(np.float32)
    values.flat[ring] = 0.3
    return values


# --- the best that NumPy, scipy.ndimage, cc3d and edt allow ----------------------------------------------------


def choose(mask: Volume, candidates: NDArray[np.intp], image: Volume, normalise: bool) -> Volume:
    """Scale only the candidates, and find the cut in their histogram instead of falling."""
    values = image.flat[candidates].astype(np.float64)
    if normalise:
        low, high = np.percentile(image, [0.1, 99.9])
        values = np.clip((values - low) / (high - low), 0, 1)
    cuts = np.cumsum([0.99, *[-0.01] * 99])
    n = np.count_nonzero(mask)
    above = len(values) - np.searchsorted(np.sort(values), cuts, side="right")
    reached = np.flatnonzero((n + above) / n >= SIZE)
    cut = cuts[reached[0] if len(reached) else -1]
    return soft(mask.view(bool), candidates[values > cut])


def boxes_of(mask: Volume, margin: int) -> list[tuple[slice, ...]]:
    import cc3d

    found = cc3d.statistics(cc3d.connected_components(mask, connectivity=26))["bounding_boxes"][1:]
    return [tuple(slice(max(s.start - margin, 0), s.stop + margin) for s in box) for box in found]


def by_boxes(mask: Volume, image: Volume, normalise: bool) -> Volume:
    """cc3d finds the lesions, scipy.ndimage dilates inside their boxes."""
    grown = np.zeros(mask.shape, bool)
    marked = mask.view(bool)
    boxes = boxes_of(mask, ITERATIONS)
    for box in boxes:
        grown[box] |= ndimage.binary_dilation(marked[box], iterations=ITERATIONS)
    return choose(mask, ring_candidates(grown, marked, boxes), image, normalise)


def ring_candidates(grown: Mask, marked: Mask, boxes: list[tuple[slice, ...]]) -> NDArray[np.intp]:
    places = []
    for box in boxes:
        inside = grown[box] & ~marked[box]
        grown[box] &= marked[box]  # taken once
        at = np.nonzero(inside)
        places.append(np.ravel_multi_index([a + s.start for a, s in zip(at, box, strict=True)], marked.shape))
    return np.concatenate(places)


def by_frontier(mask: Volume, image: Volume, normalise: bool) -> Volume:
    """NumPy alone: six times, the neighbours of the last layer that nobody has visited."""
    pad = np.zeros([extent + 2 for extent in mask.shape], bool)
    visited = np.ones_like(pad)  # the border counts as visited
    inner = (slice(1, -1),) * 3
    np.equal(mask, 0, out=visited[inner])
    np.logical_not(visited[inner], out=visited[inner])
    steps = np.array([sign * stride for stride in pad.strides for sign in (-1, 1)])
    flat = visited.reshape(-1)
    layer = np.ravel_multi_index([a + 1 for a in np.nonzero(mask)], pad.shape)
    layers = []
    for _ in range(ITERATIONS):
        near = (layer[:, None] + steps).ravel()
        layer = np.unique(near[~flat[near]])
        flat[layer] = True
        layers.append(layer)
    at = np.unravel_index(np.concatenate(layers), pad.shape)
    return choose(mask, np.ravel_multi_index([a - 1 for a in at], mask.shape), image, normalise)


def by_distance(mask: Volume, image: Volume, normalise: bool) -> Volume:
    """For the ball: cc3d finds the lesions, edt measures inside their boxes."""
    import edt

    grown = np.zeros(mask.shape, bool)
    marked = mask.view(bool)
    boxes = boxes_of(mask, int(RADIUS_MM))
    for box in boxes:
        grown[box] |= edt.edtsq(np.ascontiguousarray(~marked[box]), parallel=1) <= RADIUS_MM**2
    return choose(mask, ring_candidates(grown, marked, boxes), image, normalise)


def ours(mask: Volume, image: Volume, normalise: bool, **options: Any) -> Volume:
    return fastfuse.conditional_dilation(mask, image, normalize=normalise, **options).values


def ours_ball(mask: Volume, image: Volume, normalise: bool, **options: Any) -> Volume:
    return ours(mask, image, normalise, radius_mm=RADIUS_MM, spacing_mm=(1, 1, 1), **options)


def plain_ball(mask: Volume, image: Volume, normalise: bool) -> Volume:
    bright = scaled(image) if normalise else image.astype(np.float64)
    marked = mask != 0
    away = ndimage.distance_transform_edt(~marked)
    return fall(marked, (away > 0) & (away <= RADIUS_MM), bright)


# --- the benches -----------------------------------------------------------------------------------------------

CONTESTANTS = {
    "cross": (ours, {"plain SciPy": plain, "cc3d and SciPy": by_boxes, "NumPy frontier": by_frontier}),
    "ball": (ours_ball, {"plain SciPy": plain_ball, "cc3d and edt": by_distance}),
}
RUNS = [
    pytest.param(shape, name, image, id=f"{shape}-{name}-{image}")
    for image in ("int16", "scaled")
    for shape, (_, rivals) in CONTESTANTS.items()
    for name in ("fastfuse", *rivals)
]


@pytest.mark.parametrize(("shape", "name", "image"), RUNS)
def test_dilation(benchmark: Any, shape: str, name: str, image: str) -> None:
    """With an int16 image the scaling is part of the work."""
    own, rivals = CONTESTANTS[shape]
    benchmark.group = f"60 lesions, {shape}, {image} image"
    if name.startswith("cc3d"):
        for needed in ("cc3d", "edt"):
            pytest.importorskip(needed, reason=f"needs {needed}: pip install '.[bench]'")
    work = {"fastfuse": own, **rivals}[name]
    args = (sixty_lesions(), flair(image == "scaled"), image != "scaled")
    rounds = {"fastfuse": 20, "plain SciPy": 3}.get(name, 5)
    values = benchmark.pedantic(work, args, rounds=rounds, warmup_rounds=1)
    np.testing.assert_array_equal(values, own(*args))
    assert np.count_nonzero(values) >= SIZE * np.count_nonzero(args[0])


@pytest.mark.parametrize("brains", [1, 4])
@pytest.mark.benchmark(group="the same 60 lesions in a larger volume")
def test_larger_volume(benchmark: Any, brains: int) -> None:
    """Beyond one read of the mask, the cost is that of the lesions' surroundings."""
    mask, image = sixty_lesions(), flair(True)
    wide = [np.zeros((brains * mask.shape[0], *mask.shape[1:]), array.dtype) for array in (mask, image)]
    wide[0][: len(mask)], wide[1][: len(mask)] = mask, image
    values = benchmark.pedantic(ours, (*wide, False), rounds=20, warmup_rounds=2)
    np.testing.assert_array_equal(values[: len(mask)], ours(mask, image, False))


MOST = 4  # times the limit
ROUNDS = 3 if SMALL else 25


def limit(mask: Volume, image: Volume) -> Volume:
    """Read the mask and the image once, and write a new volume."""
    image.max()
    return limits.copy((mask,), np.empty(mask.shape, np.float32), 1)


@pytest.mark.parametrize("image", ["int16", "scaled"])
@pytest.mark.parametrize("shape", CONTESTANTS)
@pytest.mark.benchmark(group="60 lesions, processor time on one thread, beside the limit")
def test_limit(benchmark: Any, shape: str, image: str) -> None:
    """By turns, so that a busy machine slows both."""
    own = CONTESTANTS[shape][0]
    mask, guide = sixty_lesions(), flair(image == "scaled")

    def spent(beside: bool) -> float:
        start = time.process_time()
        kept = limit(mask, guide) if beside else own(mask, guide, image != "scaled", threads=1)
        taken = time.process_time() - start
        assert kept.any()
        return taken

    turns = [(spent(False), spent(True)) for _ in range(ROUNDS)]
    ours_took, limit_took = (statistics.median(column) for column in zip(*turns, strict=True))
    benchmark.extra_info |= {"cpu": ours_took, "limit": limit_took}
    benchmark.pedantic(own, (mask, guide, image != "scaled"), rounds=3)
    if not benchmark.disabled:
        assert SMALL or ours_took <= MOST * limit_took


@pytest.mark.benchmark(group="four masks, 60 lesions each: side by side")
def test_side_by_side(benchmark: Any) -> None:
    """On a quiet machine with two cores, two threads take at most 0.6 times what one takes."""
    masks, guide = [sixty_lesions()] * 4, flair(True)

    def seconds(threads: int) -> float:
        start = time.perf_counter()
        fastfuse.soften(masks, guide, normalize=False, threads=threads)
        return time.perf_counter() - start

    turns = [(seconds(1), seconds(2)) for _ in range(ROUNDS)]
    one, two = (statistics.median(column) for column in zip(*turns, strict=True))
    benchmark.extra_info |= {"one thread": one, "ratio": two / one}
    benchmark.pedantic(seconds, (2,), rounds=3)
