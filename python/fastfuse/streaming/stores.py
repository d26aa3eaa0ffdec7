"""Stores of chunks by name: what another process opens again, as handles do not travel.

Each task opens anew: a worker outlives a call, and the next one may find another file under the same name.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

Opener = tuple[Callable[..., Any], tuple[Any, ...]]


def opened_anew(store: Any) -> Opener | None:
    """Return the function and the names that open the same store in another process; None if there are none."""
    library = type(store).__module__.partition(".")[0]
    if library == "h5py" and hasattr(store, "file"):
        return open_hdf5, (str(store.file.filename), str(store.name))
    if library == "zarr":
        root = getattr(store.store, "root", None) or getattr(store.store, "path", None)
        if isinstance(root, bytes) or root is None or not str(root):
            return _kept, (store,)  # a store in a cloud, which pickles as its address
        return open_zarr, (str(root), str(store.path), getattr(store, "read_only", True))
    if hasattr(store, "is_proxy"):
        return _kept, (store,)  # a proxy of nibabel knows its path
    return None


def open_hdf5(path: str, name: str) -> Any:
    """Open a data set of an HDF5 file to read it."""
    return import_module("h5py").File(path, "r")[name]


def open_zarr(root: str, path: str, read_only: bool) -> Any:
    """Open an array of zarr."""
    zarr = import_module("zarr")
    return zarr.open_array(root, path=path or None, mode="r" if read_only else "r+")


def _kept(store: Any) -> Any:
    return store
