"""Warnings and printing, as all commands do them."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import FusionWarning
from ..report import terminal as report
from .flags import with_typed_values


class CannotPrint(Exception):
    """Standard output takes nothing."""


class Interrupted(Exception):
    """Ctrl-C where work is kept; the message says how to go on."""


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print the package's warnings as one line each, after the work."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FusionWarning)
        yield
    for warning in caught:
        report.print_line("warning", with_typed_values(str(warning.message)))


@contextmanager
def printing() -> Iterator[None]:
    """Print last: if it cannot be done, the outputs are there all the same."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        _give_up_printing()
    except OSError as error:
        _give_up_printing()
        raise CannotPrint(f"cannot print ({error.strerror}); the outputs are complete") from None


def _give_up_printing() -> None:
    """Let what is still buffered go nowhere: Python would fail once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
