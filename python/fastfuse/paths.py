"""Paths in messages."""

from __future__ import annotations

from pathlib import Path


def shown(path: Path | str) -> str:
    """Return a path for messages, control characters escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(path))
