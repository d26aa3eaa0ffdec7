"""What the check says of files of equal content, of masks where images should be, and of a missing FLAIR."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fastfuse.train.cohort.check import check_cohort

from ..cohorts import SHAPE, brain, current_case, first_case, image_path, mask_path, rater_mask, save
from ..command import run_here


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    for center, patient in (("Center_01", "Patient_01"), ("Center_07", "Patient_03")):
        current_case(tmp_path, center, patient)
    return tmp_path


WRONG: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "copy of a rater": (
        lambda case: save(mask_path(case, 3), rater_mask(1)),
        "ManualSegmentation_3.nii.gz",
        "holds the same voxels as ManualSegmentation_1.nii.gz",
    ),
    "copy of an image": (
        lambda case: shutil.copy(image_path(case, "FLAIR"), image_path(case, "T2")),
        "T2_preprocessed.nii.gz",
        "holds the same voxels as FLAIR_preprocessed.nii.gz",
    ),
    "mask for FLAIR": (
        lambda case: save(image_path(case, "FLAIR"), rater_mask(9)),
        "FLAIR_preprocessed.nii.gz",
        "holds 0 and 1 only, as a mask does",
    ),
    "mask of 255 for T1": (
        lambda case: save(image_path(case, "T1"), 255 * brain()),
        "T1_preprocessed.nii.gz",
        "holds 0 and 255 only, as a mask does",
    ),
    "brain for a rater": (
        lambda case: save(mask_path(case, 2), brain()),
        "Brain_Mask.nii.gz",
        "holds the same voxels as ManualSegmentation_2.nii.gz",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_one_thing_is_wrong(cohort: Path, wrong: str) -> None:
    damage, file, what = WRONG[wrong]
    assert check_cohort(cohort) == []
    damage(first_case(cohort))
    problems = check_cohort(cohort)
    assert {problem.case for problem in problems} == {"Patient_01"}
    found = [problem for problem in problems if what in problem.what]
    assert [problem.file for problem in found] == [file]
    assert all(problem.remedy for problem in problems)


@pytest.mark.parametrize(
    ("absent", "lines"), [(("FLAIR", "T1", "DP"), 2), (("FLAIR",), 1), (("T1", "T2"), 1)]
)
def test_a_missing_flair_has_its_own_line(cohort: Path, absent: tuple[str, ...], lines: int) -> None:
    for name in absent:
        image_path(first_case(cohort), name).unlink()
    done = run_here(cohort, "check", ".", columns=200)
    found = [line for line in done.stdout.splitlines() if ": missing: add the file" in line]
    assert len(found) == lines
    own = [line for line in found if line.startswith("Patient_01 FLAIR: missing")]
    assert len(own) == ("FLAIR" in absent)
    assert all("nothing else of the case can be compared" in line for line in own)


def test_copies_are_named_once_each(cohort: Path) -> None:
    """Three files of one content are two copies; empty masks are none."""
    for number in (2, 3):
        save(mask_path(first_case(cohort), number), rater_mask(1))
        save(mask_path(cohort / "Training" / "Center_07" / "Patient_03", number), np.zeros(SHAPE, np.uint8))
    found = [problem for problem in check_cohort(cohort) if "the same voxels" in problem.what]
    assert [(one.case, one.file) for one in found] == [
        ("Patient_01", "ManualSegmentation_2.nii.gz"),
        ("Patient_01", "ManualSegmentation_3.nii.gz"),
    ]
