"""Fused label maps as a data set of nnU-Net, and predictions that come back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import fastfuse

from ...cohort.files import consensus
from ...command import run_here
from .common import CASES, CHANNELS, exported, refused, voxels


def test_label_maps(of_maps: Path, tmp_path: Path) -> None:
    """Labels are numbered without gaps, which is said once and recorded; nnU-Net's own name is left to it."""
    done = run_here(tmp_path, "export", "nnunet", "fused", "--out", "raw", *CHANNELS, "--folds", "2")
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).count("3 is now 1, 6 is now 2, 9 is now 3") == 1
    folder = tmp_path / "raw" / "Dataset501_fused"
    about = json.loads((folder / "dataset.json").read_text())
    assert about["labels"] == {"background": 0, "liver": 1, "label 6": 2, "ignore (9)": 3}
    before = {"background": 0, "liver": 3, "label 6": 6, "ignore (9)": 9}
    assert about["fastfuse"]["labels_before"] == before
    assert json.loads((folder / "export.json").read_text())["labels_before"] == {
        "0": 0,
        "1": 3,
        "2": 6,
        "3": 9,
    }
    for case in CASES[:4]:
        label, map_ = voxels(folder / f"labelsTr/{case}.nii.gz"), consensus(tmp_path / "fused", case)
        assert label.dtype == np.uint8
        assert np.unique(map_).tolist() == [0, 3, 6, 9]
        np.testing.assert_array_equal(label * 3, map_)


def test_predictions_come_back(of_maps: Path, tmp_path: Path) -> None:
    """nnU-Net's .npz, with its copy of dataset.json, is read by the labels and names that were exported."""
    folder, results = exported(tmp_path, "--folds", "2"), tmp_path / "results"
    results.mkdir()
    shutil.copy(folder / "dataset.json", results)
    for case in CASES[:4]:
        path = folder / "labelsTr" / f"{case}.nii.gz"
        shutil.copy(path, results)
        softmax = np.eye(4, dtype=np.float32)[voxels(path)] * 0.8 + 0.05
        np.savez_compressed(results / f"{case}.npz", probabilities=softmax.transpose(3, 2, 1, 0))
    with pytest.warns(fastfuse.FusionWarning, match="one rater only"):
        fastfuse.fuse_files(
            [results / "case-01.npz"], tmp_path / "all.nii.gz", labels="all", method="majority"
        )
    np.testing.assert_array_equal(voxels(tmp_path / "all.nii.gz"), voxels(folder / "labelsTr/case-01.nii.gz"))
    with pytest.warns(fastfuse.FusionWarning, match="one rater only"):
        fastfuse.fuse_files(
            [results / "case-01.npz"], tmp_path / "one.nii.gz", method="majority", select_segment="label 6"
        )
    np.testing.assert_array_equal(
        voxels(tmp_path / "one.nii.gz") > 0.5, consensus(tmp_path / "fused", "case-01") == 6
    )
    scores = fastfuse.evaluate_folders(results, folder / "labelsTr", select_label=2)
    assert len(scores.cases) == 4
    assert {one.dice for one in scores.cases.values()} == {1.0}


def test_label_maps_have_no_probabilities(maps: Path) -> None:
    said = refused(maps, "fused", "--out", "raw", *CHANNELS, "--ignore", "0.2", "0.8")
    assert "ignore is given, which is of probabilities, and fused holds label maps" in said
