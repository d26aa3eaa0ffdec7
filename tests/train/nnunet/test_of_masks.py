"""Fused masks as a data set of nnU-Net: files, labels at their cut, and the record."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fastfuse.train.nnunet.fused_export import export_fused, fused_dataset

from ...cohort.files import GLOB, consensus, fused, mask_path
from ...command import run_here
from .common import CASES, CHANNELS, exported, voxels, with_images


def test_of_masks(of_masks: Path, tmp_path: Path) -> None:
    """As nnU-Net's documents of the data set's format and of custom splits say."""
    done = run_here(
        tmp_path, "export", "nnunet", "fused", "--out", "raw", *CHANNELS, "--name", "MS", "--dataset-id", "7"
    )
    assert done.returncode == 0, done.stderr
    assert "wrote 5 training cases below raw/Dataset007_MS" in done.stdout
    assert "warning" not in done.stderr
    folder = tmp_path / "raw" / "Dataset007_MS"
    about = json.loads((folder / "dataset.json").read_text())
    assert about == {
        "channel_names": {"0": "T1", "1": "FLAIR"},
        "labels": {"background": 0, "foreground": 1},
        "numTraining": 5,
        "file_ending": ".nii.gz",
        "name": "MS",
        "description": "labels: staple of the raters, by fastfuse, cut at 0.5",
        "fastfuse": {"version": "0.1.0", "method": "staple"},
    }
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    images = {f"imagesTr/{case}_{channel:04d}.nii.gz" for case in CASES for channel in range(2)}
    labels = {f"labelsTr/{case}.nii.gz" for case in CASES}
    assert found == images | labels | {"dataset.json", "splits_final.json", "export.json"}
    for case in CASES:
        for channel, name in enumerate(("t1", "flair")):
            one = nib.load(folder / f"imagesTr/{case}_{channel:04d}.nii.gz")
            other = nib.load(tmp_path / "data" / case / f"{name}.nii.gz")
            np.testing.assert_array_equal(one.get_fdata(), other.get_fdata())
            np.testing.assert_array_equal(one.affine, other.affine)
        label = voxels(folder / f"labelsTr/{case}.nii.gz")
        assert label.dtype == np.uint8
        np.testing.assert_array_equal(label, consensus(tmp_path / "fused", case) >= 0.5)
        assert 0 < label.sum() < label.size
    splits = json.loads((folder / "splits_final.json").read_text())
    assert [split["val"] for split in splits] == [[case] for case in CASES]
    assert all(sorted(split["train"] + split["val"]) == CASES for split in splits)


def test_record(of_masks: Path, tmp_path: Path) -> None:
    told = json.loads((exported(tmp_path) / "export.json").read_text())
    assert told["settings"]["method"] == told["method"] == "staple"
    assert told["channels"] == {"T1": "{case}/t1.nii.gz", "FLAIR": "{case}/flair.nii.gz"}
    assert list(told["cases"]) == CASES
    one = told["cases"]["case-03"]
    files = [one["consensus"], *one["images"]]
    assert [file["file"] for file in files] == [
        "fused/cases/case-03/consensus.nii.gz", "data/case-03/t1.nii.gz", "data/case-03/flair.nii.gz"
    ]  # fmt: skip
    for file in files:
        assert file["sha256"] == hashlib.sha256((tmp_path / file["file"]).read_bytes()).hexdigest()
    assert (one["cut"], one["ties"], one["warnings"]) == (0.5, "foreground", [])


def test_the_same_bytes_again(of_masks: Path, tmp_path: Path) -> None:
    """And a data set that is there is not overwritten."""
    first = exported(tmp_path)
    kept = {path.name: path.read_bytes() for path in first.rglob("*") if path.is_file()}
    done = run_here(tmp_path, "export", "nnunet", "fused", "--out", "raw", *CHANNELS)
    assert done.returncode == 2
    assert "Dataset501_fused: a data set of this number is there" in done.stderr
    shutil.rmtree(first)
    exported(tmp_path)
    assert {path.name: path.read_bytes() for path in first.rglob("*") if path.is_file()} == kept


def test_cut_and_ties_of_the_fusion(tmp_path: Path) -> None:
    """Two raters who differ lie on the cut: background, as the fusion was asked; another cut is taken where it is given."""
    data = with_images(tmp_path / "data", 2)
    for case in CASES[:2]:
        mask_path(data, case, "Eve").unlink()
    fused(data, tmp_path / "fused", method="majority", ties="background")
    folder, probability = exported(tmp_path, "--folds", "2"), consensus(tmp_path / "fused", "case-00")
    assert (probability == 0.5).any()
    np.testing.assert_array_equal(voxels(folder / "labelsTr/case-00.nii.gz"), probability > 0.5)
    shutil.rmtree(folder)
    folder = exported(tmp_path, "--folds", "2", "--cut", "0.4")
    np.testing.assert_array_equal(voxels(folder / "labelsTr/case-00.nii.gz"), probability >= 0.5)
    assert "cut at 0.4" in json.loads((folder / "dataset.json").read_text())["description"]


def test_each_case_at_its_own_cut(tmp_path: Path) -> None:
    fused(with_images(tmp_path / "data", 3), tmp_path / "fused", method="majority", cut="dice")
    folder = exported(tmp_path, "--folds", "3")
    cuts = {}
    for case in CASES[:3]:
        sidecar = json.loads((tmp_path / "fused/cases" / case / "consensus.json").read_text())
        cuts[case] = sidecar["options"]["cut"]
        expected = consensus(tmp_path / "fused", case) >= cuts[case]
        np.testing.assert_array_equal(voxels(folder / f"labelsTr/{case}.nii.gz"), expected)
    assert len(set(cuts.values())) > 1
    told = json.loads((folder / "export.json").read_text())["cases"]
    assert {case: one["cut"] for case, one in told.items()} == cuts
    about = json.loads((folder / "dataset.json").read_text())
    assert about["description"].endswith("each case at its own cut")


def test_ignore(of_masks: Path, tmp_path: Path) -> None:
    """The highest label is where the consensus is contested."""
    folder = exported(tmp_path, "--ignore", "0.05", "0.95")
    probability, label = consensus(tmp_path / "fused", "case-02"), voxels(folder / "labelsTr/case-02.nii.gz")
    contested = (probability > 0.05) & (probability < 0.95)
    assert contested.any()
    np.testing.assert_array_equal(label == 2, contested)
    np.testing.assert_array_equal(label == 1, probability >= 0.95)
    about = json.loads((folder / "dataset.json").read_text())
    assert about["labels"] == {"background": 0, "foreground": 1, "ignore": 2}


@pytest.mark.parametrize("pool", ["raters", "none"])
def test_in_python(of_masks: Path, tmp_path: Path, pool: str) -> None:
    """Also of the cases that ``cohort apply`` fused, and of those that were fused each by itself."""
    out = tmp_path / "other"
    if pool == "none":
        fused(tmp_path / "data", out, pool="none")
    else:
        words = ("fused/estimate.json", "data", "--out", "other", "--glob", GLOB)
        assert run_here(tmp_path, "cohort", "apply", *words).returncode == 0
    dataset = fused_dataset(out, tmp_path / "data", ["T1={case}/t1.nii.gz"], folds=2, number=3)
    assert dataset.remarks == dataset.notes == []
    said: list[str] = []
    folder = export_fused(dataset, tmp_path / "raw", said.append)
    assert folder == tmp_path / "raw" / "Dataset003_other"
    assert said == [f"{case}: writing" for case in CASES]
    for case in CASES:
        np.testing.assert_array_equal(voxels(folder / f"labelsTr/{case}.nii.gz"), consensus(out, case) >= 0.5)
