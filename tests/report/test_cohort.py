"""The report of a cohort: raters over cases, who was unlike themselves, what failed."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.cohort.told import tables as of_tables
from fastfuse.errors import OutputError
from fastfuse.fusion.pooled.deviation import Deviation
from fastfuse.report.html.cohort import _made

from ..border.draws import contours
from ..cohort.files import GLOB, NAMES, SHAPE, make_cohort, mask_path, save
from ..cohort.test_shell import fuse
from ..fit.draws import flips
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


def test_a_case_in_which_nobody_marks_anything(tmp_path: Path) -> None:
    """No sensitivity of 0, and no deviation, in tables and on the page; its specificity is told."""
    make_cohort(tmp_path / "in", 4)
    for rater in NAMES:
        save(mask_path(tmp_path / "in", "case-00", rater), np.zeros(SHAPE, np.uint8))
    page, _ = fused(tmp_path)
    deviations = rows(tmp_path / "out" / "deviations.csv")
    assert len(deviations) == 12
    empty = [one for one in deviations if one["case"] == "case-00"]
    assert [one["rater"] for one in empty] == list(NAMES)
    for one in empty:
        assert (one["log_ratio"], one["per_voxel"], one["sensitivity"]) == ("", "", "")
        assert float(one["specificity"]) == pytest.approx(1)
    assert all(one["sensitivity"] and one["log_ratio"] for one in deviations if one not in empty)
    section = page.one("section", id="raters-by-cases").text
    assert "case-00" not in section
    assert "case-01" in section
    for case in ("case-01", "case-02", "case-03"):
        for rater in NAMES:
            save(mask_path(tmp_path / "in", case, rater), np.zeros(SHAPE, np.uint8))
    page, _ = fused(tmp_path)
    assert not [one for one in page.all("section") if one.attributes.get("id") == "raters-by-cases"]


def test_figure_of_many_cases_has_the_worst_where_a_rater_is_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diagrams = pytest.importorskip(
        "fastfuse.report.plots.diagrams", reason="needs matplotlib", exc_type=ImportError
    )
    ratios = {"a": [1.0, 2.0], "b": [np.nan, 9.0], "c": [3.0, np.nan]}
    found = {
        case: Deviation(("Ann", "Bob"), np.array(one), np.array(one), np.ones(2), np.ones(2))
        for case, one in ratios.items()
    }
    drawn: list[Any] = []
    monkeypatch.setattr(diagrams, "raters_by_cases", lambda *words, **_: drawn.append(words[2]))
    monkeypatch.setattr(of_tables, "MOST_IN_A_FIGURE", 2)
    assert of_tables.draw(tmp_path / "r.png", found)
    assert drawn == [["b", "c"]]


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


def misfitting(root: Path, cases: int = 2) -> Path:
    """Write cases of contours, whose votes STAPLE does not fit, and one of independent flips, which it does."""
    shifts = [0.6, 0.3, 0.0, -0.2, 0.1, -0.5, 0.4]
    for number in range(cases):
        drawn = contours(shifts, shape=(48, 48, 24), seed=number)
        for rater, mask in enumerate(drawn.masks):
            save(mask_path(root, f"contours-{number}", f"R{rater}"), mask)
    for rater, mask in enumerate(flips(7, prevalence=0.2, sensitivity=0.9, specificity=0.99)[1]):
        save(mask_path(root, "flips", f"R{rater}"), mask.reshape(60, 50, 20))
    return root


@pytest.mark.parametrize("pool", ["raters", "none"])
def test_a_model_that_does_not_fit_is_told_with_the_cases(tmp_path: Path, pool: str) -> None:
    misfitting(tmp_path / "in")
    page, facts = fused(tmp_path, pool=pool, prior="estimate")
    names = [case for case, one in facts["fit"].items() if one["misfit"]]
    assert set(names) >= {"contours-0", "contours-1"}
    if pool == "none":
        assert names == ["contours-0", "contours-1"]
    (told,) = [one for one in facts["warnings"]["cohort"] if one.startswith("the model does not fit")]
    assert told.startswith(
        f"the model does not fit the votes of {len(names)} of 3 cases ({', '.join(names)}):"
    )
    assert told in page.one("section", id="warnings").text
    for case in facts["fit"]:
        sidecar = json.loads((tmp_path / "out" / "cases" / case / "consensus.json").read_text())
        own = [one for one in sidecar["warnings"] if one.startswith("the model does not fit: ")]
        assert bool(own) == (case in names)
        assert [one for one in facts["warnings"].get(case, []) if one in own] == own
        if own:
            found = re.search(r"(\d) of 7 raters marks? ([\d,]+) voxels, and .* expects ([\d,]+);", own[0])
            assert found is not None
            marks, there, expected = (int(text.replace(",", "")) for text in found.groups())
            assert facts["fit"][case]["observed"][marks] == there
            assert round(facts["fit"][case]["expected"][marks]) == expected
            assert ("by the rates that the cases share" in own[0]) == (pool == "raters")
            assert (
                "border-STAPLE" in own[0]
                or "three classes" in own[0]
                or "fits this case: the raters' rates" in own[0]
            )
    lines = rows(tmp_path / "out" / "fit.csv")
    assert len(lines) == 3 * 8
    for one in lines:
        fit = facts["fit"][one["case"]]
        assert float(one["observed"]) == fit["observed"][int(one["marks"])]
        assert float(one["expected"]) == fit["expected"][int(one["marks"])]
        assert one["misfit"] == ("yes" if one["case"] in names else "")
    section = page.one("section", id="fit-of-cases").text
    for case, fit in facts["fit"].items():
        assert case in section
        assert f"{fit['observed'][1]:,.0f}" in section
    assert page.all("section", id="fit")
    again, more = fused(tmp_path, pool=pool, prior="estimate")  # nothing is fused anew
    assert (more["fused"], more["fit"], more["warnings"]) == ([], facts["fit"], facts["warnings"])
    assert again.one("section", id="fit-of-cases").text == section


def test_the_command_says_which_cases_do_not_fit(tmp_path: Path) -> None:
    misfitting(tmp_path / "in", 1)
    done = fuse(tmp_path, "--pool", "none")
    assert done.returncode == 0, done.stderr
    told = " ".join(done.stderr.split())
    assert "warning: the model does not fit the votes of" in told
    assert "contours-0" in told


def test_the_page_holds_options_and_hashes(tmp_path: Path) -> None:
    make_cohort(tmp_path / "in", 2)
    page, facts = fused(tmp_path, roi=4.0)
    made = page.one("section", id="made").text
    assert facts["options"]["roi"] == 4.0
    for name in facts["options"]:
        assert name in made
    for case in ("case-00", "case-01"):
        sidecar = json.loads((tmp_path / "out" / "cases" / case / "consensus.json").read_text())
        assert {**sidecar["options"], **facts["options"]} == sidecar["options"]
        files = {one["file"]: one["sha256"] for one in facts["inputs"][case]}
        assert len(files) == 3
        for path, sha256 in files.items():
            assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == sha256
            assert sha256 in made
        content = (tmp_path / "out" / "cases" / case / "consensus.nii.gz").read_bytes()
        assert facts["outputs"][case]["consensus.nii.gz"] == hashlib.sha256(content).hexdigest()
        assert facts["outputs"][case]["consensus.nii.gz"] in made
    assert not page.all("details")
    assert settings_of(page) == "optionvalue methodstaple optionsroi = 4, replicates = 5"


def settings_of(page: Page) -> str:
    """Return the table of settings that differ from the defaults."""
    table = page.one("div", **{"aria-label": "Settings that differ from the defaults."})
    return " ".join(table.text.split())


def test_where_no_setting_differs_there_is_no_table_of_them(tmp_path: Path) -> None:
    make_cohort(tmp_path / "in", 2)
    facts = fused(tmp_path)[1]
    made = _made({**facts, "settings": {}}, "staple")
    assert [one["caption"] for one in made] == ["Options, as the cases' sidecars have them."]
    decided = _made({**facts, "settings": {}, "decisions": {"file": "yes.csv"}}, "staple")[1]
    assert [row["cells"] for row in decided["rows"]] == [["decisions", "yes.csv"]]


def test_the_last_row_of_what_raters_move_is_of_one_more(tmp_path: Path) -> None:
    make_cohort(tmp_path / "in", 3)
    page, _ = fused(tmp_path)
    row = [one.text for one in page.all("tr") if "one more" in one.text]
    (last,) = rows(tmp_path / "out" / "quality.csv")[-1:]
    assert [" ".join(text.split()) for text in row] == [
        f"one more rater{float(last['influence']):.1%}".replace("%", " %")
    ]


@pytest.mark.parametrize("of_labels", [False, True])
def test_no_column_of_what_raters_move_is_blank(tmp_path: Path, of_labels: bool) -> None:
    """Label maps have no rates of masks, and no consensus without each rater: columns, words and the last row are left out."""
    make_cohort(tmp_path / "in", 3, labels=of_labels)
    page, _ = fused(tmp_path, **({"labels": "all"} if of_labels else {}))
    part = page.one("section", id="quality")
    html = (
        (tmp_path / "r.html")
        .read_text(encoding="utf-8")
        .partition('id="quality"')[2]
        .partition("</thead>")[0]
    )
    heads = [re.sub("<[^>]*>", "", one).strip() for one in re.findall(r"<th[ >].*?</th>", html, re.DOTALL)]
    assert heads == ["rater", *([] if of_labels else ["moves"]), "nearest", "Dice", "apart in"]
    assert [what in part.text for what in ("Moves:", "one more", "What the raters move")] == [
        not of_labels
    ] * 3
    assert ("Who is nearest to whom" in part.text) == of_labels
    assert "Drift" not in part.text  # of three cases it is not known
    assert "Nearest: with whom the Dice is highest. Apart:" in part.text


def test_a_long_list_of_files_is_folded_away(tmp_path: Path) -> None:
    make_cohort(tmp_path / "in", 5)
    page, facts = fused(tmp_path)
    assert "25 files with their SHA-256" in page.one("details").text
    assert all(one["sha256"] in page.one("details").text for one in facts["inputs"]["case-04"])
