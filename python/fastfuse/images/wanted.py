"""What a job asks of the files that it reads."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..inputs.foreground import Foreground


@dataclass(frozen=True)
class Wanted:
    """What a job asks of the files that it reads.

    Attributes
    ----------
    foreground : Foreground
        Which labels, classes or segments.
    """

    foreground: Foreground = field(default_factory=Foreground)

    def beside(self) -> Wanted:
        """Return what is asked of a mask, an image or a prior beside the raters: no segments."""
        return replace(self, foreground=replace(self.foreground, segments=()))
