"""Training curves: loss against epoch, a line for each fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ....report.plots.pictures import save_anew
from .palette import FAILED, hue, plain, shape


@dataclass(frozen=True)
class History:
    """A training: columns epoch, loss and validation (nan in epochs without it), and why it failed, if it did."""

    fold: int
    epochs: NDArray[np.float64]
    failure: str = ""

    @property
    def validated(self) -> bool:
        """Whether any epoch has a validation loss."""
        return not bool(np.isnan(self.epochs[:, 2]).all())

    @property
    def chosen(self) -> tuple[float, float] | None:
        """Epoch whose weights were kept, and its loss: the lowest validation loss, or the last without validation."""
        made = self.epochs[~np.isnan(self.epochs[:, 2])]
        if len(made):
            best = made[np.argmin(made[:, 2])]
            return float(best[0]), float(best[2])
        if not len(self.epochs):
            return None
        return float(self.epochs[-1, 0]), float(self.epochs[-1, 1])


Curves = Mapping[str, Sequence[History]]  # by the title of a method


def draw_training(path: Path, runs: Mapping[str, Curves]) -> None:
    """Draw a row of panels for each run, by its name, and a column for each method."""
    columns = list(dict.fromkeys(title for curves in runs.values() for title in curves))
    figure = Figure(figsize=(2.9 * len(columns) + 1.5, 2.7 * len(runs) + 0.6), layout="constrained")
    axes = figure.subplots(len(runs), len(columns), sharex=True, sharey=True, squeeze=False)
    for row, (name, curves) in zip(axes, runs.items(), strict=True):
        for ax, title in zip(row, columns, strict=True):
            for history in curves.get(title, ()):
                _curve(ax, history)
            if title not in curves:
                ax.set_axis_off()
        row[0].set_ylabel(f"{name}\nsoft Dice loss" if len(runs) > 1 else "soft Dice loss")
    for ax, title in zip(axes[0], columns, strict=True):
        ax.set_title(title, loc="left", fontsize="medium")
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    plain(axes.ravel(), "y")
    folds = sorted(
        {one.fold for curves in runs.values() for histories in curves.values() for one in histories}
    )
    drawn = [one for curves in runs.values() for found in curves.values() for one in found]
    validated = any(one.validated for one in drawn)
    failed = any(one.failure for one in drawn)
    handles = _legend(folds, _kept_epoch(drawn), validated=validated, failed=failed)
    figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize="small")
    save_anew(figure, path)


def _curve(ax: Any, history: History) -> None:
    """Draw one training: the loss as a thin line, the validation's as marks on a broken one."""
    colour, mark = hue(history.fold - 1), shape(history.fold - 1)
    epochs = history.epochs
    ax.plot(epochs[:, 0], epochs[:, 1], color=colour, lw=1.0, alpha=0.6)
    made = epochs[~np.isnan(epochs[:, 2])]
    ax.plot(made[:, 0], made[:, 2], color=colour, lw=1.0, ls=":", marker=mark, ms=3, mew=0)
    if history.failure:
        last = epochs[-1, :2] if len(epochs) else (1, 1)
        ax.plot(*last, color=FAILED, marker="X", ms=10, mec="white", zorder=5, ls="")
    elif history.chosen:
        ax.plot(*history.chosen, color=colour, marker=mark, ms=6.5, mec="black", mew=1, zorder=4, ls="")


def _kept_epoch(drawn: Sequence[History]) -> str:
    """Say what the epochs are whose weights were kept: without validation nothing chooses one."""
    kept = {one.validated for one in drawn if not one.failure and one.chosen}
    if len(kept) > 1:
        return "chosen, or last epoch"
    return "chosen epoch" if True in kept else "last epoch" if kept else ""


def _legend(folds: Sequence[int], kept: str, *, validated: bool, failed: bool) -> list[Line2D]:
    lines = [
        Line2D([], [], color=hue(fold - 1), marker=shape(fold - 1), ms=4, label=f"fold {fold}")
        for fold in folds
    ]
    grey: dict[str, Any] = {"color": "#555555"}
    lines.append(Line2D([], [], lw=1.0, label="training", **grey))
    if validated:
        lines.append(Line2D([], [], ls=":", marker="o", ms=3, label="validation", **grey))
    if kept:
        lines.append(Line2D([], [], ls="", marker="o", ms=6.5, mec="black", label=kept, **grey))
    if failed:
        lines.append(Line2D([], [], ls="", marker="X", ms=9, color=FAILED, label="training failed"))
    return lines
