"""A log file: what a command was, its steps, warnings and errors, each with the time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from ...errors import OutputError
from ...images.outputs import logs
from ...images.paths import shown
from ...report import terminal

Hear = Callable[[str, str], None]
BEGIN = "fastfuse log, "  # of the first line: what begins otherwise is no log, and is left as it is


_open: list[tuple[TextIO, Hear]] = []


def start_log(path: Path) -> None:
    """Add to a log, which is made if it is not there, until :func:`end_log`.

    Raises
    ------
    OutputError
        For a file that is no log of fastfuse, and one that cannot be written.
    """
    import shlex

    file = _opened(path)

    def hear(kind: str, text: str) -> None:
        _write(file, kind, text)

    _open.append((file, hear))
    logs.append(path)
    terminal.listeners.append(hear)
    hear("command", shlex.join(["fastfuse", *sys.argv[1:]]))


def end_log(code: int) -> None:
    """Note the exit code, and close the log, if there is one."""
    logs.clear()
    while _open:
        file, hear = _open.pop()
        hear("end", f"exit code {code}")
        terminal.listeners.remove(hear)
        with suppress(OSError):
            file.close()


def _opened(path: Path) -> TextIO:
    """Open a log to add to."""
    try:
        if path.exists():
            with path.open("rb") as file:
                begin = file.read(len(BEGIN))
            if begin and begin != BEGIN.encode():
                raise OutputError(
                    f"{shown(path)}: it is there, and is no log of fastfuse; choose another name (--log-file)"
                )
        opened = path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
        try:
            _begin(opened)
        except OSError:
            with suppress(OSError):  # what could not be written is tried again
                opened.close()
            raise
    except OSError as error:
        raise OutputError(
            f"{shown(path)}: cannot be written ({error.strerror}); choose another name (--log-file)"
        ) from None
    return opened


def _begin(file: TextIO) -> None:
    """Write the line by which a log is known, unless it is there."""
    if file.tell() == 0:
        from importlib.metadata import version

        file.write(f"{BEGIN}version {version('fastfuse')}\n")


def _write(file: TextIO, kind: str, text: str) -> None:
    """Write lines, each with the time and its kind; a full disk does not end the work."""
    from datetime import datetime

    now = datetime.now().astimezone().isoformat(timespec="milliseconds")
    with suppress(OSError):
        file.writelines(f"{now} {kind} {shown(line)}".rstrip() + "\n" for line in text.splitlines() or [""])
