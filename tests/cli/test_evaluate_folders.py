"""``fastfuse evaluate`` on folders, as a user runs it."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ..command import run_here
from ..evaluation.test_evaluation import AFFINE
from ..evaluation.test_surface import SHAPE, blobs
from .test_cli import run

LONG = "ManualSegmentation_of_a_case_{:02d}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four cases, one without a prediction's voxel; a truth of another name, and one too many."""
    for what in ("preds", "truths"):
        (tmp_path / what).mkdir()
    for i in range(4):
        truth = blobs(i).astype(np.uint8)
        prediction = blobs(i + 50, 0.05) | (blobs(i) if i != 2 else False)
        name = LONG.format(i)
        data = {"preds": prediction * (i != 1), "truths": truth}
        for what, values in data.items():
            ending = "_gt.nii.gz" if i == 3 and what == "truths" else ".nii.gz"
            nib.save(nib.Nifti1Image(values.astype(np.uint8), AFFINE), tmp_path / what / (name + ending))
    nib.save(nib.Nifti1Image(np.ones(SHAPE, np.uint8), AFFINE), tmp_path / "truths" / "lonely.nii")
    return tmp_path


def test_command(folder: Path) -> None:
    done = run(folder, "evaluate", "preds", "truths", "-o", "s.csv", "--tolerance-mm", "1", COLUMNS="80")
    assert done.returncode == 0
    assert re.fullmatch(r"warning: truths: no prediction for 1, left out: lonely\.nii\n", done.stderr)
    facts = json.loads((folder / "s.json").read_text())
    for name, one in facts["cases"].items():
        assert re.search(rf"{name} +{one['dice']:.4f} +({one['hd95_mm'] or 0:.2f}|infinite) ", done.stdout)
    dice = facts["summary"]["dice"]
    interval = f"{dice['low']:.4f}–{dice['high']:.4f}"
    assert re.search(rf"Dice +{dice['mean']:.4f} +{interval} +{dice['median']:.4f}", done.stdout)
    assert re.search(r"HD95 \(mm\) +infinite ", done.stdout)
    assert f"voxels together: {facts['pooled']['dice']:.4f}" in done.stdout
    assert "infinite, of 4 cases: HD95 1, HD100 1, ASSD 1" in done.stdout
    assert "undefined, of 4 cases: precision 1, lesion PPV 1" in done.stdout
    assert "matched: 3 by file name, 1 by case name" in done.stdout
    assert "1 of truths without a prediction" in done.stdout
    assert "wrote s.csv, s.json" in done.stdout
    assert len((folder / "s.csv").read_text().splitlines()) == 5


def test_a_damaged_file_costs_its_case(folder: Path) -> None:
    """As of ``cohort fuse``: the others are done, each failure is a line at the end, and the exit code is 3."""
    bad, other = (folder / "preds" / f"{LONG.format(i)}.nii.gz" for i in (0, 2))
    bad.write_bytes(bad.read_bytes()[:100])
    nib.save(nib.Nifti1Image(np.zeros((3, 3, 3), np.uint8), AFFINE), other)
    done = run(folder, "evaluate", "preds", "truths", "-o", "s.csv", COLUMNS="200")
    assert done.returncode == 3
    names = [LONG.format(i) for i in range(4)]
    _, *lines = done.stderr.splitlines()  # the first one warns of the lonely truth
    assert len(lines) == 3
    assert lines[0].startswith(f"error: {names[0]}: preds/{names[0]}.nii.gz: cannot be read")
    assert lines[1].startswith(f"error: {names[2]}: ")
    assert lines[2] == "error: 2 of 4 cases failed; the others are done"
    assert f"2 of 4 cases failed, and no number counts them: {names[0]}, {names[2]}" in done.stdout
    assert [line.split(",")[0] for line in (folder / "s.csv").read_text().splitlines()] == (
        ["case", names[1], names[3], names[0], names[2]]
    )
    facts = json.loads((folder / "s.json").read_text())
    assert [f"error: {name}: {reason}" for name, reason in facts["failed"].items()] == lines[:2]
    quiet = run_here(folder, "evaluate", "preds", "truths", "--quiet", "-o", "q.json")
    assert quiet.returncode == 3
    assert quiet.stderr.splitlines()[1:] == lines[:2]


def test_why_a_case_failed_names_options_as_they_are_typed(folder: Path) -> None:
    image = nib.load(folder / "preds" / f"{LONG.format(0)}.nii.gz")
    labels = np.asanyarray(image.dataobj).astype(np.uint8)
    labels[0, 0, 0] = 7
    nib.save(nib.Nifti1Image(labels, image.affine), folder / "preds" / f"{LONG.format(0)}.nii.gz")
    done = run_here(folder, "evaluate", "preds", "truths", "-o", "s.csv", columns=400)
    assert done.returncode == 3
    told = json.loads((folder / "s.json").read_text())["failed"][LONG.format(0)]
    row = [*csv.DictReader((folder / "s.csv").read_text().splitlines())][-1]
    assert row["failed"] == told
    assert f"error: {LONG.format(0)}: {told}" in done.stderr.splitlines()
    assert "--binarize" in told
    assert "=True" not in told


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_tables_fit(folder: Path, columns: int) -> None:
    done = run(folder, "evaluate", "preds", "truths", "--tolerance-mm", "1", COLUMNS=str(columns))
    assert done.returncode == 0
    assert "…" not in done.stdout
    assert max(len(line) for line in done.stdout.splitlines() if line.startswith(" ")) <= columns


def test_many_cases_are_not_all_shown(folder: Path) -> None:
    for i in range(30):
        for what in ("preds", "truths"):
            source = folder / what / f"{LONG.format(0)}.nii.gz"
            (folder / what / f"copy_{i}.nii.gz").write_bytes(source.read_bytes())
    done = run_here(folder, "evaluate", "preds", "truths")
    assert "34 cases; the 20 lowest in Dice" in done.stdout
    assert LONG.format(1) in done.stdout
    assert len(re.findall(r"copy_\d+ ", done.stdout)) == 20 - 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "preds truths/lonely.nii",
            r"lonely\.nii is one file, and preds is a folder; give two files or two",
        ),
        ("preds absent", "absent: no such folder; give two files or two folders"),
        ("preds truths --save-lesions l.nii.gz", "--save-lesions is for one prediction and one truth"),
        ("preds truths -o s.txt", r"s\.txt: the name of an output must end in \.csv or \.json"),
        ("preds truths --cut 2", r"--cut is 2\.0"),
        ("preds empty", "empty: no image lies there"),
        ("preds others", r"no file below preds has the name of one below others"),
        ("preds truths --mask others", r"no file below preds has the name of one below others"),
    ],
)
def test_bad_input(folder: Path, words: str, message: str) -> None:
    (folder / "empty").mkdir()
    (folder / "others").mkdir()
    nib.save(nib.Nifti1Image(np.ones(SHAPE, np.uint8), AFFINE), folder / "others" / "x.nii")
    done = run_here(folder, "evaluate", *words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: .*\n", done.stderr), done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert not list(folder.glob("s.*"))
