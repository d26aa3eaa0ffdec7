"""``fastfuse evaluate``, as a user runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ..command import run_here
from ..evaluation.test_evaluation import AFFINE, BRAIN, PREDICTION, TRUTH
from .test_cli import run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in {"p": PREDICTION, "t": TRUTH, "brain": BRAIN, "none": np.zeros_like(TRUTH)}.items():
        nib.save(nib.Nifti1Image(data, AFFINE), tmp_path / f"{name}.nii.gz")
    return tmp_path


def test_command(folder: Path) -> None:
    options = ("--mask", "brain.nii.gz", "--cut", "0.7", "--min-voxels", "3", "-o", "m.json")
    done = run(folder, "evaluate", "p.nii.gz", "t.nii.gz", *options, COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads((folder / "m.json").read_text())
    rows = {
        "Dice": f"{facts['dice']:.4f}",
        "precision": f"{facts['precision']:.4f}",
        "recall": f"{facts['recall']:.4f}",
        "specificity": f"{facts['specificity']:.4f}",
        "volume (ml)": f"{facts['prediction_ml']:.2f}",
        "HD95 (mm)": f"{facts['hd95_mm']:.2f}",
        "ASSD (mm)": f"{facts['assd_mm']:.2f}",
        "lesion sensitivity": f"{facts['lesion_sensitivity']:.4f}",
        "lesion PPV": f"{facts['lesion_ppv']:.4f}",
        "lesion F1": f"{facts['lesion_f1']:.4f}",
    }
    for name, value in rows.items():
        assert re.search(rf"^ +{re.escape(name)} +{value} ", done.stdout, re.MULTILINE), name
    assert f"{facts['detected_lesions']} of {facts['truth_lesions']} true lesions detected" in done.stdout
    assert f"{BRAIN.sum():,} voxels (inside brain.nii.gz), cut 0.7" in done.stdout
    assert "components below 3 voxels dropped" in done.stdout
    assert "wrote m.json" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("prediction", "truth", "found"),
    [("none", "t", "infinite +one mask is empty"), ("none", "none", "0.00 +both masks are empty")],
)
def test_command_on_empty_masks(folder: Path, prediction: str, truth: str, found: str) -> None:
    done = run(folder, "evaluate", f"{prediction}.nii.gz", f"{truth}.nii.gz")
    assert done.returncode == 0
    assert re.search(rf"HD95 \(mm\) +{found}", done.stdout)
    assert re.search(r"precision +undefined", done.stdout)
    assert "Background counts" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("p.nii.gz", "Missing argument"),
        ("p.nii.gz t.nii.gz brain.nii.gz", "unexpected extra argument"),
        ("p.nii.gz absent.nii.gz", r"absent\.nii\.gz: no such file"),
        ("p.nii.gz t.nii.gz --cut 3", r"--cut is 3\.0: it must be a number in \(0, 1\]"),
        ("p.nii.gz t.nii.gz --min-voxels -3", "--min-voxels"),
        ("p.nii.gz t.nii.gz --mask none.nii.gz", r"none\.nii\.gz is empty: no voxel"),
        ("p.nii.gz t.nii.gz -o m.csv", r"m\.csv: the name of an output must end in \.json"),
        ("p.nii.gz t.nii.gz -o t.nii.gz --overwrite", r"t\.nii\.gz: the name of an output"),
    ],
)
def test_command_with_bad_input(folder: Path, words: str, message: str) -> None:
    before = {path.name for path in folder.iterdir()}
    done = run_here(folder, "evaluate", *words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: .*\n", done.stderr), done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert {path.name for path in folder.iterdir()} == before
