"""Pages of a TIFF that its description calls channels or times: said, or refused where slices are told of, too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fastfuse
from fastfuse.images import reading
from fastfuse.images.reading import read
from fastfuse.inputs.names import grouped

pillow = pytest.importorskip("PIL.Image")

VALUES = np.arange(6 * 5 * 4, dtype=np.uint8).reshape(6, 5, 4)
IMAGEJ = "ImageJ=1.53\nimages=4\n{}hyperstack=true\nmode=grayscale\n"
OME = '<?xml version="1.0"?><OME xmlns="x"><Image><ome:Pixels {} SizeX="6" SizeY="5" Type="uint8"/></Image></OME>'


def pages(path: Path, description: str, count: int = 4) -> Path:
    first, *rest = (pillow.fromarray(VALUES[:, :, z].T) for z in range(count))
    first.save(path, save_all=True, append_images=rest, tiffinfo={270: description})
    return path


@pytest.mark.parametrize(
    "description",
    [
        "",
        "made by hand: channels=2",
        IMAGEJ.format("slices=4\n"),
        IMAGEJ.format("channels=1\nslices=4\nframes=1\n"),
        OME.format('SizeC="1" SizeT="1" SizeZ="4"'),
        OME.format("SizeZ='4'"),
    ],
)
def test_slices(tmp_path: Path, description: str) -> None:
    image = reading.read(pages(tmp_path / "a.tif", description))
    np.testing.assert_array_equal(image.data, VALUES)
    assert "pages" not in str(image.remark)


@pytest.mark.parametrize(
    ("description", "what"),
    [
        (IMAGEJ.format("channels=4\n"), "4 channels"),
        (IMAGEJ.format("frames=4\n"), "4 times"),
        (IMAGEJ.format("channels=1\nslices=1\nframes=4\n"), "4 times"),
        (OME.format('SizeC="4" SizeT="1" SizeZ="1"'), "4 channels"),
        (OME.format("SizeT='4'"), "4 times"),
    ],
)
def test_channels_or_times_alone_are_said(tmp_path: Path, description: str, what: str) -> None:
    """They may be slices that a program did not name so, and are taken for them as before."""
    paths = [pages(tmp_path / f"{name}.tif", description) for name in "ab"]
    with pytest.warns(
        fastfuse.FusionWarning, match=f"its pages are {what}, and are taken as slices"
    ) as caught:
        fused = fastfuse.fuse_files(paths, tmp_path / "c.nii", method="majority", scale=255)
    assert "a.tif" in str(caught[0].message)
    np.testing.assert_allclose(fused.probability, VALUES / 255, rtol=1e-6)


@pytest.mark.parametrize(
    ("description", "what"),
    [
        (IMAGEJ.format("channels=2\nslices=2\n"), "2 channels of 2 slices"),
        (IMAGEJ.format("slices=2\nframes=2\n"), "2 times of 2 slices"),
        (IMAGEJ.format("channels=2\nframes=2\n"), "2 channels of 2 times"),
        (OME.format('SizeC="2" SizeT="1" SizeZ="2"'), "2 channels of 2 slices"),
    ],
)
def test_channels_of_slices_are_refused(tmp_path: Path, description: str, what: str) -> None:
    path = pages(tmp_path / "a.tif", description)
    with pytest.raises(
        fastfuse.ImageError, match=rf"a\.tif: .*its pages are {what}, and one 3-D image .*: save"
    ):
        reading.read(path)


def test_one_page_is_a_slice(tmp_path: Path) -> None:
    """Where each page is a file of its own, the description tells of all of them."""
    path = pages(tmp_path / "a.tif", OME.format('SizeC="3" SizeT="2" SizeZ="7"'), count=1)
    assert "pages" not in str(reading.read(path).remark)


def test_a_film(tmp_path: Path) -> None:
    first, *rest = (pillow.fromarray(VALUES[:, :, z].T) for z in range(4))
    first.save(tmp_path / "a.png", save_all=True, append_images=rest)
    with pytest.raises(fastfuse.ImageError, match="a PNG of 4 frames, a film: save its slices"):
        reading.read(tmp_path / "a.png")


def stack_behind_one_page(path: Path, values: np.ndarray, description: str) -> Path:
    """Write a stack as ImageJ does above 4 GB: one page, and the other slices' bytes behind it."""
    first, *rest = [values[:, :, z].T for z in range(values.shape[2])]
    pillow.fromarray(first).save(path, tiffinfo={270: description})
    path.write_bytes(path.read_bytes() + b"".join(one.tobytes() for one in rest))
    return path


@pytest.mark.parametrize("kind", ["u1", "<u2", "<f4"])
def test_slices_behind_one_page(tmp_path: Path, kind: str) -> None:
    values = (3 * VALUES).astype(kind)
    path = stack_behind_one_page(tmp_path / "a.tif", values, IMAGEJ.format("slices=4\n"))
    np.testing.assert_array_equal(reading.read(path).data, values)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        fastfuse.ImageError, match=r"a\.tif: its description tells of 4 slices, and it holds 1 page"
    ):
        reading.read(path)


def test_channels_behind_one_page(tmp_path: Path) -> None:
    path = stack_behind_one_page(tmp_path / "a.tif", VALUES, IMAGEJ.format("channels=2\nslices=2\n"))
    with pytest.raises(fastfuse.ImageError, match="its pages are 2 channels of 2 slices"):
        reading.read(path)


@pytest.mark.parametrize(
    ("description", "count"),
    [
        (IMAGEJ.format("slices=6\n"), 4),
        (IMAGEJ.format("slices=4\n"), 1),
        (IMAGEJ.format("slices=5\nframes=2\n"), 4),
        (OME.format("SizeZ='32'"), 4),
    ],
)
def test_fewer_pages_than_are_told_of(tmp_path: Path, description: str, count: int) -> None:
    path = pages(tmp_path / "a.tif", description, count)
    with pytest.raises(fastfuse.ImageError, match=rf"a\.tif: its description tells of .*holds {count} page"):
        reading.read(path)


TALL = np.zeros((6, 5), np.uint8)
TALL[1:5, 1] = TALL[1, 1:3] = 255


@pytest.mark.parametrize("ending", ["tif", "png"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path: Path, orientation: int, compression: str | None, ending: str) -> None:
    ops = pytest.importorskip("PIL.ImageOps")
    how = pillow.Exif()
    how[274] = orientation
    path = tmp_path / f"a.{ending}"
    pillow.fromarray(TALL).save(path, exif=how, **({"compression": compression} if compression else {}))
    told = pillow.fromarray(TALL)
    told.getexif()[274] = orientation
    image = reading.read(path)
    np.testing.assert_array_equal(image.data[:, :, 0].T, np.asarray(ops.exif_transpose(told)) > 0)
    assert (f"turned as its orientation says ({orientation})" in str(image.remark)) == (orientation > 1)


def test_orientation_of_pages(tmp_path: Path) -> None:
    first, *rest = (pillow.fromarray(VALUES[:, :, z].T) for z in range(4))
    for page in rest:
        page.encoderinfo = {"tiffinfo": {274: 6}}
    first.save(tmp_path / "a.tif", save_all=True, append_images=rest, tiffinfo={274: 6})
    expected = np.stack([np.rot90(VALUES[:, :, z].T, -1).T for z in range(4)], axis=2)
    np.testing.assert_array_equal(reading.read(tmp_path / "a.tif").data, expected)


@pytest.mark.parametrize(
    "description",
    [
        IMAGEJ.format("slices=4\nunit=mm\n"),
        IMAGEJ.format("channels=4\nunit=mm\n"),
        IMAGEJ.format("frames=4\n"),
    ],
)
def test_what_is_said_of_pages_names_the_file(tmp_path: Path, description: str) -> None:
    told = str(reading.read(pages(tmp_path / "a.tif", description)).remark)
    assert ": 1 mm " in told
    assert all("a.tif: " in remark for remark in grouped([told, "b.tif: it is another"])[:1])
    assert not any(remark.startswith(("the voxel size", "its ")) for remark in grouped([told]))


@pytest.mark.parametrize("occurs", [True, False])
@pytest.mark.parametrize("mode", ["L", "1", "RGB", "P", "P of one", "I;16"])
def test_transparency_by_value(tmp_path: Path, mode: str, occurs: bool) -> None:
    """A tRNS chunk makes a grey, a colour or a place of the palette transparent."""
    pillow = pytest.importorskip("PIL.Image")
    flat = (np.random.default_rng(1).random((5, 6)) < 0.4).astype(np.uint8)
    made = {
        "L": lambda: (pillow.fromarray(255 * flat), 255 if occurs else 77),
        "1": lambda: (pillow.fromarray(255 * flat).convert("1"), 255),
        "RGB": lambda: (pillow.fromarray(np.dstack([255 * flat] * 3)), (255,) * 3 if occurs else (255, 0, 0)),
        "P": lambda: (pillow.fromarray(flat).convert("P"), bytes([255, 128 if occurs else 255, 0])),
        "P of one": lambda: (pillow.fromarray(flat).convert("P"), 1 if occurs else 9),
        "I;16": lambda: (pillow.fromarray(65535 * flat.astype(np.uint16)), 65535 if occurs else 7),
    }[mode]
    image, clear = made()
    if mode == "1" and not occurs:
        image = pillow.fromarray(np.zeros_like(flat)).convert("1")
    try:
        image.save(tmp_path / "a.png", transparency=clear)
    except OSError as error:
        pytest.skip(f"this Pillow does not write it: {error}")
    if occurs:
        with pytest.raises(
            fastfuse.ImageError, match=r"a\.png: it is transparent in places; save it without"
        ):
            read(tmp_path / "a.png")
    else:
        assert read(tmp_path / "a.png").data.shape == (6, 5, 1)
