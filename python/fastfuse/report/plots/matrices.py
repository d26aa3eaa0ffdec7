"""Confusion matrices of raters who give labels."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, overload

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ...fusion.labels.estimate import LabelEstimate
from ...fusion.labels.result import LabelFusion
from .given import check_axes, check_given, check_of_axes, check_of_file
from .one_label import confusion_of
from .pictures import save
from .style import COLUMN, SMALL, TEXT, UNKNOWN, called, new_axes, tidy

MOST_TICKS = 30  # labels named along an axis
LONGEST = 18  # letters of a label's name there
LETTER, LETTER_OF_TITLE = 0.055, 0.09  # inches
MOST_NUMBERS, LEAST_SHOWN = 12, 0.005  # labels of a matrix with numbers in it, and the least of these


@overload
def confusion(
    found: LabelFusion | LabelEstimate, ax: Axes | None = None, *, rater: int | str | None = None
) -> Axes: ...


@overload
def confusion(found: Path | str, ax: LabelFusion | LabelEstimate, *, overwrite: bool = False) -> None: ...


def confusion(
    found: Any, ax: Any = None, *, rater: int | str | None = None, overwrite: bool = False
) -> Axes | None:
    """Draw a rater's confusion matrix, p(vote | truth), truths in rows; what is undefined is grey.

    ``confusion(path, found)`` draws those of all raters into a PNG. Names of labels beyond 18 letters are cut, with the label's number
    behind; so are raters' beyond the width of a matrix.

    Parameters
    ----------
    found : LabelFusion or LabelEstimate
    ax : Axes, optional
        Where to draw; a new figure of a column's width without it.
    rater : int or str, optional
        Place or name of the rater; the first without it.
    overwrite : bool, default False
        Replace an existing file, where one is written.

    Returns
    -------
    Axes
        None where a file was written.

    Raises
    ------
    TypeError
        For anything else, such as a fusion of masks, which has no confusion matrices.
    ValueError
        For a rater that there is not.

    Examples
    --------
    .. plot::

        import numpy as np
        import fastfuse

        rng = np.random.default_rng(0)
        truth = np.kron(rng.integers(0, 4, (6, 6, 6)), np.ones((4, 4, 4), int))
        maps = [np.where(rng.random(truth.shape) < 0.8, truth, np.roll(truth, 1, rater % 3)) for rater in range(4)]
        fusion = fastfuse.staple(maps, labels={0: "background", 1: "edema", 2: "core", 3: "enhancing"})
        fastfuse.plots.confusion(fusion, rater=2)
    """
    if isinstance(found, (str, PathLike)):
        check_of_file("confusion", rater=rater)
        check_given(ax, "confusion", LabelFusion, LabelEstimate)
        save(_confusion_of_all(ax), Path(found), overwrite=overwrite)
        return None
    check_of_axes("confusion", overwrite=overwrite)
    check_axes(ax)
    check_given(found, "confusion", LabelFusion, LabelEstimate)
    fusion: LabelFusion | LabelEstimate = found
    rater = 0 if rater is None else rater
    names = list(fusion.raters if isinstance(fusion, LabelFusion) else fusion.names)
    if isinstance(rater, str) and rater not in names:
        raise ValueError(f"rater is {rater!r}: there are {', '.join(names)}")
    place = names.index(rater) if isinstance(rater, str) else rater
    if not 0 <= place < len(names):
        raise ValueError(f"rater is {rater}, and there are {len(names)}, from 0 on")
    labels = _short_names(fusion)
    ax = new_axes(COLUMN, 2.9) if ax is None else ax
    drawn = _matrix(ax, fusion, place, labels)
    ax.set_title(called([names[place]])[0], parse_math=False)
    ax.set(xlabel="vote", ylabel="truth")
    bar = ax.figure.colorbar(drawn, ax=ax, fraction=0.046, pad=0.03)
    bar.set_label("p(vote | truth)", fontsize=TEXT)
    bar.ax.tick_params(labelsize=SMALL)
    return tidy(ax, framed=True)


def _matrix(ax: Axes, fusion: LabelFusion | LabelEstimate, place: int, called: Sequence[str]) -> Any:
    colours = colormaps["viridis"].with_extremes(bad=UNKNOWN)
    matrix = np.ma.masked_invalid(confusion_of(fusion)[place])
    drawn = ax.imshow(matrix, cmap=colours, vmin=0, vmax=1, interpolation="nearest")
    _name_axes(ax, called)
    if len(called) <= MOST_NUMBERS:
        _write_numbers(ax, matrix)
    return drawn


def _confusion_of_all(fusion: LabelFusion | LabelEstimate) -> Figure:
    names = fusion.raters if isinstance(fusion, LabelFusion) else fusion.names
    called = _short_names(fusion)
    count, raters = len(called), len(names)
    columns = min(raters, 4)
    words = LETTER * max(map(len, called))
    rows, side = -(-raters // columns), 2.2 + 0.18 * min(count, MOST_TICKS)
    size = ((side + words) * columns + 1.2, (side + words + 0.3) * rows + 0.4)
    figure = Figure(figsize=size, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for place, ax in enumerate(axes.ravel()):
        if place >= raters:
            ax.set_axis_off()
            continue
        drawn = _matrix(ax, fusion, place, called)
        ax.set_title(_cut(names[place], int(side / LETTER_OF_TITLE)), fontsize=10, parse_math=False)
    figure.supxlabel("vote")
    figure.supylabel("truth")
    bar = figure.colorbar(drawn, ax=list(axes.ravel()), fraction=0.03, shrink=min(1.0, 3 / rows / side))
    bar.set_label("p(vote | truth)", fontsize=8)
    return figure


def _short_names(fusion: LabelFusion | LabelEstimate) -> list[str]:
    """Return what the labels are called in a figure."""
    numbers = [str(label) for label in fusion.labels]
    names = fusion.label_names or numbers
    return [
        name if len(name) <= LONGEST else f"{_cut(name, LONGEST - len(number) - 3)} ({number})"
        for name, number in zip(names, numbers, strict=True)
    ]


def _cut(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _name_axes(ax: Axes, called: Sequence[str]) -> None:
    """Name labels along both axes; of many every second, third, ... one."""
    ticks = range(0, len(called), -(-len(called) // MOST_TICKS))
    texts: dict[str, Any] = {"fontsize": 7, "parse_math": False}
    ax.set_xticks(list(ticks), [called[k] for k in ticks], rotation=90, **texts)
    ax.set_yticks(list(ticks), [called[k] for k in ticks], **texts)


def _write_numbers(ax: Axes, matrix: Any) -> None:
    for (truth, vote), value in np.ndenumerate(np.ma.filled(matrix, np.nan)):
        if value >= LEAST_SHOWN:
            colour = "black" if value > 0.6 else "white"
            ax.text(vote, truth, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=6)
