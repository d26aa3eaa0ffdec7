"""Diagrams of numbers: how far raters agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..fusion.of_raters.agreement import Agreement
from .names import Names
from .pictures import save

MOST_WRITTEN = 16  # raters of a heat map with numbers in it
LONGEST = 28  # letters of a name
UNKNOWN = "#b0b0b0"


def agreement(path: Path, found: Agreement) -> None:
    """Draw the Dice of each two raters as a heat map; grey where neither marks anything.

    Parameters
    ----------
    path : Path
        PNG to write.
    found : Agreement
        As :func:`fastfuse.agreement` returns it.
    """
    count, called = len(found.names), _called(found.names)
    side = 0.34 * count + 1.2 if count > MOST_WRITTEN else 0.52 * count + 1.2
    margin = 0.075 * max(map(len, called)) + 0.4
    figure = Figure(figsize=(side + margin + 1, side + margin), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    dice = np.ma.masked_invalid(found.dice)
    least = float(dice[~np.eye(count, dtype=bool)].min()) if dice.count() > count else 0.0
    colours = colormaps["viridis"].with_extremes(bad=UNKNOWN)
    drawn = ax.imshow(
        dice, cmap=colours, vmin=min(np.floor(10 * least) / 10, 0.9), vmax=1, interpolation="nearest"
    )
    ax.set_xticks(range(count), called, rotation=90, fontsize=8)
    ax.set_yticks(range(count), called, fontsize=8)
    if count <= MOST_WRITTEN:
        bright = np.ma.filled(drawn.norm(dice), 1) > 0.6
        for (i, j), value in np.ndenumerate(found.dice):
            text = "–" if np.isnan(value) else f"{value:.2f}"
            ax.text(
                j, i, text, ha="center", va="center", fontsize=7, color="black" if bright[i, j] else "white"
            )
    figure.colorbar(drawn, ax=ax, fraction=0.05, label="Dice")
    mean = "" if np.isnan(found.mean_dice) else f", mean {found.mean_dice:.3f}"
    ax.set_title(f"Dice of each two of {count} raters{mean}", fontsize=10)
    save(figure, path)


def _called(names: Sequence[str]) -> list[str]:
    """Return names without what all share; of long ones the end is kept, where files differ."""
    short = Names.told_apart(names).short if max(map(len, names)) > LONGEST else names
    return [one if len(one) <= LONGEST else f"…{one[1 - LONGEST :]}" for one in short]
