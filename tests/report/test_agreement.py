"""The report of an agreement."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

import fastfuse
from fastfuse.report.html.tables import pairs_tables

from ..cli.common import MASKS, case_in
from ..command import run_here
from .common import Page, assert_loads_nothing

pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")


def test_the_page_says_what_the_json_says(tmp_path: Path) -> None:
    case_in(tmp_path)
    words = ["agreement", *MASKS, "--mask", "brain.nii.gz", "-o", "a.json", "--report", "a.html"]
    done = run_here(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert "a.html" in done.stdout
    facts = json.loads((tmp_path / "a.json").read_text())
    assert facts["report"] == "a.html"
    page = Page.of((tmp_path / "a.html").read_text())
    assert_loads_nothing(page)
    for where in ("everywhere", "region"):
        for name in ("fleiss_kappa", "krippendorff_alpha", "gwet_ac1"):
            assert f"{facts[where][name]:.4f}" in page.text
    for i, row in enumerate(facts["dice"]):
        for value in row[:i]:
            assert page.text.count(f"{value:.3f}") >= 2
    for name in MASKS:
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() in page.text
    assert page.one("script", id="volume-raters").text
    again = run_here(tmp_path, *words)
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_an_image_is_shown_and_recorded(tmp_path: Path) -> None:
    case_in(tmp_path)
    paths = [tmp_path / name for name in MASKS]
    bare = fastfuse.agreement_files(paths, report=tmp_path / "bare.html", output=tmp_path / "bare.json")
    flair = tmp_path / "flair.nii.gz"
    given = {"image": flair, "report": tmp_path / "a.html", "output": tmp_path / "a.json"}
    found = fastfuse.agreement_files(paths, **given)
    assert found.everywhere == bare.everywhere
    facts, before = (json.loads((tmp_path / name).read_text()) for name in ("a.json", "bare.json"))
    assert facts.pop("image") == str(flair)
    assert {**facts, "report": ""} == {**before, "report": ""}
    page = Page.of((tmp_path / "a.html").read_text())
    assert page.one("script", id="volume-image").text
    held = hashlib.sha256(flair.read_bytes()).hexdigest()
    (row,) = ("".join(one.text.split()) for one in page.all("tr") if held in one.text)
    assert row == f"image{flair}{held}"
    with pytest.raises(ValueError, match=r"image is .*flair.nii.gz, and there is no report"):
        fastfuse.agreement_files(paths, image=flair)


def test_from_python_it_is_the_same(tmp_path: Path) -> None:
    case_in(tmp_path)
    paths = [tmp_path / name for name in MASKS]
    fastfuse.agreement_files(paths, report=tmp_path / "one.html")
    fastfuse.agreement_files(paths, report=tmp_path / "two.html")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_the_sentence_says_of_which_voxels_coefficients_are(tmp_path: Path) -> None:
    case_in(tmp_path)
    masks, report = [tmp_path / name for name in MASKS], tmp_path / "a.html"
    facts = {}
    for roi in (None, 4):
        fastfuse.agreement_files(
            masks,
            mask=tmp_path / "brain.nii.gz",
            roi=roi,
            output=tmp_path / "a.json",
            report=report,
            overwrite=True,
        )
        facts = json.loads((tmp_path / "a.json").read_text())
        said = " ".join(Page.of(report.read_text()).one("section", id="cite").text.split())
        where = "marked by anybody" if roi is None else "within 4 mm of marks"
        over = f"over {facts['everywhere']['voxels']:,} voxels inside brain.nii.gz and {facts['region']['voxels']:,} voxels {where}"
        assert over in said
        assert "Gwet's AC1 (Gwet 2008)" in said


@pytest.mark.parametrize("count", [1, 2, 16, 17, 23, 60])
def test_many_raters_stand_in_blocks_that_paper_holds(count: int) -> None:
    """Each Dice stands once in the column of its rater, and each block has the mean of all others."""
    numbers = [str(i + 1) for i in range(count)]
    dice = [[(i * count + j) / 10_000 for j in range(count)] for i in range(count)]
    found = pairs_tables(dice, numbers)
    heads = [[column["title"] for column in one["columns"]] for one in found]
    assert [name for one in heads for name in one[1:-1]] == numbers
    assert all((one[0], one[-1]) == ("rater", "mean") for one in heads)
    assert (len(found) == 1) == (count <= 16)
    assert len(found) == 1 or max(map(len, heads)) <= 14
    for i in range(count):
        parts = [one["rows"][i]["cells"] for one in found]
        assert {part[0] for part in parts} == {numbers[i]}
        assert [cell for part in parts for cell in part[1:-1]] == [
            "" if i == j else f"{dice[i][j]:.3f}" for j in range(count)
        ]
        assert len({part[-1] for part in parts}) == 1
    assert len({one["caption"] for one in found}) == len(found)
    if count == 23:
        assert found[1]["caption"] == "Dice of each two raters, columns 13 to 23; mean: with the others."
