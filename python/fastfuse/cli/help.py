"""Help as plain text: usage, examples, what can be typed, exit codes; nothing is cut at any width."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import typer.core
from rich.text import Text

from ..report import terminal as report
from .once import Once

HEADS = 26  # columns of what is typed, before what it means
WIDEST = 100  # columns of a line that can still be read
OPTIONS = "Options"
WORDS = {"path": "FILE", "integer": "N", "float": "X", "text": "TEXT"}
KINDS = {Path: "FILE", int: "N", float: "X", str: "TEXT"}
EXIT_CODES = "0 done, 1 internal error, 2 bad input or usage, 130 interrupted, 143 terminated."


class Command(Once):
    """A command whose help is :func:`lines_of`."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        _write(lines_of(self, ctx), ctx, formatter)


class Group(typer.core.TyperGroup):
    """The command of commands."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        _write(lines_of(self, ctx), ctx, formatter)


def about(summary: str | None, examples: Sequence[str]) -> str:
    """Return the help text of a command: what it does, then examples."""
    return "\n\n".join([textwrap.dedent(summary or "").strip(), *examples])


def lines_of(command: Any, ctx: Any) -> Iterator[tuple[str, str]]:
    """Yield the lines of a command's help, each with its style."""
    width = min(report.console().width, WIDEST)
    summary, *examples = command.help.split("\n\n")
    yield from _wrapped(f"Usage: {ctx.command_path} {_usage(command, ctx)}", width, hanging=7)
    yield from [("", ""), *_wrapped(" ".join(summary.split()), width), ("", ""), ("Examples:", "bold")]
    for example in examples:
        parts = report.broken(example, width - 4, indent="    ")
        yield from (
            (f"  {part}{end}", "") for part, end in zip(parts, [" \\"] * (len(parts) - 1) + [""], strict=True)
        )
    if hasattr(command, "commands"):
        rows = [(name, " ".join(one.help.split("\n\n")[0].split())) for name, one in command.commands.items()]
        yield from _section("Commands", rows, width)
    for title, found in _panels(command.get_params(ctx)).items():
        yield from _section(title, [(_head(one), _meaning(one)) for one in found], width)
    yield from [("", ""), *_wrapped(f"Exit codes: {command.epilog or EXIT_CODES}", width, hanging=12)]


def _write(lines: Iterator[tuple[str, str]], ctx: Any, formatter: Any) -> None:
    """Write lines in colours where the terminal has them."""
    console = report.console()
    with console.capture() as captured:
        for line, style in lines:
            console.print(Text(line, style=style), soft_wrap=True, highlight=False)
    ctx.color = True  # what the terminal cannot show is not in the text
    formatter.write(captured.get())


def _usage(command: Any, ctx: Any) -> str:
    if hasattr(command, "commands"):
        return "COMMAND ... [OPTIONS]"
    arguments = [_head(one) for one in command.get_params(ctx) if one.param_type_name == "argument"]
    needed = [
        f"{one.opts[-1]} {_value(one)}"
        for one in command.get_params(ctx)
        if one.param_type_name == "option" and one.required
    ]
    return " ".join([*arguments, *needed, "[OPTIONS]"])


def _panels(parameters: Sequence[Any]) -> dict[str, list[Any]]:
    """Return arguments and options by the title of their section, those of every command last."""
    found: dict[str, list[Any]] = {}
    for one in parameters:
        if not getattr(one, "hidden", False):
            usual = "Arguments" if one.param_type_name == "argument" else OPTIONS
            found.setdefault(getattr(one, "rich_help_panel", None) or usual, []).append(one)
    return found


def _section(title: str, rows: Sequence[tuple[str, str]], width: int) -> Iterator[tuple[str, str]]:
    """Yield a title, and what can be typed beside what it means."""
    yield from [("", ""), (f"{title}:", "bold")]
    column = min(HEADS, max(len(head) for head, _ in rows) + 4)
    for head, meaning in rows:
        heads = _broken(head, width - 2)
        room = max(width - column, 20)
        lines = [line.replace("\u00a0", " ") for line in _filled(_unbroken(meaning, room), room)]
        if len(heads[-1]) + 4 <= column:
            heads[-1] = f"  {heads[-1]}".ljust(column) + lines.pop(0)
        else:
            heads[-1] = f"  {heads[-1]}"
        yield from ((f"  {part}", "") for part in heads[:-1])
        yield heads[-1].rstrip(), ""
        yield from ((" " * column + line, "") for line in lines)


def _broken(head: str, width: int) -> list[str]:
    """Break what is typed before a choice where it is wider than the terminal."""
    lines = [""]
    for i, part in enumerate(head.split("|")):
        piece = part if i == 0 else f"|{part}"
        if lines[-1] and len(lines[-1] + piece) > width:
            lines.append("    ")
        lines[-1] += piece
    return lines


def _head(one: Any) -> str:
    """Return how an argument or an option is typed."""
    if one.param_type_name == "argument":
        return f"{one.name.upper()}{'...' if one.nargs == -1 else ''}"
    names = ", ".join(sorted([*one.opts, *one.secondary_opts], key=lambda name: name.startswith("--")))
    return names if one.is_flag else f"{names} {_value(one)}"


def _value(one: Any) -> str:
    """Return what stands for an option's value: its choices, or a word."""
    if one.metavar:
        return str(one.metavar)
    if hasattr(one, "type"):
        choices = getattr(one.type, "choices", ())
        return "|".join(map(_word, choices)) or WORDS.get(one.type.name.removesuffix(" range"), "VALUE")
    kind: Any = one.type_descriptor.annotation
    while get_args(kind):
        kind = get_args(kind)[0]
    if issubclass(kind, Enum):
        return "|".join(map(_word, kind))
    return KINDS.get(kind, "VALUE")


def _word(choice: Any) -> str:
    return str(choice.value) if isinstance(choice, Enum) else str(choice)


def _meaning(one: Any) -> str:
    """Return what an argument or an option means, and its default."""
    parts = [" ".join((getattr(one, "help", None) or "").split())]
    if one.required and one.param_type_name == "option":
        parts.append("[required]")
    elif isinstance(one.show_default, str):
        parts.append(f"[default: {one.show_default}]")
    elif one.show_default is not False and not (one.default is None or one.default is False):
        parts.append(f"[default: {_default(one)}]")
    return " ".join(part for part in parts if part)


def _unbroken(text: str, width: int) -> str:
    """Keep a default and its bracket on one line that holds them, by spaces at which no line is broken."""

    def kept(found: re.Match[str]) -> str:
        return found[0].replace(" ", "\u00a0") if len(found[0]) <= width else found[0]

    return re.sub(r"\[default: .*\]$", kept, text)


def _default(one: Any) -> str:
    value = one.default
    if isinstance(value, bool):
        return str(one.opts[0])
    return f"{value:g}".replace("e-0", "e-") if isinstance(value, float) else _word(value)


def _filled(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]


def _wrapped(text: str, width: int, hanging: int = 0) -> list[tuple[str, str]]:
    lines = textwrap.wrap(text, width, subsequent_indent=" " * hanging, break_on_hyphens=False)
    return [(line, "") for line in lines]
