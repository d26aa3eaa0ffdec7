"""Reads what is typed where it is straight: options that there are, each once, with values that they take.

All else, such as a mistake, help or completion, is left to typer, which takes longer to load than such a command to run.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from .declared import Context, Declared, declared_in

KNOWN = {
    "help",
    "show_default",
    "rich_help_panel",
    "metavar",
    "case_sensitive",
    "min",
}  # keywords that are heeded


class NotStraightError(Exception):
    """What was typed needs typer."""


@dataclass(frozen=True)
class Typed:
    """A context: the names of the parameters that were typed."""

    names: frozenset[str]

    def get_parameter_source(self, name: str, /) -> str | None:
        """Return where a parameter's value is from; None for its default."""
        return "typed" if name in self.names else None


@dataclass(frozen=True)
class Parameter:
    """An option or an argument: the name of the parameter, the type of a value, and whether there may be several."""

    name: str
    kind: Any
    several: bool
    declared: Declared
    default: Any

    @property
    def is_needed(self) -> bool:
        """Whether it must be typed."""
        return self.default is inspect.Parameter.empty

    def read(self, word: str) -> Any:
        """Return the value that a word stands for."""
        if not word or (word.startswith("-") and word != "-") or (word == "-" and self.kind is not Path):
            raise NotStraightError
        if issubclass(self.kind, Enum):
            return self._choice(word)
        try:
            value = self.kind(word)
        except ValueError:
            raise NotStraightError from None
        if value < self.declared.more.get("min", value):
            raise NotStraightError
        return value

    def _choice(self, word: str) -> Any:
        exact = self.declared.more.get("case_sensitive", True)
        for one in self.kind:
            if word == one.value or (not exact and word.casefold() == one.value.casefold()):
                return one
        raise NotStraightError

    @property
    def switches(self) -> Iterator[tuple[str, bool]]:
        """How an option is typed, and the value of one that takes none."""
        dashed = self.name.replace("_", "-")
        of_flag = (f"--{dashed}/--no-{dashed}",) if self.kind is bool else (f"--{dashed}",)
        for name in self.declared.names or of_flag:
            yes, _, no = name.partition("/")
            yield yes, True
            if no:
                yield no, False


def values_of_words(words: Sequence[str], command: Callable[..., None]) -> dict[str, Any]:
    """Return a command's arguments by name.

    Raises
    ------
    NotStraightError
        Where typer is to read the words.
    """
    if sys.platform == "win32":  # where typer expands patterns of names
        raise NotStraightError
    signature = inspect.signature(command).parameters.values()
    known = [_parameter(one) for one in signature if one.annotation is not Context]
    found, rest = _split(words, [one for one in known if one.declared.kind == "Option"])
    found |= _arguments(rest, [one for one in known if one.declared.kind == "Argument"])
    context = {one.name: Typed(frozenset(found)) for one in signature if one.annotation is Context}
    return {one.name: _value(one, found) for one in known} | context


def _parameter(one: inspect.Parameter) -> Parameter:
    annotation, declared = declared_in(one.annotation)
    if declared is None or not declared.more.keys() <= KNOWN:
        raise NotStraightError
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(part for part in get_args(annotation) if part is not NoneType)
    several = get_origin(annotation) is list
    return Parameter(
        one.name, get_args(annotation)[0] if several else annotation, several, declared, one.default
    )


def _split(words: Sequence[str], options: Sequence[Parameter]) -> tuple[dict[str, Any], list[str]]:
    """Return the values of the options that were typed, and the other words."""
    called = {switch: (one, value) for one in options for switch, value in one.switches}
    found: dict[str, Any] = {}
    rest: list[str] = []
    left = iter(words)
    for word in left:
        if not word.startswith("-"):
            rest.append(word)
            continue
        switch, sign, value = word.partition("=") if word.startswith("--") else (word, "", "")
        one, on = called.get(switch, (None, False))
        if one is None or (one.name in found and not one.several) or get_origin(one.kind) is tuple:
            raise NotStraightError
        if one.kind is bool:
            if sign:
                raise NotStraightError
            found[one.name] = on
        elif one.several:
            found.setdefault(one.name, []).append(one.read(value if sign else next(left, "")))
        else:
            found[one.name] = one.read(value if sign else next(left, ""))
    return found, rest


def _arguments(words: Sequence[str], arguments: Sequence[Parameter]) -> dict[str, Any]:
    """Return the values of arguments, one of each; those of the last one may be several, and all that remain."""
    if not arguments or any(one.several for one in arguments[:-1]):
        raise NotStraightError
    *first, last = arguments
    rest = words[len(first) :]
    if not rest or (len(rest) > 1 and not last.several):
        raise NotStraightError
    found = {one.name: one.read(word) for one, word in zip(first, words, strict=False)}
    values = [last.read(word) for word in rest]
    return {**found, last.name: values if last.several else values[0]}


def _value(one: Parameter, found: Mapping[str, Any]) -> Any:
    """Return what was typed, or the default."""
    if one.name in found:
        return found[one.name]
    if one.is_needed:
        raise NotStraightError
    return float(one.default) if one.kind is float and one.default is not None else one.default
