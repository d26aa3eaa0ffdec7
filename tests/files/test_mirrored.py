"""Raters whose voxels are mirrored or turned, while their header says nothing of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from .common import save

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")

SHAPE = (24, 24, 15)
WRONG = {
    "axis 0 (left-right)": lambda mask: mask[::-1],
    "axis 1 (back-front)": lambda mask: mask[:, ::-1],
    "axis 2 (foot-head)": lambda mask: mask[..., ::-1],
    "axis 0 (left-right) and axis 1 (back-front)": lambda mask: mask[::-1, ::-1],
    "turned (axis 0 (left-right) and axis 1 (back-front) exchanged)": lambda mask: mask.transpose(1, 0, 2),
}


def lesions(raters: int, seed: int = 0) -> list[np.ndarray]:
    """Masks of three lesions that lie on no plane of symmetry, each rater a voxel more or less."""
    rng = np.random.default_rng(seed)
    grid = np.indices(SHAPE)
    masks = []
    for _ in range(raters):
        places = [((6, 15, 4), 3.2), ((8, 5, 10), 2.6), ((4, 10, 9), 2.2)]
        mask = np.zeros(SHAPE, np.uint8)
        for centre, radius in places:
            distance = sum((grid[axis] - centre[axis]) ** 2 for axis in range(3))
            mask[distance <= (radius + rng.normal(0, 0.2)) ** 2] = 1
        masks.append(mask)
    return masks


def warnings_of(folder: Path, masks: list[np.ndarray], **options: Any) -> str:
    files = [save(folder / f"r{i}.nii", np.ascontiguousarray(mask)) for i, mask in enumerate(masks)]
    fastfuse.fuse_files(files, folder / "c.nii", overwrite=True, **options)
    return "\n".join(json.loads((folder / "c.json").read_text())["warnings"])


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("raters", [3, 7])
@pytest.mark.parametrize("method", ["soft-staple", "majority"])
def test_rater_and_axis_are_told(tmp_path: Path, wrong: str, raters: int, method: str) -> None:
    masks = lesions(raters)
    masks[1] = WRONG[wrong](masks[1])
    said = warnings_of(tmp_path, masks, method=method)
    assert (
        f"r1.nii fits the others only when {'' if 'turned' in wrong else 'mirrored along '}{wrong}:" in said
    )
    assert said.count("only when") == 1


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.int16, ">f4"])
def test_whatever_the_votes_are(tmp_path: Path, kind: Any) -> None:
    masks = [mask.astype(kind) for mask in lesions(3)]
    masks[2] = masks[2][::-1]
    assert "r2.nii fits the others only when mirrored along axis 0" in warnings_of(tmp_path, masks)


def test_one_label_of_several(tmp_path: Path) -> None:
    masks = [3 * mask for mask in lesions(3)]
    for mask in masks:
        mask[:, :, 0] = 1
    masks[0] = masks[0][:, ::-1]
    said = warnings_of(tmp_path, masks, select_label=3)
    assert "r0.nii fits the others only when mirrored along axis 1" in said


def test_of_two_nobody_knows_which(tmp_path: Path) -> None:
    first, second = lesions(2)
    said = warnings_of(tmp_path, [first, second[::-1]])
    assert "r0.nii and r1.nii fit each other only when one is mirrored along axis 0" in said


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_told_of_who_fits_or_just_errs(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = lesions(4, seed)
    masks[1] = np.zeros(SHAPE, np.uint8)  # nothing
    masks[2] = (rng.random(SHAPE) < 0.02).astype(np.uint8)  # anything
    masks[3] = np.roll(masks[3], 7, axis=1)  # elsewhere
    assert "only when" not in warnings_of(tmp_path, masks)
    assert "only when" not in warnings_of(tmp_path, lesions(4, seed))


METHODS = ("staple", "soft-staple", "simplified-soft-staple", "majority")


def around_the_middle(raters: int, shape: tuple[int, int, int] = (40, 40, 20)) -> list[np.ndarray]:
    """Masks of one structure that lies over the middle of each axis, so that a mirrored one overlaps it."""
    grid, masks = np.indices(shape), []
    for seed in range(raters):
        mask = sum(
            ((grid[axis] - at) / radius) ** 2 for axis, at, radius in ((0, 14, 9), (1, 22, 6), (2, 9, 5))
        )
        noise = np.random.default_rng(seed).random(shape) < 0.002
        masks.append(((mask <= 1) ^ noise).astype(np.uint8))
    return masks


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("raters", [2, 3, 4])
def test_one_whose_own_vote_lifts_the_consensus(tmp_path: Path, method: str, raters: int) -> None:
    first, *others = around_the_middle(raters)
    said = warnings_of(tmp_path, [first[::-1], *others], method=method)
    expected = (
        "r0.nii and r1.nii fit each other only when one is mirrored along axis 0"
        if raters == 2
        else "r0.nii fits the others only when mirrored along axis 0"
    )
    assert expected in said
    assert said.count("only when") == 1


@pytest.mark.parametrize("method", METHODS)
def test_of_two_halves_nobody_knows_which(tmp_path: Path, method: str) -> None:
    masks = around_the_middle(4)
    masks[0], masks[2] = masks[0][::-1], masks[2][::-1]
    said = warnings_of(tmp_path, masks, method=method)
    assert (
        "r0.nii, r2.nii fit r1.nii, r3.nii only when mirrored along axis 0 (left-right): median Dice" in said
    )
    assert said.count("only when") == 1


@pytest.mark.parametrize("method", METHODS)
def test_of_many_voxels_some_pages_are_read(tmp_path: Path, method: str) -> None:
    masks = [np.kron(mask, np.ones((3, 3, 3), np.uint8)) for mask in around_the_middle(3)]
    assert "only when" not in warnings_of(tmp_path, masks, method=method)
    masks[1] = masks[1].transpose(1, 0, 2)
    said = warnings_of(tmp_path, masks, method=method)
    assert (
        "r1.nii fits the others only when turned (axis 0 (left-right) and axis 1 (back-front) exchanged)"
        in said
    )


# --- files of several grids ----------------------------------------------------------------------------------

APART = (30, 20, 16)  # its axes have different lengths, so that no turn of the grid exchanges them
AFFINE_OF_APART = np.array([[-1.0, 0, 0, 12], [0, -1, 0, 10], [0, 0, 1.5, -8], [0, 0, 0, 1]])


def of_several_grids(raters: int) -> list[np.ndarray]:
    """Masks of two balls that lie on no plane of symmetry."""
    grid, masks = np.indices(APART), []
    for seed in range(raters):
        mask = np.zeros(APART, np.uint8)
        for centre, radius in (((5, 13, 4), 3.6), ((15, 4, 11), 2.8)):
            distance = sum((grid[axis] - centre[axis]) ** 2 for axis in range(3))
            mask[distance <= (radius + 0.1 * seed) ** 2] = 1
        masks.append(mask)
    return masks


EXCHANGED = "turned (axis 0 (left-right) and axis 1 (back-front) exchanged)"
TURNED = {
    "exchanged": (lambda mask: mask.transpose(1, 0, 2), EXCHANGED),
    "cropped, then exchanged": (lambda mask: mask[:20].transpose(1, 0, 2), EXCHANGED),
    "cropped, then mirrored": (lambda mask: mask[:22, :, :15][::-1], "mirrored along axis 0 (left-right)"),
    "rotated": (
        lambda mask: mask.transpose(1, 0, 2)[::-1],
        f"{EXCHANGED} and mirrored along axis 1 (back-front)",
    ),
}


def said_of(folder: Path, masks: list[np.ndarray], affines: dict[int, np.ndarray], **options: Any) -> str:
    files = []
    for i, mask in enumerate(masks):
        files.append(save(folder / f"r{i}.nii", np.ascontiguousarray(mask), affines.get(i, AFFINE_OF_APART)))
    if "grid" in options:
        options["grid"] = files[options["grid"]]
    fastfuse.fuse_files(files, folder / "c.nii", method="majority", overwrite=True, **options)
    return "\n".join(json.loads((folder / "c.json").read_text())["warnings"])


@pytest.mark.parametrize("how", TURNED)
@pytest.mark.parametrize("options", [{}, {"grid": 0}, {"grid": 1}, {"resample": "nearest"}], ids=str)
@pytest.mark.parametrize("wrong", [0, 2])
def test_of_files_of_several_grids(tmp_path: Path, how: str, options: dict[str, Any], wrong: int) -> None:
    turned, told = TURNED[how]
    masks = of_several_grids(3)
    masks[wrong] = turned(masks[wrong])
    said = said_of(tmp_path, masks, {}, **options)
    assert f"r{wrong}.nii fits the others only when {told}: median Dice" in said
    assert said.count("only when") == 1


@pytest.mark.parametrize("options", [{}, {"grid": 0}, {"grid": 1}], ids=str)
def test_of_two_of_several_grids(tmp_path: Path, options: dict[str, Any]) -> None:
    first, second = of_several_grids(2)
    said = said_of(tmp_path, [first, second.transpose(1, 0, 2)], {}, **options)
    assert f"r0.nii and r1.nii fit each other only when one is {EXCHANGED}" in said


def test_axes_are_those_of_the_file(tmp_path: Path) -> None:
    """Which keeps its axes in another order than the grid, as its header says, and is mirrored besides."""
    masks = of_several_grids(3)
    affine = AFFINE_OF_APART[:, [1, 0, 2, 3]]
    masks[2] = masks[2].transpose(1, 0, 2)[:, :22]
    assert "only when" not in said_of(tmp_path, masks, {2: affine})
    masks[2] = masks[2][:, ::-1]
    assert "r2.nii fits the others only when mirrored along axis 1 (left-right)" in said_of(
        tmp_path, masks, {2: affine}
    )


def test_nothing_is_told_of_crops_that_fit_or_just_err(tmp_path: Path) -> None:
    masks = of_several_grids(4)
    affine = AFFINE_OF_APART.copy()
    affine[:3, 3] = (AFFINE_OF_APART @ [2, 1, 0, 1])[:3]
    masks[3] = np.roll(masks[3], -3, axis=2)[2:, 1:]  # elsewhere
    masks[2] = masks[2][2:, 1:]
    assert "only when" not in said_of(tmp_path, masks, {2: affine, 3: affine})


@pytest.mark.parametrize("raters", [2, 3])
@pytest.mark.parametrize("moved", [60, 300, 900])
def test_boxes_that_do_not_meet_are_moved_and_not_mirrored(tmp_path: Path, raters: int, moved: float) -> None:
    files = [save(tmp_path / f"r{i}.nii", mask) for i, mask in enumerate(lesions(raters))]
    image = nib.load(files[-1])
    affine = image.affine.copy()
    affine[0, 3] += moved * np.sign(affine[0, 0])
    far = tmp_path / "far.nii"
    nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj)[:23], affine), far)
    fastfuse.fuse_files([*files[:-1], far], tmp_path / "c.nii", method="majority")
    told = " ".join(json.loads((tmp_path / "c.json").read_text())["warnings"])
    assert "far.nii" in told
    assert "no voxel in common" in told
    assert "mirrored" not in told


@pytest.mark.parametrize("moved", [5e3, 1e6, -1e6])
def test_boxes_absurdly_far_apart(tmp_path: Path, moved: float) -> None:
    files = [save(tmp_path / f"r{i}.nii", mask) for i, mask in enumerate(lesions(3))]
    image = nib.load(files[-1])
    affine = image.affine.copy()
    affine[0, 3] += np.rint(moved / affine[0, 0]) * affine[0, 0]
    far = tmp_path / "far.nii"
    nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj)[:23], affine), far)
    with pytest.raises(
        fastfuse.GridError, match=r"far\.nii lies .* mm away from .*r0\.nii: one header is wrong"
    ):
        fastfuse.fuse_files([*files[:-1], far], tmp_path / "c.nii", method="majority")


def test_mask_nearly_as_round_as_its_mirror_image_fits_better(tmp_path: Path) -> None:
    grid = np.indices((24, 24, 15), float)
    place, sides = (12.0, 12.0, 7.0), (10.4, 6.4, 5.0)
    masks = []
    for raters_own in (0.0, 0.3, -0.3):
        far = sum(((grid[axis] - place[axis]) / (sides[axis] + raters_own)) ** 2 for axis in range(3))
        masks.append((far <= 1).astype(np.uint8))
    as_it_is = 2 * (masks[0] & masks[1].transpose(1, 0, 2)).sum() / (masks[0].sum() + masks[1].sum())
    assert 0.6 < as_it_is < 0.7
    said = warnings_of(tmp_path, [masks[0], masks[1].transpose(1, 0, 2), masks[2]])
    assert "r1.nii fits the others better when turned (axis 0 (left-right) and axis 1" in said
    assert warnings_of(tmp_path, masks).count("fits") == 0
