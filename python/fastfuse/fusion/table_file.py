"""The file of a table of votes or labels: NumPy's .npz, without pickle."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import fspath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FastfuseError, in_python_alone, reason_of
from ..images.memory import available, shown_bytes
from ..images.outputs import Outputs, check_outputs
from ..images.paths import shown


@dataclass(frozen=True)
class Kind:
    """A kind of table, as its files say it.

    Attributes
    ----------
    name : str
        What messages call it.
    entries : tuple of str
        The arrays that it holds.
    reader : str
        What reads it.
    may_hold : tuple of str
        Arrays that it may hold besides.
    """

    name: str
    entries: tuple[str, ...]
    reader: str
    version: int = 1
    may_hold: tuple[str, ...] = ()

    @property
    def format(self) -> str:
        """What its files say that they are."""
        return f"fastfuse {self.name}"


CASES = "cases"  #: how many cases each rater read, of a sum over cases that a site exported
VOTES = Kind("vote table", ("patterns", "counts", "names"), "fastfuse.VoteTable.load", may_hold=(CASES,))
LABELS = Kind(
    "label table",
    ("labels", "label_names", "codes", "counts", "names"),
    "fastfuse.LabelTable.load",
    may_hold=(CASES,),
)
MASSES = Kind(
    "mass table",
    ("codes", "whole", "part", "voxels", "names"),
    "fastfuse.VoteTable.load",
)
INDEX = Kind(
    "vote index", ("rows", "patterns", "names", "affine", "key"), "fastfuse cohort fuse --keep-index"
)
KINDS = {kind.format: kind for kind in (VOTES, LABELS, MASSES, INDEX)}
KNOWN = {
    "format",
    "version",
    *(entry for kind in KINDS.values() for entry in (*kind.entries, *kind.may_hold)),
}
ANY_NAME = ("",)  # ending of the file


@contextmanager
def named_if_damaged(path: Any) -> Iterator[None]:
    """Name the file of a table whose entries are refused."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise FastfuseError(f"{shown(path)}: is damaged ({reason_of(error)})") from None


class OtherKindError(FastfuseError):
    """A table of another kind than what was asked for.

    Attributes
    ----------
    kind : Kind
        Which it is.
    """

    def __init__(self, message: str, kind: Kind) -> None:
        super().__init__(message, kind)
        self.kind = kind

    def __str__(self) -> str:
        """Return what is said."""
        return str(self.args[0])


def write_table(path: Any, kind: Kind, **arrays: Any) -> None:
    """Write a table's arrays: the file appears whole, or what was there stays."""
    file = _as_file(path)
    check_outputs([file], [], ANY_NAME, overwrite=True)
    content = table_bytes(kind, **arrays)
    with Outputs(overwrite=True) as outputs:
        outputs.add(file, content)
        outputs.commit()


def table_bytes(kind: Kind, **arrays: Any) -> bytes:
    """Return the content of a table's file."""
    content = io.BytesIO()
    np.savez_compressed(content, format=np.array(kind.format), version=np.array(kind.version), **arrays)
    return content.getvalue()


def read_table(path: Any, kind: Kind) -> dict[str, Any]:
    """Return a table's arrays.

    Raises
    ------
    FastfuseError
        Naming the file, if it cannot be read, is damaged, or holds no table of this kind and version.
    """
    return read_one_of(path, kind)[1]


def read_one_of(path: Any, *kinds: Kind) -> tuple[Kind, dict[str, Any]]:
    """Return which of these kinds a table is of, and its arrays; until it says so, errors call it by the first kind.

    Raises
    ------
    FastfuseError
        As of :func:`read_table`.
    """
    file, kind = _as_file(path), kinds[0]
    name, kept = shown(file), _arrays(file, kind)
    said = kept.get("format")
    found = None if said is None or said.ndim else KINDS.get(str(said))
    if found is None:
        raise FastfuseError(f"{name}: holds no {kind.name} of fastfuse")
    if found not in kinds:
        reader = in_python_alone(f": {found.reader} reads it")
        raise OtherKindError(f"{name}: is a {found.name}, not a {kind.name}{reader}", found)
    kind = found
    version = kept.get("version")
    if version is None or version.ndim or version.dtype.kind not in "buif":
        raise FastfuseError(f"{name}: holds no {kind.name} of fastfuse")
    if version != kind.version or version.dtype.kind not in "ui":
        raise FastfuseError(
            f"{name}: is a {kind.name} of version {version}, and this fastfuse reads version {kind.version}: tabulate "
            "the votes again, or use the fastfuse that wrote it"
        )
    for entry in kind.entries:
        if entry not in kept:
            raise FastfuseError(f"{name}: is damaged (it holds no {entry})")
    held = (entry for entry in (*kind.entries, *kind.may_hold) if entry in kept)
    return kind, {entry: kept[entry] for entry in held}


def _arrays(path: Path, kind: Kind) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz file; nothing if it is a file of NumPy's of another kind."""
    name = shown(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FastfuseError(f"{name}: there is no such file") from None
    except OSError as error:
        raise FastfuseError(f"{name}: cannot be read as a {kind.name} ({error.strerror})") from None
    if content.startswith(np.lib.format.MAGIC_PREFIX):  # .npy
        return {}
    if not content.startswith(b"PK"):
        raise FastfuseError(f"{name}: is no .npz file of a {kind.name}")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            _check_memory(name, packed)
        kept = np.load(io.BytesIO(content), allow_pickle=False)
        found = {entry: kept[entry] for entry in kept.files if entry in KNOWN}
        return {entry: array for entry, array in found.items() if isinstance(array, np.ndarray)}
    except FastfuseError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a file's content does to the reader
        why = "it holds Python objects" if "allow_pickle" in str(error) else reason_of(error)
        raise FastfuseError(f"{name}: cannot be read as a {kind.name} ({why})") from None


def _check_memory(name: str, packed: zipfile.ZipFile) -> None:
    """Refuse a file whose arrays are larger than the memory: of a kilobyte, zip makes a megabyte."""
    needed = sum(one.file_size for one in packed.infolist() if one.filename.removesuffix(".npy") in KNOWN)
    free = available()
    if free is not None and 2 * needed > free:  # an array, and what is made of it
        raise FastfuseError(
            f"{name}: its arrays need {shown_bytes(2 * needed)} of memory, more than the {shown_bytes(free)} that are free: is it a table "
            "that fastfuse wrote?"
        )


def _as_file(path: Any) -> Path:
    """Return a path."""
    try:
        found = Path(fspath(path))
    except TypeError:
        raise TypeError(f"path is of type {type(path).__name__}, not a path") from None
    if "\0" in str(found):
        raise FastfuseError(f"the name of a file holds a NUL character, {shown(found)}; choose another")
    return found
