"""What slices: arrays in memory, memory-mapped files, and stores of chunks, each read box by box.

Nothing is imported here: a store is known by what it has. A source can be sent to another process where it can be
opened there anew by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..inputs.arrays import as_array, axes_in_memory_order
from ..inputs.libraries import Slice, dask_of, is_torch
from .boxes import Box
from .mapped import MappedSource, mapping_under
from .stores import opened_anew

Array = NDArray[Any]
Shape = tuple[int, ...]
IN_MEMORY = "lies in memory, which other processes do not see"


class Source(Protocol):
    """A volume that is read box by box.

    Attributes
    ----------
    shape, dtype
        As an array has them.
    axes : tuple of int
        From the slowest to the fastest in memory.
    grain : tuple of int or None
        Shape of its chunks; None where any box can be read.
    in_order : bool
        Whether boxes can be read only one after the other, from the first along the slowest axis.
    travels : bool
        Whether it can be sent to another process.
    """

    @property
    def shape(self) -> Shape:
        """Lengths of its axes."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its elements."""

    @property
    def axes(self) -> Shape:
        """Its axes from the slowest to the fastest."""

    @property
    def grain(self) -> Shape | None:
        """Shape of its chunks."""

    @property
    def in_order(self) -> bool:
        """Whether boxes are read one after the other."""

    @property
    def travels(self) -> bool:
        """Whether it can be sent."""

    def read(self, box: Box) -> Array:
        """Return the voxels of a box."""

    def done_with(self, box: Box) -> None:
        """Let memory go that was needed for a box."""

    def close(self) -> None:
        """Let go what a pass through the boxes holds open."""


@dataclass(frozen=True, eq=False)
class ArraySource:
    """An array in memory."""

    array: Array
    grain: Shape | None = None
    in_order: bool = False
    travels: bool = False

    @property
    def shape(self) -> Shape:
        """Lengths of its axes."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its elements."""
        return self.array.dtype

    @property
    def axes(self) -> Shape:
        """Its axes from the slowest to the fastest."""
        return axes_in_memory_order(self.array)

    def read(self, box: Box) -> Array:
        """Return a view of a box."""
        return self.array[box]

    def done_with(self, box: Box) -> None:
        """Keep what is in memory."""

    def close(self) -> None:
        """Hold nothing open."""


@dataclass(frozen=True, eq=False)
class StoreSource:
    """What slices like an array, and reads what is asked for: zarr, h5py, xarray, dask, proxies of nibabel."""

    store: Any
    shape: Shape
    dtype: np.dtype[Any]
    axes: Shape
    grain: Shape | None
    travels: bool
    in_order: bool = False

    @classmethod
    def of(cls, store: Any, axes: Shape | None = None) -> StoreSource:
        """Take a store whose axes lie in C's order, if nothing else is said."""
        shape = tuple(int(length) for length in store.shape)
        return cls(
            store=store,
            shape=shape,
            dtype=np.dtype(store.dtype),
            axes=axes or tuple(range(len(shape))),
            grain=chunk_shape(store),
            travels=opened_anew(store) is not None,
        )

    def read(self, box: Box) -> Array:
        """Return the voxels of a box, read now."""
        return np.asarray(self.store[box])

    def done_with(self, box: Box) -> None:
        """Keep nothing."""

    def close(self) -> None:
        """Leave the store to the caller."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to open the store anew by its name."""
        opener, arguments = opened_anew(self.store) or (_itself, (self.store,))
        return _store_source, (opener, arguments, self.axes)


def _itself(store: Any) -> Any:
    return store


def _store_source(opener: Callable[..., Any], arguments: tuple[Any, ...], axes: Shape) -> StoreSource:
    return StoreSource.of(opener(*arguments), axes)


def chunk_shape(store: Any) -> Shape | None:
    """Return the shape of a store's chunks, or of its shards; of uneven ones that of the largest."""
    chunks = getattr(store, "shards", None) or getattr(store, "chunks", None)
    if not chunks:
        return None
    return tuple(max(one) if isinstance(one, tuple) else int(one) for one in chunks)


def source_of(value: Any, name: str) -> Source:
    """Return how a value is read box by box; what does not slice is taken as an array first.

    Raises
    ------
    TypeError, ValueError
        As :func:`as_array`.
    """
    held = dask_of(value)
    if held is not None:
        return _checked(StoreSource.of(held), name)
    if isinstance(value, Slice) or is_torch(value):
        return _of_array(as_array(value, name))
    if isinstance(value, np.ndarray):
        return _of_array(as_array(value, name))
    if hasattr(value, "dataobj"):
        return _of_nibabel(value, name)
    if slices(value):
        return _checked(StoreSource.of(value), name)
    return _of_array(as_array(value, name))


def slices(value: Any) -> bool:
    """Tell whether a value has what a store has: a shape, a type of NumPy's, and parts that can be read alone."""
    if isinstance(value, (list, tuple, str, bytes)) or hasattr(value, "__cuda_array_interface__"):
        return False
    if not (hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "__getitem__")):
        return False
    try:
        np.dtype(value.dtype)
    except TypeError:  # of another library
        return False
    return hasattr(value, "chunks") or hasattr(value, "dims")


def _of_array(array: Array) -> Source:
    mapping = mapping_under(array)
    return ArraySource(array) if mapping is None else MappedSource.of(array, mapping)


def _of_nibabel(image: Any, name: str) -> Source:
    """Return an image's voxels: mapped where the file holds them as they are, else by its proxy."""
    from .inflating import InflatedSource

    proxy: Any = image.dataobj
    if not getattr(proxy, "is_proxy", False):
        return _of_array(as_array(image, name))
    path = str(getattr(proxy, "file_like", ""))
    order: Literal["C", "F"] = "C" if getattr(proxy, "order", "F") == "C" else "F"
    shape = tuple(int(length) for length in proxy.shape)
    axes = tuple(range(len(shape))) if order == "C" else tuple(reversed(range(len(shape))))
    plain = hasattr(proxy, "offset") and (proxy.slope, proxy.inter) == (1, 0)
    if path.endswith(".gz") and hasattr(proxy, "offset"):
        return _checked(
            InflatedSource(
                path,
                int(proxy.offset),
                shape,
                np.dtype(proxy.dtype),
                axes,
                (float(proxy.slope), float(proxy.inter)),
            ),
            name,
        )
    if plain and path.endswith((".nii", ".img", ".mgh")):
        mapped = np.memmap(
            path, dtype=np.dtype(proxy.dtype), mode="r", offset=int(proxy.offset), shape=shape, order=order
        )
        return _of_array(as_array(mapped, name))
    return _checked(StoreSource.of(proxy, axes), name)


def _checked(source: Source, name: str) -> Source:
    """Refuse elements that are no numbers, as of an array."""
    as_array(np.empty(0, source.dtype), name)
    return source
