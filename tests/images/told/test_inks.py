"""Greys that are shown otherwise than they are stored: TIFFs in which 0 is white, and palettes that turn greys around."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

import fastfuse
from fastfuse.images import reading

pillow = pytest.importorskip("PIL.Image")
pytest.importorskip("SimpleITK")
ROWS = np.arange(120, dtype=np.uint8).reshape(10, 12)
MASK = np.zeros((10, 12), np.uint8)
MASK[2:5, 3:7] = 255


def tiff(path: Path, rows: np.ndarray, *, bits: int, ink: int) -> Path:
    """Write a TIFF of one strip, not compressed, from the format's own tags."""
    height, width = rows.shape
    padded = np.pad(rows, ((0, 0), (0, -width % (8 // bits)))).reshape(height, -1, 8 // bits)
    packed = (padded << np.arange(8 - bits, -1, -bits)).sum(axis=2).astype(np.uint8).tobytes()
    tags = {
        256: width,
        257: height,
        258: bits,
        259: 1,
        262: ink,
        273: 122,
        277: 1,
        278: height,
        279: len(packed),
    }
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + packed)
    assert path.read_bytes()[122:] == packed
    return path


def told(path: Path) -> tuple[np.ndarray, str]:
    found = reading.read(path)
    return found.data[:, :, 0].T, str(found.remark)


@pytest.mark.parametrize("ink", [0, 1])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_greys_of_a_tiff_are_those_stored(bits: int, ink: int, tmp_path: Path) -> None:
    rows = ROWS % min(2**bits, 6)
    found, said = told(tiff(tmp_path / "a.tif", rows, bits=bits, ink=ink))
    np.testing.assert_array_equal(found, rows)
    assert ("its values are taken as stored, not as shown" in said) == (ink == 0)


@pytest.mark.parametrize("ink", [0, 1])
def test_single_bits_are_those_shown(ink: int, tmp_path: Path) -> None:
    """A writer of faxes turns them around itself, and SimpleITK shows them so, too."""
    import SimpleITK

    path = tiff(tmp_path / "a.tif", ROWS % 2, bits=1, ink=ink)
    found, said = told(path)
    np.testing.assert_array_equal(found, ROWS % 2 if ink else 1 - ROWS % 2)
    shown = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))
    np.testing.assert_array_equal(found == 1, shown[..., 0] == 255)
    assert ("those shown white are taken as 1" in said) == (ink == 0)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_masks_of_an_inverting_look_up_table_are_fused_as_simpleitk_reads_them(
    compression: str | None, tmp_path: Path
) -> None:
    import SimpleITK

    paths = [tmp_path / f"{i}.tif" for i in range(3)]
    for path in paths:
        pillow.fromarray(MASK).save(path, tiffinfo={262: 0}, compression=compression)
    stored = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(paths[0]))
    assert (stored == 0)[2:5, 3:7].all(), "Pillow turned the mask around in writing"
    with pytest.warns(fastfuse.FusionWarning, match="WhiteIsZero"):
        fused = fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", method="majority")
    np.testing.assert_array_equal(fused.probability[:, :, 0].T, stored == 255)


def test_stacks_and_sixteen_bits(tmp_path: Path) -> None:
    pages = [pillow.fromarray(np.roll(MASK, k)) for k in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], tiffinfo={262: 0})
    found = reading.read(tmp_path / "a.tif")
    assert found.data.shape == (12, 10, 3)
    wide = pillow.fromarray(ROWS.astype(np.uint16) * 500)
    wide.save(tmp_path / "b.tif", tiffinfo={262: 0})
    np.testing.assert_array_equal(told(tmp_path / "b.tif")[0], ROWS.astype(np.uint16) * 500)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_palette_that_turns_greys_around_is_told(suffix: str, tmp_path: Path) -> None:
    palette = np.repeat(255 - np.arange(256), 3).tolist()
    image = pillow.fromarray(MASK)
    turned = pillow.new("P", image.size)
    turned.putdata(MASK.ravel().tolist())
    turned.putpalette(palette)
    turned.save(tmp_path / f"a.{suffix}")
    found, said = told(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(found, MASK == 0)
    assert "its palette turns greys around" in said
