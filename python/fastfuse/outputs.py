"""Files that appear together, whole, or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from .errors import OutputError
from .paths import shown

if TYPE_CHECKING:
    from typing_extensions import Self


def check_outputs(
    paths: list[Path], inputs: list[Path], suffixes: tuple[str, ...], *, overwrite: bool
) -> None:
    """Refuse early what must not, or cannot, be written."""
    for path in paths:
        name = shown(path)
        if not path.name.lower().endswith(suffixes):
            raise OutputError(f"{name}: the name of an output must end in {' or '.join(suffixes)}")
        if not path.parent.is_dir():
            raise OutputError(f"{name}: the folder {shown(path.parent)} does not exist; make it first")
        if path.is_dir():
            raise OutputError(f"{name}: is a folder; choose another name")
        if any(path.exists() and path.samefile(source) for source in inputs if source.exists()):
            raise OutputError(f"{name}: is one of the inputs; choose another name")
        if [other.resolve() for other in paths].count(path.resolve()) > 1:
            raise OutputError(f"{name}: is to hold two outputs; choose another name")
        if path.exists() and not overwrite:
            raise OutputError(
                f"{name}: exists already; choose another name or pass --overwrite (overwrite=True)"
            )


class Outputs:
    """Files that appear together, or not at all.

    Each is written whole under a temporary name in its own folder; :meth:`commit` renames them in the order
    in which they came, so that the last one's presence means that all are complete. A link is followed.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Path, Path]] = []

    def add(self, path: Path, content: bytes) -> None:
        """Write ``content`` to stable storage under a temporary name."""
        path = path.resolve()
        temporary = _beside(path, "part")
        self._waiting.append((temporary, path))
        with _writing(path):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            with os.fdopen(descriptor, "wb") as file:
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
                last = self._waiting[-1][1]
                with _writing(last):
                    last.unlink(missing_ok=True)
                for temporary, path in self._waiting:
                    with _writing(path):
                        temporary.replace(path)
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
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{shown(path)}: cannot be written ({reason}); nothing was changed") from error
