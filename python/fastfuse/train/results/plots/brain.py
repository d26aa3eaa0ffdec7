"""Slices of a case: the experts, the consensus of each method, and the networks' predictions."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ....report.plots.panels import (
    RATER,
    TRUTH,
    cycle,
    densest_window,
    frame,
    legend,
    mark_sides,
    outline,
    overlay,
    scale_bar,
    show,
)
from ....report.plots.pictures import save_anew

Slice = NDArray[Any]
THICKEST, THINNEST = 3.0, 1.0  # outlines lie on each other: the first are the thickest
LETTERS = 11  # of a figure's title, an inch
BELOW, ABOVE = 2.6, 0.9  # where two coincide, both are seen


@dataclass(frozen=True)
class View:
    """An axial slice of a case.

    Attributes
    ----------
    title : str
        Which case, and where in it.
    flair : ndarray, shape (x, y)
        In RAS order, as all other slices.
    masks : list of ndarray
        The experts'.
    pixel_mm : tuple of float
    raters : sequence of int
        The experts' numbers; from 1 on if none are given.
    of : int
        Number of all experts of the cohort; 0: as many as this slice has.
    """

    title: str
    flair: Slice
    masks: list[Slice]
    pixel_mm: tuple[float, float]
    raters: Sequence[int] = ()
    of: int = 0

    @property
    def votes(self) -> Slice:
        """Number of experts who mark each pixel."""
        return np.asarray(np.sum([mask != 0 for mask in self.masks], axis=0))

    @property
    def window(self) -> tuple[slice, slice]:
        """The part with most foreground."""
        return densest_window(self.votes)

    @property
    def brightest(self) -> float:
        """The value that is shown white."""
        return float(np.percentile(self.flair, 99.7))


def draw_experts(path: Path, view: View) -> None:
    """Draw the paper's Fig. 1: a slice, every expert's outline in its densest part, and how many mark each pixel."""
    window, count = view.window, len(view.masks)
    figure = Figure(figsize=(12.6, 4.3), facecolor="black", layout="constrained")
    figure.suptitle(view.title, color="white", fontsize=11)
    whole, zoomed, names, voted = figure.subplots(1, 4, width_ratios=(1, 1, 0.28, 1))
    _whole(whole, view)
    lacking = f" of {view.of}" if view.of > count else ""
    _part(zoomed, view, f"outlines of {count}{lacking} experts")
    scale_bar(zoomed, view.flair[window].shape, view.pixel_mm)
    hues = cycle(count)
    widths = np.linspace(THICKEST, THINNEST, count)
    for hue, mask, width in zip(hues, view.masks, widths, strict=True):
        outline(zoomed, mask[window], hue, float(width))
    names.set_axis_off()
    numbered = zip(view.raters or range(1, count + 1), hues, strict=True)
    legend(names, [Line2D([], [], color=hue, label=f"expert {k}") for k, hue in numbered])
    _part(voted, view, "experts who mark a voxel")
    votes = view.votes[window][::-1].T
    steps = np.arange(1, count + 2) - 0.5
    shown = voted.imshow(
        np.ma.masked_equal(votes, 0), cmap="plasma", norm=BoundaryNorm(steps, 256), alpha=0.6, origin="lower",
        interpolation="nearest", aspect=voted.get_aspect(),
    )  # fmt: skip
    place = voted.inset_axes((1.03, 0, 0.05, 1))  # beside, so that the panels stay of one size
    bar = figure.colorbar(shown, cax=place, ticks=range(1, count + 1))
    bar.ax.tick_params(colors="white")
    save_anew(figure, path)


def draw_masks(
    path: Path,
    view: View,
    consensus: Mapping[str, Slice],
    predicted: Mapping[str, Slice],
    majority: Slice,
    cut: float = 0.5,
) -> None:
    """Draw the paper's Fig. 2: each method's consensus, and the prediction of a network trained on it.

    ``consensus`` and ``predicted`` go by the title of a panel; ``majority`` is what half of the experts mark, whose
    outline stands in all panels. Predictions are outlined at ``cut``, the consensus at 0.5.
    """
    window = view.window
    columns = max(len(consensus), len(predicted)) + 1
    width = 2.6 * columns + 0.7
    figure = Figure(figsize=(width, 6.2), facecolor="black", layout="constrained")
    title = textwrap.fill(view.title, int(width * LETTERS))
    figure.suptitle(title, color="white", fontsize=11)
    axes = figure.subplots(2, columns, squeeze=False)
    _whole(axes[0, 0], view)
    _part(axes[1, 0], view, "FLAIR, enlarged")
    scale_bar(axes[1, 0], view.flair[window].shape, view.pixel_mm)
    for row, found, at in zip(axes[:, 1:], (consensus, predicted), (0.5, cut), strict=True):
        for ax in row:
            ax.set_axis_off()
        for ax, (title, probability) in zip(row, found.items(), strict=False):
            _part(ax, view, title)
            shown = overlay(ax, probability[window])
            outline(ax, majority[window], TRUTH, BELOW)
            outline(ax, probability[window] >= at, RATER, ABOVE)
    lines = [
        Line2D([], [], color=RATER, lw=ABOVE, label=_outlined(cut)),
        Line2D([], [], color=TRUTH, lw=BELOW, label="half of the experts"),
    ]
    legend(axes[1, 0], lines, "upper center")
    bar = figure.colorbar(shown, ax=axes, fraction=0.02, pad=0.01)
    bar.set_label("probability", color="white")
    bar.ax.tick_params(colors="white")
    save_anew(figure, path)


def _outlined(cut: float) -> str:
    """Return what the outlines stand for."""
    return "probability ≥ 0.5" if cut == 0.5 else f"consensus ≥ 0.5,\nprediction ≥ {cut:g}"


def _whole(ax: Any, view: View) -> None:
    show(ax, view.flair, view.brightest, "FLAIR", view.pixel_mm)
    frame(ax, view.window, view.flair.shape[0])
    mark_sides(ax)
    scale_bar(ax, view.flair.shape, view.pixel_mm)


def _part(ax: Any, view: View, title: str) -> None:
    show(ax, view.flair[view.window], view.brightest, title, view.pixel_mm)


def most_marked(masks: Sequence[Slice]) -> int:
    """Return the axial slice, of volumes in RAS order, that holds most of the experts' voxels."""
    return int(np.argmax(sum((mask != 0).sum(axis=(0, 1)) for mask in masks)))
