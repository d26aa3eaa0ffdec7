"""Labels that a rater does not know, over a cohort: nothing is said of them, and estimates that are saved go by them."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.cohort.apply import AskedToApply, applied_cohort
from fastfuse.cohort.estimate_file import read_estimate
from fastfuse.cohort.export import (
    cases_read,
    export_of,
    merged,
    options_of_merge,
    read_pseudonyms,
    write_merged,
)
from fastfuse.cohort.workers.crew import Crew
from fastfuse.errors import CohortError

from ...cohort.files import GLOB, consensus, fused, make_cohort, mask_path, save
from ...command import run_here

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
KNOWS = {"Eve": [0, 1, 2]}


def cohort(folder: Path, count: int = 3) -> Path:
    """Write a cohort of label maps; Eve does not know label 3."""
    root = make_cohort(folder, count, labels=True)
    for number in range(count):
        path = mask_path(root, f"case-{number:02}", "Eve")
        votes = np.asanyarray(nib.load(path).dataobj)
        save(path, np.where(votes == 3, 0, votes).astype(np.uint8))
    return root


def check_cases(out: Path, count: int = 3) -> None:
    """Assert that each case's sidecar says nothing of Eve at label 3, and all of everything else."""
    for number in range(count):
        text = (out / "cases" / f"case-{number:02}" / "consensus.json").read_text()
        assert "NaN" not in text
        for rater in json.loads(text)["raters"]:
            null = rater["name"] == "Eve"
            told = [[one[name] for name in ("sensitivity", "ppv", "dice")] for one in rater["labels"]]
            assert (told[3] == [None] * 3) == null
            assert all(None not in row for row in told[:3])


@pytest.mark.parametrize("way", [{}, {"priors": "own"}, {"pool": "none"}])
def test_in_all_that_is_written(tmp_path: Path, way: dict[str, Any]) -> None:
    """In all that is written nothing is said of them; a saved estimate goes by them when it is read back."""
    root, out = cohort(tmp_path / "in"), tmp_path / "out"
    page = tmp_path / "c.html"
    found = fused(root, out, labels="all", method=None, knows=KNOWS, report=page, **way)
    assert not found.failed
    check_cases(out)
    if "pool" in way:
        return
    rows = list(csv.DictReader((out / "raters.csv").read_text().splitlines()))
    assert [(row["rater"], row["label"]) for row in rows if row["sensitivity"] == ""] == [("Eve", "3")]
    told = json.loads((out / "cohort.json").read_text())["raters"]
    undefined = [
        (row["rater"], row["label"], row["sensitivity_95"]) for row in told if row["sensitivity"] is None
    ]
    assert undefined == [("Eve", "3", [None, None])]
    assert page.read_text().count(">undefined<") == 3  # and PPV and Dice
    saved = read_estimate(out / "estimate.json").estimate
    assert isinstance(saved, fastfuse.LabelEstimate)
    eve = saved.names.index("Eve")
    assert np.isnan(saved.confusion[eve, 3]).all()
    assert np.isnan(saved.confusion).all(axis=2).sum() == 1
    np.testing.assert_allclose(saved._rates[eve, 3].sum(), 1)
    applied, _ = applied_cohort(
        AskedToApply(out / "estimate.json", root, tmp_path / "applied", GLOB), Crew(), lambda _: None
    )
    assert not applied.failed
    check_cases(tmp_path / "applied")
    if not way:  # the same rates, and one prior of all cases
        for number in range(3):
            case = f"case-{number:02}"
            np.testing.assert_array_equal(consensus(tmp_path / "applied", case), consensus(out, case))


def test_in_the_shell(tmp_path: Path) -> None:
    root = cohort(tmp_path / "in")
    words = ["cohort", "fuse", str(root), "--glob", GLOB, "--labels", "all", "--out"]
    done = run_here(tmp_path, *words, "out", "--knows", "Eve=0,1,2")
    assert done.returncode == 0, done.stderr
    assert re.search(r"Eve +3 +3( +undefined){3} *\n", done.stdout)
    check_cases(tmp_path / "out")
    fused(root, tmp_path / "python", labels="all", method=None, knows=KNOWS, replicates=200)
    for case in ("case-00", "case-02"):
        np.testing.assert_array_equal(consensus(tmp_path / "out", case), consensus(tmp_path / "python", case))
    twice = run_here(tmp_path, *words, "o2", "--knows", "Eve=0,1,2", "--knows", "Eve=0")
    assert (twice.returncode, "--knows names Eve twice: give all their labels at once" in twice.stderr) == (
        2,
        True,
    )
    for way in ("none", "raters"):
        wrong = run_here(tmp_path, *words, "o3", "--knows", "Zoe=0,1,2", "--pool", way)
        assert "--knows names 'Zoe': the raters are Ann, Bob, Eve" in wrong.stderr
        assert (wrong.returncode, (tmp_path / "o3").exists()) == (2, False)


def test_of_merged_sites(tmp_path: Path) -> None:
    """What a rater knows is told by pseudonym where sums are merged, and holds under the name where rates are applied."""
    root, out = cohort(tmp_path / "in", 5), tmp_path / "out"
    fused(root, out, labels="all", method=None, knows=KNOWS)
    export_of(out).write(tmp_path / "a.npz", out)
    names = read_pseudonyms(out / "pseudonyms.csv")
    table, saved, _ = merged([tmp_path / "a.npz"], options_of_merge(knows=[(names["Eve"], (0, 1, 2))]))
    made: Any = saved.estimate
    undefined = np.argwhere(np.isnan(made.sensitivity))
    assert [(made.names[rater], made.labels[code]) for rater, code in undefined] == [(names["Eve"], 3)]
    write_merged(tmp_path / "merged", table, saved, cases_read([tmp_path / "a.npz"]))
    asked = AskedToApply(tmp_path / "merged" / "estimate.json", root, tmp_path / "ap", GLOB, called=names)
    applied, _ = applied_cohort(asked, Crew(), lambda _: None)
    assert not applied.failed
    check_cases(tmp_path / "ap", 5)
    assert read_estimate(tmp_path / "ap" / "estimate.json").settings.knows == {"Eve": [0, 1, 2]}
    masks = make_cohort(tmp_path / "masks")
    fused(masks, tmp_path / "of masks")
    export_of(tmp_path / "of masks").write(tmp_path / "m.npz", tmp_path / "of masks")
    with pytest.raises(CohortError, match="knows is given, and the tables are of masks"):
        merged([tmp_path / "m.npz"], options_of_merge(method="staple", knows=[("A", (0, 1))]))


BELIEF = "the sensitivity is that of performance_prior alone where a rater never gives a label: "


@pytest.mark.parametrize("knows", [None, KNOWS])
@pytest.mark.parametrize("priors", ["shared", "own"])
def test_what_the_belief_alone_makes_is_said_in_each_case(tmp_path: Path, knows: Any, priors: Any) -> None:
    """Once, where the rates are found and where they are applied, and of who reads the case; of nothing that knows says."""
    root, out = cohort(tmp_path / "in", 5), tmp_path / "out"
    mask_path(root, "case-04", "Eve").unlink()
    fused(root, out, labels="all", method=None, knows=knows, priors=priors)
    asked = AskedToApply(out / "estimate.json", root, tmp_path / "ap", GLOB)
    _, remarks = applied_cohort(asked, Crew(), lambda _: None)
    rates: Any = read_estimate(out / "estimate.json").estimate
    said = [] if knows else [f"{BELIEF}Eve at 3 ({rates.sensitivity[rates.names.index('Eve'), 3]:.3f})"]
    assert [one for one in remarks if one.startswith(BELIEF)] == said
    for folder in (out, tmp_path / "ap"):
        told = json.loads((folder / "cohort.json").read_text())["warnings"]
        assert [one for some in told.values() for one in some if one.startswith(BELIEF)] == said
        assert "cohort" in told or not said
        for number in range(5):
            name = f"case-{number:02}"
            kept = json.loads((folder / "cases" / name / "consensus.json").read_text())["warnings"]
            assert [one for one in kept if one.startswith(BELIEF)] == (said if number < 4 else [])


@pytest.mark.parametrize("knows", [5, "Eve", ["Eve"], [("Eve", (0, 1), 2)], (("Eve",),)])
def test_what_is_no_mapping(tmp_path: Path, knows: Any) -> None:
    with pytest.raises(TypeError, match=r"knows is .*: it must map raters to the labels that they know"):
        fused(
            make_cohort(tmp_path / "in", 1, labels=True),
            tmp_path / "out",
            labels="all",
            method=None,
            knows=knows,
        )
