"""Predictions for new cases by a run's networks."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from unittest import mock

import nibabel as nib
import numpy as np
import pytest

from fastfuse import FastfuseError, OutputError
from fastfuse.cohort.msseg import find_case, find_cases
from fastfuse.train.experiment import run_experiment
from fastfuse.train.predict import predict_cases

from ...command import run_here
from ...shared import made_once
from ..common import options
from ..conftest import DRAWING
from .made import write


@pytest.fixture(scope="module")
def trained(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks that have learnt next to nothing."""
    chosen = options("methods=staple,soft-staple", "network.start=0.5", "training.epochs=2")
    with mock.patch(DRAWING):
        return made_once(
            tmp_path_factory, "predicting", lambda out: run_experiment(cohort, out, chosen, device="cpu")
        )


def home_of(cohort: Path, name: str) -> Path:
    case = next(case for case in find_cases(cohort) if case.name == name)
    return case.images["FLAIR"].parent.parent


def new_case(cohort: Path, folder: Path, name: str = "Patient_02") -> Path:
    """A case with other values than the run's, without raters, its images in one folder."""
    folder.mkdir(parents=True)
    for path in (home_of(cohort, name) / "Preprocessed_Data").iterdir():
        image = nib.load(path)
        values = np.asanyarray(image.dataobj) * 2
        nib.save(nib.Nifti1Image(values, image.affine), folder / path.name)
    return folder


def data(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


def fold_of(run: Path, name: str) -> int:
    folds = json.loads((run / "folds.json").read_text())["folds"]
    return next(number for number, names in enumerate(folds, start=1) if name in names)


def only(run: Path, fold: int, folder: Path) -> Path:
    """The run with one network of STAPLE alone: the others have failed."""
    copy = shutil.copytree(run, folder)
    for path in (copy / "models" / "staple").iterdir():
        if path.name != f"fold_{fold}":
            write(path / "failed.json", {"epoch": 1, "reason": "the loss is nan"})
    return copy


def test_a_network_predicts_as_in_the_run(trained: Path, cohort: Path, tmp_path: Path) -> None:
    """On the case that it was tested on, whose brain is smaller than the largest."""
    for name in ("Patient_01", "Patient_05"):
        fold = fold_of(trained, name)
        run = only(trained, fold, tmp_path / name)
        (found,) = predict_cases(
            run, [home_of(cohort, name)], tmp_path / f"{name}_out", methods=["staple"], device="cpu"
        )
        assert (found.networks, found.known_as, found.seen_by) == (1, name, 0)
        assert found.left_out == [f"seed 0, fold {3 - fold}: training failed (the loss is nan, epoch 1)"]
        expected = data(trained / "predictions" / "staple" / f"{name}.nii.gz")
        assert expected.max() > 0
        np.testing.assert_allclose(data(found.path), expected, atol=1e-6)


def test_on_the_grid_of_the_run(cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that have learnt on one grid predict there; what is written lies on the case's own."""
    monkeypatch.setattr("fastfuse.train.figures.draw_figures", lambda *_: None)
    words = ("methods=staple", "network.start=0.5", "grid.spacing_mm=8.0", "training.epochs=2")
    run_experiment(cohort, tmp_path / "run", options(*words), device="cpu")
    run = only(tmp_path / "run", fold_of(tmp_path / "run", "Patient_04"), tmp_path / "only")
    (found,) = predict_cases(run, [home_of(cohort, "Patient_04")], tmp_path / "out", device="cpu")
    expected = tmp_path / "run" / "predictions" / "staple" / "Patient_04.nii.gz"
    np.testing.assert_allclose(data(found.path), data(expected), atol=1e-6)
    assert data(found.path).max() > 0
    assert {path.name for path in found.path.parent.iterdir()} == {"Patient_04.nii.gz", "Patient_04.json"}


def test_ensemble(trained: Path, cohort: Path, tmp_path: Path) -> None:
    """The mean of the folds, on the case's grid, with a record of the networks."""
    case = new_case(cohort, tmp_path / "new" / "Case_A")
    found = predict_cases(trained, [case], tmp_path / "out", device="cpu")
    assert [one.method for one in found] == ["staple", "soft-staple"]
    assert {(one.networks, one.known_as, one.seen_by) for one in found} == {(2, None, 0)}
    parts = []
    for fold in (1, 2):
        run = only(trained, fold, tmp_path / f"only_{fold}")
        parts.append(data(predict_cases(run, [case], tmp_path / f"out_{fold}", methods=["staple"])[0].path))
    mean = data(tmp_path / "out" / "staple" / "Case_A.nii.gz")
    np.testing.assert_allclose(mean, np.mean(parts, axis=0), atol=1e-6)
    assert np.abs(parts[0] - parts[1]).max() > 1e-3
    shutil.copytree(trained, tmp_path / "many" / "seed_0")
    record = json.loads((only(trained, 1, tmp_path / "many" / "seed_1") / "run.json").read_text())
    record["options"]["seed"] = 1
    write(tmp_path / "many" / "seed_1" / "run.json", record)
    (all_three,) = predict_cases(tmp_path / "many", [case], tmp_path / "out_many", methods=["staple"])
    np.testing.assert_allclose(data(all_three.path), (2 * parts[0] + parts[1]) / 3, atol=1e-6)
    assert all_three.left_out == ["seed 1, fold 2: training failed (the loss is nan, epoch 1)"]
    facts = json.loads(all_three.path.with_name("Case_A.json").read_text())
    assert [(one["seed"], one["fold"]) for one in facts["networks"]] == [(0, 1), (0, 2), (1, 1)]
    flair = nib.load(find_case(case).images["FLAIR"])
    image = nib.load(tmp_path / "out" / "staple" / "Case_A.nii.gz")
    np.testing.assert_allclose(image.affine, flair.affine)
    assert image.shape == flair.shape
    facts = json.loads((tmp_path / "out" / "staple" / "Case_A.json").read_text())
    assert facts["probability"] == "mean over 2 networks"
    assert [one["fold"] for one in facts["networks"]] == [1, 2]
    assert all(len(one["sha256"]) == 64 and Path(one["file"]).exists() for one in facts["networks"])
    assert set(facts["files"]) >= {"DP", "FLAIR", "GADO", "T1", "T2"}


def test_case_that_networks_have_seen(trained: Path, cohort: Path, tmp_path: Path) -> None:
    """By its files, whatever its name."""
    folder = tmp_path / "Renamed"
    shutil.copytree(home_of(cohort, "Patient_03") / "Preprocessed_Data", folder)
    words = [
        "predict",
        str(trained),
        str(folder),
        "-o",
        "out",
        "--method",
        "staple",
        "--device",
        "cpu",
        "--json",
    ]
    done = run_here(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert (
        "warning: Renamed was in the run (as Patient_03): 1 of 2 networks of staple has learnt from it"
        in done.stderr
    )
    (one,) = json.loads(done.stdout)["predictions"]
    assert one["networks_that_have_learnt_from_it"] == 1
    facts = json.loads((tmp_path / "out" / "staple" / "Renamed.json").read_text())
    seen = {one["fold"]: one["has_learnt_from_this_case"] for one in facts["networks"]}
    fold = fold_of(trained, "Patient_03")
    assert seen == {fold: False, 3 - fold: True}


@pytest.mark.parametrize("how", ["compressed otherwise", "stored otherwise", "turned"])
def test_case_whose_voxels_networks_have_seen(trained: Path, cohort: Path, tmp_path: Path, how: str) -> None:
    """Its files have other bytes, but the images are those that the networks have learnt from."""
    folder = tmp_path / "Renamed"
    folder.mkdir()
    for path in (home_of(cohort, "Patient_03") / "Preprocessed_Data").iterdir():
        image = nib.load(path)
        if how == "turned":
            image = image.as_reoriented([[0, -1], [2, 1], [1, 1]])
        if how == "stored otherwise":
            image = nib.Nifti1Image(np.asanyarray(image.dataobj).astype(np.float64), image.affine)
        nib.save(image, folder / path.name.removesuffix("" if how == "stored otherwise" else ".gz"))
    (found,) = predict_cases(trained, [folder], tmp_path / "out", methods=["staple"], device="cpu")
    assert (found.known_as, found.seen_by) == ("Patient_03", 1)
    record = json.loads((trained / "run.json").read_text())
    assert not set(json.loads(found.path.with_name("Renamed.json").read_text())["files"].values()) & set(
        record["files"]["Patient_03"].values()
    )


def test_network_that_marks_nothing_is_left_out(trained: Path, cohort: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    for name in json.loads((run / "folds.json").read_text())["folds"][0]:
        path = run / "predictions" / "staple" / f"{name}.json"
        facts = json.loads(path.read_text())
        for scored in facts["scored"].values():
            scored["marked"] = 0
        write(path, facts)
    (found,) = predict_cases(
        run, [new_case(cohort, tmp_path / "new" / "Case_B")], tmp_path / "out", methods=["staple"]
    )
    assert found.networks == 1
    assert found.left_out == ["seed 0, fold 1: marks nothing in the cases that it was tested on"]


def test_refusals(trained: Path, cohort: Path, tmp_path: Path) -> None:
    case = new_case(cohort, tmp_path / "new" / "Case_C")
    out = tmp_path / "out"
    with pytest.raises(FastfuseError, match="method is 'majority': the run has staple, soft-staple"):
        predict_cases(trained, [case], out, methods=["majority"])
    with pytest.raises(FastfuseError, match="2 cases are called Case_C"):
        predict_cases(trained, [case, case], out)
    with pytest.raises(FastfuseError, match="no such folder"):
        predict_cases(trained, [tmp_path / "none"], out)
    (out / "staple").mkdir(parents=True)
    (out / "staple" / "Case_C.nii.gz").touch()
    with pytest.raises(FastfuseError, match=r"Case_C\.nii\.gz: exists already"):
        predict_cases(trained, [case], out)
    next(case.glob("T2*")).unlink()
    with pytest.raises(FastfuseError, match="Case_C: T2 missing"):
        predict_cases(trained, [case], out)
    run = shutil.copytree(trained, tmp_path / "run")
    kept = run / "models" / "staple" / "fold_1" / "network.pt"
    shutil.copy(kept.parents[1] / "fold_2" / "network.pt", kept)
    with pytest.raises(FastfuseError, match=r"network\.pt: is not the file that the run wrote; put that one"):
        predict_cases(run, [case], out, methods=["staple"])
    kept.unlink()
    with pytest.raises(FastfuseError, match=r"network\.pt: is missing; end the run first"):
        predict_cases(run, [case], out, methods=["staple"])
    assert not list(out.rglob("*.json"))


def test_of_a_full_disk_no_folder_is_left(trained: Path, cohort: Path, tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with (
        mock.patch("os.fsync", side_effect=full),
        pytest.raises(OutputError, match="No space left on device"),
    ):
        predict_cases(
            trained,
            [home_of(cohort, "Patient_01")],
            tmp_path / "new" / "out",
            methods=["staple"],
            device="cpu",
        )
    assert [*tmp_path.iterdir()] == []
