"""Keeps to this thread what a library says while it reads, beside its exception.

Filters of warnings belong to the whole process, and a program that embeds the package has threads of its own: theirs are left as
they are. Standard error is silenced for the shell's command alone, which owns it.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ...errors import audience

_one_at_a_time = threading.RLock()


@contextmanager
def quiet(said: list[str] | None = None) -> Iterator[None]:
    """Let nothing be heard of what is said in this thread; keep the texts of its UserWarnings in ``said``."""
    with _without_warnings(said), _without_standard_error():
        yield


class _OfThread:
    """Stands where a filter of warnings has a pattern of the message: it matches what this thread warns of."""

    def __init__(self) -> None:
        self._thread: int | None = threading.get_ident()

    def match(self, text: str) -> bool:  # noqa: ARG002 - as a pattern has it
        """Tell whether it is this thread that warns."""
        return threading.get_ident() == self._thread

    def end(self) -> None:
        """Match nothing any more: another thread's ``catch_warnings`` may hold a copy of the list for long."""
        self._thread = None


class _Kept(_OfThread):
    """Keeps what this thread warns of."""

    def __init__(self, said: list[str]) -> None:
        super().__init__()
        self._said = said

    def match(self, text: str) -> bool:
        """Tell whether it is this thread that warns, and keep it."""
        if not super().match(text):
            return False
        self._said.append(" ".join(text.split()))
        return True


class _NotKept(_Kept):
    """Takes away what the filter before this one has kept of a warning of another kind: patterns are asked before kinds."""

    def match(self, text: str) -> bool:
        """Tell whether it is this thread that warns, and forget it."""
        if not _OfThread.match(self, text):
            return False
        self._said.pop()
        return True


class _Nothing(Warning):
    """Of which nobody warns."""


@contextmanager
def _without_warnings(said: list[str] | None) -> Iterator[None]:
    """Put filters before the others, and take them away again, from the same list.

    ``warnings.catch_warnings`` exchanges the list: of two threads that do so by turns, one leaves its own behind.
    """
    # From Python 3.14 on each thread may have filters of its own.
    if getattr(sys.flags, "context_aware_warnings", False):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        if said is not None:
            said += [" ".join(str(one.message).split()) for one in caught if one.category is UserWarning]
        return
    asked: list[tuple[_OfThread, type[Warning]]] = [(_OfThread(), Warning)]
    if said is not None:
        asked = [(_OfThread(), kind) for kind in UserWarning.__subclasses__()]
        asked += [(_Kept(said), UserWarning), (_NotKept(said), Warning)]
        _forget_what_was_said()
    mine: list[Any] = [("ignore", one, kind, None, 0) for one, kind in asked]
    filters: list[Any] = warnings.filters  # type: ignore[assignment]
    filters[:0] = mine
    try:
        yield
    finally:
        for one, _ in asked:
            one.end()
        for each in mine:
            with suppress(ValueError):  # somebody has emptied the list
                filters.remove(each)


def _forget_what_was_said() -> None:
    """Let Python ask the filters also of what it has said once: a new filter is the public way to that."""
    warnings.simplefilter("ignore", _Nothing)
    with suppress(ValueError):
        warnings.filters.remove(("ignore", None, _Nothing, None, 0))  # type: ignore[attr-defined]


@contextmanager
def _without_standard_error() -> Iterator[None]:
    """Silence it, one thread at a time: native code prints there what its exception says too."""
    if not audience()[1]:
        yield
        return
    with _one_at_a_time:
        try:
            before = os.dup(2)
        except OSError:  # it is closed
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
