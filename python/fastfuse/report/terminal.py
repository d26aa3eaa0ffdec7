"""The terminal: where output goes, how wide it is, one-line messages and progress."""

from __future__ import annotations

import os
import re
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from ..images.paths import shown

LOOK: dict[str, Any] = {"title_justify": "left", "box": box.SIMPLE_HEAD, "padding": (0, 0, 0, 1)}

SIZES = ("COLUMNS", "LINES", "JUPYTER_COLUMNS", "JUPYTER_LINES")
NARROWEST = 48  # columns of standard output: a narrower table would lose digits and words

GLUE = "\0"  # a space at which no line breaks, in lines that are printable

PATIENCE_S = 1.0  # before progress is shown

Say = Callable[[str], None]
listeners: list[Callable[[str, str], None]] = []  # hear the kind of a line, and the line


def printable(text: object) -> str:
    """Escape control characters and markup, which file names may hold."""
    return escape(shown(str(text)))


def print_line(kind: str, text: str) -> None:
    """Print one line on standard error that begins with its kind, error or warning."""
    note(kind, text)
    colour = {"error": "bold red", "warning": "yellow"}[kind]
    _errors().print(f"[{colour}]{kind}:[/] {printable(text)}", highlight=False)


def note(kind: str, text: str) -> None:
    """Let those who listen, such as a log file, hear a line that may not be printed."""
    for hear in listeners:
        hear(kind, text)


def print_step(text: str) -> None:
    """Print a step of the work as a line on standard error."""
    _in_lines(_errors())(text)


@contextmanager
def progress(steps: int | None, *, lines: bool = False, quiet: bool = False) -> Iterator[Say]:
    """Show steps on a terminal if the work takes over a second.

    Elsewhere show nothing; with ``lines``, one line a step. ``quiet``: nothing anywhere.
    """
    console = _errors()
    if quiet or not is_terminal(sys.stderr):
        yield _in_lines(console) if lines and not quiet else lambda _: None
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), *((BarColumn(),) if steps else ()))
    bar = Progress(*columns, console=console, transient=True)
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


def is_terminal(stream: Any) -> bool:
    """Tell whether somebody watches a stream, whatever colours are forced; a dumb terminal cannot move lines."""
    return stream is not None and stream.isatty() and os.environ.get("TERM", "") != "dumb"


def width() -> int | None:
    """Return the columns of standard output; None where lines may be of any length."""
    fixed = "COLUMNS" in environment()
    return output().width if fixed or is_terminal(sys.stdout) else None


def environment() -> dict[str, str]:
    """Return the variables that a console reads, without sizes that are none, such as COLUMNS=0."""
    found = dict(os.environ)
    for name in SIZES:
        size = found.get(name, "")
        if not (size.isascii() and size.isdigit() and len(size) < 10 and int(size)):
            found.pop(name, None)
    return found


class _Output(Console):
    """A console that leaves a broken pipe to the caller."""

    def __init__(self, **options: Any) -> None:
        super().__init__(emoji=False, _environ=environment(), **options)
        if not self.stderr and self.width < NARROWEST:
            self.width = NARROWEST

    def on_broken_pipe(self) -> None:
        """Raise, where rich would exit."""
        raise BrokenPipeError


def output() -> Console:
    """Return standard output: lines wrap at a terminal's width, and nowhere else."""
    return _Output(soft_wrap=not is_terminal(sys.stdout))


def print_below(console: Console, lines: Iterable[str], style: str = "") -> None:
    """Print lines of text, each broken at spaces where the terminal, or COLUMNS, is narrower; their markup is escapes."""
    columns = width()
    for line in lines:
        plain = Text.from_markup(line).plain
        for part in [plain] if columns is None else broken(plain, columns):
            console.print(Text(part.replace(GLUE, " "), style=style), soft_wrap=True, highlight=False)


def print_command(console: Console, command: str) -> None:
    """Print a command so that it can be pasted: broken lines end in a backslash."""
    columns = width()
    plain = re.sub(r"'[^']*'", lambda word: word[0].replace(" ", GLUE), Text.from_markup(command).plain)
    parts = [plain] if columns is None else broken(plain, columns - len(" \\"))
    for place, part in enumerate(parts):
        line = part if place == len(parts) - 1 else f"{part} \\"
        console.print(Text(line.replace(GLUE, " ")), soft_wrap=True, highlight=False)


def fitting(title: str) -> str:
    """Return a title broken where it is wider than the terminal."""
    columns = width()
    return title if columns is None else "\n".join(broken(title, columns))


def broken(text: str, columns: int, *, indent: str = "  ") -> list[str]:
    """Return lines no wider than that, broken at spaces alone: numbers, switches and paths stay whole."""
    return textwrap.wrap(
        text, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ) or [""]


def _errors() -> Console:
    """Return standard error; its lines are as long as they are."""
    return _Output(stderr=True, soft_wrap=True)


def _in_lines(console: Console) -> Say:
    return lambda what: console.print(printable(what), highlight=False)
