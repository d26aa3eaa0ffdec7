"""Raters who read only where there is nothing to find: no vote tells their sensitivity, and that is said."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from fastfuse import fuse, pool, tabulate

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
    """Dan reads three healthy cases. His row in the table has no interval, and the warning names him."""
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
    assert float(dan["sensitivity"]) < 1e-6
    assert (dan["sensitivity_low"], dan["sensitivity_high"]) == ("", "")
    assert [one.startswith("Dan ") for one in remarks if "tells the sensitivity" in one] == [True]
    assert np.prod(SHAPE) == found.estimate.n_voxels / 6
