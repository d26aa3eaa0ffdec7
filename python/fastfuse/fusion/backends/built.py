"""How the compiled core was built, and what it chose."""

from __future__ import annotations

from ... import _core


def facts_of_core() -> dict[str, str]:
    """Return its file, the instructions that it uses, and whose threads."""
    return {
        "file": str(_core.__file__),
        "instruction_set": _core.instruction_set(),
        "threads_by": _core.threads_by,
    }
