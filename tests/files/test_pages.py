"""Pages of a TIFF that its description calls channels or times: said, or refused where slices are told of, too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fastfuse
from fastfuse.images import reading

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
