"""Figures of a run, or of several: reads the files that they show, and has them drawn."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..images.outputs import make_folder
from ..images.paths import shown
from ..images.reading import read
from .cohort.common_grid import load_for
from .cohort.loading import LoadedCase
from .results.entries import Entry, title_of
from .results.plots.brain import View, draw_experts, draw_masks, most_marked
from .results.plots.cases import draw_cases, draw_differences
from .results.plots.reliability import draw_reliability
from .results.plots.training import History, draw_training
from .results.table import Row
from .run import Run
from .targets.slices import Frame

Volume = NDArray[Any]


def draw_figures(
    runs: Sequence[Run], entries: Sequence[Entry], rows: Sequence[Row], folder: Path, cut: float = 0.5
) -> None:
    """Draw all figures in a folder; slices are the first run's, predictions outlined at ``cut``."""
    make_folder(folder)
    name = typical_case(entries)
    if name is not None:
        _draw_slices(runs[0], name, folder, cut)
    draw_training(folder / "training.png", _histories(runs, entries))
    draw_cases(folder / "cases.png", entries)
    draw_reliability(folder / "reliability.png", entries)
    if any(row.differences for row in rows):
        draw_differences(folder / "differences.png", rows)


def typical_case(entries: Sequence[Entry]) -> str | None:
    """Return the case in the middle: of all cases, the median in Dice against the experts, mean over rows and seeds."""
    values = np.concatenate([entry.values((True, "dice")) for entry in entries])
    cases = entries[0].cases
    complete = [at for at in range(len(cases)) if not np.isnan(values[:, at]).all()]
    if not complete:
        return None
    order = sorted(complete, key=lambda at: float(np.nanmean(values[:, at])))
    return cases[order[(len(order) - 1) // 2]]


def _draw_slices(run: Run, name: str, folder: Path, cut: float) -> None:
    loaded = load_for(run.cases[name], run.options)
    ras = _ras(loaded)
    masks = [ras(mask) for mask in loaded.masks]
    z = most_marked(masks)
    numbers = {number for case in run.cases.values() for number in case.raters}
    view = replace(_view(loaded, ras(loaded.images["FLAIR"]), masks, z), of=len(numbers))
    draw_experts(folder / "experts.png", view)
    consensus, predicted = {}, {}
    for method in run.options.methods:
        title = title_of(method, run.options)
        run.check_unchanged(method, name, run.consensus(method, name))
        consensus[f"{title}\nconsensus"] = ras(np.asarray(read(run.consensus(method, name)).data))[:, :, z]
        if (path := run.scored(method, name)).exists():
            predicted[f"{title}\nprediction"] = ras(np.asarray(read(path).data))[:, :, z]
    draw_masks(folder / "consensus.png", view, consensus, predicted, view.votes >= len(masks) / 2, cut)


def _ras(loaded: LoadedCase) -> Callable[[Volume], Volume]:
    """Return a function that brings the case's volumes to RAS order."""
    whole = Frame.around(np.ones(loaded.like.data.shape, bool), loaded.like.affine)
    return lambda volume: whole.cut(volume).transpose(1, 2, 0)


def _view(loaded: LoadedCase, flair: Volume, masks: Sequence[Volume], z: int) -> View:
    whole = Frame.around(np.ones(loaded.like.data.shape, bool), loaded.like.affine)
    sides = [loaded.like.grid.spacing_mm[axis] for axis in whole.axes]
    middle = [(extent - 1) / 2 for extent in loaded.like.data.shape]
    up = whole.axes[2]
    middle[up] = loaded.like.data.shape[up] - 1 - z if 2 in whole.reversed_axes else z
    height = round(float((loaded.like.affine @ [*middle, 1])[2])) + 0  # no -0
    case = loaded.case
    title = (
        f"{case.name}, {case.center}: the case of median Dice; axial slice at S = {height:+.0f} mm "
        "with most of the experts' voxels, seen from the feet"
    )
    marked = [mask[:, :, z] for mask in masks]
    return View(title, flair[:, :, z], marked, (sides[0], sides[1]), case.raters)


def _histories(runs: Sequence[Run], entries: Sequence[Entry]) -> dict[str, dict[str, list[History]]]:
    """Return the trainings of each seed and row of the table."""
    by_name = {str(run.out): run for run in runs}
    found: dict[str, dict[str, list[History]]] = {}
    for entry in entries:
        for seed, scored in entry.by_seed.items():
            run = by_name.get(scored.name)
            if run is None:  # trained elsewhere
                continue
            histories = [_history(run, entry.method, fold) for fold in range(1, len(run.folds) + 1)]
            found.setdefault(f"seed {seed}", {})[entry.title] = histories
    return found


def _history(run: Run, method: str, fold: int) -> History:
    """Return a training; without epochs where its file is missing, damaged or another."""
    path = run.model(method, fold).with_name("training.csv")
    rows: list[tuple[float, ...]] = []
    if run.has_changed(method, fold, path):
        run.tell(f"{shown(path)}: is not as the run wrote it; its curve is left out")
        return History(fold, np.empty((0, 3)), run.failure(method, fold) or "")
    with (
        suppress(OSError, ValueError, TypeError, LookupError, csv.Error),
        path.open(newline="", encoding="utf-8") as file,
    ):
        lines = csv.DictReader(file)
        rows = [(float(one["epoch"]), float(one["loss"]), float(one["validation"] or "nan")) for one in lines]
    return History(fold, np.array(rows, dtype=np.float64).reshape(-1, 3), run.failure(method, fold) or "")
