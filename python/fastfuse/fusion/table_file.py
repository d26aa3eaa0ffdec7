"""A vote table's file: NumPy's .npz, without pickle."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from os import fspath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FastfuseError, reason_of
from ..images.outputs import Outputs, check_outputs
from ..images.paths import shown

FORMAT, VERSION = "fastfuse vote table", 1
ANY_NAME = ("",)  # ending of the file


def write_table(
    path: Any, patterns: NDArray[np.float64], counts: NDArray[np.float64], names: Sequence[str]
) -> None:
    """Write a table's arrays: the file appears whole, or what was there stays."""
    file, content = _as_file(path), io.BytesIO()
    check_outputs([file], [], ANY_NAME, overwrite=True)
    np.savez_compressed(
        content,
        format=np.array(FORMAT),
        version=np.array(VERSION),
        patterns=patterns,
        counts=counts,
        names=np.array(names),
    )
    with Outputs(overwrite=True) as outputs:
        outputs.add(file, content.getvalue())
        outputs.commit()


def read_table(path: Any) -> dict[str, Any]:
    """Return a table's patterns, counts and names.

    Raises
    ------
    FastfuseError
        Naming the file, if it cannot be read, is damaged, or holds no vote table of this version.
    """
    file = _as_file(path)
    name, kept = shown(file), _arrays(file)
    if "format" not in kept or kept["format"].ndim or str(kept["format"]) != FORMAT:
        raise FastfuseError(f"{name}: holds no vote table of fastfuse")
    version = kept.get("version")
    if version is None or version.ndim or version.dtype.kind not in "buif":
        raise FastfuseError(f"{name}: holds no vote table of fastfuse")
    if version != VERSION or version.dtype.kind not in "ui":
        raise FastfuseError(
            f"{name}: is a vote table of version {version}, and this fastfuse reads version {VERSION}: tabulate "
            "the votes again, or use the fastfuse that wrote it"
        )
    for entry in ("patterns", "counts", "names"):
        if entry not in kept:
            raise FastfuseError(f"{name}: is damaged (it holds no {entry})")
    return {entry: kept[entry] for entry in ("patterns", "counts", "names")}


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz file; nothing if it is a file of NumPy's of another kind."""
    name = shown(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FastfuseError(f"{name}: there is no such file") from None
    except OSError as error:
        raise FastfuseError(f"{name}: cannot be read as a vote table ({error.strerror})") from None
    if content.startswith(np.lib.format.MAGIC_PREFIX):  # .npy
        return {}
    if not content.startswith(b"PK"):
        raise FastfuseError(f"{name}: is no .npz file of a vote table")
    try:
        with zipfile.ZipFile(io.BytesIO(content)):
            kept = np.load(io.BytesIO(content), allow_pickle=False)
        found = {entry: kept[entry] for entry in kept.files}
        return {entry: array for entry, array in found.items() if isinstance(array, np.ndarray)}
    except Exception as error:  # noqa: BLE001 - whatever a file's content does to the reader
        why = "it holds Python objects" if "allow_pickle" in str(error) else reason_of(error)
        raise FastfuseError(f"{name}: cannot be read as a vote table ({why})") from None


def _as_file(path: Any) -> Path:
    """Return a path."""
    try:
        return Path(fspath(path))
    except TypeError:
        raise TypeError(f"path is of type {type(path).__name__}, not a path") from None
