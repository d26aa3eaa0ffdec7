"""What earlier runs left in a folder of outputs: nothing stale passes for fresh, and nothing is lost in silence."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastfuse import FastfuseError, FusionWarning, OutputError
from fastfuse.cohort.apply import AskedToApply, applied_cohort
from fastfuse.cohort.estimate_file import read_estimate
from fastfuse.cohort.export import cases_read, export_of, merged, options_of_merge, write_merged
from fastfuse.cohort.fuse import CohortFusion
from fastfuse.cohort.workers.crew import Crew
from fastfuse.images.sidecar import json_of

from .files import GLOB, consensus, contents, fused, make_cohort, mask_path


def applied(estimate: Path, root: Path, out: Path) -> CohortFusion:
    return applied_cohort(AskedToApply(estimate, root, out, glob=GLOB), Crew(None, 1), lambda _: None)[0]


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_each_command_has_its_folders(tmp_path: Path) -> None:
    """One command's folder is refused by the others before anything is written."""
    root = make_cohort(tmp_path / "in")
    made = {name: tmp_path / name for name in ("fuse", "alone", "apply", "merge")}
    fused(root, made["fuse"])
    fused(root, made["alone"], pool="none")
    estimate = made["fuse"] / "estimate.json"
    applied(estimate, root, made["apply"])
    export = tmp_path / "a.npz"
    export_of(made["fuse"]).write(export, made["fuse"])
    table, saved, _ = merged([export], options_of_merge(method="staple"))
    write_merged(made["merge"], table, saved, cases_read([export]))
    before = {name: contents(out) for name, out in made.items()}
    works = {
        "fuse": lambda out: fused(root, out),
        "apply": lambda out: applied(estimate, root, out),
        "merge": lambda out: write_merged(out, table, saved, cases_read([export])),
    }
    for name, out in made.items():
        maker = "fuse" if name == "alone" else name
        for command, work in works.items():
            if command != maker:
                message = f"{name}: holds what fastfuse cohort {maker} wrote, .*; give another folder"
                with pytest.raises(OutputError, match=message):
                    work(out)
        assert contents(out) == before[name]
    write_merged(made["merge"], table, saved, cases_read([export]), overwrite=True)
    assert contents(made["merge"]) == before["merge"]
    shutil.rmtree(made["fuse"] / "tables")  # patient data
    with pytest.raises(OutputError, match="holds what fastfuse cohort fuse wrote"):
        works["apply"](made["fuse"])


def test_apply_again(tmp_path: Path) -> None:
    """The same estimate leaves all as it is; by another one all are written anew."""
    root, out = make_cohort(tmp_path / "in", 3), tmp_path / "applied"
    fused(root, tmp_path / "one")
    fused(root, tmp_path / "two", priors="shared")
    one, two = (tmp_path / name / "estimate.json" for name in ("one", "two"))
    first = applied(one, root, out)
    assert first.facts["fused"] == list(first.cases)
    before = contents(out)
    again = applied(one, root, out)
    assert (again.facts["fused"], again.facts["skipped"]) == ([], list(first.cases))
    assert contents(out) == before
    fused(make_cohort(tmp_path / "in", 4), tmp_path / "one", refresh=True)  # the same options, other rates
    for other in (one, two):
        assert applied(other, root, out).facts["fused"][:3] == list(first.cases)
        fresh = tmp_path / f"fresh {other.parent.name}"
        applied(other, root, fresh)
        np.testing.assert_array_equal(consensus(out, "case-01"), consensus(fresh, "case-01"))
        assert contents(out) == contents(fresh) | {k: v for k, v in contents(out).items() if "tables" in k}


def far_from_last(out: Path) -> float:
    """Return the largest distance of a rate in a sidecar from the last estimate, read anew from the files."""
    facts = json_of(out / "cohort.json")
    last = {(one["rater"], one.get("label", "")): one for one in facts["raters"]}
    away = [0.0]
    for case in facts["of_earlier_rates"]:
        for rater in json_of(out / "cases" / case / "consensus.json")["raters"]:
            for one in rater.get("labels", [rater]):
                now = last[rater["name"], one["name"] if "labels" in rater else ""]
                told = [(one[what], now[what]) for what in ("sensitivity", "specificity") if what in now]
                away += [abs(then - rate) for then, rate in told if then is not None and rate is not None]
    return max(away)


@pytest.mark.parametrize("labels", [False, True], ids=["masks", "labels"])
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_how_far_the_rates_are_on_which_a_consensus_rests(tmp_path: Path, labels: bool) -> None:
    """Of all changes since it was written, and not of the last run alone, which may have changed nothing."""
    root, out = make_cohort(tmp_path / "in", 6, labels=labels), tmp_path / "out"
    options: dict[str, Any] = {"labels": "all"} if labels else {}
    fused(root, out, **options)
    said = []
    for changed in ("case-00", None, "case-01", None):
        if changed is not None:
            shutil.copy(mask_path(root, "case-05", "Eve"), mask_path(root, changed, "Eve"))
        again = fused(root, out, **options)
        assert len(again.facts["of_earlier_rates"]) == 5
        (line,) = [one for one in again.facts["warnings"]["cohort"] if "rests on rates" in one]
        said.append(float(re.findall(r"at most (\S+) away", line)[0]))
        assert said[-1] >= float(f"{far_from_last(out):.2g}") > 0.005
        assert labels or said[-1] == float(f"{far_from_last(out):.2g}")
    assert said[1] == said[0]
    assert said[3] == said[2] > said[1]
    fused(root, out, merge=True, **options)
    for part in (1, 2):
        shard = fused(root, out, shard=(part, 2), apply=True, **options)
        (line,) = [one for one in shard.facts["warnings"]["cohort"] if "rests on rates" in one]
        assert "at most 0 away" not in line
    refreshed = fused(root, out, refresh=True, **options)
    assert not refreshed.facts["of_earlier_rates"]
    assert not any("rests on rates" in one for one in refreshed.facts["warnings"].get("cohort", ()))


@pytest.mark.filterwarnings("ignore:case-.* has a Dice of")
def test_doubts_about_rates_are_told_again_with_them(tmp_path: Path) -> None:
    """Also where nothing is to be done: cohort.json is of the last run, whose rates are these."""
    root, out = make_cohort(tmp_path / "in", 3), tmp_path / "out"
    said = []
    for again in ({}, {}, {"merge": True}):
        with pytest.warns(FusionWarning, match="stopped at max_iter = 2"):
            said.append(fused(root, out, max_iter=2, **again).facts["warnings"]["cohort"])
    assert said[0] == said[1] == said[2]
    estimate = json_of(out / "estimate.json")
    assert [one for one in estimate["remarks"] if one.startswith("stopped at max_iter")]
    (out / "estimate.json").write_text(json.dumps({**estimate, "remarks": "none"}))
    with pytest.raises(FastfuseError, match="remarks is 'none': it must hold sentences"):
        read_estimate(out / "estimate.json")
    del estimate["remarks"]  # as an earlier version wrote it
    (out / "estimate.json").write_text(json.dumps(estimate))
    assert read_estimate(out / "estimate.json").remarks == ()


@pytest.mark.filterwarnings("ignore:case-.* has a Dice of")
def test_why_a_rater_has_no_interval(tmp_path: Path) -> None:
    """Of cases by themselves; the others have one."""
    root, out = make_cohort(tmp_path / "in", 10), tmp_path / "out"
    for number in range(2, 10):
        mask_path(root, f"case-{number:02}", "Eve").unlink()
    said = "Eve has no rate in more than 5 % of the bootstrap's samples of cases: no intervals"
    with pytest.warns(FusionWarning, match=said):
        found = fused(root, out, pool="none", replicates=200)
    ends = {one["rater"]: one["sensitivity_95"][0] for one in found.facts["raters"]}
    assert [rater for rater, end in ends.items() if end is None] == ["Eve"]
    assert found.facts["warnings"]["cohort"].count(said) == 1


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_a_case_that_fails_now_and_did_not_before(tmp_path: Path) -> None:
    """Its old consensus stays, and the failure and cohort.json say so; done again, nothing is said."""
    root, out = make_cohort(tmp_path / "in", 3), tmp_path / "out"
    fused(root, out)
    damaged = mask_path(root, "case-01", "Bob")
    whole, before = damaged.read_bytes(), contents(out / "cases" / "case-01")
    damaged.write_bytes(whole[:50])
    said: list[str] = []
    found = fused(root, out, progress=said.append)
    assert found.failed.keys() == {"case-01"}
    expected = "case-01 still holds the consensus of an earlier run, of the files and options that its consensus.json tells"
    assert found.failed["case-01"].endswith(expected)
    assert sum(line.startswith("case-01: failed: ") and line.endswith(expected) for line in said) == 1
    facts = json_of(out / "cohort.json")
    assert (facts["failed_with_an_earlier_consensus"], facts["failed"]) == (["case-01"], found.failed)
    assert contents(out / "cases" / "case-01") == before
    damaged.write_bytes(whole)
    found = fused(root, out)
    assert (found.failed, found.facts["failed_with_an_earlier_consensus"]) == ({}, [])
    damaged.write_bytes(b"")
    fresh = fused(root, tmp_path / "fresh")  # where there is no earlier consensus
    assert "earlier run" not in fresh.failed["case-01"]
    assert fresh.facts["failed_with_an_earlier_consensus"] == []


@pytest.mark.filterwarnings("ignore:.*rests on rates:fastfuse.FusionWarning")
def test_a_case_that_is_gone_is_named(tmp_path: Path) -> None:
    root, out = make_cohort(tmp_path / "in", 4), tmp_path / "out"
    first = fused(root, out, keep_index=True)
    assert first.facts["no_longer_in_the_cohort"] == []
    applied(out / "estimate.json", root, tmp_path / "new")
    before = contents(out / "cases" / "case-03")
    shutil.rmtree(root / "case-03")
    with pytest.warns(
        FusionWarning,
        match="case-03 is no longer in the cohort: .*out/cases, .*out/tables, .*out/index; delete",
    ):
        found = fused(root, out)
    assert found.facts["no_longer_in_the_cohort"] == json_of(out / "cohort.json")["no_longer_in_the_cohort"]
    assert found.facts["no_longer_in_the_cohort"] == ["case-03"]
    assert contents(out / "cases" / "case-03") == before
    assert applied(out / "estimate.json", root, tmp_path / "new").facts["no_longer_in_the_cohort"] == [
        "case-03"
    ]
    shutil.rmtree(root / "case-02")
    shutil.rmtree(out / "cases" / "case-03")
    with pytest.warns(FusionWarning, match="case-02, case-03 are no longer in the cohort"):
        assert fused(root, out).facts["no_longer_in_the_cohort"] == ["case-02", "case-03"]
    for name in ("case-02", "case-03"):
        shutil.rmtree(out / "cases" / name, ignore_errors=True)
        for path in out.glob(f"*/{name}.*"):
            path.unlink()
    assert fused(root, out).facts["no_longer_in_the_cohort"] == []


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("damage", ["cut", "empty", "other"])
def test_a_damaged_table_is_counted_again(tmp_path: Path, damage: str, labels: bool) -> None:
    root, out = make_cohort(tmp_path / "in", 3, labels=labels), tmp_path / "out"
    options: dict[str, Any] = {"method": None, "labels": "all"} if labels else {}
    fused(root, out, **options)
    table, before = out / "tables" / "case-01.npz", contents(out)
    content = {"cut": table.read_bytes()[:50], "empty": b"", "other": b"PK of another kind"}[damage]
    table.write_bytes(content)
    said: list[str] = []
    found = fused(root, out, progress=said.append, **options)
    assert (found.failed, found.facts["counted"]) == ({}, ["case-01"])
    assert sum(line.startswith("case-01: counted again: ") and "case-01.npz" in line for line in said) == 1
    assert contents(out) == before
    if not labels:
        table.write_bytes(content)
        merging = fused(root, out, merge=True)
        assert merging.failed.keys() == {"case-01"}
        assert "or the table is damaged" in merging.failed["case-01"]


@pytest.mark.parametrize("name", ["consensus.nii.gz", "consensus.json", "label.nii.gz"])
@pytest.mark.parametrize("change", ["cut", "one byte", "touched"])
def test_a_changed_output_is_written_anew(tmp_path: Path, name: str, change: str) -> None:
    root, out = make_cohort(tmp_path / "in", 3), tmp_path / "out"
    first, before = fused(root, out, save_label=True), contents(out)
    path = out / "cases" / "case-01" / name
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[:50], "one byte": whole[:-1] + b"?", "touched": whole}[change])
    made = (out / "cases" / "case-01" / "made.json").stat().st_mtime_ns
    os.utime(path, ns=(made + 10**9, made + 10**9))
    said: list[str] = []
    found = fused(root, out, save_label=True, progress=said.append)
    expected = [] if change == "touched" else ["case-01"]
    assert (found.facts["counted"], found.facts["fused"]) == ([], expected)
    assert said[: len(expected)] == [
        f"{case}: written anew: {name} changed since it was written" for case in expected
    ]
    assert contents(out) == before
    assert fused(root, out, save_label=True).facts["skipped"] == list(first.cases)


def test_what_wrote_no_hashes_is_left_as_it_is(tmp_path: Path) -> None:
    """A folder of a version that kept no hash of its outputs."""
    root, out = make_cohort(tmp_path / "in", 2), tmp_path / "out"
    first = fused(root, out)
    for path in out.glob("cases/*/made.json"):
        path.write_text(json.dumps({key: json_of(path)[key] for key in ("key", "rates")}))
    assert fused(root, out).facts["skipped"] == list(first.cases)


@pytest.mark.parametrize("priors", ["own", "shared"])
def test_doubts_about_rates_are_told_where_they_are_applied(tmp_path: Path, priors: Any) -> None:
    """Once: as those of the cohort, and in no case again."""
    root, out = make_cohort(tmp_path / "in"), tmp_path / "out"
    with pytest.warns(FusionWarning, match="stopped at max_iter"):
        fused(root, out, max_iter=1, priors=priors)
    (line,) = (one for one in read_estimate(out / "estimate.json").remarks if one.startswith("stopped at"))
    asked = AskedToApply(out / "estimate.json", root, tmp_path / "new", glob=GLOB)
    made, remarks = applied_cohort(asked, Crew(None, 1), lambda _: None)
    assert remarks.count(line) == 1
    told = json.loads((tmp_path / "new" / "cohort.json").read_text())["warnings"]
    assert [case for case, said in told.items() if line in said] == ["cohort"]
    assert [*made.facts["warnings"]["cohort"]].count(line) == 1


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("name", ["raters.csv", "agreement.csv", "fit.csv", "raters_by_cases.png"])
def test_tables_of_the_user_are_not_replaced(tmp_path: Path, name: str) -> None:
    """Nobody passed --overwrite; nothing else is written there. apply and merge write one each."""
    root, out = make_cohort(tmp_path / "in"), tmp_path / "mine"
    fused(root, tmp_path / "other")
    export = tmp_path / "a.npz"
    export_of(tmp_path / "other").write(export, tmp_path / "other")
    table, saved, _ = merged([export], options_of_merge(method="staple"))
    out.mkdir()
    (out / name).write_text("precious")
    works = [lambda: fused(root, out), lambda: write_merged(out, table, saved, cases_read([export]))]
    works = works if name == "raters.csv" else works[:1]
    apply = lambda: applied(tmp_path / "other" / "estimate.json", root, out)
    works += [apply] if name == "fit.csv" else []
    for work in works:
        with pytest.raises(
            OutputError, match=f"mine: holds {re.escape(name)}, as fastfuse cohort .* and nothing else of it"
        ):
            work()
        assert {path.name: path.read_text() for path in out.iterdir()} == {name: "precious"}
    if name != "fit.csv":
        apply()
        assert (out / name).read_text() == "precious"
