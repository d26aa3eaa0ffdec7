"""Figures, drawn on axial slices in radiological view: the patient's right on the left."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from .outputs import Outputs

TRUTH = "#00e5ff"
# Seven hues that stay apart on grey, for the colour-blind too (after Okabe and Ito).
OUTLINES = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#4d7cff", "#d55e00", "#cc79a7")

Slice = NDArray[Any]


def draw_consensus(
    path: Path,
    flair: NDArray[Any],
    truth: NDArray[Any],
    masks: Mapping[str, NDArray[Any]],
    consensus: Mapping[str, NDArray[Any]],
) -> None:
    """Draw one slice as in the paper's Fig. 2: FLAIR, every rater's outline, every consensus in colour.

    Parameters
    ----------
    path : Path
        PNG to write, whole or not at all.
    flair, truth : ndarray, shape (x, y, z)
        RAS image and mask. The slice with the most truth is shown, zoomed to its densest part.
    masks, consensus : mapping of str to ndarray, shape (x, y, z)
        Raters' masks and consensus probabilities, by the name to print.
    """
    z = int(np.argmax(truth.sum(axis=(0, 1))))
    window = _densest_window(truth[:, :, z])
    columns = max(3, len(consensus))
    figure = Figure(figsize=(3.2 * columns, 6.9), facecolor="black", layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = cast("tuple[SubFigure, SubFigure]", figure.subfigures(2, 1))
    top.set_facecolor("black")
    bottom.set_facecolor("black")
    whole, zoomed, raters = top.subplots(1, 3)
    brightest = float(np.percentile(flair[:, :, z], 99.7))

    _show(whole, flair[:, :, z], brightest, f"FLAIR, axial slice {z}")
    _frame(whole, window, flair.shape[0])
    _mark_sides(whole)
    _show(zoomed, flair[:, :, z][window], brightest, "true lesions")
    _outline(zoomed, truth[:, :, z][window], TRUTH, 1.4)
    _show(raters, flair[:, :, z][window], brightest, "the raters' outlines")
    for colour, mask in zip(_cycle(len(masks)), masks.values(), strict=True):
        _outline(raters, mask[:, :, z][window], colour, 1.1)
    _legend(raters, masks)

    axes = np.atleast_1d(bottom.subplots(1, len(consensus)))
    for ax, (name, probability) in zip(axes, consensus.items(), strict=True):
        _show(ax, flair[:, :, z][window], brightest, name)
        shown = _colour(ax, probability[:, :, z][window])
        _outline(ax, truth[:, :, z][window], TRUTH, 0.9)
    bottom.suptitle("consensus, with the true lesions outlined", color=TRUTH, fontsize=10)
    bar = bottom.colorbar(shown, ax=list(axes), fraction=0.02, pad=0.01)
    bar.set_label("consensus probability", color="white")
    bar.ax.tick_params(colors="white")
    _save(figure, path)


def _densest_window(truth: Slice) -> tuple[slice, slice]:
    """Return the square of a third of the slice's longer side that holds most of the truth."""
    side = min(max(truth.shape) // 3, *truth.shape)
    total = np.zeros((truth.shape[0] + 1, truth.shape[1] + 1), dtype=np.int64)
    total[1:, 1:] = np.cumsum(np.cumsum(truth != 0, axis=0), axis=1)
    held = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    best = np.argwhere(held == held.max())
    x, y = best[len(best) // 2]
    return slice(int(x), int(x) + side), slice(int(y), int(y) + side)


def _as_seen(image: Slice) -> Slice:
    """Turn a slice of a RAS image into rows and columns of the radiological view, lowest row first."""
    return image[::-1].T


def _frame(ax: Axes, window: tuple[slice, slice], width: int) -> None:
    x, y = window
    corner = (width - x.stop, y.start)
    ax.add_patch(
        Rectangle(corner, x.stop - x.start, y.stop - y.start, fill=False, edgecolor="white", linewidth=1)
    )


def _show(ax: Axes, image: Slice, brightest: float, title: str) -> None:
    ax.imshow(_as_seen(image), cmap="gray", vmin=0, vmax=brightest, origin="lower", interpolation="bilinear")
    ax.set_title(title, color="white", fontsize=10)
    ax.set_axis_off()


def _mark_sides(ax: Axes) -> None:
    for x, side in ((0.03, "R"), (0.93, "L")):
        ax.text(x, 0.5, side, color="white", transform=ax.transAxes, fontsize=11, va="center")


def _outline(ax: Axes, mask: Slice, colour: str, width: float) -> None:
    if np.any(mask):
        ax.contour(_as_seen(mask != 0).astype(float), levels=[0.5], colors=[colour], linewidths=width)


def _colour(ax: Axes, probability: Slice) -> Any:
    """Lay the probability over the image, transparent where it is 0."""
    shown = _as_seen(probability)
    opacity = np.clip(2 * shown, 0, 0.85)
    return ax.imshow(shown, cmap="inferno", vmin=0, vmax=1, alpha=opacity, origin="lower")


def _cycle(n: int) -> list[str]:
    return [OUTLINES[i % len(OUTLINES)] for i in range(n)]


def _legend(ax: Axes, masks: Mapping[str, NDArray[Any]]) -> None:
    lines = [
        Line2D([], [], color=colour, label=name)
        for colour, name in zip(_cycle(len(masks)), masks, strict=True)
    ]
    ax.legend(
        handles=lines,
        loc="center left",
        bbox_to_anchor=(1.02, 0.5),
        fontsize=9,
        labelcolor="white",
        facecolor="black",
        edgecolor="black",
    )


def _save(figure: Figure, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, facecolor="black", metadata={"Software": "fastfuse"})
    with Outputs(overwrite=True) as outputs:
        outputs.add(path, buffer.getvalue())
        outputs.commit()
