"""Raters whose rates are pooled over a fold's training cases: its targets follow from these cases alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

torch = pytest.importorskip("torch")

import fastfuse
from fastfuse import FastfuseError
from fastfuse.cohort.msseg import find_cases
from fastfuse.fusion.masses.table import MassTable
from fastfuse.train.cohort.loading import LoadedCase, load_case
from fastfuse.train.experiment import run_experiment
from fastfuse.train.network import checkpoint
from fastfuse.train.options import TARGETS, ExperimentOptions, make_options
from fastfuse.train.provenance import hashes_of, key_of
from fastfuse.train.targets.fold_rates import check_methods, fold_rates, table_of
from fastfuse.train.targets.fold_targets import fuse_folds, training_of
from fastfuse.train.targets.growing import soft_votes

from ..command import run_here
from ..shared import made_once
from .common import Told, options

pytestmark = [
    pytest.mark.usefixtures("no_figures"),
    pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning"),
]
FEW = ("training.epochs=1", "training.validation=none")
METHOD = "soft-staple"


def pooling(*more: str) -> ExperimentOptions:
    return options("consensus.pool=raters", *FEW, *(more or (f"methods={METHOD}",)))


@pytest.fixture(scope="module")
def run(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "pooled", lambda out: run_experiment(cohort, out, pooling()))


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    shutil.copytree(run, tmp_path / "run")
    return tmp_path / "run"


def volume(path: Path) -> Any:
    return np.asanyarray(nib.load(path).dataobj)


def folds_of(run: Path) -> list[list[str]]:
    folds: list[list[str]] = json.loads((run / "run.json").read_text())["folds"]
    return folds


def targets(folder: Path, fold: int) -> dict[str, bytes]:
    """The volumes that a fold trains on, by their paths."""
    found = folder.glob(f"*/fold_{fold}/*.nii.gz")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(found)}


def fused(cohort: Path, out: Path, chosen: ExperimentOptions, first: list[str]) -> dict[str, bytes]:
    """The targets of one fold that is tested on these cases."""
    cases = find_cases(cohort)
    keys = {name: key_of(one) for name, one in hashes_of(cases).items()}
    told = Told()
    fuse_folds(cases, training_of(keys, [first], [1]), chosen.methods, chosen, out, told.say, told.tell)
    return targets(out, 1)


def by_hand(method: str, case: LoadedCase, others: list[LoadedCase], chosen: ExperimentOptions) -> Any:
    """The consensus of a case by rates over all of these, from public functions alone."""
    soft = method in ("soft-staple", "simplified-soft-staple")
    near: dict[str, Any] = {"roi": 4.0} if method == "border-staple" else {}

    def place(one: LoadedCase) -> dict[str, Any]:
        return {**near, "spacing_mm": one.like.grid.spacing_mm} if near else {}

    def votes(one: LoadedCase) -> list[Any]:
        return list(soft_votes(one, chosen.consensus)) if soft else one.masks

    tables = {
        one.case.name: fastfuse.tabulate(
            votes(one), mask=one.brain, names=[str(number) for number in one.case.raters], **place(one)
        )
        for one in others
    }
    row: Any = "staple" if method == "dilated-staple" else method
    found = fastfuse.pool(tables, row).of(case.case.name)
    image = {"image": case.images["FLAIR"]} if near else {}
    made = found.apply(votes(case), mask=case.brain, **image, **place(case))
    if method == "dilated-staple":
        return fastfuse.conditional_dilation(made.label(), case.images["FLAIR"], roi=case.brain).values
    return made.probability


@pytest.mark.parametrize("method", TARGETS)
def test_targets_are_by_rates_over_the_training_cases(cohort: Path, tmp_path: Path, method: str) -> None:
    chosen = pooling(f"methods={method}")
    first = ["Patient_01", "Patient_02", "Patient_04", "Patient_07"]
    made = fused(cohort, tmp_path, chosen, first)
    loaded = [load_case(case) for case in find_cases(cohort) if case.name not in first]
    names = [case.case.name for case in loaded]
    assert list(made) == [f"{name}/fold_1/{method}.nii.gz" for name in names]
    for case in loaded[:2]:
        path = tmp_path / case.case.name / "fold_1" / f"{method}.nii.gz"
        np.testing.assert_array_equal(volume(path), by_hand(method, case, loaded, chosen))
        sidecar = json.loads(path.with_name(f"{method}.json").read_text())
        assert sidecar["pooled"] == {"fold": 1, "cases": names}
        assert sidecar["options"]["pool"] == "raters"
    if method == "dilated-staple":  # whose label may well be the same
        return
    alone = by_hand(method, loaded[0], loaded[:1], chosen)
    assert not np.array_equal(alone, volume(tmp_path / names[0] / "fold_1" / f"{method}.nii.gz"))


def test_test_cases_tell_nothing(cohort: Path, tmp_path: Path) -> None:
    """What raters do in cases that a fold is tested on changes none of its targets; in a training case it changes all."""
    first = ["Patient_01", "Patient_02", "Patient_04"]
    before = fused(cohort, tmp_path / "a", pooling(), first)
    shutil.copytree(cohort, tmp_path / "c")
    for name, same in (("Patient_02", True), ("Patient_03", False)):
        case = next(one for one in find_cases(tmp_path / "c") if one.name == name)
        for path in case.masks[1:]:
            image = nib.load(path)
            nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj) * 0, image.affine), path)
        after = fused(tmp_path / "c", tmp_path / name, pooling(), first)
        assert after.keys() == before.keys()
        assert [after[path] == before[path] for path in before] == [same] * len(before)


def test_networks_learn_from_them(cohort: Path, run: Path, tmp_path: Path) -> None:
    folds = folds_of(run)
    for fold, names in enumerate(folds, start=1):
        there = {path.partition("/")[0] for path in targets(run / "consensus", fold)}
        assert there == {name for one in folds for name in one} - set(names)
    run_experiment(cohort, tmp_path / "own", options(f"methods={METHOD}", *FEW))
    assert not list((tmp_path / "own").glob("consensus/*/fold_*"))
    weights = [
        checkpoint.load(one / "models" / METHOD / "fold_1" / "network.pt")["network"]
        for one in (run, tmp_path / "own")
    ]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    for method in ("staple", METHOD):  # what is scored against, and shown, is each case's own
        own = volume(run / "consensus" / "Patient_03" / f"{method}.nii.gz")
        np.testing.assert_array_equal(
            own, volume(tmp_path / "own" / "consensus" / "Patient_03" / f"{method}.nii.gz")
        )


def test_the_run_says_so(run: Path) -> None:
    assert json.loads((run / "run.json").read_text())["options"]["consensus"]["pool"] == "raters"
    assert "consensus.pool=raters" in (run / "table1.md").read_text()


def test_resume_with_another_value(cohort: Path, copy: Path) -> None:
    with pytest.raises(FastfuseError, match=r"began with other options \(consensus\.pool\)"):
        run_experiment(cohort, copy, options(f"methods={METHOD}", *FEW), resume=True)


def test_lost_and_edited_targets_are_made_again(cohort: Path, copy: Path) -> None:
    folder = copy / "consensus"
    before, table = targets(folder, 1), (copy / "table1.md").read_bytes()
    lost, edited = sorted(folder.glob("*/fold_1/*.nii.gz"))[:2]
    lost.unlink()
    edited.write_bytes(edited.read_bytes()[:-9])
    told = Told()
    run_experiment(cohort, copy, pooling(), resume=True, narrator=told)
    assert targets(folder, 1) == before
    assert (copy / "table1.md").read_bytes() == table
    assert sum("is not as it was written; fused again" in line for line in told.lines) == 1


def test_one_fold_at_a_time(cohort: Path, run: Path, tmp_path: Path) -> None:
    run_experiment(cohort, tmp_path / "r", pooling(), only_folds=[2])
    assert not targets(tmp_path / "r" / "consensus", 1)
    assert targets(tmp_path / "r" / "consensus", 2) == targets(run / "consensus", 2)


def test_a_rater_who_is_missing_in_one_case(cohort: Path, tmp_path: Path) -> None:
    """Raters are told by their numbers, whoever is missing."""
    shutil.copytree(cohort, tmp_path / "c")
    gone = next(case for case in find_cases(tmp_path / "c") if case.name == "Patient_05")
    gone.masks[2].unlink()
    first = ["Patient_01", "Patient_02", "Patient_04"]
    fused(tmp_path / "c", tmp_path / "out", pooling("methods=staple"), first)
    facts = [
        json.loads((tmp_path / "out" / name / "fold_1" / "staple.json").read_text())["sensitivity"]
        for name in ("Patient_05", "Patient_06")
    ]
    assert facts[0] == facts[1][:2] + facts[1][3:]


def crowd(cohort: Path, raters: int) -> LoadedCase:
    """A case of many raters, who mark at random."""
    case = load_case(find_cases(cohort)[0])
    rng = np.random.default_rng(0)
    masks = [(rng.random((64, 64, 64)) < 0.5).astype(np.uint8) for _ in range(raters)]
    paths = tuple(Path(f"ManualSegmentation_{number}.nii.gz") for number in range(1, raters + 1))
    named = case.case.__class__("Patient_01", "Center_01", {}, paths, None, None, "Training")
    return LoadedCase(named, case.images, masks, None, case.like)


def test_more_patterns_than_a_table_holds(cohort: Path) -> None:
    with pytest.raises(
        FastfuseError, match=r"consensus\.pool is 'raters': Patient_01: .* consensus\.pool=none"
    ):
        table_of(crowd(cohort, 24), "masks", (), make_options("quick").consensus)


def test_votes_that_do_not_repeat_go_by_their_masses(cohort: Path) -> None:
    case, chosen = crowd(cohort, 3), make_options("quick").consensus
    rng = np.random.default_rng(0)
    soft = [
        np.where(case.masks[0] > 0, rng.beta(5, 2, (64, 64, 64)), rng.beta(1, 8, (64, 64, 64))).astype("f4")
        for _ in range(3)
    ]
    table = table_of(case, "soft", soft, chosen)
    assert isinstance(table, MassTable)
    rates = fold_rates(1, {"soft": {"Patient_01": table}}, ["soft-staple"], chosen)
    expected = fastfuse.soft_staple(soft, prior=chosen.prior)
    found = rates.fuse(case, soft, "soft-staple", chosen, threads=1)
    np.testing.assert_allclose(found.sensitivity, expected.sensitivity, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.probability, expected.probability, rtol=0, atol=1e-6)
    check_methods(["soft-staple"], table, "Patient_01")
    with pytest.raises(FastfuseError, match=r"Patient_01: .* leave simplified-soft-staple out of methods"):
        check_methods(["soft-staple", "simplified-soft-staple"], table, "Patient_01")


def test_not_for_nnunet(cohort: Path, tmp_path: Path) -> None:
    words = ("--method", "staple", "--set", "consensus.pool=raters")
    done = run_here(tmp_path, "export", "nnunet", str(cohort), "--out", "raw", *words)
    assert done.returncode == 2
    assert "consensus.pool is 'raters'" in done.stderr
    assert not list(tmp_path.glob("raw/Dataset*"))
