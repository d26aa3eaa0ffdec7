"""The commands that there are, each loaded when it is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType

from ..manners import with_manners

COMMANDS = (
    *("fuse", "soften", "agreement", "compare", "evaluate", "demo", "check", "experiment"),
    *("table", "predict", "export"),
)
TOOLS = ("cite", "rerun", "review", "doctor")
COHORT = "cohort"
EVERY = (*COMMANDS, *TOOLS, COHORT)


def command_called(words: Sequence[str]) -> tuple[Callable[..., None], int] | None:
    """Return the command that is typed in full, and the number of words that name it; None for none."""
    if not words or words[0] not in EVERY:
        return None
    if words[0] != COHORT:
        return with_manners(getattr(module_of(words[0]), words[0])), 1
    from .. import cohort

    known = cohort.COMMANDS.get(words[1]) if len(words) > 1 else None
    return None if known is None else (with_manners(known[0]), 2)


def module_of(name: str) -> ModuleType:
    """Return the module of a command."""
    return import_module(f"..tools.{name}" if name in TOOLS else f"..{name}", __package__)
