"""Commands that write several files write all of them or none, whichever of them fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastfuse.images.outputs import Outputs

from ..cli.common import MASKS, case_in, ran, save
from ..command import run_here

LABELS = [f"labels_{i}.nii.gz" for i in range(3)]
FUSE = ["fuse", *MASKS, "-o", "out/c.nii.gz", "--mask", "brain.nii.gz"]
BIDS = ["--bids", "out/bids", "--bids-case", "sub-01_ses-1"]
COMMANDS = {
    "fuse": [*FUSE, "--save-label", "out/l.seg.nrrd", "--save-counts", "out/n.nii.gz", "--report", "out/r.html"],
    "bids": [*FUSE, "--method", "majority", *BIDS],
    "bids of a preset": [*FUSE, "--preset", "recommended", *BIDS],
    "bids in slabs": [*FUSE, "--max-memory", "1G", *BIDS],
    "decisions": [*FUSE, "--decisions", "review.csv", *BIDS],
    "labels": [
        "fuse", *LABELS, "-o", "out/c.nii.gz", "--labels", "all", "--save-probability", "1=out/p.nii.gz",
        "--save-confidence", "out/k.nii.gz", "--report", "out/r.html", *BIDS,
    ],
    "overlap": ["fuse", *LABELS, "-o", "out/c.nii.gz", "--labels", "1,2", "--overlap", "--save-label", "out/l.nii.gz"],
    "soften": ["soften", *MASKS, "--image", "flair.nii.gz", "--out-dir", "out/soft"],
    "agreement": ["agreement", *MASKS, "-o", "out/a.json", "--report", "out/a.html", "--figure", "out/a.png"],
    "compare": ["compare", *MASKS, "-o", "out/c.csv"],
    "evaluate": [
        "evaluate", MASKS[0], MASKS[1], "-o", "out/e.json", "--report", "out/e.html", "--save-lesions", "out/e.nii.gz",
    ],
    "evaluate raters": ["evaluate", "network_0.nii.gz", *MASKS[1:], "-o", "out/e.json", "--report", "out/e.html", "--figure", "out/e.png"],
    "review": ["review", "first.nii.gz", "-o", "out/r.csv", "--markups", "out/r.mrk.json"],
}  # fmt: skip
REASON = "this output is to fail"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = case_in(tmp_path_factory.mktemp("case"))
    rng = np.random.default_rng(1)
    truth = np.zeros((12, 12, 6), np.uint8)
    truth[2:7, 2:9, 1:5], truth[7:10, 2:9, 1:5] = 1, 2
    for name in LABELS:
        save(folder / name, np.where(rng.random(truth.shape) < 0.05, 0, truth).astype(np.uint8))
    made = ran(folder, *FUSE[:5], "-o", "first.nii.gz", "--mask", "brain.nii.gz")
    assert made.returncode == 0, made.stderr
    assert ran(folder, "review", "first.nii.gz", "-o", "review.csv", "--everything").returncode == 0
    lines = (folder / "review.csv").read_text().splitlines()
    lines[1] = lines[1].replace(",,", ",no,", 1)
    (folder / "review.csv").write_text("\n".join(lines) + "\n")
    (folder / "out").mkdir()
    return folder


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Count the files that are begun, and the names that are given; let one of them fail."""
    state: dict[str, Any] = {"begun": 0, "fails": None}
    begin = Outputs._opened

    def opened(self: Outputs, path: Path, called: Path) -> Any:
        state["begun"] += 1
        if state["begun"] == state["fails"]:
            raise OSError(28, REASON)
        return begin(self, path, called)

    monkeypatch.setattr(Outputs, "_opened", opened)
    return state


@pytest.mark.parametrize("command", COMMANDS)
def test_whichever_output_fails_none_appears(command: str, case: Path, counted: dict[str, Any]) -> None:
    for name in ("jinja2", "matplotlib"):
        pytest.importorskip(name)
    words, out = COMMANDS[command], case / "out"
    before = {path.name for path in case.iterdir()}
    counted["fails"] = at = 1
    while (made := run_here(case, *words)).returncode:
        assert REASON in made.stderr, made.stderr
        assert list(out.rglob("*")) == [], f"output {at} fails"
        at += 1
        counted.update(begun=0, fails=at)
    assert at > 2, "several outputs"
    assert len(written_in(out)) >= counted["begun"]
    assert {path.name for path in case.iterdir()} == before
    for path in sorted(out.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def written_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("method", [["--method", "majority"], ["--preset", "recommended"]])
def test_a_derivative_that_is_there_leaves_nothing_and_the_next_try_works(
    case: Path, tmp_path: Path, method: list[str]
) -> None:
    """A collision of BIDS used to leave the consensus, which the next try then met."""
    words = [*FUSE[:5], "--mask", "brain.nii.gz", *method, "--bids", str(tmp_path / "bids")]
    first = ran(case, *words, "-o", str(tmp_path / "a.nii.gz"), "--bids-case", "sub-01")
    assert first.returncode == 0, first.stderr
    there = sorted(written_in(tmp_path))
    again = [*words, "-o", str(tmp_path / "b.nii.gz")]
    met = ran(case, *again, "--bids-case", "sub-01")
    assert met.returncode == 2
    assert "exists already" in met.stderr
    assert sorted(written_in(tmp_path)) == there
    other = ran(case, *again, "--bids-case", "sub-02")
    assert other.returncode == 0, other.stderr
    facts = json.loads((tmp_path / "b.json").read_text())
    assert facts["outputs"]["consensus"] == "b.nii.gz"
