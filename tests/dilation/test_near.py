"""Voxels within a ball of a mask's foreground, against a search over all pairs of voxels."""

from __future__ import annotations

import numpy as np
import pytest

from fastfuse import _core


def by_search(mask: np.ndarray, radius_mm: float, spacing_mm: list[float]) -> np.ndarray:
    """Return the voxels whose distance to some foreground voxel is at most the radius."""
    places = np.stack(np.indices(mask.shape), axis=-1).reshape(-1, mask.ndim) * spacing_mm
    marked = places[mask.ravel() != 0]
    squared = ((places[:, np.newaxis] - marked) ** 2).sum(axis=-1)
    return (squared <= (radius_mm * (1 + 1e-6)) ** 2).any(axis=1).reshape(mask.shape)


@pytest.mark.parametrize("shape", [(40,), (9, 14), (7, 8, 9), (1, 5, 1)])
@pytest.mark.parametrize("radius_mm", [0.4, 1.0, 3.3, 100.0])
@pytest.mark.parametrize("threads", [1, 3])
def test_near_is_within_the_radius(shape: tuple[int, ...], radius_mm: float, threads: int) -> None:
    rng = np.random.default_rng(0)
    spacing_mm = [0.5, 1.1, 3.0][: len(shape)]
    for share in (0.02, 0.3):
        mask = rng.random(shape) < share
        near = _core.near(mask, radius_mm=radius_mm, spacing_mm=spacing_mm, threads=threads)
        assert near.dtype == bool
        np.testing.assert_array_equal(near, by_search(mask, radius_mm, spacing_mm))


@pytest.mark.parametrize("radius_mm", [2.0, 2.5, 3.3])
@pytest.mark.parametrize("threads", [1, 3])
def test_near_many_marks(radius_mm: float, threads: int) -> None:
    """So many that rows are soon full, except in a corner without marks."""
    mask = np.random.default_rng(2).random((9, 17, 30)) < 0.2
    mask[:4, 5:, 12:] = False
    spacing_mm = [1.2, 0.9, 1.0]
    near = _core.near(mask, radius_mm=radius_mm, spacing_mm=spacing_mm, threads=threads)
    expected = by_search(mask, radius_mm, spacing_mm)
    assert expected.all(axis=-1).any()  # a full row
    assert not expected.all()
    np.testing.assert_array_equal(near, expected)


def test_near_of_every_layout_and_type() -> None:
    mask = np.random.default_rng(1).random((6, 7, 8)) < 0.02
    options = {"radius_mm": 2.0, "spacing_mm": [1.0, 0.7, 1.3]}
    expected = _core.near(mask, **options)
    assert 0 < expected.sum() < expected.size
    spread = np.zeros((6, 7, 16), np.float32)[..., ::2]
    spread[...] = mask
    for other in (np.asfortranarray(mask), mask.astype(">i4"), spread):
        np.testing.assert_array_equal(_core.near(other, **options), expected)


def test_radius_reaches_spacings_of_single_precision() -> None:
    mask = np.array([1, 0, 0, 0], np.uint8)
    spacing_mm = [float(np.float32(1.1))]  # a little above 1.1
    assert _core.near(mask, radius_mm=2.2, spacing_mm=spacing_mm).tolist() == [True, True, True, False]


def test_near_nothing_is_nothing() -> None:
    assert not _core.near(np.zeros((3, 4, 5)), radius_mm=9, spacing_mm=[1, 1, 1]).any()


def test_what_near_refuses() -> None:
    with pytest.raises(ValueError, match="a ball has one to three axes"):
        _core.near(np.zeros((2, 2, 2, 2)), radius_mm=1, spacing_mm=[1, 1, 1, 1])
    with pytest.raises(ValueError, match="spacing_mm has one number for each axis"):
        _core.near(np.zeros((2, 2)), radius_mm=1, spacing_mm=[1, 1, 1])
    with pytest.raises(_core.BadInput):
        _core.near(np.full(3, 2.0), radius_mm=1, spacing_mm=[1])
