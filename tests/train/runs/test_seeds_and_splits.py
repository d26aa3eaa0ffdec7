"""Runs of several seeds in one folder; one division in place of folds; folders that must not hold each other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fastfuse import FastfuseError
from fastfuse.cohort.msseg import find_cases
from fastfuse.train import experiment
from fastfuse.train.experiment import run_experiment
from fastfuse.train.network import checkpoint
from fastfuse.train.predict import predict_cases
from fastfuse.train.tables import make_tables

from ..common import Told
from .common import TABLES, small

pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture
def two_splits(cohort: Path, tmp_path: Path) -> Path:
    """The cohort with its last three cases in another split."""
    shutil.copytree(cohort, tmp_path / "c")
    for case in find_cases(cohort)[6:]:
        at = case.images["FLAIR"].relative_to(cohort / "Training").parts[:2]
        target = (tmp_path / "c" / "Testing").joinpath(*at)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move((tmp_path / "c" / "Training").joinpath(*at), target)
    return tmp_path / "c"


def test_seeds(cohort: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each seed's run is that of the seed alone; cases are prepared once, and consensus masks are shared."""
    times: list[Path] = []
    real = experiment.prepare
    monkeypatch.setattr(experiment, "prepare", lambda *given: (times.append(given[3]), real(*given))[1])
    out = tmp_path / "r"
    told = Told()
    run_experiment(cohort, out, small(), seeds=[0, 3], narrator=told)
    for line in ("staple, fold 1 of 2, seed 3: epoch 2/2", "Patient_01, seed 3: measuring"):
        assert [one for one in told.lines if one.startswith(line)]
    assert times == [out / "consensus"]
    names = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    assert {"seed_0", "seed_3", "consensus"} <= names
    assert not (out / "seed_0" / "consensus").exists()
    one = out / "seed_0"
    for name in ("metrics.csv", "table1.csv"):
        assert (one / name).read_bytes() == (finished / name).read_bytes()
    for path in sorted((finished / "predictions").rglob("*.nii.gz")):
        assert (one / path.relative_to(finished)).read_bytes() == path.read_bytes()
    records = [json.loads((out / f"seed_{seed}" / "run.json").read_text()) for seed in (0, 3)]
    assert [record["options"]["seed"] for record in records] == [0, 3]
    weights = [
        checkpoint.load(out / f"seed_{seed}/models/staple/fold_1/network.pt")["network"]["last.weight"]
        for seed in (0, 3)
    ]
    assert not torch.equal(*weights)


def test_seeds_go_on(cohort: Path, tmp_path: Path) -> None:
    """Fold by fold, and with one more seed later."""
    out = tmp_path / "r"
    assert run_experiment(cohort, out, small(), seeds=[1], only_folds=[2]) == []
    assert not (out / "seed_1" / "table1.csv").exists()
    with pytest.raises(FastfuseError, match=r"seed_1/run\.json: a run is there; pass --resume"):
        run_experiment(cohort, out, small(), seeds=[1, 5])
    assert run_experiment(cohort, out, small(), seeds=[1, 5], resume=True)
    for seed in (1, 5):
        assert all((out / f"seed_{seed}" / name).exists() for name in TABLES)
    with pytest.raises(FastfuseError, match=r"holds runs of several seeds \(seed_1, seed_5\); pass --seeds"):
        run_experiment(cohort, out, small(), resume=True)


def test_seeds_that_do_not_fit(cohort: Path, copy: Path) -> None:
    with pytest.raises(FastfuseError, match=r"holds a run of one seed; choose another folder"):
        run_experiment(cohort, copy, small(), seeds=[0, 1], resume=True)
    with pytest.raises(FastfuseError, match=r"seeds is \[1, 1\]: name none twice"):
        run_experiment(cohort, copy.parent / "new", small(), seeds=[1, 1])
    with pytest.raises(FastfuseError, match=r"seed is 4294967296: it must lie in \[0, 4294967295\]"):
        run_experiment(cohort, copy.parent / "new", small(), seeds=[0, 2**32])


def test_train_and_test(two_splits: Path, tmp_path: Path) -> None:
    """One network learns from all of one split; all of the other is predicted."""
    chosen = small("train=Training", "test=Testing", "evaluation.cut=0.001")
    rows = run_experiment(two_splits, tmp_path / "r", chosen)
    assert [row.method for row in rows] == ["staple"]
    training, testing = (
        [case.name for case in find_cases(two_splits, split)] for split in ("Training", "Testing")
    )
    assert json.loads((tmp_path / "r" / "folds.json").read_text()) == {"train": training, "test": testing}
    predicted = {
        path.name.removesuffix(".nii.gz") for path in (tmp_path / "r").glob("predictions/*/*.nii.gz")
    }
    assert predicted == set(testing)
    held_out = checkpoint.load(tmp_path / "r/models/staple/fold_1/network.pt")["held_out"]
    assert held_out
    assert set(held_out) < set(training)
    assert run_experiment(two_splits, tmp_path / "r", chosen, resume=True) is not None
    again, _ = make_tables([tmp_path / "r"], tmp_path / "t")
    assert again[0].n == f"{len(testing)} / 1 / 1"
    assert again[0].pooled == pytest.approx(rows[0].pooled, nan_ok=True)
    for split, seen in (("Training", 1), ("Testing", 0)):
        folder = find_cases(two_splits, split)[0].images["FLAIR"].parents[1]
        (found,) = predict_cases(tmp_path / "r", [folder], tmp_path / split, device="cpu")
        assert (found.known_as, found.networks, found.seen_by) == (folder.name, 1, seen)


def test_a_division_of_ones_own(cohort: Path, tmp_path: Path) -> None:
    """Cases that it does not name take no part."""
    names = [case.name for case in find_cases(cohort)]
    file = tmp_path / "folds.json"
    file.write_text(json.dumps({"train": names[:5], "test": names[7:]}))
    run_experiment(cohort, tmp_path / "r", small("training.validation=none"), folds_file=file)
    record = json.loads((tmp_path / "r" / "run.json").read_text())
    assert set(record["files"]) == {*names[:5], *names[7:]}
    assert record["folds"] == [names[7:]]


@pytest.mark.parametrize(("validation", "warned"), [("centres", True), ("share", False)])
def test_few_cases(cohort: Path, tmp_path: Path, validation: str, warned: bool) -> None:
    """Two cases of two centres would choose the epoch of a network that one case trains: that is said."""
    names, told = [case.name for case in find_cases(cohort)], Told()
    file = tmp_path / "folds.json"
    file.write_text(json.dumps({"train": [*names[:2], names[3]], "test": names[7:]}))
    chosen = small(f"training.validation={validation}")
    run_experiment(cohort, tmp_path / "r", chosen, folds_file=file, narrator=told)
    said = "warning: fold 1 trains on 1 case, and 2 choose its epoch: for so few cases set"
    assert any(line.startswith(said) for line in told.lines) == warned


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"train": ["Patient_01"]}, "not two lists of names"),
        ({"train": ["Patient_01"], "test": []}, "not two lists of names"),
        ({"train": ["Patient_01"], "test": ["Patient_77"]}, "Patient_77 no case of this cohort"),
        ({"train": ["Patient_01", "Patient_02"], "test": ["Patient_01"]}, "Patient_01 given more than once"),
        ({"train": "Patient_01", "test": ["Patient_02"]}, "not two lists of names"),
    ],
)
def test_bad_divisions(cohort: Path, tmp_path: Path, content: object, message: str) -> None:
    (tmp_path / "folds.json").write_text(json.dumps(content))
    with pytest.raises(FastfuseError, match=rf"folds\.json: .*{message}"):
        run_experiment(cohort, tmp_path / "r", small(), folds_file=tmp_path / "folds.json")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["train=Training"], "train is given alone: give --train and --test"),
        (["train=Training", "test=Training"], "train and test are both 'Training'"),
        (["train=Train", "test=Testing"], "train is 'Train': it must be 'Training' or 'Testing'"),
        (
            ["train=Training", "test=Testing"],
            r"Testing: there is no such folder, so there is no case to test on; the cohort has Training \(9 cases\)",
        ),
        (
            ["train=Testing", "test=Training"],
            "Testing: there is no such folder, so there is no case to train on",
        ),
        (["split=Testing"], r"no case for split Testing, but the cohort has Training \(9 cases\)"),
        (["folds=1"], "folds is 1: at least 2 are needed, or --train and --test"),
    ],
)
def test_bad_splits(cohort: Path, tmp_path: Path, options: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_experiment(cohort, tmp_path / "r", small(*options))


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("c", r"is the cohort; choose another folder for the run"),
        ("c/Training", r"lies in the cohort .*; choose a folder beside it"),
        ("c/new/run", r"lies in the cohort .*; choose a folder beside it"),
        ("link/run", r"lies in the cohort .*; choose a folder beside it"),
        (".", r"holds the cohort .*; choose a folder of the run's own"),
    ],
)
def test_run_and_cohort_lie_apart(cohort: Path, tmp_path: Path, out: str, message: str) -> None:
    shutil.copytree(cohort, tmp_path / "c")
    (tmp_path / "link").symlink_to(tmp_path / "c" / "Training")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FastfuseError, match=message):
        run_experiment(tmp_path / "c", tmp_path / out, small())
    assert sorted(tmp_path.rglob("*")) == before
