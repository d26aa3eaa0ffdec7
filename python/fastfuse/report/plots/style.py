"""How figures look: the sizes of journals' columns, letters of 7 and 8 points, hues that the colour-blind tell apart."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

from matplotlib import rcParams
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from ..names import Names, numbers_of

COLUMN, ONE_AND_A_HALF, PAGE = 3.5, 5.2, 7.2  # inches: 89, 132 and 183 mm
SMALL, TEXT = 7, 8  # points
HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555")  # after Okabe and Ito
SHAPES = "osD^vPX"
QUIET = "#777777"
UNKNOWN = "#b0b0b0"
LONGEST = 28  # letters of a name along an axis
IN_LEGEND = 22
LETTER, HANDLE, ROW = 0.056, 0.38, 0.15  # inches of a legend: a letter, what is beside a text, a line


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


def called(names: Sequence[str], longest: int = LONGEST) -> list[str]:
    """Return names without what all share, where one is long; of those that stay long the end is kept, where files differ.

    Of a name in letters that no font of the figure has, the number: boxes in its place would be all alike.
    """
    short = Names.told_apart(names).short if max(map(len, names), default=0) > longest else names
    cut = [one if len(one) <= longest else f"…{one[1 - longest :]}" for one in short]
    numbers = numbers_of(names)
    if not all(map(str.isascii, cut)):
        has = _letters(tuple(rcParams["font.family"]))
        cut = [one if has.issuperset(map(ord, one)) else i for i, one in zip(numbers, cut, strict=True)]
    return cut if len(set(cut)) == len(cut) else [f"{i} {one}" for i, one in zip(numbers, cut, strict=True)]


@lru_cache(maxsize=4)
def _letters(families: tuple[str, ...]) -> frozenset[int]:
    """Return the characters that the fonts of these families have."""
    found = (get_font(findfont(FontProperties(family=[one]))) for one in families)
    return frozenset(code for font in found for code in font.get_charmap())


def legend_below(ax: Axes, handles: Sequence[Artist] | None = None, title: str | None = None) -> None:
    """Draw a legend below all of a figure of one's own, which grows by it; in as many columns as the longest text leaves."""
    figure: Any = ax.figure
    shown = list(ax.get_legend_handles_labels()[0] if handles is None else handles)
    if not shown:
        return
    width, height = figure.get_size_inches()
    longest = max(len(str(one.get_label())) for one in shown)
    columns = max(1, min(len(shown), int((width - 0.1) / (longest * LETTER + HANDLE))))
    columns = -(-len(shown) // -(-len(shown) // columns))  # as even as the rows allow
    rows = -(-len(shown) // columns) + (title is not None)
    figure.set_size_inches(width, height + rows * ROW + 0.1)
    figure.legend(
        handles=shown, loc="outside lower center" if figure.get_layout_engine() else "lower center", ncols=columns,
        title=title, frameon=False, fontsize=SMALL, title_fontsize=SMALL, handlelength=1.4, handletextpad=0.4,
        columnspacing=1, borderaxespad=0.2,
    )  # fmt: skip


def legend(ax: Axes, **options: Any) -> Any:
    """Draw a legend without a frame, in small letters."""
    return ax.legend(**{"frameon": False, "fontsize": SMALL, "title_fontsize": SMALL, **options})
