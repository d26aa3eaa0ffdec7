"""Quality control of a cohort's raters, on raters of whom it is known what is wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.fusion.of_raters.quality import Quality, quality_of
from fastfuse.fusion.options import Options
from fastfuse.fusion.registry import method_called

from ..cli.common import ran

NAMES = [f"rater {i}" for i in range(5)]
SHAPE = (16, 16, 10)
FUSE = ["cohort", "fuse", "data", "--out", "fused", "--glob", "{case}/{rater}.nii.gz", "--method", "staple"]


def votes_of(rng: np.random.Generator, sensitivity: np.ndarray) -> np.ndarray:
    truth = np.zeros(SHAPE, bool)
    at = rng.integers(2, 8, 3)
    truth[at[0] : at[0] + 6, at[1] : at[1] + 6, 1:7] = True
    flips = rng.random((len(sensitivity), *SHAPE))
    return np.where(truth, flips < sensitivity[:, None, None, None], flips < 0.01).astype(np.uint8)


def cohort(
    cases: int = 14, *, drift: float = 0.0, copied: bool = False, swapped: int | None = None
) -> dict[str, np.ndarray]:
    """Return votes by case; rater 1 drifts, rater 3 copies rater 2, rater 4 has another file in one case."""
    rng = np.random.default_rng(0)
    found = {}
    for case in range(cases):
        rates = np.full(5, 0.85)
        rates[1] -= drift * case / cases
        votes = votes_of(rng, rates)
        if copied:
            changed = rng.random(SHAPE) < 0.002
            votes[3] = votes[2] ^ changed
        if case == swapped:
            votes[4] = votes_of(rng, rates)[4][::-1, ::-1, ::-1]
        found[f"case {case:02d}"] = votes
    return found


def told(votes: dict[str, np.ndarray], method: str = "staple", **more: Any) -> Quality:
    tables = {case: fastfuse.tabulate(masks, names=NAMES, **more) for case, masks in votes.items()}
    deviations = {}
    if method == "staple":
        found = fastfuse.pool(tables, method)
        deviations = {case: fastfuse.deviation(table, found.of(case)) for case, table in tables.items()}
    quality = quality_of(tables, deviations, method_called(method), Options().checked())
    assert quality is not None
    return quality


def test_nothing_is_said_of_raters_who_are_all_right() -> None:
    quality = told(cohort())
    assert quality.remarks == []
    assert quality.drift_cases.tolist() == [14] * 5


def test_drift_is_told_by_the_rate_that_moves() -> None:
    (said,) = told(cohort(drift=0.4)).remarks
    assert said.startswith("rater 1: sensitivity falls with the order")


@pytest.mark.parametrize("held", [0, 1], ids=["nobody marks anything", "everybody marks everything"])
def test_cases_in_which_nobody_differs_tell_of_no_drift(held: int) -> None:
    """Their 0/0 is no rate, and their specificity, 1, none of a rater's; a drift among the others is still told."""
    alike = {f"a {k}": np.full((5, *SHAPE), held, np.uint8) for k in range(10)}
    quality = told(alike | cohort())
    assert quality.remarks == []
    assert quality.drift_cases.tolist() == [14] * 5
    drifts = told(alike | cohort(drift=0.4))
    assert [
        one for one in drifts.remarks if "rater 1: sensitivity falls with" in one and "over 14 cases" in one
    ]
    assert len(drifts.remarks) == 1
    few = {case: votes for case, votes in cohort(drift=0.4).items() if case < "case 09"}
    assert np.isnan(told(alike | few).drift).all()  # nine cases are too few, whatever is beside them


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_drift_where_no_other_rater_has_rates_over_all_cases() -> None:
    """Then nothing tells that the cases move, and it is the rater's."""
    votes = {case: masks.astype(np.float32) for case, masks in cohort(drift=0.4).items()}
    for k, masks in enumerate(votes.values()):
        masks[[other for other in (0, 2, 3, 4) if (k + other) % 3 == 0]] = np.nan
    quality = told(votes, missing="nan")
    assert np.isnan(quality.drift[[0, 2, 3, 4]]).all()
    assert any(one.startswith("rater 1: sensitivity falls") for one in quality.remarks)


def test_what_moves_in_most_raters_may_be_the_cases() -> None:
    """Controls with a stray voxel here and there come before patients."""
    rng = np.random.default_rng(5)
    controls = {f"a {k}": (rng.random((5, *SHAPE)) < 5e-4).astype(np.uint8) for k in range(10)}
    said = told(controls | cohort()).remarks
    assert [one.partition(" (")[0] for one in said] == [
        "sensitivity rises with the order of the cases' names, and does so in most raters",
        "specificity falls with the order of the cases' names, and does so in most raters",
    ]
    assert "beyond chance in rater 0, rater 1" in said[1]
    assert "the cases may differ along it" in said[1]


def test_a_copy_is_told() -> None:
    (said,) = told(cohort(copied=True)).remarks
    assert "rater 2 and rater 3 are nearer to each other" in said


@pytest.mark.parametrize("method", ["staple", "majority"])
def test_another_patients_file_is_told_with_its_case(method: str) -> None:
    said = [one for one in told(cohort(swapped=5), method).remarks if "this patient's" in one]
    assert len(said) == 1
    assert said[0].startswith("case 05: rater 4 has a Dice of 0")


@pytest.mark.parametrize("method", ["staple", "majority"])
def test_influence_is_that_of_fusing_without_the_rater(method: str) -> None:
    votes = cohort(6)
    quality = told(votes, method)
    whole = np.concatenate([votes[case] for case in sorted(votes)], axis=1)
    before = fastfuse.fuse(whole, method, dtype="float64").label()
    for i in range(5):
        without = fastfuse.fuse(np.delete(whole, i, axis=0), method, dtype="float64").label()
        changed = np.count_nonzero(before != without) / np.count_nonzero(before)
        assert quality.influence[i] == pytest.approx(changed, abs=1e-12)


def test_one_more_rater_moves_less_than_the_last_one_by_the_law_of_means() -> None:
    votes = cohort(6)
    quality = told(votes)
    assert quality.one_more == pytest.approx(quality.influence.mean() * (4 / 6) ** 0.5)
    three = {case: fastfuse.tabulate(masks[:3], names=NAMES[:3]) for case, masks in votes.items()}
    fewer = quality_of(three, {}, method_called("staple"), Options().checked())
    assert fewer is not None
    assert fewer.one_more > 2 * quality.one_more  # of few raters the next one matters more


def test_fewer_than_three_raters_and_soft_votes_tell_nothing() -> None:
    votes = cohort(3)
    method, options = method_called("majority"), Options().checked()
    two = {case: fastfuse.tabulate(masks[:2], names=NAMES[:2]) for case, masks in votes.items()}
    assert quality_of(two, {}, method, options) is None
    soft = {case: fastfuse.tabulate(masks * 0.5, names=NAMES) for case, masks in votes.items()}
    assert quality_of(soft, {}, method, options) is None


def test_a_cohort_writes_and_says_it(tmp_path: Path) -> None:
    for case, masks in cohort(4, swapped=2).items():
        for name, mask in zip(NAMES, masks, strict=True):
            path = tmp_path / "data" / case / f"{name}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(mask, np.diag([1.0, 1.0, 2.0, 1.0])), path)
    made = ran(tmp_path, *FUSE, "--report", "cohort.html")
    assert made.returncode == 0, made.stderr
    assert "case 02: rater 4 has a Dice of" in " ".join(made.stderr.split())
    rows = list(csv.DictReader((tmp_path / "fused" / "quality.csv").read_text().splitlines()))
    assert [row["rater"] for row in rows] == [*NAMES, "(one more)"]
    assert [row["cases_apart"] for row in rows[:5]] == ["", "", "", "", "case 02"]
    facts = json.loads((tmp_path / "fused" / "cohort.json").read_text())
    assert any("case 02: rater 4" in line for line in facts["warnings"]["cohort"])
    page = (tmp_path / "cohort.html").read_text()
    assert "What the raters move" in page


def test_who_meets_nobody_has_no_nearest_rater(tmp_path: Path) -> None:
    """Not the first of the list, with whom they have no Dice."""
    found, names = cohort(3), ["Ann", "Bob", "Eve", "Joe", "Zoe"]
    for case, masks in found.items():
        for name, mask in zip(names, masks, strict=True):
            alone = case == "case 02"
            if (name == "Zoe") == alone:
                path = tmp_path / "data" / case / f"{name}.nii.gz"
                path.parent.mkdir(parents=True, exist_ok=True)
                nib.save(nib.Nifti1Image(mask, np.diag([1.0, 1.0, 2.0, 1.0])), path)
    made = ran(tmp_path, *FUSE)
    assert made.returncode == 0, made.stderr
    rows = list(csv.DictReader((tmp_path / "fused" / "quality.csv").read_text().splitlines()))
    assert (rows[4]["rater"], rows[4]["nearest"], rows[4]["dice_with_nearest"]) == ("Zoe", "", "")
    assert all(row["nearest"] in names[:4] and float(row["dice_with_nearest"]) > 0.5 for row in rows[:4])


def label_maps(cases: int = 5) -> dict[str, np.ndarray]:
    """Return label maps by case. Rater 3 copies rater 2, save a few voxels. In two cases rater 4's file is of another case, or empty."""
    rng = np.random.default_rng(3)
    found = cohort(cases, copied=True, swapped=1)
    for votes in found.values():
        votes *= np.where(rng.random(SHAPE) < 0.4, 5, 2).astype(np.uint8)
        votes[0][rng.random(SHAPE) < 0.05] = 5
    found["case 03"][4] = 0
    return found


def dice_of_labels(one: np.ndarray, other: np.ndarray) -> float:
    both = np.count_nonzero((one == other) & (one > 0))
    return 2 * both / (np.count_nonzero(one) + np.count_nonzero(other))


@pytest.mark.parametrize("options", [[], ["--priors", "own"], ["--knows", "rater 0=0,2"]])
def test_of_label_maps_by_their_dice(tmp_path: Path, options: list[str]) -> None:
    """Copies, empty files and those of another patient are told as of masks; the numbers are those of NumPy."""
    found = label_maps()
    for case, maps in found.items():
        if "--knows" in options:
            maps[0][maps[0] == 5] = 0
        for name, one in zip(NAMES, maps, strict=True):
            path = tmp_path / "data" / case / f"{name}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(one, np.diag([1.0, 1.0, 2.0, 1.0])), path)
    made = ran(tmp_path, *FUSE, "--labels", "all", *options, "--report", "cohort.html")
    assert made.returncode == 0, made.stderr
    said = " ".join(made.stderr.split())
    for what in (
        "case 01: rater 4 has a Dice of 0",
        "case 03: rater 4 has a Dice of 0.00",
        "rater 2 and rater 3 are",
    ):
        assert what in said
    assert said.count("has a Dice of") == 2
    assert said.count("are nearer to each other") == 1

    whole = np.stack([np.concatenate([maps[i].ravel() for maps in found.values()]) for i in range(5)])
    rows = list(csv.DictReader((tmp_path / "fused" / "quality.csv").read_text().splitlines()))
    assert [row["cases_apart"] for row in rows[:5]] == ["", "", "", "", "case 01; case 03"]
    assert (rows[2]["nearest"], rows[3]["nearest"]) == ("rater 3", "rater 2")
    assert float(rows[2]["dice_with_nearest"]) == pytest.approx(dice_of_labels(whole[2], whole[3]))
    if "--knows" in options:  # 5 counts for nothing where one of the two does not know it
        of_two = [np.where(one == 5, 0, one) for one in whole]
        nearest = max(dice_of_labels(of_two[0], of_two[i]) for i in range(1, 5))
        assert float(rows[0]["dice_with_nearest"]) == pytest.approx(nearest)
    agreement = list(csv.DictReader((tmp_path / "fused" / "agreement.csv").read_text().splitlines()))
    for row in agreement:
        maps = found[row["case"]]
        known = [np.where(maps == 5, 0, maps) if "--knows" in options and not k else maps for k in range(5)]
        pairs = [dice_of_labels(known[k][i], known[k][k]) for i in range(5) for k in range(i)]
        assert float(row["mean_dice"]) == pytest.approx(np.mean(pairs))
        assert (row["voxels"], row["marked_voxels"]) == (str(maps[0].size), str(maps.any(axis=0).sum()))
    page = (tmp_path / "cohort.html").read_text()
    assert "Dice and conformity are those over all labels but 0." in page


def test_what_a_case_of_label_maps_is_told_by_shared_rates() -> None:
    """Copies in a case, and who gives nothing but background, as of masks."""
    found = label_maps()
    found["case 02"][3] = found["case 02"][2]
    tables = {case: fastfuse.tabulate(list(maps), names=NAMES, labels="all") for case, maps in found.items()}
    rates = fastfuse.pool(tables, "staple")
    with pytest.warns(fastfuse.FusionWarning) as caught:
        rates.apply(found["case 02"])
    assert [str(one.message) for one in caught] == [
        "rater 2 and rater 3 hold the same votes: they count as 2 raters; leave copies out"
    ]
    with pytest.warns(fastfuse.FusionWarning) as caught:
        rates.apply(found["case 03"])
    assert [str(one.message) for one in caught] == [
        "rater 4 gives label 0 alone: leave them out if they did not read, keep them if they did"
    ]
