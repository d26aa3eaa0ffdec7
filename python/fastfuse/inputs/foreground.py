"""What counts as foreground in an image: labels, segments, everything above 0, or a scaled probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import selected


@dataclass(frozen=True)
class Foreground:
    """What counts as foreground; by default the values are votes already.

    Attributes
    ----------
    labels : tuple of int
        Labels of a label map, or classes of a network, whose union is the foreground.
    binarize : bool
        Whatever is above 0 is foreground.
    threshold : float or None
        Whatever is at least this is foreground.
    segments : tuple of str
        Names of segments whose union is the foreground; files that name theirs are read for them.
    """

    labels: tuple[int, ...] = ()
    binarize: bool = False
    threshold: float | None = None
    segments: tuple[str, ...] = ()

    def votes(self, data: NDArray[Any]) -> NDArray[Any]:
        """Return the votes that an image's values stand for."""
        if self.labels:
            return np.asarray(np.logical_or.reduce([selected(data, label) for label in self.labels]))
        if self.binarize:
            return np.asarray(data > 0)
        return data if self.threshold is None else np.asarray(data >= self.threshold)
