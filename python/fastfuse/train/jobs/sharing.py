"""Arrays in a file that several processes map into memory: none of them holds a copy of its own."""

from __future__ import annotations

import io
import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import OutputError
from ...images.folder_lock import try_lock
from ...images.paths import shown

PREFIX = ".prepared-"
PAGE = 4096  # where an array may begin; smaller ones are not worth a page


@dataclass(frozen=True)
class Shared:
    """Something with large arrays: where they lie, and all the rest as bytes for processes of this run alone."""

    path: Path
    rest: bytes

    def opened(self) -> Any:
        """Return the thing; its arrays are read when they are used, and writing to them changes no file."""
        return _Reader(io.BytesIO(self.rest), self.path).load()


@contextmanager
def shared(thing: Any, folder: Path) -> Iterator[Shared]:
    """Write a thing's arrays to a temporary file in a folder, and yield what another process opens it by."""
    _clear_away(folder)
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=PREFIX) as file:
            try_lock(file.fileno())
            rest = io.BytesIO()
            _Writer(rest, file).dump(thing)
            file.flush()
            yield Shared(Path(file.name), rest.getvalue())
    except OSError as error:
        raise OutputError(
            f"{shown(folder)}: the prepared slices cannot be written there ({error.strerror or error})"
        ) from error


def _clear_away(folder: Path) -> None:
    """Remove files of processes that were killed."""
    for path in folder.glob(f"{PREFIX}*"):
        with suppress(OSError), path.open("rb") as file:
            if try_lock(file.fileno()):
                path.unlink()


class _Writer(pickle.Pickler):
    """Pickles a thing, with its arrays in another file."""

    def __init__(self, rest: IO[bytes], arrays: Any) -> None:
        super().__init__(rest, protocol=pickle.HIGHEST_PROTOCOL)
        self._arrays = arrays

    def persistent_id(self, thing: Any) -> Any:
        """Return where an array lies; None for all else."""
        is_tensor = isinstance(thing, torch.Tensor)
        if not is_tensor and type(thing) is not np.ndarray:
            return None
        array = thing.numpy() if is_tensor else thing
        if array.nbytes < PAGE or array.dtype.hasobject:
            return None
        start = -(-self._arrays.tell() // PAGE) * PAGE
        self._arrays.seek(start)
        self._arrays.write(np.ascontiguousarray(array).data)
        return is_tensor, start, array.shape, array.dtype.str


class _Reader(pickle.Unpickler):
    """Reads what :class:`_Writer` wrote."""

    def __init__(self, rest: IO[bytes], arrays: Path) -> None:
        super().__init__(rest)
        self._arrays = arrays

    def persistent_load(self, place: Any) -> Any:
        """Return an array, mapped."""
        is_tensor, start, shape, dtype = place
        array: NDArray[Any] = np.memmap(self._arrays, dtype, mode="c", offset=start, shape=shape)
        return torch.from_numpy(array) if is_tensor else np.asarray(array)
