"""A folder of predictions held against a folder of truths."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import Evaluation, evaluate_files, evaluate_folders
from fastfuse.evaluation.bootstrap import bootstrap_interval
from fastfuse.evaluation.summary import summary_of

from .test_evaluation import BRAIN, save
from .test_surface import SHAPE, blobs

CASES = ("a", "b", "c", "d", "e")
NONE = np.zeros(SHAPE, np.uint8)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Five cases: in one the prediction is empty, in one the truth, in one both."""
    predictions, truths = tmp_path / "p", tmp_path / "t"
    for folder in (predictions, truths):
        folder.mkdir()
    for i, name in enumerate(CASES):
        truth = NONE if name in "de" else blobs(i).astype(np.uint8)
        prediction = NONE if name in "ce" else (blobs(i) | blobs(i + 50, 0.05)).astype(np.uint8)
        save(truths / f"{name}.nii.gz", truth)
        save(predictions / f"{name}.nii.gz", prediction)
    return predictions, truths


def test_a_row_a_case(folders: tuple[Path, Path], tmp_path: Path) -> None:
    steps: list[str] = []
    found = evaluate_folders(*folders, output=tmp_path / "s.csv", tolerance_mm=1, progress=steps.append)
    assert list(found.cases) == list(CASES)
    for name in CASES:
        pair = [folder / f"{name}.nii.gz" for folder in folders]
        np.testing.assert_equal(asdict(found.cases[name]), asdict(evaluate_files(*pair, tolerance_mm=1)))
    assert steps.count("comparing") == len(CASES)
    with (tmp_path / "s.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["case", *(field.name for field in fields(Evaluation))]
    for row, name in zip(rows, CASES, strict=True):
        assert row.pop("case") == name
        np.testing.assert_equal({key: float(value) for key, value in row.items()}, asdict(found.cases[name]))
    assert [row["hd95_mm"] for row in rows][2:] == ["inf", "inf", "0.0"]
    assert rows[4]["precision"] == "nan"


def test_summary(folders: tuple[Path, Path], tmp_path: Path) -> None:
    found = evaluate_folders(*folders, output=tmp_path / "s.json")
    facts = json.loads((tmp_path / "s.json").read_text())
    dices = [one.dice for one in found.cases.values()]
    dice = found.summary["dice"]
    assert (dice.mean, dice.median) == (pytest.approx(np.mean(dices)), np.median(dices))
    assert (dice.low, dice.high) == bootstrap_interval(dices)
    assert (dice.defined, dice.undefined, dice.infinite) == (5, 0, 0)
    counts = {name: (one.defined, one.undefined, one.infinite) for name, one in found.summary.items()}
    assert counts["precision"] == (3, 2, 0)
    assert counts["recall"] == (3, 2, 0)
    assert counts["hd95_mm"] == counts["assd_mm"] == counts["hd100_mm"] == (5, 0, 2)
    assert found.summary["hd95_mm"].mean == math.inf
    assert "surface_dice" not in found.summary
    said = facts["summary"]["hd95_mm"]
    assert (said["mean"], said["status"]["mean"], said["infinite"]) == (None, "infinite", 2)
    assert facts["summary"]["dice"]["mean"] == dice.mean
    assert facts["cases"]["d"]["hd95_mm"] is None
    assert facts["cases"]["d"]["status"]["hd95_mm"] == "infinite"
    assert facts["cases"]["d"]["status"]["recall"] == "undefined"


def test_pooled_dice(folders: tuple[Path, Path]) -> None:
    found = evaluate_folders(*folders)
    all_of = {
        name: sum(getattr(one, name) for one in found.cases.values())
        for name in ("true_positives", "false_positives", "false_negatives")
    }
    both, only_one = all_of["true_positives"], all_of["false_positives"] + all_of["false_negatives"]
    assert found.pooled.dice == 2 * both / (2 * both + only_one)
    assert found.pooled.dice != pytest.approx(found.summary["dice"].mean, abs=0.01)


@pytest.mark.parametrize(
    ("values", "mean", "median", "counts"),
    [
        ([1, 2, 6], 3, 2, (3, 0, 0)),
        ([1, math.nan, 3], 2, 2, (2, 1, 0)),
        ([1, math.inf, 3], math.inf, 3, (3, 0, 1)),
        ([1, math.inf], math.inf, math.inf, (2, 0, 1)),
        ([math.inf, math.inf], math.inf, math.inf, (2, 0, 2)),
        ([math.nan], math.nan, math.nan, (0, 1, 0)),
    ],
)
def test_summaries(values: list[float], mean: float, median: float, counts: tuple[int, ...]) -> None:
    found = summary_of(values)
    np.testing.assert_equal((found.mean, found.median), (mean, median))
    assert (found.defined, found.undefined, found.infinite) == counts
    assert math.isnan(found.low) == (found.defined < 2)


def test_missing_ones_are_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    predictions, truths = folders
    (predictions / "b.nii.gz").rename(predictions / "x.nii.gz")
    (truths / "a.nii.gz").rename(truths / "a_gt.nii.gz")
    message = r"t: no prediction for 1, left out: b\.nii\.gz; .*p: no truth for 1, left out: x\.nii\.gz"
    with pytest.warns(fastfuse.FusionWarning, match=message) as caught:
        found = evaluate_folders(predictions, truths, output=tmp_path / "s.json")
    assert caught[0].filename == __file__
    assert (found.missing_predictions, found.missing_truths) == (["b.nii.gz"], ["x.nii.gz"])
    assert list(found.cases) == ["a", "c", "d", "e"]
    facts = json.loads((tmp_path / "s.json").read_text())
    assert (facts["missing_predictions"], facts["missing_truths"]) == (["b.nii.gz"], ["x.nii.gz"])
    assert facts["matched_by"]["case name"] == 1


@pytest.mark.parametrize("kind", ["one for all", "a folder"])
def test_masks(folders: tuple[Path, Path], tmp_path: Path, kind: str) -> None:
    mask = save(tmp_path / "brain.nii.gz", BRAIN)
    given = mask
    if kind == "a folder":
        given = tmp_path / "masks"
        given.mkdir()
        for name in CASES:
            save(given / f"{name}_mask.nii.gz", BRAIN)
    found = evaluate_folders(*folders, mask=given)
    for name in CASES:
        pair = [folder / f"{name}.nii.gz" for folder in folders]
        np.testing.assert_equal(asdict(found.cases[name]), asdict(evaluate_files(*pair, mask=mask)))
    if kind == "a folder":
        (given / "c_mask.nii.gz").unlink()
        with pytest.raises(fastfuse.FastfuseError, match=r"masks: no mask for c: add it"):
            evaluate_folders(*folders, mask=given)


def test_one_remark_for_all_masks_of_specks(folders: tuple[Path, Path]) -> None:
    specks = NONE.copy()
    specks[3, 3, 3] = specks[9, 9, 9] = 1
    for name in "ce":
        save(folders[0] / f"{name}.nii.gz", specks)
    with pytest.warns(fastfuse.FusionWarning, match="left out") as caught:
        evaluate_folders(*folders)
    said = str(caught[0].message)
    assert said.count("no lesion above 3 mm³") == 1
    assert "the prediction of c (2), the prediction of e (2)" in said


def test_what_is_said_of_several_cases_is_said_once(folders: tuple[Path, Path]) -> None:
    with pytest.warns(fastfuse.FusionWarning, match="does not occur") as caught:
        found = evaluate_folders(*folders, truth_select_label=5)
    said = str(caught[0].message)
    assert len(caught) == 1
    assert said.count("label 5 does not occur (values that occur: 0, 1)") == 1
    assert all(f"{name}.nii.gz" in said for name in "abc")
    assert found.cases["a"].truth_ml == 0


@pytest.mark.filterwarnings("ignore:.*the cut 0.4 does nothing here:fastfuse.FusionWarning")
def test_options_reach_every_case(folders: tuple[Path, Path]) -> None:
    options: dict[str, Any] = {
        "cut": 0.4, "least_voxels": 3, "least_mm3": 9, "connectivity": 18, "match": "any", "tolerance_mm": 2,
        "truth_binarize": True, "threshold": 0.5,
    }  # fmt: skip
    found = evaluate_folders(*folders, **options)
    for name in CASES:
        pair = [folder / f"{name}.nii.gz" for folder in folders]
        np.testing.assert_equal(asdict(found.cases[name]), asdict(evaluate_files(*pair, **options)))


def spoil(folder: Path, name: str, kind: str) -> None:
    """Make a prediction one that cannot be compared."""
    bad = folder / f"{name}.nii.gz"
    if kind == "damaged":
        bad.write_bytes(bad.read_bytes()[:100])
    else:
        save(bad, 3 * np.ones(SHAPE, np.uint8) if kind == "label map" else NONE[1:])


@pytest.mark.parametrize("kind", ["damaged", "other grid", "label map"])
def test_a_bad_case_is_named_and_the_others_are_done(
    folders: tuple[Path, Path], tmp_path: Path, kind: str
) -> None:
    whole = evaluate_folders(*folders)
    spoil(folders[0], "c", kind)
    with pytest.warns(fastfuse.FusionWarning, match=r"c failed: \S*c\.nii\.gz.*: ") as caught:
        found = evaluate_folders(*folders, output=tmp_path / "s.csv")
    assert list(found.failed) == ["c"]
    assert found.failed["c"] in str(caught[0].message)
    assert list(found.cases) == ["a", "b", "d", "e"]
    for name, one in found.cases.items():
        np.testing.assert_equal(asdict(one), asdict(whole.cases[name]))
    dices = [one.dice for one in found.cases.values()]
    assert found.summary["dice"].mean == pytest.approx(np.mean(dices))
    with (tmp_path / "s.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["case"] for row in rows] == ["a", "b", "d", "e", "c"]
    assert [row["failed"] for row in rows] == ["", "", "", "", found.failed["c"]]
    assert {value for key, value in rows[-1].items() if key not in ("case", "failed")} == {""}
    facts = json.loads((tmp_path / "s.json").read_text())
    assert facts["failed"] == found.failed
    assert list(facts["cases"]) == list(found.cases)


def test_where_all_cases_are_bad_nothing_is_written(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Of one case the error is that of two files."""
    for name in CASES:
        spoil(folders[0], name, "label map")
    with pytest.raises(fastfuse.FastfuseError, match=r"all 5 cases failed; a: .*a\.nii\.gz.*binarize=True"):
        evaluate_folders(*folders, output=tmp_path / "s.csv")
    for name in CASES[1:]:
        (folders[0] / f"{name}.nii.gz").unlink()
    with pytest.raises(ValueError, match=r"^(?!all).*a\.nii\.gz.*binarize=True"):
        evaluate_folders(*folders, output=tmp_path / "s.csv")
    assert not list(tmp_path.glob("s.*"))


def test_outputs(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text("mine")
    with pytest.raises(fastfuse.OutputError, match=r"s\.json: exists already"):
        evaluate_folders(*folders, output=tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()
    with pytest.raises(
        fastfuse.OutputError, match=r"s\.xlsx: the name of an output must end in \.csv or \.json"
    ):
        evaluate_folders(*folders, output=tmp_path / "s.xlsx")
    evaluate_folders(*folders, output=tmp_path / "s.csv", overwrite=True)
    assert json.loads((tmp_path / "s.json").read_text())["method"] == "evaluation"


def test_a_file_beside_a_folder_is_refused(folders: tuple[Path, Path]) -> None:
    one = folders[0] / "a.nii.gz"
    with pytest.raises(fastfuse.FastfuseError, match=r"a\.nii\.gz is one file, and .*t is a folder"):
        evaluate_folders(one, folders[1])
    with pytest.raises(fastfuse.FastfuseError, match=r"absent: no such folder"):
        evaluate_folders(folders[0], folders[1] / "absent")


def test_names_with_commas_and_quotes(folders: tuple[Path, Path], tmp_path: Path) -> None:
    for folder in folders:
        (folder / "a.nii.gz").rename(folder / 'a,"b"\n.nii.gz')
    evaluate_folders(*folders, output=tmp_path / "s.csv")
    with (tmp_path / "s.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1][0] == 'a,"b"\n'
    assert {len(row) for row in rows} == {len(rows[0])}
