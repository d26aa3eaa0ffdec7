"""Raters' sensitivity and specificity, how EM went, and how sure a consensus is, drawn into axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ...evaluation.result import Evaluation
from ...fusion.estimate import Estimate
from ...fusion.intervals import shown_rates
from ...fusion.labels.estimate import LabelEstimate
from ...fusion.labels.result import LabelFusion
from ...fusion.native.kind import in_memory
from ...fusion.result import Fusion
from ...inputs.arrays import as_companion
from .given import by_name, check_axes, check_given
from .one_label import Label, codes_of, rates_of
from .style import COLUMN, HUES, IN_LEGEND, QUIET, SMALL, called, legend, legend_below, look, new_axes, tidy

Fitted = Fusion | Estimate | LabelFusion | LabelEstimate  # by EM
RATES = ("sensitivity", "specificity")
BINS = 20
BETWEEN = "voxels between 0.05 and 0.95"
SIZE, HIDDEN = 5.5, 2.2  # points: a rater's marker, and how near another one must be to hide it
NARROWEST = 2e-4  # range of rates on an axis
LEAST = 0.5  # voxels; where the axis begins
SCORES = {
    "dice": "Dice", "precision": "precision", "recall": "recall", "lesion_sensitivity": "lesion\nsensitivity",
    "lesion_ppv": "lesion\nPPV", "lesion_f1": "lesion\nF1",
}  # fmt: skip


def rates(
    found: Fitted, ax: Axes | None = None, *, names: Sequence[str] | None = None, label: Label | None = None
) -> Axes:
    """Draw each rater's sensitivity against their specificity, with 95 % intervals as ellipses where there are intervals.

    The upper right is best. An ellipse's half axes are those of the two intervals; it is cut off at 1. Of raters at one
    point the legend says so, and who has no point, as their rates are undefined.

    Parameters
    ----------
    found : Fusion, Estimate, LabelFusion or LabelEstimate
        Ellipses need ``intervals="information"``, "bootstrap" or "lesions", and masks.
    ax : Axes, optional
        Where to draw; a new figure of a column's width without it.
    names : sequence of m str, optional
        What to call the raters.
    label : int, str, or sequence of them, optional
        Of label maps, which need it: this label, or these together, against all others, whose rates are weighted by the prior.

    Returns
    -------
    Axes

    Examples
    --------
    .. plot::

        import fastfuse

        case = fastfuse.phantom.make_case(1, shape=(91, 109, 91), spacing_mm=2)
        fusion = fastfuse.staple(case.masks, mask=case.brain, roi=4, spacing_mm=(2, 2, 2), intervals="lesions")
        fastfuse.plots.rates(fusion)
    """
    check_given(found, "rates", Fusion, Estimate, LabelFusion, LabelEstimate)
    check_axes(ax)
    codes = codes_of(found, label, "rates")
    if isinstance(found, (Fusion, Estimate)):
        sensitivity, specificity = shown_rates(found).values()
        intervals = found.intervals
    else:
        sensitivity, specificity = rates_of(found, codes or ())
        intervals = None
    own = ax is None
    ax = new_axes(COLUMN, 2.8) if ax is None else ax
    shown, markers = called(names_of(found, names), IN_LEGEND), []
    for at, name in enumerate(shown):
        x, y = specificity[at], sensitivity[at]
        style = look(at)
        told = name if np.isfinite([x, y]).all() else f"{name} (undefined)"
        markers += ax.plot(x, y, ls="none", ms=SIZE, mec="white", mew=0.3, label=told, zorder=3, **style)
        if (
            intervals is not None
            and np.isfinite(ends := [intervals.specificity[at], intervals.sensitivity[at]]).all()
        ):
            (left, right), (low, high) = ends
            middle = ((left + right) / 2, (low + high) / 2)
            shape = Ellipse(
                middle, right - left, high - low, fc=style["color"], ec=style["color"], alpha=0.25
            )
            ax.add_patch(shape)
    ax.set(xlabel="specificity", ylabel="sensitivity")
    ax.margins(0.08)
    ax.autoscale_view()
    for limits, (low, high) in ((ax.set_xlim, ax.get_xlim()), (ax.set_ylim, ax.get_ylim())):
        wider = max(NARROWEST - (high - low), 0) / 2  # of ticks with more digits than there is room
        limits(max(low - wider, 0), min(high + wider, 1.0 + 0.02 * (high - low + 2 * wider)))
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.ticklabel_format(useOffset=False)
    _tell_who_hides(ax, specificity, sensitivity, markers, shown)
    if own:
        legend_below(ax)
    else:
        legend(ax, loc="best", handletextpad=0.2)
    return tidy(ax)


def _tell_who_hides(
    ax: Axes, x: NDArray[np.float64], y: NDArray[np.float64], markers: Sequence[Line2D], names: Sequence[str]
) -> None:
    """Say in the legend at whose point a marker lies that hides another or is hidden, and beside it how many lie there."""
    at = ax.transAxes.inverted().transform(ax.transData.transform(np.column_stack([x, y])))
    near = (
        HIDDEN / 72 * ax.figure.dpi / np.asarray(ax.bbox.size)
    )  # of the axes, as large as they are before they are laid out
    groups: list[list[int]] = []
    for k in np.flatnonzero(np.isfinite(at).all(axis=1)).tolist():
        group = next((one for one in groups if np.hypot(*((at[one[0]] - at[k]) / near)) < 1), None)
        groups.append([k]) if group is None else group.append(k)
    for first, *others in groups:
        for k in others:
            markers[k].set_label(f"{names[k]} (at the point of {names[first]})")
        if others:
            right, top = at[first] > 0.5
            ax.annotate(
                f"{len(others) + 1} raters", (x[first], y[first]), (-SIZE if right else SIZE, -2 if top else 2),
                textcoords="offset points", ha="right" if right else "left", va="top" if top else "bottom",
                fontsize=SMALL, color=QUIET,
            )  # fmt: skip


def intervals(
    found: Fusion | Estimate, ax: Axes | None = None, *, names: Sequence[str] | None = None
) -> Axes:
    """Draw a row for each rater: sensitivity and specificity, with their 95 % intervals where there are intervals.

    Parameters
    ----------
    found : Fusion or Estimate
    ax : Axes, optional
        Where to draw; a new figure of a column's width without it.
    names : sequence of m str, optional
        What to call the raters.

    Returns
    -------
    Axes

    Examples
    --------
    .. plot::

        import fastfuse

        case = fastfuse.phantom.make_case(1, shape=(91, 109, 91), spacing_mm=2)
        fusion = fastfuse.staple(case.masks, mask=case.brain, roi=4, spacing_mm=(2, 2, 2), intervals="lesions")
        fastfuse.plots.intervals(fusion)
    """
    check_given(found, "intervals", Fusion, Estimate)
    check_axes(ax)
    raters = called(names_of(found, names))
    ax = new_axes(COLUMN, 0.9 + 0.24 * len(raters)) if ax is None else ax
    for which, rate in enumerate(RATES):
        rows = np.arange(len(raters)) + (which - 0.5) * 0.24
        values = getattr(found, rate)
        style = look(which)
        if found.intervals is not None:
            low, high = np.asarray(getattr(found.intervals, rate)).T
            ax.hlines(rows, low, high, color=style["color"], lw=1.5)
        ax.plot(values, rows, ls="none", ms=4.5, label=rate, clip_on=False, **style)
    ax.set_yticks(range(len(raters)), raters, parse_math=False)
    ax.set(xlabel="rate, with its 95 % interval" if found.intervals is not None else "rate")
    ax.set_ylim(len(raters) - 0.5, -0.5)
    ax.set_xlim(right=1.0)
    ax.grid(axis="x", color="#e0e0e0", lw=0.6)
    ax.set_axisbelow(True)
    legend(ax, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, handletextpad=0.2)
    return tidy(ax)


def convergence(found: Fitted | Mapping[str, Fitted], ax: Axes | None = None) -> Axes:
    """Draw the log-likelihood of the votes after each iteration, as its distance from the highest.

    Of label maps it is drawn with that of the rates under ``performance_prior``: EM climbs the sum.

    Parameters
    ----------
    found : Fusion, Estimate, LabelFusion or LabelEstimate, or mapping of str to these
        Several by name are drawn together, each against its own highest.
    ax : Axes, optional
        Where to draw; a new figure of a column's width without it.

    Returns
    -------
    Axes
        A line that rises to the right has fallen in likelihood there, as it may by the paper's M-step on soft votes, by
        ``mrf``, and of masks by ``performance_prior``, whose part is not in it.

    Raises
    ------
    ValueError
        For a majority vote, which has no iterations.

    Examples
    --------
    .. plot::

        import fastfuse

        case = fastfuse.phantom.make_case(1, shape=(91, 109, 91), spacing_mm=2)
        options = {"mask": case.brain, "roi": 4, "spacing_mm": (2, 2, 2)}
        found = {
            "plain": fastfuse.staple(case.masks, **options),
            "SQUAREM": fastfuse.staple(case.masks, acceleration="squarem", **options),
        }
        fastfuse.plots.convergence(found)
    """
    named: dict[str, Fitted] = by_name(found, "convergence", Fusion, Estimate, LabelFusion, LabelEstimate)
    check_axes(ax)
    own = ax is None
    ax = new_axes(COLUMN, 2.4) if ax is None else ax
    for at, (name, one) in enumerate(zip(called(list(named), IN_LEGEND), named.values(), strict=True)):
        trace = np.asarray(one.log_likelihood + getattr(one, "log_prior", 0.0), dtype=np.float64)
        if not trace.size:
            raise ValueError(f"{name or 'found'} has no iterations: {one.method} is not fitted by EM")
        below = trace.max() - trace
        shown = below > 0
        style = look(at)
        state = "" if one.converged else " (not converged)"
        ax.plot(
            np.flatnonzero(shown) + 1, below[shown], lw=1.2, ms=3.5, markevery=max(1, len(trace) // 12),
            label=f"{name}{state}".strip() or None, **style,
        )  # fmt: skip
        ax.axvline(len(trace), color=style["color"], lw=0.8, ls=":")
    ax.set(yscale="log", xlabel="iteration (dotted: the last)", ylabel="nats below the highest")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if own:
        legend_below(ax)
    elif ax.get_legend_handles_labels()[0]:
        legend(ax)
    return tidy(ax)


def histogram(
    fusion: Fusion | Mapping[str, Fusion], ax: Axes | None = None, *, mask: Any = None, cut: float = 0.5
) -> Axes:
    """Draw how many voxels get which probability: how sure the consensus is.

    Parameters
    ----------
    fusion : Fusion or mapping of str to Fusion
        Several by name are drawn together.
    ax : Axes, optional
        Where to draw; a new figure of a column's width without it.
    mask : array_like, optional
        The voxels that count. Without it all whose probability is above 0.
    cut : float, default 0.5
        Where a line stands: the cut of the mask.

    Returns
    -------
    Axes

    Examples
    --------
    .. plot::

        import fastfuse

        case = fastfuse.phantom.make_case(1, shape=(91, 109, 91), spacing_mm=2)
        options = {"mask": case.brain, "roi": 4, "spacing_mm": (2, 2, 2)}
        found = {
            "STAPLE": fastfuse.staple(case.masks, **options),
            "border-STAPLE": fastfuse.border_staple(case.masks, case.images["FLAIR"], **options),
        }
        fastfuse.plots.histogram(found)
    """
    named: dict[str, Fusion] = by_name(fusion, "histogram", Fusion, called="fusion")
    check_axes(ax)
    own = ax is None
    ax = new_axes(COLUMN, 2.2) if ax is None else ax
    for at, (name, one) in enumerate(zip(called(list(named), IN_LEGEND), named.values(), strict=True)):
        values = in_memory(one.probability)
        held = values[values > 0 if mask is None else as_companion(mask, "mask", values.shape) != 0]
        counts, ends = np.histogram(held, BINS, (0, 1))
        between = int(np.count_nonzero((held > 0.05) & (held < 0.95)))
        hue = HUES[at % len(HUES)]
        text = f"{name}: {between:,}" if name else f"{between:,} {BETWEEN}"
        ax.stairs(np.maximum(counts, LEAST), ends, baseline=LEAST, color=hue, lw=1.4, label=text)
        ax.stairs(np.maximum(counts, LEAST), ends, baseline=LEAST, color=hue, fill=True, alpha=0.12)
    ax.axvline(cut, color=QUIET, lw=0.8, ls=":")
    ax.set(xlim=(0, 1), xlabel="probability", ylabel="voxels", yscale="log")
    ax.set_ylim(bottom=LEAST)
    title = None if "" in named else BETWEEN
    if own:
        legend_below(ax, title=title)
    else:
        legend(ax, title=title, loc="lower center", bbox_to_anchor=(0.5, 1.0), borderaxespad=0.2)
    return tidy(ax)


def scores(found: Evaluation | Mapping[str, Evaluation], ax: Axes | None = None) -> Axes:
    """Draw the measures between 0 and 1 of a prediction, or of several, against the truth.

    Parameters
    ----------
    found : Evaluation, or mapping of str to Evaluation
    ax : Axes, optional
        Where to draw; a new figure of a column's width without it.

    Returns
    -------
    Axes

    Examples
    --------
    .. plot::

        import fastfuse

        case = fastfuse.phantom.make_case(1, shape=(91, 109, 91), spacing_mm=2)
        options = {"mask": case.brain, "roi": 4, "spacing_mm": (2, 2, 2)}
        fusions = {
            "STAPLE": fastfuse.staple(case.masks, **options),
            "border-STAPLE": fastfuse.border_staple(case.masks, case.images["FLAIR"], **options),
            "majority": fastfuse.majority_vote(case.masks, mask=case.brain),
        }
        found = {name: fastfuse.evaluate(one.label(), case.lesions, spacing_mm=(2, 2, 2)) for name, one in fusions.items()}
        fastfuse.plots.scores(found)
    """
    named: dict[str, Evaluation] = by_name(found, "scores", Evaluation)
    check_axes(ax)
    own = ax is None
    ax = new_axes(COLUMN, 2.2) if ax is None else ax
    shift = np.linspace(-0.2, 0.2, len(named)) if len(named) > 1 else np.zeros(1)
    places = np.arange(len(SCORES))
    for at, (name, one) in enumerate(zip(called(list(named), IN_LEGEND), named.values(), strict=True)):
        values: list[float] = [getattr(one, score) for score in SCORES]
        ax.vlines(places + shift[at], 0, values, color=look(at)["color"], lw=1, alpha=0.5)
        ax.plot(places + shift[at], values, ls="none", ms=5, label=name or None, clip_on=False, **look(at))
    ax.set_xticks(places, list(SCORES.values()))
    ax.set(ylim=(0, 1), xlim=(-0.5, len(SCORES) - 0.5))
    ax.grid(axis="y", color="#e0e0e0", lw=0.6)
    ax.set_axisbelow(True)
    if own:
        legend_below(ax)
    elif any(named):
        legend(ax, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, handletextpad=0.2, columnspacing=1)
    return tidy(ax)


def names_of(found: Any, names: Sequence[str] | None) -> list[str]:
    """Return what the raters of a result are called."""
    count = len(found.sensitivity)
    origin = getattr(found, "_origin", None)
    own = getattr(found, "names", None) or getattr(found, "raters", None)
    known = names or own or (origin.names if origin is not None else None)
    listed = list(known or (f"rater {i}" for i in range(count)))
    if len(listed) != count:
        raise ValueError(f"names holds {len(listed)}, and there are {count} raters: give one for each")
    return listed
