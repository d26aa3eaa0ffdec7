"""The experiment from a cohort's folder to Table 1: whole, killed and resumed, and with bad input."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fastfuse import FastfuseError
from fastfuse.demo.cohort import make_cohort
from fastfuse.train.cohort.loading import load_case
from fastfuse.train.cohort.msseg import find_cases
from fastfuse.train.experiment import run_experiment
from fastfuse.train.narrator import Narrator
from fastfuse.train.network import checkpoint
from fastfuse.train.options import METHODS, ExperimentOptions, make_options
from fastfuse.train.targets.consensus import consensus_of

from ..command import run_here

SMALL = ["network.width=2", "network.depth=2", "training.epochs=4", "training.steps=2", "training.batch=4"]
FEW = [*SMALL, "folds=2", "training.validate_every=2", "evaluation.least_voxels=2", "training.save_every_s=0"]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    make_cohort(folder, per_center=3, spacing_mm=6.0)
    return folder


def options(*more: str) -> ExperimentOptions:
    return make_options("quick", None, [*FEW, *more])


@pytest.fixture(scope="module")
def run(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "whole"
    assert [row.method for row in run_experiment(cohort, out, options())] == list(METHODS)
    return out


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
            }
    drawn = {path.name for path in (run / "figures").iterdir()}
    assert drawn == {"experts.png", "consensus.png", "training.png", "cases.png"}
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
    assert (run / "table1.tex").read_text().count("&") == 4 * 6 + 8


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
        run_experiment(cohort, run, options())


def test_resume_skips_what_is_done(run: Path, cohort: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.nii.gz")} | {
        path: path.stat().st_mtime_ns for path in run.rglob("*.pt")
    }
    table = (run / "table1.md").read_bytes()
    run_experiment(cohort, run, options(), resume=True)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (run / "table1.md").read_bytes() == table


def test_resume_with_other_options(run: Path, cohort: Path) -> None:
    with pytest.raises(FastfuseError, match=r"began with other options \(seed, training\.batch\)"):
        run_experiment(cohort, run, options("seed=1", "training.batch=3"), resume=True)


def test_lost_files_are_made_again(run: Path, cohort: Path) -> None:
    """A prediction and a consensus are the same when they are made again."""
    lost = [
        run / "predictions" / "staple" / "Patient_01.nii.gz",
        run / "consensus" / "Patient_02" / "soft-staple.nii.gz",
        run / "models" / "dilated-staple" / "fold_2" / "network.pt",
    ]
    before = [path.read_bytes() for path in lost[:2]]
    for path in lost:
        path.unlink()
    run_experiment(cohort, run, options(), resume=True)
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


def test_folds_of_ones_own(cohort: Path, tmp_path: Path) -> None:
    names = [case.name for case in find_cases(cohort)]
    (tmp_path / "folds.json").write_text(json.dumps({"folds": [names[:3], names[3:6], names[6:]]}))
    run_experiment(
        cohort, tmp_path / "r", options("methods=staple"), folds_file=tmp_path / "folds.json", only_folds=[3]
    )
    assert json.loads((tmp_path / "r" / "folds.json").read_text())["folds"][2] == names[6:]
    assert {path.name for path in (tmp_path / "r" / "predictions" / "staple").iterdir()} == {
        f"{name}.nii.gz" for name in names[6:]
    }


def command(cohort: Path, out: Path, *words: str) -> list[str]:
    sets = [word for option in FEW for word in ("--set", option)]
    start = [sys.executable, "-m", "fastfuse", "experiment", str(cohort), "--out", str(out)]
    return [*start, "--device", "cpu", *sets, *words]


@pytest.mark.parametrize(
    "waits_for",
    [
        pytest.param("consensus/Patient_02/staple.json", marks=pytest.mark.slow),
        "models/dilated-staple/fold_1/resume.pt",
    ],
)
def test_killed_and_resumed(cohort: Path, run: Path, tmp_path: Path, waits_for: str) -> None:
    """After SIGKILL in the fusion, or in a training, a resumed run ends with the same table to the last digit."""
    words = command(cohort, tmp_path / "r")
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
    for name in ("table1.csv", "metrics.csv", "table1.md"):
        assert (tmp_path / "r" / name).read_bytes() == (run / name).read_bytes()


def test_several_processes(cohort: Path, tmp_path: Path) -> None:
    """Two processes average their gradients, and one of them writes."""
    sets = [word for option in [*FEW, "methods=staple"] for word in ("--set", option)]
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = [
        *start,
        "-m",
        "fastfuse",
        "experiment",
        str(cohort),
        "--out",
        str(tmp_path / "r"),
        "--device",
        "cpu",
    ]
    done = subprocess.run(
        [*words, *sets, "--only-folds", "1"], capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "r" / "predictions" / "staple").glob("*.nii.gz"))) == 5
    assert done.stderr.count("epoch 4/4") == 1


def failing(cohort: Path, out: Path, *words: str) -> str:
    done = run_here(out.parent, *command(cohort, out, *words)[3:])
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_bad_command_lines(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "r"
    assert "no such folder" in failing(tmp_path / "nowhere", out)
    assert "--device is 'gpu'" in failing(cohort, out, "--device", "gpu")
    assert "methods is 'median'" in failing(cohort, out, "--methods", "staple,median")
    assert "there is no such option" in failing(cohort, out, "--set", "training.rate=1")
    assert "folds are 1 to 2" in failing(cohort, out, "--only-folds", "3")
    assert "9 cases do not fill 10 folds" in failing(cohort, out, "--folds", "10")
    assert "model nowhere:net cannot be imported" in failing(
        cohort, out, "--model", "nowhere:net", "--only-folds", "1"
    )


def test_case_without_a_modality(cohort: Path, tmp_path: Path) -> None:
    shutil.copytree(cohort / "Training", tmp_path / "Training")
    case = find_cases(tmp_path)[0]
    case.images["T1"].unlink()
    with pytest.raises(
        FastfuseError, match=r"Patient_01 lacks T1: add the files; `fastfuse check` lists all problems"
    ):
        run_experiment(tmp_path, tmp_path / "r", options())
    assert not (tmp_path / "r").exists()


def tiny(in_channels: int, width: int, depth: int) -> Any:
    return torch.nn.Sequential(torch.nn.Conv2d(in_channels, 1, 3, padding=1), torch.nn.Sigmoid())


def test_network_of_ones_own(cohort: Path, tmp_path: Path) -> None:
    chosen = options("methods=staple", f"network.model={__name__}:tiny")
    run_experiment(cohort, tmp_path / "r", chosen, only_folds=[1])
    weights = checkpoint.load(tmp_path / "r" / "models" / "staple" / "fold_1" / "network.pt")["network"]
    assert weights["0.weight"].shape == (1, 5, 3, 3)


def test_networks_as_raters(run: Path, cohort: Path) -> None:
    """The example: the maps of the four networks are fused as votes."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parents[2] / "bench" / "studies" / "networks.py"), str(run), str(cohort)],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    names = [line.split("  ")[0] for line in done.stdout.splitlines()]
    assert names == [*sorted(METHODS), "mean of all", "soft-STAPLE of all"]


def test_changed_files(cohort: Path, tmp_path: Path) -> None:
    shutil.copytree(cohort / "Training", tmp_path / "c" / "Training")
    chosen = options("methods=staple")
    run_experiment(tmp_path / "c", tmp_path / "r", chosen, only_folds=[1])
    mask = find_cases(tmp_path / "c")[4].masks[2]
    nib.save(nib.Nifti1Image(np.asanyarray(nib.load(mask).dataobj) * 0, nib.load(mask).affine), mask)
    with pytest.raises(FastfuseError, match=r"files of Patient_05 have changed since the run began"):
        run_experiment(tmp_path / "c", tmp_path / "r", chosen, resume=True)


def test_stale_consensus_is_made_again(cohort: Path, tmp_path: Path) -> None:
    """What is kept counts only for the same files and options."""
    case = load_case(find_cases(cohort)[0])
    plain = options().consensus
    first = consensus_of(case, ["soft-staple"], plain, tmp_path, key="a")["soft-staple"]
    kept = (tmp_path / "soft-staple.nii.gz").stat().st_mtime_ns
    again = consensus_of(case, ["soft-staple"], plain, tmp_path, key="a")["soft-staple"]
    np.testing.assert_array_equal(again, first)
    assert (tmp_path / "soft-staple.nii.gz").stat().st_mtime_ns == kept
    other = consensus_of(case, ["soft-staple"], replace(plain, label=0.6), tmp_path, key="a")["soft-staple"]
    assert not np.array_equal(other, first)
    consensus_of(case, ["soft-staple"], plain, tmp_path, key="b")
    assert json.loads((tmp_path / "soft-staple.json").read_text())["options"]["label"] == 0.3


def test_scores_follow_the_predictions(cohort: Path, run: Path, tmp_path: Path) -> None:
    """Scores that are kept count for the prediction that they were made of, and no other."""
    copy = tmp_path / "r"
    shutil.copytree(run, copy)
    prediction = copy / "predictions" / "staple" / "Patient_01.nii.gz"
    image = nib.load(prediction)
    nib.save(nib.Nifti1Image(np.ones(image.shape, np.float32), image.affine), prediction)
    (copy / "predictions" / "staple" / "Patient_02.json").write_text("{}")
    run_experiment(cohort, copy, options(), resume=True)
    before, after = ((path / "metrics.csv").read_text().splitlines() for path in (run, copy))
    changed = {line.split(",")[2] for line, other in zip(after, before, strict=True) if line != other}
    assert changed == {"Patient_01"}


def test_half_a_run_is_no_run(cohort: Path, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "r")
    (tmp_path / "r" / "run.json").unlink()
    for resume in (False, True):
        with pytest.raises(
            FastfuseError, match=r"holds consensus, models, predictions of a run, but no run\.json"
        ):
            run_experiment(cohort, tmp_path / "r", options("seed=7"), resume=resume)


def test_other_version(cohort: Path, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "r")
    record = (tmp_path / "r" / "run.json").read_text()
    (tmp_path / "r" / "run.json").write_text(record.replace('"fastfuse": "', '"fastfuse": "9.'))
    with pytest.raises(FastfuseError, match=r"the run began with fastfuse 9\..*, this is "):
        run_experiment(cohort, tmp_path / "r", options(), resume=True)


@pytest.mark.parametrize("content", [b"", b"weights", b"PK\x03\x04"])
@pytest.mark.parametrize("name", ["network.pt", "resume.pt"])
def test_damaged_weights_on_resume(
    cohort: Path, run: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    shutil.copytree(run, tmp_path / "r")
    folder = tmp_path / "r" / "models" / "staple" / "fold_1"
    (tmp_path / "r" / "predictions" / "staple" / "Patient_01.nii.gz").unlink()
    (folder / "network.pt").unlink()
    (folder / name).write_bytes(content)
    with pytest.raises(
        FastfuseError, match=rf"{name}: cannot be read as weights .*; delete it, and it is made again"
    ):
        run_experiment(cohort, tmp_path / "r", options(), resume=True)


def test_prediction_of_nothing(cohort: Path, tmp_path: Path) -> None:
    """An empty prediction has no precision: it is left out, and told."""
    told: list[str] = []
    narrator = Narrator(silent=True)
    narrator.tell = told.append  # type: ignore[method-assign]
    chosen = options("methods=staple", "evaluation.least_voxels=1000000")
    rows = run_experiment(cohort, tmp_path / "r", chosen, narrator=narrator)
    assert rows[0].pooled[True, "dice"] == 0
    assert np.isnan(rows[0].pooled[True, "precision"])
    assert [line for line in told if "staple, fold 2, marks nothing: its training has failed" in line]


def test_raters_that_a_fold_lacks(cohort: Path, tmp_path: Path) -> None:
    shutil.copytree(cohort / "Training", tmp_path / "c" / "Training")
    names = [case.name for case in find_cases(tmp_path / "c")]
    for case in find_cases(tmp_path / "c")[:4]:
        case.masks[6].unlink()
    (tmp_path / "folds.json").write_text(json.dumps([names[:4], names[4:]]))
    chosen = options("methods=staple", "training.hold_out=false", "training.epochs=1")
    rows = run_experiment(tmp_path / "c", tmp_path / "r", chosen, folds_file=tmp_path / "folds.json")
    assert np.isfinite(rows[0].pooled[True, "dice"])


def test_images_are_checked_by_name(cohort: Path, tmp_path: Path) -> None:
    shutil.copytree(cohort / "Training", tmp_path / "c" / "Training")
    case = find_cases(tmp_path / "c")[2]
    image = nib.load(case.images["T1"])
    values = image.get_fdata().astype(np.float32)
    values[3, 4, 5] = np.nan
    nib.save(nib.Nifti1Image(values, image.affine), case.images["T1"])
    with pytest.raises(FastfuseError, match=r"Patient_03.*T1_preprocessed\.nii\.gz: holds nan or infinite"):
        run_experiment(tmp_path / "c", tmp_path / "r", options())


def test_doubts_are_told(cohort: Path, tmp_path: Path) -> None:
    shutil.copytree(cohort / "Training", tmp_path / "c" / "Training")
    case = find_cases(tmp_path / "c")[0]
    for mask in case.masks:
        nib.save(nib.Nifti1Image(np.asanyarray(nib.load(mask).dataobj) * 0, nib.load(mask).affine), mask)
    case.brain.unlink()
    done = subprocess.run(
        command(tmp_path / "c", tmp_path / "r", "--only-folds", "1", "--methods", "staple"),
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    assert "warning: Patient_01, staple: nobody marks anything" in done.stderr
    assert "Patient_01: no brain mask; the brain is taken to be where FLAIR is not 0" in done.stderr


def test_interrupted(cohort: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(command(cohort, tmp_path / "r"), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "r" / "models" / "staple").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert said.splitlines()[-1].startswith("error: interrupted; the same command with --resume goes on in")
