"""The report of an experiment: its tables and figures."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from unittest import mock

import pytest

from ...command import run_here
from ...report.common import Page, assert_loads_nothing
from ..common import command
from ..conftest import DRAWING
from .test_tables import rows_in

pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")


def assert_numbers(folder: Path) -> Page:
    """Every number of the tables stands in the report, in a row of its title."""
    page = Page.of((folder / "r.html").read_text(encoding="utf-8"))
    assert_loads_nothing(page)
    rows = [one.text for one in page.all("tr")]
    lines = rows_in(folder / "tables" / "table1.csv")
    assert len(lines) > 10
    for line in lines:
        digits = {"assd_mm": 2, "brier": 3, "ece": 3}.get(line["measure"], 1)
        if line["pooled"]:
            shown = f"{float(line['pooled']):.{digits}f}"
            assert [row for row in rows if line["title"] in row and shown in row], line
    for line in rows_in(folder / "tables" / "differences.csv"):
        shown = [f"{float(line['mean']):+.{digits}f}" for digits in range(2, 6)]
        assert [row for row in rows if line["title"] in row and any(one in row for one in shown)], line
    return page


def test_numbers_are_those_of_the_tables(finished: Path, tabled: Path, tmp_path: Path) -> None:
    """Of two seeds; and of one, in place of the report and the tables that are there."""
    assert "below tables, and r.html" in (tabled / "said.txt").read_text()
    page = assert_numbers(tabled)
    figures = sorted((tabled / "tables" / "figures").iterdir())
    names = ("cases", "consensus", "differences", "experts", "reliability", "training")
    assert [path.name for path in figures] == [f"{name}.png" for name in names]
    images = {one.attributes["src"].partition("base64,")[2] for one in page.all("img")}
    assert images == {base64.b64encode(path.read_bytes()).decode() for path in figures}
    folder = shutil.copytree(tabled, tmp_path / "again")
    words = ("table", str(finished), "--out", "tables", "--report", "r.html", "--json")
    with mock.patch(DRAWING):
        again = run_here(folder, *words)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["report"] == "r.html"
    one, two = ((root / "tables" / "table1.csv").read_bytes() for root in (folder, tabled))
    assert one != two
    assert_one_seed(assert_numbers(folder), folder / "tables")


def assert_one_seed(page: Page, tables: Path) -> None:
    """What one seed does not tell stands by the differences, as in table1.md; no seeds are named."""
    told = "One seed: intervals and p tell how cases differ, not what another training would give. Cases of a fold"
    assert told in page.text
    assert told in (tables / "table1.md").read_text(encoding="utf-8")
    over = "with 95 % intervals: a bootstrap over cases, quantiles moved outwards for few of them"
    assert f"Means over the cases in which a measure is defined, {over}." in page.text
    assert f"of percents in percentage points, {over}; p by" in page.text
    assert " ± " not in page.text


def test_scores_are_those_of_table_1(tabled: Path) -> None:
    """The page's first table holds what is pooled, with its spread over two seeds, and no column of dashes."""
    page = Page.of((tabled / "r.html").read_text(encoding="utf-8"))
    lines = [line for line in rows_in(tabled / "tables" / "table1.csv") if line["pooled"]]
    assert len({line["measure"] for line in lines}) == 3
    shown = {
        (line["title"], f"{float(line['pooled']):.1f} ± {float(line['pooled_sd']):.1f}") for line in lines
    }
    table = page.all("table")[0].text
    assert "recall against STAPLE (%)" in table
    assert "HD95" not in table
    assert "–" not in table
    rows = [row.text for row in page.all("tr")]
    for title, value in shown:
        assert [row for row in rows if title in row and value in row], (title, value)
    assert "the mean over folds, then over 2 seeds, ± their standard deviation." in page.text
    over = "with 95 % intervals: a bootstrap over cases and seeds, drawn independently, quantiles"
    assert f"Means over the cases and seeds in which a measure is defined, {over}" in page.text
    assert "One seed" not in page.text
    assert "Each case's Dice, precision and recall, by method" in page.text


def test_what_is_no_score_of_this_run_and_what_a_difference_is_in(finished: Path, tmp_path: Path) -> None:
    """The paper's values are of other images; percents differ by points; options, versions and what was run are there."""
    run = shutil.copytree(finished, tmp_path / "run")
    record = json.loads((run / "run.json").read_text())
    record |= {"versions": {"fastfuse": "1.2.3", "torch": "9.8"}, "code": "c0de" * 16}
    (run / "run.json").write_text(json.dumps(record))
    with mock.patch(DRAWING):
        done = run_here(tmp_path, "table", "run", "--report", "r.html", "--json")
    assert done.returncode == 0, done.stderr
    page = Page.of((tmp_path / "r.html").read_text(encoding="utf-8"))
    facts = json.loads(done.stdout)
    assert any(line["paper"] is not None for line in facts["table"])
    assert "one run on MSSEG-2016, other images than these" in page.one("section", id="scores").text
    differences = page.one("section", id="differences").text
    assert "%" not in differences.partition("p, Holm")[2]  # below the heads
    rows = [one.text for one in page.all("tr") if "points" in one.text]
    assert len(rows) == sum(one["unit"] == "%" for one in facts["differences"]) > 0
    made = page.one("section", id="made").text
    for value in (
        record["versions"]["torch"],
        record["code"],
        f"epochs = {record['options']['training']['epochs']}",
    ):
        assert value in made
    assert f": {facts['about'][0]}." in page.one("section", id="cite").text
    terms = page.one("section", id="terms").text
    assert all(name in terms for name in ("HD95", "ASSD", "Brier score", "p, Holm"))
    best = max(
        line["pooled"] for line in facts["table"] if (line["measure"], line["against"]) == ("dice", "experts")
    )
    alike = {
        line["title"]
        for line in facts["table"]
        if (line["measure"], line["against"]) == ("dice", "experts")
        and f"{line['pooled']:.1f}" == f"{best:.1f}"
    }
    assert {one.strip() for one in page.all("dd")[3].text.split(",")} == alike


def test_a_report_waits_for_the_table(cohort: Path, tmp_path: Path) -> None:
    """Of one fold there are no results, and no page that is empty."""
    fold = ("--methods", "staple", "--only-folds", "1")
    words = command(cohort, tmp_path / "r", *fold, "--report", "r.html")
    done = run_here(tmp_path, *words[3:])
    assert done.returncode == 0, done.stderr
    assert "the report waits for the table" in " ".join(done.stdout.split())
    assert not (tmp_path / "r.html").exists()


def test_a_note_stands_once(finished: Path, tmp_path: Path) -> None:
    """What a run was begun with is a warning of the page, and not in its captions, too."""
    run = shutil.copytree(finished, tmp_path / "run")
    record = json.loads((run / "run.json").read_text())
    record["problems"] = [
        {"case": "Patient_01", "file": "T1", "what": "is 7 everywhere", "remedy": "copy it"}
    ]
    (run / "run.json").write_text(json.dumps(record))
    with mock.patch(DRAWING):
        done = run_here(tmp_path, "table", "run", "--report", "r.html")
    assert done.returncode == 0, done.stderr
    page = Page.of((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert page.text.count("Begun with --force") == 1
    assert ". Predictions are cut at" in page.text
    assert "; Predictions" not in page.text


@pytest.mark.parametrize("command", ["experiment", "table", "cohort fuse"])
def test_help_promises_no_slices(command: str, tmp_path: Path) -> None:
    """Pages of many cases have none to scroll through; that of one fusion has."""
    of_many, of_one = (
        " ".join(run_here(tmp_path, *words, "--help").stdout.split()) for words in (command.split(), ["fuse"])
    )
    assert "page of HTML" in of_many
    assert "slices to scroll" not in of_many
    assert "slices to scroll" in of_one
