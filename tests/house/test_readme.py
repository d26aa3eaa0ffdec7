"""The README's Python is run: from the demo's files to a consensus that is saved and evaluated."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()
CASE = Path("demo-case")


def block(kind: str) -> str:
    """Return the first block of code of a kind."""
    found = re.search(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    return found[1]


def run_block(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block("python")],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def made(folder: Path, **size: object) -> None:
    """Write the demo's case, as the README's first command does."""
    pytest.importorskip("matplotlib")
    from fastfuse.demo import case

    case.run(folder / CASE, **size)  # type: ignore[arg-type]


def test_from_files_to_a_consensus(tmp_path: Path) -> None:
    """On a case of fewer voxels than the README's: the same lines with other numbers, and the file."""
    pytest.importorskip("scipy")
    made(tmp_path, shape=(60, 72, 60), spacing_mm=3.0)
    printed = run_block(tmp_path)
    number = r"-?[\d.]+(e[+-]\d+)?"
    assert re.sub(r"[ #]+", " ", re.sub(number, "#", printed)) == re.sub(
        r"[ #]+", " ", re.sub(number, "#", block("text"))
    )
    dice = float(printed.partition("Dice ")[2].partition(",")[0])
    assert dice > 0.6
    consensus = nib.load(tmp_path / "consensus.nii.gz")
    truth = nib.load(tmp_path / CASE / "truth" / "Patient_01.nii.gz")
    np.testing.assert_allclose(consensus.affine, truth.affine)
    assert 0 < np.asarray(consensus.dataobj).max() <= 1


@pytest.mark.slow
def test_output_is_that_of_the_demo(tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    made(tmp_path)
    assert run_block(tmp_path) == block("text")


def test_it_is_short() -> None:
    """Two screens."""
    assert len(TEXT.splitlines()) <= 120


def test_a_clone_comes_first() -> None:
    commands = block("sh").splitlines()
    assert commands[0].startswith("git clone ")
    assert commands[1].startswith("pip install ")
