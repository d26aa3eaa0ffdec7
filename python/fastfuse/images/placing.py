"""What a job asks about the grid of its images."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..inputs.checks import check_choice
from .paths import PathLike, as_path

Resample = Literal["none", "nearest"]
Form = Literal["qform", "sform"]
Kind = Literal["votes", "present", "mask", "image", "prior"]  # what an image is to a job


OF_CONTOURS = (
    "name the image that they were drawn on, as NIfTI of its series by dcm2niix: grid=FILE (--grid FILE)"
)


@dataclass(frozen=True)
class Placing:
    """How a job's images come onto one grid.

    Attributes
    ----------
    grid : Path or None
        Image whose grid all get; None for the one that holds them all.
    resample : {"none", "nearest"}
        What is done with an image whose voxels lie between those of the grid.
    use : {"qform", "sform"} or None
        Which of a NIfTI header's two affines counts; None for the sform, where there is one.
    offered : bool
        Whether the caller could name a grid, so that messages may advise it.
    keeping : str
        What is said of marks that resampling cuts off; empty where there is no other grid to name.
    """

    grid: Path | None = None
    resample: str = "none"
    use: str | None = None
    offered: bool = field(default=True, compare=False)
    keeping: str = field(default=" (a grid that holds all keeps them: grid=FILE, --grid FILE)", compare=False)

    @classmethod
    def checked(cls, grid: PathLike | None = None, resample: str = "none", use: str | None = None) -> Placing:
        """Return how images are placed; refuse words that are none of the choices.

        Raises
        ------
        TypeError, ValueError
            Naming the option.
        """
        return cls(
            grid=as_path(grid, "grid"),
            resample=check_choice(resample, "resample", ("none", "nearest")),
            use=None if use is None else check_choice(use, "use", ("qform", "sform")),
        )


AS_IT_IS = Placing(offered=False)
