"""A row of Table 1 from another method's predictions of a run's test cases."""

from __future__ import annotations

from pathlib import Path

from ...errors import FastfuseError
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
        If a prediction is missing or does not fit, or the run has brought its cases to one grid.
    """
    if title in TITLES.values():
        raise FastfuseError(f"--also {title}={folder}: a row has that name already; choose another")
    if run.options.grid.used:
        raise FastfuseError(
            f"--also {title}={folder}: the run has brought its cases to one grid, where these predictions are not; give "
            "a run without --spacing and --grid"
        )
    files = files_of(folder, [run.cases[name] for names in run.folds for name in names])
    scored = Scored(str(folder), run.options, run.folds, [], {})
    for fold, names in enumerate(run.folds, start=1):
        for name in names:
            run.say(f"{name}: measuring {title}")
            case = run.cases[name]
            found = measure(read_prediction(files[name], case), References(run, name), evaluation)
            scored.reliability[title, name] = reliability_from(found["reliability"])
            scored.scores.extend(
                Score(title, fold, name, case.center, reference, evaluation_from(values))
                for reference, values in found["scores"].items()
            )
    scored.failures.extend(empty_networks(scored.scores))
    return Entry(title, title, {run.options.seed: scored})
