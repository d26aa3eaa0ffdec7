"""Files that are not what their name says, and files beside them that cannot be read: the cause is named."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.images import reading
from fastfuse.images.dataset_json import fault_of
from fastfuse.images.formats.label_names import read_label_names
from fastfuse.images.wanted import Wanted
from fastfuse.inputs.foreground import Foreground

SHAPE = (6, 5, 4)
MASK = (np.random.default_rng(1).random(SHAPE) < 0.4).astype(np.uint8)
CONTENT = {
    "JPEG": b"\xff\xd8\xff\xe0" + bytes(400),
    "GIF": b"GIF89a" + bytes(400),
    "BMP": b"BM" + bytes(400),
    "WebP": b"RIFF" + bytes(400),
    "a Netpbm image": b"P5\n4 4\n255\n" + bytes(400),
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(400),
    "HEIC, AVIF or a film": b"\0\0\0\x18ftypheic" + bytes(400),
    "PDF": b"%PDF-1.7" + bytes(400),
}


@pytest.mark.parametrize("what", CONTENT)
@pytest.mark.parametrize("ending", [".png", ".tif", ".nii", ".mha", ".nrrd"])
def test_what_it_is_instead(tmp_path: Path, what: str, ending: str) -> None:
    if ending in (".png", ".tif"):
        pytest.importorskip("PIL")
    path = tmp_path / f"a{ending}"
    path.write_bytes(CONTENT[what])
    with pytest.raises(fastfuse.ImageError, match=rf"(?i)its content looks like {what}"):
        reading.read(path)


@pytest.mark.parametrize("ending", [".hdr", ".img"])
def test_a_pair_cut_short(tmp_path: Path, ending: str) -> None:
    nib.save(nib.Nifti1Pair(MASK, np.eye(4)), tmp_path / "a.hdr")
    os.truncate(tmp_path / "a.img", MASK.size - 1)
    with pytest.raises(fastfuse.ImageError, match=rf"its voxels are {MASK.size - 1} bytes.*truncated"):
        reading.read(tmp_path / f"a{ending}")
    os.truncate(tmp_path / "a.img", 1)
    with pytest.raises(fastfuse.ImageError, match=r"its voxels are 1 byte, "):
        reading.read(tmp_path / f"a{ending}")


@pytest.mark.parametrize("content", [b"", b"junk" * 100, b"\x1f\x8bjunk"])
def test_the_segmentation_of_a_network(tmp_path: Path, content: bytes) -> None:
    """What lies beside probabilities is named as theirs."""
    np.savez(tmp_path / "c.npz", probabilities=np.full((2, *SHAPE[::-1]), 0.5, np.float32))
    (tmp_path / "c.nii.gz").write_bytes(content)
    with pytest.raises(
        fastfuse.ImageError,
        match=r"c\.npz: the segmentation that tells where its voxels are cannot be read: .*c\.nii\.gz: ",
    ):
        reading.read(tmp_path / "c.npz")


BROKEN = {
    "{no json": "is no JSON",
    "": "is no JSON",
    "[1, 2]": "holds a list, and no names of labels",
    "\xff\xfe": "is no text in UTF-8",
    "[" * 100_000: "is n",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_dataset_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    """It is named where it is asked for; once it is mended, or labels are chosen by number, all works."""
    for name in "ab":
        nib.save(nib.Nifti1Image(MASK * 2, np.eye(4)), tmp_path / f"{name}.nii")
    beside = tmp_path / "dataset.json"
    beside.write_bytes(text.encode("latin-1"))
    assert BROKEN[text] in fault_of(beside)
    by_name = Wanted(Foreground(segments=("core",)))
    with pytest.raises(
        fastfuse.ImageError, match=rf"names no segments, and .*dataset\.json {BROKEN[text]}.*: mend it, or"
    ):
        reading.read(tmp_path / "a.nii", wanted=by_name)
    with pytest.raises(fastfuse.ImageError, match=rf"dataset\.json( {BROKEN[text]}|: the file is empty)"):
        read_label_names(beside)
    paths = [tmp_path / "a.nii", tmp_path / "b.nii"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fastfuse.fuse_files(paths, tmp_path / "out.nii", method="majority", select_label=2)
    beside.write_text(
        json.dumps({"labels": {"background": 0, "core": 2}}), encoding="utf-8-sig"
    )  # as Notepad writes
    np.testing.assert_array_equal(reading.read(tmp_path / "a.nii", wanted=by_name).data, MASK)


@pytest.mark.parametrize(
    ("beside", "said"), [("c.nii", True), ("c.nrrd", True), ("c.png", False), ("d.nii", False)]
)
def test_two_segmentations_beside_a_network(tmp_path: Path, beside: str, said: bool) -> None:
    """The first counts, and the other is named; a picture of the case is none."""
    probability = np.where(MASK.transpose(2, 1, 0), 0.9, 0.1).astype(np.float32)
    np.savez(tmp_path / "c.npz", probabilities=np.stack([1 - probability, probability]))
    nib.save(nib.Nifti1Image(MASK, np.eye(4)), tmp_path / "c.nii.gz")
    (tmp_path / beside).write_bytes(b"")
    image = reading.read(tmp_path / "c.npz")
    assert (f"its segmentation is c.nii.gz; {beside} beside it was left aside" in str(image.remark)) == said
    np.testing.assert_allclose(image.data, np.where(MASK, 0.9, 0.1), atol=1e-6)


def test_an_object_in_npy(tmp_path: Path) -> None:
    path = tmp_path / "img_seg.npy"
    np.save(path, np.array({"masks": np.ones((4, 4))}, dtype=object), allow_pickle=True)
    with pytest.raises(fastfuse.ImageError, match=r"it holds one Python object, .* save its masks alone"):
        fastfuse.fuse_files([path, path], tmp_path / "o.nii.gz")


@pytest.mark.parametrize(
    ("data", "header", "words"),
    [
        ("a.zraw", "a.mhd", "NDims = 3\nElementDataFile = a.zraw\n"),
        ("a.raw", "a.mhd", "NDims = 3\nElementDataFile = a.raw\n"),
        ("a.raw.gz", "a.nhdr", "NRRD0004\ndata file: a.raw.gz\n"),
    ],
)
def test_values_alone_are_told_their_header(data: str, header: str, words: str, tmp_path: Path) -> None:
    (tmp_path / data).write_bytes(np.random.default_rng(0).bytes(400))
    with pytest.raises(fastfuse.ImageError) as caught:
        reading.read(tmp_path / data)
    assert "leave it out" not in str(caught.value)
    (tmp_path / header).write_text(words)
    with pytest.raises(
        fastfuse.ImageError, match=rf"it holds the values of .*{header} alone: leave it out, and give that$"
    ):
        reading.read(tmp_path / data)
