"""PPV and Dice of a cohort's raters for each label: those of the consensus by the rates that the cases share."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from fastfuse import fuse_cohort
from fastfuse.cohort.estimate_file import read_estimate
from fastfuse.cohort.export import cases_read, export_of, merged, options_of_merge, write_merged
from fastfuse.fusion.labels.pooled.estimate import PooledLabelEstimate

from ...cohort.files import GLOB, NAMES, fused, make_cohort, mask_path, save
from .test_unknown_in_cohorts import KNOWS, cohort

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
LABELS = [0, 1, 2, 3]
Shares = dict[tuple[str, str], tuple[float, float]]


def told(out: Path) -> Shares:
    """Return PPV and Dice in raters.csv, by rater and label."""
    rows = csv.DictReader((out / "raters.csv").read_text().splitlines())
    return {
        (row["rater"], row["label"]): (float(row["ppv"] or "nan"), float(row["dice"] or "nan"))
        for row in rows
    }


def by_numpy(root: Path, out: Path, labels: list[int], *, tuples: bool) -> Shares:
    """Return them from the votes and the saved rates; ``tuples``: only labels that somebody gives a voxel may be true there."""
    saved: Any = read_estimate(out / "estimate.json").estimate
    agreed, seen, given = np.zeros((3, len(saved.names), len(labels)))
    for case in sorted(path.name for path in root.iterdir()):
        raters = [i for i, name in enumerate(saved.names) if mask_path(root, case, name).exists()]
        votes = [np.asanyarray(nib.load(mask_path(root, case, saved.names[i])).dataobj) for i in raters]
        of_case = saved.of(case) if isinstance(saved, PooledLabelEstimate) else saved
        marks = np.array([[vote.ravel() == label for label in labels] for vote in votes])
        w: NDArray[Any] = of_case.prior[:, None] * marks.any(axis=0) ** int(tuples)
        for i, mark in zip(raters, marks, strict=True):
            w = w * (np.maximum(saved._rates[i], 1e-12) @ mark)  # p(vote | truth) of each voxel
        w = marks.mean(axis=0) if saved.method == "majority" else w / w.sum(axis=0)
        agreed[raters] += (w * marks).sum(axis=2)
        seen[raters] += w.sum(axis=1)
        given[raters] += marks.sum(axis=2)
    shares = np.stack([agreed / given, 2 * agreed / (seen + given)], axis=-1)
    return {
        (name, str(label)): tuple(shares[i, k])
        for i, name in enumerate(saved.names)
        for k, label in enumerate(labels)
    }  # type: ignore[return-value]


@pytest.mark.parametrize(
    "way",
    [{}, {"priors": "own"}, {"candidates": "all", "priors": "own"}, {"method": "majority"}, {"confusion": "class"}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("binary", [False, True])
def test_are_those_of_ten_lines_of_numpy(tmp_path: Path, way: dict[str, Any], binary: bool) -> None:
    root, out = make_cohort(tmp_path / "in", 3, labels=not binary), tmp_path / "out"
    mask_path(root, "case-01", "Eve").unlink()  # who read two cases of three
    assert fused(root, out, labels="all", **way).failed == {}
    tuples = way.get("candidates") != "all" and not binary
    wanted, found = by_numpy(root, out, LABELS[:2] if binary else LABELS, tuples=tuples), told(out)
    assert found.keys() == wanted.keys()
    np.testing.assert_allclose([*found.values()], [*wanted.values()], rtol=1e-7)
    rows = json.loads((out / "cohort.json").read_text())["raters"]
    assert {(row["rater"], row["label"]): (row["ppv"], row["dice"]) for row in rows} == found


def test_are_what_the_cases_say(tmp_path: Path) -> None:
    """Over cases: the sum of what their sidecars tell of the same consensus. A label that a rater does not know has no Dice."""
    out = tmp_path / "out"
    fused(cohort(tmp_path / "in"), out, labels="all", method=None, knows=KNOWS)
    given, right = {}, {}
    for path in out.glob("cases/*/consensus.json"):
        for rater in json.loads(path.read_text())["raters"]:
            for one in rater["labels"]:
                at = rater["name"], str(one["label"])
                given[at] = given.get(at, 0) + one["voxels"]
                right[at] = right.get(at, 0) + one["voxels"] * (one["ppv"] or 0)
    found = told(out)
    assert given.keys() == found.keys()
    for at, (ppv, dice) in found.items():
        assert np.isnan(dice) == np.isnan(ppv) == (at == ("Eve", "3"))
        if given[at]:
            assert ppv == pytest.approx(right[at] / given[at], rel=1e-6)


def test_who_marks_too_much_is_found_by_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bob has the highest sensitivity and the lowest PPV, which page and terminal tell."""
    rng, root = np.random.default_rng(3), tmp_path / "in"
    for case in range(3):
        truth = np.zeros((16, 14, 10), np.uint8)
        truth[3:9, 3:9, 2:8], truth[10:14, 4:10, 2:8] = 1, 2
        for name in NAMES:
            vote = np.where(rng.random(truth.shape) < 0.06, 0, truth)
            wide = np.roll(truth, 1, 0) if name == "Bob" else vote
            save(mask_path(root, f"case-{case}", name), np.maximum(truth, wide) if name == "Bob" else vote)
    page = tmp_path / "c.html"
    fuse_cohort(root, tmp_path / "out", glob=GLOB, labels="all", replicates=10, report=page)
    rows = json.loads((tmp_path / "out" / "cohort.json").read_text())["raters"]
    for label in "12":
        of = {row["rater"]: row for row in rows if row["label"] == label}
        assert max(of, key=lambda name: of[name]["sensitivity"]) == "Bob"
        assert min(of, key=lambda name: of[name]["ppv"]) == "Bob"
        assert f"{of['Bob']['ppv']:.4f}" in page.read_text()
    from fastfuse.cohort.told.printing import print_cohort

    capsys.readouterr()
    print_cohort(json.loads((tmp_path / "out" / "cohort.json").read_text()), tmp_path / "out")
    printed = capsys.readouterr().out
    assert f"{of['Bob']['ppv']:.4f}" in printed
    assert "PPV" in printed


def test_merged_tables_have_them(tmp_path: Path) -> None:
    """Of one export, whose cells are rounded, nearly those of the site."""
    root = make_cohort(tmp_path / "in", 5, labels=True)
    fused(root, tmp_path / "site", labels="all", method="majority")
    made = export_of(tmp_path / "site")
    made.write(tmp_path / "a.npz", tmp_path / "site")
    out = tmp_path / "merged"
    out.mkdir()
    table, saved = merged([tmp_path / "a.npz"], options_of_merge(method="majority"))[:2]
    write_merged(out, table, saved, cases_read([tmp_path / "a.npz"]))
    names = {pseudonym: name for name, pseudonym in made.pseudonyms.items()}
    found = {(names[rater], label): shares for (rater, label), shares in told(out).items()}
    wanted = told(tmp_path / "site")
    np.testing.assert_allclose([found[at] for at in wanted], [*wanted.values()], atol=0.05)
