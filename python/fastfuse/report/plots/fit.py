"""Whether a model fits, and whether probabilities are those of a truth, drawn into axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ...evaluation.raters.scores import Reliability, reliability_curve
from ...fusion.estimate import Estimate
from ...fusion.result import Fusion
from ...inputs.arrays import as_array, as_companion
from ..numbers import below_best
from ..words.fit import model_called, there_called
from .given import check_axes, check_given
from .style import (
    COLUMN,
    HUES,
    IN_LEGEND,
    ONE_AND_A_HALF,
    SHAPES,
    called,
    legend,
    legend_below,
    new_axes,
    tidy,
)

THERE = "#d0d0d0"
LEAST = 0.5  # voxels; where the axis begins
PLOT, BELOW = (
    4.0,
    1.3,
)  # inches: the height of a plot without its legend, and what of it lies below the curves
APART = 0.62  # width of what stands side by side at one number of marks
MEASURE = "Brier: sum of squares / foreground voxels"  # and not their mean over all voxels
ALL_NUMBERS = 16  # marks on the axis; of more raters not each has one


def fit(fusion: Fusion | Estimate, ax: Axes | None = None) -> Axes:
    """Draw the voxels by number of marks: bars for those that there are, marks for those that models expect.

    The legend has by how many nats a marked voxel each model lies below the highest likelihood; "best" is the
    model of :attr:`Fit.best`, which counts parameters too.

    Parameters
    ----------
    fusion : Fusion or Estimate
        One that has a ``fit``.
    ax : Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    Axes
        ``ax.figure.savefig("fit.png")`` writes the figure.

    Raises
    ------
    ValueError
        If the fusion has no ``fit``.

    Examples
    --------
    .. plot::

        import fastfuse

        case = fastfuse.phantom.make_case(1, shape=(91, 109, 91), spacing_mm=2)
        fusion = fastfuse.staple(case.masks, mask=case.brain, roi=4, spacing_mm=(2, 2, 2))
        fastfuse.plots.fit(fusion)
    """
    check_given(fusion, "fit", Fusion, Estimate, called="fusion")
    check_axes(ax)
    found = fusion.fit
    if found is None:
        raise ValueError(
            "fusion has no fit: its votes are no table (mrf, roi='disputed', or votes that hardly repeat), or all "
            "raters agree that there is nothing, or nothing but foreground"
        )
    own = ax is None
    ax = new_axes(ONE_AND_A_HALF, 2.9) if ax is None else ax
    marks, there = np.arange(len(found.observed)), there_called(soft=found.soft)
    ax.bar(marks, np.maximum(found.observed, LEAST) - LEAST, 0.8, LEAST, color=THERE, label=there)
    highest = max((one.log_likelihood_per_mark for one in found.models.values()), default=0.0)
    shift = np.linspace(-APART / 2, APART / 2, len(found.models)) if len(found.models) > 1 else np.zeros(1)
    for at, (name, one) in enumerate(found.models.items()):
        below = below_best(one.log_likelihood_per_mark, highest).replace("-", "−")
        look: dict[str, Any] = {
            "color": HUES[at % len(HUES)],
            "marker": SHAPES[at % len(SHAPES)],
            "ls": "none",
        }
        said = [word for word, which in (("used", found.used), ("best", found.best)) if name == which]
        beside = f" ({', '.join(said)})" if said else ""
        text = f"{model_called(name)}{beside}: {below}"
        expected = np.maximum(one.expected, LEAST)
        ax.vlines(
            marks + shift[at], found.observed.clip(LEAST), expected, color=look["color"], lw=1, alpha=0.6
        )
        ax.plot(marks + shift[at], expected, ms=5, label=text, mec="white", mew=0.5, **look)
    ax.set_yscale("log")
    ax.set_ylim(bottom=LEAST)
    if len(marks) <= ALL_NUMBERS:
        ax.set_xticks(marks)
    ax.set_xlabel("marks of a voxel, soft votes by probability" if found.soft else "raters who mark a voxel")
    ax.set_ylabel("voxels")
    title = "expected: nats a marked voxel below the best"
    if own:
        legend_below(ax, title=title)
    else:
        legend(ax, title=title, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return tidy(ax)


def against_truth(found: Any, truth: Any, mask: Any = None, ax: Axes | None = None) -> Axes:
    """Draw how often a truth, or a held-out rater, marks what gets a probability; see :func:`reliability`."""
    named = dict(found) if isinstance(found, Mapping) else {"": found}
    marked = as_array(truth, "truth")
    inside = slice(None) if mask is None else as_companion(mask, "mask", marked.shape) != 0
    own = ax is None
    ax = new_axes(COLUMN, PLOT, layout=None) if ax is None else ax
    counts = ax.inset_axes((0, -0.36, 1, 0.24))
    ax.plot([0, 1], [0, 1], color="#777777", lw=1, ls="--", label="calibrated")
    for at, (name, short) in enumerate(zip(named, called(list(named), IN_LEGEND), strict=True)):
        one = named[name]
        probability = as_companion(getattr(one, "probability", one), name or "found", marked.shape)
        p, true = probability[inside].astype(np.float64).ravel(), (marked[inside] > 0).ravel()
        curve = reliability_curve(p, true.astype(np.float64))
        text = f"{short}: {_scores(p, true, curve)}" if name else _scores(p, true, curve)
        look: dict[str, Any] = {"color": HUES[at % len(HUES)], "lw": 1.5}
        held = curve.voxels > 0
        ax.plot(
            curve.predicted[held], curve.observed[held], marker=SHAPES[at % len(SHAPES)], ms=5, label=text,
            clip_on=False, **look,
        )  # fmt: skip
        counts.stairs(np.maximum(curve.voxels, LEAST), curve.edges, **look)
    counts.set(xlim=(0, 1), yscale="log", ylabel="voxels", xlabel="probability")
    ax.set(xlim=(0, 1), ylim=(0, 1), ylabel="share of the voxels that are foreground")
    ax.tick_params(labelbottom=False)
    if own:
        legend_below(ax, title=MEASURE)
        figure: Any = ax.figure
        height = figure.get_figheight()
        top, bottom = 1 - 0.1 / height, (height - PLOT + BELOW) / height
        figure.subplots_adjust(left=0.17, right=0.96, top=top, bottom=bottom)
    else:
        legend(ax, title=MEASURE, loc="best")
    tidy(counts)
    return tidy(ax)


def _scores(p: NDArray[np.float64], true: NDArray[np.bool_], curve: Reliability) -> str:
    """Return the Brier score a foreground voxel, and the calibration error, as text."""
    brier = float(((p - true) ** 2).sum()) / max(int(true.sum()), 1)
    return f"Brier {brier:.3f}, ECE {curve.error:.3f}"
