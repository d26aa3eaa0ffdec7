"""Structure sets as raters of whole commands: fused, compared, evaluated, grown, listed, and in cohorts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ...command import run_here
from ..segmentations import dicom_seg, seg_nrrd
from .structures import Polygons, circle, ct, flat, rt_struct, slow
from .test_shapes import SHAPE, STRAIGHT

pytest.importorskip("pydicom")

MASKS: list[Polygons] = [
    [flat(circle((18.2 + shift, 16.7), 7 + 0.4 * shift), at) for at in range(2, 6)] for shift in range(4)
]
CORDS: list[Polygons] = [
    [flat(circle((32.3, 30.1), 2.5 + 0.2 * shift), at) for at in range(1, 8)] for shift in range(4)
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four raters, CT, a mask of 38 x 34 voxels of each slice, and the raters' masks as NIfTI."""
    ct(tmp_path / "ct.nii.gz", SHAPE, STRAIGHT)
    region = np.zeros(SHAPE, np.uint8)
    region[:38, :34] = 1
    nib.save(nib.Nifti1Image(region, STRAIGHT), tmp_path / "region.nii.gz")
    for k, (mask, cord) in enumerate(zip(MASKS, CORDS, strict=True)):
        rt_struct(tmp_path / f"r{k}.dcm", {"GTV" if k < 3 else "Tumour": mask, "Cord": cord}, STRAIGHT)
        nib.save(nib.Nifti1Image(slow(SHAPE, mask).astype(np.uint8), STRAIGHT), tmp_path / f"m{k}.nii.gz")
    return tmp_path


def voxels(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


def ran(folder: Path, words: str) -> str:
    done = run_here(folder, *words.split())
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def refused(folder: Path, words: str) -> str:
    done = run_here(folder, *words.split())
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    return line


RATERS = "r0.dcm r1.dcm r2.dcm r3.dcm --select-segment GTV|Tumour"
PLAIN = "m0.nii.gz m1.nii.gz m2.nii.gz m3.nii.gz"


def test_fused_as_their_masks_are(folder: Path) -> None:
    said = ran(folder, f"fuse {RATERS} --grid ct.nii.gz -o a.nii.gz")
    assert not any(word in said for word in ("padded", "drawn", "contours"))
    ran(folder, f"fuse {PLAIN} -o b.nii.gz")
    np.testing.assert_array_equal(voxels(folder / "a.nii.gz"), voxels(folder / "b.nii.gz"))
    np.testing.assert_array_equal(nib.load(folder / "a.nii.gz").affine, nib.load(folder / "ct.nii.gz").affine)
    facts = json.loads((folder / "a.json").read_text())
    assert facts["grid"]["file"] == "ct.nii.gz"
    assert "extent" not in facts["grid"]
    assert not any(word in (folder / "a.json").read_text() for word in ("Doe", "id-7", "1.2.4"))
    ran(folder, "rerun a.nii.gz --out-dir again")
    assert (folder / "again" / "a.nii.gz").read_bytes() == (folder / "a.nii.gz").read_bytes()
    assert "listed" in ran(folder, "review a.nii.gz -o review.csv")


@pytest.mark.parametrize(
    ("given", "of"),
    [
        ("--mask region.nii.gz", "region.nii.gz"),
        ("m1.nii.gz", "m1.nii.gz"),
        ("--mask region.nii.gz m1.nii.gz", "m1.nii.gz"),
    ],
)
def test_the_grid_of_a_mask_or_a_rater(folder: Path, given: str, of: str) -> None:
    said = ran(folder, f"fuse {RATERS} {given} -o a.nii.gz --method majority")
    assert f"its contours are drawn on the grid of {of}" in said
    ran(folder, f"fuse {PLAIN} {given} -o b.nii.gz --method majority")
    np.testing.assert_array_equal(voxels(folder / "a.nii.gz"), voxels(folder / "b.nii.gz"))
    assert json.loads((folder / "a.json").read_text())["grid"]["file"] == of
    assert int(nib.load(folder / "a.nii.gz").header["sform_code"]) == int(
        nib.load(folder / of).header["sform_code"]
    )


def test_the_image_decides_the_grid(folder: Path) -> None:
    ran(folder, f"fuse {RATERS} --image ct.nii.gz --method border-staple -o a.nii.gz --report a.html")
    ran(folder, f"fuse {PLAIN} --image ct.nii.gz --method border-staple -o b.nii.gz")
    np.testing.assert_array_equal(voxels(folder / "a.nii.gz"), voxels(folder / "b.nii.gz"))
    assert json.loads((folder / "a.json").read_text())["grid"]["file"] == "ct.nii.gz"
    assert "border-staple" in ran(folder, f"fuse {RATERS} --image ct.nii.gz --preset recommended -o c.nii.gz")


@pytest.mark.parametrize("name", ["seg.dcm", "a.seg.nrrd", "r.dcm"])
def test_a_preset_takes_chosen_segments_for_masks(folder: Path, name: str) -> None:
    """Not for a network's probabilities, of which it would take the mean."""
    for k in range(3):
        mask = voxels(folder / f"m{k}.nii.gz")
        if name == "r.dcm":
            rt_struct(folder / f"{k}{name}", {"GTV": MASKS[k]}, STRAIGHT)
        elif name == "seg.dcm":
            dicom_seg(folder / f"{k}{name}", {"GTV": mask}, empty=True)
        else:
            seg_nrrd(folder / f"{k}{name}", mask, [("GTV", 1, 0)])
    grid = "--grid ct.nii.gz" if name == "r.dcm" else ""
    files = " ".join(f"{k}{name}" for k in range(3))
    said = ran(folder, f"fuse {files} {grid} --select-segment GTV -o a.nii.gz --preset recommended")
    assert "Preset recommended for 3 masks: " in " ".join(said.split())


def test_nothing_has_a_grid(folder: Path) -> None:
    told = "name the image that they were drawn on, as NIfTI of its series by dcm2niix: --grid FILE"
    assert (
        refused(folder, f"fuse {RATERS} -o a.nii.gz")
        == f"error: r0.dcm: it holds contours (RTSTRUCT), and no file has a grid for them: {told}"
    )
    for words in ("--grid r1.dcm", "--image r1.dcm --method border-staple"):
        assert (
            refused(folder, f"fuse {RATERS} {words} -o a.nii.gz")
            == f"error: r1.dcm: it holds contours (RTSTRUCT), and no grid that others could get: {told}"
        )
    line = refused(folder, f"fuse {PLAIN} --grid r1.dcm -o a.nii.gz")
    assert line.startswith(
        "error: r1.dcm: it holds contours (RTSTRUCT), and no voxels or grid: give a mask of them, as 'fastfuse fuse FILE"
    )
    np.save(folder / "plain.npy", voxels(folder / "m1.nii.gz"))
    assert "plain.npy: its header does not say where it lies" in refused(
        folder, f"fuse {RATERS} plain.npy -o a.nii.gz"
    )
    assert not (folder / "a.nii.gz").exists()


def test_contours_beyond_the_grid(folder: Path) -> None:
    """They are cut off where the grid was named, which is said, and refused on an image's; a rater's grid is enlarged."""
    whole = nib.load(folder / "ct.nii.gz")
    nib.save(whole.slicer[:, :, 4:], folder / "part.nii.gz")
    said = ran(folder, f"fuse {RATERS} --grid part.nii.gz -o a.nii.gz --method majority")
    cut = [int(voxels(folder / f"m{k}.nii.gz")[:, :, :4].sum()) for k in range(4)]
    assert f"r0.dcm: cropped by {cut[0]} voxels that are not 0 onto the grid of part.nii.gz" in " ".join(
        said.split()
    )
    expected = np.mean([voxels(folder / f"m{k}.nii.gz") for k in range(4)], axis=0)
    np.testing.assert_allclose(voxels(folder / "a.nii.gz"), expected[:, :, 4:], atol=1e-6)
    line = refused(folder, f"fuse {RATERS} --image part.nii.gz --method border-staple -o b.nii.gz")
    assert f"r0.dcm: {cut[0]} voxels that are not 0 lie beyond the grid of part.nii.gz" in line
    assert line.endswith("--grid FILE")
    nib.save(nib.load(folder / "m1.nii.gz").slicer[:, :, 4:], folder / "some.nii.gz")
    said = ran(folder, f"fuse {RATERS} some.nii.gz -o c.nii.gz --method majority")
    assert "padded with 0" in said
    found = nib.load(folder / "c.nii.gz")
    assert found.shape == (*SHAPE[:2], 7)  # from the first contour to the end of the rater's grid
    np.testing.assert_allclose(
        found.affine,
        (STRAIGHT @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]])),
        atol=1e-5,
    )


def test_a_segmentation_of_dicom_gives_the_grid(folder: Path) -> None:
    """It leaves out empty slices; contours in other slices enlarge the box, and nothing says how large the scan is."""
    mask = voxels(folder / "m1.nii.gz")
    mask[:, :, [2, 5]] = 0
    turn, origin = np.eye(3), STRAIGHT[:3, 3] * (-1, -1, 1)
    dicom_seg(
        folder / "seg.dcm",
        {"GTV": mask},
        spacing=tuple(np.abs(np.diag(STRAIGHT)[:3])),
        origin=tuple(origin),
        turn=turn,
    )
    said = ran(folder, "fuse r0.dcm seg.dcm r1.dcm --select-segment GTV -o a.nii.gz --method majority")
    assert "its contours are drawn on the grid of seg.dcm" in said
    found = nib.load(folder / "a.nii.gz")
    assert found.shape == (*SHAPE[:2], 4)
    np.testing.assert_allclose(found.affine[2, 3], STRAIGHT[2, 3] + 2 * STRAIGHT[2, 2], atol=1e-5)
    assert json.loads((folder / "a.json").read_text())["grid"]["extent"] == "files"


def test_contours_tell_nothing_of_how_far_a_scan_reaches(folder: Path) -> None:
    """A segmentation that is cropped to what it marks gives the grid, and contours lie within."""
    mask = voxels(folder / "m1.nii.gz")
    mask[0, 0, 2], mask[-1, -1, 5] = 1, 1
    spacing = tuple(np.abs(np.diag(STRAIGHT)[:3]))
    dicom_seg(folder / "seg.dcm", {"GTV": mask}, spacing=spacing, origin=tuple(STRAIGHT[:3, 3] * (-1, -1, 1)))
    part = nib.load(folder / "m0.nii.gz").slicer[10:30, 8:28, 2:6]
    box = np.zeros(part.shape, np.uint8)
    box[[0, -1], [0, -1], [0, -1]] = 1
    nib.save(nib.Nifti1Image(box, part.affine), folder / "box.nii.gz")
    ran(folder, "fuse r0.dcm r1.dcm seg.dcm box.nii.gz --select-segment GTV -o a.nii.gz --method majority")
    assert json.loads((folder / "a.json").read_text())["grid"]["extent"] == "files"


def test_agreement_and_comparison(folder: Path) -> None:
    for words in ("agreement", "compare"):
        ran(folder, f"{words} {RATERS} --grid ct.nii.gz -o a.json")
        ran(folder, f"{words} {PLAIN} -o b.json")
        one, other = (json.loads((folder / f"{name}.json").read_text()) for name in "ab")
        for what in ("dice", "kappa", "methods", "pairs"):
            assert json.dumps(one.get(what)).replace("r", "m") == json.dumps(other.get(what)).replace(
                "r", "m"
            )
        (folder / "a.json").unlink()
        (folder / "b.json").unlink()
    found = fastfuse.agreement_files(
        [folder / f"r{k}.dcm" for k in range(3)], select_segment="GTV", grid=folder / "ct.nii.gz"
    )
    plain = fastfuse.agreement_files([folder / f"m{k}.nii.gz" for k in range(3)])
    np.testing.assert_array_equal(found.dice, plain.dice)


def test_evaluation(folder: Path) -> None:
    grid = folder / "ct.nii.gz"
    found = fastfuse.evaluate_files(folder / "r0.dcm", folder / "r1.dcm", select_segment="GTV", grid=grid)
    plain = fastfuse.evaluate_files(folder / "m0.nii.gz", folder / "m1.nii.gz")
    assert (found.dice, found.hd95_mm, found.assd_mm) == (plain.dice, plain.hd95_mm, plain.assd_mm)
    said = ran(
        folder, "evaluate m0.nii.gz r1.dcm --select-segment GTV --save-lesions lesions.nii.gz -o a.json"
    )
    assert json.loads((folder / "a.json").read_text())["dice"] == plain.dice
    assert (
        nib.load(folder / "lesions.nii.gz").header["sform_code"]
        == nib.load(folder / "m0.nii.gz").header["sform_code"]
    )
    assert "drawn on the grid of m0.nii.gz" in said
    ran(folder, "evaluate m0.nii.gz r1.dcm --truth-select-label 1 -o b.json")
    assert json.loads((folder / "b.json").read_text())["dice"] == plain.dice
    for name in ("predictions", "truths"):
        (folder / name).mkdir()
    shutil.copy(folder / "m0.nii.gz", folder / "predictions" / "case.nii.gz")
    shutil.copy(folder / "r1.dcm", folder / "truths" / "case.dcm")
    with pytest.warns(fastfuse.FusionWarning, match="drawn on the grid of"):
        both = fastfuse.evaluate_folders(folder / "predictions", folder / "truths", truth_select_label=1)
    assert both.cases["case"].dice == plain.dice
    against = fastfuse.evaluate_against_rater_files(
        folder / "m0.nii.gz", [folder / "r1.dcm", folder / "r2.dcm"], truth_select_label=1, grid=grid
    )
    assert against.dice_by_rater[0] == pytest.approx(plain.dice)


def test_softening(folder: Path) -> None:
    ran(folder, f"soften {RATERS} --image ct.nii.gz --out-dir a")
    ran(folder, f"soften {PLAIN} --image ct.nii.gz --out-dir b")
    for k in range(4):
        found, plain = nib.load(folder / "a" / f"r{k}.nii.gz"), nib.load(folder / "b" / f"m{k}.nii.gz")
        np.testing.assert_array_equal(found.dataobj, plain.dataobj)
        assert found.header["sform_code"] == plain.header["sform_code"]


def test_label_maps_and_structures_that_overlap(folder: Path) -> None:
    three = "r0.dcm r1.dcm r2.dcm --grid ct.nii.gz"
    ran(folder, f"fuse {three} --labels all -o a.nii.gz")
    assert set(np.unique(voxels(folder / "a.nii.gz"))) == {0, 1, 2}
    assert [line.split("\t")[1] for line in (folder / "a.tsv").read_text().splitlines()[1:]] == [
        "background",
        "GTV",
        "Cord",
    ]
    ran(folder, f"fuse {three} --labels all --overlap -o b.nii.gz")
    assert [one["name"] for one in json.loads((folder / "b.json").read_text())["structures"]] == [
        "GTV",
        "Cord",
    ]
    line = refused(folder, f"fuse {three} -o c.nii.gz")
    assert (
        "r0.dcm: it holds 2 segments, GTV (label 1), Cord (label 2): choose one with --select-segment NAME"
        in line
    )


def test_numbers_that_differ_and_the_remedies(folder: Path) -> None:
    """What is said brings the structures by name, each as its masks are fused."""
    rt_struct(folder / "r3.dcm", {"Cord": CORDS[3], "GTV": MASKS[3], "Couch": []}, STRAIGHT)
    four = "r0.dcm r1.dcm r2.dcm r3.dcm --grid ct.nii.gz"
    assert "by its name, with --overlap; or" in refused(folder, f"fuse {four} -o a.nii.gz --labels all")
    told = refused(folder, f"fuse {four} -o a.nii.gz --labels all --overlap")
    assert "in the place of --labels, by --select-segment A --select-segment B" in told
    ran(folder, f"fuse {four} -o a.nii.gz --overlap --select-segment GTV --select-segment cord")
    ran(folder, f"fuse {PLAIN} -o b.nii.gz --method staple")
    np.testing.assert_array_equal(voxels(folder / "a.nii.gz")[..., 0], voxels(folder / "b.nii.gz"))
    ran(folder, f"fuse {four} -o c.nii.gz --method staple --select-segment Cord")
    np.testing.assert_array_equal(voxels(folder / "a.nii.gz")[..., 1], voxels(folder / "c.nii.gz"))


@pytest.mark.parametrize("grid", ["image", "mask"])
def test_cohorts(folder: Path, grid: str) -> None:
    rows = ["case\trater\tpath\timage\tmask"]
    for case in ("p1", "p2"):
        rows += [f"{case}\trater{k}\tr{k}.dcm\tct.nii.gz\tregion.nii.gz" for k in range(3)]
    (folder / "cases.tsv").write_text("\n".join(rows) + "\n")
    ran(folder, f"cohort fuse . --table cases.tsv --out out --grid {grid} --select-segment GTV --workers 1")
    sidecar = json.loads((folder / "out" / "cases" / "p1" / "consensus.json").read_text())
    assert Path(sidecar["grid"]["file"]).name == {"image": "ct.nii.gz", "mask": "region.nii.gz"}[grid]
    assert [one["marked_voxels"] for one in sidecar["raters"]] == [
        int(voxels(folder / f"m{k}.nii.gz").sum()) for k in range(3)
    ]


def test_cohorts_without_an_image(folder: Path) -> None:
    for case in ("p1", "p2"):
        (folder / "data" / case).mkdir(parents=True)
        for k in range(3):
            shutil.copy(folder / f"r{k}.dcm", folder / "data" / case / f"r{k}.dcm")
    done = run_here(
        folder,
        *(
            "cohort",
            "fuse",
            "data",
            "--glob",
            "{case}/{rater}.dcm",
            "--out",
            "out",
            "--select-segment",
            "GTV",
        ),
    )
    assert done.returncode == 3
    assert (
        "as NIfTI of its series by dcm2niix: --grid image, and the image stands in the column image of a table (--table FILE)"
        in done.stderr
    )


def test_a_folder_of_slices(folder: Path) -> None:
    (folder / "series").mkdir()
    shutil.copy(folder / "r0.dcm", folder / "series" / "IM0001")
    (folder / "empty").mkdir()
    for words in ("--grid series", "--image series --method border-staple", "--mask series"):
        line = refused(folder, f"fuse {PLAIN} -o a.nii.gz {words}")
        assert line == (
            "error: series: a folder of DICOM files: make one NIfTI file of an image's series by dcm2niix or 3-D Slicer; of a "
            "segmentation (SEG, RTSTRUCT) name the file"
        )
    assert refused(folder, f"fuse {PLAIN} empty -o a.nii.gz").endswith(
        "empty: not a regular file, but a folder; name the files in it"
    )


def test_frames_of_reference_and_one_rater(folder: Path) -> None:
    rt_struct(folder / "r1.dcm", {"GTV": MASKS[1]}, STRAIGHT, frame="1.2.7")
    assert "frame" in ran(folder, f"fuse {RATERS} --grid ct.nii.gz -o a.nii.gz --method majority")
    ran(folder, "fuse r0.dcm --select-segment GTV --grid ct.nii.gz --method majority -o one.nii.gz")
    np.testing.assert_array_equal(voxels(folder / "one.nii.gz"), voxels(folder / "m0.nii.gz"))


def test_nothing_of_a_patient_is_copied(folder: Path) -> None:
    """Not into DICOM either, of which the mask's grid is made larger: its header is new."""
    import pydicom

    nib.save(nib.load(folder / "region.nii.gz").slicer[:, :, 4:], folder / "part.nii.gz")
    for words in ("--grid ct.nii.gz", "--mask part.nii.gz"):
        ran(folder, f"fuse {RATERS} {words} -o a.dcm --method majority --overwrite")
        found = pydicom.dcmread(folder / "a.dcm")
        assert found.Modality == "SEG"
        assert [found.PatientName, found.PatientID] == ["", ""]
        assert "1.2.4" not in (found.StudyInstanceUID, found.FrameOfReferenceUID)
    facts = json.loads((folder / "a.json").read_text())
    assert facts["grid"]["shape"] == [*SHAPE[:2], 7]
    assert facts["grid"]["file"] is None


def test_a_mask_of_contours(folder: Path) -> None:
    """Whose grid is that of the raters."""
    body = [flat(circle((18.3, 16.6), 13), at) for at in range(SHAPE[2])]
    rt_struct(folder / "body.dcm", {"BODY": body}, STRAIGHT)
    nib.save(nib.Nifti1Image(slow(SHAPE, body).astype(np.uint8), STRAIGHT), folder / "body.nii.gz")
    ran(folder, f"fuse {PLAIN} --mask body.dcm -o a.nii.gz --threads 4")
    ran(folder, f"fuse {PLAIN} --mask body.nii.gz -o b.nii.gz")
    np.testing.assert_array_equal(voxels(folder / "a.nii.gz"), voxels(folder / "b.nii.gz"))


def test_many_threads_and_a_grid_of_dicom(folder: Path) -> None:
    """Files of contours wait for the file of the grid, which waits for the lock on reading DICOM; none waits for the other."""
    spacing = tuple(np.abs(np.diag(STRAIGHT)[:3]))
    dicom_seg(
        folder / "seg.dcm",
        {"GTV": np.ones(SHAPE, np.uint8)},
        spacing=spacing,
        origin=tuple(STRAIGHT[:3, 3] * (-1, -1, 1)),
    )
    for _ in range(5):
        ran(
            folder,
            "fuse r0.dcm r1.dcm r2.dcm seg.dcm r0.dcm r1.dcm --select-segment GTV -o a.nii.gz --method majority --threads 8 --overwrite",
        )
    assert nib.load(folder / "a.nii.gz").shape == SHAPE
