"""What is typed straight is read without typer, to the same values as typer reads."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Any

import pytest
import typer.main

from fastfuse.cli.flags import was_typed
from fastfuse.cli.words.commands import command_called
from fastfuse.cli.words.declared import Context, declared_in, for_typer
from fastfuse.cli.words.straight import NotStraightError, values_of_words

FUSE = ["fuse", "a.nii", "b.nii", "-o", "c.nii"]
STRAIGHT = [
    FUSE,
    [*FUSE, "--method", "STAPLE", "--prior", "0.2", "--tol", "1e-3", "--max-iter", "5", "--overwrite"],
    [*FUSE, "--labels", "all", "--save-probability", "1=x.nii", "--save-probability", "2=y.nii"],
    [*FUSE, "--soften", "--image", "f.nii", "--no-normalize", "--ring-size=1.3", "--ring-scope", "lesion"],
    [*FUSE, "--cut", "1", "--names", "A,B", "--select-label", "1,2", "--quiet", "--log-file", "x.log"],
    ["fuse", "-o", "c.nii", "a.nii", "--json", "b.nii", "--present", "-", "--present", "p.nii"],
    ["soften", "a.nii", "--image", "f.nii", "--out-dir", "soft"],
    ["evaluate", "p.nii", "t.nii", "--min-voxels", "3"],
    ["compare", "a.nii", "b.nii"],
    ["cohort", "fuse", "data", "--out", "fused", "--workers", "2", "--cut", "1"],
    ["cohort", "apply", "e.json", "data", "--out", "fused"],
]
OTHERS = [
    ["fuse", "--help"],
    ["fuse", "a.nii"],
    [*FUSE, "--metod", "staple"],
    [*FUSE, "--method", "stapel"],
    [*FUSE, "--method"],
    [*FUSE, "--tol", "much"],
    [*FUSE, "--tol", "1", "--tol", "2"],
    [*FUSE, "--tol", "-1"],
    [*FUSE, "--mask", ""],
    [*FUSE, "--overwrite=yes"],
    [*FUSE, "--performance-prior", "5", "1.5"],
    ["evaluate", "p.nii", "t.nii", "--min-voxels", "-3"],
    ["cohort", "fuse", "data", "--out", "fused", "--workers", "0"],
    ["cohort", "apply", "e.json", "--out", "fused"],
]


def without_context(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "context"}


def by_typer(words: list[str]) -> tuple[dict[str, Any], set[str]]:
    """Return what typer reads, and the names of what was typed."""
    called = command_called(words)
    assert called is not None
    command, naming = called
    app = typer.Typer()
    heard: list[Any] = []

    def hear(**given: Any) -> None:
        heard.append(given)

    hear.__signature__ = for_typer(command).__signature__  # type: ignore[attr-defined]
    hear.__annotations__ = command.__annotations__
    app.command()(hear)
    one = typer.main.get_command(app)
    made: Any = one.make_context("fastfuse", [*words[naming:]])
    with made:
        one.invoke(made)
    (given,) = heard
    typed = {name for name in given if was_typed(made, name)}
    return without_context(given), typed


@pytest.mark.parametrize("words", STRAIGHT, ids=" ".join)
def test_straight_words_are_read_as_by_typer(words: list[str]) -> None:
    called = command_called(words)
    assert called is not None
    command, naming = called
    values = values_of_words(words[naming:], command)
    expected, typed = by_typer(words)
    own = without_context(values)
    assert own == expected
    assert {name: type(one) for name, one in own.items()} == {
        name: type(one) for name, one in expected.items()
    }
    if "context" in values:
        context = values["context"]
        assert {name for name in own if context.get_parameter_source(name)} == typed


@pytest.mark.parametrize("kind", [Enum, IntEnum])
def test_what_was_typed_is_told_by_any_click(kind: Any) -> None:
    """Since click 8.5 a source is a number, which is what str() of it says."""
    source = kind("ParameterSource", ["COMMANDLINE", "DEFAULT"])

    class Asked:
        def get_parameter_source(self, name: str, /) -> Any:
            return source[name] if name in source.__members__ else None

    assert was_typed(Asked(), "COMMANDLINE")
    assert not was_typed(Asked(), "DEFAULT")
    assert not was_typed(Asked(), "nothing")


@pytest.mark.parametrize("words", OTHERS, ids=" ".join)
def test_all_else_is_left_to_typer(words: list[str]) -> None:
    called = command_called(words)
    assert called is not None
    command, naming = called
    with pytest.raises(NotStraightError):
        values_of_words(words[naming:], command)


def test_every_command_can_be_typed_straight() -> None:
    names = ("fuse", "soften", "agreement", "compare", "evaluate", "demo", "check", "experiment", "table")
    for name in (*names, "predict", "export", "cite", "rerun", "doctor"):
        called = command_called([name])
        assert called is not None
        for one in called[0].__annotations__.values():
            assert one is Context or declared_in(one)[1] is not None
