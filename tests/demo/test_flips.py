"""Raters of the demo who err voxel by voxel: there STAPLE's model holds, and border-STAPLE's does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fastfuse.demo import case as demo
from fastfuse.demo import phantom, printing

from ..command import run_here

SMALL = {"shape": (48, 56, 48), "spacing_mm": 3.8}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> demo.DemoResult:
    return demo.run(tmp_path_factory.mktemp("flips"), raters="flips", **SMALL)


def test_each_voxel_errs_by_itself() -> None:
    case = phantom.make_case(0, raters=phantom.FLIPS, **SMALL)
    contours = phantom.make_case(0, **SMALL)
    np.testing.assert_array_equal(case.lesions, contours.lesions)
    inside, outside = case.lesions == 1, (case.lesions == 0) & (case.brain == 1)
    for style, mask in zip(phantom.FLIPS, case.masks, strict=True):
        assert not mask[case.brain == 0].any()
        for where, rate in ((inside, style.sensitivity), (outside, 1 - style.specificity)):
            error = np.sqrt(rate * (1 - rate) / where.sum())
            assert abs(mask[where].mean() - rate) < 5 * error
    found = np.corrcoef([mask[inside] for mask in case.masks])
    assert abs(found[~np.eye(len(found), dtype=bool)]).max() < 5 / np.sqrt(inside.sum())


def test_which_model_holds(made: demo.DemoResult) -> None:
    dice = {row.method: row.near.dice for row in made.methods}
    assert dice["staple"] > dice["border-staple"] + 0.005
    assert dice["staple"] > dice["majority"] + 0.05
    assert (
        f"the same voxels for all: {max(dice, key=dice.__getitem__)} {max(dice.values()):.3f}, " in made.note
    )
    assert "ranks no methods" in made.note
    staple = next(row for row in made.methods if row.method == "staple")
    true = [rater.overlap.recall for rater in made.raters]
    np.testing.assert_allclose(staple.fusion.sensitivity, true, atol=0.03)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_tables_fit(
    made: demo.DemoResult, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    printing.print_demo(made)
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if str(made.figure.parent) not in line) <= columns
    for row in made.methods:
        assert any(row.method in line and f"{row.overlap.dice:.3f}" in line for line in lines)
        digits = 4 if columns == 120 else 3
        last = f"{row.fusion.sensitivity[-1]:.{digits}f}"
        assert any(last in line for line in lines if line.startswith(" careful"))


def test_what_has_not_converged_is_told(
    made: demo.DemoResult, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    stopped = replace(made.methods[0].fusion, converged=False)
    rows = [replace(made.methods[0], fusion=stopped), *made.methods[1:]]
    for methods in (made.methods, rows):
        printing.print_demo(replace(made, methods=methods))
        printed = capsys.readouterr().out
        named = [row.method for row in methods if not row.fusion.converged]
        for row in methods:
            assert (f" {row.fusion.n_iter}* " in printed) or row.method not in named
        assert ("* not converged" in printed) == bool(named)
        assert f"(max_iter): {', '.join(named)}." in printed or not named


@pytest.mark.parametrize("other", [["--labels"], ["--cohort", "c"]])
def test_not_for_other_demos(tmp_path: Path, other: list[str]) -> None:
    done = run_here(tmp_path, "demo", *other, "--raters", "flips")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--raters is for one case: leave it out" in done.stderr
    assert list(tmp_path.iterdir()) == []
