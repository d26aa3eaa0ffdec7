"""Cases on one grid: weights and volumes, voxel sizes of a cohort, and what is counted in mm."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fastfuse import FastfuseError
from fastfuse.cohort.msseg import find_cases
from fastfuse.errors import GridError, ImageError
from fastfuse.inputs.grids import Grid
from fastfuse.train.cohort.common_grid import PlacedCase, on_grid
from fastfuse.train.cohort.loading import load_case
from fastfuse.train.cohort.resampling import Move, nearest, overlap, smooth
from fastfuse.train.cohort.voxel_sizes import good_spacing, mixed_grids
from fastfuse.train.options import EvaluationOptions, GridOptions, make_options

from ..cohorts import AFFINE, SHAPE, current_case, save

# --- weights along one axis ------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1, 2, 3, 5])
def test_whole_factors_are_undone(factor: int) -> None:
    """Finer by a whole number and back, by any weights: the same numbers."""
    start = (1 / factor - 1) / 2
    finer = overlap(1 / factor, start, 4 * factor, 4)
    np.testing.assert_array_equal(finer.argmax(axis=1), np.repeat(np.arange(4), factor))
    back = (factor - 1) / 2
    for weights in (overlap, smooth):
        np.testing.assert_allclose(
            weights(factor, back, 4, 4 * factor) @ np.repeat(np.eye(4), factor, 0), np.eye(4), atol=1e-15
        )
    if factor % 2:
        np.testing.assert_array_equal(nearest(factor, back, 4, 4 * factor) @ finer, np.eye(4))


def test_shares_are_exact() -> None:
    np.testing.assert_allclose(overlap(1.5, 0.25, 2, 3), [[1 / 1.5, 0.5 / 1.5, 0], [0, 0.5 / 1.5, 1 / 1.5]])
    np.testing.assert_allclose(overlap(1.0, -0.25, 3, 3), [[0.75, 0, 0], [0.25, 0.75, 0], [0, 0.25, 0.75]])
    np.testing.assert_allclose(overlap(-1.0, 2.0, 3, 3), np.eye(3)[::-1])


@pytest.mark.parametrize("scale", [0.3, 0.5, 1.0, 1.7, -0.5, -2.0])
def test_a_ramp_stays_a_ramp(scale: float) -> None:
    """A mean over voxels, of which some lie in part within, is off by a little of one."""
    start = 12.0 - 7 * scale
    moved = smooth(scale, start, 15, 25) @ np.arange(25.0)
    expected = start + scale * np.arange(15)
    inside = (expected - abs(scale) / 2 >= 0) & (expected + abs(scale) / 2 <= 24)
    assert inside.sum() > 5
    np.testing.assert_allclose(moved[inside], expected[inside], atol=0.1 if scale == 1.7 else 1e-12)
    sums = smooth(scale, start, 15, 25).sum(axis=1)
    np.testing.assert_allclose(sums[np.abs(sums) > 0], 1, atol=1e-12)


@pytest.mark.parametrize("start", [1.5, 1.0, 1.25, 2.0])
def test_fine_patterns_do_not_alias(start: float) -> None:
    """Stripes of one voxel become their mean in larger voxels, wherever these begin."""
    stripes = np.tile([0.0, 100.0], 12)
    np.testing.assert_allclose((smooth(4.0, start, 6, 24) @ stripes)[1:-1], 50)


def test_headers_round() -> None:
    """A factor of 2 that a header in single precision holds as 2.00001 gives the same shares."""
    np.testing.assert_allclose(overlap(2.00001, 0.500005, 6, 12), overlap(2.0, 0.5, 6, 12), atol=1e-5)


# --- volumes ---------------------------------------------------------------------------------------------------


def turned(order: tuple[int, ...], signs: tuple[int, ...], sides: tuple[float, ...]) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = 0
    for at, (axis, sign) in enumerate(zip(order, signs, strict=True)):
        affine[axis, at] = sign * sides[axis]
    return affine


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1)])
def test_turned_axes(order: tuple[int, int, int], signs: tuple[int, int, int]) -> None:
    """Another order of axes, in either direction, changes no value."""
    data = np.random.default_rng(0).integers(0, 999, (4, 5, 6)).astype(np.int16)
    affine = turned((0, 1, 2), (1, 1, 1), (1.0, 2.0, 3.0))
    there = np.flip(data.transpose(order), [k for k in range(3) if signs[k] < 0])
    to = turned(order, signs, (1.0, 2.0, 3.0))
    for axis, sign in zip(order, signs, strict=True):
        to[axis, 3] = affine[axis, axis] * (data.shape[axis] - 1) * (sign < 0)
    move = Move.between(data.shape, affine, there.shape, to)
    np.testing.assert_array_equal(move.image(data), there)
    np.testing.assert_array_equal(move.mask(data > 500), there > 500)
    np.testing.assert_array_equal(move.mask(data > 500, "nearest"), there > 500)


def ball(shape: tuple[int, ...], affine: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    at = (
        np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1) @ affine[:3, :3].T
        + affine[:3, 3]
    )
    return np.linalg.norm(at - centre, axis=-1) <= radius


def oblique(degrees: float, side: float) -> np.ndarray:
    turn = np.deg2rad(degrees)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    affine[:3, :3] *= side
    affine[:3, 3] = [4.0, -3.0, 1.0]
    return affine


@pytest.mark.parametrize("side", [0.7, 1.0, 2.0])
def test_oblique_grids(side: float) -> None:
    """A ball keeps its place and volume, and a ramp its values."""
    shape, centre = (40, 40, 40), np.array([20.0, 20.0, 20.0])
    mask = ball(shape, np.eye(4), centre, 9)
    to = oblique(20, side)
    there = (round(44 / side),) * 3
    move = Move.between(shape, np.eye(4), there, to)
    for how in ("partial", "nearest"):
        found = move.mask(mask, how)
        assert found.sum() * side**3 == pytest.approx(mask.sum(), rel=0.03)
        middle = np.argwhere(found).mean(axis=0) @ to[:3, :3].T + to[:3, 3]
        np.testing.assert_allclose(middle, centre, atol=0.1)
    ramp = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")).sum(axis=0).astype(float)
    at = np.stack(np.meshgrid(*map(np.arange, there), indexing="ij"), axis=-1) @ to[:3, :3].T + to[:3, 3]
    inside = ((at > 2) & (at < 37)).all(axis=-1)
    assert inside.sum() > 1000
    np.testing.assert_allclose(move.image(ramp)[inside], at.sum(axis=-1)[inside], atol=0.01)
    beyond = ((at < -2) | (at > 41)).any(axis=-1)
    assert beyond.any()
    assert not move.image(ramp + 1)[beyond].any()


def test_sampling_agrees_with_weights() -> None:
    """Axes that are all but parallel go the other way, to nearly the same."""
    rng = np.random.default_rng(1)
    data = np.cumsum(rng.normal(size=(24, 24, 24)), axis=0)
    to = np.diag([2.0, 2.0, 2.0, 1.0])
    to[:3, 3] = 0.5
    tilted = to.copy()
    tilted[0, 1] = 0.004
    straight, sampled = (Move.between(data.shape, np.eye(4), (12, 12, 12), one) for one in (to, tilted))
    assert straight._order == (0, 1, 2)
    assert sampled._order is None
    inner = (slice(1, -1),) * 3
    np.testing.assert_allclose(sampled.image(data)[inner], straight.image(data)[inner], atol=1.0)
    assert (sampled.mask(data > 0) != straight.mask(data > 0)).mean() < 0.1


# --- cases -----------------------------------------------------------------------------------------------------


def only(root: Path) -> Callable[[GridOptions], PlacedCase]:
    [case] = find_cases(root)
    return lambda options: on_grid(load_case(case), options)


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return current_case(tmp_path / "c", "Center_01", "Patient_01")


def rewritten(folder: Path, affine: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Write every file of a case with another affine, its voxels changed."""
    for path in [*folder.rglob("*_preprocessed.nii.gz"), *folder.rglob("Masks/*.nii.gz")]:
        save(path, change(np.asanyarray(nib.load(path).dataobj)), affine)


def cubes(side: float = 2.0) -> np.ndarray:
    return np.diag([side, side, side, 1.0])


def test_a_case_on_the_grid_is_left_alone(case: Path, tmp_path: Path) -> None:
    rewritten(case, cubes(2.0005), lambda data: data)
    grid = save(tmp_path / "grid.nii.gz", np.zeros(SHAPE, np.uint8), cubes(2.0005))
    place = only(tmp_path / "c")
    plain = place(GridOptions())
    for options in (GridOptions(spacing_mm=2.0), GridOptions(file=str(grid))):
        placed = place(options)
        assert placed.own is None
        assert placed.loaded.images["T1"].dtype == np.int16
        for name, image in plain.loaded.images.items():
            np.testing.assert_array_equal(placed.loaded.images[name], image)


@pytest.mark.parametrize("masks", ["partial", "nearest"])
def test_finer_and_back(case: Path, tmp_path: Path, masks: str) -> None:
    """A case of 2 mm, written in voxels of 1 x 1 x 2 mm, is the same again at 2 mm: the same bits."""
    rewritten(case, cubes(), lambda data: data)
    place = only(tmp_path / "c")
    before = place(GridOptions()).loaded
    finer = cubes() @ np.diag([0.5, 0.5, 1, 1])
    finer[:2, 3] = -0.5
    rewritten(case, finer, lambda data: data.repeat(2, 0).repeat(2, 1))
    placed = place(GridOptions(spacing_mm=2.0, masks=masks))
    np.testing.assert_allclose(placed.loaded.like.affine, cubes(), atol=1e-12)
    for name, image in before.images.items():
        np.testing.assert_array_equal(placed.loaded.images[name], image)
    for now, was in zip(placed.loaded.masks, before.masks, strict=True):
        np.testing.assert_array_equal(now, was)
    np.testing.assert_array_equal(placed.loaded.brain, before.brain)
    assert placed.volumes == pytest.approx({1: 1.0, 2: 1.0, 3: 1.0}, abs=1e-12)
    assert placed.own.like.data.shape == (16, 18, 7)


def test_the_order_in_the_file_does_not_matter(case: Path, tmp_path: Path) -> None:
    """Seven slices of 3 mm in voxels of 2 mm do not end evenly; they begin at the same end however they are stored."""
    place = only(tmp_path / "c")
    one = place(GridOptions(spacing_mm=2.0)).loaded
    axes = (0, 2)
    back = np.eye(4)
    for axis in axes:
        back[axis, axis], back[axis, 3] = -1, SHAPE[axis] - 1
    rewritten(case, AFFINE @ back, lambda data: np.ascontiguousarray(np.flip(data, axes)))
    other = place(GridOptions(spacing_mm=2.0)).loaded
    assert one.like.data.shape == other.like.data.shape == (4, 6, 11)
    np.testing.assert_allclose(np.flip(other.images["FLAIR"], axes), one.images["FLAIR"], rtol=1e-5)
    np.testing.assert_array_equal(np.flip(other.masks[0], axes), one.masks[0])
    assert np.linalg.norm(one.like.grid.corners.min(axis=0) - other.like.grid.corners.min(axis=0)) < 1e-4


def test_grid_of_a_file(case: Path, tmp_path: Path) -> None:
    """World coordinates place the case; what lies beyond the file's grid is told."""
    place = only(tmp_path / "c")
    affine = AFFINE.copy()
    affine[:3, 3] += AFFINE[:3, 0]  # a voxel further on, where the brain begins
    grid = save(tmp_path / "grid.nii.gz", np.zeros((7, 9, 8), np.uint8), affine)
    placed = place(GridOptions(file=str(grid)))
    before = place(GridOptions()).loaded
    np.testing.assert_array_equal(placed.loaded.images["FLAIR"][..., :-1], before.images["FLAIR"][1:])
    assert not placed.loaded.images["FLAIR"][..., -1].any()
    np.testing.assert_array_equal(placed.loaded.masks[1][..., :-1], before.masks[1][1:])
    assert placed.remarks == []
    affine[:3, 3] += 2 * AFFINE[:3, 0]
    grid = save(tmp_path / "grid2.nii.gz", np.zeros((7, 9, 8), np.uint8), affine)
    told = place(GridOptions(file=str(grid))).remarks
    assert [line.split(" beyond")[0] for line in told] == [
        "33 % of the brain lie",
        "32 % of what raters mark lie",
    ]


def test_a_case_in_another_space_is_refused(case: Path, tmp_path: Path) -> None:
    far = AFFINE.copy()
    far[0, 3] += 300
    grid = save(tmp_path / "mni.nii.gz", np.zeros(SHAPE, np.uint8), far)
    with pytest.raises(
        FastfuseError, match=r"Patient_01: 0 % of its brain lie on the grid of .*mni\.nii\.gz"
    ):
        only(tmp_path / "c")(GridOptions(file=str(grid)))
    with pytest.raises(FastfuseError, match=r"nowhere\.nii: cannot be read \(No such file"):
        only(tmp_path / "c")(GridOptions(file=str(tmp_path / "nowhere.nii")))


@pytest.mark.parametrize("spacing", [0.001, 400.0])
def test_absurd_spacings_are_refused(case: Path, tmp_path: Path, spacing: float) -> None:
    with pytest.raises(FastfuseError, match=r"Patient_01: in voxels of .* mm it would have"):
        only(tmp_path / "c")(GridOptions(spacing_mm=spacing))


def test_tilted_gantry_is_refused(case: Path, tmp_path: Path) -> None:
    sheared = cubes()
    sheared[1, 2] = 0.5
    grid = save(tmp_path / "grid.nii.gz", np.zeros(SHAPE, np.uint8), sheared)
    with pytest.raises(ImageError, match=r"grid\.nii\.gz: its axes are not at right angles"):
        only(tmp_path / "c")(GridOptions(file=str(grid)))
    rewritten(case, sheared, lambda data: data)
    with pytest.raises(GridError, match=r"FLAIR_preprocessed\.nii\.gz: its axes are not at right angles"):
        only(tmp_path / "c")(GridOptions(spacing_mm=1.0))


def test_unknown_places(case: Path, tmp_path: Path) -> None:
    """A header that does not say where the image lies will do for --spacing, not for --grid."""
    for path in [*case.rglob("*_preprocessed.nii.gz"), *case.rglob("Masks/*.nii.gz")]:
        image = nib.load(path)
        image = nib.Nifti1Image(np.asanyarray(image.dataobj), cubes())
        image.set_sform(cubes(), 0)
        image.set_qform(cubes(), 0)
        nib.save(image, path)
    place = only(tmp_path / "c")
    assert place(GridOptions(spacing_mm=4.0)).loaded.like.data.shape == (4, 5, 4)
    grid = save(tmp_path / "grid.nii.gz", np.zeros((4, 4, 4), np.uint8), cubes())
    with pytest.raises(FastfuseError, match=r"Patient_01: the header of .* does not say where it lies"):
        place(GridOptions(file=str(grid)))


def test_brain_by_flair(case: Path, tmp_path: Path) -> None:
    """Without a brain mask, FLAIR's zeros tell the brain; interpolation must not widen it."""
    rewritten(case, cubes(), lambda data: data)
    flair = case / "Preprocessed_Data" / "FLAIR_preprocessed.nii.gz"
    values = np.zeros(SHAPE, np.int16)
    values[2:6, 2:6, 2:6] = 700
    save(flair, values, cubes())
    (case / "Masks" / "Brain_Mask.nii.gz").unlink()
    placed = only(tmp_path / "c")(GridOptions(spacing_mm=1.0)).loaded
    assert placed.brain is None
    assert np.count_nonzero(placed.images["FLAIR"]) == 8 * 64


@pytest.mark.parametrize("side", [1.0, 1.3, 3.0])
def test_predictions_go_back(case: Path, tmp_path: Path, side: float) -> None:
    """On its own grid a prediction is linear between the voxels of the grid of all, and 0 outside the brain."""
    rewritten(case, cubes(), lambda data: data)
    placed = only(tmp_path / "c")(GridOptions(spacing_mm=side))
    shape, affine = placed.loaded.like.data.shape, placed.loaded.like.affine
    x = (np.arange(shape[0]) * affine[0, 0] + affine[0, 3])[:, None, None] / 20
    back = placed.own.volume(np.broadcast_to(x, shape).astype(np.float32), affine)
    inside = np.zeros(SHAPE, bool)
    inside[1:-1, 1:-1, 1:-1] = True
    assert back.dtype == np.float32
    assert not back[~inside].any()
    expected = np.broadcast_to((2 * np.arange(SHAPE[0]))[:, None, None] / 20, SHAPE)
    middle = (slice(2, -2), slice(2, -2), slice(2, -2))
    np.testing.assert_allclose(back[middle], expected[middle], atol={1.0: 1e-6, 1.3: 0.01, 3.0: 0.08}[side])


# --- voxel sizes of a cohort -----------------------------------------------------------------------------------


def grid(*sides: float, order: tuple[int, ...] = (0, 1, 2), signs: tuple[int, ...] = (1, 1, 1)) -> Grid:
    return Grid("", (9, 9, 9), turned(order, signs, sides))


def test_mixed_sizes_are_named() -> None:
    sizes = {f"P{k}": grid(2, 2, 2) for k in range(5)} | {"Q1": grid(1, 1, 2), "Q2": grid(1, 1, 2)}
    found = mixed_grids(sizes)
    assert "its voxels are 2 x 2 x 2 mm in P0, P1, P2 and 2 more; 1 x 1 x 2 mm in Q1, Q2," in found.what
    assert "--spacing 2 (grid.spacing_mm=2)" in found.remedy


@pytest.mark.parametrize(("order", "signs"), list(product(permutations(range(3)), [(1, 1, 1), (-1, 1, -1)])))
def test_the_order_of_axes_is_no_other_size(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    assert mixed_grids({"P": grid(1, 2, 3), "Q": grid(1, 2, 3, order=order, signs=signs)}) is None
    assert mixed_grids({"P": grid(1, 2, 3), "Q": grid(3, 2, 1)}) is not None


def test_rounded_headers_are_one_size() -> None:
    assert mixed_grids({"P": grid(0.9765625, 1, 2), "Q": grid(0.97656, 1, 2.001)}) is None
    assert mixed_grids({"P": grid(0.9765625, 1, 2), "Q": grid(0.98, 1, 2)}) is not None


def test_the_spacing_that_is_named_will_do() -> None:
    """MSSEG-2016's sizes: the remedy is a spacing, and with it nothing is mixed."""
    sizes = [(1.1, 0.47, 0.47)] * 5 + [(1.25, 1.03, 1.03)] * 5 + [(0.7, 0.74, 0.74)] * 5
    assert good_spacing(sizes) == 0.73
    assert make_options("quick", None, ["grid.spacing_mm=0.73"]).grid.spacing_mm == 0.73


# --- mm --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mm3", "voxel_mm3", "least"),
    [(0.0, 8.0, 18), (18.0, 1.0, 18), (144.0, 8.0, 18), (18.0, 8.0, 3), (3.0, 1.0000001, 3), (0.5, 8.0, 1)],
)
def test_components_in_mm3(mm3: float, voxel_mm3: float, least: int) -> None:
    assert EvaluationOptions(least_mm3=mm3).least_on(voxel_mm3) == least


def test_a_grid_is_named_once() -> None:
    with pytest.raises(FastfuseError, match=r"grid\.spacing_mm and grid\.file are both given"):
        make_options("quick", None, ["grid.spacing_mm=2", "grid.file=mni.nii.gz"])
    with pytest.raises(ValueError, match=r"grid\.masks is 'linear'"):
        make_options("quick", None, ["grid.masks=linear"])
