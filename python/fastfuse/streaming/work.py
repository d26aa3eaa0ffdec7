"""Blocks at work: here one after the other, the next one read meanwhile; or by any executor, few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from .executors import Executor, submitter, workers_of

Task = TypeVar("Task")
Answer = TypeVar("Answer")


def through(
    executor: Executor, work: Callable[[Task], Answer], tasks: Iterable[Task]
) -> Iterator[tuple[Task, Answer]]:
    """Yield tasks with their answers as they come, at most 2 x workers + 2 of them under way.

    After an error no more tasks are begun.
    """
    for task, future in as_done(executor, work, tasks, in_flight(workers_of(executor))):
        yield task, future.result()


def in_flight(workers: int) -> int:
    """Return how many tasks are out at once: enough that no worker waits."""
    return 2 * workers + 2


def as_done(
    executor: Executor, work: Callable[[Task], Answer], tasks: Iterable[Task], most: int
) -> Iterator[tuple[Task, Future[Answer]]]:
    """Yield tasks with their futures as these end, at most so many of them under way."""
    under_way: dict[Future[Answer], Task] = {}
    submit, waiting = submitter(executor), iter(tasks)
    try:
        while True:
            while len(under_way) < most and (task := next(waiting, None)) is not None:
                under_way[submit(work, task)] = task
            if not under_way:
                return
            for future in _some_done(under_way):
                yield under_way.pop(future), future
    finally:
        for future in under_way:
            future.cancel()


def _some_done(under_way: dict[Future[Answer], Task]) -> list[Future[Answer]]:
    """Return futures that are done, at least one; those of dask are no futures of the standard library."""
    if all(isinstance(future, Future) for future in under_way):
        return list(wait(under_way, return_when=FIRST_COMPLETED).done)
    import time

    while not (done := [future for future in under_way if future.done()]):
        time.sleep(0.002)
    return done


def here(
    read: Callable[[Task], Any], work: Callable[[Task, Any], Answer], tasks: Iterable[Task]
) -> Iterator[tuple[Task, Answer]]:
    """Yield tasks with their answers in their order; while one is worked on, the next is read."""
    waiting = iter(tasks)
    task = next(waiting, None)
    if task is None:
        return
    with ThreadPoolExecutor(1, "fastfuse-reader") as reader:
        content = reader.submit(read, task)
        while task is not None:
            held, following = content.result(), next(waiting, None)
            if following is not None:
                content = reader.submit(read, following)
            yield task, work(task, held)
            del held
            task = following
