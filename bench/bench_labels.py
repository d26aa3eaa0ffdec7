"""Label maps: a whole brain of 101 labels by seven raters, side by side with SimpleITK's MultiLabelSTAPLE; and tumours.

pytest bench/bench_labels.py --benchmark-columns=median,rounds -s

181 x 217 x 181 voxels. The labels are cells about random points of an ellipsoid; each rater's are warped by a smooth field
of their own, so that raters differ where labels meet, as after registration of atlases.

Tumours have the labels of BraTS, 0, 1, 2, 4, by four raters: fused in one call, and label by label.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage, spatial

import fastfuse
from common import SMALL

SHAPE = (31, 36, 31) if SMALL else (181, 217, 181)
LABELS = 21 if SMALL else 101
RATERS = 7
STEP = 6  # voxels between the knots of a warp
WARP = 1.2  # voxels, its standard deviation
RADIUS = 0.4  # of the ellipsoid, in sides of the volume
ITERATIONS_OF_ITK = 2
FROM_VOTE = {"init": "vote", "candidates": "all", "performance_prior": None}
METHODS: dict[str, Callable[..., fastfuse.LabelFusion]] = {
    "defaults": partial(fastfuse.staple, labels="all"),
    "full matrices from the vote": partial(fastfuse.staple, labels="all", **FROM_VOTE),
    "full matrices, accelerated": partial(fastfuse.staple, labels="all", **FROM_VOTE, acceleration="squarem"),
    "plurality": partial(fastfuse.majority_vote, labels="all"),
}


def within(points: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which points, in voxels, lie in the ellipsoid."""
    sides = np.array(SHAPE)
    return np.asarray((((points - (sides - 1) / 2) / (RADIUS * sides)) ** 2).sum(axis=-1) < 1)


def parcellation(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return 100 cells about random points in the ellipsoid, 0 outside."""
    points = rng.random((50 * LABELS, 3)) * np.array(SHAPE)
    centres = points[within(points)][: LABELS - 1]
    voxels = np.argwhere(within(np.moveaxis(np.indices(SHAPE), 0, -1)))
    labels = np.zeros(SHAPE, np.uint8)
    labels[tuple(voxels.T)] = 1 + spatial.cKDTree(centres).query(voxels)[1]
    return labels


def warped(labels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the labels moved by a smooth random field."""
    places = []
    for axis, coordinates in enumerate(np.indices(SHAPE, dtype=np.float32)):
        knots = [side // STEP + 2 for side in SHAPE]
        rough = ndimage.gaussian_filter(rng.standard_normal(knots).astype(np.float32), 1)
        field = ndimage.zoom(rough, [side / count for side, count in zip(SHAPE, knots, strict=True)], order=1)
        assert field.shape[axis] == SHAPE[axis]
        places.append(coordinates + WARP * field / field.std())
    return np.asarray(ndimage.map_coordinates(labels, places, order=0, mode="nearest"))


@cache
def maps() -> list[NDArray[np.uint8]]:
    """Return the raters' maps."""
    rng = np.random.default_rng(0)
    labels = parcellation(rng)
    return [warped(labels, rng) for _ in range(RATERS)]


@cache
def patterns() -> int:
    """Return how many distinct tuples of labels there are."""
    tuples = np.zeros(SHAPE, np.uint64)
    for one in maps():
        tuples = tuples * np.uint64(LABELS) + one
    return len(np.unique(tuples))


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.benchmark(group="label maps, a whole brain of 101 labels")
@pytest.mark.parametrize("name", METHODS)
def test_fastfuse(benchmark: Any, name: str) -> None:
    fuse, given = METHODS[name], maps()
    start = time.process_time()
    fusion = fuse(given)
    label = fusion.label()
    benchmark.extra_info |= {
        "patterns": patterns(),
        "iterations": fusion.n_iter,
        "cpu": time.process_time() - start,
    }
    assert np.mean(label == fastfuse.majority_vote(given, labels="all").label()) > (0.8 if SMALL else 0.95)
    benchmark.pedantic(lambda: fuse(given).label(), rounds=1 if SMALL else 5)
    print(
        f"{name}: {patterns()} tuples, {fusion.n_iter} iterations, {benchmark.extra_info['cpu']:.2f} CPU-seconds"
    )


@pytest.mark.benchmark(group="label maps, a whole brain of 101 labels")
def test_simpleitk(benchmark: Any) -> None:
    """Two iterations; SimpleITK takes some hundred to converge. The ratio is of CPU time at equal iterations."""
    sitk = pytest.importorskip("SimpleITK")
    images = [sitk.GetImageFromArray(one) for one in maps()]
    filter_ = sitk.MultiLabelSTAPLEImageFilter()
    filter_.SetMaximumNumberOfIterations(ITERATIONS_OF_ITK)
    start = time.process_time()
    benchmark.pedantic(filter_.Execute, args=(images,), rounds=1)
    spent = (time.process_time() - start) / ITERATIONS_OF_ITK
    start = time.process_time()
    fusion = METHODS["full matrices from the vote"](maps())
    ours = time.process_time() - start
    ratio = spent * fusion.n_iter / ours
    benchmark.extra_info |= {"iterations": ITERATIONS_OF_ITK, "cpu": spent, "ratio": ratio}
    print(
        f"SimpleITK: {spent:.1f} CPU-seconds an iteration; {fusion.n_iter} of them would take {ratio:.0f} x fastfuse's "
        f"{ours:.2f} CPU-seconds"
    )


def tumours() -> list[NDArray[np.uint8]]:
    """Return four raters' maps of necrosis (1) within enhancing tumour (4) within oedema (2)."""
    rng = np.random.default_rng(1)
    points = np.moveaxis(np.indices(SHAPE), 0, -1) - np.array(SHAPE) * 0.4
    distance = np.linalg.norm(points / np.array(SHAPE), axis=-1)
    truth = np.select([distance < 0.06, distance < 0.1, distance < 0.16], [1, 4, 2], 0).astype(np.uint8)
    return [warped(truth, rng) for _ in range(4)]


@pytest.mark.benchmark(group="label maps, a tumour")
@pytest.mark.parametrize("way", ["one call", "label by label"])
def test_tumour(benchmark: Any, way: str) -> None:
    """Label by label, a voxel may have two labels, or none although everybody sees tumour there."""
    given = tumours()
    fusion = fastfuse.staple(given, labels=[0, 1, 2, 4])
    together = fusion.label()
    np.testing.assert_allclose(
        fusion.probability([1, 4]), fusion.probability(1) + fusion.probability(4), atol=1e-6
    )
    if way == "one call":
        benchmark.pedantic(lambda: fastfuse.staple(given, labels=[0, 1, 2, 4]).label(), rounds=3)
        print(f"one call: no voxel has two labels, {np.count_nonzero(together)} are labelled")
        return
    alone = benchmark.pedantic(
        lambda: {label: fastfuse.staple([one == label for one in given]).label() for label in (1, 2, 4)},
        rounds=3,
    )
    claims = sum(alone.values())
    lost = (claims == 0) & np.all([one > 0 for one in given], axis=0)
    single = sum(label * np.where(claims == 1, mask, 0) for label, mask in alone.items())
    found = {
        "two labels": int(np.count_nonzero(claims > 1)),
        "no label, but tumour by all": int(np.count_nonzero(lost)),
        "another label": int(np.count_nonzero((claims == 1) & (single != together))),
        "labelled in one call alone": int(np.count_nonzero((claims == 0) & (together > 0))),
    }
    benchmark.extra_info |= found
    print(f"label by label: {', '.join(f'{name} {count}' for name, count in found.items())} voxels")
