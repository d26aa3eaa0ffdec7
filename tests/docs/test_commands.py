"""The commands that pages begin with run as they stand, in this order, in a folder with files of these names."""

from __future__ import annotations

import html
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .test_words import ROOT, blocks, written

DOCS, PACKAGE = ROOT / "python" / "docs", ROOT / "python" / "fastfuse"
PAPER = (DOCS / "paper.md").read_text(encoding="utf-8")
pytestmark = pytest.mark.skipif(
    os.name == "nt" or shutil.which("sh") is None, reason="they are for a POSIX shell"
)


def run(commands: str, folder: Path) -> str:
    """Run commands by this interpreter's fastfuse, up to the first that fails; return what they print."""
    told = f'set -e; fastfuse() {{ {shlex.quote(sys.executable)} -m fastfuse "$@"; }}; {commands}'
    done = subprocess.run(
        ["sh", "-c", told], capture_output=True, text=True, check=False, cwd=folder, timeout=600
    )
    assert done.returncode == 0, (commands, done.stderr[-2000:])
    return done.stdout


def without_numbers(text: str) -> str:
    return re.sub(r"\d[\d,.]*\d|\d", "#", " ".join(text.split()))


def test_a_consensus_for_a_paper(tmp_path: Path) -> None:
    """Its commands, and the sentences that stand there: those of the report, with other numbers."""
    for needed in ("jinja2", "matplotlib", "scipy"):
        pytest.importorskip(needed)
    from fastfuse.demo import case

    case.run(tmp_path / "demo-case", shape=(60, 72, 60), spacing_mm=3.0)
    said = run(blocks(PAPER)[0], tmp_path)
    for part in (
        "kappa",
        "fit: voxels by number of marks",
        "converged",
        "again/consensus.nii.gz: the same bytes",
    ):
        assert part in said
    page = tmp_path / "demo-case" / "Training" / "Center_01" / "Patient_01" / "report.html"
    (cited,) = re.findall(r"<h2>To cite</h2>\s*<p>(.*?)</p>", page.read_text(encoding="utf-8"), re.DOTALL)
    sentences = " ".join(re.findall(r"^> (.*)", PAPER, re.MULTILINE))
    assert without_numbers(html.unescape(cited)) == without_numbers(sentences)


@pytest.mark.slow
def test_msseg_step_by_step(tmp_path: Path) -> None:
    """On the cohort that it names, in one folder from step to step; without the training."""
    for needed in ("jinja2", "matplotlib", "scipy"):
        pytest.importorskip(needed)
    text = (DOCS / "msseg.md").read_text(encoding="utf-8")
    (demo,) = re.findall(r"`(fastfuse demo --cohort \w+)`", text)
    steps = [one for one in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "pip install" not in one]
    assert len(steps) == 4
    run(f"{demo} --spacing-mm 4; {' '.join(steps)}", tmp_path)
    assert (tmp_path / "review.csv").exists()


def test_files_and_the_shell(tmp_path: Path) -> None:
    """The first commands of its page, of label maps, and the start page's: no output is one of the others."""
    pytest.importorskip("scipy")
    page = blocks((PACKAGE / "files" / "README.md").read_text(encoding="utf-8"))
    first = next(one for one in blocks((DOCS / "index.md").read_text(encoding="utf-8")) if "git clone" in one)
    written(tmp_path, labels=False)
    bright(tmp_path)
    run(page[0] + page[1], tmp_path)
    assert (tmp_path / "mask.nii.gz").exists()
    for output in tmp_path.glob("consensus.*"):
        output.unlink()
    run("\n".join(line for line in first.splitlines() if not line.startswith(("git", "#"))), tmp_path)
    assert (tmp_path / "consensus.json").exists()
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "index.md").read_text(encoding="utf-8"), re.DOTALL)
    run(f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}", tmp_path)
    assert (tmp_path / "python.json").exists()


@pytest.mark.parametrize(
    "page",
    [f"{of}/README.md" for of in ("cohort", "files", "files/bids", "report/html", "evaluation")],
)
def test_no_command_writes_over_what_one_before_it_wrote(page: str) -> None:
    for block in blocks((PACKAGE / page).read_text(encoding="utf-8")):
        outputs = re.findall(r" (?:-o|--out|--report) (\S+)", block)
        assert len(outputs) == len({*outputs}), block


def bright(folder: Path) -> None:
    """Write an image on which the marks are bright."""
    found = next(folder.rglob("FLAIR_preprocessed.nii.gz"))
    shutil.copy(found, folder / "flair.nii.gz")
