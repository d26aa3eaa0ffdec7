"""The whole command by typer: its help, completion, and what is said of mistakes."""

from __future__ import annotations

import sys
from functools import cache
from typing import Annotated

import typer

from ..help import Command, Group, about
from ..manners import with_manners
from .commands import COHORT, module_of
from .declared import for_typer

SUMMARY = "Fuse several raters' segmentations of a 3-D medical image into one consensus."
EXAMPLES = (
    "fastfuse fuse rater*.nii.gz -o consensus.nii.gz --preset recommended --mask brain.nii.gz",
    "fastfuse soften rater*.nii.gz --image flair.nii.gz --out-dir soft",
    "fastfuse demo demo-case",
    "fastfuse fuse --help",
)


CODES = "0 done, 1 internal error, 2 bad input or usage, 3 some cases of a cohort failed, 130 interrupted, 143 terminated."


@cache
def app_of(*names: str) -> typer.Typer:
    """Return the command that knows these commands only: what is not typed is not loaded."""
    app = typer.Typer(
        cls=Group,
        add_completion=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in names:
        if name == COHORT:
            _add_cohort(app)
        else:
            _add(app, name)
    app.callback(invoke_without_command=True, help=about(SUMMARY, EXAMPLES), epilog=CODES)(fastfuse)
    return app


def _add(app: typer.Typer, name: str) -> None:
    command = module_of(name)
    function = getattr(command, name)
    text, codes = about(function.__doc__, command.EXAMPLES), getattr(command, "EXIT_CODES", None)
    app.command(name, cls=Command, help=text, epilog=codes)(for_typer(with_manners(function)))


def _add_cohort(app: typer.Typer) -> None:
    from .. import cohort

    commands = typer.Typer(cls=Group, rich_markup_mode="rich", no_args_is_help=False)
    for name, (work, examples, codes) in cohort.COMMANDS.items():
        text = about(work.__doc__, examples)
        commands.command(name, cls=Command, help=text, epilog=codes)(for_typer(with_manners(work)))
    app.add_typer(commands, name=COHORT, help=about(cohort.SUMMARY, cohort.EXAMPLES))


def fastfuse(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)
    ] = False,
) -> None:
    """Print the version, if it is asked for; the help, if nothing is."""
    if version:
        from ... import __version__

        sys.stdout.write(f"fastfuse {__version__}\n")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        sys.stdout.write(ctx.get_help() + "\n")
        raise typer.Exit(2)
