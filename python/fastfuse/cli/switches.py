"""Flags that several commands share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer


def choice(help: str, metavar: str = "NAME", **more: Any) -> Any:
    """Return the option to choose one of the names in a help text, whatever their case."""
    return typer.Option(metavar=metavar, case_sensitive=False, help=help, **more)


class ResampleName(str, Enum):
    """What can be done with files whose voxels lie between those of the grid."""

    none = "none"
    nearest = "nearest"


class FormName(str, Enum):
    """Affines of a NIfTI header."""

    qform = "qform"
    sform = "sform"


GRIDS = "Grid"
Grid = Annotated[
    Path | None,
    typer.Option(
        help="Image whose grid all files get; else the one that holds all.",
        show_default=False,
        rich_help_panel=GRIDS,
    ),
]
Resampled = Annotated[
    ResampleName,
    choice(
        "none, or nearest: take the nearest voxel of files that lie between the grid's.",
        rich_help_panel=GRIDS,
    ),
]
Use = Annotated[
    FormName | None,
    choice(
        "qform or sform: which counts where a NIfTI header has both; else the sform.",
        show_default=False,
        rich_help_panel=GRIDS,
    ),
]
Threads = Annotated[int, typer.Option(help="Threads to use; 0: all that there are.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]


class AxisName(str, Enum):
    """Axes that may hold a network's channels."""

    first = "first"
    last = "last"


SelectSegment = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Segment to take of files that name theirs (.seg.nrrd, DICOM SEG); once for each of several.",
        show_default=False,
    ),
]
ChannelAxis = Annotated[
    AxisName | None,
    choice(
        "Axis of a network's channels in an image of four axes: first, or last.",
        show_default=False,
        rich_help_panel="Beyond the paper",
    ),
]


def placing_of(grid: Path | None, resample: ResampleName, use: FormName | None) -> dict[str, Any]:
    """Return what was typed about the grid, as Python's functions take it."""
    return {"grid": grid, "resample": resample.value, "use": None if use is None else use.value}
