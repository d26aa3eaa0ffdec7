"""Silences standard error while a library in native code reads, which prints there what its exception says too."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Standard error belongs to the whole process: one thread at a time may turn it off and on again.
ONE_AT_A_TIME = threading.Lock()


@contextmanager
def quiet() -> Iterator[None]:
    """Silence standard error; one thread at a time."""
    with ONE_AT_A_TIME:
        yield from _without_standard_error()


def _without_standard_error() -> Iterator[None]:
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
