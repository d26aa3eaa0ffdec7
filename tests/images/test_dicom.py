"""DICOM segmentations: segments by number and by name, slices that are left out, and what is refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.images import reading
from fastfuse.images.wanted import Wanted
from fastfuse.inputs.foreground import Foreground

from .segmentations import dicom_seg

pytest.importorskip("pydicom")

RNG = np.random.default_rng(3)
ONE = (RNG.random((7, 5, 6)) < 0.4).astype(np.uint8)
TWO = ((RNG.random((7, 5, 6)) < 0.4) & (ONE == 0)).astype(np.uint8)
TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def oblique(seed: int) -> np.ndarray:
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    turn[:, 2] = np.cross(turn[:, 0], turn[:, 1])
    return turn


def wanted(**foreground: Any) -> Wanted:
    return Wanted(Foreground(**foreground))


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize("name", ["a.dcm", "a.dicom", "IM0001"])
def test_one_segment(tmp_path: Path, seed: int | None, name: str) -> None:
    turn = np.eye(3) if seed is None else oblique(seed)
    image = reading.read(dicom_seg(tmp_path / name, {"lesion": ONE}, turn=turn))
    np.testing.assert_array_equal(image.data, ONE)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn * (1.0, 2.0, 3.0), (10, 20, 30)
    np.testing.assert_allclose(image.affine, TO_RAS @ affine, atol=1e-6)


def test_slices_that_are_left_out_are_empty(tmp_path: Path) -> None:
    mask = ONE.copy()
    mask[:, :, [0, 2, 3]] = 0
    image = reading.read(dicom_seg(tmp_path / "a.dcm", {"lesion": mask}))
    np.testing.assert_array_equal(image.data, mask[:, :, 1:])
    np.testing.assert_allclose(image.affine[2, 3], 33)


@pytest.mark.parametrize("label_map", [False, True])
def test_segments_are_chosen(tmp_path: Path, label_map: bool) -> None:
    path = dicom_seg(tmp_path / "a.dcm", {"one": ONE, "Two Words": TWO}, empty=True, label_map=label_map)
    for names, mask in ((("one",), ONE), (("two words ",), TWO), (("one", "Two Words"), ONE | TWO)):
        found = reading.read(path, wanted=wanted(segments=names))
        np.testing.assert_array_equal(found.data, mask)
        assert found.is_channel
    np.testing.assert_array_equal(reading.read(path).data, ONE + 2 * TWO)
    for labels, mask in (((1,), ONE), ((2,), TWO), ((1, 2), ONE | TWO)):
        found = reading.read(path, wanted=wanted(labels=labels))
        votes = found.data if found.is_channel else np.isin(found.data, labels)
        np.testing.assert_array_equal(votes, mask)
    np.testing.assert_array_equal(reading.read(path, wanted=wanted(binarize=True)).data > 0, ONE | TWO)


def test_packed_label_map(tmp_path: Path) -> None:
    import pydicom

    path = dicom_seg(tmp_path / "a.dcm", {"one": ONE, "two": TWO}, label_map=True)
    found = pydicom.dcmread(path)
    found.compress(pydicom.uid.RLELossless)
    found.save_as(path)
    np.testing.assert_array_equal(reading.read(path, wanted=wanted(segments=("two",))).data, TWO)


def test_soft_segments(tmp_path: Path) -> None:
    soft = RNG.random((7, 5, 6)).astype(np.float32)
    path = dicom_seg(tmp_path / "a.dcm", {"one": soft, "two": 1 - soft}, fractional=True)
    for foreground in ({"segments": ("two",)}, {"labels": (2,)}):
        np.testing.assert_allclose(reading.read(path, wanted=wanted(**foreground)).data, 1 - soft, atol=0.003)
    with pytest.raises(
        fastfuse.ImageError, match=r"2 soft segments, one \(label 1\), two \(label 2\): choose"
    ):
        reading.read(path)


@pytest.mark.parametrize("segments", [1, 2])
def test_soft_segments_are_binarized(tmp_path: Path, segments: int) -> None:
    soft = {name: 0.6 * mask for name, mask in zip(("one", "two")[:segments], (ONE, TWO), strict=False)}
    union = np.max(list(soft.values()), axis=0) > 0
    fractions = dicom_seg(tmp_path / "a.dcm", soft, fractional=True, empty=True)
    mask = dicom_seg(tmp_path / "b.dcm", {"union": union.astype(np.uint8)}, empty=True)
    said = r"a\.dcm: binarize counts \d+ voxels with values between 0 and 1 as foreground"
    with pytest.warns(fastfuse.FusionWarning, match=said):
        fused = fastfuse.fuse_files(
            [fractions, mask], tmp_path / "c.nii.gz", method="majority", binarize=True
        )
    np.testing.assert_array_equal(fused.probability, union)
    with pytest.warns(fastfuse.FusionWarning, match=said):
        found = fastfuse.evaluate_files(fractions, mask, binarize=True, cut=0.7)
    assert found.dice == 1
    with pytest.warns(fastfuse.FusionWarning, match=said):
        found = fastfuse.evaluate_files(mask, fractions, binarize=True)
    assert found.dice == 1


def test_soft_segments_are_binarized_before_they_grow(tmp_path: Path) -> None:
    import nibabel as nib

    path = dicom_seg(tmp_path / "a.dcm", {"one": 0.6 * ONE}, fractional=True, empty=True)
    affine = reading.read(path).affine
    nib.save(nib.Nifti1Image(RNG.random(ONE.shape).astype(np.float32), affine), tmp_path / "image.nii.gz")
    with pytest.warns(fastfuse.FusionWarning, match="binarize counts"):
        [soft] = fastfuse.soften_files(
            [path], tmp_path / "image.nii.gz", output=tmp_path / "s.nii.gz", binarize=True
        )
    assert soft.voxels == ONE.sum()


def source_of(turn: np.ndarray) -> list[Any]:
    """Return the slices of a CT, as much of them as highdicom asks for."""
    from pydicom.dataset import Dataset, FileMetaDataset

    slices = []
    for z in range(ONE.shape[2]):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
        one.SOPClassUID, one.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", f"1.2.3.{z + 1}"
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = "1.2.4", "1.2.5", "1.2.6"
        for name in (
            "PatientName",
            "PatientBirthDate",
            "PatientSex",
            "AccessionNumber",
            "ReferringPhysicianName",
        ):
            setattr(one, name, "")
        one.PatientID, one.StudyDate, one.StudyTime, one.StudyID = "x", "20200101", "000000", "1"
        one.Modality, one.SeriesNumber, one.InstanceNumber, one.Manufacturer = "CT", 1, z + 1, "m"
        one.Rows, one.Columns, one.PixelSpacing = 5, 7, [2.0, 1.0]
        one.SliceThickness = one.SpacingBetweenSlices = 3.0
        one.ImageOrientationPatient = [*turn[:, 0], *turn[:, 1]]
        one.ImagePositionPatient = list(np.array([10, 20, 30]) + turn[:, 2] * 3 * z)
        one.PositionReferenceIndicator, one.BitsAllocated, one.SamplesPerPixel = "", 16, 1
        slices.append(one)
    return slices


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
@pytest.mark.parametrize("seed", [None, 4])
def test_what_highdicom_writes(tmp_path: Path, kind: str, seed: int | None) -> None:
    highdicom = pytest.importorskip("highdicom")
    from pydicom.sr.codedict import codes

    turn = np.eye(3) if seed is None else oblique(seed)
    masks = np.stack([ONE, TWO], axis=-1).transpose(2, 1, 0, 3).astype(np.uint8)
    masks[3] = 0  # a slice that is left out
    values = masks if kind == "BINARY" else 0.5 * masks
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        segments = [
            highdicom.seg.SegmentDescription(number, name, codes.SCT.Tissue, codes.SCT.Tissue, "MANUAL")
            for number, name in enumerate(("one", "two"), start=1)
        ]
        made = highdicom.seg.Segmentation(
            source_of(turn), values, kind, segments, "1.2.7", 2, "1.2.8", 1, "m", "m", "1", "1"
        )
        made.save_as(tmp_path / "a.dcm")
    for k, name in enumerate(("one", "two")):
        found = reading.read(tmp_path / "a.dcm", wanted=wanted(segments=(name,)))
        np.testing.assert_allclose(found.data, values[..., k].transpose(2, 1, 0), atol=0.003)
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = turn * (1.0, 2.0, 3.0), (10, 20, 30)
        np.testing.assert_allclose(found.affine, TO_RAS @ affine, atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "Modality": "CT"},
            "it is DICOM of modality CT, and no segm",
        ),
        ({"SegmentSequence": []}, "it names no segments"),
        ({"Rows": 60000}, "a.dcm: "),
        ({"NumberOfFrames": 3}, "a.dcm: "),
        ({"PixelData": b"ab"}, "a.dcm: "),
        ({"PerFrameFunctionalGroupsSequence": []}, "its frames have no place in a volume"),
        ({"SharedFunctionalGroupsSequence": []}, "a.dcm: "),
    ],
)
def test_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    path = dicom_seg(tmp_path / "a.dcm", {"one": ONE, "two": TWO}, **fields)
    with pytest.raises(fastfuse.ImageError, match=message) as caught:
        reading.read(path)
    assert len(str(caught.value).splitlines()) == 1


def test_choices_that_are_not_there(tmp_path: Path) -> None:
    path = dicom_seg(tmp_path / "a.dcm", {"one": ONE, "two": TWO})
    with pytest.raises(fastfuse.ImageError, match=r"there is no segment 'three'; it holds one, two"):
        reading.read(path, wanted=wanted(segments=("three",)))
    with pytest.raises(fastfuse.ImageError, match=r"there is no segment 3; it holds one \(label 1\), two"):
        reading.read(path, wanted=wanted(labels=(3,)))
    both = dicom_seg(tmp_path / "b.dcm", {"one": ONE, "two": ONE})
    with pytest.raises(
        fastfuse.ImageError, match=r"its segments overlap, one \(label 1\), two \(label 2\): choose"
    ):
        reading.read(both)


def test_raters_are_fused(tmp_path: Path) -> None:
    masks = [ONE, ONE & (np.arange(ONE.size).reshape(ONE.shape) % 3 > 0), TWO | ONE]
    paths = [
        dicom_seg(tmp_path / f"{k}.dcm", {"other": TWO * 0 + 1, "lesion": mask}, empty=True)
        for k, mask in enumerate(masks)
    ]
    fused = fastfuse.fuse_files(paths, tmp_path / "a.nii", method="staple", select_segment="lesion")
    np.testing.assert_array_equal(fused.probability, fastfuse.staple(masks).probability)
    again = fastfuse.fuse_files(paths, tmp_path / "b.nii", method="staple", select_label=2)
    np.testing.assert_array_equal(fused.probability, again.probability)
    region = dicom_seg(tmp_path / "region.dcm", {"brain": np.ones_like(ONE)})
    inside = fastfuse.fuse_files(paths, tmp_path / "c.nii", method="staple", select_label=2, mask=region)
    np.testing.assert_array_equal(inside.probability, fused.probability)


@pytest.mark.parametrize("whole", [False, True])
def test_boxes_of_all_segments_that_lie_elsewhere(tmp_path: Path, whole: bool) -> None:
    """The frames of all segments make the box; a file that keeps empty slices is not cropped."""
    files = []
    for i, low in enumerate((5, 4)):
        tumour, oedema = np.zeros((2, 8, 9, 12), np.uint8)
        tumour[2:6, 3:5, low : low + 2], oedema[1:7, 2:6, 3:10] = 1, 1
        if not whole:
            tumour, oedema = tumour[..., 3:10], oedema[..., 3:10]
        place = (10.0, 20.0, 30.0 + 3 * i)
        path = tmp_path / f"{i}.dcm"
        files.append(dicom_seg(path, {"Tumour": tumour, "Oedema": oedema}, origin=place, empty=whole))
    out = tmp_path / "o.nii"
    if whole:
        with pytest.raises(fastfuse.GridError, match="one header is wrong; or"):
            fastfuse.fuse_files(files, out, select_segment="Tumour")
        return
    with pytest.warns(fastfuse.FusionWarning, match="padded with 0"):
        found = fastfuse.fuse_files(files, out, method="majority", select_segment="Tumour")
    assert found.probability.shape == (8, 9, 8)
    assert np.count_nonzero(found.probability == 1) == 4 * 2 * 2


@pytest.mark.parametrize("kind", [{}, {"fractional": True}, {"label_map": True}], ids=str)
@pytest.mark.parametrize(("moved", "onto"), [(1, 2), (0, 4), (5, 1)])
def test_two_frames_at_one_place_are_refused(
    tmp_path: Path, kind: dict[str, bool], moved: int, onto: int
) -> None:
    import pydicom

    path = dicom_seg(tmp_path / "a.dcm", {"lesion": ONE}, empty=True, **kind)
    found = pydicom.dcmread(path)
    frames = found.PerFrameFunctionalGroupsSequence
    frames[moved].PlanePositionSequence = frames[onto].PlanePositionSequence
    found.save_as(path)
    first, second = sorted((moved + 1, onto + 1))
    of = "" if "label_map" in kind else " of segment 1"
    with pytest.raises(fastfuse.ImageError, match=f"frames {first} and {second}{of} lie at one place"):
        reading.read(path)


def test_frames_of_several_segments_share_a_place(tmp_path: Path) -> None:
    path = dicom_seg(tmp_path / "a.dcm", {"one": ONE, "two": ONE}, empty=True)
    np.testing.assert_array_equal(reading.read(path, wanted=wanted(segments=("two",))).data, ONE)


def test_a_frame_of_no_segment_is_refused(tmp_path: Path) -> None:
    import pydicom

    path = dicom_seg(tmp_path / "a.dcm", {"lesion": ONE}, empty=True)
    found = pydicom.dcmread(path)
    frame = found.PerFrameFunctionalGroupsSequence[2]
    frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 7
    found.save_as(path)
    with pytest.raises(
        fastfuse.ImageError, match="frame 3 belongs to segment 7, which SegmentSequence does not"
    ):
        reading.read(path)


@pytest.mark.parametrize("kind", ["WEIRD", "PROBABILITY", ""])
def test_types_that_dicom_does_not_have_are_refused(tmp_path: Path, kind: str) -> None:
    path = dicom_seg(tmp_path / "a.dcm", {"lesion": ONE}, SegmentationType=kind)
    with pytest.raises(fastfuse.ImageError, match="its SegmentationType is"):
        reading.read(path)


@pytest.mark.parametrize("length", [132, 140])
def test_a_file_that_ends_before_it_says_what_it_is(tmp_path: Path, length: int) -> None:
    path = dicom_seg(tmp_path / "a.dcm", {"lesion": ONE})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(fastfuse.ImageError, match="is it complete") as caught:
        reading.read(path)
    assert "dcm2niix" not in str(caught.value)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("kind", [{}, {"fractional": True}, {"label_map": True}], ids=str)
def test_a_file_that_ends_before_its_voxels(tmp_path: Path, share: float, kind: dict[str, bool]) -> None:
    """Wherever it was cut, no tag's number, and no attribute of Python, is the reason."""
    content = dicom_seg(tmp_path / "a.dcm", {"one": ONE}, **kind).read_bytes()
    (tmp_path / "b.dcm").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(fastfuse.ImageError, match=r"b\.dcm: .*; is it complete\?$") as caught:
        reading.read(tmp_path / "b.dcm")
    assert not any(
        word in str(caught.value) for word in ("(0020", "attribute", "buffer", "patient", "dcm2niix")
    )


@pytest.mark.parametrize("name", ["PixelMeasuresSequence", "PlaneOrientationSequence"])
def test_an_element_that_is_lacking_is_named(tmp_path: Path, name: str) -> None:
    pydicom = pytest.importorskip("pydicom")
    found = pydicom.dcmread(dicom_seg(tmp_path / "a.dcm", {"one": ONE}))
    del found.SharedFunctionalGroupsSequence[0][name]
    found.save_as(tmp_path / "a.dcm")
    with pytest.raises(fastfuse.ImageError, match=rf"it lacks {name}"):
        reading.read(tmp_path / "a.dcm")


@pytest.mark.parametrize("kind", ["binary", "fractional", "label_map"])
@pytest.mark.parametrize(
    "fault", [{"Rows": 4}, {"Columns": 6}, {"Rows": 1}, {"NumberOfFrames": 5}, {"Rows": 4, "Columns": 6}]
)
def test_more_voxels_than_the_frames_say(tmp_path: Path, kind: str, fault: dict[str, int]) -> None:
    """Voxels that follow the last one are those of a frame that was cut too short: all behind it are shifted."""
    kinds = {} if kind == "binary" else {kind: True}
    path = dicom_seg(tmp_path / "a.dcm", {"lesion": ONE}, empty=True, **kinds, **fault)
    with pytest.raises(fastfuse.ImageError, match=r"a\.dcm: .*(follows? the last voxel|NumberOfFrames is 5)"):
        reading.read(path)


def test_a_byte_behind_the_voxels_is_said(tmp_path: Path) -> None:
    """Less than a row of any frame shifts nothing; the byte that makes a length even is no doubt."""
    mask = np.ones((9, 9, 3), np.uint8)
    path = dicom_seg(tmp_path / "a.dcm", {"lesion": mask})
    assert reading.read(path).remark is None
    import pydicom

    found = pydicom.dcmread(path)
    found.PixelData += bytes(2)
    found.save_as(path)
    image = reading.read(path)
    np.testing.assert_array_equal(image.data, mask)
    assert "2 bytes follow the last voxel of 3 frames of 9 × 9 pixels" in str(image.remark)


@pytest.mark.parametrize("name", ["Background", "nothing"])
def test_background_is_no_segment(tmp_path: Path, name: str) -> None:
    """A label map describes its background, too: it is not listed, and not chosen."""
    import pydicom

    path = dicom_seg(tmp_path / "a.dcm", {"lesion": ONE, "oedema": TWO}, label_map=True)
    found = pydicom.dcmread(path)
    background = pydicom.Dataset()
    background.SegmentNumber, background.SegmentLabel = 0, name
    found.SegmentSequence.insert(0, background)
    found.save_as(path)
    assert [one.name for one in reading.read(path).segments] == ["lesion", "oedema"]
    with pytest.raises(fastfuse.ImageError, match="there is no segment") as caught:
        reading.read(path, wanted=wanted(segments=(name,)))
    assert f"no segment {name!r}" in str(caught.value)
    chosen = reading.read(path, wanted=wanted(segments=("oedema",)))
    np.testing.assert_array_equal(chosen.data, TWO)
