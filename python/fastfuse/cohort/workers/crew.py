"""Cases to workers: any executor of concurrent.futures, and never more tasks in flight than it takes to keep them busy."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, TypeVar, cast

from ...errors import CohortError, Typed, audience, reason_of, set_audience
from ...streaming.executors import check_executor, is_of_dask
from ...streaming.executors import workers_of as workers_of_executor
from ...streaming.work import as_done, in_flight
from ..tasks import Failed, Task
from .parcels import KILLED, by_dask, of_worker

Answer = TypeVar("Answer")
ORPHANED = 143  # exit code of what was terminated
MOST_DEATHS = 3  # of workers at one case, after which it is the case's fault
Work = Callable[[Task], Answer | Failed]


@dataclass(frozen=True)
class Crew:
    """Who does the work.

    Attributes
    ----------
    executor : Executor or None
        Of the caller's own.
    workers : int
    """

    executor: Executor | None = None
    workers: int = 1

    def path(self, path: Path) -> Path:
        """Return a path by which workers find a file: those of an executor may be at work in another folder."""
        return path if self.executor is None else path.absolute()


def answers(work: Work[Answer], tasks: Iterable[Task], crew: Crew) -> Generator[Answer | Failed, None, None]:
    """Yield what comes of each task, as it comes. Without an executor, and with one worker, all is done here."""
    if crew.executor is not None:
        yield from _by_given(crew.executor, work, tasks, crew.workers)
    elif crew.workers <= 1:
        yield from map(work, tasks)
    else:
        yield from _by_own(work, list(tasks), crew.workers)


def checked_executor(executor: Any) -> Executor | None:
    """Return an executor; refuse one whose processes are forked, which may hang after OpenMP ran here."""
    if executor is None:
        return None
    context = getattr(check_executor(executor, "executor"), "_mp_context", None)
    if context is not None and context.get_start_method() == "fork":
        raise ValueError(
            "executor forks its processes, which hang where OpenMP ran before: make it with "
            "mp_context=multiprocessing.get_context('spawn')"
        )
    return cast("Executor", executor)


def workers_of(executor: Executor | None, workers: int | None) -> int:
    """Return the number of workers: as given, as the executor says, or one."""
    if workers is not None:
        return workers
    if executor is None:
        return 1
    return workers_of_executor(executor)


def _by_given(
    executor: Executor, work: Work[Answer], tasks: Iterable[Task], workers: int
) -> Generator[Answer | Failed, None, None]:
    """Let an executor of the caller's own do the work.

    Raises
    ------
    CohortError
        If the executor is at its end: what is done is kept.
    """
    try:
        if is_of_dask(executor):
            yield from by_dask(executor, work, tasks, workers)
        else:
            yield from _by(executor, work, tasks, in_flight(workers))
    except (CancelledError, RuntimeError) as error:  # it is broken, gives tasks back undone, or takes no more
        why = reason_of(error) if str(error) else "cases came back undone"
        raise CohortError(
            f"the workers gave up ({why}): their scheduler or their processes have ended; what is done is kept: run "
            "again, it goes on from there"
        ) from None


def _by(
    executor: Executor, work: Work[Answer], tasks: Iterable[Task], most: int
) -> Generator[Answer | Failed, None, None]:
    """Keep so many tasks in flight; what an executor raises in the place of an answer is that case's failure."""
    for task, future in as_done(executor, work, tasks, most):
        yield _answer(future, task)


def _answer(future: Future[Answer | Failed], task: Task) -> Answer | Failed:
    try:
        return future.result()
    except (BrokenExecutor, CancelledError):
        raise
    except Exception as error:  # noqa: BLE001 - a worker that died, an executor's own error
        return of_worker(task, error)


def _by_own(work: Work[Answer], tasks: list[Task], workers: int) -> Generator[Answer | Failed, None, None]:
    """Run a pool of processes; where one dies, begin another pool with what is left.

    A task that was out at three deaths runs by itself; if its worker dies again, it is the case's fault.
    """
    left = {task.case.name: task for task in tasks}
    deaths = dict.fromkeys(left, 0)
    while left:
        suspects = [task for name, task in left.items() if deaths[name] >= MOST_DEATHS]
        batch = suspects[:1] or list(left.values())
        try:
            with spawned(min(workers, len(batch))) as pool:
                for answer in _by(pool, work, batch, in_flight(workers)):
                    del left[_case_of(answer)]
                    yield answer
        except BrokenProcessPool:
            for task in [task for task in batch if task.case.name in left][: in_flight(workers)]:
                deaths[task.case.name] += 1  # one of those that were out, and nobody knows which
            if suspects:
                name = suspects[0].case.name
                del left[name]
                yield Failed(name, KILLED)


def _case_of(answer: object) -> str:
    return str(getattr(answer, "case", ""))


@contextmanager
def spawned(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of new processes: a fork after OpenMP ran would hang.

    If the work is given up, they are ended, and not waited for.
    """
    pool = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_begin, initargs=audience()
    )
    try:
        yield pool
    except BaseException:
        processes = list((getattr(pool, "_processes", None) or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        raise
    pool.shutdown()


def _begin(typed: Typed | None, is_shell: bool) -> None:
    """Leave Ctrl-C to the process that began this one, write for whom it writes, and end with it."""
    set_audience(typed, is_shell)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent is gone.

    A pool's workers hold both ends of its queue, so that none of them learns of a parent that was killed. It would wait forever, or
    finish a case into a folder in which the next run is at work.
    """
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(ORPHANED)
