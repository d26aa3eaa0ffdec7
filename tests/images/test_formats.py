"""Files of many formats: what is read, and what is refused by name."""

from __future__ import annotations

import bz2
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.images import reading
from fastfuse.images.wanted import Wanted
from fastfuse.inputs.foreground import Foreground

from ..files.common import AFFINE, save

MASK = (np.random.default_rng(5).random((6, 5, 4)) < 0.4).astype(np.uint8)
FLAT = MASK[:, :, 1]


def picture(path: Path, values: np.ndarray, mode: str | None = None, **options: Any) -> Path:
    pillow = pytest.importorskip("PIL.Image")
    image = pillow.fromarray(values)
    (image if mode is None else image.convert(mode)).save(path, **options)
    return path


# --- two dimensions, one frame -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 1, 1), (6, 5, 1, 1, 1)])
def test_flat_nifti(tmp_path: Path, shape: tuple[int, ...]) -> None:
    image = reading.read(save(tmp_path / "a.nii", FLAT.reshape(shape)))
    np.testing.assert_array_equal(image.data, FLAT[:, :, None])
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 5, 4, 1), (6, 5, 4, 1, 1), (6, 5, 4, 1, 1, 1)])
def test_one_frame(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(reading.read(save(tmp_path / "a.nii.gz", MASK.reshape(shape))).data, MASK)


def test_flat_nifti_without_thickness(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", FLAT, np.diag([-1.0, 2, 1, 1]))
    content = bytearray(path.read_bytes())
    content[88:92] = bytes(4)  # pixdim[3]
    content[252:256] = b"\1\0\0\0"  # qform alone
    path.write_bytes(content)
    image = reading.read(path)
    assert image.grid.spacing_mm == (1, 2, 1)
    assert "no thickness of the slice: 1 mm is taken" in str(image.remark)


def test_flat_files_are_fused_and_evaluated(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    masks = [(FLAT ^ (rng.random(FLAT.shape) < 0.1)).astype(np.uint8) for _ in range(3)]
    paths = [save(tmp_path / f"{k}.nii.gz", mask) for k, mask in enumerate(masks)]
    fused = fastfuse.fuse_files(
        paths, tmp_path / "c.nii.gz", method="staple", save_label=tmp_path / "l.nii.gz"
    )
    expected = fastfuse.staple([mask[..., None] for mask in masks])
    np.testing.assert_array_equal(fused.probability, expected.probability)
    written = nib.load(tmp_path / "c.nii.gz")
    assert written.shape == (6, 5, 1)
    np.testing.assert_allclose(written.affine, AFFINE, atol=1e-6)
    assert fastfuse.evaluate_files(tmp_path / "l.nii.gz", paths[0]).dice > 0.5


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["u1", "?", "f4", ">i2", "i8"])
@pytest.mark.parametrize("shape", [(6, 5, 4), (1, 6, 5, 4), (1, 1, 6, 5, 4), (6, 5, 4, 1)])
def test_numpy(tmp_path: Path, order: str, kind: str, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.asarray(MASK.reshape(shape).astype(kind), order=order))
    image = reading.read(tmp_path / "a.npy")
    np.testing.assert_array_equal(image.data, MASK)
    assert "holds no voxel size: 1 mm is taken" in str(image.remark)
    assert not image.grid.placed


def test_flat_numpy(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", FLAT)
    np.testing.assert_array_equal(reading.read(tmp_path / "a.npy").data, FLAT[:, :, None])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([{}], dtype=object), "elements of type object|shape"),
        (np.ones((3, 3, 3), complex), "elements of type complex128"),
        (np.ones(40), "this is a list of numbers"),
        (np.ones((0, 3, 3)), "it has no voxels"),
        (np.array([["a"]]), "elements of type <U1"),
    ],
)
def test_numpy_that_is_no_image(tmp_path: Path, values: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", values, allow_pickle=True)
    with pytest.raises(fastfuse.ImageError, match=message):
        reading.read(tmp_path / "a.npy")


def test_numpy_header_that_promises_too_much(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", MASK)
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content.replace(b"(6, 5, 4)", b"(6666666,)"[:9].replace(b",", b"5")[:9]))
    with pytest.raises(fastfuse.ImageError, match=r"a\.npy: "):
        reading.read(tmp_path / "a.npy")
    (tmp_path / "a.npy").write_bytes(content[:-1])
    with pytest.raises(fastfuse.ImageError, match=r"119 bytes of voxels, 120 expected"):
        reading.read(tmp_path / "a.npy")


# --- pictures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["png", "tif", "tiff"])
@pytest.mark.parametrize("mode", ["L", "1", "P", "RGB", "RGBA", "LA", "I;16", "I", "F"])
def test_pictures(tmp_path: Path, ending: str, mode: str) -> None:
    if ending == "png" and mode in ("I", "F"):
        pytest.skip("there is no such PNG")
    path = tmp_path / f"a.{ending}"
    if mode == "I;16":
        picture(path, FLAT.T.astype(np.uint16))
    elif mode in ("I", "F"):
        picture(path, FLAT.T.astype(np.int32 if mode == "I" else np.float32))
    else:
        picture(path, 255 * FLAT.T, mode)
    image = reading.read(path)
    np.testing.assert_array_equal(image.data, FLAT[:, :, None])
    assert "holds no voxel size: 1 mm is taken" in str(image.remark)


def test_mask_of_255(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", 255 * FLAT.T)
    assert "its values are 0 and 255: 255 is taken as 1" in str(reading.read(path).remark)
    asked = reading.read(path, wanted=Wanted(Foreground(labels=(255,))))
    np.testing.assert_array_equal(asked.data, 255 * FLAT[:, :, None])


@pytest.mark.parametrize(
    ("name", "kind", "top"),
    [
        ("a.png", np.uint16, 65535),
        ("a.tif", np.uint16, 65535),
        ("a.png", np.uint16, 255),
        ("a.tif", np.int32, 2**31 - 1),
        ("a.tif", np.int32, 65535),
    ],
)
def test_mask_of_the_highest_value(tmp_path: Path, name: str, kind: Any, top: int) -> None:
    path = picture(tmp_path / name, (FLAT.T != 0).astype(kind) * kind(top))
    image = reading.read(path)
    np.testing.assert_array_equal(image.data, FLAT[:, :, None])
    assert f"its values are 0 and {top}: {top} is taken as 1" in str(image.remark)


@pytest.mark.parametrize("values", [(0, 1000), (0, 255, 65535), (0, 7)])
def test_other_values_are_kept(tmp_path: Path, values: tuple[int, ...]) -> None:
    pixels = np.resize(np.array(values, np.uint16), FLAT.T.shape)
    np.testing.assert_array_equal(reading.read(picture(tmp_path / "a.png", pixels)).data[:, :, 0], pixels.T)


OME = '<?xml version="1.0"?><OME><Image><Pixels PhysicalSizeX="0.5" PhysicalSizeY="0.5"/></Image></OME>'
STATED: dict[str, tuple[str, dict[str, Any], str]] = {
    "ImageJ": ("a.tif", {"tiffinfo": {270: "ImageJ=1.53\nspacing=2\nunit=mm\n"}}, "by ImageJ"),
    "OME": ("a.tif", {"tiffinfo": {270: OME}}, "by OME"),
    "print": ("a.tif", {"dpi": (300, 300)}, "as a resolution"),
    "PNG": ("a.png", {"dpi": (300, 300)}, "as a resolution"),
}


@pytest.mark.parametrize("kind", STATED)
def test_sizes_that_pictures_state(tmp_path: Path, kind: str) -> None:
    """No picture that states a size is said to hold none."""
    name, options, where = STATED[kind]
    image = reading.read(picture(tmp_path / name, FLAT.T.astype(np.uint8), **options))
    assert f"the voxel size that it states {where} is not read: 1 mm is taken unless grid=FILE" in str(
        image.remark
    )
    assert "holds no voxel size" not in str(image.remark)
    assert image.grid.spacing_mm == (1, 1, 1)


def test_labels_of_few_bits(tmp_path: Path) -> None:
    """Pillow spreads values of 2 and 4 bits over 0 to 255."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    pytest.importorskip("PIL")
    for depth, rows in (
        (2, bytes([0, 0b00011011, 0, 0b11100100])),
        (4, bytes([0, 0x01, 0x23, 0, 0x32, 0x10])),
    ):
        header = struct.pack(">IIBBBBB", 4, 2, depth, 0, 0, 0, 0)
        parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
        found = reading.read(tmp_path / "a.png").data
        np.testing.assert_array_equal(found[:, :, 0].T, [[0, 1, 2, 3], [3, 2, 1, 0]])


def test_labels_of_a_palette(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    image = pillow.fromarray(2 * FLAT.T, mode=None).convert("L")
    coloured = pillow.new("P", image.size)
    coloured.putdata(list((2 * FLAT.T).ravel()))
    coloured.putpalette([0, 0, 0, 0, 128, 0, 128, 0, 0])
    coloured.save(tmp_path / "a.png")
    found = reading.read(tmp_path / "a.png")
    np.testing.assert_array_equal(found.data, 2 * FLAT[:, :, None])
    assert "places in the palette are taken as labels" in str(found.remark)


def test_pages_are_slices(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    pages = [pillow.fromarray(MASK[:, :, z].T) for z in range(4)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(reading.read(tmp_path / "a.tif").data, MASK)


def test_pictures_that_are_no_masks(tmp_path: Path) -> None:
    colours = np.zeros((5, 6, 3), np.uint8)
    colours[2, 3] = 200, 0, 0
    with pytest.raises(fastfuse.ImageError, match="it is in colour"):
        reading.read(picture(tmp_path / "a.png", colours))
    clear = np.zeros((5, 6, 4), np.uint8)
    with pytest.raises(fastfuse.ImageError, match="it is transparent in places"):
        reading.read(picture(tmp_path / "b.png", clear))
    path = picture(tmp_path / "c.png", 255 * FLAT.T)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(fastfuse.ImageError, match=r"c\.png: cannot be read as PNG or TIFF"):
        reading.read(path)


def test_pictures_are_fused(tmp_path: Path) -> None:
    paths = [picture(tmp_path / f"{k}.png", 255 * FLAT.T) for k in range(3)]
    with pytest.warns(fastfuse.FusionWarning, match="255 is taken as 1"):
        fused = fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", method="majority")
    np.testing.assert_array_equal(fused.probability, FLAT[:, :, None])


@pytest.mark.parametrize(
    ("name", "module", "extra"), [("a.png", "PIL", "images"), ("a.dcm", "pydicom", "dicom")]
)
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str, extra: str
) -> None:
    (tmp_path / name).write_bytes(b"content")
    for loaded in [one for one in sys.modules if one.split(".")[0] == module]:
        monkeypatch.setitem(sys.modules, loaded, None)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(fastfuse.ImageError, match=rf"{name}: reading it needs .*pip install '.\[{extra}\]'"):
        reading.read(tmp_path / name)


# --- what is no volume ---------------------------------------------------------------------------------------


def gifti(path: Path) -> None:
    array = nib.gifti.GiftiDataArray(np.zeros(50, np.float32), intent="NIFTI_INTENT_SHAPE")
    nib.save(nib.gifti.GiftiImage(darrays=[array]), path)


def cifti(path: Path) -> None:
    rows = nib.cifti2.ScalarAxis(["a"])
    brain = nib.cifti2.BrainModelAxis.from_surface(np.arange(10), 20, "CortexLeft")
    nib.save(nib.Cifti2Image(np.zeros((1, 10), np.float32), (rows, brain)), path)


def tracks(path: Path) -> None:
    lines = nib.streamlines.Tractogram([np.zeros((3, 3), np.float32)], affine_to_rasmm=np.eye(4))
    nib.streamlines.save(lines, str(path))


def of(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("a.surf.gii", gifti, "it is a GIFTI surface"),
        ("a.label.gii", of(b"<?xml"), "it is a GIFTI surface"),
        ("a.dscalar.nii", cifti, "it is CIFTI, values at surfaces and voxels"),
        ("a.nii", cifti, "it is CIFTI, values at surfaces and voxels"),
        ("a.trk", tracks, "it is a track of fibres"),
        ("a.tck", tracks, "it is a track of fibres"),
        ("lh.pial", of(b"\xff\xff\xfe created"), "it is a surface"),
        ("a.pdf", of(b"%PDF-1.7"), "it is a PDF"),
        ("a.txt", of(b"0 1 0"), "it is text"),
        ("a.csv", of(b"a,b"), "it is a table"),
        ("a.jpg", of(b"\xff\xd8\xff\xe0"), "a JPEG, which does not keep labels exact"),
        ("a.pkl", of(b"\x80\4"), "a pickle, which may run programs"),
        ("a.zip", of(b"PK\3\4"), "an archive: unpack it"),
        ("a", of(b"nothing known"), "its format is unknown"),
        ("a.xyz", of(b"%PDF-1.7"), "looks like PDF"),
        ("a.mnc", of(b"\x89HDF\r\n\x1a\n" + bytes(600)), r"a\.mnc: "),
        ("a.PAR", of(b"# nothing"), r"a\.PAR: "),
        ("a.HEAD", of(b"nothing"), r"a\.HEAD: "),
        ("a.mgz", of(b"\x1f\x8b nothing"), r"a\.mgz: "),
        ("a.mgh", of(bytes(400)), r"a\.mgh: "),
        ("a.hdr", of(bytes(348)), r"a\.hdr: "),
        ("a.img", of(bytes(348)), r"a\.img: "),
        ("a.nii", of(b"%PDF-1.7" + bytes(600)), "looks like PDF"),
        ("a.nii.gz", of(b"version https://git-lfs.github.com/spec/v1\n"), "looks like a pointer of Git LFS"),
        ("a.nrrd", of(b"\x89PNG"), "does not begin as a NRRD file"),
        ("a.dcm", of(b"nothing"), r"a\.dcm: cannot be read as a DICOM segmentation"),
    ],
)
def test_no_volume(tmp_path: Path, name: str, write: Callable[[Path], None], message: str) -> None:
    if name.endswith(".dcm"):
        pytest.importorskip("pydicom")
    write(tmp_path / name)
    with pytest.raises(fastfuse.ImageError, match=message) as caught:
        fastfuse.fuse_files([tmp_path / name], tmp_path / "c.nii.gz")
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert len(str(caught.value).splitlines()) == 1
    if "it is" in message or "unknown" in message:
        assert "fastfuse reads NIfTI (.nii, .nii.gz" in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "remedy"),
    [
        ((1, 6, 5, 4), "so drop axis 0, which has one entry"),
        ((6, 5, 4, 2, 2), "so split it first"),
        ((30,), "this is a list of numbers"),
    ],
)
def test_other_axes(tmp_path: Path, shape: tuple[int, ...], remedy: str) -> None:
    with pytest.raises(fastfuse.ImageError, match=remedy):
        reading.read(save(tmp_path / "a.nii", np.ones(shape, np.uint8)))


def test_channels_of_a_header_with_both_forms(tmp_path: Path) -> None:
    soft = np.random.default_rng(0).random((6, 5, 4)).astype(np.float32)
    path = save(tmp_path / "a.nii", np.stack([1 - soft, soft], axis=-1), qform_code=1, sform_code=1)
    found = reading.read(path, wanted=Wanted(Foreground(labels=(1,))))
    np.testing.assert_array_equal(found.data, soft)


# --- what nibabel reads too ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (nib.MGHImage, "a.mgz"),
        (nib.MGHImage, "a.mgh"),
        (nib.Nifti1Pair, "a.hdr"),
        (nib.Nifti1Pair, "a.img"),
        (nib.Spm99AnalyzeImage, "a.hdr"),
    ],
)
def test_other_volumes(tmp_path: Path, kind: Any, name: str) -> None:
    nib.save(kind(MASK, AFFINE), tmp_path / name)
    image = reading.read(tmp_path / name)
    np.testing.assert_array_equal(image.data, MASK)
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-5)
    assert image.remark is None


def test_bzip2(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", MASK)
    (tmp_path / "a.nii.bz2").write_bytes(bz2.compress(path.read_bytes()))
    np.testing.assert_array_equal(reading.read(tmp_path / "a.nii.bz2").data, MASK)


@pytest.mark.parametrize("path", ["", ["a.nii", ""]])
def test_empty_names(tmp_path: Path, path: Any) -> None:
    with pytest.raises(fastfuse.ImageError, match="the name of a file is empty"):
        fastfuse.fuse_files(path, tmp_path / "c.nii.gz")
    with pytest.raises(fastfuse.ImageError, match=r"the name of a file is empty \(mask\)"):
        fastfuse.fuse_files([save(tmp_path / "a.nii", MASK)], tmp_path / "c.nii.gz", mask="")


@pytest.mark.parametrize("path", [Path(), "."])
def test_the_folder_one_is_in(tmp_path: Path, path: Any) -> None:
    with pytest.raises(fastfuse.ImageError, match="an empty name stands for the folder one is in"):
        fastfuse.fuse_files(path, tmp_path / "c.nii.gz")
