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
    assert_numbers(folder)
