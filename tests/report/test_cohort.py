"""The report of a cohort: raters over cases, who was unlike themselves, what failed."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import fastfuse
from fastfuse.errors import OutputError

from ..cohort.files import GLOB, make_cohort, mask_path
from ..cohort.test_shell import fuse
from .common import Page, assert_loads_nothing

pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def fused(folder: Path, **options: Any) -> tuple[Page, dict[str, Any]]:
    given: dict[str, Any] = {"glob": GLOB, "method": "staple", "replicates": 5, **options}
    fastfuse.fuse_cohort(folder / "in", folder / "out", report=folder / "r.html", **given)
    facts = json.loads((folder / "out" / "cohort.json").read_text())
    return Page.of((folder / "r.html").read_text(encoding="utf-8")), facts


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_numbers_are_those_of_the_tables(tmp_path: Path) -> None:
    make_cohort(tmp_path / "in", 4)
    page, facts = fused(tmp_path)
    assert_loads_nothing(page)
    assert facts["report"] == str(tmp_path / "r.html")
    told = [one.text for one in page.all("tr")]
    for one in facts["raters"]:
        assert [row for row in told if one["rater"] in row and f"{one['sensitivity']:.4f}" in row]
        assert "–".join(f"{end:.4f}".removeprefix("0") for end in one["sensitivity_95"]) in page.text
    deviations = rows(tmp_path / "out" / "deviations.csv")
    assert len(deviations) == 12
    for one in deviations:
        (row,) = (row for row in told if one["case"] in row and f": {one['rater']}" in row)
        assert f"{float(one['log_ratio']):,.1f}" in row
    cells = [one for one in page.all("rect") if one.attributes.get("class") in ("cell", "none")]
    assert len(cells) == 12
    for one in rows(tmp_path / "out" / "agreement.csv"):
        assert [row for row in told if one["case"] in row and f"{float(one['mean_dice']):.4f}" in row]


def test_failures_are_told_first(tmp_path: Path) -> None:
    mask_path(make_cohort(tmp_path / "in", 3), "case-01", "Bob").write_bytes(b"no image")
    page, facts = fused(tmp_path)
    first = page.one("section", id="warnings").text
    assert f"case-01: failed: {facts['failed']['case-01']}" in first


def test_label_maps_and_cases_by_themselves(tmp_path: Path) -> None:
    make_cohort(tmp_path / "in", 2, labels=True)
    page, facts = fused(tmp_path, labels="all")
    told = [one.text for one in page.all("tr")]
    assert len(facts["raters"]) == 12
    for one in facts["raters"]:
        assert [row for row in told if one["rater"] in row and f"{one['sensitivity']:.4f}" in row]
    alone = tmp_path / "alone"
    make_cohort(alone / "in", 2)
    page, facts = fused(alone, pool="none")
    assert facts["estimate"] is None
    assert_loads_nothing(page)


def test_one_of_an_earlier_run_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    make_cohort(tmp_path / "in", 2)
    first, _ = fused(tmp_path)
    second, _ = fused(tmp_path)
    assert "fused in this run2" in first.text
    assert "fused in this run0" in second.text
    (tmp_path / "r.html").write_text("<p>mine</p>")
    with pytest.raises(OutputError, match="is no report of fastfuse"):
        fused(tmp_path)
    assert (tmp_path / "r.html").read_text() == "<p>mine</p>"


def test_the_command_and_shards(tmp_path: Path) -> None:
    make_cohort(tmp_path / "in", 2)
    shard = fuse(tmp_path, "--shard", "1/2", "--report", "r.html")
    assert shard.returncode == 2
    assert "give it to the step with --merge" in shard.stderr
    inside = fuse(tmp_path, "--report", "out/r.html")
    assert inside.returncode == 0, inside.stderr
    assert (tmp_path / "out" / "r.html").is_file()
    done = fuse(tmp_path, "--report", "r.html")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "wrote into out, and r.html"
    assert_loads_nothing(Page.of((tmp_path / "r.html").read_text()))
