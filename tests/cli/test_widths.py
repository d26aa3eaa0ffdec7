"""What the shell prints at narrow widths, and on terminals that know ASCII only."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from fastfuse.report.terminal import broken

from ..cohorts import current_case
from ..command import run_here
from .common import MASKS, case_in, ran

NETWORKS = [f"network_{i}.nii.gz" for i in range(4)]
ANSWERS = {
    "fuse": ["fuse", *NETWORKS, "-o", "c.nii.gz", "--save-label", "label.nii.gz", "--overwrite"],
    "fuse-soften": ["fuse", *MASKS, "-o", "c.nii.gz", "--soften", "--image", "flair.nii.gz", "--overwrite"],
    "soften": ["soften", *MASKS, "--image", "flair.nii.gz", "--out-dir", "soft", "--overwrite"],
    "evaluate": ["evaluate", *MASKS[:2], "--save-lesions", "l.nii.gz", "--overwrite"],
    "check": ["check", "cohort"],
}
COMMANDS = (
    [],
    ["fuse"],
    ["soften"],
    ["agreement"],
    ["compare"],
    ["evaluate"],
    ["demo"],
    ["check"],
    ["experiment"],
)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = case_in(tmp_path_factory.mktemp("case"))
    made = current_case(folder / "cohort", "Center_01", "Patient_01")
    (made / "Preprocessed_Data" / "FLAIR_preprocessed.nii.gz").unlink()
    return folder


@cache
def answered(case: Path, answer: str, columns: int | str) -> subprocess.CompletedProcess[str]:
    """Return what is printed at a width that many tests compare with: the command runs once."""
    return run_here(case, *ANSWERS.get(answer, ["fuse", "--help"]), columns=columns)


@cache
def wide_help(*command: str) -> str:
    return run_here(Path(), *command, "--help", columns=400).stdout


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("answer", ANSWERS)
def test_no_line_is_wider(case: Path, answer: str, columns: int) -> None:
    """Nothing is lost either: without its breaks, the text is that of a wide terminal."""
    done, wide = run_here(case, *ANSWERS[answer], columns=columns), answered(case, answer, 400)
    assert done.stdout
    assert [line for line in done.stdout.splitlines() if len(line) > columns] == []
    below = [" ".join(text.partition("Marked: ")[2].split()) for text in (done.stdout, wide.stdout)]
    if answer == "fuse":
        assert below[0] == below[1]


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words) or "fastfuse")
def test_no_line_of_the_help_is_wider(tmp_path: Path, command: list[str], columns: int) -> None:
    told = run_here(tmp_path, *command, "--help", columns=columns).stdout
    assert [line for line in told.splitlines() if len(line) > columns] == []
    wide = wide_help(*command)
    examples = [
        re.sub(r" \\\n +", " ", text).partition("Examples:")[2].partition("\n\n")[0] for text in (told, wide)
    ]
    assert examples[0].split("\n") == examples[1].split("\n")  # as the shell reads them, too
    defaults = [re.findall(r"\[default: [^]]*\]", " ".join(text.split())) for text in (told, wide)]
    assert defaults[0] == defaults[1]  # no word is cut
    for section in told.partition("Examples:")[0].split("\n\n"):
        further = [line for line in section.splitlines() if line.startswith(" " * 12)]
        assert len({len(line) - len(line.lstrip()) for line in further}) < 2, section


@pytest.mark.parametrize("columns", ["0", "00", "-1", "", "abc", "\u00b2", "\u0663", "9" * 5000])
@pytest.mark.parametrize("answer", [*ANSWERS, "help"])
def test_a_width_that_is_none(case: Path, answer: str, columns: str) -> None:
    """As if COLUMNS were not set: the same is printed, and the exit code stays."""
    words = ANSWERS.get(answer, ["fuse", "--help"])
    done, unset = run_here(case, *words, columns=columns), answered(case, answer, "")
    assert (done.returncode, done.stdout, done.stderr) == (unset.returncode, unset.stdout, unset.stderr)
    assert done.stdout


@pytest.mark.parametrize("columns", [1, 4, 20, 30])
@pytest.mark.parametrize("answer", [*ANSWERS, "help"])
def test_very_narrow(case: Path, answer: str, columns: int) -> None:
    """No value is cut."""
    words = ANSWERS.get(answer, ["fuse", "--help"])
    done, wide = run_here(case, *words, columns=columns), answered(case, answer, 400)
    assert done.returncode == wide.returncode
    assert done.stdout
    assert "\u2026" not in done.stdout
    if answer == "evaluate":
        for number in re.findall(r"\d+\.\d+", wide.stdout):
            assert number in done.stdout


@pytest.mark.parametrize(
    ("encoding", "answer"), [*(("ascii", answer) for answer in ANSWERS), ("latin-1", "evaluate")]
)
def test_signs_that_a_terminal_lacks(case: Path, answer: str, encoding: str) -> None:
    done = ran(case, *ANSWERS[answer], columns=100, encoding=encoding, env={"PYTHONIOENCODING": encoding})
    assert done.stdout
    assert "\\u" not in done.stdout + done.stderr
    assert "\\x" not in done.stdout + done.stderr
    assert re.search(r"---", done.stdout)


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        ("", 10, [""]),
        ("one two three", 9, ["one two", "  three"]),
        ("wrote /a/very/long/path-with-hyphens.nii.gz, x", 20, ["wrote", "  /a/very/long/path-with-hyphens.nii.gz,", "  x"]),
        ("give --ring-radius-mm 12.345", 18, ["give", "  --ring-radius-mm", "  12.345"]),
    ],
)  # fmt: skip
def test_breaks(text: str, columns: int, lines: list[str]) -> None:
    """Numbers, switches and paths stay whole, even where that makes a line too wide."""
    assert broken(text, columns) == lines
