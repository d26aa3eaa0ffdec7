"""Figures: slices of images, matrices, and diagrams of numbers. All of matplotlib is here."""

from __future__ import annotations

from .diagrams import agreement, raters_by_cases, reliability
from .fit import fit
from .pictures import save
from .slices import confusion, draw_consensus, draw_labels

__all__ = [
    "agreement",
    "confusion",
    "draw_consensus",
    "draw_labels",
    "fit",
    "raters_by_cases",
    "reliability",
    "save",
]
