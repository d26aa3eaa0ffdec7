"""Writes several files together: all of them complete, or none."""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from ..errors import OutputError
from ..inputs.checks import check_flag
from .folder_lock import alone_in, try_lock
from .gz import in_pieces
from .paths import shown

if TYPE_CHECKING:
    from typing_extensions import Self


logs: list[Path] = []  # that are written to as the work goes on
UNCHANGED = "; nothing was changed"  # end of a message, true of the files that were to appear together


def check_outputs(
    paths: list[Path], inputs: list[Path], suffixes: tuple[str, ...], *, overwrite: bool
) -> None:
    """Refuse outputs that must not or cannot be written, before any work."""
    check_flag(overwrite, "overwrite")
    for path in paths:
        with _findable(path):
            _check_output(path, paths, inputs, suffixes, overwrite=overwrite)


def _check_output(
    path: Path, paths: list[Path], inputs: list[Path], suffixes: tuple[str, ...], *, overwrite: bool
) -> None:
    name = shown(path)
    if not path.name or path.name == "..":
        folder = f"{name}: is a folder, and " if path.name else ""
        raise OutputError(f"{folder}the name of an output is missing; give a file's name")
    if not path.name.lower().endswith(suffixes):
        raise OutputError(f"{name}: the name of an output must end in {' or '.join(suffixes)}")
    if not path.parent.is_dir():
        raise OutputError(f"{name}: the folder {shown(_missing(path.parent))} does not exist; make it first")
    if path.is_dir():
        raise OutputError(f"{name}: is a folder; choose another name")
    if path.exists() and not path.is_file():
        raise OutputError(f"{name}: is not a regular file; choose another name")
    if path.resolve().is_symlink():
        raise RuntimeError  # links that lead in a circle, which Python 3.13 resolves to themselves
    if any(_same_file(path, log) for log in logs):
        raise OutputError(f"{name}: is the log of this command; choose another name (--log-file)")
    if any(_same_file(path, source) for source in inputs):
        raise OutputError(f"{name}: is one of the inputs; choose another name")
    if [other.resolve() for other in paths].count(path.resolve()) > 1:
        raise OutputError(f"{name}: is to hold two outputs; choose another name")
    if path.exists() and not overwrite:
        raise OutputError(f"{name}: exists already; choose another name or pass --overwrite (overwrite=True)")


def _missing(folder: Path) -> Path:
    """Return the first part of a path that is no folder."""
    return next(one for one in (*reversed(folder.parents), folder) if not one.is_dir())


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, unless they exist."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{shown(folder)}: cannot be made ({error.strerror})") from error


def _same_file(path: Path, source: Path) -> bool:
    with suppress(OSError):  # one of them does not exist; reading reports it
        return path.samefile(source)
    return False


_records: list[list[Path]] = []
_joint: ContextVar[Outputs | None] = ContextVar("joint", default=None)


@contextmanager
def recording() -> Iterator[list[Path]]:
    """Note the paths of outputs as they appear."""
    _records.append([])
    try:
        yield _records[-1]
    finally:
        _records.pop()


@contextmanager
def together() -> Iterator[None]:
    """Let all outputs that are committed in a block appear together at its end, or not at all."""
    with Outputs(overwrite=False) as outputs:
        token = _joint.set(outputs)
        try:
            yield
        finally:
            _joint.reset(token)
        outputs.commit()


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make a folder and its parents for what a block writes there; of those that were made, what stays empty is removed."""
    with Outputs(overwrite=False) as outputs:
        outputs.make_folder(folder)
        yield
        outputs.commit()


def place_of_output(path: Path) -> Path:
    """Return where an output can be read: its temporary file, as long as it waits in a block of :func:`together`."""
    joint, whole = _joint.get(), path.resolve()
    waiting = [] if joint is None else joint._waiting
    return next((one.temporary for one in waiting if one.path == whole), path)


@dataclass(frozen=True)
class _Waiting:
    """A file that is complete, and has no name yet.

    Attributes
    ----------
    temporary : Path
        Where it is.
    path : Path
        Where it will be.
    called : Path
        What the caller calls that.
    overwrite : bool
        Whether a file there may be replaced.
    """

    temporary: Path
    path: Path
    called: Path
    overwrite: bool


class Outputs:
    """Files that appear together, or not at all.

    Each file is first written under a temporary name in its own folder. :meth:`commit` renames them in the order
    of :meth:`add`, so that the presence of the last file means that all are complete. One process at a time does so
    in a folder, so that two sets never mix. Links are followed. With ``tidy``, what processes that were killed left
    behind is removed. Folders that were made for files that do not come are removed.
    """

    def __init__(self, *, overwrite: bool, tidy: bool = True) -> None:
        self._overwrite, self._tidy = check_flag(overwrite, "overwrite"), tidy
        self._waiting: list[_Waiting] = []
        self._made: list[Path] = []  # folders, parents first
        self._token = os.urandom(8).hex()
        self._named: dict[Path, int] = {}  # numbers of the temporary files, by folder
        self._held = (
            ExitStack()
        )  # the first temporary file in each folder, open and locked: the process lives

    def add(self, path: Path, content: bytes) -> None:
        """Write ``content`` to stable storage under a temporary name."""
        with self.file(path) as file:
            for piece in in_pieces(content):
                file.write(piece)

    def make_folder(self, folder: Path) -> None:
        """Make a folder and its parents, unless they exist."""
        lacking = [one for one in (folder, *folder.parents) if not one.exists()]
        self._made += lacking[::-1]
        make_folder(folder)

    @contextmanager
    def file(self, path: Path) -> Iterator[BinaryIO]:
        """Give a file under a temporary name; what is written to it is in stable storage in the end."""
        called, path = path, path.resolve()
        with _writing(path):
            temporary, descriptor = self._opened(path, called)
            with os.fdopen(descriptor, "wb") as file:
                if self._overwrite and path.exists():
                    with suppress(OSError):
                        temporary.chmod(stat.S_IMODE(path.stat().st_mode))
                yield file
                file.flush()
                os.fsync(file.fileno())

    def _opened(self, path: Path, called: Path) -> tuple[Path, int]:
        """Return a new temporary file beside the path, and its descriptor."""
        first = path.parent not in self._named
        with alone_in([path.parent] if first else [], tidy=self._tidy):
            temporary = self._beside(path, "part")
            self._waiting.append(_Waiting(temporary, path, called, self._overwrite))
            descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            if first:
                alive = os.dup(descriptor)
                self._held.callback(os.close, alive)
                try_lock(alive)
        return temporary, descriptor

    def _beside(self, path: Path, kind: str) -> Path:
        """Return a new hidden name in the same folder, short enough for any file system."""
        number = self._named.setdefault(path.parent, 0)
        self._named[path.parent] += 1
        return path.with_name(f".fastfuse-{self._token}-{number}.{kind}")

    def hashes(self, hash_of: Callable[[Path], str], only: Path | None = None) -> dict[Path, str]:
        """Return a hash of each file that waits, or of one alone, by its path."""
        return {
            one.called: hash_of(one.temporary) for one in self._waiting if only is None or one.called == only
        }

    def commit(self) -> None:
        """Rename every file to its final name; if one fails, restore the previous files.

        In a block of :func:`together` they are handed on to be renamed at its end.
        """
        joint = _joint.get()
        if joint is not None:
            joint._take(self)
        elif self._waiting:
            with alone_in(self._named, tidy=self._tidy), _signals_wait():
                self._rename()
                for record in _records:
                    record += [one.called for one in self._waiting]
                self._waiting.clear()

    def _take(self, other: Outputs) -> None:
        """Take the files of another set, and its locks."""
        self._waiting += other._waiting
        self._made += other._made
        self._named = {**other._named, **self._named}
        self._held.push(other._held.pop_all())
        other._waiting.clear()
        other._made.clear()

    def _rename(self) -> None:
        kept: list[tuple[Path, Path]] = []
        done: list[Path] = []
        last = self._waiting[-1]
        try:
            # The last file first: its presence says that the others are complete.
            for one in reversed(self._waiting):
                if one.path.exists():
                    kept.append((self._beside(one.path, "old"), one.path))
                    with _writing(one.path):
                        _copy(one.path, kept[-1][0])
            if last.overwrite:
                with _writing(last.path):
                    last.path.unlink(missing_ok=True)
            for one in self._waiting:
                with _writing(one.path):
                    _give_name(one)
                done.append(one.path)
        except BaseException:
            for path in done:
                path.unlink(missing_ok=True)
            for old, path in kept:
                if not path.exists():
                    old.replace(path)
            raise
        finally:
            for old, _ in kept:
                _remove(old)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in self._waiting:
            _remove(one.temporary)
        for folder in reversed(self._made):
            with suppress(OSError):  # it holds something
                folder.rmdir()
        self._held.close()


def _give_name(one: _Waiting) -> None:
    if one.overwrite:
        one.temporary.replace(one.path)
        return
    try:
        os.link(one.temporary, one.path)  # fails if another process has written it meanwhile
    except FileExistsError:
        raise OutputError(f"{shown(one.path)}: was written by another process meanwhile; kept that") from None
    except OSError:  # a file system without hard links
        one.temporary.replace(one.path)
        return
    _remove(one.temporary)


def _copy(path: Path, to: Path) -> None:
    """Give a file a second name; copy it where the file system has no hard links."""
    try:
        os.link(path, to)
    except OSError:
        import shutil

        shutil.copy2(path, to)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM until the renames are done; only the main thread receives them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # None is a handler that is not Python's, which signal() could not put back.
    before = {number: handler for number, handler in handlers.items() if handler is not None}
    try:
        for number in before:
            signal.signal(number, lambda number, _: arrived.append(number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in arrived:
            signal.raise_signal(late)


@contextmanager
def _findable(path: Path) -> Iterator[None]:
    """Turn an error of looking for a file into an OutputError that names it."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
        reason = (isinstance(error, OSError) and error.strerror) or "its links lead in a circle"
        raise OutputError(f"{shown(path)}: cannot be written ({reason}); choose another name") from error


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{shown(path)}: cannot be written ({reason}){UNCHANGED}") from error


def write_all(files: Mapping[Path, bytes], *, tidy: bool = True) -> None:
    """Write files together, all or none, in their order; what is there is replaced.

    Without ``tidy`` a folder of a million files is not looked through for what killed processes left.
    """
    with Outputs(overwrite=True, tidy=tidy) as outputs:
        for path, content in files.items():
            outputs.make_folder(path.parent)
            outputs.add(path, content)
        outputs.commit()
