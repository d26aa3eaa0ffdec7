"""What follows the header, or the voxels, of a file: refused where it would be read as voxels, else said."""

from __future__ import annotations

import bz2
import gzip
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.images.reading import read

SHAPE = (6, 5, 4)
VOXELS = (np.indices(SHAPE).sum(axis=0) % 3 == 0).astype(np.uint8)
RAW = VOXELS.tobytes(order="F")
META = b"NDims = 3\nDimSize = 6 5 4\nElementSpacing = 1 1 2\nElementType = MET_UCHAR\nCompressedData = %b\nElementDataFile = %b\n"
NRRD = b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 6 5 4\nspacings: 1 1 2\nencoding: %b\n%b\n"
LOCAL, PACKED = META % (b"False", b"LOCAL"), META % (b"True", b"LOCAL")


def nifti(packed: str = "") -> bytes:
    content = nib.Nifti1Image(VOXELS, np.diag([1, 1, 2, 1])).to_bytes()
    return {"": content, "gz": gzip.compress(content, mtime=0), "bz2": bz2.compress(content)}[packed]


def numpy_file() -> bytes:
    header = b"\x93NUMPY\1\0v\0{'descr': '|u1', 'fortran_order': True, 'shape': (6, 5, 4), }"
    return header + b" " * (127 - len(header)) + b"\n" + RAW


ENDINGS = {  # a file of each kind, to which something is added
    "a.mha": LOCAL + RAW,
    "packed.mha": PACKED + zlib.compress(RAW),
    "a.nrrd": NRRD % (b"raw", b"") + RAW,
    "bzip2.nrrd": NRRD % (b"bzip2", b"") + bz2.compress(RAW),
    "a.nii": nifti(),
    "a.npy": numpy_file(),
}


def remark_on(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    found = read(path)
    np.testing.assert_array_equal(found.data, VOXELS)
    return found.remark or ""


@pytest.mark.parametrize("name", ENDINGS)
def test_any_number_of_bytes_behind_is_said(name: str, tmp_path: Path) -> None:
    path, whole = tmp_path / name, ENDINGS[name]
    for harmless in (b"", b"\n", b"\r\n"):
        assert "follow" not in remark_on(path, whole + harmless)
    for behind, told in (
        (b"\0", "1 byte follows the last voxel: is"),
        (b"\n\n", "2 bytes follow the last voxel: is"),
        (bytes(19), "19 bytes follow the last voxel: is"),
        (bytes(30), "30 bytes follow the last voxel, at least a slice: is"),
    ):
        assert told in remark_on(path, whole + behind)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.mha", PACKED + zlib.compress(RAW + b"abc")),
        ("a.nrrd", NRRD % (b"gzip", b"") + gzip.compress(RAW + b"abc", mtime=0)),
        ("b.nrrd", NRRD % (b"bzip2", b"") + bz2.compress(RAW[:50]) + bz2.compress(RAW[50:] + b"abc")),
        ("c.nrrd", NRRD % (b"text", b"") + b" ".join(b"%d" % value for value in RAW + b"abc")),
        ("d.nrrd", NRRD % (b"hex", b"") + (RAW + b"abc").hex().encode()),
        ("a.nii.gz", gzip.compress(nifti() + b"abc", mtime=0)),
        ("a.nii.bz2", bz2.compress(nifti() + b"abc")),
    ],
)
def test_bytes_that_are_packed_too(name: str, content: bytes, tmp_path: Path) -> None:
    assert "3 bytes follow the last voxel: is its header right?" in remark_on(tmp_path / name, content)


def test_bytes_in_files_beside(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(RAW + b"abc")
    for name, header in (
        ("a.mhd", META % (b"False", b"a.raw")),
        ("a.nhdr", NRRD % (b"raw", b"data file: a.raw\n")),
    ):
        assert "3 bytes follow the last voxel" in remark_on(tmp_path / name, header)
    nib.save(nib.Nifti1Pair(VOXELS, np.eye(4)), tmp_path / "b.hdr")
    assert "follow" not in (read(tmp_path / "b.hdr").remark or "")
    with (tmp_path / "b.img").open("ab") as file:
        file.write(b"abc")
    assert "3 bytes follow the last voxel" in (read(tmp_path / "b.hdr").remark or "")


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.nii.gz", nifti("gz")), ("a.nrrd", NRRD % (b"gzip", b"") + gzip.compress(RAW, mtime=0))],
)
def test_what_follows_gzip_data(name: str, content: bytes, tmp_path: Path) -> None:
    """Zeros are padding, and another stream goes on; else the data are complete, and are not called cut short."""
    path = tmp_path / name
    assert "follow" not in remark_on(path, content + bytes(9))
    path.write_bytes(content + b"garbage")
    with pytest.raises(
        fastfuse.ImageError, match="7 bytes behind its compressed data belong to nothing: cut off"
    ):
        read(path)
    path.write_bytes(content[:-4])
    with pytest.raises(fastfuse.ImageError, match="is it a complete image file"):
        read(path)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("name", "header", "line", "voxels"),
    [
        ("a.mha", LOCAL, b"CenterOfRotation = 5 5 5", RAW),
        ("a.mha", LOCAL, b"Comment=x", RAW),
        ("a.mha", PACKED, b"CompressedDataSize = 50", zlib.compress(RAW)),
        ("a.nrrd", NRRD % (b"raw", b""), b'space units: "mm" "mm" "mm"', RAW),
        ("a.nrrd", NRRD % (b"gzip", b""), b"key:=value", gzip.compress(RAW, mtime=0)),
    ],
)
def test_fields_where_voxels_must_begin(
    name: str, header: bytes, line: bytes, voxels: bytes, end: bytes, tmp_path: Path
) -> None:
    """Their text would be read as voxels, and all voxels be shifted; the remedy works."""
    path = tmp_path / name
    path.write_bytes(header + line + end + b"AnatomicalOrientation = RAI\n" + voxels)
    with pytest.raises(
        fastfuse.ImageError, match=r"follows .*, where its voxels must begin: move that line up"
    ):
        read(path)
    *lines, last = header.splitlines(keepends=True)
    assert remark_on(path, b"".join([*lines, line, b"\n", last]) + voxels) is not None


@pytest.mark.parametrize(("name", "header"), [("a.mha", LOCAL), ("a.nrrd", NRRD % (b"raw", b""))])
def test_an_empty_line_where_voxels_must_begin(name: str, header: bytes, tmp_path: Path) -> None:
    for end in (b"\n", b"\r\n"):
        (tmp_path / name).write_bytes(header + end + RAW)
        with pytest.raises(
            fastfuse.ImageError, match=r"an empty line follows its header, .*: delete that line"
        ):
            read(tmp_path / name)


def test_fields_behind_the_last_one_of_a_header_alone(tmp_path: Path) -> None:
    """Nobody reads them: those that count are refused, others are said."""
    (tmp_path / "a.raw").write_bytes(RAW)
    meta = META % (b"False", b"a.raw")
    assert "is not read (Comment)" in remark_on(tmp_path / "a.mhd", meta + b"Comment = x\n")
    assert "is not read" in remark_on(tmp_path / "a.mhd", meta + b"ElementSpacing = 1 1 2")
    nrrd = NRRD % (b"raw", b"data file: a.raw\n")
    assert remark_on(tmp_path / "a.nhdr", nrrd + b"notes: x\n") == remark_on(tmp_path / "a.nhdr", nrrd)
    for name, content in (
        ("a.mhd", meta + b"ElementSpacing = 1 1 9\n"),
        ("a.mhd", meta + b"Comment = x\nOffset = 1 2 3\n"),
        ("a.nhdr", nrrd + b"spacings: 1 1 9\n"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(fastfuse.ImageError, match=r"behind which nothing is read: move that line up"):
            read(tmp_path / name)


def test_voxels_at_the_end_by_the_header(tmp_path: Path) -> None:
    """HeaderSize -1 says that voxels are the end of the file, whatever lies before them."""
    header = LOCAL.replace(b"ElementType", b"HeaderSize = -1\nElementType")
    assert "is not read (Comment)" in remark_on(tmp_path / "a.mha", header + b"Comment = x\n" + RAW)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_an_extension_where_voxels_begin(kind: type, tmp_path: Path) -> None:
    """Its bytes would be read as voxels, if vox_offset leaves no room for it; the remedy works."""
    image = kind(VOXELS, np.diag([1, 1, 2, 1]))
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"text"))
    content, field = bytearray(image.to_bytes()), 108 if kind is nib.Nifti1Image else 168
    letter = "<f4" if kind is nib.Nifti1Image else "<i8"
    wrong = image.header.single_vox_offset
    right = int(np.frombuffer(content, letter, 1, field)[0])
    assert right == wrong + 16
    path = tmp_path / "a.nii"
    assert remark_on(path, bytes(content)) is not None
    content[field : field + np.dtype(letter).itemsize] = np.array(wrong, letter).tobytes()
    path.write_bytes(content)
    with pytest.raises(
        fastfuse.ImageError, match=f"an extension of 16 bytes where .*: set vox_offset to {right} if"
    ):
        read(path)
