"""Standard output and standard error that may be closed, full, or read no further."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

PLAIN = {"─": "-", "–": "-", "×": "x", "²": "2", "³": "3"}  # signs of tables, in ASCII


class CannotPrint(Exception):
    """Standard output takes nothing."""


class ReaderGone(CannotPrint):
    """Whoever reads standard output has seen enough."""


class Stream:
    """A text stream in front of another one; a subclass says what happens when that takes nothing."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._plain = _lacking_signs(getattr(stream, "encoding", None))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text."""
        try:
            return int(self._stream.write(text.translate(self._plain) if self._plain else text))
        except OSError as error:
            self._give_up()
            self._refused(error)
        return len(text)

    def flush(self) -> None:
        """Hand on what is buffered."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up()
            self._refused(error)

    def _refused(self, _: OSError) -> None:
        """Go on: the text is lost."""

    def _give_up(self) -> None:
        """Let what is still buffered go nowhere: Python would fail once more when it ends."""
        with suppress(OSError, ValueError, AttributeError):  # a stream without a file
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


class Output(Stream):
    """Standard output: the caller learns that it takes nothing."""

    def _refused(self, error: OSError) -> None:
        """Raise an error of ours."""
        if isinstance(error, BrokenPipeError):
            raise ReaderGone from None
        raise CannotPrint(f"cannot print ({error.strerror})") from None


class Errors(Stream):
    """Standard error: work goes on where it takes nothing."""


def open_streams() -> None:
    """Put safe streams in place, after the descriptors of closed ones are taken: files must not get them."""
    for number in range(3):
        with suppress(OSError):
            _fill(number)
    for name, kind in (("stdout", Output), ("stderr", Errors)):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - until the process ends
        if hasattr(stream, "reconfigure"):  # names that the terminal cannot show are no reason to fail
            stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, stream if isinstance(stream, Stream) else kind(stream))


def _lacking_signs(encoding: str | None) -> dict[int, str]:
    """Return the signs of tables that an encoding lacks, as ASCII of the same width."""
    try:
        lacking = [sign for sign in PLAIN if sign.encode(encoding or "utf-8", "ignore") == b""]
    except LookupError:
        return {}
    return {ord(sign): PLAIN[sign] for sign in lacking}


def _fill(number: int) -> None:
    """Open the null device as a descriptor that is closed."""
    try:
        os.fstat(number)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != number:
            os.dup2(nowhere, number)
            os.close(nowhere)
