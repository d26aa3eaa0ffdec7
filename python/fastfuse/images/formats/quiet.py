"""Silences standard error while a library in native code reads, which prints there what its exception says too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import FILTERS


@contextmanager
def quiet() -> Iterator[None]:
    """Silence standard error; one thread at a time, which may change the filters of warnings too: both are the whole process's."""
    with FILTERS:
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
