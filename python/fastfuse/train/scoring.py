"""Scores of a run's predictions, kept beside them for the evaluation's options they were made with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CohortError, FastfuseError, ImageError, OutputError
from ..images.outputs import write_all
from ..images.paths import shown
from ..images.reading import read
from ..images.sidecar import json_of, sidecar_bytes
from .cohort.common_grid import brain_of, check_grid, load_for
from .cohort.loading import LoadedCase, hash_of
from .options import EvaluationOptions
from .provenance import files_of
from .results import reliability as calibration
from .results.entries import Scored
from .results.failures import Failure, empty_networks
from .results.reliability import Reliability, reliability_from, reliability_of
from .results.scores import (
    STAPLE,
    Score,
    evaluation_from,
    facts_of,
    lesions_below,
    references_of,
    score_case,
)  # fmt: skip
from .run import Run

FORM = 3  # of what is kept: another number, and all is measured again
COUNTS = ("marked", "lesions_below", "lesions")
Key = tuple[str, str]  # method and case


def score(run: Run, evaluation: EvaluationOptions) -> Scored:
    """Return the scores of all of a run's predictions.

    Raises
    ------
    FastfuseError
        If a prediction is missing whose training has not failed.
    """
    scores: list[Score] = []
    reliability: dict[Key, Reliability] = {}
    marked: dict[Key, int] = {}
    small: dict[str, tuple[int, int]] = {}
    failures = []
    for method in run.options.methods:
        if lost := run.cases_without_prediction(method):
            raise FastfuseError(
                f"{shown(run.out)}: predictions of {method} are missing ({', '.join(lost)}); "
                "end the run first, by fastfuse experiment --resume"
            )
    for fold, names in enumerate(run.folds, start=1):
        failed = {method: run.failure(method, fold) for method in run.options.methods}
        failures += [Failure(method, fold, why) for method, why in failed.items() if why is not None]
        for name in names:
            references = References(run, name)
            run.check_unchanged("staple", name, references.staple)
            for method in (method for method, why in failed.items() if why is None):
                found = _scored(run, method, name, references, evaluation)
                scores += _scores(found["scores"], method, fold, name, run.cases[name].center)
                reliability[method, name] = reliability_from(found["reliability"])
                marked[method, name] = found["marked"]
                small[name] = (found["lesions_below"], found["lesions"])
    order = {method: at for at, method in enumerate(run.options.methods)}
    scores.sort(key=lambda score: order[score.method])
    failures += empty_networks(scores, marked)
    return Scored(str(run.out), run.options, run.folds, scores, reliability, failures, small)


@dataclass
class References:
    """What a case's predictions are held against; read when a score is missing."""

    run: Run
    name: str

    @cached_property
    def loaded(self) -> LoadedCase:
        """The case; its files must be those of the run."""
        self.run.say(f"{self.name}{self.run.among}: measuring")
        case = self.run.cases[self.name]
        record = json_of(self.run.out / "run.json")
        for what, path in files_of(case).items():
            if record["files"].get(self.name, {}).get(what) != hash_of(path):
                raise CohortError(f"{shown(path)}: has changed since the run; put back the file that it read")
        check_grid(self.run.options.grid, record["files"])
        return load_for(case, self.run.options)

    @cached_property
    def masks(self) -> dict[str, NDArray[Any]]:
        """Each expert's mask, and STAPLE's."""
        loaded = self.loaded
        return references_of(loaded.case.raters, loaded.masks, _read(self.staple, "consensus"))

    @property
    def staple(self) -> Path:
        """The consensus that is a reference."""
        return self.run.consensus("staple", self.name)


def _scored(
    run: Run, method: str, name: str, references: References, evaluation: EvaluationOptions
) -> Mapping[str, Any]:
    """Return a prediction's scores and reliability, from the file beside it where it holds them."""
    path = run.scored(method, name)
    run.check_unchanged(method, name, path)
    kept, digest = run.prediction(method, name).with_name(f"{name}.json"), hash_of(path)
    facts = [FORM, hash_of(references.staple), asdict(evaluation)]
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    held = _held(kept, digest)
    if kept.exists() and _is_damaged(kept):
        run.tell(f"{shown(kept)}: is not as the run wrote it; measured again")
    if key not in held:
        held[key] = {
            "evaluation": asdict(evaluation),
            **measure(_read(path, "prediction"), references, evaluation),
        }
        content = {"sha256": digest, "sha256_of_scores": _hash_of(held), "scored": held}
        try:
            write_all({kept: sidecar_bytes(content)})
        except OutputError as error:  # of a run that can only be read: they are measured again next time
            run.tell(f"{error}: its scores are used, and not kept")
    found: Mapping[str, Any] = held[key]
    return found


def _held(path: Path, digest: str) -> dict[str, Any]:
    """Return all scores beside a prediction; none if they are damaged, or belong to an earlier prediction."""
    facts = json_of(path)
    if (
        not isinstance(facts, dict)
        or facts.get("sha256") != digest
        or not isinstance(facts.get("scored"), dict)
        or facts.get("sha256_of_scores") != _hash_of(facts["scored"])
    ):
        return {}
    return {key: one for key, one in facts["scored"].items() if _complete(one)}


def _is_damaged(path: Path) -> bool:
    facts = json_of(path)
    if not isinstance(facts, dict) or not isinstance(facts.get("scored"), dict):
        return True
    return bool(facts.get("sha256_of_scores") != _hash_of(facts["scored"]))


def _hash_of(scored: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(scored, sort_keys=True).encode()).hexdigest()


def _complete(facts: Any) -> bool:
    """Tell whether scores can be read."""
    try:
        reliability_from(facts["reliability"])
        if not all(isinstance(facts[name], int) for name in COUNTS):
            return False
        return all(evaluation_from(values) is not None for values in facts["scores"].values())
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def measure(
    probability: NDArray[Any], references: References, evaluation: EvaluationOptions
) -> dict[str, Any]:
    """Return a prediction's scores and reliability, as they are kept."""
    loaded = references.loaded
    spacing_mm = loaded.like.grid.spacing_mm
    found = score_case(probability, references.masks, spacing_mm, evaluation)
    below, lesions = lesions_below(references.masks[STAPLE], spacing_mm, evaluation)
    brain = brain_of(loaded.brain, loaded.images["FLAIR"])
    return {
        "scores": {reference: facts_of(one) for reference, one in found.items()},
        "reliability": calibration.facts_of(reliability_of(probability, loaded.masks, brain)),
        "marked": int(np.count_nonzero(probability >= evaluation.cut)),
        "lesions_below": below,
        "lesions": lesions,
    }


def _scores(facts: Mapping[str, Any], method: str, fold: int, name: str, center: str) -> list[Score]:
    return [
        Score(method, fold, name, center, reference, evaluation_from(values))
        for reference, values in facts.items()
    ]


def _read(path: Path, what: str) -> NDArray[Any]:
    try:
        return read(path).data
    except ImageError as error:
        raise ImageError(f"{error}; delete this {what}, and --resume makes it again") from error
