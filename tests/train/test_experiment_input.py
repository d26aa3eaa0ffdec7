"""The experiment with other folds, processes, networks and options, and with bad input."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import nibabel as nib
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fastfuse import FastfuseError
from fastfuse.cohort.msseg import Case, find_cases
from fastfuse.train.cohort.loading import load_case
from fastfuse.train.experiment import run_experiment
from fastfuse.train.narrator import Narrator
from fastfuse.train.network import checkpoint
from fastfuse.train.network.training import Steps
from fastfuse.train.targets.consensus import consensus_of

from ..command import run_here
from .common import FEW, command, options

pytestmark = pytest.mark.usefixtures("no_figures")


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


@pytest.mark.slow
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
    shutil.copytree(cohort / "Training", tmp_path / "c" / "Training")
    case = find_cases(tmp_path / "c")[0]
    case.images["T1"].unlink()
    with pytest.raises(
        FastfuseError,
        match=r"Patient_01 lacks T1: add the files, or move its folder out of the cohort; `fastf",
    ):
        run_experiment(tmp_path / "c", tmp_path / "r", options(), force=True)
    assert not (tmp_path / "r").exists()


def tiny(in_channels: int, width: int, depth: int) -> Any:
    return torch.nn.Sequential(torch.nn.Conv2d(in_channels, 1, 3, padding=1), torch.nn.Sigmoid())


def test_network_of_ones_own(cohort: Path, tmp_path: Path) -> None:
    chosen = options("methods=staple", f"network.model={__name__}:tiny")
    run_experiment(cohort, tmp_path / "r", chosen, only_folds=[1])
    weights = checkpoint.load(tmp_path / "r" / "models" / "staple" / "fold_1" / "network.pt")["network"]
    assert weights["0.weight"].shape == (1, 5, 3, 3)


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


def test_prediction_of_nothing(cohort: Path, tmp_path: Path) -> None:
    """An empty prediction has no precision: it is left out, and told."""
    told: list[str] = []
    narrator = Narrator(silent=True)
    narrator.tell = told.append  # type: ignore[method-assign]
    chosen = options("methods=staple", "evaluation.least_voxels=1000000")
    rows = run_experiment(cohort, tmp_path / "r", chosen, narrator=narrator)
    assert rows[0].pooled[True, "dice"] == 0
    assert np.isnan(rows[0].pooled[True, "precision"])
    assert any(re.search("STAPLE, fold.*: the networks? marks? nothing", line) for line in told), told


def test_raters_that_a_fold_lacks(cohort: Path, tmp_path: Path) -> None:
    """Refused; by --force the others are fused, and experts keep their numbers."""
    shutil.copytree(cohort / "Training", tmp_path / "c" / "Training")
    names = [case.name for case in find_cases(tmp_path / "c")]
    for case in find_cases(tmp_path / "c")[:4]:
        case.masks[6].unlink()
    find_cases(tmp_path / "c")[8].masks[2].unlink()
    (tmp_path / "folds.json").write_text(json.dumps([names[:4], names[4:]]))
    chosen = options("methods=staple", "training.validation=none", "training.epochs=1")
    folds = tmp_path / "folds.json"
    with pytest.raises(
        FastfuseError, match=r"has 5 problems \(Patient_01 and 3 other cases: 6 raters, but most"
    ):
        run_experiment(tmp_path / "c", tmp_path / "r", chosen, folds_file=folds)
    assert not (tmp_path / "r").exists()
    rows = run_experiment(tmp_path / "c", tmp_path / "r", chosen, folds_file=folds, force=True)
    problems = json.loads((tmp_path / "r" / "run.json").read_text())["problems"]
    said = [(problem["case"], problem["file"], problem["what"]) for problem in problems]
    assert said == [
        *((name, "", "6 raters, but most cases have 7") for name in names[:4]),
        (names[8], "ManualSegmentation_3", "missing"),
    ]
    assert np.isfinite(rows[0].pooled[True, "dice"])
    with (tmp_path / "r" / "metrics.csv").open() as file:
        scored = [row["reference"] for row in csv.DictReader(file) if row["case"] == names[8]]
    assert scored == [*(f"expert {number}" for number in (1, 2, 4, 5, 6, 7)), "STAPLE"]


def with_nan(case: Case) -> None:
    image = nib.load(case.images["T1"])
    values = image.get_fdata().astype(np.float32)
    values[3, 4, 5] = np.nan
    nib.save(nib.Nifti1Image(values, image.affine), case.images["T1"])


def with_another_grid(case: Case) -> None:
    image = nib.load(case.images["T2"])
    nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj)[1:], image.affine), case.images["T2"])


def cut_short(case: Case) -> None:
    case.masks[1].write_bytes(case.masks[1].read_bytes()[:100])


def with_one_rater(case: Case) -> None:
    for mask in case.masks[1:]:
        mask.unlink()


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (with_nan, "Patient_03 T1_preprocessed.nii.gz: 1 voxel is NaN"),
        (with_another_grid, "Patient_03 T2_preprocessed.nii.gz: T2_preprocessed.nii.gz and FLAIR"),
        (cut_short, "Patient_03 ManualSegmentation_2.nii.gz: "),
        (with_one_rater, "Patient_03: 1 rater, at least 2 are needed"),
    ],
)
def test_what_force_does_not_go_on_with(
    cohort: Path, tmp_path: Path, spoil: Callable[[Case], None], said: str, force: bool
) -> None:
    """Files that cannot be used are refused before any work, and --force is no remedy that a message names."""
    shutil.copytree(cohort / "Training", tmp_path / "c" / "Training")
    cases = find_cases(tmp_path / "c")
    spoil(cases[2])
    with pytest.raises(FastfuseError) as refused:
        run_experiment(tmp_path / "c", tmp_path / "r", options(), force=force)
    assert f"the cohort has 1 problem ({said}" in str(refused.value)
    remedy = "correct those of Patient_03, which --force does not go on with, or take Patient_03 out"
    assert remedy in str(refused.value)
    assert "go on all the same" not in str(refused.value)
    assert not (tmp_path / "r").exists()


def test_doubts_are_told(cohort: Path, tmp_path: Path) -> None:
    shutil.copytree(cohort / "Training", tmp_path / "c" / "Training")
    case = find_cases(tmp_path / "c")[0]
    for mask in case.masks:
        nib.save(nib.Nifti1Image(np.asanyarray(nib.load(mask).dataobj) * 0, nib.load(mask).affine), mask)
    case.brain.unlink()
    words = command(tmp_path / "c", tmp_path / "r", "--only-folds", "1", "--methods", "staple", "--force")
    done = run_here(tmp_path, *words[3:])
    assert done.returncode == 0
    assert "warning: Patient_01, staple: nobody marks anything" in done.stderr
    assert "Patient_01: no brain mask; the brain is taken to be where FLAIR is not 0" in done.stderr


def test_interrupted(cohort: Path, tmp_path: Path) -> None:
    """By Ctrl-C in the first training: what Python raises then."""
    words = command(cohort, tmp_path / "r")
    with mock.patch.object(
        Steps, "epoch", side_effect=lambda *_: signal.raise_signal(signal.SIGINT)
    ) as begun:
        done = run_here(tmp_path, *words[3:])
    assert begun.call_count == 1
    assert done.returncode == 130, done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        "error: interrupted; the same command with --resume goes on in"
    )


@pytest.mark.parametrize("name", ["metrics.csv", "table1.tex", "figures/training.png", "models/mine.pt"])
def test_files_of_the_user_are_kept(cohort: Path, tmp_path: Path, name: str) -> None:
    """A folder without a run, in which a run would replace a file, is refused before any work."""
    precious = tmp_path / "run" / name
    precious.parent.mkdir(parents=True)
    precious.write_bytes(b"precious")
    before = sorted(path for path in tmp_path.rglob("*"))
    with pytest.raises(
        FastfuseError, match=rf"holds {name.split('/')[0]}, .* but no run\.json; choose another"
    ):
        run_experiment(cohort, tmp_path / "run", options())
    assert sorted(path for path in tmp_path.rglob("*")) == before
    assert precious.read_bytes() == b"precious"


def test_a_refused_grid_leaves_no_run(cohort: Path, tmp_path: Path) -> None:
    """The corrected command begins; nothing of the refused one is in its way."""
    with pytest.raises(FastfuseError, match="500 mm"):
        run_experiment(cohort, tmp_path / "r", options("grid.spacing_mm=500", "methods=staple"))
    assert not (tmp_path / "r" / "run.json").exists()
    assert not (tmp_path / "r" / "folds.json").exists()
    run_experiment(cohort, tmp_path / "r", options("methods=staple"), only_folds=[1])
    assert (tmp_path / "r" / "run.json").exists()
