"""Frames of a DICOM segmentation whose places make no grid: refused with the cause."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fastfuse
from fastfuse.images import reading

from ..images.segmentations import dicom_seg

pytest.importorskip("pydicom")
ONE = (np.random.default_rng(3).random((7, 5, 6)) < 0.4).astype(np.uint8)


def test_slices_off_the_lattice(tmp_path: Path) -> None:
    import pydicom

    path = dicom_seg(tmp_path / "a.dcm", {"one": ONE})
    found = pydicom.dcmread(path)
    place = found.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence[0]
    for moved, why in (
        ([10, 20, 37], "its slices are not evenly spaced"),
        ([11, 20, 36], r"frame 3 lies 1 mm beside the line of the others \(ImagePositionPatient\)"),
        ([10, 24, 36], r"frame 3 lies 4 mm beside"),
    ):
        place.ImagePositionPatient = moved
        found.save_as(path)
        with pytest.raises(fastfuse.ImageError, match=why):
            reading.read(path)


@pytest.mark.parametrize("factor", [1.5, 2.5])
def test_spacing_that_contradicts_the_places(tmp_path: Path, factor: float) -> None:
    import pydicom

    path = dicom_seg(tmp_path / "a.dcm", {"one": ONE})
    found = pydicom.dcmread(path)
    shared = found.SharedFunctionalGroupsSequence[0]
    measures = shared.PixelMeasuresSequence[0]
    measures.SpacingBetweenSlices = factor * float(measures.SpacingBetweenSlices)
    found.save_as(path)
    with pytest.raises(
        fastfuse.ImageError, match=r"frames lie .* mm apart, and SpacingBetweenSlices is .* one of both"
    ):
        reading.read(path)


@pytest.mark.parametrize("turn", [[1, 0, 0, 1, 0, 0], [1, 0, 0, 0.5, 0.8, 0], [2, 0, 0, 0, 1, 0]])
def test_rows_and_columns_at_no_right_angle(tmp_path: Path, turn: list[float]) -> None:
    import pydicom

    path = dicom_seg(tmp_path / "a.dcm", {"one": ONE})
    found = pydicom.dcmread(path)
    found.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient = turn
    found.save_as(path)
    with pytest.raises(fastfuse.ImageError, match=r"not at right angles.*ImageOrientationPatient is"):
        reading.read(path)


@pytest.mark.parametrize("odd", [0, 2, 5])
@pytest.mark.parametrize("spacing", [[1, 3], [2, 2]])
def test_a_frame_with_other_pixels(tmp_path: Path, odd: int, spacing: list[int]) -> None:
    import copy

    import pydicom

    path = dicom_seg(tmp_path / "a.dcm", {"one": np.ones((7, 5, 6), np.uint8)})
    found = pydicom.dcmread(path)
    shared = found.SharedFunctionalGroupsSequence[0]
    measures = shared.PixelMeasuresSequence
    del shared.PixelMeasuresSequence
    for frame in found.PerFrameFunctionalGroupsSequence:
        frame.PixelMeasuresSequence = copy.deepcopy(measures)
    found.save_as(path)
    assert reading.read(path).data.sum() == 7 * 5 * 6
    found.PerFrameFunctionalGroupsSequence[odd].PixelMeasuresSequence[0].PixelSpacing = spacing
    found.save_as(path)
    with pytest.raises(
        fastfuse.ImageError, match=rf"frame {odd + 1} measure {spacing[0]} x {spacing[1]} mm \(PixelSpacing\)"
    ):
        reading.read(path)
