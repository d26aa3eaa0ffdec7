"""From volumes in any orientation to axial slices, and back."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from fastfuse.train.cohort.common_grid import brain_of
from fastfuse.train.targets.slices import Frame, common_size, normalised

SHAPE = (7, 8, 9)


def orientations() -> list[np.ndarray]:
    found = []
    for axes in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            affine = np.zeros((4, 4))
            affine[3, 3] = 1
            for at, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
                affine[axis, at] = sign * (1 + 0.5 * at)
            found.append(affine)
    return found


def brain() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[2:6, 1:6, 3:8] = True
    return mask


@pytest.mark.parametrize("affine", orientations())
def test_paste_undoes_cut(affine: np.ndarray) -> None:
    volume = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32) * brain()
    frame = Frame.around(brain(), affine)
    assert sorted(frame.shape) == [4, 5, 5]
    np.testing.assert_array_equal(frame.paste(frame.cut(volume), SHAPE), volume)
    wide = frame.widened((12, 16))
    assert wide.shape[:2] == (12, 16)
    np.testing.assert_array_equal(wide.paste(wide.cut(volume), SHAPE), volume)


@pytest.mark.parametrize("affine", orientations())
def test_slices_are_axial(affine: np.ndarray) -> None:
    """Slices run from inferior to superior, x to the right, y to the front, whatever the order in the file."""
    index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    places = index @ affine[:3, :3].T
    frame = Frame.around(np.ones(SHAPE), affine)
    x, y, z = (frame.cut(places[..., axis]) for axis in range(3))
    assert (np.diff(z, axis=0) > 0).all()
    assert (np.diff(x, axis=1) > 0).all()
    assert (np.diff(y, axis=2) > 0).all()


def test_common_size() -> None:
    frames = [Frame.around(np.ones(shape), np.eye(4)) for shape in ((17, 3, 2), (5, 32, 9))]
    assert common_size(frames, 16) == (32, 32)
    assert common_size(frames, 1) == (17, 32)


def test_normalised() -> None:
    rng = np.random.default_rng(1)
    images = {"T1": rng.normal(500, 90, SHAPE).astype(np.int16), "T2": np.full(SHAPE, 7, np.int16)}
    slices = normalised(images, brain(), Frame.around(brain(), np.eye(4)).widened((8, 8)))
    assert slices.shape == (5, 2, 8, 8)
    inside = slices[:, 0, 2:6, 1:6]
    assert inside.mean() == pytest.approx(0, abs=1e-5)
    assert inside.std() == pytest.approx(1, abs=1e-5)
    outside = slices[:, 0].copy()
    outside[:, 2:6, 1:6] = 0
    assert not outside.any()
    assert not slices[:, 1].any()  # constant: 0 rather than a division by 0


def test_brain_is_known_from_flair() -> None:
    flair = np.where(brain(), 100, 0)
    np.testing.assert_array_equal(brain_of(None, flair), brain())
    np.testing.assert_array_equal(brain_of(brain().astype(np.uint8), flair * 0), brain())
    assert brain_of(None, flair * 0).all()
