"""Which cases a cohort has, and who read each."""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import CohortError
from fastfuse.cohort.apply import AskedToApply, applied_cohort
from fastfuse.cohort.cases import CohortCase, find_cohort
from fastfuse.cohort.told.like_names import said_of_like_names
from fastfuse.cohort.workers.crew import Crew

from ..cohorts import current_case
from .files import GLOB, make_cohort, save

EMPTY = np.zeros((2, 2, 2), np.uint8)


def test_msseg(tmp_path: Path) -> None:
    current_case(tmp_path, "Center_01", "Patient_02")
    current_case(tmp_path, "Center_01", "Patient_01", raters=2)
    first, second = find_cohort(tmp_path)
    assert (first.name, second.name) == ("Patient_01", "Patient_02")
    assert first.raters == ("rater 1", "rater 2")
    assert [path.name for path in second.paths] == [f"ManualSegmentation_{k}.nii.gz" for k in (1, 2, 3)]
    assert first.mask is not None
    assert first.image is not None
    assert (first.mask.name, first.image.name) == ("Brain_Mask.nii.gz", "FLAIR_preprocessed.nii.gz")


def test_bids(tmp_path: Path) -> None:
    """The rater is rater-, else desc-, else the pipeline's folder."""
    for name in (
        "derivatives/manual/sub-01/anat/sub-01_rater-ann_label-lesion_mask.nii.gz",
        "derivatives/manual/sub-01/anat/sub-01_desc-bob_mask.nii.gz",
        "derivatives/manual/sub-01/anat/sub-01_desc-brain_mask.nii.gz",
        "derivatives/net/sub-01/anat/sub-01_mask.nii.gz",
        "derivatives/net/sub-02/ses-1/anat/sub-02_ses-1_dseg.nii.gz",
        "sub-01/anat/sub-01_FLAIR.nii.gz",
    ):
        save(tmp_path / name, EMPTY)
    one, two = find_cohort(tmp_path)
    assert (one.name, one.raters) == ("sub-01", ("ann", "bob", "net"))
    assert one.mask is not None
    assert (two.name, two.raters, two.mask) == ("sub-02_ses-1", ("net",), None)
    save(tmp_path / "derivatives/other/sub-01/anat/sub-01_desc-bob_mask.nii.gz", EMPTY)
    with pytest.raises(
        CohortError, match=r"sub-01: two files of rater bob .* say which by a pattern or a table"
    ):
        find_cohort(tmp_path)


def test_pattern(tmp_path: Path) -> None:
    make_cohort(tmp_path, 11)
    found = find_cohort(tmp_path, glob=GLOB)
    assert [case.name for case in found] == [f"case-{k:02}" for k in range(11)]
    assert {case.raters for case in found} == {("Ann", "Bob", "Eve")}
    found = find_cohort(tmp_path, glob="{case}/**/{rater}.nii.gz")
    assert len(found) == 11
    save(tmp_path / "other" / "case-00_10.nii.gz", EMPTY)
    save(tmp_path / "other" / "case-00_2.nii.gz", EMPTY)
    [one] = find_cohort(tmp_path, glob="*/{case}_{rater}.nii.gz")
    assert one.raters == ("2", "10")  # by number
    for wrong in (
        "{case}.nii.gz",
        "*/{rater}.nii",
        "/{case}/{rater}",
        "../{case}/{rater}",
        "{case}/{rater}/{other}",
    ):
        with pytest.raises(CohortError, match=re.escape("with {case} and {rater} in them, as {case}/masks")):
            find_cohort(tmp_path, glob=wrong)
    with pytest.raises(CohortError, match=r"no file fits the pattern {case}/{rater}.mha"):
        find_cohort(tmp_path, glob="{case}/{rater}.mha")


def write_table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_table(tmp_path: Path) -> None:
    table = write_table(
        tmp_path / "cases.tsv",
        "case\trater\tpath\tmask\timage",
        "b\tAnn\tx/1.nii\tbrain.nii\t",
        "b\tBob\tx/2.nii\t\tflair.nii",
        "",
        "a\tAnn\tx/3.nii",
    )
    one, two = find_cohort(tmp_path, table=table)
    assert (one.name, one.raters, one.mask, one.image) == ("a", ("Ann",), None, None)
    assert (two.paths, two.mask) == ((tmp_path / "x/1.nii", tmp_path / "x/2.nii"), tmp_path / "brain.nii")
    assert two.image == tmp_path / "flair.nii"


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_table_that_a_spreadsheet_saved(tmp_path: Path, quoting: Any) -> None:
    """It quotes cells, and doubles quotes inside, as the csv module's excel-tab; a tab inside is no border between cells."""
    rows = [
        ("case", "rater", "path", "mask"),
        ("one, two", "Ann", "sets, all/1,v1.nii.gz", ""),
        ("one, two", 'Bob "the second"', 'sets, all/the "second".nii.gz', 'brain, "whole".nii'),
        ("one, two", "C\tD", "sets, all/3\t,.nii.gz", ""),
    ]
    table = tmp_path / "cases.tsv"
    with table.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file, "excel-tab", quoting=quoting).writerows(rows)
    (case,) = find_cohort(tmp_path, table=table)
    assert (case.name, case.raters) == ("one, two", ("Ann", 'Bob "the second"', "C\tD"))
    assert case.paths == tuple(tmp_path / row[2] for row in rows[1:])
    assert case.mask == tmp_path / 'brain, "whole".nii'


@pytest.mark.skipif(os.name == "nt", reason="no file is called so there")
def test_a_file_whose_name_has_quotes_is_meant_by_them(tmp_path: Path) -> None:
    for name in ('"1,2".nii', '"3,4"', "5,6"):
        (tmp_path / name).touch()
    table = write_table(
        tmp_path / "t.tsv",
        "case\trater\tpath",
        'a\tAnn\t"1,2".nii',
        'a\tBob\t"3,4"',
        'a\tEve\t"5,6"',
        'a\tZoe\t"7',
    )
    (case,) = find_cohort(tmp_path, table=table)
    assert [path.name for path in case.paths] == ['"1,2".nii', '"3,4"', "5,6", '"7']


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("case\trater",), "it must have case, rater and path"),
        (("case\trater\tpath\tage",), "it must have case, rater and path"),
        (("case\trater\tpath",), "holds no case"),
        (("case\trater\tpath", "a\tAnn"), "line 2: has 2 cells for 3 columns"),
        (("case\trater\tpath", "a\t\tx"), "line 2: case, rater or path is empty"),
        (
            ("case\trater\tpath", "a\tAnn\tx", "a\tAnn\ty"),
            "line 3: rater Ann has another file in case a already, on line 2",
        ),
        (
            ("case\trater\tpath", "a\tAnn\tx", "a\tBob\ty", "a\tAnn\t./x"),
            "line 4: rater Ann has this file in case a on line 2 already: leave one of both out",
        ),
        (
            ("case\trater\tpath", "a\tAnn\tx,1", 'a\tAnn\t"x,1"'),
            "line 3: rater Ann has this file in case a on line 2 already",
        ),
        (
            ("case\trater\tpath\tmask", "a\tAnn\tx\tm", "a\tBob\ty\tn"),
            "line 3: case a has another mask already",
        ),
        (("case\trater\tpath", "a/b\tAnn\tx"), "the case 'a/b' cannot be called so"),
        (("case\trater\tpath", "..\tAnn\tx"), "the case '..' cannot be called so"),
        (("case\trater\tpath", "con\tAnn\tx"), "the case 'con' cannot be called so"),
    ],
)
def test_table_is_refused(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(CohortError, match=re.escape(message)):
        find_cohort(tmp_path, table=write_table(tmp_path / "cases.tsv", *lines))


def test_what_is_no_cohort(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no such folder"):
        find_cohort(tmp_path / "none")
    with pytest.raises(CohortError, match="both say which the cases are"):
        find_cohort(tmp_path, glob=GLOB, table=tmp_path / "cases.tsv")
    with pytest.raises(CohortError, match="cannot be read as a table"):
        find_cohort(tmp_path, table=tmp_path / "cases.tsv")
    with pytest.raises(
        CohortError, match="no case found; it holds no image; give the folder that holds the cases"
    ):
        find_cohort(tmp_path)


@pytest.mark.parametrize(
    ("name", "by_case", "by_rater"),
    [
        ("a/masks/r1.nii.gz", "{case}/masks/{rater}.nii.gz", "{rater}/masks/{case}.nii.gz"),
        ("a/r.1.SEG.nrrd", "{case}/{rater}.SEG.nrrd", "{rater}/{case}.SEG.nrrd"),
        ("of a_r1.npz", "{case}_{rater}.npz", "{rater}_{case}.npz"),
    ],
)
def test_other_names_bring_a_pattern_that_fits(
    tmp_path: Path, name: str, by_case: str, by_rater: str
) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(CohortError) as refused:
        find_cohort(tmp_path)
    one, other = re.findall(r"'(\{.*?)'", str(refused.value))
    assert (one, other) == (by_case, by_rater)
    (first,), (second,) = find_cohort(tmp_path, glob=one), find_cohort(tmp_path, glob=other)
    assert (first.name, first.raters) == (second.raters[0], (second.name,))
    assert f"if {first.name} is the case" in str(refused.value)


def test_files_of_one_case_are_sent_to_fuse(tmp_path: Path) -> None:
    (tmp_path / "alice.nii").touch()
    with pytest.raises(CohortError, match=r"if alice\.nii and the like are one case's raters, fuse them by"):
        find_cohort(tmp_path)


def test_names_are_one_however_accents_are_written(tmp_path: Path) -> None:
    """A folder from a Mac and a table typed elsewhere spell one rater in two ways."""
    one, two = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))
    assert one != two
    for case, rater in (("a", one), ("b", two)):
        save(tmp_path / "Bär" / case / f"{rater}.nii.gz", EMPTY)
    decomposed = unicodedata.normalize("NFD", "Bär/{case}/{rater}.nii.gz")
    assert [case.raters for case in find_cohort(tmp_path, glob=decomposed)] == [(one,), (one,)]
    rows = [f"{case}\t{rater}\tBär/{case}/{rater}.nii.gz" for case, rater in (("a", one), ("b", two))]
    table = write_table(tmp_path / "cases.tsv", "case\trater\tpath", *rows)
    found = find_cohort(tmp_path, table=table)
    assert [case.raters for case in found] == [(one,), (one,)]
    assert all(path.exists() for case in found for path in case.paths)  # the paths stay as the disk has them
    first, second = (fastfuse.tabulate([[0, 1], [1, 1]], names=[name, "Bob"]) for name in (one, two))
    assert sorted((first + second).names) == ["Bob", one]


def named(*pairs: str) -> list[CohortCase]:
    """Return cases from "case: rater rater"."""
    parts = [pair.split(": ") for pair in pairs]
    return [
        CohortCase(case, tuple(raters.split()), (Path("x"),) * len(raters.split())) for case, raters in parts
    ]


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        (["BraTS_000: Ann Bob", "brats_000: Eve", "BraTS000: Zed"], ["BraTS000, BraTS_000, brats_000: differ"]),
        (["p 1: Ann Bob", "p 01: Eve", "p-2: Ann", "P2: Bob"], ["P2, p-2; p 01, p 1: differ"]),
        (["one: team1 Bob", "two: Team_01 Bob"], ["Team_01, team1: differ"]),
        (["a 1: Ann", "A_1: ann"], ["A_1, a 1: differ", "Ann, ann: differ"]),
        (["a1: Ann Bob", "A1: Bob Eve"], []),  # Bob read both
        (["one: ann Ann", "two: ann"], []),  # one case has both
        (["p1_11: Ann", "p11_1: Bob", "p111: Eve", "p1: Zed", "q: Ann Zoë", "r: Zoe"], []),
        (["müller 2: Ann", "MÜLLER-02: Bob"], ["MÜLLER-02, müller 2: differ"]),
        ([f"{name}{k}: {name}" for k in range(5) for name in "xX"], ["X0, x0; X1, x1; X2, x2; and 2 more such: differ", "X, x: differ"]),
    ],
)  # fmt: skip
def test_names_that_may_mean_one(cases: list[str], expected: list[str]) -> None:
    said = said_of_like_names(named(*cases))
    assert [one.partition(" in capital letters")[0] for one in said] == expected


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_a_cohort_tells_of_names_that_may_mean_one(tmp_path: Path) -> None:
    """Three teams call a case in three ways: three cases of one rater each, which nobody meant."""
    root = make_cohort(tmp_path / "in", 2)
    for name in ("Bob", "Eve"):
        lone = root / f"CASE-{name}" / "masks"
        lone.mkdir(parents=True)
        (root / "case-01" / "masks" / f"{name}.nii.gz").rename(lone / f"{name}.nii.gz")
        lone.parent.rename(root / ("CASE_1" if name == "Bob" else "case01"))
    what = "CASE_1, case-01, case01: differ in capital letters"
    with pytest.warns(fastfuse.FusionWarning, match=what):
        made = fastfuse.fuse_cohort(root, tmp_path / "out", glob=GLOB, method="staple", replicates=3)
    assert len([one for one in made.facts["warnings"]["cohort"] if one.startswith(what)]) == 1
    asked = AskedToApply(tmp_path / "out" / "estimate.json", root, tmp_path / "new", glob=GLOB)
    _, remarks = applied_cohort(asked, Crew(None, 1), lambda _: None)
    assert len([one for one in remarks if one.startswith(what)]) == 1
