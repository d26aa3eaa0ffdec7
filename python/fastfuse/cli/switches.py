"""Flags that several commands share."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import typer


def choice(help: str, metavar: str = "NAME", **more: Any) -> Any:
    """Return the option to choose one of the names in a help text, whatever their case."""
    return typer.Option(metavar=metavar, case_sensitive=False, help=help, **more)


Threads = Annotated[int, typer.Option(help="Threads to use; 0: all that there are.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]


class AxisName(str, Enum):
    """Axes that may hold a network's channels."""

    first = "first"
    last = "last"


ChannelAxis = Annotated[
    AxisName | None,
    choice(
        "Axis of a network's channels in an image of four axes: first, or last.",
        show_default=False,
        rich_help_panel="Beyond the paper",
    ),
]
