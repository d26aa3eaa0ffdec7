"""Figures on axial slices in radiological view: the patient's right is on the left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from ..colours import BARS_MM, OUTLINES
from .pictures import save

TRUTH, RATER, RING = "#00e5ff", "#ffffff", "#ff3fa4"
HALO = [Stroke(linewidth=2.5, foreground="black"), Normal()]  # around white marks
LEAST_SHOWN, OPACITY = (
    0.05,
    0.45,
)  # probabilities below are not drawn; FLAIR's share in the colour is the rest

Slice = NDArray[Any]


def draw_consensus(
    path: Path,
    flair: NDArray[Any],
    masks: Mapping[str, NDArray[Any]],
    soft: tuple[str, NDArray[Any]],
    consensus: Mapping[str, NDArray[Any]],
    truth: NDArray[Any] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Draw one slice as in the paper's Fig. 2: FLAIR, the raters, one soft mask, every consensus in colour.

    Parameters
    ----------
    path : Path
        PNG to write.
    flair : ndarray, shape (x, y, z)
        RAS image.
    masks : mapping of str to ndarray, shape (x, y, z)
        Raters' masks by name.
    soft : str and ndarray, shape (x, y, z)
        One rater's name and soft mask, made by conditional dilation.
    consensus : mapping of str to ndarray, shape (x, y, z)
        Consensus probabilities by name.
    truth : ndarray, shape (x, y, z), optional
        The true lesions, drawn as outlines. The figure shows the slice with most of them (without ``truth``, of
        all masks), zoomed to their densest part.
    overwrite : bool, default False
        Replace an existing file.
    """
    marked = np.sum([mask != 0 for mask in masks.values()], axis=0) if truth is None else truth != 0
    z = int(np.argmax(marked.sum(axis=(0, 1))))
    window = densest_window(marked[:, :, z])
    brightest = float(np.percentile(flair[:, :, z], 99.7))
    columns = max(5, len(consensus))
    figure = Figure(figsize=(2.7 * columns, 7.2), facecolor="black", layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = cast("tuple[SubFigure, SubFigure]", figure.subfigures(2, 1, height_ratios=(1.2, 1)))
    for part in (top, bottom):
        part.set_facecolor("black")

    def zoom(volume: NDArray[Any]) -> Slice:
        return volume[:, :, z][window]

    whole, raters, names, grown = top.subplots(1, 4, width_ratios=(1, 1, 0.5, 1))
    names.set_axis_off()
    show(whole, flair[:, :, z], brightest, f"FLAIR, axial slice {z}")
    frame(whole, window, flair.shape[0])
    mark_sides(whole)
    show(raters, zoom(flair), brightest, "the raters' outlines")
    colours = cycle(len(masks))
    for colour, mask in zip(colours, masks.values(), strict=True):
        outline(raters, zoom(mask), colour, 1.1)
    legend(names, [Line2D([], [], color=c, label=name) for name, c in zip(masks, colours, strict=True)])
    show(grown, zoom(flair), brightest, f"conditional dilation of “{soft[0]}”")
    _ring(grown, zoom(soft[1]))
    axes = np.atleast_1d(bottom.subplots(1, len(consensus)))
    for ax, (name, probability) in zip(axes, consensus.items(), strict=True):
        show(ax, zoom(flair), brightest, name)
        shown = overlay(ax, zoom(probability))
        if truth is not None:
            outline(ax, zoom(truth), TRUTH, 1.0)
    title = "consensus" if truth is None else "consensus, with the true lesions outlined"
    bottom.suptitle(title, color="white" if truth is None else TRUTH, fontsize=11)
    bar = bottom.colorbar(shown, ax=list(axes), fraction=0.02, pad=0.01)
    bar.set_label("probability", color="white")
    bar.ax.tick_params(colors="white")
    save(figure, path, overwrite=overwrite)


def draw_labels(
    path: Path,
    maps: Mapping[str, NDArray[Any]],
    colours: Mapping[int, str],
    names: Mapping[int, str],
    *,
    overwrite: bool = False,
) -> None:
    """Draw one axial slice of label maps beside each other, each label in its colour.

    Parameters
    ----------
    path : Path
        PNG to write.
    maps : mapping of str to ndarray, shape (x, y, z)
        Label maps by name; the figure shows the slice in which the first one has most labels, and most of them.
    colours, names : mapping of int to str
        Colour and name of each label.
    overwrite : bool, default False
        Replace an existing file.
    """
    first = next(iter(maps.values()))
    held = [(len(np.unique(first[:, :, z])), np.count_nonzero(first[:, :, z])) for z in range(first.shape[2])]
    z = held.index(max(held))
    columns = 5
    rows = -(-(len(maps) + 1) // columns)
    figure = Figure(figsize=(2.6 * columns, 2.4 * rows), facecolor="black", layout="constrained")
    FigureCanvasAgg(figure)
    values = sorted(colours)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, (name, labels) in zip(axes, maps.items(), strict=False):
        shown = np.searchsorted(values, _as_seen(labels[:, :, z]))
        ax.imshow(
            shown, cmap=ListedColormap([colours[value] for value in values]), vmin=-0.5, vmax=len(values) - 0.5,
            origin="lower", interpolation="nearest",
        )  # fmt: skip
        ax.set_title(name, color="white", fontsize=10)
    legend(axes[len(maps)], [Patch(color=colours[value], label=names[value]) for value in values if value])
    save(figure, path, overwrite=overwrite)


def densest_window(truth: Slice) -> tuple[slice, slice]:
    """Return the square window, a third of the slice's longer side wide, that holds most foreground."""
    side = min(max(truth.shape) // 3, *truth.shape)
    total = np.zeros((truth.shape[0] + 1, truth.shape[1] + 1), dtype=np.int64)
    total[1:, 1:] = np.cumsum(np.cumsum(truth != 0, axis=0), axis=1)
    held = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    best = np.argwhere(held == held.max())
    x, y = best[len(best) // 2]
    return slice(int(x), int(x) + side), slice(int(y), int(y) + side)


def _as_seen(image: Slice) -> Slice:
    """Return a slice of a RAS image as rows and columns of the radiological view, lowest row first."""
    return image[::-1].T


def frame(ax: Axes, window: tuple[slice, slice], width: int) -> None:
    """Draw a frame around the window that another panel shows enlarged."""
    x, y = window
    corner = (width - x.stop, y.start)
    ax.add_patch(
        Rectangle(corner, x.stop - x.start, y.stop - y.start, fill=False, edgecolor="white", linewidth=1)
    )


def show(ax: Axes, image: Slice, brightest: float, title: str, pixel_mm: Sequence[float] = (1, 1)) -> None:
    """Show a slice in grey, its pixels as oblong as they are."""
    aspect = pixel_mm[1] / pixel_mm[0]
    ax.imshow(
        _as_seen(image), cmap="gray", vmin=0, vmax=brightest, origin="lower", interpolation="bilinear", aspect=aspect
    )  # fmt: skip
    ax.set_title(title, color="white", fontsize=10)
    ax.set_axis_off()


def scale_bar(ax: Axes, shape: Sequence[int], pixel_mm: Sequence[float]) -> None:
    """Draw a bar of a round length, at most a third of the slice wide, in the lower left corner."""
    width = shape[0] * pixel_mm[0]
    length = max((mm for mm in BARS_MM if mm <= width / 3), default=BARS_MM[0])
    x, y = 0.04 * shape[0], 0.05 * shape[1]
    ends = [x, x + length / pixel_mm[0]]
    ax.plot(ends, [y, y], color="white", lw=2.5, solid_capstyle="butt", path_effects=HALO)
    ax.text(
        x, y + 0.02 * shape[1], f"{length:g} mm", color="white", fontsize=8, va="bottom", path_effects=HALO
    )


def mark_sides(ax: Axes) -> None:
    """Label the patient's sides, R and L."""
    for x, side in ((0.03, "R"), (0.93, "L")):
        ax.text(
            x, 0.5, side, color="white", path_effects=HALO, transform=ax.transAxes, fontsize=11, va="center"
        )


def outline(ax: Axes, mask: Slice, colour: str, width: float) -> None:
    """Outline a mask along the edges of its pixels."""
    if np.any(mask):
        lines = LineCollection(
            list(edges(_as_seen(mask != 0))), colors=[colour], linewidths=width, capstyle="projecting"
        )
        ax.add_collection(lines, autolim=False)


def edges(marked: Slice) -> NDArray[np.float64]:
    """Return the edges between marked pixels and others, shape (n, 2, 2): two ends, each (column, row).

    Pixels are centred on whole numbers. A marked pixel at the border has an edge there.
    """
    padded = np.pad(marked != 0, 1)
    below, left = np.argwhere(padded[1:] != padded[:-1]), np.argwhere(padded[:, 1:] != padded[:, :-1])
    flat = [[(x - 1.5, y - 0.5), (x - 0.5, y - 0.5)] for y, x in below]
    steep = [[(x - 0.5, y - 1.5), (x - 0.5, y - 0.5)] for y, x in left]
    return np.array([*flat, *steep], dtype=np.float64).reshape(-1, 2, 2)


def _ring(ax: Axes, soft: Slice) -> None:
    """Fill the ring of a soft mask, and outline the mask inside it."""
    shown = _as_seen((soft > 0) & (soft < 1)).astype(float)
    ax.imshow(shown, cmap=ListedColormap([RING]), alpha=0.75 * shown, origin="lower", interpolation="nearest")
    outline(ax, soft == 1, RATER, 1.3)
    label = float(soft[(soft > 0) & (soft < 1)].max(initial=0))
    legend(
        ax,
        [Line2D([], [], color=RATER, label="mask: 1"), Patch(color=RING, label=f"ring: {label:.2g}")],
        "lower right",
    )


def overlay(ax: Axes, probability: Slice) -> Any:
    """Draw the probability over the image, which shines through; nothing where it is next to 0."""
    shown = _as_seen(probability)
    opacity = np.where(shown >= LEAST_SHOWN, OPACITY, 0.0)
    return ax.imshow(
        shown, cmap="plasma", vmin=0, vmax=1, alpha=opacity, origin="lower", interpolation="nearest",
        aspect=ax.get_aspect(),
    )  # fmt: skip


def cycle(n: int) -> list[str]:
    """Return n hues for raters, repeated after seven."""
    return [OUTLINES[i % len(OUTLINES)] for i in range(n)]


def legend(ax: Axes, handles: Sequence[Artist], place: Any = "center left") -> None:
    """Draw a legend in a corner."""
    ax.legend(
        handles=handles,
        loc=place,
        fontsize=9,
        labelcolor="white",
        facecolor="black",
        edgecolor="black",
        framealpha=0.6,
        handlelength=1.4,
    )
