"""One list over the cases of a cohort: ranked over all, and each case keeps its answers."""

from __future__ import annotations

import csv
import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.cohort.review.make import review_cohort
from fastfuse.errors import FastfuseError
from fastfuse.files.review.make import review_files

from ..cli.common import ran
from ..report.common import Page
from .common import AFFINE, ALL, ONE, SHAPE, THREE, TWO, box, rows_of

GLOB = "{case}/masks/{rater}.nii.gz"
NAMES = ["Anna", "Bert", "Carla", "Dora"]


def masks_of(size: int) -> np.ndarray:
    masks = np.zeros((4, *SHAPE), np.uint8)
    for i in range(4):
        masks[(i, *box(ALL, (4, 4, 4)))] = 1
    for i in range(3):
        masks[(i, *box(THREE, (3, size, 3)))] = 1
    masks[(3, *box(ONE, (3, 3, size)))] = 1
    masks[(0, *box(TWO, (4, 3, 2)))] = 1
    masks[(1, *box(TWO, (2, 3, 2)))] = 1
    return masks


def cohort_in(folder: Path, *, labels: bool = False) -> Path:
    """Write three cases, whose lesions are unlike in size."""
    for case, size in (("=p1", 3), ("p2", 5), ("p3", 4)):
        for name, mask in zip(NAMES, masks_of(size), strict=True):
            path = folder / "in" / case / "masks" / f"{name}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            data = mask * (2 if name == "Dora" else 1) if labels else mask
            nib.save(nib.Nifti1Image(data, AFFINE), path)
    fused(folder, **({"labels": "all"} if labels else {}))
    return folder


def fused(folder: Path, out: str = "out", **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastfuse.FusionWarning)
        return fastfuse.fuse_cohort(
            folder / "in", folder / out, glob=GLOB, **{"method": "staple", "replicates": 5, **options}
        )


def consensus(folder: Path, case: str, out: str = "out") -> np.ndarray:
    return np.asarray(nib.load(folder / out / "cases" / case / "consensus.nii.gz").dataobj)


def answer(path: Path, answers: dict[tuple[str, str], str], **changes: str) -> None:
    """Write answers into a list, by case and number."""
    rows = rows_of(path)
    for row in rows:
        row["decision"] = answers.get((row["case"].removeprefix("'"), row["lesion"]), "")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, **changes} for row in rows)


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    return cohort_in(tmp_path)


def test_one_list_is_ranked_over_all_cases(cohort: Path) -> None:
    found = review_cohort(cohort / "out", cohort / "r.csv", markups=cohort / "r.mrk.json")
    assert (found.all, len(found.lesions)) == (12, 9)
    assert set(found.raters) == set(NAMES)
    stakes = [one.stake_ml for one in found.lesions]
    assert stakes == sorted(stakes, reverse=True)
    assert len({one.case for one in found.lesions[:3]}) > 1  # not case after case
    rows = rows_of(cohort / "r.csv")
    assert next(iter(rows[0])) == "case"
    assert list(rows[0])[1:] == list(rows_of_one(cohort))
    assert {row["case"] for row in rows} == {"'=p1", "p2", "p3"}
    markups = json.loads((cohort / "r.mrk.json").read_text())["markups"]
    assert len({point["id"] for markup in markups for point in markup["controlPoints"]}) == 9
    for markup in markups:  # a list of points for each case: they lie in different images
        case = markup["name"].removeprefix("review of out: ")
        numbers = [f"{case}: {one.number}" for one in found.lesions if one.case == case]
        assert [point["id"] for point in markup["controlPoints"]] == numbers
        assert not markup["display"]["visibility"]
    assert {markup["name"][-2:] for markup in markups} == {"p1", "p2", "p3"}
    for one in found.lesions:  # the lines of each case are those that it has by itself
        if one.case == "p2":
            image = cohort / "out" / "cases" / "p2" / "consensus.nii.gz"
            alone = {
                other.number: other
                for other in review_cohort(image, cohort / "one.csv", overwrite=True).lesions
            }
            assert alone[one.number] == one


def rows_of_one(folder: Path) -> dict[str, str]:
    """Return the first line of a list of masks that are no cohort."""
    paths = [folder / "in" / "p2" / "masks" / f"{name}.nii.gz" for name in NAMES]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastfuse.FusionWarning)
        fastfuse.fuse_files(paths, folder / "c.nii.gz", overwrite=True)
    review_files(folder / "c.nii.gz", folder / "c.csv", overwrite=True)
    return rows_of(folder / "c.csv")[0]


@pytest.mark.parametrize("pool", ["raters", "none"])
def test_each_case_keeps_its_answers(cohort: Path, pool: str) -> None:
    fused(cohort, pool=pool)
    before = {case: consensus(cohort, case) for case in ("=p1", "p2", "p3")}
    found = review_cohort(cohort / "out", cohort / "r.csv")
    numbers = {(one.case, one.marked_by): str(one.number) for one in found.lesions}
    answers = {
        ("=p1", numbers["=p1", ("Dora",)]): "yes",
        ("p2", numbers["p2", ("Anna", "Bert", "Carla")]): "no",
    }
    answer(cohort / "r.csv", answers)
    made = fused(cohort, pool=pool, decisions=cohort / "r.csv")
    assert made.facts["fused"] == ["=p1", "p2"]
    assert made.facts["skipped"] == ["p3"]
    assert made.facts["decisions"]["cases"] == ["=p1", "p2"]
    np.testing.assert_array_equal(consensus(cohort, "p3"), before["p3"])
    assert (consensus(cohort, "=p1")[box(ONE, (3, 3, 3))] == 1).all()
    assert (consensus(cohort, "p2")[box(THREE, (3, 5, 3))] == 0).all()
    for case, word in (("=p1", "yes"), ("p2", "no")):
        facts = json.loads((cohort / "out" / "cases" / case / "consensus.json").read_text())
        assert [one["decision"] for one in facts["decisions"]["lesions"]] == [word]
        decided = np.full(SHAPE, -1)
        where = box(ONE, (3, 3, 3)) if case == "=p1" else box(THREE, (3, 5, 3))
        decided[where] = word == "yes"
        if pool == "none":  # EM of the case learns of them, as that of arrays does
            masks = [
                np.asarray(nib.load(cohort / "in" / case / "masks" / f"{name}.nii.gz").dataobj)
                for name in NAMES
            ]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", fastfuse.FusionWarning)
                alone = fastfuse.fuse(masks, "staple", decisions=decided)
            np.testing.assert_array_equal(consensus(cohort, case), alone.probability)
        else:
            np.testing.assert_array_equal(consensus(cohort, case)[decided < 0], before[case][decided < 0])
    again = fused(cohort, pool=pool, decisions=cohort / "r.csv")
    assert again.facts["fused"] == []
    answers["p2", numbers["p2", ("Anna", "Bert", "Carla")]] = ""
    answer(cohort / "r.csv", answers)
    back = fused(cohort, pool=pool, decisions=cohort / "r.csv")
    assert back.facts["fused"] == ["p2"]
    np.testing.assert_array_equal(consensus(cohort, "p2"), before["p2"])


def test_a_second_round_keeps_the_first(cohort: Path) -> None:
    found = review_cohort(cohort / "out", cohort / "r.csv")
    first = found.lesions[0]
    answer(cohort / "r.csv", {(first.case, str(first.number)): "no"})
    fused(cohort, decisions=cohort / "r.csv")
    with pytest.raises(fastfuse.OutputError, match="is one of the inputs"):
        review_cohort(cohort / "out", cohort / "r.csv", overwrite=True)
    again = review_cohort(cohort / "out", cohort / "s.csv")
    last = again.lesions[-1]
    assert (last.case, last.number, last.decision) == (first.case, first.number, False)
    assert fused(cohort, decisions=cohort / "s.csv").facts["fused"] == []  # the same answers
    same = ran(cohort, "rerun", f"out/cases/{first.case}/consensus.json", "--out-dir", "again")
    assert same.returncode == 0, same.stderr


@pytest.mark.parametrize("pool", ["raters", "none"])
def test_label_maps_of_a_cohort(tmp_path: Path, pool: str) -> None:
    cohort_in(tmp_path, labels=True)
    fused(tmp_path, labels="all", pool=pool)
    found = review_cohort(tmp_path / "out", tmp_path / "r.csv")
    assert list(rows_of(tmp_path / "r.csv")[0])[:4] == ["case", "lesion", "decision", "candidates"]
    place = next(
        one
        for one in found.lesions
        if one.case == "p2" and one.says["Dora"] == "2" and one.says["Anna"] == "0"
    )
    answer(tmp_path / "r.csv", {("p2", str(place.number)): "2"})
    made = fused(tmp_path, labels="all", pool=pool, decisions=tmp_path / "r.csv")
    assert made.facts["fused"] == ["p2"]
    assert made.facts["decisions"]["cases"] == ["p2"]
    assert (consensus(tmp_path, "p2")[box(ONE, (3, 3, 5))] == 2).all()
    assert (consensus(tmp_path, "p2")[box(ALL, (4, 4, 4))] != 0).all()
    facts = json.loads((tmp_path / "out" / "cases" / "p2" / "consensus.json").read_text())
    assert facts["decisions"]["voxels"] == {"2": 45}
    second = review_cohort(tmp_path / "out", tmp_path / "s.csv")
    assert (second.lesions[-1].case, second.lesions[-1].word) == ("p2", "2")


@pytest.mark.parametrize("labels", [False, True])
def test_the_page_says_which_places_went_which_way(tmp_path: Path, labels: bool) -> None:
    """As the sidecars of the cases and the list have them, also where nothing is fused anew."""
    pytest.importorskip("jinja2")
    cohort_in(tmp_path, labels=labels)
    options = {"labels": "all"} if labels else {}
    found = review_cohort(tmp_path / "out", tmp_path / "r.csv")
    chosen = [next(one for one in found.lesions if one.case == case) for case in ("p2", "=p1")]
    words = ["2", "0"] if labels else ["yes", "no"]
    answers = {(one.case, str(one.number)): word for one, word in zip(chosen, words, strict=True)}
    answer(tmp_path / "r.csv", answers)
    for _ in range(2):
        made = fused(tmp_path, decisions=tmp_path / "r.csv", report=tmp_path / "r.html", **options)
        told = made.facts["decisions"]["lesions"]
        assert list(told) == ["=p1", "p2"]
        for case, lesions in told.items():
            sidecar = json.loads((tmp_path / "out" / "cases" / case / "consensus.json").read_text())
            assert sidecar["decisions"]["lesions"] == lesions
        page = Page.of((tmp_path / "r.html").read_text(encoding="utf-8"))
        assert any(one.attributes["href"] == "#decisions" for one in page.all("a"))
        section = page.one("section", id="decisions").text
        assert f"2 {'places' if labels else 'lesions'} of 2 cases, by " in section
        rows = ["".join(one.text.split()) for one in page.all("tr")]
        for one, word in zip(chosen, words, strict=True):
            decided = word if labels else {"yes": "alesion", "no": "nolesion"}[word]
            (row,) = (row for row in rows if row.startswith(f"{one.case}{one.number}{decided}"))
            place = next(
                row
                for row in rows_of(tmp_path / "r.csv")
                if row["case"].removeprefix("'") == one.case and row["lesion"] == str(one.number)
            )
            assert row.endswith(",".join(place[f"ras_{axis}_mm"] for axis in "xyz"))
            if not labels:
                assert (
                    f"{len(one.marked_by)}of4:{','.join(str(1 + NAMES.index(name)) for name in one.marked_by)}"
                    in row
                )
    bare = fused(tmp_path, report=tmp_path / "r.html", **options)
    assert "decisions" not in bare.facts
    assert not Page.of((tmp_path / "r.html").read_text()).all("section", id="decisions")


def test_bad_lists_are_refused_or_cost_their_case(cohort: Path) -> None:
    review_cohort(cohort / "out", cohort / "r.csv")
    one = rows_of(cohort / "r.csv")[0]
    with pytest.raises(FastfuseError, match=r"is a list of 3 cases .*the decisions of the cohort"):
        fastfuse.fuse_files(
            [cohort / "in" / "p2" / "masks" / f"{name}.nii.gz" for name in NAMES], cohort / "c.nii.gz", decisions=cohort / "r.csv"
        )  # fmt: skip
    answer(cohort / "r.csv", {("p2", one["lesion"]): "no"}, case="p9")
    with pytest.raises(FastfuseError, match="is of the case p9, which the cohort does not have"):
        fused(cohort, decisions=cohort / "r.csv")
    rows_of_one(cohort)
    with pytest.raises(FastfuseError, match="lacks the column case"):
        fused(cohort, decisions=cohort / "c.csv")
    review_cohort(cohort / "out", cohort / "r.csv", overwrite=True)
    some = {row["case"]: row["lesion"] for row in rows_of(cohort / "r.csv")}
    answer(cohort / "r.csv", {("p2", some["p2"]): "yes", ("p3", some["p3"]): "maybe"})
    made = fused(cohort, decisions=cohort / "r.csv")
    assert list(made.failed) == ["p3"]
    assert "decision is 'maybe': write yes (a lesion), no (none)" in made.failed["p3"]
    assert made.facts["fused"] == ["p2"]
    with pytest.raises(ValueError, match="decisions are given, and classes is 3"):
        fused(cohort, decisions=cohort / "r.csv", classes=3)
    for again in (False, True):
        told = [
            line for line in fused(cohort).facts["warnings"].get("cohort", []) if "in an earlier run" in line
        ]
        assert len(told) == (0 if again else 1)
        assert again or told[0].startswith("p2: decided by ")
    with pytest.raises(ValueError, match="the step that writes consensuses"):
        fused(cohort, decisions=cohort / "r.csv", merge=True)
    answer(cohort / "r.csv", {})
    with pytest.warns(fastfuse.FusionWarning, match="holds no decision"):
        fastfuse.fuse_cohort(
            cohort / "in",
            cohort / "out",
            glob=GLOB,
            method="staple",
            replicates=5,
            decisions=cohort / "r.csv",
        )


def test_a_case_is_one_however_its_accents_are_written(tmp_path: Path) -> None:
    for case in ("Fall M\u00fcller", "p2"):
        for name, mask in zip(NAMES, masks_of(3), strict=True):
            path = tmp_path / "in" / case / "masks" / f"{name}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(mask, AFFINE), path)
    fused(tmp_path)
    review_cohort(tmp_path / "out", tmp_path / "r.csv")
    text = (tmp_path / "r.csv").read_text(encoding="utf-8-sig").replace("\u00fc", "u\u0308")
    (tmp_path / "r.csv").write_text(text.replace(",2,,", ",2,no,"), encoding="utf-8")
    made = fused(tmp_path, decisions=tmp_path / "r.csv")
    assert set(made.facts["decisions"]["cases"]) == {"Fall M\u00fcller", "p2"}
    assert [one["lesion"] for one in made.facts["decisions"]["lesions"]["Fall M\u00fcller"]] == [2]


def test_the_command(cohort: Path) -> None:
    pytest.importorskip("jinja2")
    told = ran(cohort, "review", "out", "-o", "r.csv", columns=200)
    assert told.returncode == 0, told.stderr
    assert "12 lesions, 9 listed." in told.stdout
    assert "give the list to fastfuse cohort fuse --decisions" in told.stdout
    assert "case" in next(line for line in told.stdout.splitlines() if "posterior" in line)
    first = rows_of(cohort / "r.csv")[0]
    answer(cohort / "r.csv", {(first["case"].removeprefix("'"), first["lesion"]): "no"})
    words = [
        "--glob",
        GLOB,
        "--method",
        "staple",
        "--replicates",
        "5",
        "--decisions",
        "r.csv",
        "--report",
        "r.html",
    ]
    made = ran(cohort, "cohort", "fuse", "in", "--out", "out", *words)
    assert made.returncode == 0, made.stderr
    assert "3 cases: 1 fused, 2 left as they were" in " ".join(made.stdout.split())
    assert "Decided by r.csv: 1 case." in made.stdout
    page = (cohort / "r.html").read_text().replace("<wbr>", "").replace('<wbr class="tight">', "")
    assert "decided by a reviewer" in page
    settings = Page.of(page).one("div", **{"aria-label": "Settings that differ from the defaults."})
    assert "decisionsr.csv" in "".join(settings.text.split())
    assert hashlib.sha256((cohort / "r.csv").read_bytes()).hexdigest() in page
    as_json = json.loads(ran(cohort, "review", "out/cohort.json", "-o", "s.csv", "--json").stdout)
    assert {one["case"] for one in as_json["lesions"]} == {"=p1", "p2", "p3"}
    empty = ran(cohort, "review", "in", "-o", "t.csv")
    assert empty.returncode == 2
    assert "holds no consensus of a cohort" in " ".join(empty.stderr.split())


def test_of_a_cohort_it_is_said_once_that_decisions_do_not_come_back(tmp_path: Path) -> None:
    """By options that were typed; what a preset chose it chooses otherwise where there are decisions."""
    cohort_in(tmp_path)
    fused(tmp_path, "three", classes=3)
    with pytest.warns(fastfuse.FusionWarning, match="classes is 3, with which decisions are refused") as told:
        review_cohort(tmp_path / "three", tmp_path / "r.csv")
    assert len(told) == 1
    assert str(told[0].message).count("classes is 3") == 1
    made = fused(tmp_path, "preset", method=None, preset="recommended")
    assert made.facts["settings"]["preset"]["set"]["classes"] == 3
    review_cohort(tmp_path / "preset", tmp_path / "r.csv", overwrite=True)
