"""The ``fastfuse`` command."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Annotated

import typer

from ..errors import FastfuseError
from ..report import terminal as report
from . import check, demo, evaluate, experiment, fuse, rings, soften
from .common import CannotPrint, Interrupted
from .flags import typed_names, with_typed_values
from .once import Once

INTERRUPTED, TERMINATED = 130, 143
GARBAGE = 200_000  # objects between two searches for cycles: in a short run they cost more than they find
app = typer.Typer(
    add_completion=True,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Fuse several raters' segmentations of a 3-D medical image into one consensus.",
    epilog="""Examples:

[bold]fastfuse fuse rater*.nii.gz -o consensus.nii.gz --mask brain.nii.gz[/bold]

[bold]fastfuse soften rater*.nii.gz --image flair.nii.gz --out-dir soft[/bold]

[bold]fastfuse demo demo-case[/bold]""",
)


for command in (fuse, soften, evaluate, demo, check, experiment):
    name = command.__name__.rpartition(".")[2]
    app.command(name, cls=Once, epilog=command.EPILOG)(getattr(command, name))


@app.callback(invoke_without_command=True)
def fastfuse(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)
    ] = False,
) -> None:
    """Fuse several raters' segmentations of a 3-D medical image into one consensus."""
    if version:
        from .. import __version__

        typer.echo(f"fastfuse {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command: 0 done, 1 internal error, 2 bad input or usage, 130 interrupted, 143 terminated."""
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
    gc.set_threshold(GARBAGE)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names that the terminal cannot show are no reason to fail
            stream.reconfigure(errors="backslashreplace")
    code = _run()
    if code in (INTERRUPTED, TERMINATED) and any(
        not one.daemon for one in threading.enumerate() if one is not threading.main_thread()
    ):
        _leave_threads(code)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is written: what remains is Python's own end
    sys.exit(code)


def _leave_threads(code: int) -> None:
    """End the process although readers still wait for a library; temporary files are gone already."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


class _Interrupt(KeyboardInterrupt):
    """Ctrl-C. Python takes a plain KeyboardInterrupt that passes an import for unhandled, and then kills itself."""


def _interrupt(*_: object) -> None:
    raise _Interrupt


def _terminate(*_: object) -> None:
    """Leave by the way of an exception, so that temporary files are removed."""
    raise SystemExit(TERMINATED)


def _run() -> int:
    try:
        code = int(app(standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except SystemExit as ended:  # by SIGTERM
        return int(ended.code or 0)
    except Interrupted as error:
        report.print_line("error", str(error))
        return INTERRUPTED
    except (ValueError, TypeError, FastfuseError) as error:
        report.print_line("error", _as_typed(str(error)))
        return 2
    except MemoryError:
        report.print_line("error", "not enough memory for these images")
        return 2
    except CannotPrint as error:
        report.print_line("error", str(error))
        return 1
    except Exception as error:  # noqa: BLE001 - one line, whatever it is
        if not hasattr(error, "format_message"):
            report.print_line("error", f"{type(error).__name__}: {error}; please report this")
            return 1
        message = error.format_message()  # the parser's own: what was typed is wrong
        if message:  # without, the help has been printed
            report.print_line("error", f"{message.replace('Value error, ', '')} (see --help)")
        return 2
    if code == INTERRUPTED:
        report.print_line("error", "interrupted; no output was written")
    return code


def _as_typed(message: str) -> str:
    """Call the options that a message sets, or begins with, as they are typed."""
    message = with_typed_values(message)
    name, _, rest = message.partition(" is ")
    typed = {**typed_names(), **rings.TYPED}
    if name == "threshold" and "adaptive" not in rest:  # that of the votes
        typed["threshold"] = "--threshold"
    return f"{typed[name]} is {rest}" if name in typed else message


if __name__ == "__main__":
    main()
