"""``fastfuse review`` of label maps: which places are listed, in which order, and what comes of the answers."""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.errors import FastfuseError
from fastfuse.files.review.make import Review, review_files

from ..cli.common import ran
from .common import AFFINE, SHAPE, VOXEL_ML, box, decide, rows_of

RATERS = [f"map {i}.nii.gz" for i in range(4)]
NAMES = ["Anna", "Bert", "Carla", "=Dora"]
ORGAN, SWAPPED, ALONE, MOST = (2, 2, 2), (10, 2, 2), (18, 2, 2), (2, 12, 8)
LABELS = {0: "background", 1: "liver", 2: "spleen", 5: "=odd"}


def case_in(folder: Path, kind: type = np.uint8) -> Path:
    """Write maps: an organ that all draw, one that half call otherwise, one of one rater, one of three with unlike borders."""
    maps = np.zeros((4, *SHAPE), kind)
    for i in range(4):
        maps[(i, *box(ORGAN, (4 + i % 2, 5, 5)))] = 1
        maps[(i, *box(SWAPPED, (3, 4, 3)))] = 1 if i < 2 else 2
    maps[(3, *box(ALONE, (3, 3, 2)))] = 5
    for i in range(3):
        maps[(i, *box(MOST, (4, 4 if i else 5, 3)))] = 2
    for name, one in zip(RATERS, maps, strict=True):
        nib.save(nib.Nifti1Image(one, AFFINE), folder / name)
    fused(folder, "c.nii.gz")
    return folder


def fused(folder: Path, output: str, **options: Any) -> fastfuse.LabelFusion:
    given = {"labels": LABELS, "names": NAMES, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastfuse.FusionWarning)
        return fastfuse.fuse_files([folder / name for name in RATERS], folder / output, **given)


def data_of(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    return case_in(tmp_path)


def by_candidates(found: Review) -> dict[frozenset[str], Any]:
    return {frozenset(one.candidates): one for one in found.lesions}


def test_places_are_listed_by_what_hangs_on_them(maps: Path) -> None:
    found = review_files(maps / "c.nii.gz", maps / "r.csv")
    consensus = data_of(maps / "c.nii.gz")
    assert (found.all, len(found.lesions)) == (3, 3)  # not the organ, whose borders alone differ
    by = by_candidates(found)
    swapped, alone, most = (
        by[frozenset(said)]
        for said in (("liver", "spleen"), ("background", "=odd"), ("background", "spleen"))
    )
    assert swapped.says == {"Anna": "liver", "Bert": "liver", "Carla": "spleen", "=Dora": "spleen"}
    assert alone.says == {"Anna": "background", "Bert": "background", "Carla": "background", "=Dora": "=odd"}
    assert most.candidates == ("spleen", "background")
    for place, where, sides in (
        (swapped, SWAPPED, (3, 4, 3)),
        (alone, ALONE, (3, 3, 2)),
        (most, MOST, (4, 5, 3)),
    ):
        centre = AFFINE @ [*(at + (side - 1) / 2 for at, side in zip(where, sides, strict=True)), 1]
        np.testing.assert_allclose(place.centre_mm, centre[:3])
        assert place.ml == pytest.approx(np.prod(sides) * VOXEL_ML)
        inside = consensus[box(where, sides)]
        now = {name: value for value, name in LABELS.items()}[place.label]
        assert (inside == now).any()
        assert place.marked_by == tuple(name for name, says in place.says.items() if says == place.label)
        assert place.looked == 4
        share = 1 - len(place.marked_by) / 4
        assert place.stake_ml == pytest.approx(place.change_ml * share)
    assert (most.label, most.other) == ("spleen", "background")
    assert most.change_ml == pytest.approx(np.count_nonzero(consensus[box(MOST, (4, 5, 3))]) * VOXEL_ML)
    whole = fused(maps, "again.nii.gz")
    assert most.posterior == pytest.approx(
        float(whole.probability("spleen")[box(MOST, (4, 4, 3))].mean()), abs=1e-6
    )
    stakes = [one.stake_ml for one in found.lesions]
    assert stakes == sorted(stakes, reverse=True)


def test_the_list_has_the_columns_of_masks_and_the_candidates(maps: Path) -> None:
    found = review_files(maps / "c.nii.gz", maps / "r.csv", markups=maps / "r.mrk.json")
    rows = rows_of(maps / "r.csv")
    with (maps / "r.csv").open(newline="") as file:
        head = next(csv.reader(file))
    assert head[:3] == ["lesion", "decision", "candidates"]
    assert head[3:] == [
        "ras_x_mm", "ras_y_mm", "ras_z_mm", "ml", "marked_by", "marks", "looked", "posterior", "consensus", "change_ml", "stake_ml", "votes",
    ]  # fmt: skip
    for row, one in zip(rows, found.lesions, strict=True):
        assert int(row["lesion"]) == one.number
        assert row["candidates"].removeprefix("'") == "; ".join(one.candidates)
        assert row["consensus"].removeprefix("'") == one.label
        assert (row["marks"], row["looked"]) == (str(len(one.marked_by)), "4")
        assert not row["marked_by"].startswith("=")
        for name, says in one.says.items():
            assert name in row["marked_by"]
            assert says in row["marked_by"]
    (markup,) = json.loads((maps / "r.mrk.json").read_text())["markups"]
    for point, one in zip(markup["controlPoints"], found.lesions, strict=True):
        assert point["position"] == [-one.centre_mm[0], -one.centre_mm[1], one.centre_mm[2]]
        assert all(name in point["label"] for name in one.candidates)


@pytest.mark.parametrize("method", ["staple", "majority"])
def test_an_answer_is_fixed_in_em_and_recorded(maps: Path, method: str) -> None:
    fused(maps, "c.nii.gz", method=method, overwrite=True)
    before = data_of(maps / "c.nii.gz")
    by = by_candidates(review_files(maps / "c.nii.gz", maps / "r.csv"))
    swapped, alone, most = (
        by[frozenset(one)] for one in (("liver", "spleen"), ("background", "=odd"), ("background", "spleen"))
    )
    answers = {str(swapped.number): "Liver", str(alone.number): "'=odd", str(most.number): "0"}
    decide(maps / "r.csv", answers)
    fusion = fused(maps, "d.nii.gz", method=method, decisions=maps / "r.csv")
    after = data_of(maps / "d.nii.gz")
    assert (after[box(SWAPPED, (3, 4, 3))] == 1).all()
    assert (after[box(ALONE, (3, 3, 2))] == 5).all()
    assert (after[box(MOST, (4, 5, 3))] == 0).all()
    decided = np.zeros(SHAPE, bool)
    for where, sides in ((SWAPPED, (3, 4, 3)), (ALONE, (3, 3, 2)), (MOST, (4, 5, 3))):
        decided[box(where, sides)] = True
    if method == "majority":
        np.testing.assert_array_equal(after[~decided], before[~decided])
    plain = fused(maps, "e.nii.gz", method=method)
    odd = [0, 1, 2, 5].index(5)
    assert fusion.sensitivity[3, odd] == pytest.approx(1, abs=0.2)
    assert (fusion.sensitivity[:3, odd] < 0.5).all()  # whom the reviewer told wrong
    assert not np.allclose(plain.confusion, fusion.confusion, equal_nan=True)
    facts = json.loads((maps / "d.json").read_text())["decisions"]
    told = {one["lesion"]: one for one in facts["lesions"]}
    assert told[swapped.number] == {
        "lesion": swapped.number, "decision": "liver", "label": 1, "ras_mm": pytest.approx(swapped.centre_mm, abs=0.06),
        "ml": pytest.approx(swapped.ml), "says": swapped.says, "looked": 4,
    }  # fmt: skip
    assert facts["voxels"] == {"background": 60, "liver": 36, "=odd": 18}


def test_a_core_becomes_the_label_and_the_rest_stays_open(maps: Path) -> None:
    """Of a place whose border is in doubt: what half of those give it who say it; nobody tells where it ends."""
    by = by_candidates(review_files(maps / "c.nii.gz", maps / "r.csv"))
    most = by[frozenset(("background", "spleen"))]
    decide(maps / "r.csv", {str(most.number): "spleen"})
    fusion = fused(maps, "d.nii.gz", decisions=maps / "r.csv")
    inside = fusion.probability("spleen")[box(MOST, (4, 5, 3))]
    assert (inside[:, :4] == 1).all()
    assert (inside[:, 4] < 1).all()
    assert json.loads((maps / "d.json").read_text())["decisions"]["voxels"] == {"spleen": 48}


def test_a_second_round_and_rerun(maps: Path) -> None:
    found = review_files(maps / "c.nii.gz", maps / "r.csv")
    first, second = found.lesions[0], found.lesions[1]
    decide(maps / "r.csv", {str(first.number): first.other})
    fused(maps, "d.nii.gz", decisions=maps / "r.csv")
    same = ran(maps, "rerun", "d.json", "--out-dir", "again")
    assert same.returncode == 0, same.stderr
    decide(maps / "r.csv", {})  # the list goes on to be worked on
    again = review_files(maps / "d.nii.gz", maps / "s.csv", markups=maps / "s.mrk.json")
    assert again.votes == found.votes
    assert [one.number for one in again.lesions][-1] == first.number
    assert {row["lesion"]: row["decision"] for row in rows_of(maps / "s.csv") if row["decision"]} == {
        str(first.number): first.other
    }
    assert f"decided: {first.other}" in (maps / "s.mrk.json").read_text()
    decide(maps / "s.csv", {str(first.number): first.other, str(second.number): second.other})
    both = fused(maps, "e.nii.gz", decisions=maps / "s.csv")
    assert len(json.loads((maps / "e.json").read_text())["decisions"]["lesions"]) == 2
    assert not np.array_equal(both.label(), data_of(maps / "d.nii.gz"))


def test_bad_lists_are_refused_by_name(maps: Path) -> None:
    votes = review_files(maps / "c.nii.gz", maps / "r.csv").votes
    for text, said in (
        (f"lesion,decision,votes\n9,liver,{votes}\n", "there is no lesion 9: the votes hold 3"),
        (
            f"lesion,decision,votes\n1,yes,{votes}\n",
            r"line 2: decision is 'yes': write one of the labels \(background, liver, spleen, =odd\)",
        ),
        (f"lesion,decision,votes\n1,7,{votes}\n", "decision is '7': write one of the labels"),
        ("lesion,decision,votes\n1,liver,v00\n", "is a review of other votes"),
        (f"lesion,votes\n1,{votes}\n", "lacks the column decision"),
    ):
        (maps / "r.csv").write_text(text)
        with pytest.raises(FastfuseError, match=said):
            fused(maps, "d.nii.gz", decisions=maps / "r.csv")
    review_files(maps / "c.nii.gz", maps / "r.csv", overwrite=True)
    decide(maps / "r.csv", {"1": "liver"}, ras_x_mm="3.0")
    with pytest.raises(FastfuseError, match="lines and numbers were mixed up"):
        fused(maps, "d.nii.gz", decisions=maps / "r.csv")
    with pytest.raises(ValueError, match="everything is set: of label maps"):
        review_files(maps / "c.nii.gz", maps / "s.csv", everything=True)
    review_files(maps / "c.nii.gz", maps / "r.csv", overwrite=True)
    decide(maps / "r.csv", {"1": "liver"})
    prior = [maps / f"p{label}.nii.gz" for label in LABELS]
    for path in prior:
        nib.save(nib.Nifti1Image(np.full(SHAPE, 0.25, np.float32), AFFINE), path)
    with pytest.raises(ValueError, match="prior is a map"):
        fused(maps, "d.nii.gz", decisions=maps / "r.csv", prior=prior)
    with pytest.raises(ValueError, match="intervals is 'bootstrap'"):
        fused(maps, "d.nii.gz", decisions=maps / "r.csv", intervals="bootstrap")
    for name, options in (
        ("prior", {"prior": prior}),
        ("intervals", {"intervals": "bootstrap", "replicates": 3}),
    ):
        fused(maps, f"{name}.nii.gz", **options)
        with pytest.warns(fastfuse.FusionWarning, match=f"decisions are refused .*: leave out {name} where"):
            review_files(maps / f"{name}.nii.gz", maps / f"{name}.csv")  # before the reviewer's work
    with pytest.raises(FastfuseError, match="decision is 'liver': write yes"):  # of the label maps as masks
        fused(maps, "d.nii.gz", decisions=maps / "r.csv", labels=None, select_label=1)
    assert not (maps / "d.nii.gz").exists()


def test_missing_votes_and_two_labels_and_floats(tmp_path: Path) -> None:
    """Where a rater did not look they say nothing; two labels are fused as masks; maps may be floats."""
    masks = np.zeros((3, *SHAPE), np.float32)
    masks[0, 2:5, 2:5, 2:5] = masks[1, 2:5, 2:5, 2:5] = 3
    masks[2, 10:13, 2:5, 2:5] = 3
    masks[1, 10:13] = np.nan
    for i, one in enumerate(masks):
        nib.save(nib.Nifti1Image(one, AFFINE), tmp_path / f"{i}.nii.gz")
    paths = [tmp_path / f"{i}.nii.gz" for i in range(3)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastfuse.FusionWarning)
        fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", labels="all", missing="nan")
        found = review_files(tmp_path / "c.nii.gz", tmp_path / "r.csv")
        assert sorted(len(one.says) for one in found.lesions) == [2, 3]
        decide(tmp_path / "r.csv", {str(one.number): "3" for one in found.lesions})
        fastfuse.fuse_files(
            paths, tmp_path / "d.nii.gz", labels="all", missing="nan", decisions=tmp_path / "r.csv"
        )
    after = data_of(tmp_path / "d.nii.gz")
    assert (after[2:5, 2:5, 2:5] == 3).all()
    assert (after[10:13, 2:5, 2:5] == 3).all()


def test_the_command_the_terminal_and_the_page(maps: Path) -> None:
    pytest.importorskip("jinja2")
    told = ran(maps, "review", "c.nii.gz", "-o", "r.csv", columns=160)
    assert told.returncode == 0, told.stderr
    assert "Places on which raters disagree" in told.stdout
    assert "3 places, 3 listed." in told.stdout
    assert "Write the label into the column decision" in told.stdout
    as_json = json.loads(ran(maps, "review", "c.nii.gz", "-o", "j.csv", "--json").stdout)
    assert [one["lesion"] for one in as_json["lesions"]] == [
        int(row["lesion"]) for row in rows_of(maps / "r.csv")
    ]
    assert all(one["candidates"] and one["says"] for one in as_json["lesions"])
    number = rows_of(maps / "r.csv")[0]["lesion"]
    decide(maps / "r.csv", {number: "2"})
    words = ["--labels", "all", "--decisions", "r.csv", "-o", "d.nii.gz", "--report", "d.html", "--overwrite"]
    made = ran(maps, "fuse", *RATERS, *words)
    assert made.returncode == 0, made.stderr
    said = " ".join(made.stdout.split())
    assert f"Decided by r.csv: 1 2 (place {number});" in said
    page = (maps / "d.html").read_text()
    section = page[page.index('id="decisions"') :].partition("</section>")[0]
    assert "who says what" in section


def test_places_that_overlap_are_one(tmp_path: Path) -> None:
    """Of two raters' organs that cross, neither of which the other has: one place, whatever chain joins them."""
    maps = np.zeros((3, *SHAPE), np.int32)
    maps[0, 2:8, 2:6, 2:6] = 7
    maps[1, 6:12, 2:6, 2:6] = 9
    maps[2, 11:14, 2:6, 2:6] = 11
    maps[2, 20:22, 15:17, 10:12] = 7
    for i, one in enumerate(maps):
        nib.save(nib.Nifti1Image(one, AFFINE), tmp_path / f"{i}.nii.gz")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastfuse.FusionWarning)
        fastfuse.fuse_files([tmp_path / f"{i}.nii.gz" for i in range(3)], tmp_path / "c.nii.gz", labels="all")
    found = review_files(tmp_path / "c.nii.gz", tmp_path / "r.csv")
    volumes = sorted(round(one.ml / VOXEL_ML) for one in found.lesions)
    assert volumes == [8, 12 * 16]
    assert sorted(one.number for one in found.lesions) == [1, 2]


def test_a_rater_who_is_given_twice_is_told_twice(maps: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastfuse.FusionWarning)
        paths = [maps / name for name in [*RATERS, RATERS[3]]]
        fastfuse.fuse_files(paths, maps / "twice.nii.gz", labels="all")
    found = review_files(maps / "twice.nii.gz", maps / "r.csv")
    assert {one.looked for one in found.lesions} == {5}
    assert all(len(one.says) == 5 for one in found.lesions)
    assert "map 3.nii.gz (2)" in (maps / "r.csv").read_text()


def test_a_page_of_raters_who_are_given_twice(maps: Path) -> None:
    pytest.importorskip("jinja2")
    files = [*RATERS, RATERS[3]]
    assert ran(maps, "fuse", *files, "--labels", "all", "-o", "two.nii.gz").returncode == 0
    assert ran(maps, "review", "two.nii.gz", "-o", "r.csv").returncode == 0
    decide(maps / "r.csv", {rows_of(maps / "r.csv")[0]["lesion"]: "2"})
    words = ["--labels", "all", "--decisions", "r.csv", "-o", "d.nii.gz", "--report", "d.html"]
    made = ran(maps, "fuse", *files, *words)
    assert made.returncode == 0, made.stderr
    assert "who says what" in (maps / "d.html").read_text()
