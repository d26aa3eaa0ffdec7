"""Cases of MSSEG-2016, found and loaded."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.cohort.msseg import Case, find_cases, rater_number
from fastfuse.train.cohort.loading import hash_of, load_case

from ..cohorts import (
    AFFINE,
    MODALITIES,
    SHAPE,
    brain,
    current_case,
    flipped,
    mask_path,
    rater_mask,
    save,
    save_images,
    save_masks,
    voxels,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return current_case(tmp_path, "Center_01", "Patient_01")


def only_case(root: Path) -> Case:
    (case,) = find_cases(root)
    return case


# --- finding -------------------------------------------------------------------------------------------------


def test_current_layout(tmp_path: Path) -> None:
    for center, patient in (
        ("Center_08", "Patient_11"),
        ("Center_01", "Patient_02"),
        ("Center_01", "Patient_01"),
    ):
        current_case(tmp_path, center, patient, raters=7)
    current_case(tmp_path, "Center_03", "Patient_20", split="Testing")
    cases = find_cases(str(tmp_path))
    assert [(case.center, case.name) for case in cases] == [
        ("Center_01", "Patient_01"), ("Center_01", "Patient_02"), ("Center_08", "Patient_11")
    ]  # fmt: skip
    masks = tmp_path / "Training" / "Center_01" / "Patient_01" / "Masks"
    first = cases[0]
    assert tuple(first.images) == MODALITIES
    assert first.images["DP"] == masks.parent / "Preprocessed_Data" / "DP_preprocessed.nii.gz"
    assert first.masks == tuple(masks / f"ManualSegmentation_{i}.nii.gz" for i in range(1, 8))
    assert (first.brain, first.consensus) == (masks / "Brain_Mask.nii.gz", masks / "Consensus.nii.gz")
    assert (first.split, first.spare, first.missing) == ("Training", (), [])
    assert [case.center for case in find_cases(tmp_path, "Testing")] == ["Center_03"]
    assert len(find_cases(tmp_path, "all")) == 4
    assert len(find_cases(tmp_path / "Training")) == 3
    assert len(find_cases(tmp_path / "Testing", "Testing")) == 1
    assert len(find_cases(tmp_path / "Training" / "Center_01")) == 2


ARCHIVES = {
    "plain": ("Pre-processed", "ManualSegmentation", "_preprocessed.nii.gz", ".nii.gz", "Brain_Mask.nii.gz"),
    "short names": ("Pre-processed", "ManualSegmentation", ".nii", ".nii", "Mask.nii"),
    "as unzipped": (
        "Pre-processed training dataset/TrainingDataset_MSSEG",
        "Unprocessed training dataset/TrainingDataset_MSSEG",
        "_preprocessed.nii.gz",
        ".nii.gz",
        "Mask_registered.nii.gz",
    ),
    "one folder": ("MSSEG", "MSSEG", "_preprocessed.nii", ".nii.gz", "Brain_Mask.nii.gz"),
}


@pytest.mark.parametrize("archive", ARCHIVES)
def test_archive_of_2016(tmp_path: Path, archive: str) -> None:
    images, masks, suffix, mask_suffix, brain_name = ARCHIVES[archive]
    for name in ("07001MOEL", "01016SACH"):
        save_images(tmp_path / images / name, 1, suffix)
        save_masks(tmp_path / masks / name, 7, mask_suffix)
        save(tmp_path / images / name / brain_name, brain())
    cases = find_cases(tmp_path)
    assert [(case.center, case.name) for case in cases] == [
        ("Center_01", "01016SACH"),
        ("Center_07", "07001MOEL"),
    ]
    for case in cases:
        assert (tuple(case.images), case.raters) == (MODALITIES, [1, 2, 3, 4, 5, 6, 7])
        assert case.brain == tmp_path / images / case.name / brain_name
        assert case.consensus is not None
        assert (case.split, case.spare) == ("Training", ())
        assert load_case(case).brain is not None


def test_raw_images_are_left_alone(tmp_path: Path) -> None:
    """The archive's unprocessed images carry names that short preprocessed ones might have."""
    raw = tmp_path / "Unprocessed training dataset" / "TrainingDataset_MSSEG" / "01016SACH"
    for name in ("3DFLAIR", "3DT1", "3DT1GADO", "T2", "DP"):
        save(raw / f"{name}.nii.gz", np.zeros((3, 3, 3), np.int16))
    save_masks(raw, 2)
    assert only_case(tmp_path).images == {}
    save_images(tmp_path / "Pre-processed training dataset" / "01016SACH", 1)
    assert all("preprocessed" in path.name for path in only_case(tmp_path).images.values())


def test_testing_part_of_the_archive(tmp_path: Path) -> None:
    save_images(tmp_path / "Pre-processed testing dataset" / "01045BRPO_1", 1)
    save_masks(tmp_path / "ManualSegmentation" / "01045BRPO_1", 2)
    (case,) = find_cases(tmp_path, "Testing")
    assert (case.name, case.center, len(case.masks)) == ("01045BRPO_1", "Center_01", 2)


def test_proton_density_by_its_other_name(folder: Path, tmp_path: Path) -> None:
    data = folder / "Preprocessed_Data"
    (data / "DP_preprocessed.nii.gz").rename(data / "PD_preprocessed.nii.gz")
    case = only_case(tmp_path)
    assert tuple(case.images) == MODALITIES
    assert case.images["DP"].name == "PD_preprocessed.nii.gz"


def test_names_are_unique(tmp_path: Path) -> None:
    current_case(tmp_path, "Center_01", "Patient_01")
    current_case(tmp_path, "Center_07", "Patient_01")
    current_case(tmp_path, "Center_07", "Patient_02")
    current_case(tmp_path, "Center_07", "Patient_02", split="Testing")
    assert [case.name for case in find_cases(tmp_path)] == [
        "Center_01_Patient_01", "Center_07_Patient_01", "Patient_02"
    ]  # fmt: skip
    assert [case.name for case in find_cases(tmp_path, "all")] == [
        "Center_01_Patient_01", "Center_07_Patient_01",
        "Testing_Center_07_Patient_02", "Training_Center_07_Patient_02",
    ]  # fmt: skip


def test_two_files_for_one_thing(folder: Path, tmp_path: Path) -> None:
    other = save(folder / "Preprocessed_Data" / "T2_preprocessed.nii", np.zeros(SHAPE, np.int16))
    save(folder / "Preprocessed_Data" / "T1.nii.gz", np.zeros(SHAPE, np.int16))  # of less rank
    case = only_case(tmp_path)
    assert {case.images["T2"].name, *(path.name for path in case.spare)} == {other.name, f"{other.name}.gz"}
    assert case.images["T1"].name == "T1_preprocessed.nii.gz"


def test_order_of_many_raters(folder: Path, tmp_path: Path) -> None:
    for number in (10, 11):
        save(mask_path(folder, number), rater_mask(number))
    assert only_case(tmp_path).raters == [1, 2, 3, 10, 11]
    assert only_case(tmp_path).missing == [f"ManualSegmentation_{i}" for i in range(4, 10)]
    with pytest.raises(ValueError, match="is not called ManualSegmentation_1"):
        rater_number(Path("Consensus.nii.gz"))


def test_links_in_a_circle_end(folder: Path, tmp_path: Path) -> None:
    (folder / "Masks" / "again").symlink_to(tmp_path)
    assert only_case(tmp_path).name == "Patient_01"


def test_nothing_found(tmp_path: Path) -> None:
    with pytest.raises(fastfuse.CohortError, match="no such folder; give the one"):
        find_cases(tmp_path / "absent")
    with pytest.raises(fastfuse.CohortError, match="no case found; give a folder with Training/Center_01"):
        find_cases(tmp_path)
    current_case(tmp_path, "Center_01", "Patient_01")
    with pytest.raises(fastfuse.CohortError, match="for split Testing, but the cohort has Training"):
        find_cases(tmp_path, "Testing")
    with pytest.raises(ValueError, match="split is 'train': it must be one of Training, Testing, all"):
        find_cases(tmp_path, "train")


# --- loading -------------------------------------------------------------------------------------------------


def test_load(folder: Path, tmp_path: Path) -> None:
    save(mask_path(folder, 2), 255 * rater_mask(2))
    loaded = load_case(only_case(tmp_path))
    assert tuple(loaded.images) == MODALITIES
    for name, data in loaded.images.items():
        assert data.dtype == np.int16
        np.testing.assert_array_equal(
            data, voxels(folder / "Preprocessed_Data" / f"{name}_preprocessed.nii.gz")
        )
    assert [mask.dtype for mask in loaded.masks] == [np.uint8] * 3
    for number, mask in enumerate(loaded.masks, start=1):
        np.testing.assert_array_equal(mask, rater_mask(number))
    assert loaded.brain is not None
    np.testing.assert_array_equal(loaded.brain, brain())
    np.testing.assert_allclose(loaded.like.affine, AFFINE, atol=1e-5)
    assert loaded.remarks == []


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_without_brain_mask_and_in_threads(folder: Path, tmp_path: Path, threads: int) -> None:
    (folder / "Masks" / "Brain_Mask.nii.gz").unlink()
    assert load_case(only_case(tmp_path), threads=threads).brain is None


def test_incomplete_case(folder: Path, tmp_path: Path) -> None:
    (folder / "Preprocessed_Data" / "GADO_preprocessed.nii.gz").unlink()
    mask_path(folder, 2).unlink()
    with pytest.raises(fastfuse.CohortError, match="Patient_01: GADO, ManualSegmentation_2 missing; add"):
        load_case(only_case(tmp_path))


def test_one_rater(folder: Path, tmp_path: Path) -> None:
    for number in (2, 3):
        mask_path(folder, number).unlink()
    with pytest.raises(fastfuse.CohortError, match="1 rater, at least 2 are needed"):
        load_case(only_case(tmp_path))


@pytest.mark.parametrize("axes", [(0,), (0, 1), (0, 1, 2)])
def test_flips(folder: Path, tmp_path: Path, axes: tuple[int, ...]) -> None:
    """As experts 2 and 4 of 01016SACH in the archive: the same voxels in another order."""
    save(mask_path(folder, 2), *flipped(rater_mask(2), axes))
    with pytest.raises(
        fastfuse.GridError,
        match=rf"ManualSegmentation_2.nii.gz is flipped along .*{axes[-1]} of .*FLAIR.*fix_flips=True",
    ):
        load_case(only_case(tmp_path))
    loaded = load_case(only_case(tmp_path), fix_flips=True)
    np.testing.assert_array_equal(loaded.masks[1], rater_mask(2))
    assert any("was flipped back" in remark for remark in loaded.remarks)


def test_flip_to_another_place(folder: Path, tmp_path: Path) -> None:
    save(mask_path(folder, 2), *flipped(rater_mask(2), (0, 1), shift_mm=7))
    with pytest.raises(fastfuse.GridError, match="once flipped still lies 7 mm apart"):
        load_case(only_case(tmp_path), fix_flips=True)


def shifted(mm: float) -> np.ndarray:
    affine = AFFINE.copy()
    affine[1, 3] += mm
    return affine


@pytest.mark.parametrize(
    ("data", "affine", "message"),
    [
        (rater_mask(1), shifted(2), "lie 2 mm"),
        (rater_mask(1)[:-1], AFFINE, "have shapes"),
        (rater_mask(1), AFFINE @ np.diag([1, 1, 1.5, 1]), "apart"),
    ],
    ids=["shift", "shape", "spacing"],
)
def test_other_grid(folder: Path, tmp_path: Path, data: Any, affine: Any, message: str) -> None:
    save(mask_path(folder, 3), data, affine)
    with pytest.raises(fastfuse.GridError, match=message) as caught:
        load_case(only_case(tmp_path), fix_flips=True)
    assert "ManualSegmentation_3.nii.gz" in str(caught.value)
    assert "FLAIR_preprocessed.nii.gz" in str(caught.value)


def test_flipped_image_is_not_mended(folder: Path, tmp_path: Path) -> None:
    save(folder / "Preprocessed_Data" / "T1_preprocessed.nii.gz", *flipped(rater_mask(1), (0,)))
    with pytest.raises(fastfuse.GridError, match="axis 0 is flipped: reorient"):
        load_case(only_case(tmp_path), fix_flips=True)


def test_small_shift_is_remarked(folder: Path, tmp_path: Path) -> None:
    save(mask_path(folder, 1), rater_mask(1), shifted(0.05))
    assert "taken as one grid" in load_case(only_case(tmp_path)).remarks[0]


def test_remark_on_flair(folder: Path, tmp_path: Path) -> None:
    path = folder / "Preprocessed_Data" / "FLAIR_preprocessed.nii.gz"
    flair = nib.load(path)
    doubtful = nib.Nifti1Image(np.asanyarray(flair.dataobj), AFFINE)
    doubtful.set_qform(shifted(4), 1)
    doubtful.set_sform(AFFINE, 1)
    nib.save(doubtful, path)
    assert "qform and sform lie 4 mm apart" in load_case(only_case(tmp_path)).remarks[0]


def test_hash(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(3_000_000))
    assert hash_of(path) == hashlib.sha256(bytes(3_000_000)).hexdigest()
    with pytest.raises(fastfuse.ImageError, match="cannot be read"):
        hash_of(tmp_path / "absent")
