"""Figures of a run: the experts' outlines, consensus masks, training curves, every case's Dice."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ...images import nifti
from ...images.outputs import make_folder
from ...report.plots import cycle, densest_window, frame, legend, mark_sides, outline, overlay, save, show
from ..cohort.loading import load_case
from ..options import METHODS
from ..targets.slices import Frame
from .scores import STAPLE, Score, case_means
from .table import TITLES

if TYPE_CHECKING:
    from ..run import Run

HUES = dict(zip(METHODS, ("#0072b2", "#e69f00", "#d55e00", "#009e73"), strict=True))
Slice = NDArray[Any]


def draw_figures(run: Run, scores: Sequence[Score]) -> None:
    """Draw all figures below the run's folder; the case with the largest consensus stands for the cohort."""
    folder = run.out / "figures"
    make_folder(folder)
    flair, masks, consensus, predicted = _typical_case(run, scores)
    z = int(np.argmax(np.sum([mask != 0 for mask in masks], axis=0).sum(axis=(0, 1))))
    marked = np.sum([mask[:, :, z] != 0 for mask in masks], axis=0)
    window = densest_window(marked)
    draw_outlines(folder / "experts.png", flair[:, :, z], [mask[:, :, z] for mask in masks], window)
    draw_masks(
        folder / "consensus.png",
        flair[:, :, z][window],
        {name: volume[:, :, z][window] for name, volume in consensus.items()},
        {name: volume[:, :, z][window] for name, volume in predicted.items()},
    )
    draw_training(folder / "training.png", _histories(run))
    draw_cases(folder / "cases.png", scores, run.options.methods)


def _typical_case(
    run: Run, scores: Sequence[Score]
) -> tuple[Slice, list[Slice], dict[str, Slice], dict[str, Slice]]:
    """Return FLAIR, masks, consensus and predictions of the case with most lesions, as RAS volumes."""
    against_staple = [score for score in scores if score.reference == STAPLE]
    name = max(against_staple, key=lambda score: score.evaluation.truth_ml).case
    loaded = load_case(run.cases[name], fix_flips=run.options.fix_flips)
    whole = Frame.around(np.ones(loaded.like.data.shape, bool), loaded.like.affine)

    def ras(volume: Slice) -> Slice:
        return whole.cut(volume).transpose(1, 2, 0)

    consensus = {
        method: ras(np.asarray(nifti.read(run.consensus(method, name)).data))
        for method in run.options.methods
    }
    predicted = {
        method: ras(np.asarray(nifti.read(run.prediction(method, name)).data))
        for method in run.options.methods
    }
    return ras(loaded.images["FLAIR"]), [ras(mask) for mask in loaded.masks], consensus, predicted


def draw_outlines(path: Path, flair: Slice, masks: Sequence[Slice], window: tuple[slice, slice]) -> None:
    """Draw the paper's Fig. 1: a slice, and every expert's outline in its densest part."""
    brightest = float(np.percentile(flair, 99.7))
    figure = Figure(figsize=(9.6, 4.4), facecolor="black", layout="constrained")
    whole, zoomed, names = figure.subplots(1, 3, width_ratios=(1, 1, 0.35))
    show(whole, flair, brightest, "FLAIR")
    frame(whole, window, flair.shape[0])
    mark_sides(whole)
    show(zoomed, flair[window], brightest, f"outlines of {len(masks)} experts")
    names.set_axis_off()
    hues = cycle(len(masks))
    for hue, mask in zip(hues, masks, strict=True):
        outline(zoomed, mask[window], hue, 1.2)
    lines = [Line2D([], [], color=hue, label=f"expert {k}") for k, hue in enumerate(hues, start=1)]
    legend(names, lines)
    save(figure, path)


def draw_masks(
    path: Path, flair: Slice, consensus: Mapping[str, Slice], predicted: Mapping[str, Slice]
) -> None:
    """Draw the paper's Fig. 2: each method's consensus, and what a network that learnt from it predicts."""
    brightest = float(np.percentile(flair, 99.7))
    figure = Figure(figsize=(2.7 * len(consensus) + 0.6, 6.2), facecolor="black", layout="constrained")
    axes = figure.subplots(2, len(consensus), squeeze=False)
    for row, (what, found) in enumerate({"consensus": consensus, "prediction": predicted}.items()):
        for ax, (method, probability) in zip(axes[row], found.items(), strict=True):
            show(ax, flair, brightest, f"{TITLES[method]}\n{what}")
            shown = overlay(ax, probability)
    bar = figure.colorbar(shown, ax=axes, fraction=0.02, pad=0.01)
    bar.set_label("probability", color="white")
    bar.ax.tick_params(colors="white")
    save(figure, path)


def _histories(run: Run) -> dict[str, list[NDArray[np.float64]]]:
    """Return each method's trainings, each with columns epoch, loss and validation (nan where there was none)."""
    found: dict[str, list[NDArray[np.float64]]] = {}
    for method in run.options.methods:
        found[method] = []
        for fold in range(1, len(run.folds) + 1):
            path = run.model(method, fold).with_name("training.csv")
            if path.exists():
                with path.open(newline="", encoding="utf-8") as file:
                    rows = [
                        (row["epoch"], row["loss"], row["validation"] or "nan")
                        for row in csv.DictReader(file)
                    ]
                found[method].append(np.array(rows, dtype=np.float64))
    return found


def draw_training(path: Path, histories: Mapping[str, Sequence[NDArray[np.float64]]]) -> None:
    """Draw loss against epoch, a line for each fold."""
    figure = Figure(figsize=(2.9 * len(histories) + 0.5, 3.2), layout="constrained")
    axes = figure.subplots(1, len(histories), sharey=True, squeeze=False)[0]
    for ax, (method, trainings) in zip(axes, histories.items(), strict=True):
        for history in trainings:
            ax.plot(history[:, 0], history[:, 1], color=HUES[method], lw=0.9, alpha=0.7)
            made = ~np.isnan(history[:, 2])
            ax.plot(
                history[made, 0],
                history[made, 2],
                color="#444444",
                lw=0.9,
                ls=":",
                marker=".",
                ms=4,
                alpha=0.8,
            )
        ax.set_title(TITLES[method], loc="left", fontsize="medium")
        ax.set_xlabel("epoch")
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", alpha=0.25)
    axes[0].set_ylabel("soft Dice loss")
    lines = [
        Line2D([], [], color="#777777", label="training"),
        Line2D([], [], color="#444444", ls=":", label="validation"),
    ]
    axes[-1].legend(handles=lines, frameon=False, fontsize="small")
    save(figure, path)


def draw_cases(path: Path, scores: Sequence[Score], methods: Sequence[str]) -> None:
    """Draw every case's Dice by each method: against the experts (mean over them) and against STAPLE."""
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, experts in zip(axes, (True, False), strict=True):
        values = [
            case_means([score for score in scores if score.method == method], "dice", experts)
            for method in methods
        ]
        places = np.arange(len(methods))
        ax.plot(places, np.array(values), color="#bbbbbb", lw=0.7, zorder=1)
        for at, method in enumerate(methods):
            ax.scatter(np.full(len(values[at]), at), values[at], s=16, color=HUES[method], zorder=2)
            ax.hlines(np.mean(values[at]), at - 0.25, at + 0.25, color="black", lw=1.6, zorder=3)
        ax.set_xticks(
            places, [TITLES[method].replace("STAPLE ", "STAPLE\n") for method in methods], fontsize="small"
        )
        title = "against the experts, mean over them" if experts else "against STAPLE's mask"
        ax.set_title(title, loc="left", fontsize="medium")
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", alpha=0.25)
    axes[0].set_ylabel("Dice of each case (bar: mean)")
    save(figure, path)
