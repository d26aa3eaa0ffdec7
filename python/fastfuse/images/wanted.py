"""What a job asks of the files that it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

from ..inputs.checks import check_choice
from ..inputs.foreground import Foreground
from ..inputs.grids import Grid

ChannelAxis = Literal["first", "last"]


@dataclass(frozen=True)
class Lattice:
    """The grid that contours are drawn on.

    Attributes
    ----------
    grid : Grid
        Shape and affine, in mm, RAS+.
    file : Path
        The file that has it.
    named : bool
        Whether the caller named it, or an image decides it; else it is that of a rater or a mask.
    """

    grid: Grid
    file: Path
    named: bool


@dataclass(frozen=True)
class Wanted:
    """What a job asks of the files that it reads.

    Attributes
    ----------
    foreground : Foreground
        Which labels, classes or segments.
    channel_axis : {"first", "last"}, optional
        Which axis of an image of four axes holds a network's channels; found out where it can be.
    is_rater : bool
        Whether the file is a rater's, and not a mask, an image or a prior beside them.
    use : {"qform", "sform"} or None
        Which affine of a NIfTI header is to be used.
    offers_use : bool
        Whether the caller can choose that.
    all_channels : bool
        Whether an image of four axes is read whole, for :func:`channels_of`.
    expects_masks : bool
        Whether a mask beside a file that names its segments is what is expected, as a truth of NIfTI, which can name none.
    lattice : callable or None
        Returns the grid for the contours of a file, which has none of its own.
    """

    foreground: Foreground = field(default_factory=Foreground)
    channel_axis: ChannelAxis | None = None
    is_rater: bool = True
    use: str | None = None
    offers_use: bool = False
    all_channels: bool = False
    expects_masks: bool = False
    lattice: Callable[[Path], Lattice] | None = field(default=None, compare=False)

    def by_labels(self, labels: tuple[int, ...]) -> Wanted:
        """Return the same with labels in the place of the segments' names."""
        return replace(self, foreground=replace(self.foreground, labels=labels, segments=()))

    def beside(self) -> Wanted:
        """Return what is asked of a mask, an image or a prior beside the raters: no segments."""
        return replace(self, foreground=replace(self.foreground, segments=()), is_rater=False)


def check_channel_axis(axis: Any) -> ChannelAxis | None:
    """Return which axis holds channels, if it is said."""
    return (
        None if axis is None else cast(ChannelAxis, check_choice(axis, "channel_axis", get_args(ChannelAxis)))
    )
