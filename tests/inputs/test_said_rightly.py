"""Sentences that name what is wrong, and a remedy that works."""

from __future__ import annotations

import bz2
import gzip
import warnings
from collections.abc import Callable
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
    with pytest.raises(ValueError, match=r"binarize=True counts whatever is above 0"):
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
    assert "r0.nii, given twice, is one file: it is given as two raters; leave copies out" in said


def test_remarks_keep_the_name_of_their_file() -> None:
    remark = "a.png: its values are in {0, 255}: 1 stands for 255; it holds no voxel size: 1 mm is taken"
    assert grouped([remark]) == [remark]
    assert grouped(["a: x: y; b: z", "c: z"]) == ["a: x: y", "b, c: z"]


def test_narrow_tables_have_a_unit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    done = run_here(folder, "fuse", "r0.nii", "r1.nii", "r2.nii", "-o", "c.nii", "--intervals", "information")
    assert "ml" in done.stdout


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_a_file_compressed_twice_is_named_so(folder: Path, pack: Callable[[bytes], bytes]) -> None:
    twice = folder / "twice.nii.gz"
    twice.write_bytes(gzip.compress(pack((folder / "r0.nii").read_bytes())))
    with pytest.raises(fastfuse.ImageError, match="it is compressed twice: unpack it once"):
        fastfuse.fuse_files([folder / "r1.nii", twice], folder / "c.nii")
    twice.write_bytes(gzip.decompress(twice.read_bytes()))  # as told
    if pack is gzip.compress:
        fastfuse.fuse_files([folder / "r1.nii", twice], folder / "c.nii")


@pytest.mark.parametrize(
    ("first_row", "second_row", "told"),
    [
        ([1, 1, 0, 0], [1, 1, 0, 0], "two voxels would lie at one place"),
        ([0, 1, 0, 0], [0, 1, 0, 0], "its column 0 is zero: voxels would have no size along axis 0"),
        ([1, 0, 0, np.nan], [0, 1, 0, 0], "nan in row 0, column 3"),
        ([1, np.inf, 0, 0], [0, 1, 0, 0], "inf in row 0, column 1"),
    ],
)
def test_an_affine_that_is_none_is_told_by_form_and_place(
    folder: Path, first_row: list[float], second_row: list[float], told: str
) -> None:
    content = bytearray((folder / "r0.nii").read_bytes())
    rows = np.eye(4, dtype="<f4")[:3]
    rows[:2] = first_row, second_row
    content[252:256] = np.array([0, 1], "<i2").tobytes()  # qform_code, sform_code
    content[280:328] = rows.tobytes()
    (folder / "bad.nii").write_bytes(content)
    with pytest.raises(
        fastfuse.ImageError, match=rf"its affine \(sform\) is not an invertible .*{told}.*; mend the header"
    ):
        fastfuse.fuse_files([folder / "r1.nii", folder / "bad.nii"], folder / "c.nii")


def test_a_name_that_begins_with_a_dash_is_told_with_its_remedy(folder: Path) -> None:
    (folder / "r0.nii").rename(folder / "-zero.nii")
    said = said_by(folder, "fuse", "r1.nii", "-zero.nii", "-o", "c.nii", code=2)
    assert "the file '-zero.nii' is named as './-zero.nii'" in said
    said_by(folder, "fuse", "r1.nii", "./-zero.nii", "-o", "c.nii", code=0)


@pytest.mark.parametrize("container", [{"a": ball(10)}, {1, 2}])
def test_a_container_that_is_no_array_is_named(container: object) -> None:
    with pytest.raises(
        TypeError, match=r"the prediction is a (dict|set), not an array: take the array out of it"
    ):
        fastfuse.evaluate(container, ball(10))


def test_a_flair_with_nan_is_told_how_to_leave_the_voxels_out(folder: Path) -> None:
    flair = np.full(SHAPE, np.nan, np.float32)
    flair[5:15, 5:15, 3:12] = 1 + np.arange(900).reshape(10, 10, 9)
    nib.save(nib.Nifti1Image(flair, np.eye(4)), folder / "flair.nii")
    nib.save(nib.Nifti1Image(np.isfinite(flair).astype(np.uint8), np.eye(4)), folder / "head.nii")
    words = ("soften", "r0.nii", "--image", "flair.nii", "-o", "s.nii")
    said = said_by(folder, *words, code=2)
    assert said.endswith(
        "where r0.nii may grow: mend it, or leave the voxel out by a region of interest, --roi FILE\n"
    )
    said_by(folder, *words, "--roi", "head.nii", code=0)
    with pytest.raises(ValueError, match=r"leave the voxel out by a region of interest, roi=ARRAY$"):
        fastfuse.conditional_dilation(nib.load(folder / "r0.nii"), nib.load(folder / "flair.nii"))


@pytest.mark.parametrize("growing", [("--soften",), ("--method", "dilated-staple")])
def test_where_masks_grow_in_fuse_a_mask_leaves_voxels_out(folder: Path, growing: tuple[str, ...]) -> None:
    flair = np.full(SHAPE, np.nan, np.float32)
    flair[5:15, 5:15, 3:12] = 1 + np.arange(900).reshape(10, 10, 9)
    nib.save(nib.Nifti1Image(flair, np.eye(4)), folder / "flair.nii")
    nib.save(nib.Nifti1Image(np.isfinite(flair).astype(np.uint8), np.eye(4)), folder / "head.nii")
    nib.save(nib.Nifti1Image(np.ones(SHAPE, np.uint8), np.eye(4)), folder / "whole.nii")
    words = ("fuse", "r0.nii", "r1.nii", "r2.nii", "--image", "flair.nii", "-o", "f.nii", *growing)
    said = said_by(folder, *words, code=2)
    assert "leave the voxel out by a mask of the brain, --mask FILE" in said
    assert "roi" not in said
    said = said_by(folder, *words, "--mask", "whole.nii", code=2)
    assert "leave the voxel out of the mask (whole.nii)" in said
    said_by(folder, *words, "--mask", "head.nii", code=0)


def test_a_strong_prior_of_rates_is_named_where_it_decides() -> None:
    with pytest.warns(fastfuse.FusionWarning, match="try a weaker performance_prior"):
        fastfuse.staple([ball(10), ball(11), ball(12)], performance_prior=(1e12, 1e12))
    with warnings.catch_warnings(record=True) as told:  # as told
        warnings.simplefilter("always")
        fastfuse.staple([ball(10), ball(11), ball(12)], performance_prior=(5, 1.5))
    assert "no better than chance" not in " ".join(str(one.message) for one in told)


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_a_mask_of_255_that_was_read_with_a_sign_is_known(dtype: str) -> None:
    signed = -ball(10).astype(dtype)
    with pytest.raises(ValueError, match=r"255 read with a sign is -1, so save \(array != 0\)"):
        fastfuse.staple([ball(11), ball(12), signed])
    fastfuse.staple([ball(11), ball(12), signed != 0])  # as told


def test_an_image_of_several_values_a_voxel_is_told_of_its_components() -> None:
    sitk = pytest.importorskip("SimpleITK")
    parts = [sitk.GetImageFromArray(ball(10 + i)) for i in range(3)]
    with pytest.raises(TypeError, match=r"such as the components of one .*; or an array of all, and axis="):
        fastfuse.staple(sitk.Compose(*parts))
    listed = fastfuse.staple(parts)  # as told, both ways
    stacked = fastfuse.staple(sitk.GetArrayFromImage(sitk.Compose(*parts)), axis=-1)
    np.testing.assert_array_equal(listed.probability, stacked.probability)
