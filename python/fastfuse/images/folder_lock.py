"""One process at a time names outputs in a folder; it clears away what dead processes left there."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ..errors import OutputError
from .paths import shown

LOCK = ".fastfuse.lock"
PATIENCE_S = 60.0  # naming outputs takes milliseconds
PAUSE_S = 0.02
TRIES = 100  # to lock a file that others remove

# A temporary file: the token of one set of outputs, its number in the set, and its kind.
TEMPORARY = re.compile(r"\.fastfuse-(?P<token>[0-9a-f]{16})-(?P<number>\d+)\.(?P<kind>part|old)")


@contextmanager
def alone_in(folders: Iterable[Path], *, tidy: bool = True) -> Iterator[None]:
    """Hold the locks of folders; with ``tidy``, what dead processes left there is removed first: the folders are listed.

    Where the file system knows no locks, there is neither.

    Raises
    ------
    OutputError
        If another process holds a lock for a minute.
    """
    with ExitStack() as held:
        for folder in sorted(set(folders)):  # all processes in one order: no two wait for each other
            if held.enter_context(_alone_in(folder)) and tidy:
                _clear_away(folder)
        yield


@contextmanager
def _alone_in(folder: Path) -> Iterator[bool]:
    """Hold the lock of a folder; tell whether there is one."""
    path = folder / LOCK
    give_up = time.monotonic() + PATIENCE_S
    while True:
        descriptor = _opened(path)
        locked = try_lock(descriptor)
        if locked is None or (locked and is_still(path, descriptor)):
            break
        os.close(descriptor)
        if time.monotonic() > give_up:
            raise OutputError(
                f"{shown(folder)}: another process has been writing outputs here for a minute; end it, or write into "
                "another folder"
            )
        time.sleep(PAUSE_S)
    try:
        yield bool(locked)
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError as refused:
        try:
            return os.open(path, os.O_RDONLY)  # another user's
        except FileNotFoundError:  # no lock is there: it is the folder that takes no files
            raise refused from None


def locked_at_once(path: Path, taken: str) -> int:
    """Return the descriptor of a file that is locked, or knows no locks.

    Raises
    ------
    OutputError
        If another process holds it: ``taken`` says what that one does, and what to do; or if its folder takes no files.
    """
    try:
        descriptor = _lock_at_once(path)
    except OSError as error:
        raise OutputError(f"{shown(path.parent)}: cannot be written ({error.strerror or error})") from None
    if descriptor is None:
        raise OutputError(f"{shown(path.parent)}: {taken}")
    return descriptor


def _lock_at_once(path: Path) -> int | None:
    for _ in range(TRIES):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        locked = try_lock(descriptor)
        if locked is None or (locked and is_still(path, descriptor)):
            return descriptor
        os.close(descriptor)
        if locked is False:
            break  # else the holder before removed the file, and this lock lets nobody in: once more
    return None


def is_still(path: Path, descriptor: int) -> bool:
    """Tell whether the name is still that of the open file: the holder before may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _try_flock(descriptor: int) -> None:
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _try_windows(descriptor: int) -> None:
    import msvcrt

    msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]


_TRY: Callable[[int], None] = _try_windows if os.name == "nt" else _try_flock


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file until it is closed, or its process ends; None where the file system knows no locks."""
    try:
        _TRY(descriptor)
    except OSError as error:
        return False if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK) else None
    return True


def _clear_away(folder: Path) -> None:
    """Remove temporary files of processes that are no more."""
    found: dict[str, list[Path]] = {}
    for path in folder.glob(".fastfuse-*"):
        known = TEMPORARY.fullmatch(path.name)
        if known is not None:
            found.setdefault(known["token"], []).append(path)
    for paths in found.values():
        if not _is_written(paths):
            for path in paths:
                with suppress(OSError):
                    path.unlink()


def _is_written(paths: list[Path]) -> bool:
    """Tell whether a process still writes a set: it holds the lock of the first of its files."""
    first = [path for path in paths if path.name.endswith("-0.part")]
    try:
        descriptor = os.open(first[0], os.O_RDONLY) if first else -1
    except OSError:
        return True
    if descriptor < 0:
        return False  # named already, which is done under the folder's lock
    try:
        return try_lock(descriptor) is not True
    finally:
        os.close(descriptor)
