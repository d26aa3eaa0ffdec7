"""Images of four axes: a network's classes or regions in one file, and what is none."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import FusionWarning, ImageError
from fastfuse.images import reading
from fastfuse.images.image import Image
from fastfuse.images.wanted import ChannelAxis, Wanted
from fastfuse.inputs.foreground import Foreground, Scale

from ..command import run_here
from .networks import AFFINE, classes, regions


def save(path: Path, values: np.ndarray, kind: Any = nib.Nifti1Image) -> Path:
    nib.save(kind(values, AFFINE), path)
    return path


def read(path: Path, *labels: int, axis: ChannelAxis | None = None, scale: Scale = None) -> Image:
    return reading.read(path, wanted=Wanted(Foreground(labels, scale=scale), axis))


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".mgz"])
@pytest.mark.parametrize(("axis", "word"), [(0, "first"), (-1, "last")])
def test_classes(tmp_path: Path, axis: int, word: str, ending: str) -> None:
    values = classes(0)
    kind = nib.MGHImage if ending == ".mgz" else nib.Nifti1Image
    path = save(tmp_path / f"net{ending}", np.moveaxis(values, 0, axis), kind)
    for label in range(1, 3):
        image = read(path, label)
        np.testing.assert_array_equal(image.data, values[label])
        assert f"the {word} axis, of 3, was taken for the channels" in str(image.remark)
        assert f"class {label} of 0 to 2 was taken" in str(image.remark)
    np.testing.assert_allclose(read(path, 1, 2).data, values[1] + values[2], atol=1e-6)
    with pytest.raises(ImageError, match="there is no class 3 among its 3"):
        read(path, 3)


@pytest.mark.parametrize(("axis", "word"), [(0, "first"), (-1, "last")])
def test_regions(tmp_path: Path, axis: int, word: str) -> None:
    values = regions(0, 2, (20, 19, 18))
    path = save(tmp_path / "net.nii.gz", np.moveaxis(values, 0, axis))
    image = read(path, 2)
    np.testing.assert_array_equal(image.data, values[1])
    assert f"the {word} axis, of 2, " in str(image.remark)
    assert "region 2 of 2 was taken" in str(image.remark)


def test_vectors_of_nifti(tmp_path: Path) -> None:
    """Which lie on the fifth axis."""
    values = classes(0)
    path = save(tmp_path / "net.nii.gz", np.moveaxis(values, 0, -1)[:, :, :, None])
    np.testing.assert_array_equal(read(path, 2).data, values[2])


def test_one_hot(tmp_path: Path) -> None:
    labels = classes(0).argmax(axis=0)
    values = (labels == np.arange(3)[:, None, None, None]).astype(np.uint8)
    path = save(tmp_path / "net.nii.gz", np.moveaxis(values, 0, -1))
    np.testing.assert_array_equal(read(path, 2).data, labels == 2)


@pytest.mark.parametrize(("top", "scale"), [(100, 100.0), (255, 255.0), (255, "auto")])
def test_scaled(tmp_path: Path, top: int, scale: Scale) -> None:
    values = np.moveaxis(classes(0, 2), 0, -1)
    paths = [
        save(tmp_path / f"net{k}.nii", np.round(np.roll(values, k, 0) * top).astype(np.uint8))
        for k in range(2)
    ]
    with pytest.raises(ImageError, match=r"no probabilities of a network's classes.*scale=255$"):
        read(paths[0], 1)
    with pytest.warns(FusionWarning, match="axis, of 2"):
        fused = fastfuse.fuse_files(paths, tmp_path / "c.nii", method="majority", select_label=1, scale=scale)
    expected = np.mean([np.roll(values, k, 0)[..., 1] for k in range(2)], axis=0)
    np.testing.assert_allclose(fused.probability, expected, atol=1 / top)


def test_either_axis(tmp_path: Path) -> None:
    """Three regions, and a volume of three voxels along the first axis."""
    values = np.moveaxis(regions(0, 3, (5, 6, 7)), 0, -1)
    path = save(tmp_path / "net.nii.gz", values)
    with pytest.raises(ImageError, match=r"either end may hold the channels.*channel_axis='first' or 'last'"):
        read(path, 1)
    np.testing.assert_array_equal(read(path, 1, axis="last").data, values[..., 0])
    np.testing.assert_array_equal(read(path, 1, axis="first").data, values[0])


def test_series_of_images(tmp_path: Path) -> None:
    series = np.random.default_rng(0).integers(0, 900, (8, 7, 6, 5)).astype(np.int16)
    path = save(tmp_path / "fmri.nii.gz", series)
    with pytest.raises(
        ImageError, match=r"fmri\.nii\.gz: it has shape \(8, 7, 6, 5\); one 3-D image per file"
    ):
        reading.read(path)
    with pytest.raises(ImageError, match="which are no probabilities of a network's classes"):
        read(path, 1)


@pytest.mark.parametrize("unknown", ["middle", 3])
def test_unknown_axis(tmp_path: Path, unknown: Any) -> None:
    with pytest.raises(ValueError, match=r"channel_axis is .*: it must be 'first' or 'last'"):
        fastfuse.fuse_files([tmp_path / "a.nii"], tmp_path / "c.nii", channel_axis=unknown)


def test_shell(tmp_path: Path) -> None:
    values = [np.moveaxis(regions(seed, 3, (5, 6, 7)), 0, -1) for seed in range(3)]
    names = [save(tmp_path / f"net{k}.nii.gz", one).name for k, one in enumerate(values)]
    words = ["fuse", *names, "-o", "c.nii.gz", "--m-step", "em", "--select-label", "2"]
    refused = run_here(tmp_path, *words)
    assert refused.returncode == 2
    assert "--channel-axis first or last" in refused.stderr
    done = run_here(tmp_path, *words, "--channel-axis", "last")
    assert done.returncode == 0
    assert "net0.nii.gz, net1.nii.gz, net2.nii.gz: the last axis, of 3" in done.stderr.replace("\n", " ")
    expected = fastfuse.soft_staple([one[..., 1] for one in values], m_step="em").probability
    np.testing.assert_array_equal(np.asanyarray(nib.load(tmp_path / "c.nii.gz").dataobj), expected)


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("make", [classes, regions])
@pytest.mark.parametrize("share", [0.02, 0.15, 0.6])
def test_nan_in_channels_is_a_missing_vote_where_it_is_one_of_three_axes(
    tmp_path: Path, axis: int, make: Any, share: float
) -> None:
    """It tells of no axis: what is refused, and what is taken, is that of the channel alone."""
    word: ChannelAxis = "first" if axis == 0 else "last"
    values, whole = np.array(make(0), np.float32), np.array(make(0), np.float32)
    values[:, np.random.default_rng(2).random(values.shape[1:]) < share] = np.nan
    assert np.isnan(values).any()
    files = {
        "four": [
            save(tmp_path / f"{n}4.nii", np.moveaxis(v, 0, axis)) for n, v in (("a", whole), ("b", values))
        ],
    }
    files["three"] = [
        save(tmp_path / f"{n}3.nii", read(tmp_path / f"{n}4.nii", 1, axis=word).data) for n in "ab"
    ]
    found = {}
    for kind, paths in files.items():
        options: dict[str, Any] = (
            {"method": "majority", "select_label": 1, "channel_axis": word}
            if kind == "four"
            else {"method": "majority"}
        )
        with pytest.raises(ValueError, match=r"b\d\.nii holds nan at voxel .* missing='nan'"):
            fastfuse.fuse_files(paths, tmp_path / f"{kind}.nii", **options)
        with pytest.warns(FusionWarning) if kind == "four" else contextlib.nullcontext():
            fastfuse.fuse_files(paths, tmp_path / f"{kind}.nii", missing="nan", **options)
        found[kind] = np.asarray(nib.load(tmp_path / f"{kind}.nii").dataobj)
    np.testing.assert_array_equal(found["four"], found["three"])
