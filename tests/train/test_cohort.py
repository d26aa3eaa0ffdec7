"""What the check finds in a cohort, and the synthetic one."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import cli
from fastfuse.cohort.msseg import find_cases
from fastfuse.demo import cohort as demo_cohort
from fastfuse.evaluation.overlap import overlap
from fastfuse.train.cohort.check import check_cohort, examine_cohort
from fastfuse.train.cohort.loading import load_case

from ..cohorts import (
    AFFINE,
    SHAPE,
    brain,
    current_case,
    first_case,
    flipped,
    image,
    image_path,
    mask_path,
    rater_mask,
    save,
)
from ..command import run_here


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    for center, patient in (
        ("Center_01", "Patient_01"),
        ("Center_01", "Patient_02"),
        ("Center_07", "Patient_03"),
    ):
        current_case(tmp_path, center, patient)
    return tmp_path


def test_nothing_is_wrong(cohort: Path) -> None:
    assert check_cohort(cohort) == []


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def off_grid(path: Path) -> None:
    save(path, rater_mask(1), AFFINE + np.array([[0, 0, 0, 4.0]] + 3 * [[0, 0, 0, 0]]))


def corner_voxel() -> np.ndarray:
    mask = rater_mask(2)
    mask[0, 0, 0] = 1
    return mask


def elsewhere() -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[6, 1:3, 5] = 1
    return mask


def mirror_one(case: Path) -> None:
    """Give all raters one large lesion, the second rater mirrored."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:5, 1:4, 2:5] = 1
    for rater in (1, 2, 3):
        mask[4, 3, 2 + rater % 2] ^= 1  # no copies
        save(mask_path(case, rater), np.ascontiguousarray(mask[:, ::-1]) if rater == 2 else mask)


WRONG: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "modality": (lambda case: image_path(case, "GADO").unlink(), "GADO", "missing"),
    "gap": (lambda case: mask_path(case, 2).unlink(), "ManualSegmentation_2", "missing"),
    "fewer raters": (lambda case: mask_path(case, 3).unlink(), "", "2 raters, but most cases have 3"),
    "more raters": (lambda case: save(mask_path(case, 4), rater_mask(4)), "", "4 raters, but most cases have 3"),
    "spare": (
        lambda case: save(case / "Masks" / "ManualSegmentation_1.nii", rater_mask(1)),
        ".nii.gz",
        "another file of the case has the same role",
    ),
    "truncated": (lambda case: truncate(image_path(case, "T2")), "T2_preprocessed.nii.gz", "cannot be read"),
    "truncated flair": (lambda case: truncate(image_path(case, "FLAIR")), "FLAIR_preprocessed.nii.gz", "cannot be"),
    "grid": (lambda case: off_grid(mask_path(case, 1)), "ManualSegmentation_1.nii.gz", "lie 4 mm"),
    "shape": (
        lambda case: save(image_path(case, "T1"), image(1)[1:]), "T1_preprocessed.nii.gz", "have shapes"
    ),
    "flip": (
        lambda case: save(mask_path(case, 2), *flipped(rater_mask(2), (0, 1))),
        "ManualSegmentation_2.nii.gz",
        "is flipped along axes 0 and 1",
    ),
    "not binary": (
        lambda case: save(mask_path(case, 2), np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)),
        "ManualSegmentation_2.nii.gz",
        "is not binary: its values are 0, 1, 2, 3, 4 and 499 others",
    ),
    "empty": (
        lambda case: save(mask_path(case, 2), np.zeros(SHAPE, np.uint8)),
        "ManualSegmentation_2.nii.gz",
        "marks nothing",
    ),
    "outside": (
        lambda case: save(mask_path(case, 2), corner_voxel()),
        "ManualSegmentation_2.nii.gz",
        "marks 1 voxel outside the brain mask",
    ),
    "elsewhere": (
        lambda case: save(mask_path(case, 2), elsewhere()),
        "ManualSegmentation_2.nii.gz",
        "shares 0.0 % of its voxels with all other raters",
    ),
    "mirrored": (
        mirror_one,
        "ManualSegmentation_2.nii.gz",
        "fits the others only when mirrored along axis 1 (",
    ),
    "nan": (
        lambda case: save(image_path(case, "T1"), np.where(brain(), np.float32(1), np.float32(np.nan))),
        "T1_preprocessed.nii.gz",
        "voxels are NaN or infinite",
    ),
    "constant": (
        lambda case: save(image_path(case, "DP"), np.full(SHAPE, 7, np.int16)),
        "DP_preprocessed.nii.gz",
        "is 7 everywhere",
    ),
    "empty brain": (
        lambda case: save(case / "Masks" / "Brain_Mask.nii.gz", np.zeros(SHAPE, np.uint8)),
        "Brain_Mask.nii.gz",
        "marks nothing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_one_thing_is_wrong(cohort: Path, wrong: str) -> None:
    damage, file, what = WRONG[wrong]
    damage(first_case(cohort))
    problems = check_cohort(cohort)
    assert {problem.case for problem in problems} == {"Patient_01"}
    found = [problem for problem in problems if what in problem.what and problem.file.endswith(file)]
    assert found
    assert all(problem.remedy for problem in problems)
    for problem in problems:
        if "mirrored" in problem.what:
            assert "--fix-flips turns only what the header says is reversed" in problem.remedy


def test_everything_is_listed_at_once(cohort: Path) -> None:
    folder = first_case(cohort)
    for wrong in ("modality", "truncated", "grid", "flip", "constant"):
        WRONG[wrong][0](folder)
    WRONG["empty"][0](cohort / "Training" / "Center_07" / "Patient_03")
    problems = check_cohort(cohort)
    assert [problem.case for problem in problems] == ["Patient_01"] * 5 + ["Patient_03"]
    assert {problem.file for problem in problems} == {
        "GADO", "T2_preprocessed.nii.gz", "ManualSegmentation_1.nii.gz", "ManualSegmentation_2.nii.gz",
        "DP_preprocessed.nii.gz",
    }  # fmt: skip


def test_flips_that_are_to_be_mended(cohort: Path) -> None:
    WRONG["flip"][0](first_case(cohort))
    checked = examine_cohort(cohort, fix_flips=True)
    assert [case.problems for case in checked] == [[], [], []]
    assert "was flipped back along axes 0 and 1" in checked[0].notes[0].what


def test_missing_brain_mask_is_a_note(cohort: Path) -> None:
    (first_case(cohort) / "Masks" / "Brain_Mask.nii.gz").unlink()
    checked = examine_cohort(cohort)
    assert checked[0].problems == []
    assert [note.what for note in checked[0].notes] == ["no brain mask"]


def test_two_copies_of_a_case(cohort: Path) -> None:
    """The same patient in two folders is one case with files to spare, not two."""
    current_case(cohort / "copy", "Center_01", "Patient_01")
    problems = check_cohort(cohort)
    assert len(problems) == 5 + 3 + 2
    assert {problem.what for problem in problems} == {"another file of the case has the same role"}


# --- the command ---------------------------------------------------------------------------------------------


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return run_here(Path.cwd(), *map(str, words))


def test_command(cohort: Path) -> None:
    done = run("check", cohort)
    cases = ["Patient_01", "Patient_02", "Patient_03"]
    said = "".join(f"checking {name} ({i} of 3)\n" for i, name in enumerate(cases, start=1))
    assert (done.returncode, done.stderr) == (0, said)
    assert "8×9×7" in done.stdout
    assert "1×1.2×3" in done.stdout
    assert "0 problems" in done.stdout
    WRONG["flip"][0](first_case(cohort))
    WRONG["gap"][0](cohort / "Training" / "Center_07" / "Patient_03")
    done = run("check", cohort)
    assert (done.returncode, done.stderr) == (2, said)
    lines = done.stdout.splitlines()
    told = " ".join(done.stdout.split())  # lines break at the terminal's width
    assert re.search(r"Patient_01 ManualSegmentation_2\.nii\.gz: .* pass --fix-flips .*Patient_0", told)
    assert "Patient_03 ManualSegmentation_2: missing: add" in told
    assert lines[-1] == "2 problems"
    assert run("check", cohort, "--fix-flips").stdout.splitlines()[-1] == "1 problem"


def test_a_problem_of_many_files_is_one_line(cohort: Path) -> None:
    """Masks of 0 and 255, in two of three cases."""
    masks = [
        path for path in sorted(cohort.rglob("ManualSegmentation_*.nii.gz")) if "Patient_02" not in path.parts
    ]
    for path in masks:
        image = nib.load(path)
        nib.save(nib.Nifti1Image(255 * np.asarray(image.dataobj).astype(np.uint8), image.affine), path)
    done = run("check", cohort)
    first = f"Patient_01 ManualSegmentation_1.nii.gz and {len(masks) - 1} other files, in 2 cases"
    remedy = "write 0 and 1; 'fastfuse experiment' counts whatever is above 0 as 1"
    said = " ".join(done.stdout.split())
    assert said.count("not binary") == 1
    assert f"{first}: is not binary: its values are 0, 255: {remedy}" in said
    assert done.stdout.splitlines()[-1] == f"{len(masks)} problems, each listed by --json"
    found = json.loads(run("check", cohort, "--json").stdout)
    assert found["problems"] == len(masks)
    assert [len(case["problems"]) for case in found["cases"]] == [len(masks) // 2, 0, len(masks) // 2]


def test_files_of_no_case(cohort: Path) -> None:
    """Those below the folder named, but in no folder of a case, are told in one line."""
    for where in ("Brain_Mask.nii.gz", "Training/FLAIR_preprocessed.nii.gz", "notes.txt"):
        (cohort / where).touch()
    done = run("check", cohort)
    assert done.returncode == 0
    said = [line for line in done.stdout.splitlines() if "in no folder of a case" in line]
    assert said == ["note: 2 files lie in no folder of a case, such as Brain_Mask.nii.gz: not read"]


def test_a_case_is_no_cohort(cohort: Path) -> None:
    for case in (first_case(cohort), first_case(cohort) / "Masks"):
        done = run("check", case)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.endswith(
            f"is a case, or lies in one, and no cohort; give {first_case(cohort).parent}\n"
        )
    assert run("check", first_case(cohort).parent).returncode == 0


def test_files_without_folders(cohort: Path, tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    loose.mkdir()
    for path in first_case(cohort).rglob("*.nii.gz"):
        shutil.copy(path, loose)
    done = run("check", loose)
    assert done.returncode == 2
    assert re.search(
        r"loose: \d+ files with a cohort's names, such as \S+, but in no folder of a case;", done.stderr
    )


def test_command_with_nothing_to_check(tmp_path: Path) -> None:
    done = run("check", tmp_path)
    assert done.returncode == 2
    assert "no case found; give a folder" in done.stderr
    assert run("check", tmp_path, "--split", "some").returncode == 2


# --- the synthetic cohort ------------------------------------------------------------------------------------

COARSE_MM = 4.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> demo_cohort.CohortResult:
    folder = tmp_path_factory.mktemp("demo") / "cohort"
    return demo_cohort.make_cohort(folder, per_center=1, spacing_mm=COARSE_MM)


def test_synthetic_cohort_is_sound(made: demo_cohort.CohortResult) -> None:
    assert check_cohort(made.directory) == []
    cases = find_cases(made.directory)
    assert [(case.center, case.name, len(case.masks)) for case in cases] == [
        ("Center_01", "Patient_01", 7), ("Center_07", "Patient_02", 7), ("Center_08", "Patient_03", 7)
    ]  # fmt: skip
    assert load_case(cases[0]).images["FLAIR"].shape == (48, 56, 48)


def test_figures_are_those_of_the_files(made: demo_cohort.CohortResult) -> None:
    facts = json.loads((made.directory / "truth" / "raters.json").read_text())
    assert facts["cases"] == made.cases
    case = load_case(find_cases(made.directory)[1])
    truth = np.asanyarray(nib.load(made.directory / "truth" / "Patient_02.nii.gz").dataobj)
    for row, mask in zip(facts["cases"]["Patient_02"]["raters"].values(), case.masks, strict=True):
        inside = case.brain == 1
        assert row["dice"] == overlap(mask[inside], truth[inside]).dice
        assert row["volume_ratio"] == pytest.approx(mask.sum() / truth.sum())


def test_raters_keep_inside_fuzzy_borders(made: demo_cohort.CohortResult) -> None:
    ratios = [row["volume_ratio"] for row in made.mean_of_raters().values()]
    assert 0.7 < np.mean(ratios) < 0.95
    assert all(0.55 < case["pairwise_dice"] < 0.8 for case in made.cases.values())


def test_existing_cohort_is_kept(made: demo_cohort.CohortResult, tmp_path: Path) -> None:
    with pytest.raises(
        fastfuse.OutputError, match="exists already; choose another folder or pass overwrite=True"
    ):
        demo_cohort.make_cohort(made.directory, per_center=1, spacing_mm=COARSE_MM)
    current_case(tmp_path, "Center_01", "Patient_01")
    with pytest.raises(fastfuse.OutputError, match="files that are not the demo's"):
        demo_cohort.make_cohort(tmp_path, overwrite=True)


def test_interrupted_cohort_leaves_no_file(tmp_path: Path) -> None:
    def stop(what: str) -> None:
        if what.startswith("painting Patient_02"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demo_cohort.make_cohort(tmp_path, per_center=1, spacing_mm=COARSE_MM, say=stop)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "--cohort", "b"], "give one folder"),
        (["a", "--spacing-mm", "2"], "--spacing-mm is for --cohort only"),
        (["--cohort", "b", "--spacing-mm", "0"], "spacing-mm is 0: it must lie between"),
    ],
)
def test_bad_use_of_the_demo(tmp_path: Path, words: list[str], message: str) -> None:
    done = run_here(tmp_path, "demo", *words)
    assert done.returncode == 2
    assert message in done.stderr


def test_command_makes_the_same_bytes(
    made: demo_cohort.CohortResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In place of the demo's own files, of which one is another."""
    cohort = shutil.copytree(made.directory, tmp_path / "cohort")
    paths = [path.relative_to(cohort) for path in cohort.rglob("*") if path.is_file()]
    edited = find_cases(cohort)[0].masks[0]
    edited.write_bytes(b"edited")
    monkeypatch.setattr(demo_cohort, "make_cohort", partial(demo_cohort.make_cohort, per_center=1))
    words = ["fastfuse", "demo", "--cohort", str(cohort), "--spacing-mm", str(COARSE_MM), "--overwrite"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 0
    printed = capsys.readouterr().out
    assert "3 cases" in printed
    assert "misses small lesions" in printed
    assert len(find_cases(cohort)) == 3
    assert sorted(path.relative_to(cohort) for path in cohort.rglob("*") if path.is_file()) == sorted(paths)
    for path in paths:
        assert (cohort / path).read_bytes() == (made.directory / path).read_bytes(), path
    assert gzip.decompress((cohort / "truth" / "Patient_01.nii.gz").read_bytes())


@pytest.mark.skipif("FASTFUSE_COHORT" not in os.environ, reason="FASTFUSE_COHORT names no cohort")
def test_cohort_of_the_user() -> None:
    assert check_cohort(os.environ["FASTFUSE_COHORT"]) == []
