"""A run's figures: reads the files that they show, and has them drawn."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..images.outputs import make_folder
from ..images.reading import read
from ..report.plots import densest_window
from .cohort.common_grid import load_for
from .results.plots import draw_cases, draw_masks, draw_outlines, draw_training
from .results.scores import STAPLE, Score
from .run import Run
from .targets.slices import Frame

Slice = NDArray[Any]


def draw_figures(run: Run, scores: Sequence[Score]) -> None:
    """Draw all figures in the run's folder; the case with most lesions is the example."""
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
    loaded = load_for(run.cases[name], run.options)
    whole = Frame.around(np.ones(loaded.like.data.shape, bool), loaded.like.affine)

    def ras(volume: Slice) -> Slice:
        return whole.cut(volume).transpose(1, 2, 0)

    consensus = {
        method: ras(np.asarray(read(run.consensus(method, name)).data)) for method in run.options.methods
    }
    predicted = {
        method: ras(np.asarray(read(run.scored(method, name)).data)) for method in run.options.methods
    }
    return ras(loaded.images["FLAIR"]), [ras(mask) for mask in loaded.masks], consensus, predicted


def _histories(run: Run) -> dict[str, list[NDArray[np.float64]]]:
    """Return each method's trainings, with columns epoch, loss and validation (nan in epochs without it)."""
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
