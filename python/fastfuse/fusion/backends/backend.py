"""What a backend is: where votes are placed, and fused."""

from __future__ import annotations

from typing import Any, Protocol

from ..case import Case
from ..options import Options
from ..registry import Method
from ..votes import Votes
from .cpu import Cpu
from .cuda import Cuda
from .devices import place_of
from .found import Found


class Backend(Protocol):
    """A place where votes are fused."""

    def place(self, votes: Votes, options: Options) -> Case:
        """Check what the caller gave, and bring it onto one grid where the backend can read it."""

    def fuse(self, case: Case, method: Method, options: Options) -> tuple[Case, Any, Found]:
        """Return the case as it was fused, the probability as the caller gets it, and what else was found."""


def backend_for(raters: Any, device: Any) -> Backend:
    """Return the backend for the device that was asked for, or for where the raters lie."""
    place = place_of(raters, device)
    return Cpu() if place is None else Cuda(place)
