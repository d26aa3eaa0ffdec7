"""What callers may give for voxels and for raters, as type checkers see it. Loads nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np


class HasArray(Protocol):
    """An array of NumPy's, a tensor, a data frame, or what else NumPy takes as one."""

    def __array__(self) -> Any: ...


class HasDlpack(Protocol):
    """A tensor of a library that speaks DLPack."""

    def __dlpack__(self) -> Any: ...


class HasArrayInterface(Protocol):
    """An image of Pillow's, and the like."""

    @property
    def __array_interface__(self) -> Any: ...


class HasHeader(Protocol):
    """An image of nibabel's."""

    @property
    def header(self) -> Any:
        """What the file's header says."""


class HasSpacing(Protocol):
    """An image of SimpleITK's or ITK's."""

    def GetSpacing(self) -> Any:
        """Return the voxels' size."""


class TakesSlices(Protocol):
    """An array of zarr or h5py, into which slices are written."""

    @property
    def shape(self) -> Any:
        """Lengths of its axes."""

    @property
    def dtype(self) -> Any:
        """Type of its elements."""

    def __setitem__(self, place: Any, values: Any, /) -> None: ...


Number: TypeAlias = "float | np.generic"
# Not recursive: a text is a sequence of texts without end, and would pass.
Row: TypeAlias = "Sequence[Number]"
Nested: TypeAlias = "Row | Sequence[Row] | Sequence[Sequence[Row]]"
VoxelsLike: TypeAlias = (
    "HasArray | HasDlpack | HasArrayInterface | HasHeader | HasSpacing | memoryview | Nested"
)
RatersLike: TypeAlias = "HasArray | HasDlpack | HasHeader | HasSpacing | Iterable[VoxelsLike | None]"
OutLike: TypeAlias = "np.ndarray[Any, np.dtype[Any]] | TakesSlices"
DTypeOfResult: TypeAlias = 'Literal["float32", "float64"] | type[np.floating[Any]] | np.dtype[Any]'
Sides: TypeAlias = "Sequence[float] | np.ndarray[Any, np.dtype[Any]]"
