"""Networks that failed: their training broke off, or they mark nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .scores import Score


@dataclass(frozen=True)
class Failure:
    """One network that failed.

    Attributes
    ----------
    method : str
    fold : int
    reason : str
        Of a training that broke off, with its epoch; empty for a network that marks nothing.
    """

    method: str
    fold: int
    reason: str = ""

    @property
    def broke_off(self) -> bool:
        """Whether there are no predictions, rather than empty ones."""
        return bool(self.reason)

    def text(self, seed: int | None = None) -> str:
        """Return what happened, and what it does to the means."""
        where = f"fold {self.fold}" if seed is None else f"fold {self.fold} of seed {seed}"
        if self.broke_off:
            return f"{where}: training failed ({self.reason}); the fold's cases are left out of all means"
        return (
            f"{where}: the network marks nothing; its Dice and recall of 0 count, "
            "its precision is undefined and left out of the mean"
        )


def empty_networks(scores: Sequence[Score]) -> list[Failure]:
    """Return a failure for each method and fold whose network marks nothing in any case."""
    marked: dict[tuple[str, int], int] = {}
    for score in scores:
        key = score.method, score.fold
        marked[key] = marked.get(key, 0) + score.overlap.both + score.overlap.only_mask
    return [Failure(method, fold) for (method, fold), voxels in marked.items() if not voxels]
