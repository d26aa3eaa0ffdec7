"""Files of one lattice: cropped, turned, on a grid that is named, resampled on request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.inputs.nearest import resampled

from ..command import run_here
from .common import AFFINE, SHAPE, files_in, save, shifted

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")

WHOLE = tuple(slice(0, extent) for extent in SHAPE)
TURNS = {
    "flip": ((0, 1, 2), (1,)),
    "two flips": ((0, 1, 2), (0, 1)),
    "exchange": ((0, 2, 1), ()),
    "sagittal": ((1, 2, 0), (0, 2)),
    "all reversed": ((2, 1, 0), (0, 1, 2)),
}
TILT = np.eye(4)
TILT[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
OBLIQUE = TILT @ AFFINE


def cropped(data: np.ndarray, box: tuple[slice, ...], affine: np.ndarray = AFFINE) -> tuple[Any, np.ndarray]:
    step = np.eye(4)
    step[:3, 3] = [part.start for part in box]
    return np.ascontiguousarray(data[box]), affine @ step


def turned(data: np.ndarray, affine: np.ndarray, order: Any, reverse: Any) -> tuple[Any, np.ndarray]:
    """The same image, its axes in another order and direction, as another program writes it."""
    step = np.zeros((4, 4))
    step[3, 3] = 1
    for axis, source in enumerate(order):
        step[source, axis] = -1 if axis in reverse else 1
        step[source, 3] = data.shape[source] - 1 if axis in reverse else 0
    return np.ascontiguousarray(np.flip(data.transpose(order), reverse)), affine @ step


def tight(mask: np.ndarray) -> tuple[slice, ...]:
    places = np.argwhere(mask)
    return tuple(slice(int(a), int(b) + 1) for a, b in zip(places.min(0), places.max(0), strict=True))


def balls(*radii: float, centre: tuple[int, ...] = (7, 9, 5), shape: tuple[int, ...] = SHAPE) -> list[Any]:
    distance = sum((np.indices(shape)[axis] - centre[axis]) ** 2 for axis in range(3))
    return [(distance <= radius**2).astype(np.uint8) for radius in radii]


def fused(folder: Path, files: list[Path], **options: Any) -> tuple[np.ndarray, Any, dict[str, Any]]:
    fastfuse.fuse_files(files, folder / "c.nii", overwrite=True, **options)
    image = nib.load(folder / "c.nii")
    return np.asarray(image.dataobj), image.affine, json.loads((folder / "c.json").read_text())


def said(facts: dict[str, Any]) -> str:
    return "\n".join(facts["warnings"])


# --- cropped -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("affine", [AFFINE, OBLIQUE], ids=["straight", "oblique"])
@pytest.mark.parametrize("suffix", [".nii.gz", ".seg.nrrd"])
def test_cropped_raters_come_back(tmp_path: Path, affine: np.ndarray, suffix: str) -> None:
    """On the grid of a mask of the whole volume, the answer is that of the whole files."""
    sitk = pytest.importorskip("SimpleITK")
    masks = balls(3, 4, 4.5)
    brain = save(tmp_path / "brain.nii", np.ones(SHAPE, np.uint8), affine)
    whole = [save(tmp_path / f"w{i}.nii", mask, affine) for i, mask in enumerate(masks)]
    parts = []
    for i, mask in enumerate(masks):
        parts.append(save(tmp_path / f"p{i}.nii.gz", *cropped(mask, tight(mask), affine)))
        if suffix == ".seg.nrrd":
            sitk.WriteImage(sitk.ReadImage(str(parts[-1])), str(tmp_path / f"p{i}{suffix}"), True)
            parts[-1] = tmp_path / f"p{i}{suffix}"
    expected, place, _ = fused(tmp_path, whole, mask=brain)
    probability, found, facts = fused(tmp_path, parts, mask=brain)
    np.testing.assert_array_equal(probability, expected)
    np.testing.assert_allclose(found, place, atol=1e-4)
    assert f"p0{suffix}, p1{suffix}, p2{suffix}: padded with 0 onto the grid of brain.nii" in said(facts)
    assert facts["grid"]["file"] == str(brain)
    assert facts["grid"]["shape"] == list(SHAPE)


@pytest.mark.parametrize("radii", [(2, 3, 4), (4, 2, 3), (3, 4)])
def test_cropped_raters_alone_get_the_box_of_all(tmp_path: Path, radii: tuple[float, ...]) -> None:
    masks = balls(*radii)
    parts = [save(tmp_path / f"p{i}.nii", *cropped(mask, tight(mask))) for i, mask in enumerate(masks)]
    union = tight(np.maximum.reduce(masks))
    same = [save(tmp_path / f"u{i}.nii", *cropped(mask, union)) for i, mask in enumerate(masks)]
    expected, place, _ = fused(tmp_path, same)
    probability, found, facts = fused(tmp_path, parts)
    np.testing.assert_array_equal(probability, expected)
    np.testing.assert_allclose(found, place, atol=1e-5)
    assert Path(facts["grid"]["file"]).name == f"p{int(np.argmax(radii))}.nii"
    assert "padded with 0 onto" in facts["grid"]["placed"][0]


def test_a_box_that_no_file_has(tmp_path: Path) -> None:
    """Slices without marks are left out, as DICOM SEG does: equal shapes at different places."""
    low, high = balls(3, centre=(7, 9, 4))[0], balls(3, centre=(7, 9, 6))[0]
    boxes = [(slice(0, 14), slice(0, 18), slice(*z)) for z in ((1, 8), (3, 10))]
    files = [
        save(tmp_path / f"p{i}.nii", *cropped(mask, box))
        for i, (mask, box) in enumerate(zip((low, high), boxes, strict=True))
    ]
    probability, affine, facts = fused(tmp_path, files)
    assert probability.shape == (14, 18, 9)
    np.testing.assert_allclose(affine[:3, 3], (AFFINE @ [0, 0, 1, 1])[:3], atol=1e-5)
    assert facts["grid"]["file"] is None
    assert "padded with 0 onto the box that holds all, of 14 x 18 x 9 voxels" in said(facts)


@pytest.mark.parametrize("reach", [1, 2])
def test_a_whole_volume_at_another_place_is_no_part(tmp_path: Path, reach: int) -> None:
    """Its content ends before its faces do."""
    first, second = balls(3, 4)
    moved = AFFINE.copy()
    moved[:3, 3] += AFFINE[:3, :3] @ [0, reach, reach]
    files = [save(tmp_path / "a.nii", first), save(tmp_path / "b.nii", second, moved)]
    with pytest.raises(
        fastfuse.GridError, match=r"b\.nii and .*a\.nii have the shape .*: one header is wrong; or"
    ):
        fused(tmp_path, files)
    probability, affine, facts = fused(tmp_path, files, grid=files[0])  # the remedy that is offered
    assert probability.shape == SHAPE
    np.testing.assert_allclose(affine, AFFINE, atol=1e-5)
    assert "b.nii: padded with 0, cropped" in said(facts)


def test_a_mask_that_is_cropped_to_the_brain(tmp_path: Path, masks: np.ndarray, paths: list[Path]) -> None:
    box = (slice(2, 12), slice(3, 15), slice(1, 10))
    brain = np.zeros(SHAPE, np.uint8)
    brain[box] = 1
    expected, _, _ = fused(tmp_path, paths, mask=save(tmp_path / "whole.nii", brain))
    part = save(tmp_path / "part.nii", *cropped(brain, box))
    probability, _, facts = fused(tmp_path, paths, mask=part)
    np.testing.assert_array_equal(probability, expected)
    assert "part.nii: padded with 0 onto the grid of rater1.nii.gz" in said(facts)


def test_present_masks_are_padded_with_not_looked(
    tmp_path: Path, masks: np.ndarray, paths: list[Path]
) -> None:
    box = (slice(0, 14), slice(0, 18), slice(0, 6))
    seen = np.zeros(SHAPE, np.uint8)
    seen[box] = 1
    others = [None] * (len(paths) - 1)
    whole = save(tmp_path / "whole.nii", seen)
    expected, _, _ = fused(tmp_path, paths, present=[whole, *others])
    part = save(tmp_path / "part.nii", *cropped(seen, box))
    probability, _, _ = fused(tmp_path, paths, present=[part, *others])
    np.testing.assert_array_equal(probability, expected)


def test_a_prior_that_covers_less_is_refused(tmp_path: Path, paths: list[Path]) -> None:
    prior = np.full(SHAPE, 0.2, np.float32)
    less = save(tmp_path / "less.nii", *cropped(prior, (slice(0, 14), slice(0, 18), slice(1, 11))))
    with pytest.raises(
        fastfuse.GridError, match=r"less\.nii: the prior covers only a part of .* grid='.*less"
    ):
        fused(tmp_path, paths, prior=less)
    probability, _, facts = fused(tmp_path, paths, prior=less, grid=less)  # the remedy
    assert probability.shape == (14, 18, 10)
    assert "rater1.nii.gz" in said(facts)
    more = np.full((20, 24, 16), 0.2, np.float32)
    around = save(tmp_path / "more.nii", more, cropped(more, (slice(-3, 0),) * 3)[1])
    expected, _, _ = fused(tmp_path, paths, prior=save(tmp_path / "prior.nii", prior))
    np.testing.assert_array_equal(fused(tmp_path, paths, prior=around)[0], expected)


@pytest.mark.parametrize("far", [(200, 0, 0), (100_000, 100_000, 100_000)])
def test_a_part_that_lies_far_away(tmp_path: Path, far: Any) -> None:
    first, second = balls(3, 4)
    moved = AFFINE.copy()
    moved[:3, 3] += AFFINE[:3, :3] @ far
    files = [save(tmp_path / "a.nii", first), save(tmp_path / "b.nii", second[1:], moved)]
    if max(far) < 1000:
        probability, _, facts = fused(tmp_path, files)
        assert probability.shape == (213, 18, 11)
        assert (
            "b.nii: their boxes have no voxel in common with any other file's; are their headers right?"
            in said(facts)
        )
        return
    with pytest.raises(
        fastfuse.GridError, match=r"b\.nii lies 3\.38e\+05 mm away from .*a\.nii: one header is wrong"
    ):
        fused(tmp_path, files)


# --- turned --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("affine", [AFFINE, OBLIQUE], ids=["straight", "oblique"])
def test_turned_raters_come_back(tmp_path: Path, masks: np.ndarray, affine: np.ndarray, turn: str) -> None:
    whole = [save(tmp_path / f"w{i}.nii", mask, affine) for i, mask in enumerate(masks)]
    expected, place, _ = fused(tmp_path, whole)
    other = save(tmp_path / "t.nii", *turned(masks[1], affine, *TURNS[turn]))
    probability, found, facts = fused(tmp_path, [whole[0], other, *whole[2:]])
    np.testing.assert_array_equal(probability, expected)
    np.testing.assert_allclose(found, place, atol=1e-5)
    assert "t.nii: axes turned (" in said(facts)
    assert "onto the grid of w0.nii" in said(facts)


def test_turned_and_cropped(tmp_path: Path) -> None:
    first, second = balls(4.5, 3)
    whole = [save(tmp_path / "a.nii", first), save(tmp_path / "b.nii", second)]
    expected, _, _ = fused(tmp_path, whole)
    part = save(tmp_path / "p.nii", *turned(*cropped(second, tight(second)), *TURNS["sagittal"]))
    probability, _, facts = fused(tmp_path, [whole[0], part])
    np.testing.assert_array_equal(probability, expected)
    assert "reversed), padded with 0 onto the grid of a.nii" in said(facts)


# --- a grid that is named, or an image's ---------------------------------------------------------------------


def test_masks_come_onto_the_image_they_grow_on(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    flair = save(tmp_path / "flair.nii", rng.integers(0, 999, SHAPE).astype(np.int16))
    masks = balls(2, 3)
    whole = [save(tmp_path / f"w{i}.nii", mask) for i, mask in enumerate(masks)]
    parts = [save(tmp_path / f"p{i}.nii", *cropped(mask, tight(mask))) for i, mask in enumerate(masks)]
    expected, place, _ = fused(tmp_path, whole, image=flair, soften=True)
    probability, found, facts = fused(tmp_path, parts, image=flair, soften=True)
    np.testing.assert_array_equal(probability, expected)
    np.testing.assert_allclose(found, place, atol=1e-5)
    assert facts["grid"]["file"] == str(flair)
    small = save(tmp_path / "small.nii", *cropped(np.asarray(nib.load(flair).dataobj), tight(masks[0])))
    with pytest.raises(
        fastfuse.GridError, match=r"w1\.nii: \d+ voxels that are not 0 lie beyond .*small\.nii"
    ):
        fused(tmp_path, whole, image=small, soften=True)
    with pytest.raises(fastfuse.GridError, match=r"small\.nii: the image covers only a part of .*w0\.nii"):
        fused(tmp_path, whole, image=small, soften=True, grid=whole[0])
    _, _, facts = fused(tmp_path, whole, image=small, soften=True, grid=small)
    assert "w1.nii: cropped by 6 voxels that are not 0 onto the grid of small.nii" in said(facts)


def test_soft_masks_lie_on_the_image(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    flair = save(tmp_path / "flair.nii", rng.integers(0, 999, SHAPE).astype(np.int16))
    mask = balls(3)[0]
    whole = save(tmp_path / "w.nii", mask)
    part = save(tmp_path / "p.nii", *turned(*cropped(mask, tight(mask)), *TURNS["flip"]))
    fastfuse.soften_files([whole, part], flair, out_dir=tmp_path / "soft")
    one, other = (nib.load(tmp_path / "soft" / name) for name in ("w.nii", "p.nii"))
    np.testing.assert_array_equal(np.asarray(other.dataobj), np.asarray(one.dataobj))
    np.testing.assert_allclose(other.affine, one.affine, atol=1e-5)
    grids = [json.loads((tmp_path / "soft" / f"{name}.json").read_text())["grid"] for name in ("w", "p")]
    assert [Path(grid["file"]).name for grid in grids] == ["w.nii", "flair.nii"]


def test_named_grid_is_that_of_the_output(tmp_path: Path, paths: list[Path]) -> None:
    data, affine = turned(np.zeros((20, 24, 13), np.int16), shifted(0), *TURNS["sagittal"])
    atlas = save(tmp_path / "atlas.nii", data, affine)
    probability, found, facts = fused(tmp_path, paths, grid=atlas)
    assert probability.shape == data.shape
    np.testing.assert_allclose(found, affine, atol=1e-4)
    assert facts["grid"] | {"affine": None} == {
        "file": str(atlas),
        "shape": list(data.shape),
        "affine": None,
        "placed": facts["grid"]["placed"],
    }
    direct, _, _ = fused(
        tmp_path, [save(tmp_path / f"o{i}.nii", *_onto(path)) for i, path in enumerate(paths)]
    )
    np.testing.assert_array_equal(probability, turned(direct, affine, *TURNS["sagittal"])[0])


def _onto(path: Path) -> tuple[np.ndarray, np.ndarray]:
    out = np.zeros((20, 24, 13), np.uint8)
    out[WHOLE] = np.asarray(nib.load(path).dataobj)
    return out, AFFINE


# --- between the voxels --------------------------------------------------------------------------------------


def tilted_in_place() -> np.ndarray:
    """Return the affine of a volume that is tilted about its middle."""
    middle = (np.array(SHAPE) - 1) / 2
    affine = OBLIQUE.copy()
    affine[:3, 3] = AFFINE[:3, :3] @ middle + AFFINE[:3, 3] - affine[:3, :3] @ middle
    return affine


@pytest.mark.parametrize("affine", [shifted(0.4), AFFINE @ np.diag([0.7, 1.3, 1.1, 1]), tilted_in_place()])
def test_nearest_on_request_alone(tmp_path: Path, masks: np.ndarray, affine: np.ndarray) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    first, other = save(tmp_path / "a.nii", masks[0]), save(tmp_path / "b.nii", masks[1], affine)
    with pytest.raises(fastfuse.GridError, match=r"resample='nearest'$"):
        fused(tmp_path, [first, other])
    assert files_in(tmp_path) == {"a.nii", "b.nii"}
    step = np.linalg.inv(affine) @ AFFINE
    expected = ndimage.affine_transform(
        masks[1], step[:3, :3], step[:3, 3], output_shape=SHAPE, order=0, mode="grid-constant", cval=0
    )
    assert expected.any()
    done = save(tmp_path / "d.nii", expected)
    by_hand, _, _ = fused(tmp_path, [first, done], method="majority")
    probability, _, facts = fused(tmp_path, [first, other], method="majority", resample="nearest")
    assert np.mean(probability != by_hand) < 0.002  # ties of distance
    assert "b.nii: resampled by the nearest voxel onto the grid of a.nii" in said(facts)


@pytest.mark.parametrize(("fine", "coarse"), [(0.3, 0.45), (0.7, 1.05), (0.4, 0.6)])
def test_the_middle_of_two_voxels_goes_up_for_sides_in_single_precision(fine: float, coarse: float) -> None:
    data = np.arange(600, dtype=np.int16).reshape(-1, 1, 1)
    grids = [np.diag([np.float32(side), 1, 1, 1]).astype(float) for side in (fine, coarse)]
    found, _ = resampled(data, grids[0], (400, 1, 1), grids[1])
    np.testing.assert_array_equal(found.ravel(), np.floor(1.5 * np.arange(400) + 0.5))


# --- the shell, and evaluate ---------------------------------------------------------------------------------


def test_shell_has_all_three(tmp_path: Path, masks: np.ndarray) -> None:
    save(tmp_path / "a.nii", masks[0])
    save(tmp_path / "b.nii", masks[1], shifted(0.4))
    refused = run_here(tmp_path, "fuse", "a.nii", "b.nii", "-o", "c.nii")
    assert refused.returncode == 2
    assert "or pass --resample nearest" in refused.stderr
    done = run_here(
        tmp_path, "fuse", "a.nii", "b.nii", "-o", "c.nii", "--resample", "nearest", "--grid", "b.nii"
    )
    assert done.returncode == 0, done.stderr
    assert "a.nii: resampled by the nearest voxel onto the grid of b.nii" in done.stderr.replace("\n", " ")


@pytest.mark.parametrize("turn", TURNS)
def test_evaluate_places_its_files(tmp_path: Path, turn: str) -> None:
    first, second = balls(4, 4.5)
    whole = fastfuse.evaluate_files(save(tmp_path / "a.nii", first), save(tmp_path / "b.nii", second))
    part = save(tmp_path / "p.nii", *turned(*cropped(second, tight(second)), *TURNS[turn]))
    found = fastfuse.evaluate_files(tmp_path / "a.nii", part)
    assert found.dice == whole.dice
    assert found.hd95_mm == pytest.approx(whole.hd95_mm)
    assert found.truth_ml == pytest.approx(whole.truth_ml)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"grid": 3}, "grid is of type int"),
        ({"resample": "linear"}, "resample is 'linear': it must be 'none' or 'nearest'"),
        ({"use": "both"}, "use is 'both': it must be 'qform' or 'sform'"),
        ({"grid": "not there.nii"}, "not there.nii: no such file"),
    ],
)
def test_wrong_words(paths: list[Path], tmp_path: Path, option: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        fastfuse.fuse_files(paths, tmp_path / "c.nii", **option)


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    masks = balls(3, 4)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    files = [save(tmp_path / "a" / "case.nii", masks[0])]
    files.append(save(tmp_path / "b" / "case.nii", *cropped(masks[1], tight(masks[1]))))
    _, _, facts = fused(tmp_path, files)
    assert "b/case.nii: padded with 0 onto the grid of a/case.nii" in said(facts)
