"""Cases to dask's workers, several to a task where each takes a moment: what a scheduler costs is by the task.

A parcel travels compressed: its cases share settings and folders, and their tables share most of what a file begins with.
"""

from __future__ import annotations

import pickle
import time
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ...errors import Typed, audience, for_audience, reason_of
from ...streaming.work import as_done, in_flight
from ..tasks import Failed, Task

Answer = TypeVar("Answer")
Work = Callable[[Task], Answer | Failed]

SECONDS = 0.25  # of a parcel's work, at least if there are so many cases
MOST = 32  # cases of a parcel
KILLED = "its worker was killed, again and again: the case may need more memory than there is"


class _Packed:
    """What is pickled as compressed bytes."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _unpacked, (type(self), zlib.compress(pickle.dumps(vars(self), 5), 1))


def _unpacked(kind: type[Any], content: bytes) -> Any:
    return kind(**pickle.loads(zlib.decompress(content)))


@dataclass(frozen=True)
class Parcel(_Packed, Generic[Answer]):
    """Cases, what is done with each, and who reads what is said of them."""

    work: Work[Answer]
    tasks: tuple[Task, ...]
    readers: tuple[Typed | None, bool] = field(default_factory=audience)


@dataclass(frozen=True)
class Answers(_Packed, Generic[Answer]):
    """What came of each case of a parcel, and how long all of them took."""

    found: list[Answer | Failed]
    seconds: float


def answered(parcel: Parcel[Answer]) -> Answers[Answer]:
    """Do a parcel's work, on a worker."""
    begin = time.perf_counter()
    with for_audience(parcel.readers):
        found = [parcel.work(task) for task in parcel.tasks]
    return Answers(found, time.perf_counter() - begin)


class Parcels(Generic[Answer]):
    """Divides cases into parcels, of more cases where these turn out to be quick.

    Parameters
    ----------
    work : callable
    tasks : iterable of Task
    most : int
        Parcels that are out at once; the last ones become small, so that no worker waits for another.
    """

    def __init__(self, work: Work[Answer], tasks: Iterable[Task], most: int) -> None:
        self._work, self._left, self._most, self._size = work, deque(tasks), most, 1

    def __iter__(self) -> Iterator[Parcel[Answer]]:
        while self._left:
            size = max(1, min(self._size, len(self._left) // self._most))
            yield Parcel(self._work, tuple(self._left.popleft() for _ in range(size)))

    def learn(self, answers: Answers[Answer]) -> None:
        """Let the next parcels take as long as they should, as these cases tell; none grows to more than twice this one."""
        cases = len(answers.found)
        wanted = int(SECONDS * cases / max(answers.seconds, 1e-9))
        self._size = max(1, min(wanted, 2 * cases, MOST))


def by_dask(
    executor: Executor, work: Work[Answer], tasks: Iterable[Task], workers: int
) -> Generator[Answer | Failed, None, None]:
    """Let dask's workers do the work.

    Dask gives a task up whose workers died again and again, though it may only have waited beside the one that killed them.
    The cases of such a task run once more, each by itself with nothing beside it; if its workers die again, it is its fault.
    """
    most = in_flight(workers)
    parcels, again = Parcels(work, tasks, most), list[Task]()
    for parcel, future in as_done(executor, answered, parcels, most):
        error = future.exception()
        if error is None:
            parcels.learn(future.result())
            yield from future.result().found
        elif len(parcel.tasks) > 1 or _has_killed(error):
            again += parcel.tasks
        else:
            yield of_worker(parcel.tasks[0], error)
    for parcel, future in as_done(executor, answered, (Parcel(work, (task,)) for task in again), 1):
        error, [task] = future.exception(), parcel.tasks
        if error is None:
            yield from future.result().found
        else:
            yield Failed(task.case.name, KILLED) if _has_killed(error) else of_worker(task, error)


def of_worker(task: Task, error: BaseException) -> Failed:
    """Return the failure of a case in whose place an executor raised an error: its own, or that its worker died."""
    return Failed(task.case.name, f"its worker failed ({type(error).__name__}: {reason_of(error)})")


def _has_killed(error: BaseException) -> bool:
    """Tell whether dask gave a task up, since its workers died."""
    return type(error).__name__ == "KilledWorker"
