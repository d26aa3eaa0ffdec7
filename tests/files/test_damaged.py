"""Damaged and hostile files."""

from __future__ import annotations

import gzip
import json
import os
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.images import reading

from .common import DAMAGE, files_in, save

# --- damaged and hostile files -------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_file(tmp_path: Path, masks: np.ndarray, damage: str) -> None:
    suffix, spoil, message = DAMAGE[damage]
    good = save(tmp_path / "rater0.nii.gz", masks[0])
    bad = save(tmp_path / f"rater1{suffix}", masks[1])
    spoil(bad)
    with pytest.raises(fastfuse.ImageError, match=message) as caught:
        fastfuse.fuse_files([good, bad], tmp_path / "c.nii.gz")
    assert bad.name in str(caught.value)
    assert files_in(tmp_path) == {good.name, bad.name}


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_any_damage_is_an_image_error(tmp_path: Path, masks: np.ndarray, suffix: str) -> None:
    """Random bytes at random places of the file either do no harm or are refused in one way."""
    rng = np.random.default_rng(7)
    good = save(tmp_path / f"good{suffix}", masks[0]).read_bytes()
    refusals = []
    for _ in range(400):
        bad = bytearray(good)
        for at in rng.integers(0, 352, rng.integers(1, 6)):
            bad[at] = rng.integers(256)
        path = tmp_path / f"bad{suffix}"
        path.write_bytes(bad[: rng.integers(1, len(bad))] if rng.random() < 0.1 else bad)
        try:
            image = reading.read(path)
        except fastfuse.ImageError as error:
            refusals.append(str(error))
        else:
            assert image.data.ndim == 3
    assert len(refusals) > 40
    for refusal in refusals:
        assert refusal.startswith(f"{path}: ")
        assert len(refusal.splitlines()) == 1


def test_decompression_bomb(tmp_path: Path) -> None:
    """A small file whose header promises terabytes is refused before anything is allocated."""
    header = nib.Nifti1Header()
    header.set_data_shape((30000, 30000, 30000))
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + b"\0" * 4))
    with pytest.raises(fastfuse.ImageError, match=r"bomb.nii.gz: it needs \d+ GB of memory"):
        fastfuse.fuse_files([path], tmp_path / "c.nii.gz")


@pytest.mark.parametrize("shape", [(40,), (4, 5, 6, 2), (4, 5, 6, 1, 3), (1, 4, 5, 6)])
def test_not_three_dimensional(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = save(tmp_path / "r.nii.gz", np.ones(shape, np.uint8))
    with pytest.raises(fastfuse.ImageError, match="one 3-D image per file"):
        fastfuse.fuse_files([path], tmp_path / "c.nii.gz")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.nii.gz")
    for name in ("pipe.nii.gz", "."):
        with pytest.raises(fastfuse.ImageError, match="not a regular file"):
            fastfuse.fuse_files([tmp_path / name], tmp_path / "c.nii.gz")
    with pytest.raises(fastfuse.ImageError, match=r"missing\.nii\.gz: no such file"):
        fastfuse.fuse_files([tmp_path / "missing.nii.gz"], tmp_path / "c.nii.gz")


def test_bad_votes_name_the_file(tmp_path: Path, masks: np.ndarray) -> None:
    paths = [save(tmp_path / "a.nii.gz", masks[0]), save(tmp_path / "b.nii.gz", 4 * masks[1])]
    with pytest.raises(ValueError, match=r"^b\.nii\.gz holds 4 at voxel .* 0, 4\).*select_label=K"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", method="staple")


def test_control_characters_are_escaped(tmp_path: Path) -> None:
    with pytest.raises(fastfuse.ImageError) as caught:
        fastfuse.fuse_files([tmp_path / "a\x1b[31m\n.nii"], tmp_path / "c.nii.gz")
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_stay_files_of_their_own_memory(tmp_path: Path, masks: np.ndarray) -> None:
    """Nothing is memory-mapped: a file that shrinks meanwhile would kill the process."""
    path = save(tmp_path / "r.nii", masks[0])
    data = reading.read(path).data
    path.write_bytes(b"")
    np.testing.assert_array_equal(data, masks[0])


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
def test_undecodable_file_name(tmp_path: Path, masks: np.ndarray) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.nii"))
    save(tmp_path / "r.nii", masks[0]).rename(path)
    fastfuse.fuse_files([path, save(tmp_path / "s.nii", masks[1])], tmp_path / "c.nii")
    assert json.loads((tmp_path / "c.json").read_text())["raters"][0]["file"].endswith("caf\\udce9.nii")


# --- outputs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_what", ["rater", "mask", "prior", "output", "save_label", "image"])
def test_name_too_long(tmp_path: Path, paths: list[Path], as_what: str) -> None:
    long = tmp_path / f"{'y' * 300}.nii.gz"
    options = {as_what: long} if as_what not in ("rater", "output") else {}
    if as_what == "image":
        options["soften"] = True
    raters = [*paths, long] if as_what == "rater" else paths
    with pytest.raises(
        fastfuse.FastfuseError, match=r"yyy\.nii\.gz: cannot be (found|written) \(File name too long"
    ):
        fastfuse.fuse_files(raters, long if as_what == "output" else tmp_path / "c.nii", **options)
    assert files_in(tmp_path) == {path.name for path in paths}


def test_broken_mha_gives_one_reason(
    tmp_path: Path, masks: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    sitk = pytest.importorskip("SimpleITK")
    sitk.WriteImage(sitk.GetImageFromArray(masks[0]), str(tmp_path / "a.mha"))
    whole = (tmp_path / "a.mha").read_bytes()
    (tmp_path / "a.mha").write_bytes(whole[:-500])
    with pytest.raises(
        fastfuse.ImageError, match=r"a\.mha: 2272 bytes of voxels, 2772 expected; the file is trunc"
    ):
        reading.read(tmp_path / "a.mha")
    assert capfd.readouterr() == ("", "")
