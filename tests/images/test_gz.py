"""Gzip files by ISA-L and without it."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.images import gz, reading
from fastfuse.images.written.nifti import nifti_bytes

from ..files.common import AFFINE, DAMAGE, SHAPE, files_in, save
from .common import without_isal
from .test_reading import readers


def test_engine(engine: str, paths: list[Path]) -> None:
    with paths[0].open("rb") as raw:
        assert (type(gz.reader(raw)) is gzip.GzipFile) == (engine == "zlib")


def test_same_results_without_isal(
    tmp_path: Path, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("isal")
    written, packed = [], []
    for _ in range(2):
        fused = fastfuse.fuse_files(
            paths, tmp_path / "c.nii.gz", save_counts=tmp_path / "n.nii.gz", overwrite=True
        )
        files = [(tmp_path / name).read_bytes() for name in ("c.nii.gz", "n.nii.gz")]
        facts = json.loads((tmp_path / "c.json").read_text())
        packed.append((facts["recipe"].pop("gzip").split()[0], facts["recipe"].pop("outputs")))
        written.append((fused.probability.tobytes(), *map(gzip.decompress, files), facts))
        without_isal(monkeypatch)
    assert written[0] == written[1]
    assert [library for library, _ in packed] == ["isal", "zlib"]  # which pack the same content otherwise
    assert packed[0][1] != packed[1][1]


def test_what_is_written(tmp_path: Path, masks: np.ndarray, engine: str) -> None:
    """One gzip member, without name or time; the voxels of any layout in Fortran's order behind the header."""
    like = reading.read(save(tmp_path / "like.nii", masks[0]))
    votes = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    packed = nifti_bytes(Path("x.nii.gz"), votes, like, "votes")
    assert packed == nifti_bytes(Path("x.nii.gz"), np.asfortranarray(votes), like, "votes")
    assert packed[:4] == b"\x1f\x8b\x08\0"
    assert packed[4:8] == bytes(4)
    inflater = zlib.decompressobj(31)
    plain = inflater.decompress(packed)
    assert inflater.eof
    assert inflater.unused_data == b""
    assert plain == nifti_bytes(Path("x.nii"), votes, like, "votes")
    np.testing.assert_array_equal(
        np.frombuffer(plain, "<f4", offset=352).reshape(SHAPE, order="F"), votes, strict=True
    )


def test_size_is_sensible(engine: str) -> None:
    """Near zlib's size on probabilities; 0.5 % of an empty volume at most."""
    rng = np.random.default_rng(0)
    dense = (rng.integers(0, 40, 200_000) / 40).astype(np.float32).tobytes()
    assert len(gz.compress([dense])) < 1.25 * len(gzip.compress(dense, 4))
    assert len(gz.compress([bytes(10**7)])) < 5e-3 * 10**7


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_file(tmp_path: Path, masks: np.ndarray, damage: str, engine: str) -> None:
    suffix, spoil, message = DAMAGE[damage]
    files = [save(tmp_path / name, masks[0]) for name in ("rater0.nii.gz", f"rater1{suffix}")]
    spoil(files[1])
    with pytest.raises(fastfuse.ImageError, match=message) as caught:
        fastfuse.fuse_files(files, tmp_path / "c.nii.gz")
    assert str(caught.value).startswith(f"{files[1]}: ")
    assert len(str(caught.value).splitlines()) == 1
    assert files_in(tmp_path) == {path.name for path in files}
    assert readers() == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content[:-4] + b"\0\0\0\1", "ncorrect length"),
        (lambda content: content[:-8], "ended before|EOFError"),
        (
            lambda content: content + b"garbage behind it",
            "17 bytes behind its compressed data belong to nothing",
        ),
        (lambda content: content + b"x", "1 byte behind its compressed data belongs to nothing"),
        (lambda content: content + b"\x1f", "cannot be read"),
        (lambda content: content + content[:20], "ended before"),
        (lambda content: content[:300] + bytes(300) + content[600:], "cannot be read"),
        (lambda content: gzip.compress(gzip.decompress(content)[:-1]), "2771 bytes of voxels, 2772 expected"),
        (lambda content: content + bytes(8), None),
        (lambda content: content + gzip.compress(b"more"), None),
        (lambda content: cut_in_two(gzip.decompress(content)), None),
    ],
    ids=[
        "length",
        "no trailer",
        "garbage",
        "x",
        "half a magic",
        "half a member",
        "hole",
        "short",
        "padded",
        "two members",
        "cut in members",
    ],
)
def test_strictness(tmp_path: Path, engine: str, spoil: Any, message: str | None) -> None:
    voxels = np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.uint8)
    path = save(tmp_path / "r.nii.gz", voxels)
    path.write_bytes(spoil(path.read_bytes()))
    if message is None:
        np.testing.assert_array_equal(reading.read(path).data, voxels, strict=True)
        return
    with pytest.raises(fastfuse.ImageError, match=message) as caught:
        reading.read(path)
    assert str(caught.value).startswith(
        tuple(f"{path}: {begin}" for begin in ("cannot be read (", "2771 bytes", "17 b", "1 byte b"))
    )


def test_no_damage_goes_unseen(tmp_path: Path, engine: str) -> None:
    """Random bytes at random places of a compressed file, or an end too soon, are refused or do no harm."""
    rng = np.random.default_rng(3)
    voxels = rng.integers(0, 9, SHAPE).astype(np.uint8)
    path = save(tmp_path / "r.nii.gz", voxels)
    good = path.read_bytes()
    refusals = []
    for _ in range(300):
        bad = bytearray(good)
        for at in rng.integers(10, len(good), rng.integers(1, 4)):
            bad[at] = rng.integers(256)
        path.write_bytes(bad[: rng.integers(1, len(bad))] if rng.random() < 0.2 else bad)
        try:
            np.testing.assert_array_equal(reading.read(path).data, voxels)
        except fastfuse.ImageError as error:
            refusals.append(str(error))
    assert len(refusals) > 250
    assert all(refusal.startswith(f"{path}: ") for refusal in refusals)


def cut_in_two(plain: bytes) -> bytes:
    return gzip.compress(plain[:1000]) + gzip.compress(plain[1000:])


@pytest.mark.parametrize("kind", ["u1", "<i2", ">i2", ">f4", "<f8"])
def test_type_and_layout_of_the_file(tmp_path: Path, engine: str, kind: str) -> None:
    """Nothing becomes float64 unless the header scales it; the array is the buffer that was read into."""
    voxels = np.random.default_rng(0).integers(0, 100, SHAPE).astype(kind)
    header = nib.Nifti1Header(endianness=">" if kind.startswith(">") else "<")
    header.set_data_dtype(kind)
    path = tmp_path / "r.nii.gz"
    nib.save(nib.Nifti1Image(voxels, AFFINE, header), path)
    data = reading.read(path).data
    np.testing.assert_array_equal(data, voxels)
    assert data.dtype == np.dtype(kind)
    assert data.flags.f_contiguous
    base = data
    while base.base is not None:
        base = base.base
    assert base.nbytes == voxels.nbytes
