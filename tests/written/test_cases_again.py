"""``fastfuse rerun`` of a case of a cohort: the same bytes, by the rates of all cases."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ..cli.common import ran, save

GLOB = ["--glob", "{case}/masks/{rater}.nii.gz", "--replicates", "5"]
WAYS = {
    "pooled": ["--method", "staple", "--save-label", "--cut", "0.4"],
    "by itself": ["--pool", "none", "--method", "soft-staple", "--prior", "estimate"],
    "auto": ["--pool", "none", "--method", "auto"],
    "border": ["--method", "border-staple", "--roi", "4"],
    "preset": ["--preset", "recommended"],
    "preset by itself": ["--preset", "recommended", "--pool", "none"],
    "rates' prior": ["--method", "staple", "--performance-prior", "5", "1.5", "--tol", "1e-4"],
    "one label": ["--select-label", "1", "--method", "majority", "--pool", "none"],
    "labels": ["--labels", "all", "--label-names", "names.tsv"],
    "labels by themselves": ["--labels", "0,1", "--pool", "none"],
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    rng = np.random.default_rng(5)
    for case in ("one", "two", "new"):
        truth = np.zeros((16, 15, 9), bool)
        truth[3:9, 3:10, 2:6] = truth[11:14, 10:13, 5:8] = True
        place = folder / ("later" if case == "new" else "data") / case / "masks"
        place.mkdir(parents=True)
        for k, name in enumerate(("anna", "bert", "carla", "dora")):
            save(
                place / f"{name}.nii.gz",
                (truth ^ (rng.random(truth.shape) < 0.02 + 0.02 * k)).astype(np.uint8),
            )
    (folder / "names.tsv").write_text("index\tname\n0\tbackground\n1\tlesion\n")
    return folder


def remade(folder: Path, out: Path, case: str, *words: str | Path) -> None:
    again = folder / f"again-{out.name}-{case}"
    made = ran(folder, "rerun", out / "cases" / case / "consensus.json", "-o", again, *words)
    assert made.returncode == 0, made.stderr
    names = {path.name for path in again.iterdir()}
    assert names == {path.name for path in (out / "cases" / case).iterdir()} - {"made.json"}
    for name in names - {"consensus.json"}:
        assert (again / name).read_bytes() == (out / "cases" / case / name).read_bytes(), name
    facts, was = (json.loads((at / "consensus.json").read_text()) for at in (again, out / "cases" / case))
    recipes = [
        one.pop("recipe") for one in (facts, was)
    ]  # of which that of another folder calls the rates otherwise
    assert facts == was or words  # files that have moved are called where they are
    assert recipes[0]["outputs"] == recipes[1]["outputs"]
    shutil.rmtree(again)


@pytest.mark.parametrize("way", WAYS)
def test_a_case_is_made_again(cohort: Path, way: str) -> None:
    out = cohort / way.replace(" ", "-").replace("'", "")
    made = ran(cohort, "cohort", "fuse", "data", "--out", out, *GLOB, *WAYS[way])
    assert made.returncode == 0, made.stderr
    for case in ("one", "two"):
        remade(cohort, out, case)


def test_a_new_case_is_made_again_by_the_rates_that_were_applied(cohort: Path, tmp_path: Path) -> None:
    rates = tmp_path / "rates"
    assert ran(cohort, "cohort", "fuse", "data", "--out", rates, *GLOB, "--method", "staple").returncode == 0
    out = tmp_path / "applied"
    made = ran(cohort, "cohort", "apply", rates / "estimate.json", "later", "--out", out, *GLOB[:2])
    assert made.returncode == 0, made.stderr
    remade(cohort, out, "new")
    moved = cohort / "moved"
    shutil.move(cohort / "later", moved)
    gone = ran(cohort, "rerun", out / "cases" / "new" / "consensus.nii.gz", "-o", tmp_path / "x")
    assert gone.returncode == 2
    assert "missing" in gone.stderr
    remade(cohort, out, "new", "--inputs", moved)
    shutil.move(moved, cohort / "later")


def test_other_rates_and_files_that_exist_are_refused(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["cohort", "fuse", "data", "--out", out, *GLOB]
    assert ran(cohort, *words, "--method", "staple").returncode == 0
    sidecar = out / "cases" / "one" / "consensus.json"
    kept = out / "cases" / "one" / "consensus.nii.gz"
    before = kept.read_bytes()
    there = ran(cohort, "rerun", sidecar, "-o", sidecar.parent)
    assert there.returncode == 2
    assert "exists already" in there.stderr
    assert kept.read_bytes() == before
    facts = json.loads((out / "estimate.json").read_text())
    (out / "estimate.json").write_text(json.dumps(facts, indent=1))
    changed = ran(cohort, "rerun", sidecar, "-o", tmp_path / "x")
    assert changed.returncode == 2
    assert "estimate.json has changed since" in changed.stderr
