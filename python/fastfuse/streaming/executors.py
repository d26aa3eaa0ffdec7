"""Executors: what they are, and how much they do at once. Loads nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

USUAL_WORKERS = 8  # where an executor does not tell


class Executor(Protocol):
    """What concurrent.futures calls an executor."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any) -> Any:
        """Let a worker do the work, and return its future."""


def check_executor(value: object, name: str) -> Any:
    """Return an executor, or None; refuse what has no ``submit``."""
    if value is not None and not callable(getattr(value, "submit", None)):
        kind = type(value).__name__
        hint = "; of a dask client, client.get_executor()" if kind == "Client" else ""
        raise TypeError(f"{name} is of type {kind}: it must be an executor, as of concurrent.futures{hint}")
    if type(value).__name__ == "Client" and hasattr(value, "get_executor"):
        raise TypeError(f"{name} is a client of dask: give client.get_executor()")
    return value


def workers_of(executor: Any) -> int:
    """Return how many tasks an executor works on at once."""
    client = getattr(executor, "_client", None)  # of dask
    if client is not None and hasattr(client, "nthreads"):
        return max(int(sum(client.nthreads().values())), 1)
    told = getattr(executor, "_max_workers", None)
    return int(told) if isinstance(told, int) and told > 0 else USUAL_WORKERS


def is_of_dask(executor: object) -> bool:
    """Tell whether an executor is that of a client of dask."""
    return type(executor).__module__.partition(".")[0] == "distributed"


def submitter(executor: Executor) -> Callable[..., Any]:
    """Return what submits a task to be done anew: dask would take two of the same name for one, though files have changed."""
    submit: Callable[..., Any] = executor.submit
    return partial(submit, pure=False) if is_of_dask(executor) else submit
