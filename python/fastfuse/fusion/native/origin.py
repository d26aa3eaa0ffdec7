"""Where a fusion comes from: what its raters were given as, and what a sidecar tells of the call."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...inputs.stacks import Stack, listed
from .kind import Kind


class Held:
    """What the caller gave, as long as the caller keeps it; a copy, or a pickle, holds nothing.

    Lists are kept here, as Python tells of them alone not whether the caller still has them. ``stack``: what the values are
    parts of, with their axis; the parts themselves are nobody's.
    """

    def __init__(self, values: Sequence[Any] = (), stack: Stack | None = None) -> None:
        self._axis = None if stack is None else stack[1]
        self._of_stack = stack is not None
        given = values if stack is None else [stack[0]]
        self._known = [None if value is None else _reference(value) for value in given]

    def __reduce__(self) -> tuple[type[Held], tuple[()]]:
        return Held, ()

    def values(self) -> list[Any] | None:
        """Return all values, or None if one is gone."""
        found = [None if known is None else known() for known in self._known]
        gone = any(
            value is None and known is not None for value, known in zip(found, self._known, strict=True)
        )
        if gone or not found:
            return None
        return listed(found[0], self._axis)[0] if self._of_stack else found


NOTHING = Held()


def _reference(value: Any) -> Callable[[], Any]:
    try:
        return weakref.ref(value)
    except TypeError:  # of a list
        return (lambda: value) if isinstance(value, (list, tuple)) else _nothing


def _nothing() -> None:
    return None


@dataclass(frozen=True, eq=False)
class Origin:
    """Where a fusion comes from.

    Attributes
    ----------
    kind : Kind
        What the raters were given as.
    names : tuple of str
        What they are called.
    options : mapping
        As a sidecar keeps them.
    remarks : tuple of str
        What was warned of.
    masked, partial : bool
        Whether there was a mask; whether it was told where raters looked.
    whole : bool
        Whether votes are known to be 0 and 1, so that their sums are numbers of voxels.
    selection : mapping
        Options that say what counts as foreground in what was given.
    held : Held
        The raters.
    mask, present : Held
        The mask, and where raters looked.
    beside : Held
        The image that was given with them, if one was.
    decided : mapping or None
        Number of voxels that decisions made foreground, and background.
    facts : mapping or None
        What the sidecar says, if one has been written.
    again : callable or None
        Reads the raters' files once more, or those at the paths that it takes; None for what was in memory.
    grown : bool
        Whether votes grew before they were fused, so that their sums are not those of what was read.
    """

    kind: Kind
    names: tuple[str, ...]
    options: Mapping[str, Any]
    remarks: tuple[str, ...] = ()
    masked: bool = False
    partial: bool = False
    whole: bool = True
    selection: Mapping[str, Any] = field(default_factory=dict)
    held: Held = field(default_factory=Held)
    mask: Held = field(default_factory=Held)
    present: Held = field(default_factory=Held)
    beside: Held = field(default_factory=Held)
    decided: Mapping[str, int] | None = None
    facts: Mapping[str, Any] | None = None
    again: Callable[[Any], list[Any]] | None = None
    grown: bool = False
