"""Draw the README's picture, on the case of ``fastfuse demo``: python bench/studies/picture.py FIGURE.png.

Seven simulated raters' outlines, the consensus of border-STAPLE, and how much of the lesions each rater marks:
as the fusion tells without the truth, and as the truth tells.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

import fastfuse
from fastfuse.report.plots.panels import TRUTH, cycle, densest_window, legend, outline, overlay, show

SIZE = (11.0, 3.8)  # inches, at 150 dots each


def rates(ax: Axes, names: list[str], colours: list[str], found: NDArray[Any], true: NDArray[Any]) -> None:
    """Draw each rater's sensitivity, estimated and true, in the rater's colour."""
    rows = np.arange(len(names))[::-1]
    ax.set_facecolor("black")
    ax.hlines(rows, np.minimum(found, true), np.maximum(found, true), colors=colours, linewidth=1.5, zorder=1)
    ax.scatter(found, rows, c=colours, s=75, zorder=2)
    ax.scatter(true, rows, facecolors="black", edgecolors=colours, s=75, linewidths=2, zorder=2)
    ax.set_yticks(rows, names)
    ax.set_xlim(0.5, 1)
    ax.tick_params(colors="white", labelsize=11, left=False)
    for label, colour in zip(ax.get_yticklabels(), colours, strict=True):
        label.set_color(colour)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color("white")
    ax.set_title("each rater's sensitivity", color="white", fontsize=13)
    full = Line2D([], [], marker="o", ls="", color="white", ms=8, label="estimated")
    hollow = Line2D([], [], marker="o", ls="", mec="white", mfc="black", mew=2, ms=8, label="true")
    ax.legend(
        handles=[full, hollow], loc="lower left", frameon=False, labelcolor="white", fontsize=11, handletextpad=0.1
    )  # fmt: skip


def main(path: Path) -> None:
    """Fuse and draw."""
    case = fastfuse.phantom.make_case(0)
    flair, brain, truth = case.images["FLAIR"], case.brain, case.lesions
    fusion = fastfuse.border_staple(case.masks, flair, mask=brain, spacing_mm=(1, 1, 1))
    scores = fastfuse.evaluate(fusion.probability, truth, mask=brain, spacing_mm=(1, 1, 1))
    true = np.array([mask[truth == 1].mean() for mask in case.masks])
    names = [style.name for style in fastfuse.phantom.RATERS]
    colours = cycle(len(names))
    z = int(np.argmax(truth.sum(axis=(0, 1))))
    window = densest_window(truth[:, :, z])
    brightest = float(np.percentile(flair[:, :, z], 99.7))
    figure = Figure(figsize=SIZE, facecolor="black", layout="constrained")
    raters, consensus, table = figure.subplots(1, 3, width_ratios=(1, 1, 0.75))
    show(raters, flair[:, :, z][window], brightest, "")
    for colour, mask in zip(colours, case.masks, strict=True):
        outline(raters, mask[:, :, z][window], colour, 1.6)
    raters.set_title("seven raters", color="white", fontsize=13)
    show(consensus, flair[:, :, z][window], brightest, "")
    shown = overlay(consensus, fusion.probability[:, :, z][window])
    outline(consensus, truth[:, :, z][window], TRUTH, 1.3)
    consensus.set_title(f"their consensus, Dice {scores.dice:.2f}", color="white", fontsize=13)
    levels = [Patch(color=shown.cmap(level), label=f"probability {level:g}") for level in (1.0, 0.6, 0.2)]
    legend(consensus, [Line2D([], [], color=TRUTH, label="truth"), *levels], "lower center")
    rates(table, names, colours, fusion.sensitivity, true)
    figure.savefig(path, dpi=150, facecolor="black")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
