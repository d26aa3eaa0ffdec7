"""The last stage of a run: scores of every prediction, tables, figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import ImageError
from ..images.reading import read
from ..images.sidecar import sidecar_bytes
from .cohort.loading import hash_of, load_case
from .files import json_of, write_all
from .provenance import notes_of
from .results import table
from .results.scores import (
    Score,
    csv_bytes,
    empty_folds,
    evaluation_from,
    facts_of,
    references_of,
    score_case,
)
from .results.table import Row
from .run import Run


def conclude(run: Run) -> list[Row]:
    """Score every prediction, write the tables, draw the figures."""
    scores = [
        score
        for number, names in enumerate(run.folds, start=1)
        for name in names
        for score in _scores_of_case(run, number, name)
    ]
    order = {method: at for at, method in enumerate(run.options.methods)}
    scores.sort(key=lambda score: order[score.method])
    rows = table.rows_of(scores, run.options.methods)
    write_all(
        {
            run.out / "metrics.csv": csv_bytes(scores),
            run.out / "table1.md": table.markdown(rows, _about(run)).encode(),
            run.out / "table1.csv": table.csv_bytes(rows),
            run.out / "table1.tex": table.latex(rows).encode(),
        }
    )
    for method, fold in empty_folds(scores):
        run.narrator.tell(
            f"warning: the network of {method}, fold {fold}, marks nothing: its training has failed; "
            "try another seed, a lower training.learning_rate or network.start=0.02"
        )
    from .figures import draw_figures

    run.say("drawing")
    draw_figures(run, scores)
    return rows


def _about(run: Run) -> str:
    """Return the table's caption: cases, folds, seed, preset, epochs."""
    options = run.options
    return (
        f"{len(run.cases)} cases of {run.cohort.name}, {len(run.folds)} folds, seed {options.seed}, "
        f"preset {options.preset}, {options.training.epochs} epochs of {options.training.steps} steps"
        + "".join(f". {note.rstrip('.')}" for note in notes_of(run.out))
    )


def _scores_of_case(run: Run, fold: int, name: str) -> list[Score]:
    """Return a case's scores by every method, from the file beside a prediction where it is up to date."""
    case, options = run.cases[name], run.options
    references: dict[str, Any] | None = None
    scores = []
    for method in options.methods:
        path = run.prediction(method, name)
        kept = path.with_name(f"{name}.json")
        digest = hash_of(path)
        facts = _kept(kept, digest)
        if facts is None:
            run.say(f"{name}: measuring {method}")
            if references is None:
                loaded = load_case(case, fix_flips=options.fix_flips)
                staple = read(run.consensus("staple", name)).data
                references = references_of(loaded.masks, staple)
            found = score_case(_prediction(path), references, loaded.like.grid.spacing_mm, options.evaluation)
            facts = {reference: facts_of(evaluation) for reference, evaluation in found.items()}
            write_all({kept: sidecar_bytes({"sha256": digest, "scores": facts})})
        scores += [
            Score(method, fold, name, case.center, reference, evaluation_from(values))
            for reference, values in facts.items()
        ]
    return scores


def _kept(path: Path, digest: str) -> dict[str, Any] | None:
    """Return the scores beside a prediction; None if there are none, or they belong to an earlier prediction."""
    facts = json_of(path)
    if not isinstance(facts, dict) or facts.get("sha256") != digest:
        return None
    scores: dict[str, Any] = facts["scores"]
    return scores


def _prediction(path: Path) -> NDArray[Any]:
    try:
        return read(path).data
    except ImageError as error:
        raise ImageError(f"{error}; delete it, and --resume makes it again") from error
