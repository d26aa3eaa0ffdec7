"""Sentences that name what is wrong, and a remedy that works."""

from __future__ import annotations

import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.evaluation.files import evaluate_files
from fastfuse.inputs.names import grouped

from ..command import run_here

SHAPE = (24, 20, 16)


def ball(x: float, radius: float = 5) -> np.ndarray:
    at = np.indices(SHAPE) - np.reshape((x, 9, 7), (3, 1, 1, 1))
    return (np.sum(at**2, axis=0) <= radius**2).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(3):
        nib.save(nib.Nifti1Image(ball(10 + i), np.eye(4)), tmp_path / f"r{i}.nii")
    nib.save(nib.Nifti1Image(np.float32(0.7) * ball(10), np.eye(4)), tmp_path / "soft.nii")
    return tmp_path


def said_by(folder: Path, *words: str, code: int) -> str:
    done = run_here(folder, *words)
    assert done.returncode == code, done.stderr
    return done.stderr


@pytest.mark.parametrize("kinds", [300, 553])
def test_an_image_of_whole_numbers_is_asked_about(kinds: int) -> None:
    flair = np.random.default_rng(0).integers(1, kinds, SHAPE) * 7 * (np.indices(SHAPE)[0] > 2)
    with pytest.raises(ValueError, match="is this an image, such as FLAIR, and no rater's") as told:
        fastfuse.fuse([ball(10), ball(11), flair], "soft-staple")
    assert "binarize" not in str(told.value)


@pytest.mark.parametrize("labels", [ball(10) * 3, ball(10) * np.arange(300, 316)])
def test_labels_are_no_image(labels: np.ndarray) -> None:
    """A label map, and lesions that are numbered."""
    with pytest.raises(ValueError, match=r"binarize=True \(--binarize\) counts whatever is above 0"):
        fastfuse.fuse([ball(10), labels], "staple")


def remarks_of(prediction: Path, truth: Path, **options: float) -> str:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        evaluate_files(prediction, truth, **options)
    return "\n".join(str(one.message) for one in said)


def test_evaluation_says_what_empties_a_mask(folder: Path) -> None:
    hard, soft = folder / "r0.nii", folder / "soft.nii"
    for pair in ((soft, hard), (hard, soft)):
        assert "soft.nii: its highest value is 0.7, and so none reaches the cut 0.8" in remarks_of(
            *pair, cut=0.8
        )
        assert "reaches the cut" not in remarks_of(*pair, cut=0.6)
    said = remarks_of(hard, folder / "r1.nii", least_voxels=9999)
    assert "r0.nii: no component has 9999 voxels" in said
    assert "no component" not in remarks_of(hard, folder / "r1.nii", least_voxels=10)


def test_one_file_in_both_roles_is_told_once(folder: Path) -> None:
    said = remarks_of(folder / "r0.nii", folder / "r0.nii", least_mm3=9999.0)
    assert said.count("no lesion above") == 1


@pytest.mark.parametrize(
    ("cut", "remedy"), [("1e-300", "choose a higher cut"), ("0.9999999", "choose a lower cut")]
)
def test_a_cut_at_which_nothing_is_left(folder: Path, cut: str, remedy: str) -> None:
    said = said_by(folder, "fuse", "r0.nii", "r2.nii", "soft.nii", "-o", "c.nii", "--cut", cut, code=0)
    assert ("the consensus is" in said) == (remedy in said)
    assert "full" not in said or "choose a higher cut" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-o", "."], "the name of an output is missing; give a file's name"),
        (["-o", ".."], "..: is a folder, and the name of an output is missing"),
        (["-o", "z/../f.nii"], "the folder z does not exist"),
        (["-o", "c.nii", "--present", "-"], "has 1 entry for 2 raters: give one for each, --present - for"),
        (["-o", "c.nii", "--performance-prior", "0", "2"], "--performance-prior is 0.0 2.0: it must be two numbers from 1"),
    ],
)  # fmt: skip
def test_refusals_in_words_of_the_shell(folder: Path, words: list[str], told: str) -> None:
    said = said_by(folder, "fuse", "r0.nii", "r1.nii", *words, code=2)
    assert told in said


def test_one_file_twice(folder: Path) -> None:
    said = said_by(folder, "fuse", "r0.nii", "./r0.nii", "r1.nii", "-o", "c.nii", code=0)
    assert "r0.nii, given twice, is one file: it counts as two raters" in said


def test_remarks_keep_the_name_of_their_file() -> None:
    remark = "a.png: its values are in {0, 255}: 1 stands for 255; it holds no voxel size: 1 mm is taken"
    assert grouped([remark]) == [remark]
    assert grouped(["a: x: y; b: z", "c: z"]) == ["a: x: y", "b, c: z"]


def test_narrow_tables_have_a_unit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    done = run_here(folder, "fuse", "r0.nii", "r1.nii", "r2.nii", "-o", "c.nii", "--intervals", "information")
    assert "ml" in done.stdout
