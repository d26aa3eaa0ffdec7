"""Options that several commands of the shell share, and the words that they take."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer


class MethodName(str, Enum):
    """Methods on offer."""

    soft_staple = "soft-staple"
    simplified_soft_staple = "simplified-soft-staple"
    staple = "staple"
    dilated_staple = "dilated-staple"
    majority = "majority"


class AccelerationName(str, Enum):
    """Accelerations on offer."""

    none = "none"
    squarem = "squarem"


class MStepName(str, Enum):
    """M-steps on offer."""

    paper = "paper"
    em = "em"


class ExpectationName(str, Enum):
    """Ways to soft-STAPLE's expectation on offer."""

    auto = "auto"
    enumerate = "enumerate"
    characteristic = "characteristic"


class LikelihoodName(str, Enum):
    """Likelihoods of a soft vote on offer."""

    mixture = "mixture"
    log_linear = "log_linear"


class MissingName(str, Enum):
    """What nan may mean."""

    error = "error"
    nan = "nan"


class IntervalsName(str, Enum):
    """Intervals on offer."""

    none = "none"
    information = "information"
    bootstrap = "bootstrap"
    lesions = "lesions"


class ScopeName(str, Enum):
    """Scopes of a dilation on offer."""

    volume = "volume"
    lesion = "lesion"


def choice(help: str, metavar: str = "NAME", **more: Any) -> Any:
    """Return the option to choose one of the names in a help text, whatever their case."""
    return typer.Option(metavar=metavar, case_sensitive=False, help=help, **more)


Threads = Annotated[int, typer.Option(help="Threads to use; 0: all that there are.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]

RINGS = "Conditional dilation"
BEYOND = "Beyond the paper"
Image = Annotated[
    Path | None,
    typer.Option(help="FLAIR, on which masks grow.", show_default=False, rich_help_panel=RINGS),
]
RingSize = Annotated[
    float, typer.Option(help="(mask + ring) / mask to reach, at least 1.", rich_help_panel=RINGS)
]
RingLabel = Annotated[float, typer.Option(help="Vote of the ring, in (0, 1).", rich_help_panel=RINGS)]
RingIterations = Annotated[
    int, typer.Option(help="Dilations by one voxel that make the candidates.", rich_help_panel=RINGS)
]
RingRadius = Annotated[
    float | None,
    typer.Option(
        "--ring-radius-mm",
        help="Candidates within this distance instead: for thick slices.",
        show_default=False,
        rich_help_panel=RINGS,
    ),
]
RingThreshold = Annotated[
    str,
    typer.Option(
        help="adaptive (a falling cut), exact (ranked), or an intensity of the image, whatever size that makes.",
        rich_help_panel=RINGS,
    ),
]
RingScope = Annotated[
    ScopeName, choice("Reach the size over the volume, or in each lesion.", rich_help_panel=RINGS)
]
RingConnected = Annotated[
    bool, typer.Option("--ring-connected", help="Only ring voxels joined to the mask.", rich_help_panel=RINGS)
]
Normalized = Annotated[
    bool,
    typer.Option(
        "--normalize/--no-normalize",
        help="Scale the image to [0, 1], 0.1 % clipped at both ends, for the adaptive cut.",
        rich_help_panel=RINGS,
    ),
]
Binarize = Annotated[
    bool,
    typer.Option("--binarize", help="Count whatever is above 0 in a mask as 1.", rich_help_panel=RINGS),
]
