"""What failed and is to be known stands once for each reason: in warnings, on the terminal, in Markdown and LaTeX."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fastfuse.cli.predict import _warnings
from fastfuse.train.cohort.problem import Problem, named
from fastfuse.train.conclude import tabulate
from fastfuse.train.ensemble import members_of
from fastfuse.train.finished import open_runs
from fastfuse.train.predict import Predicted
from fastfuse.train.provenance import notes_of
from fastfuse.train.results.exports import latex
from fastfuse.train.results.printing import print_table
from fastfuse.train.results.texts import failures_of, markdown
from fastfuse.train.tables import make_tables
from fastfuse.train.targets.kept_volumes import in_words, loss_of, ratios_of

from ..common import Told
from .made import METHODS, empty, fail, folds_of, make_run, write

pytestmark = pytest.mark.usefixtures("no_figures")

NOTHING = "the networks mark nothing; their Dice and recall of 0 count, their precision is undefined"


def test_one_line_for_each_reason(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    for method in METHODS:
        empty(run, method, 1)
        empty(run, method, 3)
    fail(run, "soft-staple", 2)
    told = Told()
    opened = open_runs([run], told)
    rows = tabulate(opened, run)
    empties = f"STAPLE and Soft STAPLE, folds 1, 3: {NOTHING}"
    lost = "Soft STAPLE, fold 2: training failed (the loss is nan, epoch 3); the fold's cases are left out"
    for lines in (
        [line[9:] for line in told.lines if line.startswith("warning: ") and "lesions of" not in line],
        [line[4:] for line in (run / "table1.md").read_text().splitlines() if line.startswith("- †")],
        failures_of(rows),
    ):
        assert len(lines) == 2
        assert lines[0].startswith(empties)
        assert lines[1].startswith(lost)
    print_table(rows, run)
    assert [line[:2] for line in capsys.readouterr().out.splitlines()].count("† ") == 2
    notes = [line for line in latex(rows, []).splitlines() if "footnotesize" in line]
    assert len(notes) == 2
    assert all(line.startswith(r"\multicolumn{8}{p{0.9\linewidth}}{") for line in notes)


def test_folds_of_several_seeds(seeds: Path, tmp_path: Path) -> None:
    run = shutil.copytree(seeds, tmp_path / "run")
    empty(run / "seed_0", "staple", 1)
    empty(run / "seed_1", "staple", 2)
    empty(run / "seed_1", "staple", 3)
    rows, _ = make_tables([run])
    (line,) = failures_of(rows)
    assert line.startswith(f"STAPLE, fold 1 of seed 0, folds 2, 3 of seed 1: {NOTHING}")


def test_networks_that_are_left_out_of_predictions(finished: Path, tmp_path: Path) -> None:
    """One line for each reason, with all folds and methods."""
    run = shutil.copytree(finished, tmp_path / "run")
    for method in METHODS:
        empty(run, method, 1)
        empty(run, method, 3)
        path = run / "models" / method / "fold_2" / "network.pt"
        for fold in (1, 2, 3):
            path.parents[1].joinpath(f"fold_{fold}", "network.pt").write_bytes(b"weights")
        write(path.with_name("made.json"), {path.relative_to(run).as_posix(): sha256(path)})
    make_tables([run])
    opened = open_runs([run], Told())
    found = [
        Predicted("Case_A", method, Path("a"), 1, None, 0, members_of(opened, method)[1])
        for method in METHODS
    ]
    assert _warnings(found) == [
        "staple, soft-staple: seed 0, folds 1, 3: marks nothing in the cases that it was tested on; left out"
    ]


def sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_one_test_case_a_fold_shares_no_network(cohort: Path, finished: Path, tmp_path: Path) -> None:
    rows, out = make_tables([finished], tmp_path / "three")
    assert "Cases of a fold share a network" in (out / "table1.md").read_text()
    rows, out = make_tables([make_run(cohort, tmp_path / "run", folds=9)], tmp_path / "nine")
    assert rows[0].n == "9 / 9 / 1"
    assert "share a network" not in markdown(rows, [])
    assert "One seed: intervals and p tell" in markdown(rows, [])


def test_intervals_read_as_intervals(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, out = make_tables([finished], tmp_path)
    one = rows[1].differences[0]
    low, high = (f"{end:+.1f}".replace("-", "−") for end in (one.low, one.high))
    for columns, words in (("120", f"{low} to {high}"), ("48", f"from {low}")):
        monkeypatch.setenv("COLUMNS", columns)
        print_table(rows, out)
        assert words in capsys.readouterr().out


def test_rounding_is_told_as_no_difference(finished: Path, tmp_path: Path) -> None:
    """Two methods of the same predictions: no value of 1e-17, and no minus before 0."""
    run = shutil.copytree(finished, tmp_path / "run")
    for names in folds_of(run):
        for name in names:
            for ending in ("nii.gz", "json"):
                folder = run / "predictions"
                shutil.copy(
                    folder / "staple" / f"{name}.{ending}", folder / "soft-staple" / f"{name}.{ending}"
                )
    rows, out = make_tables([run])
    for one in rows[1].differences:
        assert str(one.mean) == str(one.low) == str(one.high) == "0.0"
        assert one.p_holm == 1
    assert "e-" not in (out / "differences.csv").read_text()


def test_problems_by_name() -> None:
    same = [Problem(f"Patient_{k:02d}", "", "6 raters, but most cases have 7", "add") for k in range(1, 9)]
    other = Problem("Patient_07", "ManualSegmentation_3", "missing", "add the file")
    assert named([*same[:2], other]) == (
        "Patient_01, Patient_02: 6 raters, but most cases have 7; Patient_07 ManualSegmentation_3: missing"
    )
    assert named(same).startswith("Patient_01, Patient_02, Patient_03, Patient_04, Patient_05 and 3 more: 6 ")


def test_volumes_in_words() -> None:
    """Cases that lie on the grid are not in the range; a tenth more or less is no warning."""
    ratios = ratios_of({"A": {}, "B": {1: 0.95, 4: 1.0500001}, "C": {2: 0.9}})
    assert ratios == {"B": {"expert 1": 0.95, "expert 4": 1.05}, "C": {"expert 2": 0.9}}
    said = "one grid changes the raters' masks of 2 of 3 cases: they have 0.90 to 1.05 times their own volume"
    assert in_words(ratios, 3) == loss_of(ratios, 3) == said
    worse = loss_of({**ratios, "D": {"expert 3": 1.2}}, 3)
    assert worse.startswith("warning: one grid changes the raters' masks of 3 of 3 cases")
    assert "the most changed is D, expert 3, with 1.20" in worse


@pytest.mark.parametrize(
    "record",
    [
        [],
        {"problems": 3, "volumes_on_one_grid": [1]},
        {"problems": [{"case": 1}], "volumes_on_one_grid": {"A": {"expert 1": "x"}, "B": 2, "C": {}}},
    ],
)
def test_a_damaged_record_has_no_notes(tmp_path: Path, record: object) -> None:
    write(tmp_path / "run.json", record)
    assert notes_of(tmp_path) == []
