"""A row of Table 1 from another method's predictions of a run's test cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import FastfuseError
from ...images.reading import read
from ...inputs.grids import SAME, shift_of
from ..cohort.loading import LoadedCase
from ..cohort.resampling import Move
from ..options import EvaluationOptions
from ..results.entries import TITLES, Entry, Scored
from ..results.failures import empty_networks
from ..results.reliability import reliability_from
from ..results.scores import Score, evaluation_from
from ..run import Run
from ..scoring import References, measure
from .predictions import files_of, read_prediction


def entry_of(title: str, folder: Path, run: Run, evaluation: EvaluationOptions) -> Entry:
    """Score the predictions in a folder against a run's references, fold by fold, as the run's own are.

    The row is paired with the run's seed. Where the run has brought its cases to one grid, so are the predictions, linearly.

    Parameters
    ----------
    title : str
        The row's.
    folder : Path
        As :func:`fastfuse.train.nnunet.predictions.predictions_of` takes it.
    run : Run
    evaluation : EvaluationOptions

    Raises
    ------
    FastfuseError
        If a prediction is missing or does not fit.
    """
    if title in TITLES.values():
        raise FastfuseError(f"--also {title}={folder}: a row has that name already; choose another")
    files = files_of(folder, [run.cases[name] for names in run.folds for name in names])
    scored = Scored(str(folder), run.options, run.folds, [], {})
    for fold, names in enumerate(run.folds, start=1):
        for name in names:
            run.say(f"{name}: measuring {title}")
            case = run.cases[name]
            references = References(run, name)
            prediction = _on_grid(read_prediction(files[name], case), references.loaded)
            found = measure(prediction, references, evaluation)
            scored.reliability[title, name] = reliability_from(found["reliability"])
            scored.scores.extend(
                Score(title, fold, name, case.center, reference, evaluation_from(values))
                for reference, values in found["scores"].items()
            )
    scored.failures.extend(empty_networks(scored.scores))
    return Entry(title, title, {run.options.seed: scored})


def _on_grid(values: NDArray[np.float32], loaded: LoadedCase) -> NDArray[np.float32]:
    """Return a prediction of the case's own grid on that of the run."""
    own, like = read(loaded.case.images["FLAIR"]), loaded.like
    if own.data.shape == like.data.shape and shift_of(own.grid, like.grid) <= SAME:
        return values
    return Move.between(own.data.shape, own.affine, like.data.shape, like.affine).image(values)
