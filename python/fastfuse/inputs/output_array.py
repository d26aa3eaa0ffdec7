"""The array that a result is written into: a new one, or the caller's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .arrays import Array
from .checks import check_dtype
from .names import quoted


@dataclass(frozen=True)
class Destination:
    """An array to be written, and what the core writes into.

    Attributes
    ----------
    values : ndarray, the raters' shape
        What the caller gets.
    work : ndarray
        Contiguous, its axes in the order of the raters' memory: ``values`` seen so, where it can be; else an array
        of its own, which ``finish`` copies.
    """

    values: Array
    work: Array
    axes: tuple[int, ...]

    @classmethod
    def of(
        cls,
        out: Any,
        dtype: DTypeLike,
        shape: tuple[int, ...],
        axes: tuple[int, ...],
        inputs: Sequence[Array],
    ) -> Destination:
        """Take the caller's array, checked, or make one of this type and shape.

        Raises
        ------
        TypeError, ValueError
            If ``out`` is no writeable array of float32 or float64 of the raters' shape.
        """
        checked = check_dtype(dtype)
        lengths = [shape[axis] for axis in axes]
        if out is None:
            work = np.empty(lengths, dtype=checked)
            in_order = axes == tuple(range(len(axes)))
            return cls(work if in_order else work.transpose(_back(axes)), work, axes)
        check_out(out, dtype, shape)
        seen: Array = out.transpose(axes)
        alone = not any(np.may_share_memory(out, array) for array in inputs)
        fits = seen.flags.c_contiguous and seen.flags.aligned and alone
        return cls(out, seen if fits else np.empty(lengths, dtype=out.dtype), axes)

    def finish(self) -> Array:
        """Return the values, written."""
        if self.values is not self.work and not np.may_share_memory(self.values, self.work):
            np.copyto(self.values, self.work.transpose(_back(self.axes)))
        return self.values


def _back(axes: tuple[int, ...]) -> list[int]:
    """Return the order of axes that undoes a transposition by these."""
    return sorted(range(len(axes)), key=axes.__getitem__)


def check_out(out: Any, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
    """Raise TypeError or ValueError for what cannot take a probability of this shape."""
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise TypeError(f"out is of type {type(out).__name__}: it must be a plain NumPy array")
    if out.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"out holds elements of type {out.dtype}: the probability is float32 or float64")
    if dtype != "float32" and np.dtype(dtype) != out.dtype:
        raise ValueError(
            f"dtype is {quoted(dtype)}, out is of type {out.dtype}: give one of them, or make them agree"
        )
    if out.shape != shape:
        raise ValueError(f"out has shape {out.shape}, the raters have shape {shape}")
    if _lies_upon_itself(out):
        raise ValueError("out lies upon itself in memory: it must hold a place for every voxel")
    if not out.flags.writeable:
        raise ValueError("out is read-only: it must be an array that can be written")


def _lies_upon_itself(array: Array) -> bool:
    """Tell whether two elements may share memory, as those of a broadcast or a sliding window do."""
    reach = array.itemsize
    for stride, extent in sorted(zip(map(abs, array.strides), array.shape, strict=True)):
        if extent > 1 and stride < reach:
            return True
        reach += stride * (extent - 1)
    return False
