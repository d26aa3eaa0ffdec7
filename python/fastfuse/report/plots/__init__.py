"""Figures for papers: each takes a result, and the axes to draw into or none, and returns the axes. All of matplotlib is here.

They are as wide as a journal's column, in letters of 7 and 8 points, and in hues that the colour-blind tell apart;
``save`` writes them as PNG, PDF or SVG.
"""

from __future__ import annotations

from .charts import convergence, histogram, intervals, rates, scores
from .diagrams import agreement, deviations, reliability
from .fit import fit
from .matrices import confusion
from .pictures import save
from .planes import slices, uncertainty

__all__ = [
    "agreement",
    "confusion",
    "convergence",
    "deviations",
    "fit",
    "histogram",
    "intervals",
    "rates",
    "reliability",
    "save",
    "scores",
    "slices",
    "uncertainty",
]
