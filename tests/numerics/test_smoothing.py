"""The smoothed mean vote: SciPy's Gaussian, to the bit; the mean where sigma is far wider than the volume."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest
from scipy import ndimage

import fastfuse
from fastfuse import _core


def by_scipy(
    votes: list[np.ndarray], sigma: float, spacing: list[float], mask: np.ndarray | None = None
) -> np.ndarray:
    """Return the map by filters of the whole volume."""
    total, count = np.zeros(votes[0].shape, np.float32), np.zeros(votes[0].shape, np.float32)
    for vote in votes:
        read = ~np.isnan(vote) if mask is None else ~np.isnan(vote) & mask
        total[read] += vote[read]
        count += read
    sigmas = [sigma / side for side in spacing]
    above = ndimage.gaussian_filter(total, sigmas, mode="constant")
    below = ndimage.gaussian_filter(count, sigmas, mode="constant")
    with np.errstate(invalid="ignore", divide="ignore"):
        smooth = np.where(below > 1e-6, above / below, 0)
    return np.clip(smooth, 1e-3, 1 - 1e-3).astype(np.float32)


@pytest.mark.parametrize("shape", [(60,), (30, 41), (21, 34, 27), (40, 1, 9)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("sigma", [0.05, 1.0, 2.4])
def test_same_bits_as_filters_of_the_whole_volume(shape: tuple[int, ...], order: str, sigma: float) -> None:
    rng = np.random.default_rng(1)
    spacing = [0.7, 1.0, 2.1][: len(shape)]
    sparse = [np.zeros(shape, np.float32, order=order) for _ in range(3)]
    middle = tuple(slice(n // 3, n // 3 + max(1, n // 6)) for n in shape)
    for vote in sparse:
        vote[middle] = rng.random(vote[middle].shape)
    missing = [vote.copy(order="K") for vote in sparse]
    missing[1][: shape[0] // 2] = np.nan
    mask = np.asarray(rng.random(shape) < 0.6)
    if max(4 * sigma / side + 0.5 - length for side, length in zip(spacing, shape, strict=True)) >= 0:
        return  # SciPy's kernel is wider than the volume, and sums to 1 beyond it
    for votes in (sparse, missing):
        for region in (None, mask):
            ours = fastfuse.smoothed_vote(votes, sigma, spacing_mm=spacing, mask=region)
            np.testing.assert_array_equal(ours, by_scipy(votes, sigma, spacing, region))


def test_dense_votes_have_the_same_bits() -> None:
    votes = list(np.random.default_rng(2).random((3, 23, 30, 19)).astype(np.float32))
    ours = fastfuse.smoothed_vote(votes, 1.3, spacing_mm=[1, 1, 1])
    np.testing.assert_array_equal(ours, by_scipy(votes, 1.3, [1, 1, 1]))


@pytest.mark.parametrize("sigma", [1e4, 1e7, 1e160, 1e308])
def test_a_sigma_far_wider_than_the_volume_gives_the_mean(sigma: float) -> None:
    votes = np.random.default_rng(0).random((3, 9, 8, 7)) < 0.2
    smooth = fastfuse.smoothed_vote(list(votes), sigma, spacing_mm=[1, 1, 2])
    np.testing.assert_allclose(smooth, votes.mean(), rtol=1e-5)


def test_nobody_marks_anything() -> None:
    smooth = fastfuse.smoothed_vote([np.zeros((4, 5))] * 2, 3, spacing_mm=[1, 1])
    np.testing.assert_array_equal(smooth, np.full((4, 5), 1e-3, np.float32))


@pytest.mark.parametrize("threads", [1, 3])
def test_every_axis_and_team(threads: int) -> None:
    volume = np.random.default_rng(4).random((7, 90, 65)).astype(np.float32)
    weight = [0.4, 0.2, 0.1]
    whole = np.array([0.1, 0.2, 0.4, 0.2, 0.1])
    for axis in range(3):
        ours = volume.copy()
        _core.smooth_axis(ours, axis=axis, weight=weight, threads=threads)
        np.testing.assert_array_equal(ours, ndimage.correlate1d(volume, whole, axis, mode="constant"))


@pytest.mark.parametrize("marks", [0, 1, 3])
def test_lines_that_are_mostly_nothing(marks: int) -> None:
    """What is 0 as far as the kernel reaches is not computed: the same bits."""
    rng = np.random.default_rng(marks)
    volume = np.zeros((40, 90, 131), np.float32)
    for _ in range(marks):
        volume[tuple(rng.integers(0, volume.shape))] = rng.random()
    volume[20, 0, 0] = volume[0, -1, -1] = float(marks)
    weight = np.exp(-0.5 * (np.arange(8) / 2) ** 2)
    whole = np.concatenate([weight[:0:-1], weight])
    for axis in range(3):
        ours = volume.copy()
        _core.smooth_axis(ours, axis=axis, weight=weight.tolist(), threads=2)
        np.testing.assert_array_equal(ours, ndimage.correlate1d(volume, whole, axis, mode="constant"))


def test_what_the_core_refuses() -> None:
    volume = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match="no such axis"):
        _core.smooth_axis(volume, axis=2, weight=[1.0])
    with pytest.raises(ValueError, match="at least one weight"):
        _core.smooth_axis(volume, axis=0, weight=[])
    with pytest.raises(TypeError):
        _core.smooth_axis(volume.astype(np.float64), axis=0, weight=[1.0])


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_is_heard() -> None:
    """A kernel as wide as the volume takes many seconds here."""
    volume = np.random.default_rng(0).random((60, 2000, 700)).astype(np.float32)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.perf_counter()
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            _core.smooth_axis(volume, axis=1, weight=[1e-3] * 2000)
    finally:
        timer.join()
        signal.signal(signal.SIGINT, handler)
    assert time.perf_counter() - started < 5


def test_sides_of_headers_reach_as_far() -> None:
    """Of 1.5 mm the Gaussian ends at 8 voxels of 0.8 mm, which NIfTI holds as 0.800000012 mm: not at 7."""
    vote = np.eye(1, 40, 20)[0]
    exact, single = (
        fastfuse.smoothed_vote([vote], 1.5, spacing_mm=[side], least=1e-9)
        for side in (0.8, float(np.float32(0.8)))
    )
    np.testing.assert_allclose(single, exact, rtol=1e-5)
