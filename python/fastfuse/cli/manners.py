"""Flags of every command: --quiet, --json and --debug."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from ..images.memory import NUMPY, check_addresses
from .common import manner

PANEL = "Output"
Command = Callable[..., None]


def _flag(name: str, help: str) -> inspect.Parameter:
    option = typer.Option(f"--{name}", help=help, rich_help_panel=PANEL)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, option]
    )


FLAGS = [
    _flag("quiet", "Print warnings and errors only."),
    _flag("json", "Print the result as JSON on standard output, and nothing else there."),
    _flag("debug", "Print the traceback of an error, too."),
]


def with_manners(command: Command) -> Command:
    """Give a command the flags of every command; they are kept in ``manner``, the command gets the others."""
    own = inspect.signature(command, eval_str=True).parameters.values()

    @functools.wraps(command)
    def run(*, quiet: bool, json: bool, debug: bool, **given: Any) -> None:
        manner.quiet, manner.json, manner.debug = quiet, json, debug
        check_addresses("NumPy", NUMPY, "numpy")
        command(**given)

    parameters = [*(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own), *FLAGS]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run
