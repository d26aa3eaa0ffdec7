"""Tables of finished runs: failures marked, several seeds, runs that do not compare, another cut."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import FastfuseError
from fastfuse.cohort.msseg import find_cases
from fastfuse.train import scoring
from fastfuse.train.cohort.common_grid import load_for
from fastfuse.train.cohort.loading import load_case
from fastfuse.train.finished import open_runs
from fastfuse.train.narrator import Narrator
from fastfuse.train.peers import peers_from
from fastfuse.train.results.exports import facts_of, latex
from fastfuse.train.results.printing import print_table
from fastfuse.train.results.significance import signed_rank
from fastfuse.train.results.texts import MARK, doubts_of
from fastfuse.train.tables import make_tables

from ...command import run_here
from .made import METHODS, empty, fail, folds_of, make_run, save, write

DICE = (True, "dice")
pytestmark = pytest.mark.usefixtures("no_figures")


def rows_in(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def cases_of(
    out: Path, title: str, seed: int, measure: str = "dice", staple: bool = False
) -> dict[str, float]:
    """Each case's mean over the experts, or its value against STAPLE, from metrics.csv alone."""
    found: dict[str, list[float]] = {}
    for row in rows_in(out / "metrics.csv"):
        if row["title"] == title and int(row["seed"]) == seed and (row["reference"] == "STAPLE") == staple:
            found.setdefault(row["case"], []).append(float(row[measure]))
    return {case: float(np.mean(values)) for case, values in found.items()}


def test_one_run(finished: Path, tmp_path: Path) -> None:
    rows, out = make_tables([finished], tmp_path)
    assert [row.title for row in rows] == ["STAPLE", "Soft STAPLE"]
    assert [row.n for row in rows] == ["9 / 3 / 1"] * 2
    assert not any(row.marked or row.failures for row in rows)
    text = (out / "table1.md").read_text()
    assert MARK not in text
    assert "9 / 3 / 1" in text
    assert "one run on MSSEG-2016" in text
    assert "One seed: " in text
    one = next(one for one in rows[1].differences if (one.experts, one.measure) == DICE)
    mine, base = (cases_of(out, title, 0) for title in ("Soft STAPLE", "STAPLE"))
    pairs = 100 * np.array([mine[case] - base[case] for case in base])
    assert one.mean == pytest.approx(pairs.mean())
    assert one.p == pytest.approx(signed_rank(pairs))
    assert one.low < one.mean < one.high
    assert one.p <= one.p_holm
    table = {(row["title"], row["against"], row["measure"]): row for row in rows_in(out / "table1.csv")}
    hd95 = cases_of(out, "STAPLE", 0, "hd95_mm", staple=True)
    assert float(table["STAPLE", "STAPLE", "hd95_mm"]["case_mean"]) == pytest.approx(
        np.mean(list(hd95.values())), rel=1e-5
    )
    assert {row["measure"] for row in rows_in(out / "differences.csv")} >= {
        "recall",
        "assd_mm",
        "lesion_f1",
        "brier",
        "ece",
    }


def test_network_that_marks_nothing(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mean of two folds beside one of three is marked, wherever it stands."""
    run = shutil.copytree(finished, tmp_path / "run")
    empty(run, "soft-staple", 2)
    rows, out = make_tables([run])
    staple, soft = rows
    assert staple.marked == set()
    assert DICE in soft.marked
    assert (True, "precision") in soft.marked
    (why,) = soft.failures
    said = "fold 2: the network marks nothing; its Dice and recall of 0 count, its precision"
    assert why.text.startswith(said)
    whole, _ = make_tables([finished], tmp_path / "whole")
    assert soft.pooled[DICE] < whole[1].pooled[DICE] - 10
    assert soft.pooled[True, "precision"] == pytest.approx(whole[1].pooled[True, "precision"], abs=5)
    text = (out / "table1.md").read_text()
    lines = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if line.startswith("|")}
    assert f"{soft.pooled[DICE]:.1f}{MARK}" in text
    assert f"- {MARK} Soft STAPLE, fold 2: the network marks nothing" in text
    assert MARK not in lines["STAPLE"]
    marked = {(row["title"], row["marked"]) for row in rows_in(out / "table1.csv")}
    assert marked == {("STAPLE", "False"), ("Soft STAPLE", "True")}
    tex = (out / "table1.tex").read_text()
    assert tex.count("$^\\dagger$") == 7
    assert tex.count(" & 9 / 3 / 1 \\\\\n") == 2
    assert facts_of(rows, out)["failures"] == [f"Soft STAPLE, {why.text}"]
    distance = (True, "hd95_mm")  # to an empty mask it is infinite
    assert np.isfinite(soft.per_case[distance][0])
    assert soft.defined[distance] == 6
    print_table(rows, out)
    told = capsys.readouterr().out
    assert f"{soft.pooled[DICE]:.1f}{MARK}" in told
    assert f"{MARK} Soft STAPLE, fold 2: the network marks nothing" in told


def test_training_that_failed(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    fail(run, "soft-staple", 3)
    rows, out = make_tables([run])
    soft = rows[1]
    assert soft.n == "6 / 2 / 1"
    assert [note.text for note in soft.failures] == [
        "fold 3: training failed (the loss is nan, epoch 3); the fold's cases are left out of all means"
    ]
    assert soft.marked >= {DICE, (False, "recall")}
    one = next(one for one in soft.differences if (one.experts, one.measure) == DICE)
    assert one.cases == 6
    text = (out / "table1.md").read_text()
    assert re.search(rf"\| Soft STAPLE \|.*, n = 6{MARK}", text)
    least = "With 6 cases, p before the correction is 0.031 at least"
    assert least in text
    assert [least in line for line in doubts_of(rows)] == [False, True]


def test_all_networks_of_a_method_failed(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    for fold in (1, 2, 3):
        fail(run, "soft-staple", fold)
    rows, out = make_tables([run])
    assert rows[1].n == "0 / 0 / 1"
    assert f"| Soft STAPLE | –{MARK} |" in (out / "table1.md").read_text()


def test_several_seeds(seeds: Path, tmp_path: Path) -> None:
    rows, out = make_tables([shutil.copytree(seeds, tmp_path / "run")])
    assert out == tmp_path / "run"
    assert rows[0].n == "9 / 6 / 2"
    single = [make_tables([out / f"seed_{seed}"])[0][0].pooled[DICE] for seed in (0, 1)]
    assert rows[0].pooled[DICE] == pytest.approx(np.mean(single))
    assert rows[0].spread[DICE] == pytest.approx(np.std(single, ddof=1))
    text = (out / "table1.md").read_text()
    assert f"| STAPLE | {np.mean(single):.1f} ± {np.std(single, ddof=1):.1f} |" in text
    assert "Mean ± standard deviation over 2 seeds" in text
    pairs = []
    for seed in (0, 1):
        mine, base = (cases_of(out, title, seed) for title in ("Soft STAPLE", "STAPLE"))
        pairs.append([100 * (mine[case] - base[case]) for case in base])
    one = next(one for one in rows[1].differences if (one.experts, one.measure) == DICE)
    assert one.mean == pytest.approx(np.mean(pairs))
    assert one.p == pytest.approx(signed_rank(np.round(np.mean(pairs, axis=0), 9)))
    assert (one.cases, one.seeds) == (9, 2)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_lines_fit(seeds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], columns: int) -> None:
    """Where a table is wider than the terminal, experts' and STAPLE's lie below each other; nothing is left out."""
    rows, out = make_tables([seeds], tmp_path / "run")
    with mock.patch.dict(os.environ, COLUMNS=str(columns)):
        print_table(rows, out.relative_to(tmp_path))
    told = capsys.readouterr().out
    assert max(map(len, told.splitlines())) <= columns
    for value in (f"{row.pooled[key]:.1f} ± {row.spread[key]:.1f}" for row in rows for key in row.pooled):
        assert value in told
    assert ("n stands in table1.md" in told) != ("9 / 6 / 2" in told)
    assert told.count("Paired differences") == (1 if columns == 120 else 2)


def test_failure_of_one_seed(seeds: Path, tmp_path: Path) -> None:
    run = shutil.copytree(seeds, tmp_path / "run")
    fail(run / "seed_1", "soft-staple", 1)
    rows, _ = make_tables([run])
    assert rows[1].n == "9 / 5 / 2"
    assert rows[1].failures[0].text.startswith("fold 1 of seed 1: training failed")
    assert rows[1].marked


def change(run: Path, section: str, **changes: Any) -> None:
    """Let a run have been made by other options, on which neither its predictions nor their scores depend."""
    record = json.loads((run / "run.json").read_text())
    record["options"][section].update(changes)
    write(run / "run.json", record)


def test_soft_target_is_a_row_of_its_own(seeds: Path, tmp_path: Path) -> None:
    """Networks that the other option does not touch stand in one row; the new one is compared with STAPLE."""
    for seed in ("seed_0", "seed_1"):
        change(shutil.copytree(seeds / seed, tmp_path / "soft" / seed), "training", target="soft")
    rows, _ = make_tables([seeds, tmp_path / "soft"], tmp_path / "both")
    assert [row.title for row in rows] == ["STAPLE", "STAPLE, soft target", "Soft STAPLE"]
    assert rows[2].n == "9 / 6 / 2"
    assert [one.mean for one in rows[1].differences if one.measure == "dice"] == [0, 0]  # the same by hand
    assert [one.p for one in rows[1].differences if one.measure == "dice"] == [1, 1]


def test_other_options_are_named(finished: Path, seeds: Path, tmp_path: Path) -> None:
    change(shutil.copytree(seeds / "seed_1", tmp_path / "long"), "training", epochs=60)
    rows, _ = make_tables([finished, tmp_path / "long"], tmp_path / "both")
    assert [row.title for row in rows][:2] == ["STAPLE (epochs=30)", "STAPLE (epochs=60)"]
    assert rows[0].differences == []  # nothing is STAPLE alone


def test_runs_that_do_not_compare(finished: Path, seeds: Path, tmp_path: Path) -> None:
    other = shutil.copytree(finished, tmp_path / "other")
    both = [finished, other]
    with pytest.raises(FastfuseError, match=r"run and .*other are two runs of STAPLE with seed 0: give one"):
        make_tables(both, tmp_path / "t")
    change(other, "consensus", prior=0.5)
    with pytest.raises(FastfuseError, match=r"do not compare: consensus\.prior is 'mean' and 0\.5"):
        make_tables(both, tmp_path / "t")
    write(other / "folds.json", {"folds": folds_of(other)[::-1]})
    with pytest.raises(FastfuseError, match="do not compare: their folds differ"):
        make_tables(both, tmp_path / "t")
    record = json.loads((other / "run.json").read_text())
    record["files"]["Patient_03"]["FLAIR"] = "0" * 64
    write(other / "run.json", record)
    with pytest.raises(FastfuseError, match="do not compare: files of Patient_03 differ"):
        make_tables(both, tmp_path / "t")
    with pytest.raises(FastfuseError, match="several runs: say by --out"):
        make_tables([finished, seeds / "seed_1"])


def test_what_is_no_finished_run(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(FastfuseError, match=r"holds no run\.json, nor seed_0/run\.json"):
        make_tables([tmp_path])
    run = shutil.copytree(finished, tmp_path / "run")
    name = folds_of(run)[0][0]
    (run / "predictions" / "staple" / f"{name}.nii.gz").unlink()
    with pytest.raises(
        FastfuseError, match=rf"predictions of staple are missing \({name}\); end the run first"
    ):
        make_tables([run])
    record = json.loads((run / "run.json").read_text())
    write(run / "run.json", {**record, "cohort": str(tmp_path / "gone")})
    with pytest.raises(FastfuseError, match=r"gone: no such folder; .*; say by --cohort where"):
        make_tables([run])
    write(run / "run.json", {"options": 1})
    with pytest.raises(FastfuseError, match=r"run\.json: cannot be read as a run's"):
        make_tables([run])


def test_another_cut(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores are made again for it, lie apart, and are kept; the run's own tables stay."""
    run = shutil.copytree(finished, tmp_path / "run")
    own, _ = make_tables([run])
    before = (run / "table1.md").read_bytes()
    rows, out = make_tables([run], evaluation={"cut": 0.3})
    assert out == run / "rescored" / "cut=0.3"
    assert rows[0].pooled[True, "recall"] > own[0].pooled[True, "recall"] + 5
    assert "cut at 0.3" in (out / "table1.md").read_text()
    assert (run / "table1.md").read_bytes() == before

    def never(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(scoring, "measure", never)
    again, _ = make_tables([run], evaluation={"cut": 0.3})
    assert again[0].pooled == rows[0].pooled
    assert make_tables([run])[0][0].pooled == own[0].pooled
    with pytest.raises(AssertionError):
        make_tables([run], evaluation={"least_mm3": 500.0})
    with pytest.raises(FastfuseError, match="cut"):
        make_tables([run], evaluation={"cut": 1.5})


def test_scores_are_of_one_reference(finished: Path, tmp_path: Path) -> None:
    """Another consensus, a damaged sidecar: measured again. A changed file of the cohort: refused."""
    run = shutil.copytree(finished, tmp_path / "run")
    before, _ = make_tables([run])
    path = run / "predictions" / "staple" / "Patient_01.json"
    for content in ("{}", "[1]", '{"sha256": 1}', path.read_text().replace('"voxels"', '"v"')):
        path.write_text(content)
        assert make_tables([run])[0][0].pooled == before[0].pooled
    cohort = Path(json.loads((run / "run.json").read_text())["cohort"])
    loaded = load_case(find_cases(cohort)[0])
    save(run / "consensus" / "Patient_01" / "staple.nii.gz", np.ones(loaded.masks[0].shape), loaded)
    assert make_tables([run])[0][0].pooled[False, "recall"] < before[0].pooled[False, "recall"]
    record = json.loads((run / "run.json").read_text())
    record["files"]["Patient_01"]["expert 1"] = "0" * 64
    write(run / "run.json", record)
    with pytest.raises(FastfuseError, match=r"ManualSegmentation_1\.nii\.gz: has changed since the run"):
        make_tables([run], evaluation={"cut": 0.4})


def test_latex_compiles_in_principle(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    empty(run, "soft-staple", 2)
    rows, _ = make_tables([run], tmp_path / "out_50%")
    text = latex(rows, ["100 % of A_B & C#1 {x} $5 ~ ^ \\"])
    lines = [line for line in text.splitlines() if line.endswith("\\\\") and "multicolumn" not in line]
    assert [len(re.findall(r"(?<!\\)&", line)) for line in lines] == [7] * 3
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert body.count("{") == body.count("}")
    assert not re.search(r"(?<!\\)[%#_]", body)
    assert "†" not in text
    assert "±" not in text
    assert text.splitlines()[0] == (
        "% 100 \\% of A\\_B \\& C\\#1 \\{x\\} \\$5 \\textasciitilde{} \\textasciicircum{} \\textbackslash{}"
    )


def test_command(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    done = run_here(tmp_path, "table", "run", "--cut", "0.4", "--least-mm3", "300", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert Path(facts["folder"]) == Path("run") / "rescored" / "cut=0.4,least_mm3=300"
    assert len(facts["table"]) == len(METHODS) * 14
    assert {one["title"] for one in facts["differences"]} == {"Soft STAPLE"}
    assert facts["failures"] == []
    assert (run / "rescored" / "cut=0.4,least_mm3=300" / "table1.tex").exists()
    done = run_here(tmp_path, "table", "run", "--connectivity", "26", "--json")
    folder = run / "rescored" / "connectivity=26"
    assert "a lesion, share a corner (connectivity 26)" in (folder / "table1.md").read_text()
    joined = [int(row["truth_lesions"]) for row in rows_in(folder / "metrics.csv")]
    make_tables([run], tmp_path / "own")
    assert sum(joined) < sum(int(row["truth_lesions"]) for row in rows_in(tmp_path / "own" / "metrics.csv"))
    done = run_here(tmp_path, "table", "run", "--connectivity", "7")
    assert (done.returncode, done.stderr) == (2, "error: evaluation.connectivity is 7: 6, 18 or 26\n")
    done = run_here(tmp_path, "table", "nothing")
    assert done.returncode == 2
    assert done.stderr.startswith("error: nothing: holds no run.json")


@pytest.mark.parametrize("grid", ["", "grid.spacing_mm=8.0"])
def test_row_of_other_networks(cohort: Path, tmp_path: Path, grid: str) -> None:
    """nnU-Net's label maps lie on each case's own grid; the raters' best guess there is as good on the run's grid."""
    run = make_run(cohort, tmp_path / "run", *([grid] if grid else []))
    folder = tmp_path / "nnunet"
    for case in find_cases(cohort):
        loaded = load_case(case)
        mask = fastfuse.staple(loaded.masks).probability >= 0.5
        save(folder / f"{case.name}.nii.gz", mask, loaded)
        if grid:
            placed = load_for(case, open_runs([run], Narrator(silent=True))[0].options)
            votes = np.mean(placed.masks, axis=0)
            save(
                run / "consensus" / case.name / "staple.nii.gz",
                fastfuse.staple(placed.masks).probability,
                placed,
            )
            for method in METHODS:
                save(run / "predictions" / method / "common" / f"{case.name}.nii.gz", votes, placed)
    rows, _ = make_tables(
        [run], tmp_path / "out", peers={"nnU-Net": [folder]}, evaluation={"least_voxels": 0}
    )
    other = rows[-1]
    assert (other.title, other.n, other.paper) == ("nnU-Net", "9 / 3 / 1", {})
    assert other.pooled[False, "dice"] >= (75 if grid else 100)
    assert {one.seeds for one in other.differences} == {0, 1}  # 0: label maps have no calibration


def test_peer(seeds: Path, tmp_path: Path) -> None:
    """nnU-Net's label maps stand beside the run's networks, scored alike, and paired with STAPLE of the first seed."""
    folder = tmp_path / "nnunet"
    folder.mkdir()
    for path in (seeds / "seed_0" / "predictions" / "soft-staple").glob("*.nii.gz"):
        image = nib.load(path)
        values = np.asarray(image.dataobj) >= 0.5
        nib.save(nib.Nifti1Image(values.astype(np.uint8), image.affine), folder / path.name)
    words = ["table", str(seeds), "--peer", f"nnU-Net={folder}", "--out", "both", "--json"]
    done = run_here(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    found = {(one["title"], one["against"], one["measure"]): one for one in json.loads(done.stdout)["table"]}
    one = found["nnU-Net", "experts", "dice"]
    soft = make_tables([seeds / "seed_0"], tmp_path / "one")[0][1]
    assert one["pooled"] == pytest.approx(soft.pooled[DICE])
    assert (one["seeds"], one["networks"], one["paper"]) == (1, 3, None)
    pairs = [one for one in json.loads(done.stdout)["differences"] if one["title"] == "nnU-Net"]
    assert {one["seeds"] for one in pairs} == {0, 1}
    assert pairs[0]["mean"] == pytest.approx(
        next(one.mean for one in soft.differences if one.measure == "dice")
    )
    with pytest.raises(FastfuseError, match="3 folders, but the runs have 2 seeds"):
        make_tables([seeds], tmp_path / "t", peers={"nnU-Net": [folder] * 3})
    with pytest.raises(FastfuseError, match="--peer is 'nnunet': give a title and a folder"):
        peers_from(["nnunet"])
