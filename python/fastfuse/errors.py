"""Errors and warnings of fastfuse. Every message says what is wrong and what to do."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any


class FastfuseError(ValueError):
    """Base of the errors about files; unusable arrays raise ValueError or TypeError."""

    def __str__(self) -> str:
        """Return what is said to who asks: in Python without the shell's options."""
        return said(super().__str__())


class ImageError(FastfuseError):
    """An image file that cannot be read, or has unusable content."""


class GridError(FastfuseError):
    """Images on different grids of voxels."""


class CohortError(FastfuseError):
    """A folder of cases that cannot be used, or folds that do not fit it."""


class OutputError(FastfuseError):
    """An output that cannot, or must not, be written."""


class ModelError(FastfuseError):
    """An error in the code of somebody's own network.

    Attributes
    ----------
    details : str
        The traceback's part in that code.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class FusionWarning(UserWarning):
    """A valid but doubtful fusion: an empty rater, no disagreement, no convergence, ...

    Attributes
    ----------
    remarks : tuple of str
        What is doubtful, one by one, for Python and for the shell; the message holds all, for Python.
    """

    def __init__(self, *args: object, remarks: Sequence[str] = ()) -> None:
        super().__init__(*args)
        self.remarks: tuple[str, ...] = tuple(remarks)


def installing(extra: str) -> str:
    """Say how to install what an extra of the package needs, as the README does."""
    return f"pip install '.[{extra}]' in a clone of fastfuse"


def lacking(what: str, error: ImportError, extra: str) -> FastfuseError:
    """Return an error that says how to install a missing package, or why one that is there cannot be loaded."""
    parts = (error.name or "").split(".")
    missing = isinstance(error, ModuleNotFoundError) and all(part and part[0] != "_" for part in parts)
    if "failed to map segment" in str(error) or "Cannot allocate memory" in str(error):
        return FastfuseError(
            f"{what} cannot load a package that is installed, for want of memory ({reason_of(error)}): raise the limit of "
            "this process (ulimit -v) or of its container"
        )
    if not missing:  # a part of a package that is there: no memory for it, or no library of the system
        return FastfuseError(f"{what} cannot load a package that is installed: {reason_of(error)}")
    return FastfuseError(f"{what} needs {error.name}: {installing(extra)}")


# A terminal's escape sequences, as some libraries put into their errors.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
_ADDRESS = re.compile(r"<(?:\w+\.)*(\w+) object at 0x[0-9a-fA-F]+>")  # of an object in memory
_LONGEST_REASON = 300


def reason_of(error: BaseException) -> str:
    """Return why another library failed: its first line without a terminal's escape codes, or the error's type."""
    said = getattr(error, "strerror", None) or str(error)
    lines = [line.strip() for line in _ESCAPES.sub("", said).splitlines()]
    first = next((_ADDRESS.sub(r"\1", line) for line in lines if line), type(error).__name__)
    return first if len(first) <= _LONGEST_REASON else f"{first[:_LONGEST_REASON]}..."


def reason_of_case(error: Exception) -> str:
    """Return why one case of many failed; an error that is not the package's own comes with its type."""
    if isinstance(error, MemoryError):
        return "not enough memory for these images"
    own = isinstance(error, (ValueError, TypeError))  # FastfuseError is one
    return str(error) if own else f"{type(error).__name__}: {reason_of(error)}"


def _is_ours(frame: FrameType) -> bool:
    """Tell whether a frame runs code of this package."""
    return str(frame.f_globals.get("__package__")).partition(".")[0] == __package__


# What a message says for the shell, behind the same for Python: scale=255 (--scale 255); grid=FILE, --grid FILE.
_FOR_SHELL = re.compile(r" \(--[a-z][^()]*\)|(?<=[\w\]}'\"]), --[a-z][a-z-]*(?: [^()\s]+|=\S+)?(?=\))")
_SHELL_FIRST = re.compile(r"--[a-z-]+ \((\w+=\w+)\)")  # --overwrite (overwrite=True)


def in_python(message: str) -> str:
    """Return a message without what it says for the shell, which leaves out the other half by itself."""
    return _FOR_SHELL.sub("", _SHELL_FIRST.sub(r"\1", message))


Typed = Callable[[str], str]


class _Audience:
    """Who reads messages: a user of Python, or of the shell, who gets both halves and leaves out Python's."""

    typed: Typed | None = None  # leaves them out, and names options as they are typed
    is_shell = False


_of_task: ContextVar[tuple[Typed | None, bool] | None] = ContextVar("audience of a task", default=None)


@contextmanager
def in_the_shell(typed: Typed | None = None) -> Iterator[None]:
    """Let messages keep what they say for the shell, in all threads; ``typed`` makes of them what is written for its user."""
    before = _Audience.typed, _Audience.is_shell
    set_audience(typed, is_shell=True)
    try:
        yield
    finally:
        set_audience(*before)


def audience() -> tuple[Typed | None, bool]:
    """Return who reads messages, for :func:`set_audience` in a process of its own, and for :func:`for_audience`."""
    return _of_task.get() or (_Audience.typed, _Audience.is_shell)


def set_audience(typed: Typed | None, is_shell: bool) -> None:
    """Let the messages of this process be for who reads those of another."""
    _Audience.typed, _Audience.is_shell = typed, is_shell


@contextmanager
def for_audience(whose: tuple[Typed | None, bool]) -> Iterator[None]:
    """Let the messages of this thread be for who asked for its task: a worker may have others of somebody else."""
    token = _of_task.set(whose)
    try:
        yield
    finally:
        _of_task.reset(token)


def in_python_alone(text: str) -> str:
    """Return what is said to a user of Python; nothing for one of the shell, who cannot do it."""
    return "" if audience()[1] else text


def said(message: str) -> str:
    """Return a message for who reads it: what goes into an error that is none of ours (ValueError, TypeError)."""
    return message if audience()[1] else in_python(message)


def as_written(message: str) -> str:
    """Return a message as files hold it, which are for who asked for them: with one way to name an option."""
    typed, is_shell = audience()
    if not is_shell:
        return in_python(message)
    return message if typed is None else typed(message)


def facts_as_written(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what JSON holds, as it is written: its warnings, a list, or a list for each case; and why each case failed."""
    failed = facts.get("failed")
    if isinstance(failed, Mapping):
        facts = {**facts, "failed": {case: as_written(reason) for case, reason in failed.items()}}
    told = facts.get("warnings")
    if isinstance(told, Mapping):
        return {**facts, "warnings": {case: [*map(as_written, said)] for case, said in told.items()}}
    return {**facts, "warnings": [*map(as_written, told)]} if isinstance(told, list) else dict(facts)


_kept: ContextVar[list[str] | None] = ContextVar("kept", default=None)


@contextmanager
def kept_warnings() -> Iterator[list[str]]:
    """Keep what this thread would warn of, and warn of nothing; no filter is changed."""
    found: list[str] = []
    token = _kept.set(found)
    try:
        yield found
    finally:
        _kept.reset(token)


def warn(remarks: Sequence[str], *, callers: int = 1) -> None:
    """Give all remarks in one warning, attributed to the caller's caller (``callers=1``) or further up, outside of the package."""
    text, kept = "; ".join(map(in_python, remarks)), _kept.get()
    if remarks and kept is not None:
        kept.append(text)
    elif remarks:
        level = 2 + callers
        frame: FrameType | None = sys._getframe(level - 1)
        while frame is not None and _is_ours(frame):
            frame, level = frame.f_back, level + 1
        warnings.warn(FusionWarning(text, remarks=remarks), stacklevel=level)
