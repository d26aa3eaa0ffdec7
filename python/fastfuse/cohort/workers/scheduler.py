"""Workers of dask.distributed by the address of their scheduler; whatever is wrong with it is told in one line."""

from __future__ import annotations

import logging
import os
import re
import socket
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib import import_module, metadata
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar, cast

from ...errors import CohortError, lacking, reason_of
from ...images.paths import shown
from ...inputs.names import enumerated, quoted

SECONDS = 10.0  # for each answer of the scheduler
ADDRESS = re.compile(r"tcp://(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^\s:/\[\]]+):(?P<port>\d{1,5})/?")
LONGEST_GREETING = 1 << 20  # bytes of what a scheduler of dask says first
BEGIN = "begin one by: dask worker"
Answer = TypeVar("Answer")


@contextmanager
def executor_at(address: str | None, cohort: Path, workers: int | None = None) -> Iterator[Executor | None]:
    """Yield the executor of a scheduler of dask, whose workers can do the work; None without an address.

    Parameters
    ----------
    address : str, optional
        "tcp://HOST:PORT", as ``dask scheduler`` prints it.
    cohort : path
        A folder that every worker must see.
    workers : int, optional
        As asked for processes of this machine, which a scheduler does not begin.

    Raises
    ------
    FastfuseError
        Naming the address: if it is none, nobody or something else answers there, dask.distributed is missing, or workers
        are missing, have no fastfuse or another version, or do not see the folder.
    """
    if address is None:
        yield None
        return
    if workers is not None:
        raise CohortError(
            f"scheduler {address} has its own workers: leave workers (--workers) out, or scheduler (--scheduler) for processes of this machine"
        )
    host, port = _parsed(address)
    try:
        make = import_module("distributed").Client
    except ImportError as error:
        raise lacking("scheduler (--scheduler)", error, "distributed") from None
    _check_greeting(address, host, port)
    with _without_log():
        client: Any = _within(SECONDS, address, lambda: make(address, timeout=SECONDS, set_as_default=False))
        try:
            _check_workers(client, address, cohort.absolute())
            yield cast("Executor", client.get_executor())
        finally:
            client.close(timeout=1)


def _parsed(address: str) -> tuple[str, int]:
    found = ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found["port"]) < 1 << 16:
        raise CohortError(
            f"scheduler is {quoted(address)}: it must be tcp://HOST:PORT, as dask scheduler prints it; for other protocols, as "
            "tls://, give fuse_cohort(executor=client.get_executor()) in Python"
        )
    return found["host"].strip("[]"), int(found["port"])


def _check_greeting(address: str, host: str, port: int) -> None:
    """Refuse an address where nobody listens, or who does is none of dask's: its client would wait for ever."""
    try:
        with socket.create_connection((host, port), timeout=SECONDS) as connection:
            said = connection.recv(8, socket.MSG_WAITALL) if hasattr(socket, "MSG_WAITALL") else b"\0" * 8
    except TimeoutError:
        raise _silent(address) from None
    except OSError as error:
        raise CohortError(
            f"scheduler {address}: nobody can be reached there ({reason_of(error)}); give the address that dask scheduler prints"
        ) from None
    if len(said) < 8 or struct.unpack("<Q", said)[0] > LONGEST_GREETING:
        raise CohortError(
            f"scheduler {address}: who answers there is no scheduler of dask; give the address that dask scheduler prints"
        )


def _silent(address: str) -> CohortError:
    return CohortError(
        f"scheduler {address}: no answer within {SECONDS:g} s; see whether it is at work, and that it is dask's"
    )


def _within(seconds: float, address: str, call: Callable[[], Answer]) -> Answer:
    """Return what a call returns; after so many seconds it is left to itself, and the scheduler is told to be silent."""
    found: list[Answer] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(call())
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    thread = Thread(target=work, name="fastfuse-scheduler", daemon=True)
    thread.start()
    thread.join(seconds + 1)
    if found:
        return found[0]
    if not failed or isinstance(failed[0], TimeoutError) or "Timed out" in str(failed[0]):
        raise _silent(address)
    raise CohortError(
        f"scheduler {address}: cannot be used ({type(failed[0]).__name__}: {reason_of(failed[0])})"
    )


def _check_workers(client: Any, address: str, cohort: Path) -> None:
    """Refuse workers that could not do the work, before any case is lost on them."""
    here = metadata.version("fastfuse")
    there = _asked(client, address, metadata.version, "fastfuse")
    if not there:
        raise CohortError(f"scheduler {address}: has no worker; {BEGIN} {address}")
    without = [worker for worker, found in there.items() if not isinstance(found, str)]
    if without:
        raise CohortError(
            f"scheduler {address}: no fastfuse at {_named(without)}; install fastfuse {here} there, as it is here"
        )
    other = {worker: found for worker, found in there.items() if found != here}
    if other:
        raise CohortError(
            f"scheduler {address}: fastfuse {enumerated(sorted(set(other.values())))} at {_named(list(other))}, and {here} here; "
            "install the same everywhere"
        )
    if not cohort.is_dir():
        return  # which is told here
    seen = _asked(client, address, os.path.isdir, str(cohort))
    blind = [worker for worker, found in seen.items() if found is not True]
    if blind:
        raise CohortError(
            f"{shown(cohort)}: not seen by {_named(blind)}; cohort and outputs must lie on a disk that all workers share, under "
            "the same path"
        )


def _asked(client: Any, address: str, what: Callable[..., Any], *given: str) -> dict[str, Any]:
    """Return what each worker answers, or its error. The function is Python's own, which any worker has."""
    return _within(SECONDS, address, lambda: dict(client.run(what, *given, on_error="return")))


def _named(workers: list[str]) -> str:
    """Return the names of workers, few of many."""
    few = enumerated(sorted(workers)[:3])
    kind = "worker" if len(workers) == 1 else "workers"
    return f"{kind} {few}" if len(workers) <= 3 else f"{len(workers)} workers, as {few}"


@contextmanager
def _without_log() -> Iterator[None]:
    """Keep dask's own lines from the terminal: what matters of them is told."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
