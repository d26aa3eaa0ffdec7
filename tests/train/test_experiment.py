"""The experiment from a cohort's folder to Table 1: complete, killed and resumed."""

from __future__ import annotations

import csv
import json
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fastfuse import FastfuseError
from fastfuse.cohort.msseg import find_cases
from fastfuse.train.experiment import run_experiment
from fastfuse.train.network import checkpoint
from fastfuse.train.options import METHODS

from ..command import run_here
from ..shared import made_once
from .common import CHECKPOINTS, Told, command, options
from .conftest import DRAWING

KILLED = ("staple", "dilated-staple")  # methods of the run that is killed in the second one's training
TITLES = ("| STAPLE |", "| Dilated STAPLE |")  # of their rows


@pytest.fixture(scope="module")
def run(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole run, with its figures, which no test changes."""

    def make(out: Path) -> None:
        assert [row.method for row in run_experiment(cohort, out, options(CHECKPOINTS))] == list(METHODS)

    return made_once(tmp_path_factory, "whole", make)


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run, tmp_path / "r")


@pytest.fixture(autouse=True)
def _no_more_figures(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of the first run are enough."""
    monkeypatch.setattr(DRAWING, lambda *_: None)


def test_everything_is_there(run: Path, cohort: Path) -> None:
    cases = [case.name for case in find_cases(cohort)]
    assert len(cases) == 9
    for method in METHODS:
        for name in cases:
            assert (run / "consensus" / name / f"{method}.nii.gz").exists()
            assert (run / "predictions" / method / f"{name}.nii.gz").exists()
        for fold in (1, 2):
            folder = run / "models" / method / f"fold_{fold}"
            assert {path.name for path in folder.iterdir()} - {"tensorboard"} == {
                "network.pt",
                "training.csv",
                "made.json",
            }
    drawn = {path.name for path in (run / "figures").iterdir()}
    names = ("experts", "consensus", "training", "cases", "reliability", "differences")
    assert drawn == {f"{name}.png" for name in names}
    record = json.loads((run / "run.json").read_text())
    assert record["options"]["training"]["epochs"] == 4
    assert {"fastfuse", "torch", "numpy", "python"} <= set(record["versions"])
    assert set(record["files"]) == set(cases)
    assert all(
        re.fullmatch("[0-9a-f]{64}", value) for files in record["files"].values() for value in files.values()
    )


def test_predictions_lie_where_the_images_do(run: Path, cohort: Path) -> None:
    for case in find_cases(cohort):
        flair = nib.load(case.images["FLAIR"])
        predicted = nib.load(run / "predictions" / "staple" / f"{case.name}.nii.gz")
        np.testing.assert_allclose(predicted.affine, flair.affine)
        values = np.asanyarray(predicted.dataobj)
        assert values.shape == flair.shape
        assert values.dtype == np.float32
        brain = np.asanyarray(nib.load(case.brain).dataobj) > 0
        assert not values[~brain].any()
        assert values[brain].any()


def test_table_follows_from_the_metrics(run: Path) -> None:
    """Pool counts over each fold's cases, average over experts, then folds: from metrics.csv alone."""
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 9 * 8
    with (run / "table1.csv").open() as file:
        table = {(row["method"], row["against"], row["measure"]): row for row in csv.DictReader(file)}
    for method in METHODS:
        for against in ("experts", "STAPLE"):
            dice = []
            for fold in ("1", "2"):
                mine = [row for row in rows if row["method"] == method and row["fold"] == fold]
                references = {
                    row["reference"]
                    for row in mine
                    if (row["reference"] == "STAPLE") == (against == "STAPLE")
                }
                per_reference = []
                for reference in references:
                    both, wrong, missed = (
                        sum(int(row[name]) for row in mine if row["reference"] == reference)
                        for name in ("true_positives", "false_positives", "false_negatives")
                    )
                    per_reference.append(200 * both / (2 * both + wrong + missed))
                dice.append(np.mean(per_reference))
            assert float(table[method, against, "dice"]["pooled"]) == pytest.approx(np.mean(dice), rel=1e-5)
    text = (run / "table1.md").read_text()
    assert "*56.1*" in text
    assert "Soft STAPLE Simplified" in text
    assert (run / "table1.tex").read_text().count("&") == 4 * 7 + 10


def test_test_cases_are_not_learnt_from(run: Path) -> None:
    folds = json.loads((run / "folds.json").read_text())["folds"]
    assert sorted(len(fold) for fold in folds) == [4, 5]
    for number, fold in enumerate(folds, start=1):
        held_out = checkpoint.load(run / "models" / "soft-staple" / f"fold_{number}" / "network.pt")[
            "held_out"
        ]
        assert len(held_out) == 3
        assert not set(held_out) & set(fold)


def test_needs_resume(run: Path, cohort: Path) -> None:
    with pytest.raises(FastfuseError, match=r"run\.json: a run is there; pass --resume"):
        run_experiment(cohort, run, options(CHECKPOINTS))


def test_resume_skips_what_is_done(copy: Path, cohort: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*.nii.gz")} | {
        path: path.stat().st_mtime_ns for path in copy.rglob("*.pt")
    }
    table = (copy / "table1.md").read_bytes()
    run_experiment(cohort, copy, options(CHECKPOINTS), resume=True)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (copy / "table1.md").read_bytes() == table


def test_resume_with_other_options(run: Path, cohort: Path) -> None:
    with pytest.raises(FastfuseError, match=r"began with other options \(seed, training\.batch\)"):
        run_experiment(cohort, run, options(CHECKPOINTS, "seed=1", "training.batch=3"), resume=True)


def test_lost_files_are_made_again(copy: Path, cohort: Path) -> None:
    """A prediction and a consensus are the same when they are made again."""
    lost = [
        copy / "predictions" / "staple" / "Patient_01.nii.gz",
        copy / "consensus" / "Patient_02" / "soft-staple.nii.gz",
        copy / "models" / "dilated-staple" / "fold_2" / "network.pt",
    ]
    before = [path.read_bytes() for path in lost[:2]]
    for path in lost:
        path.unlink()
    run_experiment(cohort, copy, options(CHECKPOINTS), resume=True)
    assert [path.read_bytes() for path in lost[:2]] == before
    assert not lost[2].exists()  # its predictions are there: it is not needed


def test_one_fold_at_a_time(cohort: Path, run: Path, tmp_path: Path) -> None:
    assert run_experiment(cohort, tmp_path / "r", options("methods=staple"), only_folds=[2]) == []
    assert not (tmp_path / "r" / "table1.md").exists()
    assert not (tmp_path / "r" / "models" / "staple" / "fold_1").exists()
    rows = run_experiment(cohort, tmp_path / "r", options("methods=staple"), only_folds=[1], resume=True)
    with (run / "table1.csv").open() as file:
        whole = next(row for row in csv.DictReader(file) if row["method"] == "staple")
    assert rows[0].pooled[True, "dice"] == pytest.approx(float(whole["pooled"]), rel=1e-5)


@pytest.mark.parametrize(
    "waits_for",
    [
        pytest.param("consensus/Patient_02/staple.json", marks=pytest.mark.slow),
        "models/dilated-staple/fold_1/resume.pt",
    ],
)
def test_killed_and_resumed(cohort: Path, run: Path, tmp_path: Path, waits_for: str) -> None:
    """After SIGKILL in the fusion, or in a training, a resumed run ends with the same rows to the last digit."""
    words = command(cohort, tmp_path / "r", "--set", CHECKPOINTS, "--methods", ",".join(KILLED))
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not (tmp_path / "r" / waits_for).exists():
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert not (tmp_path / "r" / "table1.csv").exists()
    done = run_here(tmp_path, *words[3:], "--resume")
    assert done.returncode == 0, done.stderr
    for name in ("table1.csv", "metrics.csv"):
        kept, whole = ((folder / name).read_text().splitlines() for folder in (tmp_path / "r", run))
        assert kept == [whole[0], *(line for line in whole[1:] if line.split(",")[0] in KILLED)]
    rows = [
        [line for line in (folder / "table1.md").read_text().splitlines() if line.startswith(TITLES)]
        for folder in (tmp_path / "r", run)
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) >= len(KILLED)


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")  # these networks mark nothing
def test_networks_as_raters(
    run: Path, cohort: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example: the maps of the four networks are fused as votes."""
    monkeypatch.setattr(sys, "argv", ["networks.py", str(run), str(cohort)])
    runpy.run_path(str(Path(__file__).parents[2] / "bench" / "studies" / "networks.py"), run_name="__main__")
    names = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == [*sorted(METHODS), "mean of all", "soft-STAPLE of all"]


def test_edited_predictions_are_made_again(cohort: Path, run: Path, copy: Path) -> None:
    """What is kept counts only as the run wrote it, and so do scores for their prediction."""
    prediction = copy / "predictions" / "staple" / "Patient_01.nii.gz"
    before = prediction.read_bytes()
    image = nib.load(prediction)
    nib.save(nib.Nifti1Image(np.ones(image.shape, np.float32), image.affine), prediction)
    (copy / "predictions" / "staple" / "Patient_02.json").write_text("{}")
    told = Told()
    run_experiment(cohort, copy, options(CHECKPOINTS), resume=True, narrator=told)
    assert [line for line in told.lines if "is not as the run wrote it; predicted again" in line]
    assert prediction.read_bytes() == before
    for name in ("metrics.csv", "table1.csv"):
        assert (copy / name).read_bytes() == (run / name).read_bytes()


def test_half_a_run_is_no_run(cohort: Path, copy: Path) -> None:
    (copy / "run.json").unlink()
    for resume in (False, True):
        with pytest.raises(
            FastfuseError, match=r"holds consensus, models, predictions, .*table1\.md.*, but no run\.json"
        ):
            run_experiment(cohort, copy, options(CHECKPOINTS, "seed=7"), resume=resume)


def test_other_version(cohort: Path, copy: Path) -> None:
    record = (copy / "run.json").read_text()
    (copy / "run.json").write_text(record.replace('"fastfuse": "', '"fastfuse": "9.'))
    with pytest.raises(FastfuseError, match=r"the run began with fastfuse 9\..*, this is "):
        run_experiment(cohort, copy, options(CHECKPOINTS), resume=True)


@pytest.mark.parametrize("content", [b"", b"weights", b"PK\x03\x04"])
def test_damaged_weights_on_resume(cohort: Path, copy: Path, content: bytes) -> None:
    folder = copy / "models" / "staple" / "fold_1"
    (copy / "predictions" / "staple" / "Patient_01.nii.gz").unlink()
    (folder / "network.pt").write_bytes(content)
    with pytest.raises(FastfuseError, match=r"network\.pt: is not the file that the run wrote; put that one"):
        run_experiment(cohort, copy, options(CHECKPOINTS), resume=True)
    (folder / "network.pt").unlink()
    (folder / "resume.pt").write_bytes(content)
    with pytest.raises(
        FastfuseError, match=r"resume\.pt: cannot be read as weights .*; delete it, and it is made"
    ):
        run_experiment(cohort, copy, options(CHECKPOINTS), resume=True)
