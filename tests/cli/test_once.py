"""An option stands once: of two values, the first went unheard."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

import fastfuse
from fastfuse.cli.shell import app_of_words

from ..command import run_here

GROUP: Any = typer.main.get_command(app_of_words([]))
CHOSEN = {
    "fuse": ["r.nii"],
    "soften": ["r.nii"],
    "evaluate": ["p.nii", "t.nii"],
    "check": ["c"],
    "experiment": ["c"],
    **{name: ["c"] for name in ("cohort fuse", "cohort export", "cohort merge")},
    "cohort apply": ["e.json", "c"],
}


def commands(group: Any = GROUP, above: str = "") -> dict[str, Any]:
    """Return all commands by what is typed, with those of groups."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        typed = f"{above}{name}"
        found |= commands(command, f"{typed} ") if hasattr(command, "commands") else {typed: command}
    return found


def options() -> list[tuple[str, Any]]:
    return [
        (name, one)
        for name, command in commands().items()
        for one in command.params
        if one.param_type_name == "option" and not one.multiple and not one.count and "--help" not in one.opts
    ]


def value_of(one: Any) -> list[str]:
    return [] if one.is_flag else ["1"] * one.nargs


@pytest.mark.parametrize(("command", "one"), options(), ids=lambda value: getattr(value, "name", value))
def test_twice_is_refused(tmp_path: Path, command: str, one: Any) -> None:
    for switch in (one.opts[0], one.opts[-1]):
        twice = [one.opts[-1], *value_of(one), switch, *value_of(one)]
        done = run_here(tmp_path, *command.split(), *CHOSEN.get(command, []), *twice)
        assert done.returncode == 2
        assert f"{max(one.opts, key=len)}" in done.stderr
        assert "is given twice: give it once" in done.stderr.replace("\n", " ")


def test_all_commands_are_looked_at() -> None:
    assert {name for name, _ in options()} == set(commands())
    assert "cohort fuse" in commands()
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
    ("words", "said"),
    [
        ("demo --cohort -h", "--cohort is followed by -h: give its value first; write ./-h for a file of"),
        (
            "fuse a.nii -o --mask m.nii",
            "--output is followed by --mask: give its value first; write ./--mask",
        ),
        ("fuse a.nii -o o.nii --preset --help", "--preset is followed by --help: give its value first"),
    ],
)
def test_a_switch_is_no_value(tmp_path: Path, words: str, said: str) -> None:
    """Help that is asked for where a value is missing, or an option; nothing is written in a folder -h."""
    done = run_here(tmp_path, *words.split())
    assert done.returncode == 2
    assert said in done.stderr.replace("\n", " ")
    assert not any(tmp_path.iterdir())


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


PRIOR = "--prior is '': it must be 'mean' or 'estimate' or a number in (0, 1) or a map"


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
        (["fuse", "a.nii", "-o", "c.nii", "--prior", ""], PRIOR),
        (
            ["fuse", "a.nii", "-o", "c.nii", "--roi", ""],
            "--roi is '': it must be 'all' or 'disputed' or a margin in mm",
        ),
        (
            ["soften", "a.nii", "--image", "b.nii", "-o", "c.nii", "--roi", ""],
            "the name of a file is empty (--roi); choose one",
        ),
        (["demo", "--cohort", ""], "the name of a folder is empty (--cohort); choose one"),
        (["check", ""], "the name of a folder is empty; choose one"),
        (["experiment", "a", "--out", ""], "the name of an output is empty (--out); choose one"),
        (
            ["experiment", "a", "--out", "b", "--config", ""],
            "the name of a file is empty (--config); choose one",
        ),
        *[
            (
                ["experiment", "a", "--out", "b", switch, ""],
                f"{switch} is empty: give a value, or leave it out",
            )
            for switch in ("--preset", "--folds", "--only-folds", "--seeds", "--train", "--model", "--set")
        ],
    ],
)
def test_empty_names(tmp_path: Path, words: list[str], message: str) -> None:
    done = run_here(tmp_path, *words)
    assert (done.returncode, done.stderr) == (2, f"error: {message}\n")
    assert not list(tmp_path.iterdir())


def switches_of(command: str) -> list[str]:
    """Return the options of a command that take one value, as its help has them."""
    told = run_here(Path(), command, "--help").stdout
    return sorted(
        set(re.findall(r"^  (?:-\w, )?(--[\w-]+) \S", told, re.MULTILINE)) - {"--performance-prior"}
    )


BASES = {
    "fuse": ["fuse", "a.nii", "b.nii", "-o", "c.nii", "--soften", "--image", "i.nii"],
    "soften": ["soften", "a.nii", "--image", "i.nii", "-o", "c.nii"],
    "evaluate": ["evaluate", "a.nii", "b.nii"],
    "demo": ["demo"],
    "check": ["check", "a"],
    "experiment": ["experiment", "a", "--out", "b"],
    "table": ["table", "a"],
    "predict": ["predict", "a", "c", "--out", "b"],
    "export": ["export", "nnunet", "a", "--out", "b", "--method", "staple"],
}


@pytest.mark.parametrize("command", BASES)
def test_every_option_given_empty(tmp_path: Path, command: str) -> None:
    """None is taken for a file, a folder or nothing: each refusal names its option."""
    if command in ("experiment", "predict"):
        pytest.importorskip("torch")
    switches = switches_of(command)
    assert switches
    for switch in switches:
        words = BASES[command]
        if switch in words or (switch == "--output" and "-o" in words):
            short = "-o" if switch == "--output" and "-o" in words else switch
            at = words.index(short)
            words = [*words[:at], *words[at + 2 :]]
        done = run_here(tmp_path, *words, switch, "")
        assert done.returncode == 2, (switch, done.stdout)
        assert switch in done.stderr
        assert not list(tmp_path.iterdir())


def test_empty_names_in_python(tmp_path: Path) -> None:
    with pytest.raises(fastfuse.OutputError, match="the name of an output is empty"):
        fastfuse.fuse_files(["a.nii"], "")
    with pytest.raises(fastfuse.OutputError, match="the name of an output is empty"):
        fastfuse.soften_files(["a.nii"], "b.nii", out_dir="")
    with pytest.raises(fastfuse.ImageError, match="the name of a file is empty"):
        fastfuse.evaluate_files("", "b.nii")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("cohort fuse c --out o --overwrite", "--refresh"),
        ("cohort fuse c --out o -f", "--refresh"),
        ("fuse r.nii -o c.nii --force", "--overwrite"),
        ("predict r c -o o -f", "--overwrite"),
        ("fuse r.nii -o c.nii -q", "--quiet"),
        ("cohort fuse c -o o", "--out"),
        ("fuse r.nii --ovrwrite", "--overwrite"),
    ],
)
def test_another_program_s_word_for_an_option(tmp_path: Path, words: str, offered: str) -> None:
    done = run_here(tmp_path, *words.split())
    assert done.returncode == 2
    by_typer, by_click = rf": \S+ \(Possible options: {offered}\)", rf" '\S+'\. Did you mean '{offered}'\?"
    assert re.search(f"No such option({by_typer}|{by_click})", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        ("cohort apply e.json c --out o --overwrite", "--overwrite"),
        ("experiment c --overwrite", "--overwrite"),
        *((f"{command} -f", "-f") for command in ("experiment", "export")),
    ],
)
def test_no_option_of_another_meaning_is_offered(tmp_path: Path, words: str, typed: str) -> None:
    """--force and --resume of a command do not replace what is there."""
    done = run_here(tmp_path, *words.split())
    assert done.returncode == 2
    assert done.stderr in {
        f"error: No such option{words} (see --help)\n" for words in (f": {typed}", f" '{typed}'.")
    }
