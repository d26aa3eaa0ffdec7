"""How a command declares what can be typed. Loads nothing: typer is for help, completion and what is not straight."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, get_args, get_origin

NO_PAIR = (-math.inf, math.inf)  # stands for the word none where a pair of numbers is expected


class Context(Protocol):
    """What a command may ask of how it was typed."""

    def get_parameter_source(self, name: str, /) -> Any:
        """Return where a parameter's value is from."""


@dataclass(frozen=True, eq=False)
class Declared:
    """An option or an argument, as an annotation declares it.

    Attributes
    ----------
    kind : {"Option", "Argument"}
        The function of typer that takes the rest.
    names : tuple of str
        How an option is typed; empty for ``--`` and the parameter's name.
    more : mapping
        Keywords for typer.
    """

    kind: str
    names: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    def in_typer(self) -> Any:
        """Return the same as typer has it."""
        import typer

        return getattr(typer, self.kind)(*self.names, **self.more)


def Option(*names: str, **more: Any) -> Any:
    """Declare an option."""
    return Declared("Option", names, more)


def Argument(**more: Any) -> Any:
    """Declare an argument."""
    return Declared("Argument", (), more)


def declared_in(annotation: Any) -> tuple[Any, Declared | None]:
    """Return the type that an annotation names, and what it declares."""
    if get_origin(annotation) is not Annotated:
        return annotation, None
    kind, *others = get_args(annotation)
    return kind, next((one for one in others if isinstance(one, Declared)), None)


def for_typer(command: Callable[..., None]) -> Callable[..., None]:
    """Let typer read a command's signature."""
    import typer

    parameters = []
    for one in inspect.signature(command).parameters.values():
        kind, declared = declared_in(one.annotation)
        annotation = typer.Context if kind is Context else one.annotation
        if declared is not None:
            annotation = Annotated[kind, declared.in_typer()]
        parameters.append(one.replace(annotation=annotation))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command
