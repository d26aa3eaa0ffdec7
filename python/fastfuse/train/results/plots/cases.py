"""Every case's Dice, precision and recall by each row of the table, and the paired differences to STAPLE."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

from ....report.plots.pictures import save_anew
from ..differences import Difference
from ..entries import Entry
from ..measures import AGAINST, SHOWN, TABLE_1, Key, mean_of_some
from ..scores import MEASURES
from ..table import Row
from ..texts import p_text
from .palette import FAILED, hue, numbers, plain, short

ROOM = 0.12  # of the panels' height, above 100 %, for the number of cases
LEAST_POINTS = 0.1  # half of the narrowest axis of differences: what is less is none

NAMES = {"dice": "Dice", "precision": "precision", "recall": "recall"}


def draw_cases(path: Path, entries: Sequence[Entry]) -> None:
    """Draw every case's value, mean over the seeds: lines join a case, bars are means, crosses belong to failed networks."""
    width = max(3.0, 0.95 * len(entries) + 0.4)
    figure = Figure(figsize=(3 * width + 0.6, 6.6), layout="constrained")
    axes = figure.subplots(2, 3, sharex=True, sharey=True)
    for ax, key in zip(axes.ravel(), TABLE_1, strict=True):
        _cases(ax, entries, key)
    for ax, measure in zip(axes[0], MEASURES, strict=True):
        ax.set_title(NAMES[measure], loc="left", fontsize="medium")
    axes[0, 0].set_ylabel("against the experts, %\n(mean over them)")
    axes[1, 0].set_ylabel("against STAPLE's mask, %")
    for ax in axes[1]:
        ax.set_xticks(range(len(entries)), [short(entry) for entry in entries], fontsize="small")
    lowest = min(float(ax.dataLim.y0) for ax in axes.ravel())
    bottom = 10 * np.floor(max(lowest, 0) / 10) - 4
    axes[0, 0].set_ylim(bottom, 100 + ROOM / (1 - ROOM) * (100 - bottom))
    axes[0, 0].yaxis.set_major_locator(FixedLocator([tick for tick in _tens(bottom) if tick >= bottom]))
    plain(axes.ravel(), "y")
    seeds = max(len(entry.by_seed) for entry in entries)
    lines = [
        Line2D([], [], color="#bbbbbb", marker="o", mfc="#555555", mec="#555555", ms=4, label="a case"),
        Line2D([], [], color="black", lw=2, label="mean over cases"),
        Line2D([], [], ls="", marker="X", color=FAILED, label="its network failed"),
    ]
    drawn = lines if any(_failed(entry).any() for entry in entries) else lines[:2]
    title = f"mean over {seeds} seeds" if seeds > 1 else None
    figure.legend(handles=drawn, loc="outside lower center", ncols=3, frameon=False, title=title)
    save_anew(figure, path)


def _tens(bottom: float) -> range:
    """Return ticks up to 100."""
    return range(0, 101, 20 if bottom < 50 else 10)


def _cases(ax: Any, entries: Sequence[Entry], key: Key) -> None:
    values = np.array([100 * mean_of_some(entry.values(key), axis=0) for entry in entries])
    ax.plot(range(len(entries)), values, color="#bbbbbb", lw=0.7, zorder=1)
    colours = numbers(entries)
    for at, (entry, row) in enumerate(zip(entries, values, strict=True)):
        failed = _failed(entry)
        places = np.full(len(row), at)
        ax.scatter(places[~failed], row[~failed], s=16, color=hue(colours[at]), alpha=0.75, zorder=2)
        # A failed network without a prediction is drawn at the bottom, where nobody takes it for a value.
        low = np.where(np.isnan(row[failed]), -2.0, row[failed])
        ax.scatter(places[failed], low, s=30, marker="X", color=FAILED, ec="white", lw=0.5, zorder=3)
        if not np.isnan(row).all():
            ax.hlines(np.nanmean(row), at - 0.28, at + 0.28, color="black", lw=2, zorder=4)
        count = int((~np.isnan(row)).sum())
        colour = "black" if count == len(row) else FAILED
        above = ax.get_xaxis_transform()  # above all dots, those at 100 % too
        ax.text(at, 0.99, f"n={count}", ha="center", va="top", fontsize=7, color=colour, transform=above)


def _failed(entry: Entry) -> NDArray[np.bool_]:
    """Return the cases that a failed network had to predict, with any seed."""
    names = {
        case
        for run in entry.by_seed.values()
        for failure in run.failures
        for case in run.folds[failure.fold - 1]
    }
    return np.array([case in names for case in entry.cases])


def draw_differences(path: Path, rows: Sequence[Row]) -> None:
    """Draw each row's differences to STAPLE: cases, mean, 95 % interval, and p as in the table."""
    shown = [row for row in rows if row.differences]
    figure = Figure(figsize=(11.5, 1.7 + 1.1 * len(shown)), layout="constrained")
    axes = figure.subplots(2, 3, sharey=True, sharex="col", squeeze=False)
    colours = {row.title: hue(at) for at, row in zip(numbers(rows), rows, strict=True)}
    for ax, (experts, measure) in zip(axes.ravel(), TABLE_1, strict=True):
        for at, row in enumerate(shown):
            one = next(one for one in row.differences if (one.experts, one.measure) == (experts, measure))
            _difference(ax, at, one, colours[row.title])
        ax.axvline(0, color="black", lw=0.8)
        ax.set_title(f"{SHOWN[measure].name} against {AGAINST[experts]}", loc="left", fontsize="medium")
    for ax in axes[0]:
        low, high = ax.get_xlim()
        ax.set_xlim(min(low, -LEAST_POINTS), max(high, LEAST_POINTS))
    axes[0, 0].set_yticks(range(len(shown)), [row.title for row in shown])
    axes[0, 0].set_ylim(len(shown) - 0.4, -0.7)
    for ax in axes[1]:
        ax.set_xlabel("difference to STAPLE, percent points")
    plain(axes.ravel(), "x")
    seeds = max(row.seeds for row in rows)
    over = f"cases and {seeds} seeds" if seeds > 1 else "cases (one seed)"
    figure.suptitle(_told(shown, over), fontsize="small")
    save_anew(figure, path)


def _told(rows: Sequence[Row], over: str) -> str:
    """Return what is drawn: without intervals, as of one case, cases alone."""
    if all(
        np.isnan(one.low) for row in rows for one in row.differences if (one.experts, one.measure) in TABLE_1
    ):
        return "dots: cases; circles: mean; too few cases for an interval or a test"
    return f"dots: cases; bars: mean and 95 % interval over {over}; p: Wilcoxon, corrected by Holm"


def _difference(ax: Any, at: int, one: Difference, colour: str) -> None:
    cases = one.by_case[~np.isnan(one.by_case)]
    ax.scatter(cases, at + 0.22 + np.linspace(-0.07, 0.07, len(cases)), s=9, color=colour, alpha=0.5, lw=0)
    if not len(cases):
        middle = ax.get_yaxis_transform()
        ax.text(0.5, at, "undefined", ha="center", va="center", fontsize=7, color=FAILED, transform=middle)
        return
    if np.isnan(one.low):  # of one case: no interval, and no test
        ax.plot(one.mean, at, marker="o", ms=7, color="white", mec=colour, mew=2)
        return
    ax.plot([one.low, one.high], [at, at], color=colour, lw=3.5, solid_capstyle="butt")
    ax.plot(one.mean, at, marker="o", ms=7, color="white", mec=colour, mew=2)
    n = f", n={one.cases}" if one.cases < len(one.by_case) else ""
    ax.text(one.mean, at - 0.2, f"p {p_text(one.p_holm)}{n}", ha="center", va="bottom", fontsize=7)
