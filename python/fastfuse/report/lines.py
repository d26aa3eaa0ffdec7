"""Lines of text on a stream: plain ones where nothing is coloured, as in a pipe; by rich, which takes long to load, elsewhere."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any, Protocol

from ..images.paths import shown

if TYPE_CHECKING:
    from rich.console import Console

SIZES = ("COLUMNS", "LINES", "JUPYTER_COLUMNS", "JUPYTER_LINES")
NARROWEST = 48  # columns of standard output: a narrower table would lose digits and words
COLOURING = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")  # variables that let rich colour a pipe
EMOJI = re.compile(r":\S+:")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
NARROW = frozenset("─–×²³")  # beyond ASCII, what tables are made of


class Lines(Protocol):
    """A stream that takes lines."""

    def line(self, text: str, style: str = "") -> None:
        """Write one line: escaped by :func:`inert`, not wrapped, not cut, no markup in it."""


class Plain:
    """A stream without colours."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def line(self, text: str, style: str = "") -> None:
        """Write a line as it is; a style is for a terminal."""
        del style
        self._stream.write(f"{inert(text)}\n")
        self._stream.flush()


class Coloured:
    """A console of rich."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def line(self, text: str, style: str = "") -> None:
        """Write a line as it is, in a style."""
        from rich.text import Text

        self._console.print(Text(inert(text), style=style), soft_wrap=True, highlight=False)


def lines_to(stream: Any, *, errors: bool) -> Lines:
    """Return what writes lines to standard output, or to standard error."""
    plain = not is_terminal(stream) and not any(os.environ.get(name) for name in COLOURING)
    return Plain(stream) if plain else Coloured(console(errors=errors))


def is_terminal(stream: Any) -> bool:
    """Tell whether somebody watches a stream, whatever colours are forced; a dumb terminal cannot move lines."""
    return stream is not None and stream.isatty() and os.environ.get("TERM", "") != "dumb"


def console(*, errors: bool = False) -> Console:
    """Return a console of rich: lines wrap at a terminal's width, and nowhere else; on standard error, nowhere."""
    from rich.console import Console

    class Output(Console):
        """A console that leaves a broken pipe to the caller."""

        def on_broken_pipe(self) -> None:
            """Raise, where rich would exit."""
            raise BrokenPipeError

    found = Output(
        emoji=False, _environ=environment(), stderr=errors, soft_wrap=errors or not is_terminal(sys.stdout)
    )
    if not errors and found.width < NARROWEST:
        found.width = NARROWEST
    return found


def environment() -> dict[str, str]:
    """Return the variables that a console reads, without sizes that are none, such as COLUMNS=0."""
    found = dict(os.environ)
    for name in SIZES:
        size = found.get(name, "")
        if not (size.isascii() and size.isdigit() and len(size) < 10 and int(size)):
            found.pop(name, None)
    return found


def printable(text: object) -> str:
    """Escape control characters and markup, which file names may hold."""
    said = shown(str(text))
    if "[" not in said and not said.endswith("\\"):
        return said
    from rich.markup import escape

    return escape(said)


def inert(text: str) -> str:
    """Escape what ends a line, moves a terminal, or turns the order of letters, which names within files may hold."""
    return CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def without_markup(line: str) -> str:
    """Return the text of a line that may hold markup."""
    if "[" not in line and "\\" not in line and not EMOJI.search(line):
        return line
    from rich.text import Text

    return Text.from_markup(line).plain


def columns_of(text: str) -> int:
    """Return the columns that a text takes on a terminal, once :func:`inert` has escaped it."""
    text = inert(text)
    if text.isprintable() and (text.isascii() or all(sign.isascii() or sign in NARROW for sign in text)):
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
