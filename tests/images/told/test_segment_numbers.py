"""Numbers of DICOM segments: from 1 on and each once, or the voxels would be lost without a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.images import reading
from fastfuse.images.wanted import Wanted
from fastfuse.inputs.foreground import Foreground

from ..segmentations import dicom_seg, seg_nrrd

pydicom = pytest.importorskip("pydicom")

SHAPE = (6, 5, 4)
ONE = (np.random.default_rng(1).random(SHAPE) < 0.4).astype(np.uint8)
TWO = ((np.random.default_rng(2).random(SHAPE) < 0.4) & (ONE == 0)).astype(np.uint8)
TWO_OF = ONE + 2 * TWO


def changed(path: Path, change: Callable[[Any], None], **options: Any) -> Path:
    dicom_seg(path, {"core": ONE, "edge": TWO}, **options)
    found = pydicom.dcmread(path)
    change(found)
    found.save_as(path)
    return path


def numbered(first: int, second: int, *, frames: bool = True) -> Callable[[Any], None]:
    def change(found: Any) -> None:
        new = {1: first, 2: second}
        for one in found.SegmentSequence:
            one.SegmentNumber = new[one.SegmentNumber]
        for one in found.PerFrameFunctionalGroupsSequence if frames else ():
            one = one.SegmentIdentificationSequence[0]
            one.ReferencedSegmentNumber = new[one.ReferencedSegmentNumber]

    return change


@pytest.mark.parametrize("fractional", [False, True])
@pytest.mark.parametrize("numbers", [(0, 1), (1, 0), (0, 0)])
def test_number_0(tmp_path: Path, numbers: tuple[int, int], fractional: bool) -> None:
    path = changed(tmp_path / "a.dcm", numbered(*numbers), fractional=fractional)
    with pytest.raises(
        fastfuse.ImageError, match=r"SegmentNumber of its segment '\w+' is 0, and numbers begin at 1"
    ):
        reading.read(path)
    remedied = changed(tmp_path / "b.dcm", numbered(1, 2), fractional=fractional)
    wanted = Wanted(Foreground(segments=("core",)))
    np.testing.assert_array_equal(reading.read(remedied, wanted=wanted).data > 0, ONE > 0)


def test_frames_of_number_0(tmp_path: Path) -> None:
    """A frame that belongs to no segment is refused, whatever the segments' numbers are."""

    def change(found: Any) -> None:
        found.PerFrameFunctionalGroupsSequence[0].SegmentIdentificationSequence[0].ReferencedSegmentNumber = 0

    with pytest.raises(
        fastfuse.ImageError, match="frame 1 belongs to segment 0, which SegmentSequence does not"
    ):
        reading.read(changed(tmp_path / "a.dcm", change))


@pytest.mark.parametrize("frames", [False, True])
def test_one_number_of_two(tmp_path: Path, frames: bool) -> None:
    path = changed(tmp_path / "a.dcm", numbered(1, 1, frames=frames))
    with pytest.raises(fastfuse.ImageError, match="'core' and 'edge' both have SegmentNumber 1"):
        reading.read(path)


def test_a_gap(tmp_path: Path) -> None:
    """A segment that was taken out leaves its number; the others keep theirs."""
    path = changed(tmp_path / "a.dcm", numbered(2, 5))
    np.testing.assert_array_equal(reading.read(path).data, 2 * ONE + 5 * TWO)


def test_the_background_of_a_label_map(tmp_path: Path) -> None:
    """There 0 is a number that the standard allows, and the background's; no number is given twice."""

    def background(found: Any) -> None:
        found.SegmentSequence[1].SegmentNumber = 0

    path = changed(tmp_path / "a.dcm", background, label_map=True)
    assert [one.name for one in reading.read(path).segments] == ["core"]

    def twice(found: Any) -> None:
        found.SegmentSequence[1].SegmentNumber = 1

    with pytest.raises(fastfuse.ImageError, match="both have SegmentNumber 1"):
        reading.read(changed(tmp_path / "b.dcm", twice, label_map=True))


@pytest.mark.parametrize("asked", ["L\u00e4sion", "La\u0308sion", "LA\u0308SION "])
def test_a_name_composed_and_decomposed(tmp_path: Path, asked: str) -> None:
    paths = [
        seg_nrrd(tmp_path / f"{at}.seg.nrrd", ONE + 2 * TWO, [(name, 1, 0), ("edge", 2, 0)])
        for at, name in enumerate(["L\u00e4sion", "La\u0308sion"])
    ]
    for path in paths:
        found = reading.read(path, wanted=Wanted(Foreground(segments=(asked,)))).data
        np.testing.assert_array_equal(found > 0, ONE > 0)


def test_two_segments_of_one_label(tmp_path: Path) -> None:
    path = seg_nrrd(tmp_path / "a.seg.nrrd", TWO_OF, [("a", 1, 0), ("b", 1, 0), ("c", 2, 0)])
    for name in "ab":
        with pytest.raises(fastfuse.ImageError, match="are both label 1 of layer 0"):
            reading.read(path, wanted=Wanted(Foreground(segments=(name,))))
    for names, label in ((("a", "b"), 1), (("c",), 2)):
        np.testing.assert_array_equal(
            reading.read(path, wanted=Wanted(Foreground(segments=names))).data, label == TWO_OF
        )
