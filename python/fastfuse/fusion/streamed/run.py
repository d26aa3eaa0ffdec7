"""All blocks of a volume, here or by an executor: counted, and written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

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
from .blocks import Content, consensus_in, counts_in, done_with, read
from .dense import DenseVotes, masses_in
from .given import AT_ONCE, Streamed

MOST_ROWS = 1 << 21  # distinct patterns of a volume, as in memory
Work: TypeAlias = Callable[[Streamed, Box, Content], Any]


@dataclass(frozen=True, eq=False)
class Gather:
    """A block of which something is to be gathered, for a worker; ``work`` returns what travels."""

    given: Streamed
    box: Box
    work: Work

    def __call__(self) -> Any:
        """Return what is gathered of the block."""
        found = self.work(self.given, self.box, read(self.given, self.box))
        done_with(self.given, self.box)
        return found


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


def tabulated(given: Streamed, limit: int | None, executor: Any) -> CoreTable | None:
    """Return the votes of all blocks as one table; None if they have too many distinct patterns."""
    whole: CoreTable | None = None
    with closing(gathered(given, limit, executor, counts_in)) as parts:
        for part in parts:
            if part is None:
                return None
            table = core.table_from(*part)
            whole = table if whole is None else whole.add(table)
            if len(whole.counts) > MOST_ROWS:
                return None
    return whole


def massed(given: Streamed, limit: int | None, executor: Any) -> DenseVotes:
    """Return the masses of the votes of all blocks, which do not repeat.

    Raises
    ------
    ValueError
        For more raters, or groups of them, than a mass table holds.
    """
    with closing(gathered(given, limit, executor, masses_in)) as parts:
        return DenseVotes.of(parts, len(given.names))


def gathered(given: Streamed, limit: int | None, executor: Any, work: Work) -> Generator[Any, None, None]:
    """Yield what is gathered of each block: here, by an executor, or by dask of its own arrays."""
    boxes = given.boxes(limit, executor)
    with given.one_pass():
        if executor is not None:
            tasks = (Gather(given, box, work) for box in boxes)
            yield from (found for _, found in through(executor, worked, tasks))
        elif given.of_dask:
            yield from _gathered_by_dask(given, boxes, work)
        else:
            yield from (found for _, found in here(lambda box: read(given, box), _worker(given, work), boxes))


def _worker(given: Streamed, work: Work) -> Callable[[Box, Content], Any]:
    """Return what gathers of a block that was read here, and lets it go."""

    def done(box: Box, content: Content) -> Any:
        found = work(given, box, content)
        del content
        done_with(given, box)
        return found

    return done


def _gathered_by_dask(given: Streamed, boxes: list[Box], work: Work) -> Iterator[Any]:
    """Yield the same of blocks that dask reads, where its scheduler has its workers; few at a time."""
    dask: Any = sys.modules["dask"]
    of_block, plain = dask.delayed(of_content, pure=False), given.without_sources()
    stores = [getattr(one, "store", None) for one in (*given.raters, given.mask, *given.present)]
    most = AT_ONCE * max(_workers_of_dask(), 1)
    for first in range(0, len(boxes), most):
        parts = [
            of_block(
                work, plain, box, *(None if one is None else dask_of(one)[given.wide(box)] for one in stores)
            )
            for box in boxes[first : first + most]
        ]
        yield from dask.compute(*parts)


def _workers_of_dask() -> int:
    """Return the threads of all workers of the client that is at work; 0 without one."""
    distributed: Any = sys.modules.get("distributed")
    try:
        return 0 if distributed is None else int(sum(distributed.get_client().nthreads().values()))
    except ValueError:  # there is no client
        return 0


def of_content(work: Work, given: Streamed, box: Box, *arrays: NDArray[Any] | None) -> Any:
    """Return what is gathered of a block that has been read: raters, mask, where each looked."""
    count = len(given.names)
    raters = [np.asarray(one) for one in arrays[:count]]
    return work(given, box, Content(raters, arrays[count], list(arrays[count + 1 :])))


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
