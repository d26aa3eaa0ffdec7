"""What stands in a folder of outputs already: which command made it, and what is of cases that are gone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from ..errors import OutputError
from ..images.paths import shown
from ..inputs.names import enumerated
from .cases import CohortCase
from .place import CASES, TABLES, Place
from .run import Progress

TABLES_OF_ALL = (
    "raters.csv", "agreement.csv", "quality.csv", "deviations.csv", "fit.csv", "raters_by_cases.csv", "raters_by_cases.png",
)  # fmt: skip
Command = Literal["fuse", "apply", "merge"]


def check_maker(out: Path, command: Command) -> None:
    """Refuse a folder that another command made, whose rates would no longer be those of its consensuses, and one with tables of others.

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
    written = {"fuse": TABLES_OF_ALL, "merge": ("raters.csv",), "apply": ("fit.csv",)}[command]
    held = [name for name in written if (out / name).exists() or (out / name).is_symlink()]
    if maker is None and held:
        raise OutputError(
            f"{shown(out)}: holds {enumerated(held)}, as fastfuse cohort {command} writes them, and nothing else of it; give another folder "
            "(--out)"
        )


def maker_of(out: Path) -> Command | None:
    """Return the command whose outputs a folder holds, as its files tell; None where there are none yet."""
    place = Place(out)
    if (out / "merged.npz").is_file():
        return "merge"
    told = (out / "raters.csv").is_file() and place.facts.is_file()
    if told or any((out / TABLES).glob("*.npz")):
        return "fuse"  # apply writes neither rates as a table nor votes
    if place.estimate.is_file():
        return "apply"
    return "fuse" if any((out / CASES).glob("*/made.json")) else None  # each case by itself, without rates


def said_of_gone(so_far: Progress, cases: Iterable[CohortCase], place: Place) -> list[str]:
    """Note the cases that have outputs and are no longer in the cohort; say where these outputs are."""
    found = place.named()
    so_far.gone = sorted(set().union(*found.values()) - {case.name for case in cases})
    if not so_far.gone:
        return []
    gone = set(so_far.gone)
    folders = enumerated([shown(place.out / part) for part, names in found.items() if names & gone])
    one = len(gone) == 1
    said = (
        f"{enumerated(so_far.gone)} {'is' if one else 'are'} no longer in the cohort: {'its' if one else 'their'} outputs and "
        f"tables, which are patient data, stay in {folders}; delete them if they are not to be kept"
    )
    return [said]
