"""The README's commands and its Python are run on the demo's files, and so is the page on Python in the documentation."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
IN_PYTHON = (ROOT / "python" / "docs" / "python.md").read_text(encoding="utf-8")
CASE = Path("demo-case")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def blocks(text: str, kind: str) -> list[str]:
    """Return the blocks of code of a kind."""
    found = re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
    assert found
    return found


def run_block(text: str, folder: Path) -> str:
    """Run the first block of Python; return what it prints."""
    words = [sys.executable, "-W", "error", "-c", blocks(text, "python")[0]]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Write the demo's case, of fewer voxels than the README's first command does."""
    pytest.importorskip("scipy")
    made(tmp_path, shape=(60, 72, 60), spacing_mm=3.0)
    return tmp_path


def made(folder: Path, **size: object) -> None:
    pytest.importorskip("matplotlib")
    from fastfuse.demo import case

    case.run(folder / CASE, **size)  # type: ignore[arg-type]


def without_numbers(text: str) -> str:
    return re.sub(r"[ #]+", " ", re.sub(r"-?[\d.]+(e[+-]\d+)?", "#", text))


@pytest.mark.parametrize("text", [README, IN_PYTHON], ids=["README", "page"])
def test_from_files_to_a_consensus(text: str, small: Path) -> None:
    """The same lines with other numbers, and the files."""
    printed = run_block(text, small)
    assert without_numbers(printed) == without_numbers(blocks(text, "text")[0])
    assert float(re.findall(r"Dice ([\d.]+)", printed)[-1].rstrip(".")) > 0.6
    (written,) = small.glob("*.nii.gz")
    consensus, truth = nib.load(written), nib.load(small / CASE / "truth" / "Patient_01.nii.gz")
    np.testing.assert_allclose(consensus.affine, truth.affine)
    assert 0 < np.asarray(consensus.dataobj).max() <= 1


@pytest.mark.skipif(os.name == "nt", reason="its commands are for a POSIX shell")
def test_from_masks_to_a_report(small: Path) -> None:
    """The command as it stands there, by this interpreter's fastfuse."""
    pytest.importorskip("jinja2")
    command = f'fastfuse() {{ {shlex.quote(sys.executable)} -m fastfuse "$@"; }}; {blocks(README, "sh")[1]}'
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=False, cwd=small, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "wrote consensus.nii.gz, report.html, consensus.json" in " ".join(done.stdout.split())
    assert {"consensus.nii.gz", "consensus.json", "report.html"} <= {path.name for path in small.iterdir()}
    assert "<svg" in (small / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("text", [README, IN_PYTHON], ids=["README", "page"])
def test_output_is_that_of_the_demo(text: str, tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    made(tmp_path)
    assert run_block(text, tmp_path) == blocks(text, "text")[0]


def test_it_is_short() -> None:
    """Two screens."""
    assert len(README.splitlines()) <= 75


def test_a_clone_comes_first() -> None:
    commands = blocks(README, "sh")[0].splitlines()
    assert commands[0].startswith("git clone ")
    assert commands[1].startswith("pip install ")


def test_the_tests_are_run_as_it_says() -> None:
    """By the command that continuous integration runs."""
    (command,) = re.findall(r"`(pip install [^`]* && pytest[^`]*)`", README)
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_speed_is_that_of_the_benches() -> None:
    """Each time is one of the tables' medians, rounded."""
    tables = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")
    by_turns = tables.partition("By turns, ")[2].partition("One after another")[0]
    measured = [(float(number), unit) for number, unit in re.findall(r"\| ([\d.]+) (m?s) \|", by_turns)]
    shown = re.findall(r"(?<=[ *])([\d.]+) (m?s)\b(?=[* ]*\|)", README)
    assert len(shown) == 13
    for number, unit in shown:
        digits = len(number.replace(".", "").lstrip("0"))
        assert any(float(f"{value:.{digits}g}") == float(number) for value, of in measured if of == unit), (
            number
        )


def pages() -> list[str]:
    """Return the README and what is written for the documentation, without what its builds make."""
    docs = sorted((ROOT / "python" / "docs").rglob("*.md"))
    names = [path.relative_to(ROOT).as_posix() for path in docs]
    return ["README.md", *(name for name in names if "/pages/" not in name and "/auto_examples/" not in name)]


@pytest.mark.parametrize("page", pages())
def test_links_lead_to_files(page: str) -> None:
    """To those of the repository, where pages are read before they are built."""
    targets = LINK.findall((ROOT / page).read_text(encoding="utf-8"))
    here = (ROOT / page).parent
    assert [target for target in targets if "://" not in target and not (here / target).exists()] == []
