"""A process that trains one network after the other, as another one tells it."""

from __future__ import annotations

import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

import torch

from ..fit import fit_and_predict
from ..narrator import Narrator
from ..network.training import Epoch
from ..run import Run
from .sharing import Shared

TERMINATED = 143


@dataclass(frozen=True)
class Job:
    """What a process needs to know before its first training."""

    runs: list[Run]
    prepared: Shared
    threads: int


class Telling(Narrator):
    """Reports to the process that began this one."""

    def __init__(self, send: Callable[[tuple[Any, ...]], None]) -> None:
        super().__init__(silent=True)
        self._send = send

    def say(self, what: str) -> None:
        """Report a step."""
        self._send(("say", what))

    def tell(self, what: str) -> None:
        """Report a line that stays."""
        self._send(("tell", what))

    @contextmanager
    def training(self, title: str, epochs: int) -> Iterator[Callable[[list[Epoch]], None]]:
        """Report each epoch."""
        self._send(("begin", title, epochs))
        yield lambda history: self._send(("epoch", history[-1]))
        self._send(("end",))


def main(descriptor: int) -> None:
    """Train what comes through a connection, until it says None."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches all of a terminal's processes: the first one decides
    signal.signal(signal.SIGTERM, _terminate)
    with Connection(descriptor) as parent:
        come: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=_receive, args=(parent, come), daemon=True).start()
        job: Job = come.get()
        torch.set_num_threads(job.threads)
        device = job.runs[0].workers.device
        if device.type == "cuda":
            torch.cuda.set_device(device)
            torch.backends.cudnn.benchmark = True
        prepared, narrator = job.prepared.opened(), Telling(parent.send)
        runs = [replace(run, narrator=narrator) for run in job.runs]
        while (task := come.get()) is not None:
            number, method, fold = task
            try:
                fit_and_predict(runs[number], prepared, method, fold)
            except Exception as error:  # noqa: BLE001 - the other process tells whatever it is
                _send_error(parent, error)
                return
            parent.send(("done",))


def _receive(parent: Connection, come: queue.SimpleQueue[Any]) -> None:
    """Hand on what comes; end this process with the one that began it."""
    while True:
        try:
            come.put(parent.recv())
        except (EOFError, OSError):
            os._exit(TERMINATED)


def _send_error(parent: Connection, error: Exception) -> None:
    trace = "".join(traceback.format_exception(error))
    try:
        parent.send(("error", error, trace))
    except Exception:  # noqa: BLE001 - an error that cannot be sent, whose words can
        parent.send(("error", RuntimeError(f"{type(error).__name__}: {error}"), trace))


def _terminate(*_: object) -> None:
    """Leave by the way of an exception, so that temporary files are removed."""
    raise SystemExit(TERMINATED)
