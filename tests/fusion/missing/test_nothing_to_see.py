"""Raters who read only where there is nothing to find: no vote tells their sensitivity, and that is said."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from fastfuse import fuse, pool, tabulate
from fastfuse.cohort.estimate_file import read_estimate
from fastfuse.report.fusion import print_fusion

from ...cohort.files import GLOB, SHAPE, make_cohort, mask_path, masks, save

VOXELS, HALF = 4000, 2000
NAMES = list("ABCD")
Votes = list[NDArray[np.float64]]


def half_read(marks: int = 0, seed: int = 0, raters: int = 3) -> Votes:
    """Return raters who find something in the first half alone, and one who reads the second."""
    rng = np.random.default_rng(seed)
    truth = np.arange(VOXELS) < 200
    votes = [
        np.where(rng.random(VOXELS) < np.where(truth, 0.8, 0.005), 1.0, 0.0) * (np.arange(VOXELS) < HALF)
        for _ in range(raters)
    ]
    last = np.where(np.arange(VOXELS) < HALF, np.nan, 0.0)
    last[HALF : HALF + marks] = 1
    return [*votes, last]


def told(call: Any, *args: Any, **options: Any) -> tuple[Any, list[str]]:
    """Return what a call returns, and its remarks."""
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = call(*args, **options)
    return found, [said for one in caught for said in getattr(one.message, "remarks", ())]


@pytest.mark.parametrize("method", ["staple", "soft-staple"])
@pytest.mark.parametrize("kind", ["bootstrap", "information"])
def test_one_case(method: Any, kind: Any) -> None:
    """What EM found stays as it is; the interval is no more [1e-12, 1e-12]."""
    votes = half_read()
    plain, remarks = told(fuse, votes, method=method, missing="nan")
    found, again = told(fuse, votes, method=method, missing="nan", intervals=kind, replicates=20)
    np.testing.assert_array_equal(found.sensitivity, plain.sensitivity)
    assert found.sensitivity[3] == 1e-12
    assert np.isnan(found.intervals.sensitivity[3]).all()
    assert np.isnan(found.intervals.sensitivity_error[3])
    assert np.isfinite(found.intervals.sensitivity[:3]).all()
    if kind == "bootstrap":
        assert np.isfinite(found.intervals.specificity).all()
    wanted = "rater 3 marks nothing, and the consensus holds nothing where they read, so that no vote tells the sensitivity"
    for said in (remarks, again):
        assert [one.startswith(wanted) for one in said].count(True) == 1


def test_who_marks_where_nobody_agrees() -> None:
    """Is no rater whose sensitivity is 1, or worse than chance: the consensus has not half a voxel there."""
    found, remarks = told(
        fuse, half_read(5, raters=6), method="staple", missing="nan", intervals="bootstrap", replicates=20
    )
    assert "rater 6 reads only where the consensus holds nothing: no vote tells the sensitivity" in remarks
    assert np.isnan(found.intervals.sensitivity[6]).all()
    assert not any("worse than chance" in one for one in remarks)


def test_who_reads_what_everybody_marks_has_no_specificity() -> None:
    votes = [1 - one for one in half_read()]
    found, _ = told(fuse, votes, method="staple", missing="nan", intervals="bootstrap", replicates=20)
    assert np.isnan(found.intervals.specificity[3]).all()
    assert np.isfinite(found.intervals.specificity[:3]).all()
    assert np.isfinite(found.intervals.sensitivity[3]).all()


def test_nothing_is_said_of_raters_who_saw_something() -> None:
    """Nor of all, where the consensus is empty as a whole, which another remark says."""
    votes = half_read()
    votes[3][:HALF] = votes[0][:HALF]
    _, remarks = told(fuse, votes, method="staple", missing="nan")
    assert not any("tells the sensitivity" in one for one in remarks)
    _, remarks = told(fuse, votes, method="staple", missing="nan", prior=1e-12)
    assert not any("tells the sensitivity" in one for one in remarks)


@pytest.mark.parametrize("priors", ["own", "shared"])
def test_over_cases(priors: Any) -> None:
    """A reader of healthy cases alone; and one whom a third of the samples show no lesion: no interval begins at 1e-12."""
    tables = {str(case): tabulate(half_read(seed=case), names=NAMES, missing="nan") for case in range(5)}
    options: dict[str, Any] = {"priors": priors, "intervals": "bootstrap", "replicates": 40}
    plain, _ = told(pool, tables, "staple", priors=priors)
    found, remarks = told(pool, tables, "staple", **options)
    np.testing.assert_array_equal(found.sensitivity, plain.sensitivity)
    assert found.sensitivity[3] < 1e-6
    assert np.isnan(found.intervals.sensitivity[3]).all()
    assert np.isfinite(found.intervals.sensitivity[:3]).all()
    assert np.isfinite(found.intervals.specificity).all()
    (said,) = [one for one in remarks if "tells the sensitivity" in one]
    assert said.startswith("D ")
    assert not any("worse than chance" in one for one in remarks)
    votes = half_read(seed=9)
    votes[3] = votes[0]
    votes[3] = np.where(np.arange(VOXELS) % 7 == 3, 1 - votes[3], votes[3])
    found, remarks = told(pool, tables | {"9": tabulate(votes, names=NAMES)}, "staple", **options)
    assert np.isnan(found.intervals.sensitivity[3]).all()
    assert np.isfinite(found.intervals.specificity[3]).all()
    assert not any("tells the sensitivity" in one for one in remarks)


@pytest.mark.parametrize("priors", ["own", "shared"])
def test_tables_of_a_cohort(tmp_path: Path, priors: Any) -> None:
    """A rater of healthy cases alone has no sensitivity in the table, nor an interval of it, and a warning names them."""
    root = make_cohort(tmp_path / "in", 3)
    for case in range(3):
        for name, mask in zip(("Ann", "Bob", "Dan"), 0 * masks(case), strict=True):
            save(mask_path(root, f"healthy-{case}", name), mask)
    found, remarks = told(
        fastfuse.fuse_cohort, root, tmp_path / "out", glob=GLOB, method="staple", priors=priors, replicates=20
    )
    assert found.failed == {}
    rows = csv.DictReader((tmp_path / "out" / "raters.csv").read_text().splitlines())
    (dan,) = [row for row in rows if row["rater"] == "Dan"]
    assert (dan["sensitivity"], dan["sensitivity_low"], dan["sensitivity_high"]) == ("", "", "")
    assert float(dan["specificity"]) > 0.99
    assert found.estimate.sensitivity[2] < 1e-6
    assert "nan" in repr(found.estimate).splitlines()[4]
    facts = json.loads((tmp_path / "out" / "cases" / "healthy-0" / "consensus.json").read_text())
    assert {one["name"]: one["sensitivity"] is None for one in facts["raters"]} == {
        "Ann": False,
        "Bob": False,
        "Dan": True,
    }
    assert [one.startswith("Dan ") for one in remarks if "tells the sensitivity" in one] == [True]
    assert np.prod(SHAPE) == found.estimate.n_voxels / 6
    kept = json.loads((tmp_path / "out" / "estimate.json").read_text())
    assert kept["estimate"]["untold"] == [[False, False, True, False], [False] * 4]
    assert kept["estimate"]["sensitivity"][2] < 1e-6
    assert [row["sensitivity"] is None for row in found.facts["raters"]] == [False, False, True, False]
    path = tmp_path / "damaged.json"
    of_one = "untold, sensitivity"
    for untold, message in [
        ([[False, 1, True, False], [False] * 4], f"{of_one} of 'Bob' is 1: it must be true or false"),
        ([[False] * 3, [False] * 4], f"{of_one} is .*: it must hold 4 values"),
        ([[False] * 4], "it must hold true or false for the sensitivity and the specificity of each rater"),
        (True, "untold is True: it must hold true or false for the sensitivity and the specificity"),
    ]:
        path.write_text(json.dumps({**kept, "estimate": {**kept["estimate"], "untold": untold}}))
        with pytest.raises(fastfuse.FastfuseError, match=message):
            read_estimate(path)
    path.write_text(json.dumps({**kept, "estimate": {**kept["estimate"], "untold": None}}))
    assert read_estimate(path).estimate._untold is None


def test_tables_show_no_rate_that_is_0_of_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Terminal, sidecar, data frame and notebook say that it is undefined; attributes keep EM's number."""
    votes = [np.reshape(vote, (40, 10, 10)) for vote in half_read()]
    found, _ = told(fuse, votes, method="staple", missing="nan")
    rates = [row["sensitivity"] for row in found.table()]
    assert np.isnan(rates[3])
    assert rates[:3] == found.sensitivity[:3].tolist()
    assert found.sensitivity[3] == 1e-12
    assert found._repr_html_().count("undefined") == 2  # of PPV, too
    assert [line.split().count("nan]") for line in repr(found).splitlines()[1:]] == [1, 0]
    told(found.save, tmp_path / "consensus.nii", like=nib.Nifti1Image(votes[0], np.eye(4)))
    facts = json.loads((tmp_path / "consensus.json").read_text())
    assert facts["raters"][3]["sensitivity"] is None
    assert facts["raters"][3]["specificity"] == found.specificity[3]
    facts["raters"][3]["marked_ml"] = 0.0
    for one in facts["raters"]:
        one["marked_ml"] = one["marked_ml"] or 0.0
    print_fusion(facts, [])
    (line,) = [one for one in capsys.readouterr().out.splitlines() if one.strip().startswith("rater 3")]
    assert line.split()[2:4] == ["undefined", "1.0000"]
    upside_down, _ = told(fuse, [1 - one for one in votes], method="staple", missing="nan")
    assert np.isnan(upside_down.table()[3]["specificity"])
    assert upside_down.specificity[3] == 1e-12


def test_a_belief_makes_the_rate() -> None:
    found, _ = told(fuse, half_read(), method="staple", missing="nan", performance_prior=(50, 0.9 * 50))
    assert found.table()[3]["sensitivity"] == found.sensitivity[3] > 0.1


def test_two_labels() -> None:
    """Both may be true everywhere: EM ends at 1e-12 for who votes where label 4 is nowhere."""
    votes = [4 * one for one in half_read()]
    found, _ = told(fastfuse.staple, votes, labels=[0, 4], missing="nan", candidates="all")
    assert found.sensitivity[3, 1] == 1e-12
    shown = np.reshape([row["sensitivity"] for row in found.table()], (4, 2))
    assert np.argwhere(np.isnan(shown)).tolist() == [[3, 1]]


def test_three_labels(tmp_path: Path) -> None:
    """One stray voxel of label 4 is none of the consensus's: the rate that the belief makes is no estimate."""
    votes = [np.reshape(4 * one, (40, 10, 10)) for one in half_read(raters=6)]
    for one in votes:
        one[-4:] = 5
    votes[0][21, 0, 0] = 4
    found, _ = told(fastfuse.staple, votes, labels=[0, 4, 5], missing="nan")
    assert found.sensitivity[6, 1] > 0.8
    shown = np.reshape([row["sensitivity"] for row in found.table()], (7, 3))
    assert np.argwhere(np.isnan(shown)).tolist() == [[6, 1]]
    assert repr(found).count("nan") == 1
    told(found.save, tmp_path / "labels.nii", like=nib.Nifti1Image(votes[0], np.eye(4)))
    facts = json.loads((tmp_path / "labels.json").read_text())
    assert [one["sensitivity"] is None for one in facts["raters"][6]["labels"]] == [False, True, False]


def test_means_over_cases_leave_it_out(tmp_path: Path) -> None:
    """Each case by itself: in one of two, Dan looks only where nothing is."""
    root = tmp_path / "in"
    for case in range(2):
        votes = [np.reshape(vote, (40, 10, 10)).astype(np.float32) for vote in half_read(seed=case)]
        votes[3] = votes[3] if case else np.where(np.arange(40)[:, None, None] < 3, votes[0], votes[1])
        for name, vote in zip(("Ann", "Bob", "Cai", "Dan"), votes, strict=True):
            save(mask_path(root, f"case-{case}", name), vote)
    found, _ = told(
        fastfuse.fuse_cohort, root, tmp_path / "out", glob=GLOB, method="staple", pool="none", missing="nan"
    )
    assert found.failed == {}
    of_dan = []
    for case in range(2):
        path = tmp_path / "out" / "cases" / f"case-{case}" / "consensus.json"
        of_dan.append(json.loads(path.read_text())["raters"][3])
    assert of_dan[1]["sensitivity"] is None
    (row,) = [row for row in found.facts["raters"] if row["rater"] == "Dan"]
    assert row["sensitivity"] == of_dan[0]["sensitivity"] > 0.5
    assert row["sensitivity_95"] == [None, None]
    assert row["specificity"] == np.mean([one["specificity"] for one in of_dan])
    assert None not in row["specificity_95"]
