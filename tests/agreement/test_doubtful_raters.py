"""Raters who may be none, or see nothing: told where several are compared, with what to do."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy import sparse

import fastfuse
from tests.command import run_here

SHAPE = (10, 9, 8)
RNG = np.random.default_rng(0)
TRUTH = np.linalg.norm(np.indices(SHAPE) - np.array([5, 4, 4])[:, None, None, None], axis=0) < 3


def save(path: Path, values: np.ndarray) -> None:
    nib.save(nib.Nifti1Image(values, np.diag([-1.0, -1, 2, 1])), path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raters")
    for i in range(3):
        mask = TRUTH ^ (RNG.random(SHAPE) < 0.02)
        save(folder / f"r{i}.nii.gz", mask.astype(np.uint8))
        save(folder / f"p{i}.nii.gz", (0.9 * mask).astype(np.float32))
    save(folder / "bytes.nii.gz", (230 * TRUTH).astype(np.uint8))
    save(folder / "empty.nii.gz", np.zeros(SHAPE, np.uint8))
    save(folder / "flair.nii.gz", (300 + 90 * TRUTH + RNG.normal(0, 9, SHAPE)).astype(np.float32))
    for value in (0.46, 0.2):
        save(folder / f"low_{value}.nii.gz", (value * TRUTH).astype(np.float32))
    return folder


def said(folder: Path, words: str) -> str:
    done = run_here(folder, *words.split(), columns=500)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_one_who_marks_nothing(folder: Path) -> None:
    assert "warning: empty.nii.gz marks nothing" in said(folder, "agreement r0.nii.gz empty.nii.gz")
    assert "marks nothing" not in said(folder, "agreement r0.nii.gz r1.nii.gz")


def test_nothing_to_compare(folder: Path) -> None:
    done = run_here(folder, "agreement", "r0.nii.gz", "r1.nii.gz", "--mask", "empty.nii.gz")
    assert (done.returncode, "empty.nii.gz) is empty: no voxel to compare" in done.stderr) == (2, True)
    with pytest.raises(ValueError, match="the mask is empty: no voxel to compare"):
        fastfuse.agreement([TRUTH, np.roll(TRUTH, 1, axis=0)], mask=np.zeros(SHAPE))


def test_a_label_that_does_not_occur_grows_nothing(folder: Path) -> None:
    told = said(folder, "soften r0.nii.gz --image flair.nii.gz -o s.nii --select-label 3")
    assert "r0.nii.gz: label 3 does not occur (values that occur: 0, 1)" in told


def test_a_consensus_among_several_truths(folder: Path) -> None:
    said(folder, "fuse r0.nii.gz r1.nii.gz r2.nii.gz -o c.nii.gz --method majority --save-label l.nii.gz")
    assert "l.nii.gz is a consensus that fastfuse wrote" in said(
        folder, "evaluate r2.nii.gz l.nii.gz r1.nii.gz"
    )
    assert "wrote" not in said(
        folder, "evaluate r2.nii.gz l.nii.gz"
    )  # one truth is a consensus more often than not
    assert "wrote" not in said(folder, "evaluate l.nii.gz r0.nii.gz r1.nii.gz")


def test_a_mask_and_the_soft_mask_of_it(folder: Path) -> None:
    said(folder, "soften r0.nii.gz --image flair.nii.gz --out-dir soft")
    both = "fuse soft/r0.nii.gz {} r2.nii.gz -o b.nii.gz --method soft-staple --overwrite"
    assert "soft/r0.nii.gz is r0.nii.gz, grown: they count as two raters" in said(
        folder, both.format("r0.nii.gz")
    )
    assert "grown" not in said(folder, both.format("r1.nii.gz"))


def test_a_threshold_in_the_unit_of_one_alone(folder: Path) -> None:
    told = said(folder, "fuse p0.nii.gz p1.nii.gz bytes.nii.gz -o t.nii --method majority --threshold 50")
    assert (
        "p0.nii.gz, p1.nii.gz: each: its highest value is 0.9, and so none reaches the threshold 50: is it"
        in told
    )
    assert "bytes.nii.gz: its highest" not in told


@pytest.mark.parametrize(("value", "is_said"), [(0.46, True), (0.2, False)])
def test_a_prediction_just_below_the_usual_cut(folder: Path, value: float, is_said: bool) -> None:
    """A network that sees nothing is not told of, nor one where there is nothing to see."""
    told = f"low_{value}.nii.gz: its highest value is {value}, and so none reaches the cut 0.5: choose a lower cut"
    assert (told in said(folder, f"evaluate low_{value}.nii.gz r0.nii.gz")) == is_said
    assert "highest" not in said(folder, f"evaluate low_{value}.nii.gz empty.nii.gz")
    assert "highest" not in said(folder, f"evaluate low_{value}.nii.gz r0.nii.gz --cut .1")


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (np.nan, r"give a mask without such voxels, or fill them"),
        (-0.002, r"clip what interpolation overshot, as by numpy\.clip"),
        (1.004, r"clip what interpolation overshot, as by numpy\.clip"),
        (90, r"scale it, as by prior / 100 or prior / 255"),
        (-7, "mend it: its values go from -7 to 0.2"),
        (np.inf, r"give a mask without such voxels, or fill them"),
    ],
)
def test_what_to_do_about_a_prior(value: float, remedy: str) -> None:
    masks = [TRUTH, *(TRUTH ^ (RNG.random(SHAPE) < 0.02) for _ in range(2))]
    prior = np.full(SHAPE, 0.2)
    prior[3, 2, 1] = value
    with pytest.raises(
        ValueError, match=rf"at voxel \(3, 2, 1\): a prior is a probability in \[0, 1\]; {remedy}"
    ):
        fastfuse.staple(masks, prior=prior)
    if not np.isfinite(value):
        assert np.isfinite(fastfuse.staple(masks, prior=prior, mask=np.isfinite(prior)).probability).all()


def test_the_whole_prior_tells_its_scale() -> None:
    """The first voxel beyond 1 may lie just beyond it in a map of percents; what a mask leaves out tells nothing."""
    masks = [TRUTH, TRUTH ^ (RNG.random(SHAPE) < 0.02), TRUTH]
    prior = np.where(TRUTH, 72.8, 0.6)
    prior[0, 0, 0] = 1.06
    with pytest.raises(
        ValueError, match=r"holds 1\.06 .*; scale it, as by prior / 100 .*: it goes up to 72\.8$"
    ):
        fastfuse.staple(masks, prior=prior)
    with pytest.raises(ValueError, match=r"holds 1\.06 .*; clip what interpolation overshot"):
        fastfuse.staple(masks, prior=prior, mask=~TRUTH)
    maps = {0: 100 - prior, 1: prior}
    with pytest.raises(
        ValueError, match=r"of label \S+ holds .*; scale it, as by prior / 100 .*: it goes up to"
    ):
        fastfuse.soft_staple(masks, labels=[0, 1], prior=maps)


def test_smoothed_votes_that_overshoot_are_told_to_be_clipped() -> None:
    votes = np.where(TRUTH, 1.04, -0.02)
    with pytest.raises(
        ValueError, match=r"clip what interpolation overshot, as by numpy\.clip\(votes, 0, 1\)"
    ):
        fastfuse.smoothed_vote([votes, votes], sigma_mm=1, spacing_mm=1)
    with pytest.raises(ValueError, match="divide scaled votes"):
        fastfuse.smoothed_vote([100 * votes, 100 * votes], sigma_mm=1, spacing_mm=1)


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.coo_array])
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_sparse_arrays(kind: Any) -> None:
    masks = [kind(TRUTH[:, :, 4].astype(np.uint8)) for _ in range(2)]
    with pytest.raises(TypeError, match=r"convert it to NumPy, as by its toarray\(\)"):
        fastfuse.majority_vote(masks)
    fastfuse.majority_vote([one.toarray() for one in masks])


@pytest.mark.parametrize("in_files", [False, True])
def test_who_has_no_vote_marks_nothing_else(tmp_path: Path, in_files: bool) -> None:
    """What is said of a rater is the same in Python, in the shell, and in a fusion."""
    one = np.zeros((6, 6, 6), np.float32)
    one[2:4, 2:4, 2:4] = 1
    raters = {"a": one, "b": np.roll(one, 1), "empty": 0 * one, "full": 0 * one + 1, "silent": np.nan * one}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if in_files:
            paths = [tmp_path / f"{name}.nii" for name in raters]
            for path, values in zip(paths, raters.values(), strict=True):
                nib.save(nib.Nifti1Image(values, np.eye(4)), path)
            fastfuse.agreement_files(paths, missing="nan")
        else:
            fastfuse.agreement(list(raters.values()), missing="nan", names=list(raters))
    said = " ".join(str(one.message) for one in caught)
    for told in ("silent(.nii)? has no vote", "empty(.nii)? marks nothing", "full(.nii)? marks everything"):
        assert len(re.findall(told, said)) == 1, said
    assert "silent marks" not in said
