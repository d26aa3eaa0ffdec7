"""All blocks of a volume, here or by an executor: counted, and written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...inputs.libraries import dask_of
from ...streaming.boxes import Box
from ...streaming.mapped import MappedSource
from ...streaming.sources import Source
from ...streaming.work import here, through
from ...streaming.written import FileOfBlocks, by_calls
from ..backends import core
from ..backends.found import CoreEstimate, CoreTable
from .blocks import Content, consensus_in, counts_of, done_with, read
from .given import AT_ONCE, Streamed

MOST_ROWS = 1 << 21  # distinct patterns of a volume, as in memory
TOO_MANY = (
    "the votes have too many distinct patterns to be counted, as probabilities of a network have: a fusion block by block needs "
    "votes that repeat; round them, as by np.round(votes, 1), make masks of them by threshold=0.5, or fuse them in memory"
)


@dataclass(frozen=True, eq=False)
class Count:
    """A block to be counted, for a worker."""

    given: Streamed
    box: Box

    def __call__(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return the block's patterns and their counts; None if there are too many."""
        table = counts_of(self.given, self.box, read(self.given, self.box))
        done_with(self.given, self.box)
        return None if table is None else (table.patterns, table.counts)


@dataclass(frozen=True, eq=False)
class Write:
    """A block whose consensus is to be written, for a worker; ``out`` is None where the caller writes it."""

    given: Streamed
    rates: dict[str, Any]
    box: Box
    dtype: np.dtype[Any]
    out: Any

    def __call__(self) -> NDArray[Any] | None:
        """Write the block, or return it."""
        rates = core.rates_from(self.rates)
        found = consensus_in(self.given, rates, self.box, read(self.given, self.box), self.dtype, None)
        done_with(self.given, self.box)
        if self.out is None:
            return found
        target = self.out.array if hasattr(self.out, "array") else self.out.store
        target[self.box] = found
        self.out.done_with(self.box)
        return None


def worked(task: Callable[[], Any]) -> Any:
    """Do a task; a function by name, so that it travels."""
    return task()


def tabulated(given: Streamed, limit: int | None, executor: Any) -> CoreTable:
    """Return the votes of all blocks as one table.

    Raises
    ------
    ValueError
        If they have too many distinct patterns.
    """
    whole: CoreTable | None = None
    with given.one_pass():
        for table in _tables(given, given.boxes(limit, executor), executor):
            whole = table if whole is None or table is None else whole.add(table)
            if whole is None or len(whole.counts) > MOST_ROWS:
                raise ValueError(TOO_MANY)
    if whole is None:
        raise ValueError(TOO_MANY)
    return whole


def _tables(given: Streamed, boxes: list[Box], executor: Any) -> Iterator[CoreTable | None]:
    if executor is not None:
        tasks = (Count(given, box) for box in boxes)
        for _, parts in through(executor, worked, tasks):
            yield None if parts is None else core.table_from(*parts)
        return

    if given.of_dask:
        yield from _tables_by_dask(given, boxes)
        return

    def count(box: Box, content: Any) -> CoreTable | None:
        table = counts_of(given, box, content)
        del content
        done_with(given, box)
        return table

    for _, table in here(lambda box: read(given, box), count, boxes):
        yield table


def _tables_by_dask(given: Streamed, boxes: list[Box]) -> Iterator[CoreTable | None]:
    """Yield the tables of blocks that dask reads and counts, where its scheduler has its workers; few at a time."""
    dask: Any = sys.modules["dask"]
    work, plain = dask.delayed(count_content, pure=False), given.without_sources()
    stores = [getattr(one, "store", None) for one in (*given.raters, given.mask, *given.present)]
    most = AT_ONCE * max(_workers_of_dask(), 1)
    for first in range(0, len(boxes), most):
        parts = [
            work(plain, box, *(None if one is None else dask_of(one)[given.wide(box)] for one in stores))
            for box in boxes[first : first + most]
        ]
        for counted in dask.compute(*parts):
            yield None if counted is None else core.table_from(*counted)


def _workers_of_dask() -> int:
    """Return the threads of all workers of the client that is at work; 0 without one."""
    distributed: Any = sys.modules.get("distributed")
    try:
        return 0 if distributed is None else int(sum(distributed.get_client().nthreads().values()))
    except ValueError:  # there is no client
        return 0


def count_content(
    given: Streamed, box: Box, *arrays: NDArray[Any] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the patterns and their counts of a block that has been read: raters, mask, where each looked."""
    count = len(given.names)
    raters = [np.asarray(one) for one in arrays[:count]]
    table = counts_of(given, box, Content(raters, arrays[count], list(arrays[count + 1 :])))
    return None if table is None else (table.patterns, table.counts)


def write(
    given: Streamed,
    rates: CoreEstimate,
    boxes: list[Box],
    executor: Any,
    out: Any,
    target: Source | None,
    dtype: np.dtype[Any],
) -> None:
    """Write the consensus of all blocks into what takes assignments to slices.

    ``target``: the same as a source, where other processes may write it.
    """
    if executor is not None:
        parts = core.parts_of(rates)
        tasks = (Write(given, parts, box, dtype, target) for box in boxes)
        for task, found in through(executor, worked, tasks):
            if found is not None:
                out[task.box] = found
        return

    with given.one_pass(), _Taker.of(out, target) as taker:

        def done(box: Box, content: Any) -> None:
            found = consensus_in(given, rates, box, content, dtype, taker.room_for(box))
            taker.put(box, found)
            del content
            done_with(given, box)

        for _ in here(lambda box: read(given, box), done, boxes):
            pass


@dataclass(frozen=True, eq=False)
class _Taker:
    """What takes blocks: an array in its place, or a store by slices."""

    out: Any

    @classmethod
    @contextmanager
    def of(cls, out: Any, target: Source | None) -> Iterator[_Taker | FileOfBlocks]:
        """Give what takes them best; a mapped file is written behind."""
        if isinstance(target, MappedSource) and by_calls(target):
            with FileOfBlocks(target) as file:
                yield file
        else:
            yield cls(out)

    def room_for(self, box: Box) -> NDArray[Any] | None:
        """Return the array's part; None of a store."""
        found: NDArray[Any] | None = self.out[box] if isinstance(self.out, np.ndarray) else None
        return found

    def put(self, box: Box, block: NDArray[Any]) -> None:
        """Write a block into a store."""
        if not isinstance(self.out, np.ndarray):
            self.out[box] = block
