"""The report of an experiment: its tables and figures."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from unittest import mock

import pytest

from ...command import run_here
from ...report.common import Page, assert_loads_nothing
from ..conftest import DRAWING
from .test_tables import rows_in

pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")


def test_numbers_are_those_of_the_tables(finished: Path, tmp_path: Path) -> None:
    words = ("table", str(finished), "--out", "tables", "--report", "r.html")
    done = run_here(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert "below tables, and r.html" in " ".join(done.stdout.split())
    page = Page.of((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert_loads_nothing(page)
    rows = [one.text for one in page.all("tr")]
    lines = rows_in(tmp_path / "tables" / "table1.csv")
    assert len(lines) > 10
    for line in lines:
        digits = {"assd_mm": 2, "brier": 3, "ece": 3}.get(line["measure"], 1)
        if line["pooled"]:
            shown = f"{float(line['pooled']):.{digits}f}"
            assert [row for row in rows if line["title"] in row and shown in row], line
    for line in rows_in(tmp_path / "tables" / "differences.csv"):
        shown = [f"{float(line['mean']):+.{digits}f}" for digits in range(2, 6)]
        assert [row for row in rows if line["title"] in row and any(one in row for one in shown)], line
    figures = sorted((tmp_path / "tables" / "figures").glob("*.png"))
    images = {one.attributes["src"].partition("base64,")[2] for one in page.all("img")}
    assert images == {base64.b64encode(path.read_bytes()).decode() for path in figures}
    with mock.patch(DRAWING):
        again = run_here(tmp_path, *words, "--json")
    assert json.loads(again.stdout)["report"] == "r.html"
    assert again.returncode == 0, again.stderr  # one of an earlier run is replaced
