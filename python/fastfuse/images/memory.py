"""How much memory this process may still take: of the machine, of its group, of its own limits."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import FastfuseError, lacking

# Bytes of addresses that these and what they need take when they are loaded.
NUMPY = 190_000_000
SCIPY = 160_000_000
GROUPS = Path("/sys/fs/cgroup")
LITTLE = 1 << 24  # bytes of an array for which nobody waits
PAUSE_S = 0.05
UNLIMITED = 1 << 60  # what cgroups of version 1 say where there is no limit


def available() -> int | None:
    """Return the bytes that this process may still take; None if the system does not tell."""
    known = [free for free in (_of_machine(), _of_group(), _of_address_space()) if free is not None]
    return max(0, min(known)) if known else None


_room = threading.Condition()
_promised: list[int] = []  # bytes of arrays that threads are filling


@contextmanager
def filling(needed: int, go_on: Callable[[], None]) -> Iterator[None]:
    """Promise this thread the bytes that it fills in a block; wait while what others fill leaves too little beside it.

    Memory is free until it is written to: each of many threads would find room for its own array, and all together none.
    Alone, a thread does not wait.
    """
    if needed < LITTLE:
        yield
        return
    with _room:
        while _promised and (free := available()) is not None and needed + sum(_promised) > free:
            _room.wait(PAUSE_S)
            go_on()
        _promised.append(needed)
    try:
        yield
    finally:
        with _room:
            _promised.remove(needed)
            _room.notify_all()


def _forget_promises() -> None:
    """Begin anew in a forked child, which has none of the threads."""
    global _room
    _room = threading.Condition()
    _promised.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_promises)


def limits() -> dict[str, int | None]:
    """Return the bytes that the control groups, and ``ulimit -v``, allow this process; None without a limit."""
    return {"group_bytes": min(_each_group(_limit), default=None), "address_space_bytes": _most_addresses()}


def remedy() -> str:
    """Say how to get more memory than is available."""
    own = _of_address_space()
    if own is not None and own <= (available() or 0):
        return "raise the limit of this process (ulimit -v)"
    return "use a machine with more"


def check_addresses(what: str, needed: int, module: str) -> None:
    """Refuse to load a library for which ``ulimit -v`` leaves too little: OpenBLAS would hang, or end the process.

    Once ``module``, a part of the library, is there, nothing is asked.
    """
    left = None if module in sys.modules else _of_address_space()
    if left is not None and left < needed:
        raise FastfuseError(
            f"{what} is not loaded: too little memory, as ulimit -v (RLIMIT_AS) leaves this process "
            f"{shown_bytes(max(left, 0))} where {shown_bytes(needed)} are needed; raise that limit"
        )


def load_scipy(what: str, *modules: str) -> Any:
    """Return SciPy with these modules of it; if it is missing, the error says how to install it, for ``what``."""
    check_addresses("SciPy", SCIPY, modules[-1])
    try:
        for module in modules:
            import_module(module)
        return import_module("scipy")
    except ImportError as error:
        raise lacking(what, error, "evaluate") from None


def shown_bytes(count: int) -> str:
    """Return a number of bytes for a message."""
    for size, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= size:
            return f"{count / size:.0f} {unit}" if count >= 10 * size else f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def _of_machine() -> int | None:
    """Return what the machine has left, or, where it does not tell, all that it has."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def _of_group() -> int | None:
    """Return what the control groups of this process have left, as containers and batch systems set them."""
    return min(_each_group(_left), default=None)


def _each_group(count: Callable[[Path, str, str], int | None]) -> list[int]:
    """Return what is counted of each group of this process, and of each above it, where there is a limit."""
    found = []
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, kinds, name = line.split(":", 2)
            if kinds == "":
                found += _counted(count, GROUPS, name, "memory.max", "memory.current")
            elif "memory" in kinds.split(","):
                names = "memory.limit_in_bytes", "memory.usage_in_bytes"
                found += _counted(count, GROUPS / "memory", name, *names)
    return [one for one in found if one is not None]


def _counted(
    count: Callable[[Path, str, str], int | None], top: Path, name: str, limit: str, used: str
) -> list[int | None]:
    folder, found = top / name.lstrip("/"), []
    while folder.is_relative_to(top):
        with suppress(OSError, ValueError):
            found.append(count(folder, limit, used))
        folder = folder.parent
    return found


def _limit(folder: Path, limit: str, _: str) -> int | None:
    """Return what a group may take; None without a limit."""
    most = int((folder / limit).read_text())
    return most if most < UNLIMITED else None


def _left(folder: Path, limit: str, used: str) -> int | None:
    """Return what a group has left; files kept in memory give way."""
    most = _limit(folder, limit, used)
    return None if most is None else most - int((folder / used).read_text()) + _inactive_files(folder)


def _inactive_files(folder: Path) -> int:
    with suppress(OSError, ValueError):
        for line in (folder / "memory.stat").read_text().splitlines():
            key, _, value = line.partition(" ")
            if key in ("inactive_file", "total_inactive_file"):
                return int(value)
    return 0


def _of_address_space() -> int | None:
    """Return what ``ulimit -v`` leaves."""
    most = _most_addresses()
    if most is None:
        return None
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        return None
    return most - pages * os.sysconf("SC_PAGE_SIZE")


def _most_addresses() -> int | None:
    """Return what ``ulimit -v`` allows; None without a limit."""
    try:
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
    except (ImportError, OSError, ValueError, AttributeError):
        return None
    return None if most == resource.RLIM_INFINITY else most
