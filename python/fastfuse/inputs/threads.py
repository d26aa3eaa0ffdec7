"""Threads: how many there may be, and those that the system did not give."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from .. import _core

Item = TypeVar("Item")
Result = TypeVar("Result")

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


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Yield what ``work`` returns for each item, in their order; items are taken as threads become free for them."""
    if workers < 2:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(workers, "fastfuse") as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(_started(pool, work, item))
                if len(waiting) == workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()


def _started(pool: ThreadPoolExecutor, work: Callable[[Item], Result], item: Item) -> Future[Result]:
    """Hand an item to a pool; where the system gives no thread, it is done here."""
    try:
        return pool.submit(work, item)
    except RuntimeError as error:
        if "start new thread" not in str(error):
            raise
    done: Future[Result] = Future()
    done.set_result(work(item))
    return done
