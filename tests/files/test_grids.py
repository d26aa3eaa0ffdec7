"""Files on one grid, nearly on one grid, and on different ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from .common import AFFINE, SHAPE, files_in, save, shifted

# --- the main job --------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*sizes are taken in microns:fastfuse.FusionWarning")
@pytest.mark.parametrize(("qform", "sform", "units"), [(1, 1, 2), (0, 4, 10), (2, 0, 3), (0, 0, 0)])
def test_geometry_is_kept(tmp_path: Path, masks: np.ndarray, qform: int, sform: int, units: int) -> None:
    paths = []
    for i, mask in enumerate(masks):
        image = nib.Nifti1Image(mask, AFFINE)
        image.set_qform(AFFINE, qform)
        image.set_sform(AFFINE, sform)
        image.header["xyzt_units"] = units
        paths.append(tmp_path / f"r{i}.nii.gz")
        nib.save(image, paths[-1])
    fastfuse.fuse_files(paths, tmp_path / "c.nii.gz")
    first, ours = nib.load(paths[0]), nib.load(tmp_path / "c.nii.gz")
    np.testing.assert_allclose(ours.affine, first.affine, atol=1e-5)
    assert (int(ours.header["qform_code"]), int(ours.header["sform_code"])) == (qform, sform)
    assert int(ours.header["xyzt_units"]) == units
    if qform and sform:
        np.testing.assert_allclose(ours.get_qform(), ours.get_sform(), atol=1e-5)
    assert nib.aff2axcodes(ours.affine) == nib.aff2axcodes(first.affine)


# --- grids ---------------------------------------------------------------------------------------------------


OBLIQUE = np.eye(4)
OBLIQUE[:2, :2] = [[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]]


FLIPPED = np.diag([-1.0, 1, 1, 1])  # axis 0, in place
FLIPPED[0, 3] = SHAPE[0] - 1
EXCHANGED = np.eye(4)[[1, 0, 2, 3]]  # axes 0 and 1


def fuse_two(
    tmp_path: Path, masks: np.ndarray, data: np.ndarray, affine: np.ndarray, **options: Any
) -> fastfuse.Fusion:
    first, second = save(tmp_path / "one.nii.gz", masks[0]), save(tmp_path / "two.nii.gz", data, affine)
    return fastfuse.fuse_files([first, second], tmp_path / "c.nii.gz", **options)


def test_tiny_shift_counts_as_none(tmp_path: Path, masks: np.ndarray) -> None:
    fuse_two(tmp_path, masks, masks[1], shifted(9e-4))


def test_small_shift_is_a_warning(tmp_path: Path, masks: np.ndarray) -> None:
    with pytest.warns(
        fastfuse.FusionWarning, match=r"two.nii.gz and .*one.nii.gz lie 0\.05 mm \(0\.05 voxels\) apart"
    ):
        fuse_two(tmp_path, masks, masks[1], shifted(0.05))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda data: (data, shifted(0.2)),
            r"shape \(14, 18, 11\), but lie 0\.2 mm \(0\.2 voxels\) apart: resample .*, or pass resample='nearest'",
        ),
        (
            lambda data: (data[:-1], shifted(0.5)),
            r"shapes \(13, 18, 11\) and \(14, 18, 11\), and origins 0\.5 mm off a whole number of voxels: resample",
        ),
        (
            lambda data: (data, AFFINE @ np.diag([1, 1, 1.1, 1])),
            r"apart, and have voxels of 1 x 1\.2 x 3\.3 and 1 x 1\.2 x 3 mm: resample",
        ),
        (
            lambda data: (data[:, :, ::2], AFFINE @ np.diag([1, 1, 2, 1])),
            r"shapes .*, and voxels of 1 x 1\.2 x 6 and 1 x 1\.2 x 3 mm: resample",
        ),
        (
            lambda data: (data[:-1], OBLIQUE @ AFFINE),
            r"shapes .*, and axes 5\.7 degrees apart: resample",
        ),
        (
            lambda data: (data[::-1], shifted(0.4) @ FLIPPED),
            r"cover boxes that lie 0\.4 mm apart, and axis 0 is flipped: resample .*, or pass resample='nearest'",
        ),
        (
            lambda data: (data.swapaxes(0, 1), shifted(0.4) @ EXCHANGED),
            r"cover boxes that lie 0\.4 mm apart, and axes 0 and 1 are exchanged: resample .*, or pass resample='nearest'",
        ),
        (
            lambda data: (data[::-1], shifted(5) @ FLIPPED),
            r"apart, and axis 0 is flipped: one header is wrong",
        ),
        (
            lambda data: (inner(data), shifted(5)),
            r"lie 5 mm \(5 voxels\) apart: one header is wrong; or, .* grid=FILE",
        ),
    ],
    ids=[
        "shift",
        "shape",
        "spacing",
        "thick",
        "oblique",
        "flipped",
        "exchanged",
        "flipped and far",
        "whole shift",
    ],
)
def test_other_grid(tmp_path: Path, masks: np.ndarray, change: Any, message: str) -> None:
    data, affine = change(masks[1])
    with pytest.raises(fastfuse.FastfuseError, match=message) as caught:
        fuse_two(tmp_path, masks, np.ascontiguousarray(data), affine)
    assert "two.nii.gz" in str(caught.value)
    assert files_in(tmp_path) == {"one.nii.gz", "two.nii.gz"}


@pytest.mark.parametrize("turn", ["flipped", "exchanged"])
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_a_turned_mask_between_the_voxels_is_resampled_as_it_is_told(
    tmp_path: Path, masks: np.ndarray, turn: str
) -> None:
    """The advice works: what comes out is that of the same mask with its axes as the other's."""
    fuse_two(tmp_path, masks, masks[1], shifted(0.4), resample="nearest")
    expected = np.asarray(nib.load(tmp_path / "c.nii.gz").dataobj)
    data, by = (masks[1][::-1], FLIPPED) if turn == "flipped" else (masks[1].swapaxes(0, 1), EXCHANGED)
    fuse_two(
        tmp_path, masks, np.ascontiguousarray(data), shifted(0.4) @ by, resample="nearest", overwrite=True
    )
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "c.nii.gz").dataobj), expected)


def inner(data: np.ndarray) -> np.ndarray:
    """Return a mask that ends before the volume does."""
    out = np.zeros_like(data)
    out[3:-3, 3:-3, 3:-3] = data[3:-3, 3:-3, 3:-3]
    return out


def test_mask_on_another_grid(tmp_path: Path, paths: list[Path]) -> None:
    brain = save(tmp_path / "brain.nii.gz", np.ones(SHAPE, np.uint8), shifted(5))
    with pytest.raises(fastfuse.GridError, match=r"brain.nii.gz and .*rater1.nii.gz .* lie 5 mm"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", mask=brain)


def test_units_of_other_formats_are_millimetres(tmp_path: Path, masks: np.ndarray) -> None:
    paths = [tmp_path / f"r{i}.mgz" for i in range(2)]
    for path, mask in zip(paths, masks, strict=False):
        nib.save(nib.MGHImage(mask, AFFINE.astype(np.float32)), path)
    fastfuse.fuse_files(paths, tmp_path / "c.nii")
    assert nib.load(tmp_path / "c.nii").header.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize("ending", ["npy", "tif", "mha", "nrrd"])
def test_no_size_is_taken_where_a_grid_is_named(tmp_path: Path, masks: np.ndarray, ending: str) -> None:
    """A file that is put on a named grid has its voxels' size; other doubts about it stay."""
    grid = save(tmp_path / "g.nii", masks[0])
    path = tmp_path / f"a.{ending}"
    sizes = " ".join(map(str, masks[1].shape))
    if ending == "npy":
        np.save(path, masks[1])
    elif ending == "tif":
        pillow = pytest.importorskip("PIL.Image")
        pages = [pillow.fromarray(255 * page) for page in masks[1].T]
        pages[0].save(path, save_all=True, append_images=pages[1:])
    else:
        head = {
            "mha": f"NDims = 3\nDimSize = {sizes}\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n",
            "nrrd": f"NRRD0004\ndimension: 3\ntype: uchar\nsizes: {sizes}\nencoding: raw\n\n",
        }[ending]
        path.write_bytes(head.encode() + masks[1].tobytes(order="F"))
    for job in (
        lambda: fastfuse.fuse_files([grid, path], tmp_path / "c.nii", grid=grid, overwrite=True),
        lambda: fastfuse.evaluate_files(path, grid, grid=grid),
        lambda: fastfuse.soften_files([path], grid, output=tmp_path / "s.nii", grid=grid, overwrite=True),
    ):
        with pytest.warns(fastfuse.FusionWarning) as caught:
            job()
        said = "; ".join(str(one.message) for one in caught)
        assert "is taken to lie on the grid of g.nii" in said
        assert "1 mm is taken" not in said
        assert ("255 is taken as 1" in said) == (ending == "tif")
    with pytest.warns(fastfuse.FusionWarning, match="1 mm is taken"):
        fastfuse.fuse_files([path, path], tmp_path / "c.nii", overwrite=True)


def test_formats_without_a_place_are_given_a_grid(
    tmp_path: Path, paths: list[Path], masks: np.ndarray
) -> None:
    """Nobody is told to copy an affine into a .npy."""
    np.save(tmp_path / "a.npy", masks[1])
    np.save(tmp_path / "t.npy", masks[1].T)
    for first, other in ((paths[0], tmp_path / "a.npy"), (tmp_path / "a.npy", paths[0])):
        with pytest.raises(
            fastfuse.GridError, match=r"a\.npy keeps no place in space: name the grid"
        ) as found:
            fastfuse.fuse_files([first, other], tmp_path / "c.nii")
        assert "affine" not in str(found.value)
    with pytest.raises(fastfuse.GridError, match=r"t\.npy are in another order: transpose it"):
        fastfuse.fuse_files([paths[0], tmp_path / "t.npy"], tmp_path / "c.nii")


@pytest.mark.parametrize(
    ("use", "crop"), [(None, False), ("sform", False), ("qform", False), ("sform", True), ("qform", True)]
)
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_of_forms_that_disagree_both_codes_are_of_the_one_that_is_used(
    tmp_path: Path, use: Literal["qform", "sform"] | None, crop: bool
) -> None:
    """An output lies where one form has it: the other's code, such as MNI's, would call it another space."""
    place, moved = np.diag([1.0, 1, 2, 1]), np.diag([1.0, 1, 2, 1])
    moved[:3, 3] = 7, -5, 4
    paths = []
    for i in range(3):
        image = nib.Nifti1Image((np.random.default_rng(i).random((9, 8, 7)) < 0.4).astype(np.uint8), place)
        image.set_qform(place, 1)
        image.set_sform(moved, 4)
        image = image.slicer[1:] if crop and i == 2 else image
        if crop and i == 2:  # the slicer moves both forms onto the sform's
            begin = np.array([[1.0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
            image.set_qform(place @ begin, 1)
            image.set_sform(moved @ begin, 4)
        paths.append(tmp_path / f"r{i}.nii")
        nib.save(image, paths[-1])
    fastfuse.fuse_files(paths, tmp_path / "c.nii", method="majority", use=use)
    header = nib.load(tmp_path / "c.nii").header
    (qform, qform_code), (sform, sform_code) = header.get_qform(coded=True), header.get_sform(coded=True)
    np.testing.assert_allclose(qform, place if use == "qform" else moved, atol=1e-5)
    np.testing.assert_allclose(sform, qform, atol=1e-5)
    assert qform_code == sform_code == (1 if use == "qform" else 4)
