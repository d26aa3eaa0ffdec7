"""Decisions are told of, and a review of what was reviewed keeps them."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.files.review.make import Review, review_files

from ..cli.common import ran
from .common import RATERS, SHAPE, THREE, box, decide, fused, rows_of


def decided_case(case: Path) -> tuple[Review, dict[str, str]]:
    """Fuse with two decisions, and return the first review with them."""
    found = review_files(case / "consensus.nii.gz", case / "r.csv")
    answers = {str(found.lesions[0].number): "no", str(found.lesions[1].number): "yes"}
    decide(case / "r.csv", answers)
    fused(case, "reviewed.nii.gz", decisions=case / "r.csv")
    return found, answers


def test_the_terminal_and_the_page_tell_what_was_decided(case: Path) -> None:
    pytest.importorskip("jinja2")
    found, answers = decided_case(case)
    words = ["--decisions", "r.csv", "-o", "told.nii.gz", "--report", "told.html"]
    made = ran(case, "fuse", *RATERS, *words, "--names", "Anna,Bert,Carla,=Dora", "--method", "staple")
    assert made.returncode == 0, made.stderr
    said = " ".join(made.stdout.split())
    no, yes = (number for number in answers)
    assert f"Decided by r.csv: 1 yes (lesion {yes}), 1 no (lesion {no});" in said
    page = (case / "told.html").read_text()
    section = page[page.index('id="decisions"') :].partition("</section>")[0]
    assert page.index('href="#decisions"') < page.index('id="decisions"')
    assert "Decided by r.csv" in section
    rows = re.findall(r"<tr>(.*?)</tr>", section.partition("<tbody>")[2], re.DOTALL)
    for lesion, row in zip(sorted(found.lesions[:2], key=lambda one: one.number), rows, strict=True):
        text = re.sub(r"<[^>]*>|\s+", " ", row)
        assert lesion.said in text
        assert (" a lesion " if str(lesion.number) == yes else " no lesion ") in text
    plain = ran(case, "fuse", *RATERS, "-o", "p.nii.gz", "--report", "p.html", "--method", "staple")
    assert "Decided" not in plain.stdout
    assert "decisions" not in (case / "p.html").read_text()


def test_decisions_of_arrays_are_told_of(case: Path) -> None:
    pytest.importorskip("jinja2")
    masks = [np.asarray(nib.load(case / name).dataobj) for name in RATERS]
    volume = np.full(SHAPE, -1)
    volume[box(THREE, (3, 3, 3))] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastfuse.FusionWarning)
        fusion = fastfuse.fuse(masks, "staple", decisions=volume)
    fusion.report(case / "page.html")
    assert "Decided: 0.00 ml foreground, 0.027 ml background." in (case / "page.html").read_text()


def test_a_review_of_what_was_reviewed_keeps_its_decisions(case: Path) -> None:
    found, answers = decided_case(case)
    decide(case / "r.csv", {})  # the list goes on to be worked on: the decisions are in the sidecar
    again = review_files(case / "reviewed.nii.gz", case / "again.csv", markups=case / "again.mrk.json")
    assert again.votes == found.votes
    rows = rows_of(case / "again.csv")
    assert {row["lesion"]: row["decision"] for row in rows if row["decision"]} == answers
    open_ones = [row["decision"] == "" for row in rows]
    assert open_ones == sorted(open_ones, reverse=True)  # the decided ones stand last
    assert {row["lesion"] for row in rows} == {str(one.number) for one in found.lesions}
    (markup,) = json.loads((case / "again.mrk.json").read_text())["markups"]
    labels = {point["id"]: point["label"] for point in markup["controlPoints"]}
    assert {
        n: label.partition("decided: ")[2] for n, label in labels.items() if "decided" in label
    } == answers
    same = fused(case, "same.nii.gz", decisions=case / "again.csv")
    np.testing.assert_array_equal(same.probability, np.asarray(nib.load(case / "reviewed.nii.gz").dataobj))
    told = ran(case, "review", "reviewed.nii.gz", "-o", "third.csv", columns=160)
    assert f"{len(answers)} decided before, which stand last" in told.stdout
    assert "decided" in next(line for line in told.stdout.splitlines() if "posterior" in line)
    as_json = json.loads(ran(case, "review", "reviewed.nii.gz", "-o", "4.csv", "--json").stdout)
    assert {str(one["lesion"]): one["decision"] for one in as_json["lesions"] if one["decision"]} == answers


def test_a_decided_lesion_stays_on_the_list_though_nobody_differs(case: Path) -> None:
    everything = review_files(case / "consensus.nii.gz", case / "r.csv", everything=True)
    (whole,) = [one for one in everything.lesions if len(one.marked_by) == 4]
    decide(case / "r.csv", {str(whole.number): "yes"})
    fused(case, "reviewed.nii.gz", decisions=case / "r.csv")
    again = review_files(case / "reviewed.nii.gz", case / "again.csv")
    assert [one.decision for one in again.lesions if one.number == whole.number] == [True]


def test_the_list_that_decided_is_not_overwritten(case: Path) -> None:
    decided_case(case)
    with pytest.raises(fastfuse.OutputError, match=r"r\.csv: is one of the inputs"):
        review_files(case / "reviewed.nii.gz", case / "r.csv", overwrite=True)


def test_large_counts_are_written_one_way(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from fastfuse.report.review import print_review

    made = ran(case, "review", "consensus.nii.gz", "-o", "r.csv", "--json")
    facts = json.loads(made.stdout)
    facts |= {"lesions": facts["lesions"] * 500, "all": 2000}
    print_review(facts)
    assert "2,000 lesions, 1,500 listed, 1,480 more than above." in capsys.readouterr().out
