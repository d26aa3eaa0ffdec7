"""How much memory a process has held."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path


def most_memory() -> int:
    """Return the most bytes that this process has held; 0 where that is not known."""
    # On Linux ru_maxrss is that of the process which began this one, too, and hides what grows.
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * (1 if sys.platform == "darwin" else 1024)
