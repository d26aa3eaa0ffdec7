"""Contours on a grid: which voxels they mark, whatever the grid's axes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fastfuse.images import reading
from fastfuse.images.grids.lattice import with_lattice
from fastfuse.images.image import Image
from fastfuse.images.placing import Placing
from fastfuse.images.wanted import Wanted
from fastfuse.inputs.foreground import Foreground

from .structures import Polygons, circle, ct, flat, rectangle, rt_struct, slow

pytest.importorskip("pydicom")

SHAPE = (40, 36, 9)
SIDES = (0.9, 1.1, 3.0)


def affine_of(
    order: Sequence[int] = (0, 1, 2), signs: Sequence[int] = (-1, -1, 1), seed: int | None = None
) -> np.ndarray:
    turn = np.eye(3)
    if seed is not None:
        turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = (turn * signs)[:, list(order)] * SIDES
    affine[:3, 3] = (31.5, -20.25, 7.125)
    return affine


STRAIGHT = affine_of()


def read(file: Path, grid: Path, **foreground: object) -> Image:
    wanted = Wanted(Foreground(**foreground))  # type: ignore[arg-type]
    return reading.read(file, wanted=with_lattice([grid], ["image"], [wanted], Placing())[0])


def drawn(
    folder: Path, polygons: Polygons, affine: np.ndarray = STRAIGHT, shape: Sequence[int] = SHAPE
) -> Image:
    grid = ct(folder / "ct.nii.gz", shape, affine)
    return read(rt_struct(folder / "a.dcm", {"GTV": polygons}, affine), grid)


def stars(rng: np.random.Generator, slices: Sequence[int], count: int = 60) -> list[np.ndarray]:
    """Return wild outlines, which cross themselves."""
    return [
        flat(
            np.array([18.3, 16.9])
            + rng.uniform(2, 9, (count, 1)) * (circle((0, 0), 1, count) + rng.normal(0, 0.3, (count, 2))),
            at,
        )
        for at in slices
    ]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", [(-1, -1, 1), (1, -1, -1), (1, 1, 1)])
def test_axes_in_any_order_and_direction(
    tmp_path: Path, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    polygons = stars(np.random.default_rng(2), [1, 4, 4, 8])
    image = drawn(tmp_path, polygons, affine_of(order, signs))
    np.testing.assert_array_equal(image.data, slow(SHAPE, polygons))
    np.testing.assert_allclose(image.affine, affine_of(order, signs), atol=1e-5)
    assert image.data.any()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("axis", range(3))
def test_oblique_grids_and_planes_across_any_axis(tmp_path: Path, seed: int, axis: int) -> None:
    shape = np.insert([40, 36], axis, 9)
    polygons = [
        np.insert(np.delete(one, 2, axis=1), axis, one[:, 2], axis=1)
        for one in stars(np.random.default_rng(seed), [0, 3, 8])
    ]
    image = drawn(tmp_path, polygons, affine_of(seed=seed), shape)
    np.testing.assert_array_equal(image.data, slow(shape, polygons, axis))


def test_the_oracle_is_that_of_matplotlib(tmp_path: Path) -> None:
    path = pytest.importorskip("matplotlib.path")
    outline = np.array([18.3, 16.9]) + 14 * circle((0, 0), 1, 90) * np.random.default_rng(5).uniform(
        0.3, 1, (90, 1)
    )
    centres = np.stack(np.meshgrid(*map(np.arange, SHAPE[:2]), indexing="ij"), axis=-1).reshape(-1, 2)
    expected = path.Path(outline, closed=False).contains_points(centres).reshape(SHAPE[:2])
    image = drawn(tmp_path, [flat(outline, 5)])
    np.testing.assert_array_equal(image.data[:, :, 5], expected)
    assert image.data.sum() == expected.sum() > 100


@pytest.mark.parametrize("radius", [3.0, 7.7, 15.2])
def test_area_of_a_circle(tmp_path: Path, radius: float) -> None:
    found = [
        drawn(tmp_path, [flat(circle((18 + x, 17 + y), radius, 720), 4)]).data.sum()
        for x in (0.1, 0.6)
        for y in (0.2, 0.7)
    ]
    assert abs(np.mean(found) / (np.pi * radius**2) - 1) < 0.03


def test_rectangle_on_half_voxels(tmp_path: Path) -> None:
    expected = np.zeros(SHAPE, np.uint8)
    expected[3:12, 5:9, 2] = 1
    image = drawn(tmp_path, [flat(rectangle((2.5, 11.5), (4.5, 8.5)), 2)])
    np.testing.assert_array_equal(image.data, expected)
    assert image.remark is None


def test_a_centre_on_an_outline(tmp_path: Path) -> None:
    """It belongs to what lies left of it in the patient, else behind or above it: this grid's axes lead there."""
    image = drawn(tmp_path, [flat(rectangle((3, 11), (5, 8)), 2)])
    expected = np.zeros(SHAPE, np.uint8)
    expected[3:11, 5:8, 2] = 1
    np.testing.assert_array_equal(image.data, expected)
    right = drawn(tmp_path, [flat(rectangle((3, 11), (5, 8)), 2)], affine_of(signs=(1, 1, -1)))
    expected[:] = 0
    expected[4:12, 6:9, 2] = 1
    np.testing.assert_array_equal(right.data, expected)
    between = drawn(tmp_path, [flat(rectangle((2.5, 11.5), (4.5, 8.5)), 2.5)])
    assert list(np.flatnonzero(between.data.any(axis=(0, 1)))) == [3]
    assert "lie up to 1.5 mm beside the centres" in str(between.remark)


def test_ring_keyhole_and_islands(tmp_path: Path) -> None:
    outer, inner = rectangle((2.5, 20.5), (3.5, 21.5)), rectangle((8.5, 14.5), (8.5, 15.5))
    keyhole = np.concatenate([outer, outer[:1], inner, inner[:1]])
    island = rectangle((25.5, 30.5), (3.5, 9.5))
    ring = drawn(tmp_path, [flat(outer, 3), flat(inner, 3)]).data
    assert ring.sum() == 18 * 18 - 6 * 7
    np.testing.assert_array_equal(drawn(tmp_path, [flat(keyhole, 3)]).data, ring)
    both = drawn(tmp_path, [flat(outer, 3), flat(island, 3), flat(inner, 3)]).data
    assert both.sum() == ring.sum() + 5 * 6
    np.testing.assert_array_equal(both, slow(SHAPE, [flat(outer, 3), flat(inner, 3), flat(island, 3)]))


def test_xor_contours(tmp_path: Path) -> None:
    grid = ct(tmp_path / "ct.nii.gz", SHAPE, STRAIGHT)
    outlines = [flat(circle((18.2, 17.1), radius), 3) for radius in (12.3, 5.4)]
    files = [
        rt_struct(tmp_path / f"{kind}.dcm", {"GTV": outlines}, STRAIGHT, kind=kind)
        for kind in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
    ]
    one, other = (read(file, grid).data for file in files)
    np.testing.assert_array_equal(one, other)
    assert one.sum() == slow(SHAPE, outlines).sum()


def test_neighbours_share_no_voxel_on_any_grid(tmp_path: Path) -> None:
    """Borders run through voxels' centres, straight and slanted ones; which side these count to, the patient's axes tell."""
    parts = {
        "one": [(4, 4), (16, 4), (16, 16), (4, 28)],
        "two": [(16, 4), (32, 4), (32, 28), (16, 16)],
        "three": [(4, 28), (16, 16), (32, 28)],
    }
    outlines = {name: [flat(points, 3), flat(points, 4)] for name, points in parts.items()}
    file = rt_struct(tmp_path / "a.dcm", outlines, STRAIGHT)
    first = None
    for order in itertools.permutations(range(3)):
        for reverse in itertools.product((False, True), repeat=3):
            axes = [axis for axis in range(3) if reverse[axis]]
            turn, flip = np.eye(4)[[*order, 3]].T, np.eye(4)
            for axis in axes:
                flip[axis, axis], flip[axis, 3] = -1, SHAPE[axis] - 1
            affine = STRAIGHT @ flip @ turn
            grid = ct(tmp_path / "ct.nii.gz", [SHAPE[axis] for axis in order], affine)
            data = read(file, grid).data
            back = np.flip(np.transpose(data, np.argsort(order)), axes)
            first = back if first is None else first
            np.testing.assert_array_equal(back, first)
    assert first is not None
    counts = [int((first == label).sum()) for label in (1, 2, 3)]
    assert sum(counts) == 2 * 28 * 24  # no voxel in between, and none at the far sides of the whole
    np.testing.assert_allclose(counts, [2 * 216, 2 * 288, 2 * 168], rtol=0.06)
