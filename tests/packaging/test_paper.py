"""The paper: its figures are there, and drawn by a command; its references exist, and are used."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from .common import PACKAGING, ROOT, parsed, project, run

PAPER = PACKAGING / "paper"
TEXT = (PAPER / "paper.md").read_text(encoding="utf-8")
FIGURES = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", TEXT)


def test_head_is_that_of_the_project(tmp_path: Path) -> None:
    head = tmp_path / "head.yaml"
    head.write_text(TEXT.split("---\n")[1], encoding="utf-8")
    told = parsed(head)
    assert [author["name"] for author in told["authors"]] == [
        author["name"] for author in project()["project"]["authors"]
    ]
    assert {author["affiliation"] for author in told["authors"]} == {
        place["index"] for place in told["affiliations"]
    }
    assert (PAPER / told["bibliography"]).exists()


def test_references_are_there_and_used() -> None:
    bib = (PAPER / "paper.bib").read_text(encoding="utf-8")
    entries = set(re.findall(r"^@\w+\{(\w+),", bib, re.MULTILINE))
    assert entries == set(re.findall(r"@(\w+\d{4})", TEXT))
    assert bib.count("doi ") == len(entries)


def test_figures_are_those_that_a_command_draws() -> None:
    sys.path.insert(0, str(PAPER))
    try:
        from figures import STUDIES
    finally:
        sys.path.remove(str(PAPER))
    assert {(PAPER / figure).resolve() for figure in FIGURES} == {ROOT / figure for figure in STUDIES}
    assert all((PAPER / figure).exists() for figure in FIGURES)
    assert all((ROOT / "bench" / "studies" / study).exists() for study in STUDIES.values())
    labels = set(re.findall(r"\\label\{([^}]+)\}", TEXT))
    assert labels == set(re.findall(r"\\autoref\{([^}]+)\}", TEXT))
    assert len(labels) == len(FIGURES)


@pytest.mark.slow
def test_figures_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    run(sys.executable, PAPER / "figures.py", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {Path(figure).name for figure in FIGURES}
    assert all(path.stat().st_size > 10_000 for path in tmp_path.iterdir())


def test_it_has_the_sections_and_the_length_that_joss_wants() -> None:
    assert {"# Summary", "# Statement of need", "# State of the field", "# References"} <= set(
        TEXT.splitlines()
    )
    assert 250 < len(TEXT.split("---\n", 2)[2].split()) < 1750


def test_times_are_those_of_the_benches() -> None:
    """The same as in the README, which a test holds to the benches' tables."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    times = re.findall(r"\d[\d.]* m?s\b", " ".join(TEXT.split()))
    assert len(times) == 3
    assert all(time in readme for time in times)
