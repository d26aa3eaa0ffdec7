"""A cohort is fused: each case as its files say, by rates that all share; a failure costs one case; nothing is done twice."""

from __future__ import annotations

import csv
import json
import os
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import fuse_cohort, fuse_files, pool, tabulate
from fastfuse.cohort import run, tasks
from fastfuse.cohort.settings import Settings
from fastfuse.cohort.tasks import Failed, Task
from fastfuse.cohort.told.tables import draw
from fastfuse.cohort.workers.crew import Crew, answers
from fastfuse.errors import CohortError

from .files import (
    GLOB,
    NAMES,
    consensus,
    contents,
    fused,
    make_cohort,
    mask_path,
    masks,
    save,
    without_recipe,
)

quiet = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def test_consensus_is_that_of_pooled_rates(tmp_path: Path) -> None:
    root, out = make_cohort(tmp_path / "in"), tmp_path / "out"
    found = fused(root, out)
    tables = {f"case-{k:02}": tabulate(list(masks(k)), names=NAMES) for k in range(5)}
    expected = pool(tables, "staple")
    assert isinstance(found.estimate, fastfuse.PooledEstimate)
    np.testing.assert_array_equal(found.estimate.sensitivity, expected.sensitivity)
    for number in range(5):
        applied = expected.of(f"case-{number:02}").apply(list(masks(number)))
        np.testing.assert_array_equal(consensus(out, f"case-{number:02}"), applied.probability)
    sidecar = json.loads((out / "cases" / "case-03" / "consensus.json").read_text())
    assert [rater["name"] for rater in sidecar["raters"]] == list(NAMES)
    assert sidecar["raters"][1]["sensitivity"] == expected.sensitivity[1]
    assert sidecar["pooled"] == {"priors": "own", "cases": 5, "among_them": True}
    assert sidecar["prior"] == expected.prior[3]


def test_tables_of_the_cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "draw", draw)
    out = tmp_path / "out"
    found = fused(make_cohort(tmp_path / "in"), out)
    raters = [line.split(",") for line in (out / "raters.csv").read_text().splitlines()]
    assert raters[0][:5] == ["rater", "cases", "sensitivity", "sensitivity_low", "sensitivity_high"]
    assert [row[0] for row in raters[1:]] == list(NAMES)
    assert all(float(row[3]) <= float(row[2]) + 0.02 and float(row[3]) < float(row[4]) for row in raters[1:])
    deviations = (out / "deviations.csv").read_text().splitlines()
    assert len(deviations) == 1 + 5 * 3
    matrix = (out / "raters_by_cases.csv").read_text().splitlines()
    assert matrix[0] == "rater," + ",".join(found.cases)
    with (out / "agreement.csv").open() as file:
        told = list(csv.DictReader(file))
    head = ["case", "voxels", "mean_dice", "conformity", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1"]
    assert list(told[0]) == [*head, "prior", "marked_voxels"]
    for number, row in enumerate(told):
        votes = masks(number)
        region = fastfuse.agreement(list(votes)).region
        assert (int(row["voxels"]), int(row["marked_voxels"])) == (votes[0].size, votes.any(axis=0).sum())
        assert int(row["marked_voxels"]) == region.n_voxels
        assert float(row["gwet_ac1"]) == region.gwet_ac1
    pytest.importorskip("matplotlib")
    assert (out / "raters_by_cases.png").stat().st_size > 1000


def test_without_pooling_each_case_is_a_fusion_of_its_files(tmp_path: Path) -> None:
    root, out = make_cohort(tmp_path / "in", 3), tmp_path / "out"
    found = fused(root, out, pool="none", save_label=True)
    assert found.estimate is None
    alone = tmp_path / "alone"
    alone.mkdir()
    paths = [mask_path(root, "case-01", name) for name in NAMES]
    fuse_files(
        paths, alone / "consensus.nii.gz", method="staple", names=NAMES, save_label=alone / "label.nii.gz"
    )
    made = without_recipe(contents(out / "cases" / "case-01"))
    one = without_recipe(contents(alone))
    assert {name: made[name] for name in one} == one
    assert [row["rater"] for row in found.facts["raters"]] == list(NAMES)
    assert not (out / "estimate.json").exists()


@pytest.mark.parametrize("method", ["soft-staple", "simplified-soft-staple", "majority", "border-staple"])
@quiet
def test_every_method(tmp_path: Path, method: Any) -> None:
    root = make_cohort(tmp_path / "in", 3)
    if method == "border-staple":
        rows = ["case\trater\tpath\timage"]
        for number in range(3):
            save(root / f"case-{number:02}" / "flair.nii.gz", masks(number).sum(axis=0).astype(np.float32))
            rows += [
                f"case-{number:02}\t{name}\tcase-{number:02}/masks/{name}.nii.gz\tcase-{number:02}/flair.nii.gz"
                for name in NAMES
            ]
        (tmp_path / "cases.tsv").write_text("\n".join(rows))
        found = fuse_cohort(root, tmp_path / "out", table=tmp_path / "cases.tsv", method=method, replicates=5)
    else:
        found = fused(root, tmp_path / "out", method=method)
    assert not found.failed
    assert consensus(tmp_path / "out", "case-02").max() > 0.5


@quiet
def test_masks_that_grow_and_a_consensus_that_grows(tmp_path: Path) -> None:
    root = make_cohort(tmp_path / "in", 2)
    rows = ["case\trater\tpath\timage"]
    for number in range(2):
        save(
            root / f"case-{number:02}" / "flair.nii.gz",
            np.random.default_rng(number).random((10, 9, 8)).astype(np.float32),
        )
        rows += [
            f"case-{number:02}\t{name}\tcase-{number:02}/masks/{name}.nii.gz\tcase-{number:02}/flair.nii.gz"
            for name in NAMES
        ]
    table = tmp_path / "cases.tsv"
    table.write_text("\n".join(rows))
    soft = fuse_cohort(root, tmp_path / "soft", table=table, soften=True, replicates=5)
    assert not soft.failed
    patterns = fastfuse.VoteTable.load(tmp_path / "soft" / "tables" / "case-00.npz").patterns
    assert set(np.unique(patterns.astype(np.float32))) == {0.0, np.float32(0.3), 1.0}
    dilated = fuse_cohort(root, tmp_path / "dilated", table=table, method="dilated-staple", replicates=5)
    assert not dilated.failed
    assert set(np.unique(consensus(tmp_path / "dilated", "case-00"))) <= {0.0, np.float32(0.3), 1.0}


@quiet
def test_who_knows_not_all_labels(tmp_path: Path) -> None:
    """Raters are told by name, also in cases that they did not read."""
    root, out = make_cohort(tmp_path / "in", 3, labels=True), tmp_path / "out"
    mask_path(root, "case-01", "Eve").unlink()
    for number in (0, 2):
        path = mask_path(root, f"case-{number:02}", "Eve")
        votes = np.asanyarray(nib.load(path).dataobj)
        save(path, np.where(votes == 3, 0, votes).astype(np.uint8))
    found = fused(root, out, labels="all", method=None, knows={"Eve": [0, 1, 2]})
    assert not found.failed
    assert isinstance(found.estimate, fastfuse.LabelEstimate)
    ann, bob = (np.asanyarray(nib.load(mask_path(root, "case-02", name)).dataobj) for name in ("Ann", "Bob"))
    both = consensus(out, "case-02")[(ann == 3) & (bob == 3)]
    assert (both == 3).all()  # Eve's votes for 0 there do not count
    with pytest.raises(ValueError, match="a cohort's raters are told by their names"):
        fused(root, out, labels="all", method=None, knows={2: [0, 1, 2]})


@quiet
def test_label_maps(tmp_path: Path) -> None:
    root, out = make_cohort(tmp_path / "in", 4, labels=True), tmp_path / "out"
    found = fused(root, out, labels="all", method=None)
    assert isinstance(found.estimate, fastfuse.LabelEstimate)
    assert found.estimate.labels == (0, 1, 2, 3)
    votes = [np.asanyarray(nib.load(mask_path(root, "case-02", name)).dataobj) for name in NAMES]
    np.testing.assert_array_equal(consensus(out, "case-02"), found.estimate.apply(votes).label())
    again = fused(root, out, labels="all", method=None)
    assert again.facts["skipped"] == list(again.cases)


def test_a_mistake_costs_its_case_alone(tmp_path: Path) -> None:
    root, out = make_cohort(tmp_path / "in"), tmp_path / "out"
    mask_path(root, "case-01", "Bob").write_bytes(b"no image")
    save(mask_path(root, "case-03", "Eve"), np.full((10, 9, 8), 7, np.uint8))
    said: list[str] = []
    found = fused(root, out, progress=said.append)
    assert set(found.failed) == {"case-01", "case-03"}
    assert "Bob.nii.gz" in found.failed["case-01"]
    assert "7" in found.failed["case-03"]
    assert sorted(path.name for path in (out / "cases").iterdir()) == ["case-00", "case-02", "case-04"]
    assert sum("case-01: failed" in line for line in said) == 1
    assert isinstance(found.estimate, fastfuse.PooledEstimate)
    assert found.estimate.cases == ("case-00", "case-02", "case-04")
    save(mask_path(root, "case-01", "Bob"), masks(1)[1])
    with pytest.warns(
        fastfuse.FusionWarning, match="the consensus of 3 cases rests on rates that were estimated before"
    ):
        found = fused(root, out)
    assert (found.facts["counted"], found.facts["fused"]) == (["case-01"], ["case-01"])


def test_all_cases_may_fail(tmp_path: Path) -> None:
    root = make_cohort(tmp_path / "in", 2)
    for path in root.rglob("*.nii.gz"):
        path.write_bytes(b"")
    found = fused(root, tmp_path / "out")
    assert set(found.failed) == {"case-00", "case-01"}
    assert found.estimate is None


class _Backwards(Executor):
    """Answers the last task first, and counts how many are out at once."""

    def __init__(self) -> None:
        self.most, self.out = 0, list[tuple[Future[Any], Any, Any]]()

    def submit(self, work: Any, /, *given: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.out.append((future, work, given))
        self.most = max(self.most, len(self.out))
        if len(self.out) == 4:  # 2 workers' tasks less two
            self.answer()
        return future

    def answer(self) -> None:
        while self.out:
            future, work, given = self.out.pop()
            future.set_result(work(*given))


def test_order_of_arrival_changes_no_byte(tmp_path: Path) -> None:
    root = make_cohort(tmp_path / "in", 8)
    fused(root, tmp_path / "serial")
    backwards = _Backwards()
    fused(root, tmp_path / "backwards", executor=backwards, workers=1)
    assert backwards.most == 4
    assert contents(tmp_path / "backwards") == contents(tmp_path / "serial")
    with ThreadPoolExecutor(3) as executor:
        fused(root, tmp_path / "threads", executor=executor)
    assert contents(tmp_path / "threads") == contents(tmp_path / "serial")


def test_own_processes_give_the_same_bytes(tmp_path: Path) -> None:
    root = make_cohort(tmp_path / "in", 3)
    mask_path(root, "case-01", "Bob").write_bytes(b"no image")
    fused(root, tmp_path / "serial")
    found = fused(root, tmp_path / "two", workers=2)
    assert set(found.failed) == {"case-01"}
    assert contents(tmp_path / "two") == contents(tmp_path / "serial")


def killed_once(task: Task) -> Any:
    """Die at the first try of the second case."""
    flag = task.consensus.parent / "flag"
    if task.case.name == "case-01" and not flag.exists():
        flag.parent.mkdir(parents=True, exist_ok=True)
        flag.touch()
        os.kill(os.getpid(), 9)
    return Failed(task.case.name, "done")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="processes are killed otherwise there")
def test_a_killed_worker_costs_nothing(tmp_path: Path) -> None:
    from fastfuse.cohort.cases import find_cohort

    cases = find_cohort(make_cohort(tmp_path / "in", 3), glob=GLOB)
    given = [Task(case, Settings(), tmp_path / case.name / "consensus.nii.gz") for case in cases]
    found = list(answers(killed_once, given, Crew(None, 2)))
    assert sorted(one.case for one in found) == [case.name for case in cases]


class _Broken(Executor):
    """Answers with an error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(self.error)
        return future


def test_an_executors_own_error_is_the_cases(tmp_path: Path) -> None:
    broken = _Broken(OSError("no more files"))
    found = fused(make_cohort(tmp_path / "in", 2), tmp_path / "out", executor=broken, workers=1)
    assert found.failed["case-00"] == "its worker failed (OSError: no more files)"


def test_a_pool_that_broke_is_told(tmp_path: Path) -> None:
    broken = _Broken(BrokenProcessPool("a process was killed"))
    with pytest.raises(CohortError, match=r"the workers gave up \(a process was killed\): .* run again"):
        fused(make_cohort(tmp_path / "in", 2), tmp_path / "out", executor=broken, workers=1)
    assert fused(tmp_path / "in", tmp_path / "out").facts["counted"] == ["case-00", "case-01"]


def test_a_pool_that_forks_is_refused(tmp_path: Path) -> None:
    """It would hang where OpenMP ran before."""
    root = make_cohort(tmp_path / "in", 1)
    if "fork" in get_all_start_methods():
        with (
            ProcessPoolExecutor(1, mp_context=get_context("fork")) as executor,
            pytest.raises(ValueError, match="executor forks its processes"),
        ):
            fused(root, tmp_path / "out", executor=executor)
    with pytest.raises(TypeError, match="executor is of type int"):
        fused(root, tmp_path / "out", executor=3)


def test_shards_give_the_same_bytes(tmp_path: Path) -> None:
    root, out = make_cohort(tmp_path / "in"), tmp_path / "out"
    for part in (1, 2):
        found = fused(root, out, shard=(part, 2))
        assert found.estimate is None
    merged = fused(root, out, merge=True)
    assert not merged.failed
    assert not (out / "cases").exists()
    for part in (1, 2):
        found = fused(root, out, shard=(part, 2), apply=True)
        assert len(found.facts["fused"]) == 3 - (part == 2)
    whole = fused(root, tmp_path / "whole")
    fit = (tmp_path / "whole" / "fit.csv").read_bytes()
    assert {**contents(out), "fit.csv": fit} == contents(tmp_path / "whole")  # no shard sees all cases
    assert not merged.facts["fit"]
    again = fused(root, out, merge=True)
    assert contents(out) == contents(tmp_path / "whole")
    for what in ("fit", "options", "outputs"):
        assert again.facts[what] == whole.facts[what]
    with pytest.raises(fastfuse.CohortError, match="estimated with other options"):
        fused(root, out, shard=(1, 2), apply=True, prior="estimate")


def test_merge_tells_which_shards_lack(tmp_path: Path) -> None:
    root, out = make_cohort(tmp_path / "in", 4), tmp_path / "out"
    fused(root, out, shard=(1, 2))
    merged = fused(root, out, merge=True)
    assert set(merged.failed) == {"case-01", "case-03"}
    assert "has no table of these files and options: its shard has not counted it" in merged.failed["case-01"]
    for wrong, message in (
        ({"shard": (3, 2)}, "shard is 3/2: the part must be from 1 to 2"),
        ({"shard": (1, 2), "merge": True}, "merge is set"),
        ({"apply": True}, "apply is set: it is for a shard"),
        ({"shard": (1, 2), "pool": "none"}, "a shard has no tables to share"),
    ):
        with pytest.raises(ValueError, match=message):
            fused(root, out, **wrong)


def test_options_are_refused_before_any_case(tmp_path: Path) -> None:
    for wrong, message in (
        ({"pool": "cases"}, "pool is 'cases'"),
        ({"method": "steple"}, "method is 'steple'"),
        ({"method": "auto"}, "cases that share rates are fused by one method; name it"),
        ({"prior": "smooth:4"}, "a map is one case's"),
        ({"labels": "all", "soften": True}, "soften is True: not for label maps"),
        ({"workers": 0}, "workers is 0"),
        ({"labels": "all", "classes": 3}, "classes is 3: label maps take no such option"),
        ({"method": "border-staple", "priors": "own"}, "there is none; give priors='shared'"),
    ):
        with pytest.raises(ValueError, match=message):
            fused(tmp_path / "nowhere", tmp_path / "out", **wrong)


@pytest.mark.parametrize("labels", ["all", [0, 1, 2, 3]])
def test_names_of_labels_reach_all_that_is_written(tmp_path: Path, labels: Any) -> None:
    root = make_cohort(tmp_path / "in", 2, labels=True)
    called = {0: "background", 1: "oedema", 2: "core", 3: "cyst"}
    (tmp_path / "names.tsv").write_text("index\tname\n" + "".join(f"{k}\t{v}\n" for k, v in called.items()))
    made = fused(root, tmp_path / "out", labels=labels, label_names=tmp_path / "names.tsv")
    assert not made.failed
    assert "oedema" in (tmp_path / "out" / "raters.csv").read_text()
    for sidecar in (tmp_path / "out" / "cases").glob("*/consensus.json"):
        facts = json.loads(sidecar.read_text())
        assert {one["label"]: one["name"] for one in facts["labels"]}.items() <= called.items()
        assert "oedema" in sidecar.with_name("consensus.tsv").read_text()


def test_what_travels_is_small(tmp_path: Path) -> None:
    """A task names files; a table of seven binary raters comes back in 4 KiB."""
    import pickle

    root = make_cohort(tmp_path / "in", 1)
    for k in range(4):
        save(mask_path(root, "case-00", f"more {k}"), masks(50 + k)[0])
    [case] = fastfuse.cohort.cases.find_cohort(root, glob=GLOB)  # type: ignore[attr-defined]
    task = Task(case, Settings(method="staple"), tmp_path / "out" / "consensus.nii.gz")
    answer = tasks.count_case(task)
    assert isinstance(answer, tasks.Counted)
    assert len(pickle.dumps(answer)) + len(pickle.dumps(task)) < 8192
    assert answer.content is not None
    assert len(answer.content) < 4096
