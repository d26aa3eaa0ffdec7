"""``fastfuse review``: which lesions are listed, in which order, and what comes of the decisions."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.errors import FastfuseError
from fastfuse.files.review.make import review_files

from ..cli.common import ran
from .common import AFFINE, ALL, ONE, RATERS, SHAPE, THREE, TWO, VOXEL_ML, box, decide, fused, rows_of


def test_contested_lesions_are_listed_by_what_hangs_on_them(case: Path) -> None:
    found = review_files(case / "consensus.nii.gz", case / "r.csv")
    probability = np.asarray(nib.load(case / "consensus.nii.gz").dataobj)
    assert (found.all, len(found.lesions)) == (4, 3)  # that of all raters is not contested
    by_marks = {one.marked_by: one for one in found.lesions}
    three, one, two = by_marks["Anna", "Bert", "Carla"], by_marks[("=Dora",)], by_marks["Anna", "Bert"]
    for lesion, where, sides in ((three, THREE, (3, 3, 3)), (one, ONE, (3, 3, 2)), (two, TWO, (4, 3, 2))):
        centre = AFFINE @ [*(at + (side - 1) / 2 for at, side in zip(where, sides, strict=True)), 1]
        np.testing.assert_allclose(lesion.centre_mm, centre[:3])
        voxels = np.prod(sides)
        assert lesion.ml == pytest.approx(voxels * VOXEL_ML)
        inside = probability[box(where, sides)]
        taken = np.count_nonzero(inside >= 0.5)
        assert lesion.consensus == (taken > 0)
        assert lesion.looked == 4
        assert lesion.change_ml == pytest.approx((-taken if taken else voxels) * VOXEL_ML)
        otherwise = (4 - len(lesion.marked_by) if taken else len(lesion.marked_by)) / 4
        assert lesion.stake_ml == pytest.approx(abs(lesion.change_ml) * otherwise)
        assert lesion.posterior == pytest.approx(inside.mean(), abs=1e-6)
    stakes = [lesion.stake_ml for lesion in found.lesions]
    assert stakes == sorted(stakes, reverse=True)
    rows = rows_of(case / "r.csv")
    assert [int(row["lesion"]) for row in rows] == [lesion.number for lesion in found.lesions]
    assert {row["decision"] for row in rows} == {""}
    assert {row["votes"] for row in rows} == {found.votes}
    assert "'=Dora" in {row["marked_by"] for row in rows}  # no formula
    everything = review_files(case / "consensus.json", case / "all.csv", everything=True)
    assert len(everything.lesions) == 4
    assert everything.votes == found.votes


def test_points_for_slicer_are_in_lps(case: Path) -> None:
    found = review_files(case / "consensus.nii.gz", case / "r.csv", markups=case / "r.mrk.json")
    content = json.loads((case / "r.mrk.json").read_text())
    assert content["@schema"].endswith("/Markups/Resources/Schema/markups-schema-v1.0.3.json#")
    (markup,) = content["markups"]
    assert (markup["type"], markup["coordinateSystem"], markup["coordinateUnits"]) == (
        "Fiducial",
        "LPS",
        "mm",
    )
    for point, lesion in zip(markup["controlPoints"], found.lesions, strict=True):
        x, y, z = lesion.centre_mm
        np.testing.assert_allclose(point["position"], [-x, -y, z])
        assert point["id"] == str(lesion.number)
        assert point["positionStatus"] == "defined"
        assert {type(point[name]) for name in ("id", "label", "description")} == {str}
        assert {type(point[name]) for name in ("selected", "locked", "visibility")} == {bool}


def test_points_fit_the_schema_of_slicer(case: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    review_files(case / "consensus.nii.gz", case / "r.csv", markups=case / "r.mrk.json")
    text, number, flag = {"type": "string"}, {"type": "number"}, {"type": "boolean"}
    point = {
        "type": "object",
        "properties": {
            **dict.fromkeys(("id", "label", "description", "associatedNodeID"), text),
            **dict.fromkeys(("selected", "locked", "visibility"), flag),
            "position": {"type": "array", "items": number, "minItems": 3, "maxItems": 3},
            "positionStatus": {"enum": ["undefined", "preview", "defined"]},
        },
    }
    markup = {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"enum": ["Fiducial", "Line", "Angle", "Curve", "ClosedCurve", "Plane", "ROI"]},
            "name": text,
            "coordinateSystem": {"enum": ["LPS", "RAS"]},
            "coordinateUnits": {"enum": ["mm", "um"]},
            "locked": flag,
            "fixedNumberOfControlPoints": flag,
            "controlPoints": {"type": "array", "items": point},
            "display": {"type": "object", "properties": {"visibility": flag, "pointLabelsVisibility": flag}},
        },
    }
    schema = {
        "type": "object",
        "required": ["@schema", "markups"],
        "properties": {"@schema": text, "markups": {"type": "array", "items": markup}},
    }
    jsonschema.validate(json.loads((case / "r.mrk.json").read_text()), schema)


def test_decisions_come_back_and_are_kept(case: Path) -> None:
    found = review_files(case / "consensus.nii.gz", case / "r.csv")
    number = {lesion.marked_by: str(lesion.number) for lesion in found.lesions}
    answers = {
        number["Anna", "Bert", "Carla"]: "no",
        number[("=Dora",)]: "Yes",
        number["Anna", "Bert"]: "lesion",
    }
    decide(case / "r.csv", answers)
    reviewed = fused(case, "reviewed.nii.gz", decisions=case / "r.csv")
    w = reviewed.probability
    assert not w[box(THREE, (3, 3, 3))].any()
    assert (w[box(ONE, (3, 3, 2))] == 1).all()
    assert (w[box(TWO, (4, 3, 2))] == 1).all()  # each voxel is marked by half of the two at least
    masks = np.array([np.asarray(nib.load(case / name).dataobj) for name in RATERS])
    volume = np.full(SHAPE, -1)
    volume[box(THREE, (3, 3, 3))] = 0
    volume[box(ONE, (3, 3, 2))] = volume[box(TWO, (4, 3, 2))] = 1
    same = fastfuse.fuse(masks, "staple", decisions=volume)
    np.testing.assert_array_equal(same.probability, w)
    np.testing.assert_array_equal(same.sensitivity, reviewed.sensitivity)
    facts = json.loads((case / "reviewed.json").read_text())["decisions"]
    told = {str(one["lesion"]): one for one in facts["lesions"]}
    assert {n: one["decision"] for n, one in told.items()} == {
        n: "no" if a == "no" else "yes" for n, a in answers.items()
    }
    for lesion in found.lesions:
        one = told[str(lesion.number)]
        np.testing.assert_allclose(one["ras_mm"], lesion.centre_mm, atol=0.051)
        assert one["ml"] == pytest.approx(lesion.ml, abs=1e-6)
        assert (tuple(one["marked_by"]), one["looked"]) == (lesion.marked_by, lesion.looked)
    assert facts["voxels"] == {"foreground": 18 + 24, "background": 27}
    assert facts["votes"] == found.votes


def test_a_lesion_of_some_raters_is_its_core(case: Path) -> None:
    masks = [np.zeros(SHAPE, np.uint8) for _ in RATERS]
    for i, side in enumerate((2, 3, 4)):  # nested boxes of three raters
        masks[i][box(THREE, (side, side, side))] = 1
    for name, mask in zip(RATERS, masks, strict=True):
        mask[box(ALL, (4, 4, 4))] = 1
        nib.save(nib.Nifti1Image(mask, AFFINE), case / name)
    fused(case, "consensus.nii.gz", overwrite=True)
    (one,) = review_files(case / "consensus.nii.gz", case / "r.csv").lesions
    decide(case / "r.csv", {str(one.number): "yes"})
    w = fused(case, "reviewed.nii.gz", decisions=case / "r.csv").probability
    assert (w[box(THREE, (3, 3, 3))] == 1).all()  # two of three mark these
    outer = w[box(THREE, (4, 4, 4))].copy()
    outer[:3, :3, :3] = 0
    assert (outer < 1).all()  # left to EM
    decide(case / "r.csv", {str(one.number): "not"})
    w = fused(case, "none.nii.gz", decisions=case / "r.csv").probability
    assert not w[box(THREE, (4, 4, 4))].any()


@pytest.mark.parametrize("method", ["majority", "border-staple", "soft-staple", "auto"])
def test_every_method_keeps_them_and_rerun_makes_the_same_bytes(case: Path, method: str) -> None:
    found = review_files(case / "consensus.nii.gz", case / "r.csv")
    decide(case / "r.csv", {str(found.lesions[0].number): "no", str(found.lesions[1].number): "yes"})
    words = [
        *RATERS,
        "-o",
        "m.nii.gz",
        "--method",
        method,
        "--decisions",
        "r.csv",
        "--save-label",
        "l.nii.gz",
    ]
    made = ran(case, "fuse", *words)
    assert made.returncode == 0, made.stderr
    label = np.asarray(nib.load(case / "l.nii.gz").dataobj)
    points = {one.marked_by: one for one in found.lesions}
    assert label[THREE] == (found.lesions.index(points["Anna", "Bert", "Carla"]) == 1)
    again = ran(case, "rerun", "m.json", "-o", "again")
    assert again.returncode == 0, again.stderr
    decide(case / "r.csv", {})
    changed = ran(case, "rerun", "m.json", "-o", "again", "--overwrite")
    assert changed.returncode == 2
    assert "r.csv has changed" in changed.stderr


def test_spreadsheets_may_save_it_their_way(case: Path) -> None:
    found = review_files(case / "consensus.nii.gz", case / "r.csv")
    one = found.lesions[0]
    text = f'\ufeffvotes;notes;lesion;decision\r\n{found.votes};"a; b\r\nc";{one.number};NO \r\n;;;\r\n'
    (case / "r.csv").write_bytes(text.encode())
    w = fused(case, "reviewed.nii.gz", decisions=case / "r.csv").probability
    decide_here = json.loads((case / "reviewed.json").read_text())["decisions"]["lesions"]
    assert [(told["lesion"], told["decision"]) for told in decide_here] == [(one.number, "no")]
    assert w.max() > 0.9


def test_lines_may_end_as_on_an_old_mac(case: Path) -> None:
    review_files(case / "consensus.nii.gz", case / "r.csv")
    decide(case / "r.csv", {"2": "no"})
    (case / "r.csv").write_bytes((case / "r.csv").read_bytes().replace(b"\r\n", b"\r"))
    fused(case, "reviewed.nii.gz", decisions=case / "r.csv")
    decided = json.loads((case / "reviewed.json").read_text())["decisions"]["lesions"]
    assert [(one["lesion"], one["decision"]) for one in decided] == [(2, "no")]


def test_excel_reads_accented_names_and_is_told_how_to_write_them(case: Path) -> None:
    review_files(case / "consensus.nii.gz", case / "plain.csv")
    assert (case / "plain.csv").read_bytes().isascii()
    fused(case, "u.nii.gz", names=["Zoë", "Bert", "Carla", "Dora"])
    review_files(case / "u.nii.gz", case / "r.csv")
    content = (case / "r.csv").read_bytes()
    assert content.startswith("\ufefflesion,".encode())
    fused(case, "same.nii.gz", decisions=case / "r.csv")
    for encoding in ("cp1252", "utf-16"):
        (case / "r.csv").write_bytes(content.decode("utf-8-sig").encode(encoding))
        with pytest.raises(FastfuseError, match="in a spreadsheet as CSV UTF-8"):
            fused(case, "reviewed.nii.gz", decisions=case / "r.csv")


def test_two_answers_to_one_lesion_are_told(case: Path) -> None:
    votes = review_files(case / "consensus.nii.gz", case / "r.csv").votes
    (case / "r.csv").write_text(f"lesion,decision,votes\n2,yes,{votes}\n3,,{votes}\n2,no,{votes}\n")
    with pytest.raises(FastfuseError, match=r"line 4: lesion 2 .* line 2 decides 'yes', this one 'no'"):
        fused(case, "reviewed.nii.gz", decisions=case / "r.csv")


def test_an_empty_list_is_said(case: Path) -> None:
    review_files(case / "consensus.nii.gz", case / "r.csv")
    with pytest.warns(fastfuse.FusionWarning, match="holds no decision"):
        again = fused(case, "same.nii.gz", quietly=False, decisions=case / "r.csv")
    np.testing.assert_array_equal(again.probability, np.asarray(nib.load(case / "consensus.nii.gz").dataobj))


@pytest.mark.parametrize(
    ("decisions", "changes", "said"),
    [
        ({"2": "maybe"}, {}, "line .*decision is 'maybe': write yes .* no .* empty"),
        ({}, {"lesion": "2.0"}, "lesion is '2.0'"),
        ({}, {"lesion": "2"}, "lesion 2 is there twice"),
        ({}, {"votes": "v123"}, "is a review of other votes"),
    ],
)
def test_bad_lists_are_refused(
    case: Path, decisions: dict[str, str], changes: dict[str, str], said: str
) -> None:
    review_files(case / "consensus.nii.gz", case / "r.csv", everything=True)
    decide(case / "r.csv", decisions, **changes)
    with pytest.raises(FastfuseError, match=said):
        fused(case, "reviewed.nii.gz", decisions=case / "r.csv")
    assert not (case / "reviewed.nii.gz").exists()


def test_an_unknown_lesion_other_columns_and_two_reviews_are_refused(case: Path) -> None:
    votes = review_files(case / "consensus.nii.gz", case / "r.csv").votes
    for text, said in (
        (f"lesion,decision,votes\n9,yes,{votes}\n", "there is no lesion 9: the votes hold 4"),
        (f"lesion,votes\n1,{votes}\n", "lacks the column decision"),
        ("lesion,decision,votes\n1,yes\n", "line 2: has 2 cells for 3 columns"),
        (
            f"lesion,decision,votes\n1,yes,{votes}\n2,no,v00\n",
            "lines of 2 reviews.*line 2 begins .*line 3 begins",
        ),
        ("lesion,decision,votes\n", "holds no lesion"),
        ("\0", "lacks|cannot be read as a list"),  # before Python 3.11
    ):
        (case / "r.csv").write_text(text)
        with pytest.raises(FastfuseError, match=said):
            fused(case, "reviewed.nii.gz", decisions=case / "r.csv")
    with pytest.raises(FastfuseError, match="cannot be read as a list"):
        fused(case, "reviewed.nii.gz", decisions=case / "consensus.nii.gz")


def test_other_votes_are_told_from_these(case: Path) -> None:
    review_files(case / "consensus.nii.gz", case / "r.csv")
    decide(case / "r.csv", {"1": "no"})
    image = nib.load(case / RATERS[0])
    data = np.asarray(image.dataobj).copy()
    data[20, 18, 14] = 1
    nib.save(nib.Nifti1Image(data, AFFINE), case / RATERS[0])
    with pytest.raises(FastfuseError, match="is a review of other votes"):
        fused(case, "reviewed.nii.gz", decisions=case / "r.csv")
    with pytest.raises(fastfuse.ImageError, match=r"rater 0.nii.gz has changed since"):
        review_files(case / "consensus.nii.gz", case / "r2.csv")


def test_what_is_no_consensus_of_masks_is_refused(case: Path) -> None:
    fused(case, "c.seg.nrrd")
    with pytest.raises(FastfuseError, match="no probability to review"):
        review_files(case / "c.seg.nrrd", case / "r.csv")
    given = {"labels": [1], "overlap": True, "method": "majority"}
    fastfuse.fuse_files([case / name for name in RATERS], case / "parts.nii.gz", **given)
    with pytest.raises(FastfuseError, match="is no consensus of masks, soft votes or label maps"):
        review_files(case / "parts.nii.gz", case / "r.csv")
    nib.save(nib.Nifti1Image(np.zeros(SHAPE, np.float32), AFFINE), case / "consensus.nii.gz")
    with pytest.raises(FastfuseError, match="has changed since its sidecar was written"):
        review_files(case / "consensus.nii.gz", case / "r.csv")
    for options in ({"max_memory": "1G"}, {"mrf": 0.1}, {"classes": 3}):
        with pytest.raises(ValueError, match="decisions are given"):
            fused(case, "x.nii.gz", decisions=case / "r.csv", **options)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"classes": 3}, "a border is no decision"),
        ({"mrf": 0.1}, "neighbours are coupled"),
        ({"intervals": "bootstrap", "replicates": 3}, "what is decided is not drawn anew"),
        (
            {"m_step": "em", "method": "simplified-soft-staple"},
            "it weighs votes by the rates that are sought",
        ),
        ({"preset": "recommended", "method": None}, None),
        ({"roi": 2.0}, None),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_it_is_said_before_the_work_that_decisions_do_not_come_back(
    case: Path, options: dict[str, Any], why: str | None
) -> None:
    """As fuse refuses them by these options; a preset chooses another method for them."""
    fused(case, "c.nii.gz", **options)
    made = ran(case, "review", "c.nii.gz", "-o", "r.csv", columns=1000)
    assert made.returncode == 0, made.stderr
    decide(case / "r.csv", {rows_of(case / "r.csv")[0]["lesion"]: "no"})
    if why is None:
        assert "decisions" not in made.stderr
        fused(case, "reviewed.nii.gz", decisions=case / "r.csv", **options)
        return
    name = next(iter(options))
    assert (
        f"with which decisions are refused ({why}): leave out --{name.replace('_', '-')} where" in made.stderr
    )
    with pytest.warns(
        fastfuse.FusionWarning, match=rf"decisions are refused \({why}\): leave out {name} where"
    ):
        review_files(case / "c.nii.gz", case / "s.csv")
    with pytest.raises(ValueError, match=f"decisions are given.*{why}"):
        fused(case, "reviewed.nii.gz", decisions=case / "r.csv", **options)


def test_the_command_prints_the_list_and_json(case: Path) -> None:
    made = ran(case, "review", "consensus.nii.gz", "-o", "r.csv", "--markups", "r.mrk.json")
    assert made.returncode == 0, made.stderr
    assert "3 of 4" in made.stdout
    assert "4 lesions, 3 listed" in made.stdout
    fused(case, "c.nii.gz", names=[f"rater {i}" for i in "ABCD"])
    wide, narrow = (
        ran(case, "review", "c.nii.gz", "-o", "c.csv", "--overwrite", columns=columns).stdout
        for columns in (120, 60)
    )
    assert "A, B, C" in wide
    assert "All names begin with rater." in wide
    assert "A, B, C" not in narrow
    assert "All names" not in narrow
    again = ran(case, "review", "consensus.nii.gz", "-o", "r.csv")
    assert again.returncode == 2
    assert "r.csv" in again.stderr
    told = ran(case, "review", "consensus.nii.gz", "-o", "r.csv", "--overwrite", "--json")
    facts = json.loads(told.stdout)
    assert [one["lesion"] for one in facts["lesions"]] == [
        int(row["lesion"]) for row in rows_of(case / "r.csv")
    ]


def test_where_a_rater_did_not_look_they_say_nothing(case: Path) -> None:
    seen = np.ones(SHAPE, np.uint8)
    seen[box(THREE, (3, 3, 3))] = 0
    nib.save(nib.Nifti1Image(seen, AFFINE), case / "seen.nii.gz")
    fused(case, "consensus.nii.gz", present=[None, None, None, case / "seen.nii.gz"], overwrite=True)
    found = review_files(case / "consensus.nii.gz", case / "r.csv")
    assert ("Anna", "Bert", "Carla") not in {one.marked_by for one in found.lesions}  # all who looked mark it


def test_numbers_that_changed_places_are_refused(case: Path) -> None:
    """As after one column of a spreadsheet was sorted alone."""
    review_files(case / "consensus.nii.gz", case / "r.csv", everything=True)
    rows = rows_of(case / "r.csv")
    rows[0]["lesion"], rows[1]["lesion"] = rows[1]["lesion"], rows[0]["lesion"]
    rows[0]["decision"] = "no"
    with (case / "r.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(
        FastfuseError, match=r"lies at .* mm, its line says .*: lines and numbers were mixed up"
    ):
        fused(case, "reviewed.nii.gz", decisions=case / "r.csv")
    assert not (case / "reviewed.nii.gz").exists()
