"""Paths in messages and tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def shown(path: Path | str) -> str:
    """Return a path for messages, with control characters and undecodable bytes escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(path))


def short_names(paths: Sequence[Path | str]) -> list[str]:
    """Return the shortest ends of the paths that tell them apart, as :func:`shown`."""
    names = [Path(path).name for path in paths]
    if len(set(names)) < len(names):
        absolute = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - links stay as they are named
        top = os.path.commonpath([os.path.dirname(path) for path in absolute])  # noqa: PTH120
        names = [os.path.relpath(path, top) for path in absolute]
    return [shown(name) for name in names]
