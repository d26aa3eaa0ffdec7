"""Threads: how many there may be, and those that the system did not give."""

from __future__ import annotations

import os
import threading

from .. import _core

STACK_SIZES = ("OMP_STACKSIZE", "GOMP_STACKSIZE")  # read by OpenMP


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def remarks_on_threads() -> list[str]:
    """Say that fewer threads worked than were wanted, the first time this happens in the process."""
    found = _core.take_thread_shortage()
    if found is None:
        return []
    wanted, got = found
    remedies = ["raise the limit of processes (ulimit -u) or of memory (ulimit -v)"]
    remedies += [f"unset {name}" for name in STACK_SIZES if name in os.environ]
    remedies += [f"ask for no more (threads={got}, --threads {got})"]
    does = "does the work" if got == 1 else "do the work"
    return [
        f"the system gave {got} of {wanted} threads, which {does}: the result is the same, and comes later; "
        + ", or ".join(remedies)
    ]


def startable(wanted: int) -> int:
    """Return how many of so many threads the system gives, by starting them."""
    end = threading.Event()
    started: list[threading.Thread] = []
    try:
        while len(started) < wanted:
            thread = threading.Thread(target=end.wait)
            thread.start()
            started.append(thread)
    except RuntimeError:  # "can't start new thread"
        pass
    finally:
        end.set()
    for thread in started:
        thread.join()
    return len(started)
