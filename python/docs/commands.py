"""The page of all commands: what ``--help`` prints of each, so that each option stands in the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

PAGE = "commands.md"
BEGIN = """# All commands and options

What `-h` prints of each command. [The command](command.md) says what all of them share.
"""


def write_commands(folder: Path) -> None:
    """Write the page."""
    from fastfuse.cli import app_of_words

    command: Any = typer.main.get_command(app_of_words([]))
    parts = [
        BEGIN,
        *(section for path, one in _commands(command, "fastfuse") for section in _section(path, one)),
    ]
    (folder / PAGE).write_text("\n".join(parts), encoding="utf-8")


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield each command that does something, with how it is typed."""
    for name, one in command.commands.items():
        if hasattr(one, "commands"):
            yield from _commands(one, f"{path} {name}")
        else:
            yield f"{path} {name}", one


def _section(path: str, command: Any) -> Iterator[str]:
    from fastfuse.cli.help import lines_of

    context: Any = command.context_class(command, info_name=path, help_option_names=["-h", "--help"])
    text = "\n".join(line for line, _ in lines_of(command, context))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    yield from (f"\n## {path}\n", "```text", plain.strip("\n"), "```")
