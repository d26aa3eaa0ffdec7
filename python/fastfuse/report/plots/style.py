"""How figures look: the sizes of journals' columns, letters of 7 and 8 points, hues that the colour-blind tell apart."""

from __future__ import annotations

import sys
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COLUMN, ONE_AND_A_HALF, PAGE = 3.5, 5.2, 7.2  # inches: 89, 132 and 183 mm
SMALL, TEXT = 7, 8  # points
HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555")  # after Okabe and Ito
SHAPES = "osD^vPX"
QUIET = "#777777"
UNKNOWN = "#b0b0b0"


def new_axes(
    width: float, height: float, layout: Literal["constrained"] | None = "constrained", *, shown: bool = True
) -> Axes:
    """Return the axes of a new figure; inches.

    ``shown``: where pyplot is in use, or in a notebook, pyplot knows the figure, so that it is shown as any other.
    """
    if shown and any(name in sys.modules for name in ("matplotlib.pyplot", "ipykernel")):
        from matplotlib import pyplot as plt

        return plt.figure(figsize=(width, height), facecolor="white", layout=layout).subplots()
    figure = Figure(figsize=(width, height), facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    return figure.subplots()


def look(at: int) -> dict[str, Any]:
    """Return colour and shape of the curve, or the rater, at a place in the order."""
    return {"color": HUES[at % len(HUES)], "marker": SHAPES[(at // len(HUES) + at) % len(SHAPES)]}


def tidy(ax: Axes, *, framed: bool = False) -> Axes:
    """Set letters to the sizes of print, and leave out the frame's upper and right side."""
    ax.tick_params(labelsize=SMALL)
    for text in (ax.xaxis.label, ax.yaxis.label, ax.title):
        text.set_fontsize(TEXT)
    if not framed:
        ax.spines[["top", "right"]].set_visible(False)
    return ax


def legend(ax: Axes, **options: Any) -> Any:
    """Draw a legend without a frame, in small letters."""
    return ax.legend(**{"frameon": False, "fontsize": SMALL, "title_fontsize": SMALL, **options})
