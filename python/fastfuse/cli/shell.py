"""The ``fastfuse`` command."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import FastfuseError, in_the_shell
from ..images.outputs import recording
from ..images.paths import shown
from ..inputs.names import enumerated, quoted
from ..report import terminal as report
from .common import Interrupted, manner
from .flags import typed_names, with_typed_values
from .process.lean import end_lean
from .process.log import end_log
from .process.signals import INTERRUPTED, TERMINATED, Ear, hearing
from .process.streams import CannotPrint, ReaderGone, open_streams
from .words.commands import EVERY, command_called
from .words.spoken import beginning_as_typed
from .words.straight import NotStraightError, values_of_words

COMPLETION = "_FASTFUSE_COMPLETE"
WIDE = "10000"  # columns: a shell takes each line of a meaning for a word, so that none is broken


def app_of_words(words: Sequence[str]) -> Any:
    """Return the command that knows what the first word names; if that is none of them, all."""
    from .words.app import app_of

    return app_of(words[0]) if words and words[0] in EVERY else app_of(*EVERY)


def run_words(words: Sequence[str]) -> int:
    """Run what was typed, and return the exit code: at once where it is straight, else by way of typer."""
    called = None if COMPLETION in os.environ else command_called(words)
    if called is not None:
        command, naming = called
        try:
            values = values_of_words(words[naming:], command)
        except NotStraightError:
            pass
        else:
            command(**values)
            return 0
    return int(app_of_words(words)(standalone_mode=False, prog_name="fastfuse") or 0)


def main(*, ends: bool = False) -> None:
    """Run the command: 0 done, 1 internal error, 2 bad input or usage, 130 interrupted, 143 terminated.

    ``ends``: nothing follows in this process, so that signals need not be handled as before, nor threads waited for.
    """
    if COMPLETION in os.environ:
        os.environ["COLUMNS"] = WIDE
    with in_the_shell(with_typed_values), hearing(ends=ends) as ear, recording() as written:
        try:
            open_streams()
            code = _flushed(_run(ear, written))
        except (KeyboardInterrupt, SystemExit):  # while an error was told, or the streams flushed
            code = _ended(ear, written)
        end_log(code)
    if ends and code in (INTERRUPTED, TERMINATED) and _others_at_work():
        os._exit(code)  # readers still wait for a library; temporary files are gone already
    if ends:
        end_lean()
    sys.exit(code)


def _others_at_work() -> bool:
    """Tell whether there are threads that Python would wait for."""
    return any(not one.daemon for one in threading.enumerate() if one is not threading.main_thread())


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


def _run(ear: Ear, written: Sequence[Path]) -> int:
    """Run the command, and return its exit code."""
    manner.quiet, manner.json, manner.verbose, manner.debug = False, False, False, "--debug" in sys.argv[1:]
    try:
        code = run_words(sys.argv[1:])
        return _ended(ear, written) if ear.code else code
    except ReaderGone:
        return 0
    except SystemExit as left:  # a signal, or the end of a completion
        return _ended(ear, written) if ear.code else int(left.code or 0)
    except KeyboardInterrupt:
        return _ended(ear, written)
    except Exception as error:  # noqa: BLE001 - one line, whatever it is
        if _is_abort(error):
            return _ended(ear, written)
        ear.stop()
        if manner.debug:
            traceback.print_exc()
        if ear.code and not isinstance(error, Interrupted):  # a library made another error of the signal
            return _ended(ear, written)
        code, message = _told(error)
        if manner.debug or code == 1:
            report.note("traceback", traceback.format_exc())
        if message:
            report.print_line("error", message)
        if not manner.debug:
            sys.stderr.write(str(getattr(error, "details", "")))  # in the code of somebody's own network
        return code


def _is_abort(error: Exception) -> bool:
    """Tell what typer raises where a question is answered by no."""
    typer: Any = sys.modules.get("typer")  # not loaded where nothing asked for it
    return typer is not None and isinstance(error, typer.Abort)


def _ended(ear: Ear, written: Sequence[Path]) -> int:
    """Tell that a signal has ended the command, and what it had written; return the exit code."""
    ear.stop()
    code = ear.code or INTERRUPTED
    what = "terminated" if code == TERMINATED else "interrupted"
    if written:
        names = enumerated([shown(path) for path in dict.fromkeys(written)])
        report.print_line("error", f"{what}; already written, and complete: {names}")
    elif code == INTERRUPTED:
        report.print_line("error", f"{what}; no output was written")
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
        from .words.meant import name_what_was_meant

        name_what_was_meant(error)
        message = error.format_message()  # nothing where the help has been printed
        return 2, f"{message.replace('Value error, ', '')}{_as_path()} (see --help)" if message else ""
    return 1, f"{type(error).__name__}: {error}; please report this, with what --debug prints"


def _as_path() -> str:
    """Say how to name a file that was taken for an option, since its name begins with a dash."""
    names = [word for word in sys.argv[1:] if word.startswith("-") and os.path.lexists(word)]
    return f"; the file {quoted(names[0])} is named as {quoted(f'./{names[0]}')}" if names else ""


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
    return beginning_as_typed(with_typed_values(message), typed_names())


if __name__ == "__main__":
    main()
