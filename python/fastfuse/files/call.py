"""The recipe of what a call writes, for its sidecars; who keeps it says how it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ..images.outputs import Outputs

One = tuple[Path, Path]  # the file and the output that a sidecar is of, where there are several
Describe = Callable[[Outputs, One | None], dict[str, Any]]
_describe: ContextVar[Describe | None] = ContextVar("describe", default=None)


@contextmanager
def described_by(describe: Describe) -> Iterator[None]:
    """Let sidecars that are written in a block keep what ``describe`` tells."""
    token = _describe.set(describe)
    try:
        yield
    finally:
        _describe.reset(token)


def with_recipe(sidecar: dict[str, Any], outputs: Outputs, one: One | None = None) -> dict[str, Any]:
    """Return a sidecar with how to make it again, if that is kept; ``outputs`` wait, complete."""
    describe = _describe.get()
    return sidecar if describe is None else {**sidecar, "recipe": describe(outputs, one)}
