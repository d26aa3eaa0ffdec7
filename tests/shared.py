"""What the workers of pytest-xdist share: a folder that the first who needs it makes for all."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fastfuse.images.folder_lock import try_lock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that ``make`` has filled, which no test changes: other workers may read it at any time."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return _filled(factory.mktemp("alone") / name, make)
    root = factory.getbasetemp().parent / "of-all-workers"
    root.mkdir(exist_ok=True)
    folder, done = root / name, root / f"{name}.done"
    with (root / f"{name}.lock").open("w") as lock:
        while (locked := try_lock(lock.fileno())) is False:
            time.sleep(0.05)
        if locked is None:  # this file system knows no locks
            return _filled(factory.mktemp("alone") / name, make)
        if not done.exists():
            _filled(folder, make)
            done.touch()
    return folder


def _filled(folder: Path, make: Callable[[Path], object]) -> Path:
    shutil.rmtree(folder, ignore_errors=True)  # of a worker in which it failed
    make(folder)
    return folder
