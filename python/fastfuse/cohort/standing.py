"""What stands in a folder of outputs already: which command made it, and what is of cases that are gone."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..errors import OutputError
from ..images.paths import shown
from .place import Place

Command = Literal["fuse", "apply", "merge"]


def check_maker(out: Path, command: Command) -> None:
    """Refuse a folder that another command made: its rates would no longer be those of its consensuses.

    Raises
    ------
    OutputError
        Naming the folder, and what to do.
    """
    maker = maker_of(out)
    if maker is not None and maker != command:
        raise OutputError(
            f"{shown(out)}: holds what fastfuse cohort {maker} wrote, which fastfuse cohort {command} would mix with its own; "
            "give another folder (--out)"
        )


def maker_of(out: Path) -> Command | None:
    """Return the command whose outputs a folder holds, as its files tell; None where there are none yet."""
    place = Place(out)
    if (out / "merged.npz").is_file():
        return "merge"
    if (out / "raters.csv").is_file() or any((out / "tables").glob("*.npz")):
        return "fuse"  # apply writes neither
    if place.estimate.is_file():
        return "apply"
    return "fuse" if any((out / "cases").glob("*/made.json")) else None  # each case by itself, without rates
