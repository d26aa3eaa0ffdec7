"""The measures of the tables: their names, units and digits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...report.numbers import interval
from .scores import MEASURES


def mean_of_some(values: NDArray[np.float64], axis: int | None = None) -> NDArray[np.float64]:
    """Return the mean of what is no nan; nan of nothing."""
    count = np.asarray((~np.isnan(values)).sum(axis))
    mean = np.full(count.shape, np.nan)
    np.divide(np.nansum(values, axis), count, out=mean, where=count > 0)
    return mean


AGAINST = {True: "experts", False: "STAPLE"}
Key = tuple[bool, str]
"""Whether the experts are the reference (else STAPLE's mask), and the measure's name in ``Evaluation``."""


@dataclass(frozen=True)
class Measure:
    """How a measure is shown."""

    name: str
    unit: str = "%"
    digits: int = 1

    @property
    def scale(self) -> float:
        """What values are multiplied by."""
        return 100.0 if self.unit == "%" else 1.0

    def text(self, value: float, sign: str = "") -> str:
        """Return a value, already scaled; a dash for nan."""
        if math.isnan(value):
            return "–"
        shown = f"{value:{sign}.{self.digits}f}"
        return shown.replace("-", "−")

    def interval(self, mean: float, low: float, high: float, sign: str = "") -> tuple[str, list[str]]:
        """Return a mean as text, and the ends of its interval: one where digits do not tell them apart, none for nan."""
        if math.isnan(low):
            return self.text(mean, sign), []
        decimals, ends = interval(low, high, self.digits, sign)
        return f"{mean:{sign}.{decimals}f}".replace("-", "−"), [end.replace("-", "−") for end in ends]


SHOWN = {
    "dice": Measure("Dice"),
    "precision": Measure("Pre"),
    "recall": Measure("Rec"),
    "hd95_mm": Measure("HD95", "mm"),
    "assd_mm": Measure("ASSD", "mm", 2),
    "lesion_f1": Measure("lesion F1"),
    "brier": Measure("Brier", "%", 3),
    "ece": Measure("ECE", "%", 3),
}
CALIBRATION = ("brier", "ece")
TABLE_1: list[Key] = [(experts, measure) for experts in AGAINST for measure in MEASURES]
FURTHER: list[Key] = [
    *((experts, measure) for experts in AGAINST for measure in ("hd95_mm", "assd_mm", "lesion_f1")),
    *((True, measure) for measure in CALIBRATION),
]
FAMILIES: dict[str, list[Key]] = {"Table 1's measures": TABLE_1, "further measures": FURTHER}
"""Tests that are corrected together, each with all methods of the table."""


def heading(key: Key) -> str:
    """Return a column's title."""
    experts, measure = key
    unit = " (mm)" if SHOWN[measure].unit == "mm" else ""
    return f"{SHOWN[measure].name} {AGAINST[experts]}{unit}"
