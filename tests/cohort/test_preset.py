"""A cohort by a preset, and with the image as evidence: as a single case is, with rates that all share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import fuse_cohort, fuse_files, pool, tabulate
from fastfuse.cohort.apply import AskedToApply, applied_cohort
from fastfuse.cohort.review.make import review_cohort
from fastfuse.cohort.workers.crew import Crew

from ..border.draws import SPACING, contours
from ..command import run_here
from .files import AFFINE, consensus, contents, fused, make_cohort, mask_path, save, without_recipe

SHIFTS = [1.0, 0.5, 0.0, -0.5, -1.0]
NAMES = [f"rater {k}" for k in range(len(SHIFTS))]
CASES = [f"case-{k}" for k in range(3)]
BORDER = {"method": "border-staple", "roi": 4.0}
THREE = {"method": "staple", "classes": 3, "roi": 4.0}

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def drawn(case: str) -> Any:
    return contours(SHIFTS, seed=CASES.index(case))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cases of five raters who draw contours, each with its brain and an image, in a table."""
    root = tmp_path_factory.mktemp("drawn")
    assert tuple(np.diag(AFFINE)[:3]) == SPACING
    rows = ["case\trater\tpath\tmask\timage"]
    for case in CASES:
        one = drawn(case)
        beside = [save(root / case / f"{what}.nii.gz", getattr(one, what)) for what in ("brain", "image")]
        for name, mask in zip(NAMES, one.masks, strict=True):
            path = save(root / case / f"{name}.nii.gz", mask)
            rows.append("\t".join([case, name, *(str(one.relative_to(root)) for one in (path, *beside))]))
    (root / "cases.tsv").write_text("\n".join(rows))
    (root / "bare.tsv").write_text("\n".join("\t".join(row.split("\t")[:4]) for row in rows))
    lacking = [
        row if row.startswith(("case\t", CASES[0])) else row.rpartition("\t")[0] + "\t" for row in rows
    ]
    (root / "one.tsv").write_text("\n".join(lacking))
    return root


def fuse(cohort: Path, out: Path, table: str = "cases.tsv", **options: Any) -> Any:
    return fuse_cohort(cohort, out, table=cohort / table, replicates=5, **options)


def volumes(out: Path) -> dict[str, bytes]:
    return {name: content for name, content in contents(out).items() if name.endswith(".nii.gz")}


def sidecar(out: Path, case: str = CASES[0]) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((out / "cases" / case / "consensus.json").read_text())
    return facts


def settings(out: Path) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((out / "estimate.json").read_text())["settings"]
    return kept


@pytest.mark.parametrize(
    ("table", "given", "expected"),
    [
        ("cases.tsv", {}, BORDER),
        ("bare.tsv", {}, THREE),
        ("one.tsv", {}, THREE),  # two cases have no image
        ("cases.tsv", {"method": "staple"}, {"roi": 4.0}),
        ("cases.tsv", {"prior": "estimate"}, {"method": "staple", "roi": 4.0}),
        ("cases.tsv", {"roi": "all"}, {"method": "border-staple"}),
        ("cases.tsv", {"soften": True}, {"method": "soft-staple", "roi": 4.0}),
        ("cases.tsv", {"evidence": True}, BORDER),
    ],
)
def test_what_recommended_sets(
    cohort: Path, tmp_path: Path, table: str, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = fuse(cohort, tmp_path / "out", table, preset="recommended", **given)
    assert not found.failed
    facts = settings(tmp_path / "out")["preset"]
    assert (facts["name"], facts["set"], facts["looked_at"]) == ("recommended", expected, CASES[0])
    assert sidecar(tmp_path / "out")["preset"] == facts
    plain = fuse(cohort, tmp_path / "plain", table, **{**given, **expected})
    assert volumes(tmp_path / "out") == volumes(tmp_path / "plain")
    np.testing.assert_array_equal(found.estimate.sensitivity, plain.estimate.sensitivity)


@pytest.mark.parametrize("pool", ["raters", "none"])
def test_decisions_are_taken_by_what_recommended_sets(cohort: Path, tmp_path: Path, pool: str) -> None:
    given = {"preset": "recommended", "pool": pool}
    fuse(cohort, tmp_path / "out", "bare.tsv", **given)
    assert sidecar(tmp_path / "out")["options"]["classes"] == 3
    first = review_cohort(tmp_path / "out", tmp_path / "r.csv", everything=True).lesions[0]
    lines = [
        line.replace(",,", ",no,", 1) if line.startswith(f"{first.case},{first.number},") else line
        for line in (tmp_path / "r.csv").read_text().splitlines()
    ]
    (tmp_path / "r.csv").write_text("\n".join(lines))
    made = fuse(cohort, tmp_path / "out", "bare.tsv", decisions=tmp_path / "r.csv", **given)
    assert not made.failed
    facts = sidecar(tmp_path / "out", first.case)
    assert facts["method"] == "border-staple"
    assert [one["lesion"] for one in facts["decisions"]["lesions"]] == [first.number]


def test_a_list_that_decides_nothing_changes_no_method(cohort: Path, tmp_path: Path) -> None:
    fuse(cohort, tmp_path / "out", "bare.tsv", preset="recommended")
    review_cohort(tmp_path / "out", tmp_path / "r.csv")
    made = fuse(cohort, tmp_path / "out", "bare.tsv", preset="recommended", decisions=tmp_path / "r.csv")
    assert "holds no decision" in made.facts["warnings"]["cohort"][0]
    assert made.facts["fused"] == []
    assert settings(tmp_path / "out")["preset"]["set"] == THREE


def test_paper_is_the_default(cohort: Path, tmp_path: Path) -> None:
    fuse(cohort, tmp_path / "out", preset="paper")
    fuse(cohort, tmp_path / "plain")
    assert volumes(tmp_path / "out") == volumes(tmp_path / "plain")
    expected = {"method": "soft-staple", "m_step": "paper", "prior": "mean", "init": "auto", "roi": "all"}
    assert settings(tmp_path / "out")["preset"] == {"name": "paper", "set": expected}


def test_by_themselves_each_case_chooses(cohort: Path, tmp_path: Path) -> None:
    found = fuse(cohort, tmp_path / "out", "one.tsv", preset="recommended", pool="none")
    assert not found.failed
    assert [sidecar(tmp_path / "out", case)["method"] for case in CASES] == [
        "border-staple",
        "staple",
        "staple",
    ]
    paths = [cohort / CASES[0] / f"{name}.nii.gz" for name in NAMES]
    beside = {"mask": cohort / CASES[0] / "brain.nii.gz", "image": cohort / CASES[0] / "image.nii.gz"}
    (tmp_path / "alone").mkdir()
    alone = tmp_path / "alone" / "consensus.nii.gz"
    fuse_files(paths, alone, names=NAMES, preset="recommended", **beside)
    one = without_recipe(contents(tmp_path / "alone"))
    assert without_recipe(contents(tmp_path / "out" / "cases" / CASES[0])).items() >= one.items()


def test_run_again_and_applied_to_others(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fuse(cohort, out, preset="recommended")
    again = fuse(cohort, out, preset="recommended")
    assert (again.facts["fused"], again.facts["skipped"]) == ([], CASES)
    asked = AskedToApply(out / "estimate.json", cohort, tmp_path / "new", table=cohort / "cases.tsv")
    made, _ = applied_cohort(asked, Crew(None, 1), lambda _: None)
    assert not made.failed
    assert volumes(tmp_path / "new") == volumes(out)
    assert sidecar(tmp_path / "new")["preset"] == sidecar(out)["preset"]


def test_shards_choose_alike(cohort: Path, tmp_path: Path) -> None:
    for step in ({"shard": (1, 2)}, {"shard": (2, 2)}, {"merge": True}):
        fuse(cohort, tmp_path / "parts", preset="recommended", **step)
    for part in (1, 2):
        fuse(cohort, tmp_path / "parts", preset="recommended", shard=(part, 2), apply=True)
    fuse(cohort, tmp_path / "whole", preset="recommended")
    assert volumes(tmp_path / "parts") == volumes(tmp_path / "whole")


def test_shards_that_chose_three_classes_take_no_decisions(cohort: Path, tmp_path: Path) -> None:
    """They were counted without the list: it is refused before any case is fused, in words of what was given."""
    asked: dict[str, Any] = {"table": "bare.tsv", "preset": "recommended"}
    fuse(cohort, tmp_path / "whole", **asked)
    review_cohort(tmp_path / "whole", tmp_path / "r.csv", everything=True)
    text = (tmp_path / "r.csv").read_text()
    (tmp_path / "r.csv").write_text(text.replace(",,", ",no,", 1))
    steps: list[dict[str, Any]] = [{"shard": (1, 2)}, {"shard": (2, 2)}, {"merge": True}]
    last: dict[str, Any] = {"apply": True, "decisions": tmp_path / "r.csv"}
    for step in steps:
        fuse(cohort, tmp_path / "parts", **asked, **step)
    with pytest.raises(fastfuse.FastfuseError) as refused:
        fuse(cohort, tmp_path / "parts", **asked, shard=(1, 2), **last)
    assert str(refused.value) == (
        "decisions are given, and preset 'recommended' chose staple with three classes for these shards, which takes none: "
        "give method='border-staple' to every step"
    )
    asked["method"] = "border-staple"
    for step in (*steps, {"shard": (1, 2), **last}, {"shard": (2, 2), **last}):
        made = fuse(cohort, tmp_path / "taken", **asked, **step)
        assert not made.failed
    lesions = [sidecar(tmp_path / "taken", case).get("decisions", {}).get("lesions", []) for case in CASES]
    assert [one["decision"] for of_case in lesions for one in of_case] == ["no"]


def test_a_case_that_cannot_be_read(tmp_path: Path) -> None:
    """The next one tells; where none can be read nothing is done."""
    root = make_cohort(tmp_path / "in", 3)
    mask_path(root, "case-00", "Bob").write_bytes(b"no image")
    found = fused(root, tmp_path / "out", method="staple", preset="recommended")
    assert list(found.failed) == ["case-00"]
    assert settings(tmp_path / "out")["preset"]["looked_at"] == "case-01"
    for case in ("case-01", "case-02"):
        mask_path(root, case, "Bob").write_bytes(b"no image")
    with pytest.raises(
        fastfuse.FastfuseError, match=r"no case can be read to choose by: case-00: .*Bob\.nii\.gz"
    ):
        fused(root, tmp_path / "none", preset="recommended")


def test_evidence_is_that_of_each_case(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = fuse(cohort, out, method="border-staple", evidence=True)
    without = fuse(cohort, tmp_path / "without", method="border-staple")
    tables = {
        case: tabulate(drawn(case).masks, mask=drawn(case).brain, roi=4.0, spacing_mm=SPACING, names=NAMES)
        for case in CASES
    }
    one = drawn(CASES[1])
    place: dict[str, Any] = {"mask": one.brain, "roi": 4.0, "spacing_mm": SPACING, "image": one.image}
    expected = pool(tables, "border-staple").of(CASES[1]).apply(one.masks, evidence=True, **place)
    np.testing.assert_array_equal(consensus(out, CASES[1]), expected.probability)
    assert volumes(out).keys() == volumes(tmp_path / "without").keys()
    assert not set(volumes(out).values()) & set(volumes(tmp_path / "without").values())
    np.testing.assert_array_equal(
        found.estimate.sensitivity, without.estimate.sensitivity
    )  # tables know no image
    assert settings(out)["options"]["evidence"] is True
    assert sidecar(out)["options"]["evidence"] is True
    asked = AskedToApply(out / "estimate.json", cohort, tmp_path / "new", table=cohort / "cases.tsv")
    applied_cohort(asked, Crew(None, 1), lambda _: None)
    assert volumes(tmp_path / "new") == volumes(out)


def test_evidence_of_cases_by_themselves(cohort: Path, tmp_path: Path) -> None:
    fuse(cohort, tmp_path / "out", method="border-staple", evidence=True, pool="none")
    one = drawn(CASES[2])
    alone = fastfuse.border_staple(one.masks, one.image, mask=one.brain, spacing_mm=SPACING, evidence=True)
    np.testing.assert_array_equal(consensus(tmp_path / "out", CASES[2]), alone.probability)


def test_evidence_needs_an_image_of_every_case(cohort: Path, tmp_path: Path) -> None:
    found = fuse(cohort, tmp_path / "out", "one.tsv", method="border-staple", evidence=True)
    assert list(found.failed) == CASES[1:]
    assert (
        "evidence needs an image, and the case has none: give it in a table, in the column image"
        in found.failed[CASES[1]]
    )


def test_what_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    root = make_cohort(tmp_path / "in", 2)
    for given, message in (
        ({"evidence": True}, "evidence is True: staple has no such option"),
        ({"m_step": "em"}, "m_step is 'em': staple has no such option"),
        ({"preset": "best"}, "preset is 'best'"),
        ({"preset": "recommended", "labels": "all"}, "preset is 'recommended', and labels are given"),
        ({"preset": "paper", "method": "border-staple"}, "preset is 'paper', which has no such method"),
    ):
        with pytest.raises(ValueError, match=message):
            fused(root, tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


def test_in_the_shell(cohort: Path, tmp_path: Path) -> None:
    words = ("--table", str(cohort / "cases.tsv"), "--out", "out", "--replicates", "5")
    done = run_here(tmp_path, "cohort", "fuse", str(cohort), *words, "--preset", "recommended", "--evidence")
    assert done.returncode == 0, done.stderr
    assert settings(tmp_path / "out")["preset"]["set"] == BORDER
    assert settings(tmp_path / "out")["options"]["evidence"] is True
    fuse(cohort, tmp_path / "same", preset="recommended", evidence=True)
    assert volumes(tmp_path / "out") == volumes(tmp_path / "same")
    typed = ("--preset", "recommended", "--method", "staple", "--prior", "estimate")
    done = run_here(tmp_path, "cohort", "fuse", str(cohort), *words[:2], "--out", "typed", *typed)
    assert done.returncode == 0, done.stderr
    assert settings(tmp_path / "typed")["preset"]["set"] == {"roi": 4.0}
    assert settings(tmp_path / "typed")["options"]["prior"] == "estimate"
