"""Flags of every command: -h, --json, --quiet and --debug; and what the help shows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fastfuse.fusion.options import DECLARED
from fastfuse.fusion.registry import AUTO, NAMES

from ..command import run_here
from .common import MASKS, ran

COMMANDS = ("fuse", "soften", "evaluate", "demo", "check", "experiment")


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(tmp_path: Path, command: str, columns: int) -> None:
    short = run_here(tmp_path, *command.split(), "-h", columns=columns)
    assert (short.returncode, short.stderr) == (0, "")
    out = short.stdout
    where = [
        out.index(part)
        for part in ("Usage: fastfuse", "\nExamples:\n  fastfuse ", "\nOptions:\n", "\nExit codes: ")
    ]
    assert where == sorted(where)
    assert "2 problems" in out if command == "check" else "2 bad input" in " ".join(out.split())
    prose = [line for line in out.splitlines() if not line.startswith("  fastfuse ")]
    assert max(map(len, prose)) <= columns
    assert set(re.findall(r"(--\S+) NAME(?!=)", out)) <= {"--select-segment"}
    assert "…" not in out
    if command:
        assert all(f"  --{name} " in out for name in ("quiet", "json", "debug"))


def test_help_shows_the_choices(tmp_path: Path) -> None:
    out = run_here(tmp_path, "fuse", "--help").stdout
    shown = [set(words.split("|")) for words in re.findall(r"--[a-z-]+ ([\w|.:-]+\|[\w|.:-]+)", out)]
    assert {*NAMES, AUTO.name} in shown
    for one in DECLARED:
        if one.choices and one.flag is not None:
            assert set(one.choices) in shown, one.name
    assert "Training|Testing|all" in run_here(tmp_path, "check", "-h").stdout
    assert "quick|paper" in run_here(tmp_path, "experiment", "-h").stdout


def test_fuse_as_json(case: Path, tmp_path: Path) -> None:
    done = ran(case, "fuse", *MASKS, "-o", tmp_path / "c.nii", "--max-iter", "1", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == json.loads((tmp_path / "c.json").read_text())
    assert done.stderr.startswith("warning: ")


def test_soften_as_json(case: Path, tmp_path: Path) -> None:
    done = ran(case, "soften", *MASKS, "--image", "flair.nii.gz", "--out-dir", tmp_path, "--json")
    sidecars = [json.loads((tmp_path / name.replace(".nii.gz", ".json")).read_text()) for name in MASKS]
    assert json.loads(done.stdout) == sidecars


def test_evaluate_as_json(case: Path, tmp_path: Path) -> None:
    done = ran(case, "evaluate", MASKS[0], MASKS[1], "-o", tmp_path / "e.json", "--json")
    assert json.loads(done.stdout) == json.loads((tmp_path / "e.json").read_text())
    assert json.loads(ran(case, "evaluate", MASKS[0], MASKS[1], "--json").stdout) == json.loads(done.stdout)


@pytest.mark.parametrize(
    "words",
    [
        ["fuse", *MASKS, "-o", "{out}/c.nii", "--prior", "estimate"],
        ["soften", *MASKS, "--image", "flair.nii.gz", "--out-dir", "{out}", "--ring-radius-mm", "3"],
        ["evaluate", MASKS[0], MASKS[1]],
    ],
)
def test_quiet(case: Path, tmp_path: Path, words: list[str]) -> None:
    done = ran(case, *(word.format(out=tmp_path) for word in words), "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_debug_shows_the_traceback(tmp_path: Path, command: str) -> None:
    words = {
        "fuse": ["none.nii", "-o", "c.nii"],
        "soften": ["none.nii", "--image", "none.nii", "-o", "c.nii"],
        "evaluate": ["none.nii", "none.nii"],
        "demo": ["folder", "--spacing-mm", "3"],
        "check": ["none"],
        "experiment": ["none", "--out", "run", "--only-folds", "a"],
    }[command]
    plain, debug = (run_here(tmp_path, command, *words, *more) for more in ([], ["--debug"]))
    assert plain.returncode == debug.returncode == 2
    assert re.fullmatch(r"error: .*\n", plain.stderr)
    assert debug.stderr.startswith("Traceback (most recent call last):")
    assert debug.stderr.endswith(plain.stderr)


def test_json_of_a_failure_is_nothing(case: Path) -> None:
    done = ran(case, "fuse", "none.nii", "-o", "c.nii", "--json")
    assert (done.returncode, done.stdout) == (2, "")
