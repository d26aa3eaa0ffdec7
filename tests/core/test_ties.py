"""A probability that is the cut itself: foreground by default, background on request, in Python, files and the shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..command import run_here

PAIR = [[1, 1, 0, 0], [1, 0, 1, 0]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("raters", [2, 3, 4, 6, 7, 10])
def test_every_share_of_raters_is_a_tie_at_that_cut(raters: int, dtype: Any) -> None:
    """Of shares that no float holds, too: one of three raters marks a voxel, and the cut is 1/3."""
    votes = np.tril(np.ones((raters, raters + 1)), 0).astype(
        np.uint8
    )  # k raters mark voxel k, from the last one
    fused = fastfuse.majority_vote(list(votes), dtype=dtype)
    marked_by = votes.sum(axis=0)
    for share in range(1, raters + 1):
        cut = share / raters
        np.testing.assert_array_equal(fused.label(cut), marked_by >= share)
        np.testing.assert_array_equal(fused.label(cut, ties="foreground"), marked_by >= share)
        np.testing.assert_array_equal(fused.label(cut, ties="background"), marked_by > share)


def test_two_raters_of_two() -> None:
    fused = fastfuse.majority_vote(PAIR)
    assert fused.label().tolist() == [1, 1, 1, 0]
    assert fused.label(ties="background").tolist() == [1, 0, 0, 0]
    assert fused.label(1.0).tolist() == [1, 0, 0, 0]
    assert fused.label(1.0, ties="background").tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("ties", ["up", "", None, True, "Foreground"])
def test_other_words_are_refused(ties: Any) -> None:
    with pytest.raises(ValueError, match=r"ties is .*: it must be 'foreground' or 'background'"):
        fastfuse.majority_vote(PAIR).label(ties=ties)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, votes in zip("ab", PAIR, strict=True):
        image = nib.Nifti1Image(np.array(votes, np.uint8).reshape(2, 2, 1), np.eye(4))
        nib.save(image, tmp_path / f"{name}.nii.gz")
    return tmp_path


@pytest.mark.parametrize(("ties", "voxels"), [(None, 3), ("foreground", 3), ("background", 1)])
@pytest.mark.parametrize("in_shell", [False, True])
def test_files(folder: Path, ties: Any, voxels: int, in_shell: bool) -> None:
    """The mask, and what the sidecar says of it."""
    raters = ["a.nii.gz", "b.nii.gz"]
    if in_shell:
        words = ["--ties", ties] if ties else []
        done = run_here(
            folder,
            "fuse",
            *raters,
            "-o",
            "c.nii.gz",
            "--method",
            "majority",
            "--save-label",
            "l.nii.gz",
            *words,
        )
        assert done.returncode == 0, done.stderr
    else:
        given = {"ties": ties} if ties else {}
        fastfuse.fuse_files(
            [folder / name for name in raters],
            folder / "c.nii.gz",
            method="majority",
            save_label=folder / "l.nii.gz",
            **given,
        )
    assert np.asarray(nib.load(folder / "l.nii.gz").dataobj).sum() == voxels
    said = json.loads((folder / "c.json").read_text())
    assert said["foreground"]["voxels"] == voxels
    assert said["options"].get("ties", "foreground") == (ties or "foreground")


def test_the_shell_refuses_other_words(folder: Path) -> None:
    done = run_here(folder, "fuse", "a.nii.gz", "b.nii.gz", "-o", "c.nii.gz", "--ties", "up")
    assert done.returncode == 2
    assert "foreground" in done.stderr
    assert not (folder / "c.nii.gz").exists()
    with pytest.raises(ValueError, match="ties is 'up'"):
        fastfuse.fuse_files([folder / "a.nii.gz"], folder / "c.nii.gz", ties="up")  # type: ignore[arg-type]
    assert not (folder / "c.nii.gz").exists()
