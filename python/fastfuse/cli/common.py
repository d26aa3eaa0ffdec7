"""What the commands share."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from ..errors import FusionWarning
from ..report import terminal as report


class CannotPrint(Exception):
    """Standard output takes nothing."""


class Interrupted(Exception):
    """Ctrl-C where work is kept; the message says how to go on."""


def dilation_of(switches: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a dilation that were switched from their defaults."""
    from ..dilation.options import Dilation

    options = {
        "size": switches["ring_size"],
        "label": switches["ring_label"],
        "iterations": switches["ring_iterations"],
        "radius_mm": switches["ring_radius"],
        "threshold": number_or_word(switches["ring_threshold"]),
        "scope": switches["ring_scope"].value,
        "connected": switches["ring_connected"],
        "normalize": switches["normalize"],
        "binarize": switches["binarize"],
    }
    defaults = {field.name: field.default for field in fields(Dilation)}
    return {name: value for name, value in options.items() if value != defaults[name]}


def number_or_word(text: str) -> float | str:
    """Return what was typed as a number if it is one."""
    try:
        return float(text)
    except ValueError:
        return text


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print the package's warnings as one line each, after the work."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FusionWarning)
        yield
    for warning in caught:
        report.print_line("warning", str(warning.message))


@contextmanager
def printing() -> Iterator[None]:
    """Print last: if it cannot be done, the outputs are there all the same."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise CannotPrint(f"cannot print ({error.strerror}); the outputs are complete") from None
