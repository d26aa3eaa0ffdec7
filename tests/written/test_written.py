"""Outputs for other programs: what NIfTI headers tell viewers, segments for 3-D Slicer, fractional DICOM."""

from __future__ import annotations

import json
import shutil
import subprocess
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.errors import FastfuseError, GridError, OutputError
from fastfuse.images.formats.nrrd import named_segments
from fastfuse.images.formats.segments import with_segments
from fastfuse.images.reading import read
from fastfuse.images.wanted import Wanted
from fastfuse.inputs.foreground import Foreground

sitk = pytest.importorskip("SimpleITK")

SHAPE = (9, 8, 7)
TURN = np.array([[0, -1.5, 0, 20], [1.2, 0, 0, -30], [0, 0, 2.5, 5], [0, 0, 0, 1]])


@pytest.fixture
def raters(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(5)
    truth = np.zeros(SHAPE, bool)
    truth[2:7, 2:6, 2:5] = True
    paths = []
    for i in range(3):
        mask = truth ^ (rng.random(SHAPE) < 0.05)
        paths.append(tmp_path / f"rater{i}.nii.gz")
        nib.save(nib.Nifti1Image(mask.astype(np.uint8), TURN), paths[-1])
    return paths


@pytest.fixture
def maps(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(6)
    paths = []
    for i in range(3):
        labels = np.zeros(SHAPE, np.uint8)
        labels[2:7, 2:6, 1:6] = 1
        labels[3:5, 3:5, 2:5] = 4
        labels[rng.random(SHAPE) < 0.03] = 1
        paths.append(tmp_path / f"map{i}.nii.gz")
        nib.save(nib.Nifti1Image(labels, TURN), paths[-1])
    return paths


def fused(raters: list[Path], output: Path, **options) -> fastfuse.Fusion:
    return fastfuse.fuse_files(raters, output, method="staple", prior="estimate", **options)


def shown_as(path: Path) -> tuple[int, str, float, float]:
    header = nib.load(path).header
    code, _, name = header.get_intent(code_repr="code")
    return code, name, float(header["cal_min"]), float(header["cal_max"])


def test_headers_tell_viewers_what_voxels_are(raters, maps, tmp_path: Path) -> None:
    fused(raters, tmp_path / "p.nii.gz", save_label=tmp_path / "m.nii", save_counts=tmp_path / "n.nii")
    assert shown_as(tmp_path / "p.nii.gz") == (1001, "probability", 0, 1)
    assert shown_as(tmp_path / "m.nii") == (1002, "labels", 0, 1)
    assert shown_as(tmp_path / "n.nii") == (1001, "counts", 0, 3)
    fused(raters, tmp_path / "q.nii.gz", save_label=tmp_path / "k.nii", max_memory="1M")
    assert shown_as(tmp_path / "q.nii.gz") == (1001, "probability", 0, 1)
    assert shown_as(tmp_path / "k.nii") == (1002, "labels", 0, 1)
    assert (tmp_path / "p.nii.gz").read_bytes() == (tmp_path / "q.nii.gz").read_bytes()
    fastfuse.fuse_files(maps, tmp_path / "l.nii", labels="all", save_probability={4: tmp_path / "four.nii"})
    assert shown_as(tmp_path / "l.nii") == (1002, "labels", 0, 4)
    assert shown_as(tmp_path / "four.nii") == (1001, "probability", 0, 1)


def segments(path: Path) -> dict[str, np.ndarray]:
    """Return each segment by our own reader."""
    found = {}
    for name in [one.name for one, _ in named_segments(path)]:
        one = read(path, wanted=Wanted(with_segments(Foreground(), name)))
        np.testing.assert_allclose(one.affine, TURN, atol=1e-6)
        found[name] = np.asarray(one.data) != 0
    return found


def test_segments_are_the_consensus_the_counts_and_the_raters(raters, tmp_path: Path) -> None:
    fusion = fused(
        raters, tmp_path / "x.seg.nrrd", save_counts=tmp_path / "n.nii", names=["Anna", "Bért", "C"], cut=0.6
    )
    found = segments(tmp_path / "x.seg.nrrd")
    counts = np.asarray(nib.load(tmp_path / "n.nii").dataobj)
    assert [*found] == ["consensus", *(f"marked by {k} of 3" for k in (1, 2, 3)), "Anna", "Bért", "C"]
    np.testing.assert_array_equal(found["consensus"], fusion.label(0.6) != 0)
    for k in (1, 2, 3):
        np.testing.assert_array_equal(found[f"marked by {k} of 3"], counts == k)
    for path, name in zip(raters, ("Anna", "Bért", "C"), strict=True):
        np.testing.assert_array_equal(found[name], np.asarray(nib.load(path).dataobj) != 0)
    facts = json.loads((tmp_path / "x.json").read_text())
    assert facts["outputs"] == {"consensus": "x.seg.nrrd", "counts": "n.nii"}


def test_slicer_s_fields(raters, tmp_path: Path) -> None:
    fused(raters, tmp_path / "x.seg.nrrd")
    fused(raters, tmp_path / "y.nii.gz", save_label=tmp_path / "y.seg.nrrd")
    assert (tmp_path / "x.seg.nrrd").read_bytes() == (tmp_path / "y.seg.nrrd").read_bytes()
    image = sitk.ReadImage(str(tmp_path / "x.seg.nrrd"))
    assert image.GetNumberOfComponentsPerPixel() == 5  # layers: consensus, counts, three raters
    values = sitk.GetArrayFromImage(image).transpose(2, 1, 0, 3)
    np.testing.assert_array_equal(values[..., 2], nib.load(raters[0]).dataobj)
    expected = sitk.ReadImage(str(raters[0]))
    np.testing.assert_allclose(image.GetOrigin(), expected.GetOrigin(), atol=1e-6)
    np.testing.assert_allclose(image.GetSpacing(), expected.GetSpacing(), atol=1e-6)
    np.testing.assert_allclose(image.GetDirection(), expected.GetDirection(), atol=1e-6)
    keys = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    assert keys["Segmentation_MasterRepresentation"] == "Binary labelmap"
    colours = [keys[f"Segment{k}_Color"] for k in range(7)]
    assert len({*colours}) == 7
    assert all(0 <= float(part) <= 1 for one in colours for part in one.split())
    assert [keys[f"Segment{k}_Layer"] for k in range(7)] == ["0", "1", "1", "1", "2", "3", "4"]
    assert [keys[f"Segment{k}_LabelValue"] for k in range(7)] == ["1", "1", "2", "3", "1", "1", "1"]
    where = np.argwhere(values[..., 0])
    ends = np.stack([where.min(0), where.max(0)], 1).ravel()
    assert keys["Segment0_Extent"] == " ".join(map(str, ends))
    assert len({keys[f"Segment{k}_ID"] for k in range(7)}) == 7


def test_pynrrd_reads_it(raters, tmp_path: Path) -> None:
    nrrd = pytest.importorskip("nrrd")
    fused(raters, tmp_path / "x.seg.nrrd")
    values, header = nrrd.read(str(tmp_path / "x.seg.nrrd"))
    assert values.shape == (5, *SHAPE)
    assert header["Segment0_Name"] == "consensus"


def test_label_maps_as_segments(maps, tmp_path: Path) -> None:
    (tmp_path / "n.tsv").write_text(
        "index\tname\tcolor\n0\tair\t#000000\n1\tedema\t#ff0000\n4\tcore\t#00ff80\n"
    )
    fusion = fastfuse.fuse_files(maps, tmp_path / "l.seg.nrrd", labels="all", label_names=tmp_path / "n.tsv")
    found = segments(tmp_path / "l.seg.nrrd")
    label_map = fusion.label()
    assert [*found] == ["edema", "core"]
    np.testing.assert_array_equal(found["edema"], label_map == 1)
    np.testing.assert_array_equal(found["core"], label_map == 4)
    image = sitk.ReadImage(str(tmp_path / "l.seg.nrrd"))
    assert image.GetMetaData("Segment0_Color") == "1 0 0"
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).transpose(2, 1, 0), label_map)
    assert (tmp_path / "l.tsv").is_file()
    assert (tmp_path / "l.json").is_file()


def test_a_consensus_of_segments_is_fused_again(raters, tmp_path: Path) -> None:
    fused(raters, tmp_path / "x.seg.nrrd")
    with pytest.warns(fastfuse.FusionWarning, match="is one file"):
        again = fastfuse.fuse_files(
            [tmp_path / "x.seg.nrrd"] * 2,
            tmp_path / "again.nii",
            select_segment="consensus",
            method="majority",
        )
    np.testing.assert_array_equal(again.probability, segments(tmp_path / "x.seg.nrrd")["consensus"])


def test_of_a_file_of_ours_the_consensus_is_taken_unless_another_is_named(raters, tmp_path: Path) -> None:
    ours = tmp_path / "x.seg.nrrd"
    fused(raters, ours)
    with pytest.warns(
        fastfuse.FusionWarning, match="x.seg.nrrd: fastfuse wrote it: its segment 'consensus' was taken"
    ):
        found = fastfuse.evaluate_files(ours, raters[0])
    mask = segments(ours)["consensus"] != 0
    truth = np.asarray(nib.load(raters[0]).dataobj) != 0
    assert found.dice == 2 * np.sum(mask & truth) / (np.sum(mask) + np.sum(truth))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a truth that is a NIfTI cannot name segments: nothing is wrong
        named = fastfuse.evaluate_files(ours, raters[0], select_segment="rater0.nii.gz")
    assert named.dice == 1
    with pytest.warns(fastfuse.FusionWarning) as told:
        fastfuse.fuse_files([ours, *raters], tmp_path / "again.nii", method="staple", prior="estimate")
    assert any(
        "x.seg.nrrd is a consensus that fastfuse wrote, not a rater's" in str(one.message) for one in told
    )


def test_of_somebody_else_s_file_nothing_is_taken_for_the_consensus(raters, tmp_path: Path) -> None:
    fused(raters, tmp_path / "x.seg.nrrd")
    foreign = tmp_path / "y.seg.nrrd"
    head, _, voxels = (tmp_path / "x.seg.nrrd").read_bytes().partition(b"\n\n")
    foreign.write_bytes(head.replace(b"\nfastfuse:=consensus", b"") + b"\n\n" + voxels)
    with pytest.raises(fastfuse.ImageError, match="5 layers of overlapping segments"):
        fastfuse.evaluate_files(foreign, raters[0])


def test_nobody_marks_anything(tmp_path: Path) -> None:
    paths = [tmp_path / f"r{i}.nii" for i in range(2)]
    for path in paths:
        nib.save(nib.Nifti1Image(np.zeros(SHAPE, np.uint8), TURN), path)
    with pytest.warns(fastfuse.FusionWarning):
        fastfuse.fuse_files(paths, tmp_path / "x.seg.nrrd", method="majority")
    assert "Segment0_Extent:=0 -1 0 -1 0 -1\n" in (tmp_path / "x.seg.nrrd").read_bytes().decode("latin-1")


def test_more_segments_than_a_byte_holds(maps, tmp_path: Path) -> None:
    wide = []
    for i, path in enumerate(maps):
        labels = np.asarray(nib.load(path).dataobj).astype(np.int32)
        labels[labels == 4] = 70000
        wide.append(tmp_path / f"w{i}.nii")
        nib.save(nib.Nifti1Image(labels, TURN), wide[-1])
    fusion = fastfuse.fuse_files(wide, tmp_path / "l.seg.nrrd", labels="all")
    values = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "l.seg.nrrd"))).transpose(2, 1, 0)
    np.testing.assert_array_equal(values, fusion.label())


class TestDicom:
    """The probability as a fractional segmentation."""

    def test_our_reader_and_the_standard_s_fields(self, raters, tmp_path: Path) -> None:
        pydicom = pytest.importorskip("pydicom")
        fusion = fused(raters, tmp_path / "x.dcm")
        image = read(tmp_path / "x.dcm", wanted=Wanted(with_segments(Foreground(), "consensus")))
        np.testing.assert_allclose(image.affine, TURN, atol=1e-6)
        np.testing.assert_allclose(np.asarray(image.data), fusion.probability, atol=0.5 / 255 + 1e-6)
        found = pydicom.dcmread(tmp_path / "x.dcm")
        assert (found.SegmentationType, found.SegmentationFractionalType) == ("FRACTIONAL", "PROBABILITY")
        assert (found.MaximumFractionalValue, found.NumberOfFrames) == (255, SHAPE[2])
        assert json.loads((tmp_path / "x.json").read_text())["outputs"] == {"consensus": "x.dcm"}

    def test_highdicom_reads_it(self, raters, tmp_path: Path) -> None:
        highdicom = pytest.importorskip("highdicom")
        fusion = fused(raters, tmp_path / "x.dcm")
        found = highdicom.seg.segread(tmp_path / "x.dcm")
        volume = found.get_volume(segment_numbers=[1])
        order = [[i for i in range(3) if abs(volume.affine[axis, i]) > 0.5] for axis in range(3)]
        assert sorted(axis for axes in order for axis in axes) == [0, 1, 2]
        values = np.sort(np.asarray(volume.array).ravel().astype(float))
        np.testing.assert_allclose(values, np.sort(fusion.probability.ravel()), atol=0.5 / 255 + 1e-6)
        assert found.get_segment_description(1).segment_label == "consensus"

    def test_dciodvfy_finds_no_error(self, raters, tmp_path: Path) -> None:
        validator = shutil.which("dciodvfy")
        if validator is None:
            pytest.skip("no dciodvfy (Debian's dicom3tools)")
        fused(raters, tmp_path / "x.dcm")
        done = subprocess.run(
            [validator, str(tmp_path / "x.dcm")], capture_output=True, text=True, check=False
        )
        said = done.stdout + done.stderr
        assert "Segmentation" in said.split()
        assert "Error" not in said

    def test_it_is_a_rater_too(self, raters, tmp_path: Path) -> None:
        fusion = fused(raters, tmp_path / "x.dcm")
        with pytest.warns(fastfuse.FusionWarning, match="is one file"):
            again = fastfuse.fuse_files(
                [tmp_path / "x.dcm"] * 2, tmp_path / "y.nii", method="majority", select_segment="consensus"
            )
        np.testing.assert_allclose(again.probability, fusion.probability, atol=0.5 / 255 + 1e-6)

    def test_patient_and_place_are_those_of_a_dicom_rater(self, tmp_path: Path) -> None:
        pydicom = pytest.importorskip("pydicom")
        from ..images.segmentations import dicom_seg

        mask = np.zeros(SHAPE, np.uint8)
        mask[2:5, 2:5, 2:5] = 1
        one = dicom_seg(
            tmp_path / "a.dcm",
            {"lesion": mask},
            empty=True,
            FrameOfReferenceUID="1.2.3.4",
            PatientID="P7",
            StudyInstanceUID="1.9",
        )
        two = dicom_seg(tmp_path / "b.dcm", {"lesion": mask}, empty=True, FrameOfReferenceUID="1.2.3.4")
        with pytest.warns(fastfuse.FusionWarning):
            fastfuse.fuse_files([one, two], tmp_path / "x.dcm", method="majority", select_segment="lesion")
        found = pydicom.dcmread(tmp_path / "x.dcm")
        assert (found.PatientID, found.FrameOfReferenceUID, found.StudyInstanceUID) == (
            "P7",
            "1.2.3.4",
            "1.9",
        )

    def test_the_same_bytes_each_time(self, raters, tmp_path: Path) -> None:
        for name in ("x.dcm", "y.dcm"):
            fused(raters, tmp_path / name)
        assert (tmp_path / "x.dcm").read_bytes() == (tmp_path / "y.dcm").read_bytes()

    def test_sheared_axes_are_refused_and_nothing_is_written(self, raters, tmp_path: Path) -> None:
        sheared = TURN.copy()
        sheared[0, 2] = 0.8
        for path in raters:
            nib.save(nib.Nifti1Image(np.asarray(nib.load(path).dataobj), sheared), path)
        with pytest.raises(GridError, match="not at right angles"):
            fused(raters, tmp_path / "x.dcm", save_label=tmp_path / "m.nii")
        assert not [path for path in tmp_path.iterdir() if path not in raters]

    def test_without_pydicom(self, raters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import sys

        monkeypatch.setitem(sys.modules, "pydicom", None)
        with pytest.raises(FastfuseError, match=r"an output that ends in \.dcm needs pydicom"):
            fused(raters, tmp_path / "x.dcm")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ({"save_label": "m.dcm"}, "must end in .nii or .nii.gz or .seg.nrrd"),
        ({"save_counts": "n.seg.nrrd"}, "must end in .nii or .nii.gz"),
        ({"output": "x.nrrd"}, "must end in .nii or .nii.gz or .seg.nrrd or .dcm"),
    ],
)
def test_other_endings_are_refused(raters, tmp_path: Path, names: dict[str, str], told: str) -> None:
    placed = {what: tmp_path / name for what, name in {"output": "c.nii", **names}.items()}
    with pytest.raises(OutputError, match=told.replace(".", r"\.")):
        fused(raters, **placed)
    assert not (tmp_path / "c.nii").exists()


def test_slabs_write_nifti_alone(raters, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="an output other than NIfTI needs whole images"):
        fused(raters, tmp_path / "x.seg.nrrd", max_memory="1M")
