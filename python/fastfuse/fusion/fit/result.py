"""What the fit test tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

STAPLE, CLASSES, BORDER = "staple", "three classes", "border-staple"
FIXED = "prior fixed"
# A rough count of the free numbers in the shares of 41 levels, which are smoothed over some four.
OF_LEVELS = 10
FEW_RATERS = 4  # up to which border-STAPLE has no false marks


class ModelFit(NamedTuple):
    """What one model expects.

    Attributes
    ----------
    expected : ndarray of float64, shape (m + 1,)
        Voxels with 0 to m marks.
    log_likelihood_per_mark : float
        ln p of all marks, in nats, over the voxels that anybody marks. Only differences between models tell something.
    """

    expected: NDArray[np.float64]
    log_likelihood_per_mark: float


@dataclass(frozen=True, eq=False)
class Fit:
    """How many voxels have each number of marks, and how many models expect.

    Attributes
    ----------
    observed : ndarray of float64, shape (m + 1,)
        Voxels that 0 to m raters mark, among those that were fused. Of soft votes the sums of probabilities, each vote
        the probability of a mark; where votes are missing, marks are counted among those that are there.
    models : mapping of str to ModelFit
        "staple" (its prior estimated), "three classes" (from five raters on) and "border-staple" (from three on), fitted to
        the same marks; and the model that was used, if it is another one, such as "staple, prior fixed".
    used : str or None
        The name of the one that was used; None for a majority vote, which has no model.
    marked : float
        Voxels that anybody marks.
    raters : int
        Raters with votes, copies of another one's left out. Models expect copies to mark where their originals do.
    soft : bool
        Whether votes lie between 0 and 1, so that ``observed`` are no counts of masks.
    """

    observed: NDArray[np.float64]
    models: Mapping[str, ModelFit]
    used: str | None
    marked: float
    raters: int
    soft: bool = False

    def price(self, name: str) -> float:
        """Return the information criterion of a model in nats a marked voxel, lower is better.

        -ln p + ½ k ln n over n: n voxels that anybody marks, k free parameters (Schwarz 1978,
        doi:10.1214/aos/1176344136).
        """
        cost = parameters_of(name, self.raters) * np.log(max(self.marked, 1)) / 2
        return float(cost / max(self.marked, 1) - self.models[name].log_likelihood_per_mark)

    @property
    def best(self) -> str | None:
        """The model of the lowest price among those fitted here; None without any."""
        return min(self.models, key=self.price, default=None)

    def __repr__(self) -> str:
        numbers = [f"{k}" for k in range(len(self.observed))]
        there = "soft votes" if self.soft else "observed"
        rows = {"marks": numbers, there: [f"{count:.0f}" for count in self.observed]}
        rows |= {name: [f"{count:.0f}" for count in one.expected] for name, one in self.models.items()}
        widths = [max(map(len, column)) for column in zip(*rows.values(), strict=True)]
        label = max(map(len, rows))
        lines = [
            f"  {name:{label}}  "
            + "  ".join(f"{text:>{width}}" for text, width in zip(row, widths, strict=True))
            for name, row in rows.items()
        ]
        highest = -min((-one.log_likelihood_per_mark for one in self.models.values()), default=0)
        for place, name in enumerate(self.models, 2):
            lines[place] += f"  {self.models[name].log_likelihood_per_mark - highest:+.4f}"
        return "\n".join(
            ["Fit(voxels by number of marks; at the end nats a marked voxel below the highest)", *lines]
        )


class Tested(Protocol):
    """What a fusion keeps for the test."""

    @property
    def fit(self) -> Fit | None:
        """The fit of all models."""

    @property
    def told(self) -> Fit | None:
        """What is known of it without a further fit."""


def parameters_of(name: str, raters: int) -> int:
    """Return how many free parameters a model has."""
    if name == BORDER:
        return (2 if raters <= FEW_RATERS else 4) * raters + OF_LEVELS
    return 3 * raters + 2 if name == CLASSES else 2 * raters + (FIXED not in name)
