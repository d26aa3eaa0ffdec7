"""What was found of two files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from .evaluate import Measured
from .lesions import Lesion, lesion_table
from .options import Options
from .result import Evaluation
from .space import Space

if TYPE_CHECKING:
    from ..images.image import Image


@dataclass(frozen=True)
class Record:
    """What was found of two files.

    Attributes
    ----------
    files : dict of str to Path
        By role: "prediction", "truth", and "mask" and "image" if there are any.
    measured : Measured
    space : Space
        Of the voxels.
    image : Image
        The truth.
    options : Options
    grid : mapping
        What JSON says of the grid of all files.
    remarks : list of str
        Doubts about the files.
    below : ndarray or None
        What the slices of a report show below the marks.
    """

    files: Mapping[str, Path]
    measured: Measured
    space: Space
    image: Image
    options: Options
    grid: Mapping[str, Any]
    remarks: list[str]
    below: NDArray[Any] | None = None

    @property
    def evaluation(self) -> Evaluation:
        """The measures."""
        return self.measured.evaluation

    @cached_property
    def lesions(self) -> list[Lesion]:
        """Found, missed and false lesions."""
        return lesion_table(self.measured.lesions, self.space.voxel_mm3)
