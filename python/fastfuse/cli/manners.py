"""Flags of every command: --quiet, --verbose, --json, --log-file and --debug."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from ..errors import FastfuseError
from ..images.memory import NUMPY, check_addresses
from .common import manner
from .process.log import start_log
from .words.declared import Option
from .words.spoken import runs

PANEL = "Output"
Command = Callable[..., None]


def _flag(name: str, help: str, kind: Any = bool, default: Any = False) -> inspect.Parameter:
    shows: dict[str, Any] = {} if kind is bool else {"show_default": False}
    option = Option(f"--{name.replace('_', '-')}", help=help, rich_help_panel=PANEL, **shows)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )


FLAGS = [
    _flag("quiet", "Print warnings and errors only."),
    _flag("verbose", "Print each step, with the seconds since the first."),
    _flag("json", "Print the result as JSON on standard output, and nothing else there."),
    _flag(
        "log_file",
        "Add the command, its steps, warnings and errors to this log, with the time.",
        Path | None,
        None,
    ),
    _flag("debug", "Print the traceback of an error, too."),
]


def with_manners(command: Command) -> Command:
    """Give a command the flags of every command; they are kept in ``manner``, the command gets the others."""
    own = list(inspect.signature(command, eval_str=True).parameters.values())

    @functools.wraps(command)
    def run(
        *, quiet: bool, verbose: bool, json: bool, log_file: Path | None, debug: bool, **given: Any
    ) -> None:
        if quiet and verbose:
            raise FastfuseError("--quiet and --verbose are given: leave one of both out")
        manner.quiet, manner.verbose, manner.json, manner.debug = quiet, verbose, json, debug
        runs(own)
        check_addresses("NumPy", NUMPY, "numpy")
        if log_file is not None:
            start_log(log_file)
        command(**given)

    parameters = [*(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own), *FLAGS]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run
