"""run.json: what a run is made of and by; another run is refused by name, other means are noted."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import nibabel as nib
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fastfuse import FastfuseError
from fastfuse.train import experiment, place
from fastfuse.train.cohort.check import check_cohort
from fastfuse.train.experiment import run_experiment
from fastfuse.train.place import code_hash, model_hash
from fastfuse.train.provenance import notes_of, resume_run

from ..common import Told
from .common import TABLES, small, tables_of

pytestmark = pytest.mark.usefixtures("no_figures")


def record_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "run.json").read_text())
    return found


def edited(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    record = record_of(run)
    change(record)
    (run / "run.json").write_text(json.dumps(record))


def test_what_is_recorded(finished: Path) -> None:
    record = record_of(finished)
    assert (record["device"], record["processes"], record["batch_of_a_process"]) == ("cpu", 1, 4)
    assert record["device_name"]
    assert record["threads"] >= 1
    assert record["jobs"] >= 1
    assert record["precision"] in ("float32", "bfloat16")
    assert record["versions"]["torch"] == torch.__version__.partition("+")[0] or "+" in torch.__version__
    assert record["code"] == code_hash()
    assert len(record["code"]) == 64
    assert record["model"] is None
    assert record["problems"] == []
    assert "resumed" not in record
    assert notes_of(finished) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(processes=2), r"began with 2 processes, now there are 1; start as many again"),
        (lambda r: r.update(batch_of_a_process=2), "began with 2 slices in the batch of a process, now"),
        (lambda r: r.update(model="0"), "the source of .* has changed since the run began"),
        (lambda r: r.update(folds=r["folds"][::-1]), "began with other folds"),
        (lambda r: r["versions"].update(fastfuse="9"), "began with fastfuse 9, this is"),
        (lambda r: r["files"]["Patient_03"].update(T1="0"), "files of Patient_03 have changed"),
        (lambda r: r["options"]["training"].update(clip=3.0), r"other options \(training\.clip\)"),
    ],
)
def test_another_run_is_refused(
    cohort: Path, copy: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edited(copy, change)
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    with pytest.raises(FastfuseError, match=rf"run\.json: .*{message}"):
        run_experiment(cohort, copy, small(), resume=True)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (
            lambda r: r.update(device="cuda:0", device_name="a card"),
            "device cpu in place of cuda:0; processor",
        ),
        (lambda r: r.update(precision="float16"), "precision .*float.* in place of float16"),
        (lambda r: r.update(threads=64), "threads a training 1 in place of 64"),
        (lambda r: r.update(jobs=64), "trainings at once .* in place of 64"),
        (lambda r: r["versions"].update(torch="2.2"), r"torch .* in place of 2\.2"),
        (lambda r: r["versions"].update(python="3.1"), r"Python .* in place of 3\.1"),
        (lambda r: r.update(platform="a"), "platform .* in place of a"),
        (lambda r: r.update(code="0"), "other code of fastfuse, of the same version"),
    ],
)
def test_other_means_are_noted_once(
    cohort: Path, copy: Path, change: Callable[[dict[str, Any]], object], note: str
) -> None:
    import re

    edited(copy, change)
    with mock.patch.object(experiment, "resume_run", side_effect=resume_run) as resumed:
        run_experiment(cohort, copy, small(), resume=True)
    resume_run(*resumed.call_args.args)  # as once more with --resume
    assert len(record_of(copy)["resumed"]) == 1
    (said,) = notes_of(copy)
    assert re.search(f"A part was made by other means: .*{note}", said)
    assert said in (copy / "table1.md").read_text()


def test_cards_of_one_kind_are_the_same(cohort: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An array of jobs on cards of one kind leaves no notes."""
    edited(copy, lambda r: r.update(device="cuda:3"))
    real = place.place_of
    monkeypatch.setattr(experiment, "place_of", lambda *given: {**real(*given), "device": "cuda:0"})
    run_experiment(cohort, copy, small(), resume=True)
    assert "resumed" not in record_of(copy)


def test_evaluation_is_no_part_of_a_run(cohort: Path, copy: Path, finished: Path) -> None:
    """Another cut scores the same predictions anew, and is recorded; the old one brings back the old table."""
    files = sorted(copy.glob("predictions/*/*.nii.gz")) + sorted(copy.glob("models/*/*/*"))
    before = {path: path.stat().st_mtime_ns for path in files if path.is_file()}
    run_experiment(cohort, copy, small("evaluation.cut=0.001"), resume=True)
    assert record_of(copy)["options"]["evaluation"]["cut"] == 0.001
    assert (copy / "metrics.csv").read_bytes() != (finished / "metrics.csv").read_bytes()
    assert {path: path.stat().st_mtime_ns for path in before} == before
    run_experiment(cohort, copy, small(), resume=True)
    assert tables_of(copy) == tables_of(finished)
    assert len(TABLES) == 4


def test_a_changed_model_is_refused(cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "ownnet.py"
    source.write_text(
        "import torch\n\ndef make(in_channels, width, depth):\n"
        "    return torch.nn.Sequential(torch.nn.Conv2d(in_channels, 1, 3, padding=1), torch.nn.Sigmoid())\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    chosen = small("network.model=ownnet:make")
    run_experiment(cohort, tmp_path / "r", chosen, only_folds=[1])
    kept = record_of(tmp_path / "r")["model"]
    assert kept == model_hash("ownnet:make")
    assert len(kept) == 64
    source.write_text(source.read_text().replace("3, padding=1", "1"))
    sys.modules.pop("ownnet")
    with pytest.raises(FastfuseError, match="the source of ownnet:make has changed since the run began"):
        run_experiment(cohort, tmp_path / "r", chosen, resume=True)
    sys.modules.pop("ownnet", None)


def test_the_cohort_is_checked_first(cohort: Path, tmp_path: Path) -> None:
    """Problems are told as `fastfuse check` does; --force goes on and records them; a resumed run is not checked."""
    import nibabel as nib
    import numpy as np

    shutil.copytree(cohort / "Training", tmp_path / "c" / "Training")
    images = sorted((tmp_path / "c").rglob("Patient_02/*/T2*"))
    like = nib.load(images[0])
    nib.save(nib.Nifti1Image(np.full(like.shape, 7, np.float32), like.affine), images[0])
    told = Told()
    with pytest.raises(
        FastfuseError, match=r"has 1 problem \(Patient_02 T2.*: is 7 everywhere: .*\); correct"
    ):
        run_experiment(tmp_path / "c", tmp_path / "r", small(), narrator=told)
    assert [line for line in told.lines if "is 7 everywhere: copy the file again" in line]
    assert not (tmp_path / "r").exists()
    run_experiment(tmp_path / "c", tmp_path / "r", small(), only_folds=[1], force=True)
    (problem,) = record_of(tmp_path / "r")["problems"]
    assert problem["what"] == "is 7 everywhere"
    assert notes_of(tmp_path / "r") == [
        "Begun with --force, despite 1 problem of the cohort: Patient_02 T2_preprocessed.nii.gz: is 7 everywhere."
    ]
    again = Told()
    run_experiment(tmp_path / "c", tmp_path / "r", small(), only_folds=[1], resume=True, narrator=again)
    assert not [line for line in again.lines if "everywhere" in line]


def test_one_image_in_two_cases(cohort: Path, tmp_path: Path) -> None:
    """A network would be tested on what it has learnt."""
    shutil.copytree(cohort / "Training", tmp_path / "c" / "Training")
    one, other = (next((tmp_path / "c").rglob(f"{name}/*/FLAIR*")) for name in ("Patient_02", "Patient_05"))
    shutil.copy(one, other)
    with pytest.raises(
        FastfuseError, match=r"Patient_05 FLAIR: holds the same voxels as an image of Patient_02"
    ):
        run_experiment(tmp_path / "c", tmp_path / "r", small())


def test_one_patient_in_two_cases(cohort: Path, tmp_path: Path) -> None:
    """Though each file is stored otherwise, in another type and other axes: the check tells it, too."""
    shutil.copytree(cohort / "Training", tmp_path / "c" / "Training")
    assert check_cohort(tmp_path / "c") == []
    one, other = (next((tmp_path / "c").rglob(name)) for name in ("Patient_02", "Patient_05"))
    shutil.rmtree(other)
    shutil.copytree(one, other)
    for path in other.rglob("*.nii.gz"):
        image = nib.load(path)
        turn = nib.orientations.ornt_transform(
            nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(("P", "S", "L"))
        )
        turned = image.as_reoriented(turn)
        nib.save(nib.Nifti1Image(turned.get_fdata().astype(np.float32), turned.affine), path)
    problems = check_cohort(tmp_path / "c")
    assert {(problem.case, problem.what) for problem in problems} == {
        ("Patient_05", "holds the same voxels as an image of Patient_02")
    }
    assert [problem.file for problem in problems] == ["DP", "FLAIR", "GADO", "T1", "T2"]
    with pytest.raises(
        FastfuseError, match=r"the cohort has 5 problems \(Patient_05 DP and 4 other files: holds"
    ):
        run_experiment(tmp_path / "c", tmp_path / "r", small())
