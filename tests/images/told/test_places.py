"""What readers take of a place that a header does not say: told, and named where grids differ; the remedies work."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..segmentations import dicom_seg

SHAPE = (8, 7, 6)
AFFINE = np.array([[1.0, 0, 0, -10], [0, 1.2, 0, 7], [0, 0, 2, 3], [0, 0, 0, 1]])
MASKS = [(np.random.default_rng(seed).random(SHAPE) < 0.4).astype(np.uint8) for seed in range(3)]
DIRECTIONS = "space directions: (1,0,0) (0,1.2,0) (0,0,2)\nspace origin: (-10,7,3)\n"
LPS = "TransformMatrix = -1 0 0 0 -1 0 0 0 1\nOffset = 10 -7 3\n"


def nifti(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def nrrd(path: Path, data: np.ndarray, fields: str) -> Path:
    sizes = " ".join(map(str, data.shape))
    head = f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: {sizes}\nencoding: raw\n{fields}\n"
    path.write_bytes(head.encode() + data.tobytes(order="F"))
    return path


def meta(path: Path, data: np.ndarray, fields: str) -> Path:
    sizes = " ".join(map(str, data.shape))
    head = f"ObjectType = Image\nNDims = 3\n{fields}DimSize = {sizes}\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    path.write_bytes(head.encode() + data.tobytes(order="F"))
    return path


def fused(paths: Sequence[Path], **options: Any) -> tuple[Any, str]:
    """Return the consensus, and what was said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = fastfuse.fuse_files(
            paths, paths[0].parent / "out.nii", method="majority", overwrite=True, **options
        )
    return result, "; ".join(str(one.message) for one in caught)


def consensus(folder: Path) -> np.ndarray:
    return np.asarray(nib.load(folder / "out.nii").dataobj)


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("space dimension: 3\n", "its header names no space: taken as left-posterior-superior"),
        ("space:\n", "its header names no space: taken as left-posterior-superior"),
        ("", "its header names no space: taken as left-posterior-superior"),
        ("space: scanner-xyz\n", "its space is 'scanner-xyz': taken as left-posterior-superior"),
        ("space: 3D-left-handed\n", "its space is '3d-left-handed': taken as left-posterior-superior"),
    ],
)
def test_a_space_that_is_taken(tmp_path: Path, space: str, said: str) -> None:
    """It is told, and named where it may be why grids differ; with the space in the header they are one."""
    pair = [nrrd(tmp_path / f"{i}.nrrd", MASKS[i], space + DIRECTIONS) for i in range(2)]
    assert said in fused(pair)[1].replace("each: ", "")
    first = nifti(tmp_path / "a.nii", MASKS[0])
    with pytest.raises(
        fastfuse.GridError, match=rf"of .*1\.nrrd: {said}; if that is wrong, correct its header"
    ):
        fused([first, pair[1]])
    with pytest.raises(fastfuse.GridError, match=said):
        fastfuse.evaluate_files(first, pair[1])
    mended = nrrd(tmp_path / "1.nrrd", MASKS[1], "space: right-anterior-superior\n" + DIRECTIONS)
    assert "taken as" not in fused([first, mended])[1]


@pytest.mark.parametrize(
    ("name", "fields", "place"),
    [
        ("b.mha", LPS, ""),
        ("b.mha", "Offset = 10 -7 3\n", ""),
        ("b.mha", "", ", and does not say where it lies"),
        ("b.nrrd", "space: RAS\nspace origin: (-10,7,3)\n", ", and does not say where it lies"),
        ("b.nrrd", "", ", and does not say where it lies"),
    ],
)
def test_no_voxel_size(tmp_path: Path, name: str, fields: str, place: str) -> None:
    """A header without one is told of, not to be resampled; --grid places its voxels, as its header turns them."""
    first = nifti(tmp_path / "a.nii", MASKS[0])
    make = meta if name.endswith(".mha") else nrrd
    other = make(tmp_path / name, MASKS[1], fields)
    with pytest.raises(
        fastfuse.GridError, match=rf"b\.\w+ gives no voxel size{place}; write it there, or name the grid"
    ) as refused:
        fused([first, other])
    assert "resampl" not in str(refused.value)
    if "Offset" in fields and "Transform" not in fields:  # turned against the grid
        assert (
            "b.mha: axes turned (axes 0, 1 reversed), padded with 0, cropped by"
            in fused([first, other], grid=first)[1]
        )
        return
    _, said = fused([first, other], grid=first)
    assert "its voxel size is taken from the grid of a.nii" in said or "no place of its own" in said
    np.testing.assert_array_equal(consensus(tmp_path), (MASKS[0] + MASKS[1]) / 2)


def test_a_place_without_a_size_counts(tmp_path: Path) -> None:
    """A part of the volume lies where its header says, in voxels of the grid that is named."""
    first = nifti(tmp_path / "a.nii", MASKS[0])
    part = meta(tmp_path / "b.mha", MASKS[1][3:, 1:], LPS.replace("10 -7 3", "7 -8.2 3"))
    fused([first, part], grid=first)
    whole = np.zeros(SHAPE)
    whole[3:, 1:] = MASKS[1][3:, 1:]
    np.testing.assert_array_equal(consensus(tmp_path), (MASKS[0] + whole) / 2)


@pytest.mark.parametrize("resample", ["none", "nearest"])
@pytest.mark.parametrize("shape", [(4, 4, 4), SHAPE])
@pytest.mark.parametrize("side", [1, 2, 1.3])
def test_boxes_that_do_not_meet(tmp_path: Path, resample: Any, shape: tuple[int, ...], side: float) -> None:
    paths = [nifti(tmp_path / f"{i}.nii", MASKS[i]) for i in range(2)]
    far = AFFINE @ np.diag([side, side, side, 1])
    far[:3, 3] += 500
    grid = nifti(tmp_path / "g.nii", np.zeros(shape, np.uint8), far)
    with pytest.raises(fastfuse.GridError, match="no voxel in common: one header is wrong") as refused:
        fused(paths, grid=grid, resample=resample)
    assert "resampl" not in str(refused.value)
    with pytest.raises(fastfuse.GridError, match="no voxel in common"):
        fastfuse.evaluate_files(*paths, grid=grid, resample=resample)


def pixdim_of(path: Path, sides: Sequence[float], *, qform_code: int = 0) -> Path:
    image = nib.Nifti1Image(MASKS[1], AFFINE)
    image.set_sform(AFFINE, 1)
    image.set_qform(AFFINE if qform_code else None, qform_code)
    header = image.header
    header["pixdim"][1:4], header["vox_offset"], header["magic"] = sides, 352, b"n+1"
    path.write_bytes(header.binaryblock + bytes(4) + MASKS[1].tobytes(order="F"))
    return path


def test_pixdim_against_the_sform(tmp_path: Path) -> None:
    first = nifti(tmp_path / "a.nii", MASKS[0])
    _, said = fused([first, pixdim_of(tmp_path / "b.nii", (3, 3, 3))])
    assert "its voxel size (pixdim 3, 3, 3) contradicts that of its sform (1, 1.2, 2), which is taken" in said
    _, said = fused([first, pixdim_of(tmp_path / "b.nii", (1, 1.2, 2))])
    assert "pixdim" not in said


@pytest.mark.parametrize(("kind", "bits", "name"), [(4, 8, "int16"), (16, 8, "float32"), (2, 32, "uint8")])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_bitpix_that_fits_the_file(tmp_path: Path, kind: int, bits: int, name: str, ending: str) -> None:
    """It is named, be the file too short or too long for its datatype."""
    import gzip

    plain = nifti(tmp_path / "plain.nii", MASKS[1].astype({8: np.uint8, 32: np.float32}[bits]))
    content = bytearray(plain.read_bytes())
    content[70:72], content[72:74] = np.int16(kind).tobytes(), np.int16(bits).tobytes()
    path = tmp_path / f"b{ending}"
    path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    said = rf"its datatype \({name}\) contradicts its bitpix \({bits}\), which fits the file"
    with pytest.raises(fastfuse.ImageError, match=said):
        fused([nifti(tmp_path / "a.nii", MASKS[0]), path])


def frames_of(path: Path, mask: np.ndarray, uid: str) -> Path:
    return dicom_seg(path, {"lesion": mask}, FrameOfReferenceUID=uid)


def test_frames_of_reference(tmp_path: Path) -> None:
    """Files of another one than the first's are named in one line; files of one are not."""
    pytest.importorskip("pydicom")
    paths = [frames_of(tmp_path / f"{i}.dcm", MASKS[i], uid) for i, uid in enumerate(["1.2", "1.2", "9.9"])]
    _, said = fused(paths)
    assert said.count("FrameOfReferenceUID") == 1
    assert "2.dcm and 0.dcm, 1.dcm have different frames of reference" in said
    assert "FrameOfReferenceUID" not in fused(paths[:2])[1]
