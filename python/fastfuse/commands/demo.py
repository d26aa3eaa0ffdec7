"""``fastfuse demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import report
from ..errors import FastfuseError
from .common import printing

EPILOG = "Example: [bold]fastfuse demo demo-case[/bold]"


def demo(
    directory: Annotated[Path, typer.Argument(help="Folder for the case; made if it is not there.")] = Path(
        "demo-case"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Another number, another patient.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a case that is there.")] = False,
) -> None:
    """Write a synthetic whole-brain MS case, fuse its seven raters by every method, and draw the result."""
    try:
        from ..demo import run
    except ImportError as error:
        raise FastfuseError(f"the demo needs {error.name}: pip install 'fastfuse[demo]'") from None

    with report.progress(None) as say:
        result = run(directory, seed=seed, overwrite=overwrite, say=say)
    with printing():
        report.print_demo(result)
