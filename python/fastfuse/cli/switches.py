"""Flags that several commands share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

from ..inputs.names import quoted
from .words.declared import Option


def choice(help: str, **more: Any) -> Any:
    """Return the option to choose one of some words, whatever their case; the help shows them."""
    return Option(case_sensitive=False, help=help, **more)


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
    Option(
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
Threads = Annotated[int, Option(help="Threads to use; 0: all that there are.")]
Bids = Annotated[
    Path | None,
    Option(
        metavar="FOLDER",
        help="Also write derivatives of BIDS into this folder, such as derivatives/fastfuse: its sub-LABEL/ and dataset_description.json.",
        show_default=False,
    ),
]
Overwrite = Annotated[bool, Option("--overwrite", help="Replace existing outputs.")]


class AxisName(str, Enum):
    """Axes that may hold a network's channels."""

    first = "first"
    last = "last"


SelectSegment = Annotated[
    list[str] | None,
    Option(
        metavar="NAME",
        help="Segment to take of files that name theirs (.seg.nrrd, DICOM SEG, RTSTRUCT), or 'NAME|OTHER' where they call it differently; once for each of several.",
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


class PresetName(str, Enum):
    """What sets the method and the options that are not typed."""

    RECOMMENDED = "recommended"
    PAPER = "paper"


Preset = Annotated[
    PresetName | None,
    choice(
        "Sets the method and options that are not typed: recommended, what to start from; paper, the defaults.",
        show_default=False,
    ),
]
Report = Annotated[
    Path | None,
    Option(
        help="Also write a page of HTML: tables, charts, and slices to scroll through.", show_default=False
    ),
]
ReportOfCases = Annotated[
    Path | None,
    Option("--report", help="Also write a page of HTML: tables and charts of all cases.", show_default=False),
]
ReportImage = Annotated[
    Path | None,
    Option(
        "--image",
        help="Image of the patient that the slices of --report show below the marks; masks get its grid, so that one that reaches farther adds background.",
        show_default=False,
    ),
]
Names = Annotated[
    str | None,
    Option(
        metavar="A,B,...",
        help="What to call the raters, in their order; their files without it.",
        show_default=False,
    ),
]
Present = Annotated[
    list[Path] | None,
    Option(
        help="Image of where a rater looked (0 and 1); once for each, in order, '-' for everywhere.",
        show_default=False,
        rich_help_panel="Beyond the paper",
    ),
]


def names_of(typed: str | None) -> list[str] | None:
    """Return the names that were typed, with commas between them."""
    listed = None if typed is None else [name.strip() for name in typed.split(",")]
    if listed is not None and "" in listed:
        raise ValueError(f"names is {quoted(typed)}: a name is empty; give one for each rater")
    return listed


def present_of(typed: list[Path] | None) -> list[Path | None] | None:
    """Return where raters looked: None for '-'."""
    return [None if str(path) == "-" else path for path in typed] if typed else None


def placing_of(
    grid: Path | str | None, resample: ResampleName | None, use: FormName | None
) -> dict[str, Any]:
    """Return what was typed about the grid, as Python's functions take it."""
    return {"grid": grid, "resample": resample and resample.value, "use": use and use.value}
