"""What runs in dask's processes when the scheduling of cases is measured: a case of 1 ms, and a count of the bytes sent."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from fastfuse.cohort.place import Print, Record
from fastfuse.cohort.tasks import Counted, Task

SECONDS = 0.001
TABLES = 64  # different ones, more than a parcel holds


class Sent:
    """Bytes that this process has sent over TCP by dask."""

    bytes = 0


def dask_setup(_: Any) -> None:
    """Count what is sent from now on: dask calls this where it preloads the module."""
    from distributed.comm.tcp import TCP

    write: Any = TCP.write

    async def counted(self: TCP, *given: Any, **more: Any) -> Any:
        sent = await write(self, *given, **more)
        Sent.bytes += sent
        return sent

    TCP.write = counted


def sent_bytes() -> int:
    """Return what this process has sent."""
    return Sent.bytes


def count_for_a_while(task: Task) -> Counted:
    """Take 1 ms, and return what counting a case returns: a table of the size that lies there, and what it was made of."""
    end = time.perf_counter() + SECONDS
    answer = Counted(task.case.name, _table_of(task), record_of(task))
    while time.perf_counter() < end:
        pass
    return answer


def record_of(task: Task) -> Record:
    """Return what a case's table would be of; hashes are random, as hashes are."""
    prints = {
        what: Print(str(path), 41_234, 1_790_000_000_123_456_789, hashlib.sha256(bytes(path)).hexdigest())
        for what, path in task.settings.files_of(task.case).items()
    }
    return Record(hashlib.sha256(task.case.name.encode()).hexdigest(), prints)


def _table_of(task: Task) -> bytes:
    """Return one of the tables that lie beside the cases."""
    number = int(task.case.name[-6:]) % TABLES
    return (task.consensus.parents[2] / "tables" / f"{number}.npz").read_bytes()
