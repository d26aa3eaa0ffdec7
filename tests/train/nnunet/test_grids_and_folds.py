"""Images on other grids than their consensus's, and subjects with several sessions."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ...cohort.files import SHAPE, consensus, save
from ...command import run_here
from .common import CHANNELS, OF_BIDS, PLACED, of_bids, refused, voxels


@pytest.mark.parametrize(("crop", "turned"), [(0, False), (2, False), (0, True), (2, True)])
def test_sessions_and_grids(tmp_path: Path, crop: int, turned: bool) -> None:
    """All sessions of a subject are in one fold; labels are padded and turned onto their image's grid, which is told."""
    of_bids(tmp_path, PLACED, crop=crop, turned=turned)
    done = run_here(tmp_path, "export", "nnunet", *OF_BIDS, "--folds", "3")
    assert done.returncode == 0, done.stderr
    assert "7 cases of 4 subjects: all sessions of a subject are in one fold" in done.stdout
    folder = tmp_path / "raw" / "Dataset501_fused"
    assert [split["val"] for split in json.loads((folder / "splits_final.json").read_text())] == [
        ["sub-a_ses-1", "sub-a_ses-2", "sub-d_ses-1"], ["sub-b_ses-1", "sub-b_ses-2"], ["sub-c_ses-1", "sub-c_ses-2"]
    ]  # fmt: skip
    label, image = (
        nib.load(folder / name)
        for name in ("labelsTr/sub-b_ses-2.nii.gz", "imagesTr/sub-b_ses-2_0000.nii.gz")
    )
    assert label.shape == image.shape == SHAPE
    np.testing.assert_array_equal(label.affine, image.affine)
    expected = np.zeros(SHAPE, bool)
    expected[crop:] = consensus(tmp_path / "fused", "sub-b_ses-2") >= 0.5
    assert expected[3, 2, 2]
    np.testing.assert_array_equal(np.asanyarray(label.dataobj) == 1, expected[::-1] if turned else expected)
    told = json.loads((folder / "export.json").read_text())["cases"]["sub-b_ses-2"]["warnings"]
    assert ("remarks on the files" in done.stderr) == bool(told) == bool(crop or turned)
    assert all("consensus.nii.gz" in one for one in told)


def test_folds_of_a_file(tmp_path: Path) -> None:
    """A division whose tested cases become imagesTs; sessions of a subject on both sides are told."""
    of_bids(tmp_path, PLACED)
    parts = {"train": ["sub-a_ses-1", "sub-b_ses-1"], "test": ["sub-a_ses-2"]}
    (tmp_path / "folds.json").write_text(json.dumps(parts))
    done = run_here(tmp_path, "export", "nnunet", *OF_BIDS, "--folds", "folds.json", "--json")
    assert done.returncode == 0, done.stderr
    assert "warning: folds.json: sessions of sub-a are in several folds" in done.stderr
    facts = json.loads(done.stdout)
    assert (facts["training"], facts["testing"]) == (2, 1)
    folder = tmp_path / "raw" / "Dataset501_fused"
    assert {path.name for path in (folder / "imagesTs").iterdir()} == {"sub-a_ses-2_0000.nii.gz"}
    assert {path.name[:11] for path in (folder / "labelsTr").iterdir()} == {*parts["train"]}
    assert not (folder / "splits_final.json").exists()


def test_images_on_another_grid(of_masks: Path, tmp_path: Path) -> None:
    """An image between the voxels, a cropped one, and nan: the case and the file are named."""
    flair, t1 = (tmp_path / "data/case-04" / name for name in ("flair.nii.gz", "t1.nii.gz"))
    kept, affine = nib.load(flair), nib.load(flair).affine.copy()
    affine[:3, 3] += 0.4
    nib.save(nib.Nifti1Image(voxels(flair), affine), flair)
    said = refused(tmp_path, "fused", "--out", "raw", *CHANNELS)
    assert said.startswith("error: case-04: ")
    assert "flair.nii.gz" in said
    nib.save(nib.Nifti1Image(np.zeros((10, 9, 7), np.int16), kept.affine), flair)
    said = refused(tmp_path, "fused", "--out", "raw", *CHANNELS)
    assert said.startswith("error: case-04: ")
    assert "flair.nii.gz" in said
    nib.save(nib.Nifti1Image(np.zeros(SHAPE, np.int16), kept.affine), flair)
    values = voxels(t1).copy()
    values[2, 3, 4] = np.nan
    save(t1, values)
    said = refused(tmp_path, "fused", "--out", "raw", *CHANNELS)
    assert said.startswith("error: case-04: data/case-04/t1.nii.gz: holds nan")


def test_marks_beyond_the_image(tmp_path: Path) -> None:
    of_bids(tmp_path, PLACED)
    path = tmp_path / "data/sub-c/ses-1/anat/sub-c_ses-1_acq-3d_FLAIR.nii.gz"
    nib.save(nib.Nifti1Image(voxels(path)[:5], PLACED), path)
    said = refused(tmp_path, *OF_BIDS, "--folds", "3")
    assert said.startswith("error: sub-c_ses-1: fused/cases/sub-c_ses-1/consensus.nii.gz: ")
    assert "beyond the grid of sub-c_ses-1_acq-3d_FLAIR.nii.gz" in said
    assert "an export takes no --grid" in said
