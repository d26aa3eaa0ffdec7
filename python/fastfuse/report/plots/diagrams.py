"""Diagrams of numbers: how far raters agree, and whether probabilities are those of their marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, overload

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...evaluation.raters.scores import Reliability
from ...fusion.native.marks import marks_for
from ...fusion.of_raters.agreement import Agreement
from ...fusion.of_raters.agreement import agreement as measured
from ...fusion.pooled.deviation import Deviation
from ...fusion.result import Fusion
from ...inputs.kinds import VoxelsLike
from ...inputs.names import counted
from .charts import names_of
from .fit import against_truth
from .given import by_name, check_axes, check_given, check_of_axes, check_of_file
from .pictures import save
from .style import HUES, PAGE, SHAPES, SMALL, TEXT, UNKNOWN, called, new_axes, tidy

MOST_WRITTEN = 16  # raters of a heat map with numbers in it
FEW = 6  # raters whose heat map is narrower than its title
MOST_SHRUNK = 0.2  # inches of a rater's row where a page is too narrow
MOST_NAMED_CASES = 45


@overload
def agreement(found: Agreement | Fusion, ax: Axes | None = None) -> Axes: ...


@overload
def agreement(found: Path | str, ax: Agreement | Fusion, *, overwrite: bool = False) -> None: ...


def agreement(found: Any, ax: Any = None, *, overwrite: bool = False) -> Axes | None:
    """Draw the Dice of each two raters as a heat map; grey where neither marks anything.

    ``agreement(path, found)`` draws into a PNG.

    Parameters
    ----------
    found : Agreement or Fusion
        As :func:`fastfuse.agreement` returns it. Of a fusion of masks, the Dice of where its raters mark, as long as the caller holds their votes.
    ax : Axes, optional
        Where to draw; a new figure without it, as large as the raters' names need.
    overwrite : bool, default False
        Replace an existing file, where one is written.

    Returns
    -------
    Axes
        None where a file was written.

    Examples
    --------
    .. plot::

        import fastfuse

        case = fastfuse.phantom.make_case(1, shape=(91, 109, 91), spacing_mm=2)
        names = [f"reader {letter}" for letter in "ABCDEFG"]
        fastfuse.plots.agreement(fastfuse.agreement(case.masks, names=names))
    """
    if isinstance(found, (str, PathLike)):
        drawn = _draw_dice(_agreement_of(ax), None, shown=False)
        save(drawn.figure, Path(found), overwrite=overwrite)
        return None
    check_of_axes("agreement", overwrite=overwrite)
    check_axes(ax)
    return _draw_dice(_agreement_of(found), ax)


def _agreement_of(found: Any) -> Agreement:
    """Return the agreement, or that of the raters of a fusion of masks."""
    check_given(found, "agreement", Agreement, Fusion)
    if isinstance(found, Agreement):
        return found
    marks = marks_for(found, None)
    return measured(marks, names=names_of(found, None))


def _draw_dice(found: Agreement, ax: Axes | None, *, shown: bool = True) -> Axes:
    count, names = len(found.names), called(found.names)
    if ax is None:
        side = 0.27 * count + 1.0 if count > MOST_WRITTEN else 0.36 * count + 0.9
        margin = 0.065 * max(map(len, names)) + 0.3
        side = min(side, max(PAGE, MOST_SHRUNK * count) - margin - 0.8)
        ax = new_axes(side + margin + 0.8, side + margin, shown=shown)
    dice = np.ma.masked_invalid(found.dice)
    least = float(dice[~np.eye(count, dtype=bool)].min()) if dice.count() > count else 0.0
    colours = colormaps["viridis"].with_extremes(bad=UNKNOWN)
    drawn = ax.imshow(
        dice, cmap=colours, vmin=min(np.floor(10 * least) / 10, 0.9), vmax=1, interpolation="nearest"
    )
    ax.set_xticks(range(count), names, rotation=90, parse_math=False)
    ax.set_yticks(range(count), names, parse_math=False)
    if count <= MOST_WRITTEN:
        bright = np.ma.filled(drawn.norm(dice), 1) > 0.6
        for (i, j), value in np.ndenumerate(found.dice):
            text = "–" if np.isnan(value) else f"{value:.2f}"
            ax.text(
                j,
                i,
                text,
                ha="center",
                va="center",
                fontsize=SMALL,
                color="black" if bright[i, j] else "white",
            )
    _bar(drawn, ax, "Dice")
    apart = "\n" if count <= FEW else ", "
    mean = "" if np.isnan(found.mean_dice) else f"{apart}mean {found.mean_dice:.3f}"
    ax.set_title(f"Dice of each two of {count} raters{mean}")
    return tidy(ax, framed=True)


def _bar(drawn: Any, ax: Axes, title: str) -> None:
    """Draw the bar of colours in small letters."""
    bar = ax.figure.colorbar(drawn, ax=ax, fraction=0.046, pad=0.03)
    bar.set_label(title, fontsize=TEXT)
    bar.ax.tick_params(labelsize=SMALL)


def deviations(found: Deviation | Mapping[str, Deviation], ax: Axes | None = None) -> Axes:
    """Draw who was unlike themselves in which case of a cohort; grey where a rater did not read the case, or nobody marks anything.

    Parameters
    ----------
    found : Deviation, or mapping of str to Deviation
        What :func:`fastfuse.deviation` returns; of several cases by their names.
    ax : Axes, optional
        Where to draw; a new figure without it, as large as names and cases need.

    Returns
    -------
    Axes

    Examples
    --------
    .. plot::

        import fastfuse

        cases = {f"case {k}": fastfuse.phantom.make_case(k, shape=(46, 55, 46), spacing_mm=4.0) for k in range(1, 7)}
        tables = {name: fastfuse.tabulate(case.masks, mask=case.brain) for name, case in cases.items()}
        tables["case 4"] = fastfuse.tabulate([*cases["case 3"].masks[:1], *cases["case 4"].masks[1:]])  # another case's
        pooled = fastfuse.pool(tables, "staple")
        found = {name: fastfuse.deviation(table, pooled) for name, table in tables.items()}
        fastfuse.plots.deviations(found)
    """
    check_axes(ax)
    found = by_name(found, "deviations", Deviation)
    raters = list(dict.fromkeys(name for one in found.values() for name in one.names))
    ratio = np.full((len(raters), len(found)), np.nan)
    for column, one in enumerate(found.values()):
        ratio[[raters.index(name) for name in one.names], column] = one.log_ratio
    return _draw_ratios(raters, list(found), ratio, ax)


def raters_by_cases(
    path: Path,
    raters: Sequence[str],
    cases: Sequence[str],
    ratio: NDArray[np.float64],
    *,
    overwrite: bool = False,
) -> None:
    """Draw the same into a file, from a matrix.

    Parameters
    ----------
    path : Path
        PNG to write.
    raters, cases : sequence of str
    ratio : ndarray, shape (raters, cases)
        Log-likelihood ratios, as of :func:`fastfuse.deviation`.
    overwrite : bool, default False
        Replace an existing file.
    """
    save(_draw_ratios(raters, cases, ratio, None, shown=False).figure, path, overwrite=overwrite)


def _draw_ratios(
    raters: Sequence[str],
    cases: Sequence[str],
    ratio: NDArray[np.float64],
    ax: Axes | None,
    *,
    shown: bool = True,
) -> Axes:
    if ax is None:
        width = 1.3 + 0.065 * max(map(len, called(raters))) + max(0.2 * len(cases), 2.0)
        height = max(0.24 * len(raters), 1.5) + 0.9 + 0.06 * max(map(len, called(cases)))
        ax = new_axes(min(width, PAGE), height, shown=shown)
    colours = colormaps["magma_r"].with_extremes(bad=UNKNOWN)
    shade = np.ma.masked_invalid(np.log10(1 + ratio))
    drawn = ax.imshow(
        shade,
        cmap=colours,
        vmin=0,
        vmax=max(1.0, float(shade.max())) if shade.count() else 1.0,  # what is next to 0 stays pale
        aspect="auto",
        interpolation="nearest",
    )
    few = len(cases) <= MOST_NAMED_CASES
    ax.set_xticks(
        range(len(cases)) if few else [], called(cases) if few else [], rotation=90, parse_math=False
    )
    ax.set_yticks(range(len(raters)), called(raters), parse_math=False)
    ax.set_xlabel(counted(len(cases), "case"))
    _bar(drawn, ax, "log10(1 +\nlog-likelihood ratio)")
    ax.set_title("who was unlike themselves where")
    return tidy(ax, framed=True)


@overload
def reliability(
    found: Path | str, truth: Reliability | Mapping[str, Reliability], *, overwrite: bool = False
) -> None: ...


@overload
def reliability(
    found: Fusion | VoxelsLike | Mapping[str, Fusion | VoxelsLike],
    truth: VoxelsLike,
    *,
    mask: VoxelsLike | None = None,
    ax: Axes | None = None,
) -> Axes: ...


def reliability(
    found: Any, truth: Any, *, mask: Any = None, ax: Axes | None = None, overwrite: bool = False
) -> Axes | None:
    """Draw how often what gets a probability is marked, and how many voxels get it.

    Two calls: ``reliability(fusion, truth)`` draws a fusion against a truth, or against a rater who was left out of it, into axes;
    ``reliability(path, curves)`` draws predictions against several raters into a file.

    Parameters
    ----------
    found : Fusion, array_like, or mapping of str to these; or path
        Whose probabilities; several by name. Or the PNG to write.
    truth : array_like, Reliability, or mapping of str to Reliability
        The truth, foreground where it is above 0; or, to write a file, what
        :func:`fastfuse.evaluate_against_raters` returns, of several predictions by name.
    mask : array_like, optional
        The voxels that count. Without it all do, of which background makes most: give the region that was fused.
    ax : Axes, optional
        Where to draw; a new figure without it.
    overwrite : bool, default False
        Replace an existing file, where one is written.

    Returns
    -------
    Axes
        With Brier's score, the sum of squares over all voxels divided by the number of foreground voxels, and the calibration error
        (ECE), the mean distance of the curve from the diagonal, in the legend. None where a file was written.

    Examples
    --------
    .. plot::

        import fastfuse

        case = fastfuse.phantom.make_case(1, shape=(91, 109, 91), spacing_mm=2)
        options = {"mask": case.brain, "roi": 4, "spacing_mm": (2, 2, 2)}
        found = {
            "STAPLE": fastfuse.staple(case.masks, **options),
            "border-STAPLE": fastfuse.border_staple(case.masks, case.images["FLAIR"], **options),
            "mean vote": fastfuse.majority_vote(case.masks, mask=case.brain),
        }
        fastfuse.plots.reliability(found, case.lesions, mask=case.brain)
    """
    if not isinstance(found, (str, PathLike)):
        check_of_axes("reliability", overwrite=overwrite)
        check_axes(ax)
        return against_truth(found, truth, mask, ax)
    check_of_file("reliability", mask=mask, ax=ax)
    save(
        _curves(by_name(truth, "reliability", Reliability, called="truth")), Path(found), overwrite=overwrite
    )
    return None


def _curves(named: Mapping[str, Reliability]) -> Figure:
    figure = Figure(figsize=(6, 6.2), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    curve, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    curve.plot([0, 1], [0, 1], color="#777777", lw=1, ls="--", label="calibrated")
    for at, (name, one) in enumerate(named.items()):
        look = {"color": HUES[at % len(HUES)], "lw": 1.5}
        held = one.voxels > 0
        text = f"{name}: {one.error:.3f}" if name else f"mean distance {one.error:.3f}"
        shape = SHAPES[at % len(SHAPES)]
        curve.plot(
            one.predicted[held], one.observed[held], marker=shape, ms=5, label=text, clip_on=False, **look
        )
        counts.stairs(np.maximum(one.voxels, 0.5), one.edges, **look)
    counts.set_yscale("log")
    counts.set_ylabel("voxels")
    counts.set_xlabel("probability")
    curve.set_ylabel("share of the raters who mark the voxel")
    curve.set(xlim=(0, 1), ylim=(0, 1))
    for ax in (curve, counts):
        ax.spines[["top", "right"]].set_visible(False)
    curve.legend(frameon=False, fontsize=8, loc="upper left")
    return figure
