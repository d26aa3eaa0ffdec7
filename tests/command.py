"""The shell's command, run in this process: a fraction of the time that a process of its own takes."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from fastfuse.cli import main


def run_here(folder: Path, *words: str, columns: int | str = 100) -> subprocess.CompletedProcess[str]:
    """Run ``fastfuse WORDS`` in a folder as its ``main`` does, and return its code and what it prints."""
    command = ["fastfuse", *words]
    out, err = io.StringIO(), io.StringIO()
    with (
        restored(folder),
        mock.patch.object(sys, "argv", command),
        mock.patch.dict(os.environ, COLUMNS=str(columns)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    return subprocess.CompletedProcess(command, int(ended.value.code or 0), out.getvalue(), err.getvalue())


@contextlib.contextmanager
def restored(folder: Path) -> Iterator[None]:
    """Work in a folder; afterwards, put back what ``main`` sets for the process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = Path.cwd(), gc.get_threshold()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before[0])
        for number, handler in handlers.items():
            signal.signal(number, handler)
        gc.set_threshold(*before[1])
