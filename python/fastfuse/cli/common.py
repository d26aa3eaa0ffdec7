"""Warnings, progress and answers, as all commands give them."""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..errors import FusionWarning, facts_as_written, lacking
from ..inputs.names import counted
from ..report import terminal as report
from .flags import with_typed_values
from .process.streams import CannotPrint, ReaderGone

CODES_OF_CASES = "0 done, 1 internal error, 2 bad input or usage, 3 some cases failed and the others are done, 130 interrupted, 143 terminated."
FAILED = 3  # exit code


@dataclass
class Manner:
    """How this run talks.

    Attributes
    ----------
    quiet : bool
        Only warnings and errors are printed.
    json : bool
        The answer is JSON on standard output.
    debug : bool
        Errors come with their traceback.
    verbose : bool
        Each step is a line, with the seconds since the first.
    """

    quiet: bool = False
    json: bool = False
    debug: bool = False
    verbose: bool = False


manner = Manner()


def drawn(name: str) -> Any:
    """Return a function of :mod:`fastfuse.plots`, before any work; a missing package is told with --figure."""
    try:
        from ..report import plots
    except ImportError as error:
        raise lacking("--figure", error, "demo") from None
    return getattr(plots, name)


class Interrupted(Exception):
    """Ctrl-C where work is kept; the message says how to go on."""


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print the package's warnings as one line a remark, after the work."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FusionWarning)
        yield
    for warning in caught:
        for remark in getattr(warning.message, "remarks", ()) or (str(warning.message),):
            report.print_line("warning", with_typed_values(remark))


@contextmanager
def progress(steps: int | None, *, lines: bool = False) -> Iterator[report.Say]:
    """Show the steps of a command; with ``lines``, in a pipe too."""
    began = time.monotonic()
    with report.progress(steps, lines=lines, quiet=manner.quiet or manner.verbose) as show:

        def say(what: str) -> None:
            report.note("step", what)
            if manner.verbose:
                report.print_step(f"{time.monotonic() - began:6.1f} s  {what}")
            else:
                show(what)

        yield say


def _as_written(facts: object) -> object:
    return facts_as_written(facts) if isinstance(facts, dict) else facts


def answer(facts: Callable[[], object], show: Callable[[], None], *, wrote: bool = True) -> None:
    """Print last what a command found: by ``show``, or what ``facts`` returns as JSON.

    If it cannot be printed, the outputs are there all the same; ``wrote`` says that there are any.
    """
    if manner.quiet and not manner.json:
        return
    try:
        if manner.json:
            sys.stdout.write(json.dumps(_as_written(facts()), indent=2, allow_nan=False) + "\n")
        else:
            show()
        sys.stdout.flush()
    except (BrokenPipeError, ReaderGone):
        return
    except CannotPrint as error:
        raise CannotPrint(f"{error}; the outputs are complete" if wrote else str(error)) from None


def leave_if_failed(failed: Mapping[str, str], cases: int) -> None:
    """Print a line a case that failed, with its reason, and leave with 3 if there is any of so many."""
    for case, reason in failed.items():
        report.print_line("error", f"{case}: {with_typed_values(reason)}")
    if failed:
        if not manner.quiet:
            report.print_line("error", _failed_in_words(len(failed), cases))
        raise SystemExit(FAILED)


def _failed_in_words(failed: int, cases: int) -> str:
    """Say how many cases failed; of the others, where there are any, that they are done."""
    return f"{failed} of {counted(cases, 'case')} failed" + (
        "; the others are done" if failed < cases else ""
    )
