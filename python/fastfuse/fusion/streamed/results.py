"""Where a consensus goes that is looked up block by block: memory, the caller's store, or an array of dask."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...inputs.checks import check_dtype
from ...inputs.libraries import dask_of
from ...inputs.names import quoted
from ...inputs.output_array import check_out
from ...streaming.memory import FOR_VOXELS, check_memory, shown_memory
from ...streaming.sources import ArraySource, Source, source_of
from ..backends import core
from ..backends.found import CoreEstimate
from ..options import Options
from ..votes import Votes
from .blocks import Content, consensus_in
from .given import Streamed
from .run import write


@dataclass(frozen=True, eq=False)
class Result:
    """What the caller gets of the consensus, before it is computed.

    Attributes
    ----------
    dtype : numpy.dtype
    out : array_like or None
        What is written; None for a lazy result.
    votes : Votes
    options : Options
        With its limit of memory, and its executor.
    """

    dtype: np.dtype[Any]
    out: Any
    votes: Votes
    options: Options

    @classmethod
    def of(cls, votes: Votes, given: Streamed, options: Options) -> Result:
        """Check ``out``, or make room for what fits, before anything is read.

        Raises
        ------
        TypeError, ValueError
            If ``out`` cannot take the consensus; if there is none, and the consensus does not fit in the memory that is
            granted.
        """
        dtype = check_dtype(votes.dtype)
        if votes.out is not None:
            return cls(_checked_out(votes.out, votes.dtype, given.shape), votes.out, votes, options)
        if all(dask_of(one) is not None for one in votes.raters if one is not None):
            if options.margin_mm is not None:
                raise ValueError(
                    f"roi is {options.margin_mm:g}, a margin: of lazy votes give out, or roi='all' and a mask"
                )
            return cls(dtype, None, votes, options)
        needed, limit = prod(given.shape) * dtype.itemsize, check_memory(options.max_memory)
        if limit is not None and needed > limit * (1 - FOR_VOXELS):
            raise ValueError(
                f"the consensus takes {shown_memory(needed)}, and max_memory is {shown_memory(limit)}: give out, such as a "
                "numpy.memmap, or an array of zarr or h5py, or more memory"
            )
        order = given.raters[0].axes
        work = np.empty([given.shape[axis] for axis in order], dtype=dtype)
        return cls(dtype, work.transpose(np.argsort(order)), votes, options)

    def shown(self, given: Streamed) -> Any:
        """Return what has the consensus's shape and type, and no content."""
        return np.broadcast_to(np.zeros((), self.dtype), given.shape)

    def written(self, given: Streamed, rates: CoreEstimate) -> Any:
        """Return the consensus: written now, or lazy."""
        if self.out is None:
            return lazy(self.votes, given, rates, self.dtype)
        target = source_of(self.out, "out")
        boxes = given.boxes(check_memory(self.options.max_memory), self.options.executor, target.grain)
        elsewhere = self.options.executor is not None
        shared = target.travels and type(self.out).__module__.partition(".")[0] != "h5py"
        by_workers = None if (elsewhere and not shared) or isinstance(target, ArraySource) else target
        write(given, rates, boxes, self.options.executor, self.out, by_workers, self.dtype)
        return self.out


def _checked_out(out: Any, dtype: Any, shape: tuple[int, ...]) -> np.dtype[Any]:
    """Return the type of what is written; refuse what cannot take it."""
    if isinstance(out, np.ndarray):
        check_out(out, dtype, shape)
        return np.dtype(out.dtype)
    for name in ("shape", "dtype", "__setitem__"):
        if not hasattr(out, name) or dask_of(out) is not None:
            raise TypeError(
                f"out is of type {type(out).__name__}: it must be an array of NumPy, zarr or h5py, which takes values by slices"
            )
    if tuple(out.shape) != shape:
        raise ValueError(f"out has shape {tuple(out.shape)}, the raters have shape {shape}")
    if np.dtype(out.dtype) not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"out holds elements of type {out.dtype}: the probability is float32 or float64")
    if dtype != "float32" and np.dtype(dtype) != out.dtype:
        raise ValueError(
            f"dtype is {quoted(dtype)}, out is of type {out.dtype}: give one of them, or make them agree"
        )
    found: np.dtype[Any] = np.dtype(out.dtype)
    return found


def lazy(votes: Votes, given: Streamed, rates: CoreEstimate, dtype: np.dtype[Any]) -> Any:
    """Return the consensus as an array of dask in the chunks of the first rater, looked up when it is asked for.

    Of arrays of xarray it is one of these, with the first rater's dimensions and coordinates.
    """
    arrays = [dask_of(votes.raters[place]) for place in given.places]
    first = arrays[0]
    companions = [given.mask, *(given.present or [])]
    others = [_lazy_of(one, first.chunks) for one in companions if one is not None]
    look_up = partial(
        _block,
        given=given.without_sources(),
        rates=core.parts_of(rates),
        dtype=dtype,
        held=tuple(one is not None for one in companions),
    )
    aligned = [array if array.chunks == first.chunks else array.rechunk(first.chunks) for array in arrays]
    empty = np.empty((0,) * first.ndim, dtype)
    dask: Any = sys.modules["dask.array"]
    found = dask.map_blocks(look_up, *aligned, *others, dtype=dtype, chunks=first.chunks, meta=empty)
    outer = next(one for one in votes.raters if one is not None)
    if not hasattr(outer, "dims"):
        return found
    return type(outer)(found, dims=outer.dims, coords=outer.coords, name="probability")


def _lazy_of(source: Source, chunks: Any) -> Any:
    dask: Any = sys.modules["dask.array"]
    held = getattr(source, "store", None)
    if held is not None and dask_of(held) is not None:
        return held.rechunk(chunks)
    everywhere = tuple(slice(0, length) for length in source.shape)
    return dask.from_array(held if held is not None else source.read(everywhere), chunks=chunks)


def _block(
    *blocks: NDArray[Any],
    given: Streamed,
    rates: dict[str, Any],
    dtype: np.dtype[Any],
    held: Sequence[bool],
    block_info: Any = None,
) -> NDArray[Any]:
    """Return the consensus of one chunk."""
    count = len(given.places)
    others = iter(blocks[count:])
    mask, *present = [next(others) if there else None for there in held]
    place = block_info[0]["array-location"] if block_info else [(0, n) for n in blocks[0].shape]
    box = tuple(slice(int(begin), int(end)) for begin, end in place)
    content = Content([np.asarray(block) for block in blocks[:count]], mask, list(present))
    return consensus_in(given, core.rates_from(rates), box, content, dtype, None)
