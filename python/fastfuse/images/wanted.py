"""What a job asks of the files that it reads."""

from __future__ import annotations

from dataclasses import dataclass, field

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
