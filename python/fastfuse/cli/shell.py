"""The ``fastfuse`` command."""

from __future__ import annotations

import gc
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Annotated

import typer

from ..errors import FastfuseError
from ..report import terminal as report
from . import agreement, check, cohort, demo, evaluate, experiment, export, fuse, predict, soften, table
from .common import Interrupted, manner
from .flags import typed_names, with_typed_values
from .help import Command, Group, about
from .manners import with_manners
from .streams import CannotPrint, ReaderGone, open_streams

INTERRUPTED, TERMINATED = 130, 143
PATIENCE_S = 2.0  # within it, a second Ctrl-C is the first one's: a terminal may send it more than once
GARBAGE = 200_000  # objects between two searches for cycles: in a short run they cost more than they find
OF_ONE = re.compile(r"(\w+)\['?(.*?)'?\]")  # an option of one rater, or one label
SUMMARY = "Fuse several raters' segmentations of a 3-D medical image into one consensus."
EXAMPLES = (
    "fastfuse fuse rater*.nii.gz -o consensus.nii.gz --mask brain.nii.gz",
    "fastfuse soften rater*.nii.gz --image flair.nii.gz --out-dir soft",
    "fastfuse demo demo-case",
    "fastfuse fuse --help",
)
app = typer.Typer(
    cls=Group,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


for command in (fuse, soften, agreement, evaluate, demo, check, experiment, table, predict, export):
    name = command.__name__.rpartition(".")[2]
    function = getattr(command, name)
    text, codes = about(function.__doc__, command.EXAMPLES), getattr(command, "EXIT_CODES", None)
    app.command(name, cls=Command, help=text, epilog=codes)(with_manners(function))


cohort_app = typer.Typer(cls=Group, rich_markup_mode="rich", no_args_is_help=False)
for name, (work, examples, codes) in cohort.COMMANDS.items():
    text = about(work.__doc__, examples)
    cohort_app.command(name, cls=Command, help=text, epilog=codes)(with_manners(work))
app.add_typer(cohort_app, name="cohort", help=about(cohort.SUMMARY, cohort.EXAMPLES))


@app.callback(invoke_without_command=True, help=about(SUMMARY, EXAMPLES))
def fastfuse(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)
    ] = False,
) -> None:
    """Print the version, if it is asked for; the help, if nothing is."""
    if version:
        from .. import __version__

        sys.stdout.write(f"fastfuse {__version__}\n")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        sys.stdout.write(ctx.get_help() + "\n")
        raise typer.Exit(2)


def main() -> None:
    """Run the command: 0 done, 1 internal error, 2 bad input or usage, 130 interrupted, 143 terminated."""
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupting())
    gc.set_threshold(GARBAGE)
    open_streams()
    code = _flushed(_run())
    if code in (INTERRUPTED, TERMINATED) and any(
        not one.daemon for one in threading.enumerate() if one is not threading.main_thread()
    ):
        os._exit(code)  # readers still wait for a library; temporary files are gone already
    sys.exit(code)


def _flushed(code: int) -> int:
    """Hand on what is buffered, before Python does, which would complain; return the exit code."""
    try:
        sys.stdout.flush()
    except ReaderGone:
        pass
    except CannotPrint as error:
        report.print_line("error", str(error))
        code = code or 1
    sys.stderr.flush()
    return code


class _Interrupt(KeyboardInterrupt):
    """Ctrl-C. Python takes a plain KeyboardInterrupt that passes an import for unhandled, and then kills itself."""


def _interrupting() -> Callable[..., None]:
    """Return the handler of Ctrl-C. The first ends the work in order; one that comes much later ends it at once."""
    came: list[float] = []

    def interrupt(*_: object) -> None:
        came.append(time.monotonic())
        if len(came) == 1:
            raise _Interrupt
        if came[-1] - came[0] > PATIENCE_S:
            os._exit(INTERRUPTED)

    return interrupt


def _terminate(*_: object) -> None:
    """Leave by the way of an exception, so that temporary files are removed."""
    raise SystemExit(TERMINATED)


def _run() -> int:
    """Run the command, and return its exit code."""
    manner.quiet, manner.json, manner.debug = False, False, "--debug" in sys.argv[1:]
    try:
        code = int(app(standalone_mode=False, prog_name="fastfuse") or 0)
    except ReaderGone:
        return 0
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except SystemExit as ended:  # by SIGTERM
        return int(ended.code or 0)
    except Exception as error:  # noqa: BLE001 - one line, whatever it is
        if manner.debug:
            traceback.print_exc()
        code, message = _told(error)
        if message:
            report.print_line("error", message)
        if not manner.debug:
            sys.stderr.write(str(getattr(error, "details", "")))  # in the code of somebody's own network
        return code
    if code == INTERRUPTED:
        report.print_line("error", "interrupted; no output was written")
    return code


def _told(error: Exception) -> tuple[int, str]:
    """Return the exit code of an error, and what to say of it."""
    if isinstance(error, Interrupted):
        return INTERRUPTED, str(error)
    if isinstance(error, (ValueError, TypeError, FastfuseError)):
        return 2, _as_typed(str(error))
    if isinstance(error, MemoryError) or _lacks_memory(error):
        return 2, "not enough memory for these images"
    if isinstance(error, CannotPrint):
        return 1, str(error)
    if hasattr(error, "format_message"):  # the parser's own: what was typed is wrong
        message = error.format_message()  # nothing where the help has been printed
        return 2, f"{message.replace('Value error, ', '')} (see --help)" if message else ""
    return 1, f"{type(error).__name__}: {error}; please report this, with what --debug prints"


def _lacks_memory(error: BaseException) -> bool:
    """Tell a library that cannot be loaded for want of memory from one that is broken."""
    words = ("failed to map segment", "cannot allocate memory")
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or any(word in str(seen).lower() for word in words):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _as_typed(message: str) -> str:
    """Call the options that a message sets, or begins with, as they are typed."""
    message = with_typed_values(message)
    name, _, rest = message.partition(" ")
    typed, one = typed_names(), OF_ONE.fullmatch(name)
    if one is not None and one[1] in typed:  # knows['moose.nii.gz'] names
        return f"{typed[one[1]]} {one[2]}=... {rest}"
    begins = rest.startswith(("is ", "has ", "holds ", "names "))
    return f"{typed[name]} {rest}" if name in typed and begins else message


if __name__ == "__main__":
    main()
