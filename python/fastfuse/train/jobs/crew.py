"""The processes that train side by side, and what they report."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import FastfuseError
from ..narrator import Narrator
from .child import Job

if TYPE_CHECKING:
    from typing_extensions import Self

Task = tuple[int, str, int]
"""Number of the run, method, fold."""

PATIENCE_S = 0.5  # for a child to end in order, before it is killed
END_S = 10.0  # for one without work left
_KEEPING_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 25), "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}
"""glibc's: freed memory is kept for the next step. Given back, its pages are faulted in anew, a tenth of a step's time."""


class ChildError(Exception):
    """The traceback of an error in another process."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@dataclass
class Child:
    """A process, its task, and the line or bar of its training."""

    process: subprocess.Popen[bytes]
    connection: Connection
    task: Task | None = None
    after: Callable[[list[Any]], None] = lambda _: None
    showing: ExitStack = field(default_factory=ExitStack)


class Crew:
    """Processes that train; leaving the context ends them, within a second if they are at work."""

    def __init__(self, job: Job, count: int, narrator: Narrator) -> None:
        self._job, self._count, self._narrator = job, count, narrator
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        try:
            for _ in range(self._count):
                self._children.append(_begun(self._job))
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            for child in self._children:
                with suppress(OSError):
                    child.connection.send(None)
            _wait([child.process for child in self._children], END_S)
        self._stop()

    def work(self, tasks: Sequence[Task]) -> None:
        """Have all tasks done, each by the next process that is free.

        Raises
        ------
        FastfuseError
            If a process is killed. Errors inside one are raised here.
        """
        left = deque(tasks)
        for child in self._children:
            self._next(child, left)
        while busy := {child.connection: child for child in self._children if child.task is not None}:
            for ready in wait(list(busy)):
                self._hear(busy[ready], left)  # type: ignore[index]

    def _next(self, child: Child, left: deque[Task]) -> None:
        child.task = left.popleft() if left else None
        if child.task is not None:
            with suppress(OSError):  # a process that has ended is found by its silence
                child.connection.send(child.task)

    def _hear(self, child: Child, left: deque[Task]) -> None:
        """Take one message of a process."""
        try:
            what, *more = child.connection.recv()
        except (EOFError, OSError):
            raise FastfuseError(self._lost(child)) from None
        if what == "error":
            raise more[0] from ChildError(more[1])
        if what == "done":
            self._next(child, left)
        elif what == "begin":
            child.after = child.showing.enter_context(self._narrator.training(*more))
        elif what == "epoch":
            child.after([more[0]])
        elif what == "end":
            child.showing.close()
        else:
            (self._narrator.say if what == "say" else self._narrator.tell)(*more)

    def _lost(self, child: Child) -> str:
        """Return what to say of a process that has ended at its work."""
        _wait([child.process], END_S)
        code, (_, method, fold) = child.process.poll(), child.task or (0, "", 0)
        how = f"was killed by signal {-code}" if code and code < 0 else f"ended with code {code}"
        return (
            f"the process that trained {method}, fold {fold}, {how}; if memory was short, train fewer at once (--jobs 1) "
            "or lower training.batch; --resume goes on"
        )

    def _stop(self) -> None:
        """End all processes, those at work by force after a moment."""
        processes = [child.process for child in self._children]
        for process in processes:
            process.terminate()
        _wait(processes, PATIENCE_S)
        for child in self._children:
            child.process.kill()
            child.process.wait()
            child.connection.close()
            child.showing.close()
        self._children = []


def _wait(processes: Iterable[subprocess.Popen[bytes]], seconds: float) -> None:
    """Wait until processes have ended, all of them together no longer than this."""
    give_up = time.monotonic() + seconds
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, give_up - time.monotonic()))


def _begun(job: Job) -> Child:
    """Begin a process. It is no copy of this one: threads do not survive that, nor does CUDA."""
    here, there = Pipe()
    with there:
        # The same modules as here, also those of a network that lies elsewhere.
        path = [os.path.abspath(place) for place in sys.path]  # noqa: PTH100 - "" is this folder
        code = f"import sys; sys.path[:] = {path!r}; from {__package__}.child import main; main({there.fileno()})"
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=2,  # what a network prints is not the command's answer
            env={**_KEEPING_MEMORY, **os.environ, "OMP_NUM_THREADS": str(job.threads)},
            pass_fds=[there.fileno()],
            cwd=Path.cwd(),
        )
    with suppress(OSError):
        here.send(job)
    return Child(process, here)
