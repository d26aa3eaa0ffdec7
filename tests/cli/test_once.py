"""An option stands once: of two values, the first went unheard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

import fastfuse
from fastfuse.cli.shell import app

from ..command import run_here

GROUP: Any = typer.main.get_command(app)
CHOSEN = {
    "fuse": ["r.nii"],
    "soften": ["r.nii"],
    "evaluate": ["p.nii", "t.nii"],
    "check": ["c"],
    "experiment": ["c"],
}


def options() -> list[tuple[str, Any]]:
    return [
        (name, one)
        for name, command in GROUP.commands.items()
        for one in command.params
        if one.param_type_name == "option" and not one.multiple and not one.count and "--help" not in one.opts
    ]


def value_of(one: Any) -> list[str]:
    return [] if one.is_flag else ["1"] * one.nargs


@pytest.mark.parametrize(("command", "one"), options(), ids=lambda value: getattr(value, "name", value))
def test_twice_is_refused(tmp_path: Path, command: str, one: Any) -> None:
    for switch in (one.opts[0], one.opts[-1]):
        twice = [one.opts[-1], *value_of(one), switch, *value_of(one)]
        done = run_here(tmp_path, command, *CHOSEN.get(command, []), *twice)
        assert done.returncode == 2
        assert f"{max(one.opts, key=len)}" in done.stderr
        assert "is given twice: give it once" in done.stderr.replace("\n", " ")


def test_all_commands_are_looked_at() -> None:
    assert {name for name, _ in options()} == set(GROUP.commands)
    assert len(options()) > 60


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cut", "0.5", "--cut", "0.6", "--cut", "0.7"], "--cut is given 3 times"),
        (["-o", "a.nii", "--output", "b.nii"], "--output is given twice"),
        (["--normalize", "--no-normalize"], "--normalize or --no-normalize is given twice"),
        (["--tol=1e-3", "--tol", "1e-3"], "--tol is given twice"),
        (
            ["--performance-prior", "5", "1.5", "--performance-prior", "5", "2"],
            "--performance-prior is given twice",
        ),
    ],
)
def test_every_way_to_type_it(tmp_path: Path, words: list[str], said: str) -> None:
    done = run_here(tmp_path, "fuse", "r.nii", *words)
    assert done.returncode == 2
    assert said in done.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    "words",
    [
        ["--set", "seed=1", "--set", "seed=2"],
        ["--set", "training.epochs=1", "--set", "training.epochs=1"],
        ["--seed", "1", "--set", "seed=2"],
        ["--set", "folds=2", "--folds", "3"],
    ],
)
def test_experiment_settings(tmp_path: Path, words: list[str]) -> None:
    pytest.importorskip("torch")
    done = run_here(tmp_path, "experiment", "cohort", "--out", "run", *words)
    assert done.returncode == 2
    assert "is given twice: give it once" in done.stderr.replace("\n", " ")


def test_lists_may_repeat(tmp_path: Path) -> None:
    for words in (["--select-label", "1", "--select-label", "2"], ["--present", "-", "--present", "-"]):
        done = run_here(tmp_path, "fuse", "r.nii", "s.nii", "-o", "c.nii", *words)
        assert "r.nii: no such file" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fuse", "a.nii", "b.nii", "-o", ""], "the name of an output is empty (--output); choose one"),
        (["fuse", "a.nii", "", "-o", "c.nii"], "the name of a file is empty; choose one"),
        (["fuse", "a.nii", "-o", "c.nii", "--mask", ""], "the name of a file is empty (--mask); choose one"),
        (
            ["soften", "a.nii", "--image", "b.nii", "--out-dir", ""],
            "the name of an output is empty (--out-dir); choose one",
        ),
        (["evaluate", "", "b.nii"], "the name of a file is empty; choose one"),
    ],
)
def test_empty_names(tmp_path: Path, words: list[str], message: str) -> None:
    done = run_here(tmp_path, *words)
    assert (done.returncode, done.stderr) == (2, f"error: {message}\n")
    assert not list(tmp_path.iterdir())


def test_empty_names_in_python(tmp_path: Path) -> None:
    with pytest.raises(fastfuse.OutputError, match="the name of an output is empty"):
        fastfuse.fuse_files(["a.nii"], "")
    with pytest.raises(fastfuse.OutputError, match="the name of an output is empty"):
        fastfuse.soften_files(["a.nii"], "b.nii", out_dir="")
    with pytest.raises(fastfuse.ImageError, match="the name of a file is empty"):
        fastfuse.evaluate_files("", "b.nii")
