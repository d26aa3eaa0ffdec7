"""Files that appear together, whole, or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from ..errors import OutputError
from .paths import shown

if TYPE_CHECKING:
    from typing_extensions import Self


def check_outputs(
    paths: list[Path], inputs: list[Path], suffixes: tuple[str, ...], *, overwrite: bool
) -> None:
    """Refuse early what must not, or cannot, be written."""
    for path in paths:
        with _findable(path):
            _check_output(path, paths, inputs, suffixes, overwrite=overwrite)


def _check_output(
    path: Path, paths: list[Path], inputs: list[Path], suffixes: tuple[str, ...], *, overwrite: bool
) -> None:
    name = shown(path)
    if not path.name:
        raise OutputError("the name of an output is empty; choose one")
    if not path.name.lower().endswith(suffixes):
        raise OutputError(f"{name}: the name of an output must end in {' or '.join(suffixes)}")
    if not path.parent.is_dir():
        raise OutputError(f"{name}: the folder {shown(path.parent)} does not exist; make it first")
    if path.is_dir():
        raise OutputError(f"{name}: is a folder; choose another name")
    if path.exists() and not path.is_file():
        raise OutputError(f"{name}: is not a regular file; choose another name")
    if any(_same_file(path, source) for source in inputs):
        raise OutputError(f"{name}: is one of the inputs; choose another name")
    if [other.resolve() for other in paths].count(path.resolve()) > 1:
        raise OutputError(f"{name}: is to hold two outputs; choose another name")
    if path.exists() and not overwrite:
        raise OutputError(f"{name}: exists already; choose another name or pass --overwrite (overwrite=True)")


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{shown(folder)}: cannot be made ({error.strerror})") from error


def _same_file(path: Path, source: Path) -> bool:
    with suppress(OSError):  # one of them is not there; reading will tell
        return path.samefile(source)
    return False


class Outputs:
    """Files that appear together, or not at all.

    Each is written whole under a temporary name in its own folder; :meth:`commit` renames them in the order
    in which they came, so that the last one's presence means that all are complete. A link is followed.
    """

    def __init__(self, *, overwrite: bool) -> None:
        self._overwrite = overwrite
        self._waiting: list[tuple[Path, Path]] = []

    def add(self, path: Path, content: bytes) -> None:
        """Write ``content`` to stable storage under a temporary name."""
        path = path.resolve()
        temporary = _beside(path, "part")
        self._waiting.append((temporary, path))
        with _writing(path):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            with os.fdopen(descriptor, "wb") as file:
                if self._overwrite and path.exists():
                    with suppress(OSError):
                        temporary.chmod(stat.S_IMODE(path.stat().st_mode))
                file.write(content)
                file.flush()
                os.fsync(file.fileno())

    def commit(self) -> None:
        """Give every file its name; if one cannot have it, put back what was there before."""
        kept: list[tuple[Path, Path]] = []
        done: list[Path] = []
        with _signals_wait():
            try:
                for _, path in reversed(
                    self._waiting
                ):  # the last one first: what it vouched for is to change
                    if path.exists():
                        kept.append((_beside(path, "old"), path))
                        with _writing(path):
                            _copy(path, kept[-1][0])
                if self._overwrite:
                    with _writing(self._waiting[-1][1]):
                        self._waiting[-1][1].unlink(missing_ok=True)
                for temporary, path in self._waiting:
                    with _writing(path):
                        self._give_name(temporary, path)
                    done.append(path)
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
        self._waiting.clear()

    def _give_name(self, temporary: Path, path: Path) -> None:
        if self._overwrite:
            temporary.replace(path)
            return
        try:
            os.link(temporary, path)  # fails if somebody else has written it meanwhile
        except FileExistsError:
            raise OutputError(f"{shown(path)}: was written by another process meanwhile; kept that") from None
        except OSError:  # a file system without hard links
            temporary.replace(path)
            return
        _remove(temporary)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for temporary, _ in self._waiting:
            _remove(temporary)


def _beside(path: Path, kind: str) -> Path:
    """Return a new hidden name in the same folder, no longer than any that is allowed."""
    return path.with_name(f".fastfuse-{secrets.token_hex(8)}.{kind}")


def _copy(path: Path, to: Path) -> None:
    """Keep a file under a second name; as a copy where the file system has no hard links."""
    try:
        os.link(path, to)
    except OSError:
        shutil.copy2(path, to)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait for a few renames; they reach the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: arrived.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for late in arrived:
            signal.raise_signal(late)


@contextmanager
def _findable(path: Path) -> Iterator[None]:
    """Name the file that the operating system will not look for."""
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
        raise OutputError(f"{shown(path)}: cannot be written ({reason}); nothing was changed") from error
