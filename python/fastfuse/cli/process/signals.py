"""Ctrl-C and SIGTERM while a command runs: neither is lost, whatever a library does with the exception."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

INTERRUPTED, TERMINATED = 130, 143
PATIENCE_S = 2.0  # within it, a second Ctrl-C is the first one's: a terminal may send it more than once
AGAIN_S = 0.1


class Interrupt(KeyboardInterrupt):
    """Ctrl-C. Python takes a plain KeyboardInterrupt that passes an import for unhandled, and then kills itself."""


class Terminate(SystemExit):
    """SIGTERM. Work is left by the way of an exception, so that temporary files are removed."""


class Ear:
    """What was heard.

    The first signal raises an exception, which ends the work in order. Where a library swallows it, as its import
    may, it is raised again. A signal that comes much later ends the process at once.

    Attributes
    ----------
    code : int
        Exit code of the first signal; 0 if none came.
    """

    def __init__(self) -> None:
        self.code = 0
        self._came = 0.0
        self._raised: weakref.ref[BaseException] | None = None
        self._over = False

    def interrupt(self, number: int, _: object) -> None:
        """Handle Ctrl-C."""
        self._hear(number, INTERRUPTED, Interrupt)

    def terminate(self, number: int, _: object) -> None:
        """Handle SIGTERM."""
        self._hear(number, TERMINATED, Terminate)

    def stop(self) -> None:
        """Raise nothing again: the command has ended."""
        self._over = True

    def _hear(self, number: int, code: int, kind: type[BaseException]) -> None:
        if not self.code:
            self.code, self._came = code, time.monotonic()
            with suppress(RuntimeError):  # the system gives no thread
                _thread.start_new_thread(self._insist, (number,))
        elif time.monotonic() - self._came > PATIENCE_S and not self._is_lost():
            os._exit(self.code)
        elif not self._is_lost():
            return
        exception = kind(code)
        self._raised = weakref.ref(exception)
        try:
            raise exception
        finally:
            del exception  # which this frame, a part of its traceback, would keep alive

    def _is_lost(self) -> bool:
        """Tell whether the exception is gone although the work goes on."""
        return not self._over and self._raised is not None and self._raised() is None

    def _insist(self, number: int) -> None:
        while not self._over:
            time.sleep(AGAIN_S)
            if self._is_lost():
                _send(number)


@contextmanager
def hearing(*, ends: bool) -> Iterator[Ear]:
    """Handle Ctrl-C and SIGTERM, as they were handled before afterwards; as now if the process ``ends`` with the block.

    Ctrl-C stays ignored if it is, as nohup sets it.
    """
    ear = Ear()
    handlers: dict[int, Any] = {signal.SIGTERM: ear.terminate}
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        handlers[signal.SIGINT] = ear.interrupt
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    hook, sys.unraisablehook = sys.unraisablehook, _but_ours(sys.unraisablehook)
    try:
        yield ear
    finally:
        ear.stop()
        if not ends:
            sys.unraisablehook = hook
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _but_ours(hook: Any) -> Any:
    """Return a hook that says nothing of our exceptions where nobody can catch them; they are raised again."""

    def tell(unraisable: Any) -> None:
        if not isinstance(unraisable.exc_value, (Interrupt, Terminate)):
            hook(unraisable)

    return tell


def _send(number: int) -> None:
    """Send a signal to the main thread, which may be waiting for something."""
    if sys.platform == "win32":
        _thread.interrupt_main(number)
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, number)
