"""The terminal: where output goes, how wide it is, one-line messages and progress."""

from __future__ import annotations

import re
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from ..images.paths import shown
from .lines import (
    NARROWEST,
    Lines,
    Plain,
    console,
    environment,
    is_terminal,
    lines_to,
    printable,
    without_markup,
)

__all__ = ["console", "is_terminal", "printable"]  # of what is imported, what others take from here

GLUE = "\0"  # a space at which no line breaks, in lines that are printable

PATIENCE_S = 1.0  # before progress is shown

Say = Callable[[str], None]
listeners: list[Callable[[str, str], None]] = []  # hear the kind of a line, and the line


def print_line(kind: str, text: str) -> None:
    """Print one line on standard error that begins with its kind, error or warning."""
    note(kind, text)
    colour = {"error": "bold red", "warning": "yellow"}[kind]
    lines = _errors()
    if isinstance(lines, Plain):
        lines.line(f"{kind}: {shown(text)}")
    else:
        console(errors=True).print(f"[{colour}]{kind}:[/] {printable(text)}", highlight=False)


def note(kind: str, text: str) -> None:
    """Let those who listen, such as a log file, hear a line that may not be printed."""
    for hear in listeners:
        hear(kind, text)


def print_step(text: str) -> None:
    """Print a step of the work as a line on standard error."""
    _errors().line(shown(text))


@contextmanager
def progress(steps: int | None, *, lines: bool = False, quiet: bool = False) -> Iterator[Say]:
    """Show steps on a terminal if the work takes over a second.

    Elsewhere show nothing; with ``lines``, one line a step. ``quiet``: nothing anywhere.
    """
    if quiet or not is_terminal(sys.stderr):
        yield print_step if lines and not quiet else lambda _: None
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), *((BarColumn(),) if steps else ()))
    bar = Progress(*columns, console=console(errors=True), transient=True)
    task = bar.add_task("starting", total=steps)
    said = 0

    def say(what: str) -> None:
        nonlocal said
        bar.update(task, description=printable(what), completed=said)
        said += 1

    def show() -> None:
        with suppress(RuntimeError):  # no thread to be had, and none needed
            bar.start()

    timer = threading.Timer(PATIENCE_S, show)  # a timer, because the first step alone may take long
    timer.daemon = True
    with suppress(RuntimeError):
        timer.start()
    try:
        yield say
    finally:
        timer.cancel()
        bar.stop()


def width() -> int | None:
    """Return the columns of standard output; None where lines may be of any length."""
    columns = environment().get("COLUMNS")
    if columns is not None:
        return max(int(columns), NARROWEST)
    return console().width if is_terminal(sys.stdout) else None


def output() -> Lines:
    """Return standard output."""
    return lines_to(sys.stdout, errors=False)


def print_below(to: Lines, lines: Iterable[str], style: str = "") -> None:
    """Print lines of text, each broken at spaces where the terminal, or COLUMNS, is narrower; their markup is escapes."""
    columns = width()
    for line in lines:
        plain = without_markup(line)
        for part in [plain] if columns is None else broken(plain, columns):
            to.line(part.replace(GLUE, " "), style)


def print_command(to: Lines, command: str) -> None:
    """Print a command so that it can be pasted: broken lines end in a backslash."""
    columns = width()
    plain = re.sub(r"'[^']*'", lambda word: word[0].replace(" ", GLUE), without_markup(command))
    parts = [plain] if columns is None else broken(plain, columns - len(" \\"))
    for place, part in enumerate(parts):
        line = part if place == len(parts) - 1 else f"{part} \\"
        to.line(line.replace(GLUE, " "))


def fitting(title: str) -> str:
    """Return a title broken where it is wider than the terminal."""
    columns = width()
    return title if columns is None else "\n".join(broken(title, columns))


def broken(text: str, columns: int, *, indent: str = "  ") -> list[str]:
    """Return lines no wider than that, broken at spaces alone: numbers, switches and paths stay whole."""
    return textwrap.wrap(
        text, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ) or [""]


def _errors() -> Lines:
    return lines_to(sys.stderr, errors=True)
