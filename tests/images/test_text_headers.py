"""MetaImage and NRRD files: the same voxels in the same places as ITK reads, and damage refused."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.images import reading

sitk = pytest.importorskip("SimpleITK")

SHAPE = (5, 4, 3)
TYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


def turned(seed: int) -> Any:
    """An image on an oblique grid."""
    rng = np.random.default_rng(seed)
    image = sitk.GetImageFromArray(rng.integers(0, 100, SHAPE[::-1]).astype(np.int16))
    matrix, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    image.SetDirection(matrix.ravel())
    image.SetSpacing(rng.uniform(0.5, 3, 3))
    image.SetOrigin(rng.uniform(-90, 90, 3))
    return image


def assert_as_itk(path: Path) -> reading.Image:
    """Compare with ITK."""
    expected, found = sitk.ReadImage(str(path)), reading.read(path)
    world = expected.GetDimension()
    affine = np.eye(4)
    affine[:world, :world] = np.reshape(expected.GetDirection(), (world, world)) * expected.GetSpacing()
    affine[:world, 3] = expected.GetOrigin()
    np.testing.assert_allclose(found.affine, np.diag([-1.0, -1, 1, 1]) @ affine, atol=1e-9)
    values = sitk.GetArrayFromImage(expected).T
    np.testing.assert_array_equal(found.data, values if world == 3 else values[..., None])
    assert found.data.dtype.newbyteorder("=") == values.dtype
    return found


@pytest.mark.parametrize("name", ["a.mha", "a.mhd", "a.nrrd", "a.nhdr"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", TYPES)
def test_types_and_layouts(tmp_path: Path, name: str, packed: bool, kind: str) -> None:
    image = sitk.GetImageFromArray(np.random.default_rng(1).integers(0, 100, SHAPE[::-1]).astype(kind))
    image.CopyInformation(turned(2))
    sitk.WriteImage(image, str(tmp_path / name), packed)
    assert assert_as_itk(tmp_path / name).remark is None


@pytest.mark.parametrize("name", ["a.mha", "a.nrrd"])
@pytest.mark.parametrize("seed", range(5))
def test_oblique_grids(tmp_path: Path, name: str, seed: int) -> None:
    sitk.WriteImage(turned(seed), str(tmp_path / name))
    assert_as_itk(tmp_path / name)


@pytest.mark.parametrize("name", ["a.mha", "a.nrrd"])
def test_two_dimensions_are_one_slice(tmp_path: Path, name: str) -> None:
    image = sitk.GetImageFromArray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    image.SetSpacing((2, 3))
    image.SetOrigin((5, 7))
    sitk.WriteImage(image, str(tmp_path / name))
    assert assert_as_itk(tmp_path / name).data.shape == (4, 3, 1)


@pytest.mark.parametrize("name", ["a.mha", "a.nrrd"])
def test_one_frame_is_dropped(tmp_path: Path, name: str) -> None:
    flat = sitk.GetImageFromArray(np.arange(60, dtype=np.uint8).reshape(3, 4, 5))
    sitk.WriteImage(sitk.JoinSeries([flat]), str(tmp_path / name))
    found = reading.read(tmp_path / name)
    np.testing.assert_array_equal(found.data, np.arange(60).reshape(3, 4, 5).T)


VALUES = np.arange(60, dtype=np.uint8).reshape(3, 4, 5).T  # (x, y, z)
FLAT = VALUES.ravel(order="F")
META = "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
REST = "ElementSpacing = 1 2 3\nOffset = 1 2 3\nDimSize = 5 4 3\nElementType = MET_UCHAR\n"
NRRD = "NRRD0004\n# made by hand\ntype: uchar\ndimension: 3\nsizes: 5 4 3\n"
SPACE = "space: left-posterior-superior\nspace directions: (1,0,0) (0,2,0) (0,0,3)\nspace origin: (1,2,3)\n"


def of_text(tmp_path: Path, name: str, header: str, content: bytes = b"", **beside: bytes) -> Path:
    for other, values in beside.items():
        (tmp_path / other.replace("_", ".")).write_bytes(values)
    (tmp_path / name).write_bytes(header.encode() + content)
    return tmp_path / name


@pytest.mark.parametrize(
    ("name", "header", "content"),
    [
        ("local.mha", META + REST + "ElementDataFile = LOCAL\n", FLAT.tobytes()),
        ("a.mhd", META + REST + "ElementDataFile = v.raw\n", b""),
        ("skip.mhd", META + REST + "HeaderSize = 7\nElementDataFile = s.raw\n", b""),
        ("end.mhd", META + REST + "HeaderSize = -1\nElementDataFile = s.raw\n", b""),
        ("list.mhd", META + REST + "ElementDataFile = LIST\n0.raw\n1.raw\n2.raw\n", b""),
        ("pattern.mhd", META + REST + "ElementDataFile = %d.raw 0 2 1\n", b""),
        ("zip.mhd", META + "CompressedData = True\n" + REST + "ElementDataFile = v.zraw\n", b""),
        ("a.nrrd", NRRD + SPACE + "encoding: raw\n\n", FLAT.tobytes()),
        ("text.nrrd", NRRD + SPACE + "encoding: text\n\n", " ".join(map(str, FLAT)).encode()),
        ("hex.nrrd", NRRD + SPACE + "encoding: hex\n\n", FLAT.tobytes().hex().encode()),
        ("gz.nrrd", NRRD + SPACE + "encoding: gzip\n\n", gzip.compress(FLAT.tobytes(), mtime=0)),
        ("a.nhdr", NRRD + SPACE + "encoding: raw\ndata file: v.raw\n", b""),
        ("skip.nhdr", NRRD + SPACE + "encoding: raw\nbyte skip: 7\ndata file: s.raw\n", b""),
        ("end.nhdr", NRRD + SPACE + "encoding: raw\nbyte skip: -1\ndata file: s.raw\n", b""),
        ("list.nhdr", NRRD + SPACE + "encoding: raw\ndata file: LIST\n0.raw\n1.raw\n2.raw\n", b""),
        ("pattern.nhdr", NRRD + SPACE + "encoding: raw\ndata file: %d.raw 0 2 1\n", b""),
        ("line.nrrd", NRRD + SPACE + "encoding: raw\nline skip: 1\n\n", b"# by a scanner\n" + FLAT.tobytes()),
        ("alias.nrrd", NRRD + SPACE + "encoding: raw\nlineskip: 1\n\n", b"# scanner\n" + FLAT.tobytes()),
        ("return.nrrd", NRRD + SPACE + "encoding: raw\nline skip: 2\n\n", b"a\rb\r" + FLAT.tobytes()),
        ("crlf.nrrd", NRRD + SPACE + "encoding: raw\nline skip: 1\n\n", b"a\r\n" + FLAT.tobytes()),
        (
            "both.nrrd",
            NRRD + SPACE + "encoding: raw\nline skip: 2\nbyte skip: 3\n\n",
            b"a\nb\nxyz" + FLAT.tobytes(),
        ),
        ("last.nrrd", NRRD + SPACE + "encoding: raw\nbyte skip: -1\n\n", b"abc" + FLAT.tobytes()),
        (
            "lines.nrrd",
            NRRD + SPACE + "encoding: text\nline skip: 1\n\n",
            b"abc\n" + " ".join(map(str, FLAT)).encode(),
        ),
        (
            "bytes.nrrd",
            NRRD + SPACE + "encoding: hex\nline skip: 1\nbyte skip: 3\n\n",
            b"abc\nxyz" + FLAT.tobytes().hex().encode(),
        ),
        (
            "packed.nrrd",
            NRRD + SPACE + "encoding: gzip\nline skip: 1\nbyte skip: 3\n\n",
            b"abc\n" + gzip.compress(b"xyz" + FLAT.tobytes(), mtime=0),
        ),
        ("line.nhdr", NRRD + SPACE + "encoding: raw\nline skip: 1\ndata file: l.raw\n", b""),
        ("zero.mha", META + REST + "HeaderSize = 0\nElementDataFile = LOCAL\n", FLAT.tobytes()),
        ("last.mha", META + REST + "HeaderSize = -1\nElementDataFile = LOCAL\n", b"abc" + FLAT.tobytes()),
        ("las.nrrd", NRRD + SPACE.replace("posterior", "anterior") + "encoding: raw\n\n", FLAT.tobytes()),
        ("spacings.nrrd", NRRD + "spacings: 1 2 3\nencoding: raw\n\n", FLAT.tobytes()),
    ],
)
def test_ways_to_keep_values(tmp_path: Path, name: str, header: str, content: bytes) -> None:
    beside = {f"{k}_raw": FLAT[20 * k : 20 * k + 20].tobytes() for k in range(3)}
    beside |= {
        "v_raw": FLAT.tobytes(),
        "s_raw": b"1234567" + FLAT.tobytes(),
        "l_raw": b"a line\n" + FLAT.tobytes(),
        "v_zraw": zlib.compress(FLAT.tobytes()),
    }
    path = of_text(tmp_path, name, header, content, **beside)
    np.testing.assert_array_equal(assert_as_itk(path).data, VALUES)


def test_bzip2(tmp_path: Path) -> None:
    import bz2

    path = of_text(tmp_path, "a.nrrd", NRRD + SPACE + "encoding: bzip2\n\n", bz2.compress(FLAT.tobytes()))
    np.testing.assert_array_equal(reading.read(path).data, VALUES)


def test_skipped_bytes_are_no_header(tmp_path: Path) -> None:
    """Voxels behind a skipped line are those of the same mask without one, where that line is longer than the first."""
    plain = of_text(tmp_path, "a.nrrd", NRRD + SPACE + "encoding: raw\n\n", (FLAT > 30).tobytes())
    header = NRRD + SPACE + "encoding: raw\nline skip: 1\n\n"
    skips = of_text(tmp_path, "b.nrrd", header, b"# exported by a scanner\n" + (FLAT > 30).tobytes())
    with pytest.warns(fastfuse.FusionWarning, match="no voxel is in doubt"):
        fusion = fastfuse.fuse_files([plain, skips], tmp_path / "c.nii", method="majority")
    np.testing.assert_array_equal(fusion.probability, VALUES > 30)


@pytest.mark.parametrize("skip", [-1, 0, 1, 10, 149, 150, 151, 1000])
def test_header_sizes_that_are_followed(tmp_path: Path, skip: int) -> None:
    """ITK takes voxels from where HeaderSize says: those that would be others are refused."""
    header = meta("ObjectType", f"HeaderSize = {skip}\nObjectType")
    skip_to = str(len(header))
    for text in (header, header.replace(f"= {skip}\nObj", f"= {skip_to}\nObj")):
        path = of_text(tmp_path, "a.mha", text, FLAT.tobytes())
        try:
            found = reading.read(path)
        except fastfuse.ImageError as error:
            assert "leave HeaderSize out" in str(error)  # noqa: PT017 - either is right
            continue
        np.testing.assert_array_equal(found.data, sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T)


def meta(old: str = "", new: str = "", file: str = "LOCAL") -> str:
    text = META + REST + f"ElementDataFile = {file}\n"
    assert old in text
    return text.replace(old, new)


def nrrd(old: str = "", new: str = "") -> str:
    text = NRRD + SPACE + "encoding: raw\n\n"
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (meta("NDims = 3", "NDims = 200"), "NDims is 200"),
        (meta("NDims = 3", "NDims = -1"), "NDims is -1"),
        (meta("NDims = 3", "NDims = 1000000000000000000000"), "NDims is '1000"),
        (meta("NDims = 3", "NDims = three"), "NDims is 'three'; 1 integer must stand there"),
        (meta("NDims = 3\n", ""), "its header lacks NDims"),
        (meta("5 4 3", "5 0 3"), "it has no voxels"),
        (meta("5 4 3", "5 -4 -3"), "it has no voxels"),
        (meta("5 4 3", "5 4"), "DimSize is '5 4'; 3 integers must stand there"),
        (meta("5 4 3", "5 4 30"), "60 bytes of voxels, 600 expected"),
        (meta("5 4 3", "5000000 4000000 3000000"), "more memory than there is"),
        (meta("5 4 3", "50000 40000 30000"), "60 bytes of voxels, 60000000000000 expected"),
        (meta("UCHAR", "DOUBLE"), "60 bytes of voxels, 480 expected"),
        (meta("UCHAR", "STRING"), "elements of type MET_STRING"),
        (meta("1 2 3\nOffset", "1 0 3\nOffset"), "ElementSpacing is 1 0 3: each must be above 0"),
        (meta("1 2 3\nOffset", "1 nan 3\nOffset"), "ElementSpacing is '1 nan 3'; 3 finite numbers"),
        (meta("Offset = 1 2 3", "TransformMatrix = 1 0 0 1 0 0 0 0 1"), "not an invertible matrix"),
        (meta(file="/etc/passwd"), "its data file is '/etc/passwd', outside the header's folder"),
        (meta(file="../v.raw"), "outside the header's folder"),
        (meta(file="absent.raw"), "absent.raw: no such file"),
        (meta(file="%d.raw 0 1000000000 1"), "numbered 0 to 1000000000"),
        (meta(file="%s%n.raw 0 2 1"), "holds no %d"),
        (meta(file=""), "its ElementDataFile is empty: name the file that holds the voxels"),
        (meta(file="  "), "its ElementDataFile is empty: name the file that holds the voxels"),
        (META + REST, "lacks ElementDataFile"),
        (meta(file="bad.mha"), "its header names itself as its data file"),
        (meta("BinaryData = True", "CompressedData = True"), "cannot be read"),
        (meta("ObjectType", "ElementNumberOfChannels = 0\nObjectType"), "ElementNumberOfChannels is 0"),
        (nrrd("dimension: 3", "dimension: 200"), "dimension is 200"),
        (nrrd("dimension: 3", "dimension: -1"), "dimension is -1"),
        (nrrd("dimension: 3\n", ""), "lacks the field 'dimension'"),
        (nrrd("sizes: 5 4 3", "sizes: 5 4 0"), "it has no voxels"),
        (nrrd("sizes: 5 4 3", "sizes: 5 4 3 1"), "sizes is '5 4 3 1'; 3 integers"),
        (nrrd("sizes: 5 4 3", "sizes: 500 400 300"), "60 bytes of voxels, 60000000 expected"),
        (nrrd("encoding: raw", "encoding: zrl"), "encoding is zrl"),
        (nrrd("encoding: raw", "encoding: gzip"), "cannot be read"),
        (nrrd("type: uchar", "type: block"), "elements of type block"),
        (nrrd("type: uchar", "type: short"), "lacks the field 'endian'"),
        (nrrd("(0,2,0)", "(0,0,0)"), "not an invertible matrix"),
        (nrrd("(0,2,0)", "(0,nan,0)"), "space directions is '0 nan 0'"),
        (nrrd("(0,2,0)", ""), "not as many as its 3 axes"),
        (
            nrrd("encoding: raw\n\n", "encoding: raw\ndata file: /etc/passwd\n\n"),
            "outside the header's folder",
        ),
        (
            nrrd("encoding: raw\n\n", "encoding: raw\ndata file: LIST\n../v.raw\n"),
            "outside the header's folder",
        ),
        (nrrd("encoding: raw\n\n", "encoding: raw\nbyte skip: -5\n\n"), "byte skip is -5"),
        (nrrd("encoding: raw\n\n", "encoding: raw\n"), "no voxels follow|encoding is"),
        (
            nrrd("encoding: raw\n\n", "encoding: raw\nline skip: 9\n\n"),
            "line skip is 9, but its data have 3 lines",
        ),
        (
            nrrd("encoding: raw\n\n", "encoding: gzip\nbyte skip: -1\n\n"),
            "byte skip is -1, which is for raw data",
        ),
        (
            nrrd("encoding: raw\n\n", "encoding: raw\nbyte skip: -1\n\n").replace("5 4 3", "5 4 4"),
            "60 bytes of voxels, 80 expected",
        ),
        (nrrd("sizes: 5 4 3", "sizes: 5 4 3\nsizes: 4 5 3"), "gives sizes twice, '5 4 3' and '4 5 3'"),
        (
            nrrd("sizes: 5 4 3", "sizes: 5 4 3\nbyteskip: 2\nbyte skip: 3"),
            "gives byte skip twice, '2' and '3'",
        ),
        (nrrd("sizes: 5 4 3", "sizes: 5 4 3\nSegment0_Name:=a\nSegment0_Name:=b"), "Segment0_Name twice"),
        (
            nrrd("encoding: raw", "encoding: text"),
            r"numbers in text, and '.x00.*' is none: are they binary",
        ),
        (nrrd("encoding: raw", "encoding: hex"), "pairs of hexadecimal digits, and they are not"),
        (
            nrrd("encoding: raw\n\n", "encoding: raw\ndata file: gone.raw\n"),
            r"bad.nrrd: the data file that it names cannot be read \(.*gone.raw: no such file",
        ),
        (meta("BinaryData = True", "BinaryData = False"), r"numbers in text, and '.x00.*' is none"),
        (
            meta("NDims = 3", "NDims = 3\nHeaderSize = 10"),
            "HeaderSize is 10, but its voxels follow the header",
        ),
        (
            meta("Offset = 1 2 3", "Offset = 1 2 3\nOrigin = 3 2 1"),
            "Offset = 1 2 3 and Origin = 3 2 1, which are",
        ),
        (
            meta(file="gone.raw"),
            r"bad.mha: the data file that it names cannot be read \(.*gone.raw: no such file",
        ),
        (nrrd("NRRD0004", "NRRDxxxx"), "does not begin as a NRRD"),
    ],
)
def test_damaged_headers(tmp_path: Path, header: str, message: str) -> None:
    name = "bad.mha" if header.startswith(("Obj", "Element")) else "bad.nrrd"
    path = of_text(tmp_path, name, header, FLAT.tobytes())
    with pytest.raises(fastfuse.ImageError, match=message) as caught:
        reading.read(path)
    assert str(caught.value).startswith((f"{path}: ", str(tmp_path)))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "header", "remark"),
    [
        ("a.mha", meta("ElementSpacing = 1 2 3\n", ""), "gives no voxel size: 1 mm is taken"),
        ("a.mha", meta("ObjectType", "DistanceUnits = furlong\nObjectType"), "DistanceUnits are 'furlong'"),
        ("a.mha", meta("5 4 3", "5 4 2"), "20 bytes follow the last voxel, at least a slice"),
        (
            "a.mha",
            meta("DimSize = ", "DimSize = 5 3 4\nDimSize = "),
            "gives DimSize twice, '5 3 4' and '5 4 3'",
        ),
        ("a.nrrd", nrrd("5 4 3", "5 4 1"), "40 bytes follow the last voxel, at least a slice"),
        ("a.nrrd", nrrd(SPACE, ""), "gives no voxel size: 1 mm is taken"),
        ("a.nrrd", nrrd("left-posterior-superior", "scanner-xyz"), "taken as left-posterior-superior"),
    ],
)
def test_what_is_doubtful_is_said(tmp_path: Path, name: str, header: str, remark: str) -> None:
    found = reading.read(of_text(tmp_path, name, header, FLAT.tobytes()))
    assert remark in str(found.remark)


@pytest.mark.parametrize(("unit", "factor"), [("um", 1e-3), ("cm", 10.0), ("mm", 1.0)])
def test_units(tmp_path: Path, unit: str, factor: float) -> None:
    of_meta = of_text(
        tmp_path, "a.mha", meta("ObjectType", f"DistanceUnits = {unit}\nObjectType"), FLAT.tobytes()
    )
    units = f'space units: "{unit}" "{unit}" "{unit}"\nencoding'
    of_nrrd = of_text(tmp_path, "a.nrrd", nrrd("encoding", units), FLAT.tobytes())
    for path in (of_meta, of_nrrd):
        image = reading.read(path)
        np.testing.assert_allclose(image.grid.spacing_mm, factor * np.array([1, 2, 3]))
        np.testing.assert_allclose(image.affine[:3, 3], factor * np.array([-1, -2, 3]))


def test_a_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.raw").write_bytes(FLAT.tobytes())
    try:
        (tmp_path / "in" / "v.raw").symlink_to(tmp_path / "secret.raw")
    except OSError:
        pytest.skip("no links here")
    path = of_text(tmp_path / "in", "a.mhd", meta(file="v.raw"))
    with pytest.raises(fastfuse.ImageError, match="outside the header's folder"):
        reading.read(path)


def test_a_bomb_stops_at_what_the_header_says(tmp_path: Path) -> None:
    """A stream that inflates to more than is announced fills no more memory than that."""
    packed = zlib.compress(bytes(50_000_000))
    path = of_text(
        tmp_path, "a.mha", meta("BinaryData = True", "BinaryData = True\nCompressedData = True"), packed
    )
    assert not reading.read(path).data.any()


@pytest.mark.parametrize("kind", ["mha", "nrrd"])
@pytest.mark.parametrize(("unit", "named"), [("um", "microns"), ("cm", "cm"), ("m", "metres")])
def test_units_are_named(tmp_path: Path, kind: str, unit: str, named: str) -> None:
    """A wrong unit is named where grids differ, and an odd one is said, as for NIfTI."""
    if kind == "mha":
        plain, odd = meta(), meta("ObjectType", f"DistanceUnits = {unit}\nObjectType")
    else:
        plain, odd = nrrd(), nrrd("encoding", f'space units: "{unit}" "{unit}" "{unit}"\nencoding')
    of_mm = of_text(tmp_path, f"a.{kind}", plain, FLAT.tobytes())
    others = [of_text(tmp_path, f"{name}.{kind}", odd, FLAT.tobytes()) for name in "bc"]
    with pytest.raises(
        fastfuse.GridError, match=rf"b\.{kind} counts in {named}, that of .*a\.{kind} in mm: correct the unit"
    ):
        fastfuse.fuse_files([of_mm, others[0]], tmp_path / "c.nii")
    with pytest.warns(fastfuse.FusionWarning, match=f"sizes are taken in {named}, as the header says"):
        fastfuse.fuse_files(others, tmp_path / "c.nii", binarize=True)
