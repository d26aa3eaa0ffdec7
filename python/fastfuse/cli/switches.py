"""Flags that several commands share."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def choice(help: str, **more: Any) -> Any:
    """Return the option to choose one of some words, whatever their case; the help shows them."""
    return typer.Option(case_sensitive=False, help=help, **more)


Threads = Annotated[int, typer.Option(help="Threads to use; 0: all that there are.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]
