"""Scores of predictions against each expert and against STAPLE, per case and pooled over a fold as in the paper.

The paper counts the voxels of a fold's cases together, and averages measures over the experts, then over the folds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from ...evaluation.components import drop_small, large_and_small
from ...evaluation.evaluate import evaluate
from ...evaluation.overlap import Overlap
from ...evaluation.result import Evaluation
from ..options import EvaluationOptions

STAPLE = "STAPLE"
MEASURES = ("dice", "precision", "recall")


@dataclass(frozen=True)
class Score:
    """One prediction against one reference: an expert's mask or STAPLE's, cut at 0.5."""

    method: str
    fold: int
    case: str
    center: str
    reference: str
    evaluation: Evaluation

    @property
    def overlap(self) -> Overlap:
        """True and false positives and negatives."""
        found = self.evaluation
        return Overlap(
            found.true_positives, found.false_positives, found.false_negatives, found.true_negatives
        )


def references_of(
    raters: Sequence[int], masks: Sequence[NDArray[Any]], staple: NDArray[Any]
) -> dict[str, NDArray[Any]]:
    """Return the references by name: each expert's mask, by their number, and STAPLE's."""
    named = {f"expert {number}": mask for number, mask in zip(raters, masks, strict=True)}
    return {**named, STAPLE: staple >= 0.5}


def score_case(
    probability: NDArray[Any],
    references: Mapping[str, NDArray[Any]],
    spacing_mm: Sequence[float],
    options: EvaluationOptions,
) -> dict[str, Evaluation]:
    """Return the evaluation of a prediction against each reference."""
    mask = mask_of(probability, spacing_mm, options)
    joined = cast("Literal[6, 18, 26]", options.connectivity)
    return {
        name: evaluate(mask, truth, spacing_mm=spacing_mm, connectivity=joined)
        for name, truth in references.items()
    }


def mask_of(
    probability: NDArray[Any], spacing_mm: Sequence[float], options: EvaluationOptions
) -> NDArray[np.uint8]:
    """Return the mask that is scored: the probability cut, without small components."""
    least = options.least_on(math.prod(spacing_mm))
    return drop_small(probability >= options.cut, least, options.connectivity)


def lesions_below(
    truth: NDArray[Any], spacing_mm: Sequence[float], options: EvaluationOptions
) -> tuple[int, int]:
    """Return how many of a reference's components would be dropped from a prediction, and how many it has."""
    least = options.least_on(math.prod(spacing_mm))
    kept, dropped = large_and_small(truth, least, options.connectivity)
    return dropped, dropped + int(kept.max(initial=0))


def pooled(scores: Iterable[Score]) -> Overlap:
    """Return the overlap of several cases' voxels together."""
    counts = np.sum([tuple(asdict(score.overlap).values()) for score in scores], axis=0)
    return Overlap(*(int(count) for count in counts))


def paper_measures(scores: Sequence[Score], experts: bool) -> dict[str, tuple[float, int]]:
    """Return Dice, precision and recall as in Table 1, of one method's scores: against the experts, or STAPLE.

    Each comes with the number of folds in its mean: undefined measures, such as the precision of empty predictions, are
    left out.
    """
    found = {measure: [] for measure in MEASURES}  # type: dict[str, list[float]]
    for fold in sorted({score.fold for score in scores}):
        mine = [score for score in scores if score.fold == fold and (score.reference != STAPLE) == experts]
        per_reference = [
            pooled(score for score in mine if score.reference == reference)
            for reference in sorted({score.reference for score in mine})
        ]
        for measure in MEASURES:
            found[measure].append(mean_of_defined(getattr(overlap, measure) for overlap in per_reference))
    return {
        measure: (mean_of_defined(values), sum(not math.isnan(value) for value in values))
        for measure, values in found.items()
    }


def case_means(scores: Sequence[Score], measure: str, experts: bool) -> dict[str, float]:
    """Return one method's measure for each case: the mean over the experts, or the one against STAPLE.

    Undefined and infinite values, as distances to an empty mask, are left out; nan where nothing else is.
    """
    by_case: dict[str, list[float]] = {}
    for score in scores:
        if (score.reference != STAPLE) == experts:
            by_case.setdefault(score.case, []).append(float(getattr(score.evaluation, measure)))
    return {
        case: mean_of_defined(value if math.isfinite(value) else math.nan for value in values)
        for case, values in by_case.items()
    }


def facts_of(evaluation: Evaluation) -> dict[str, float | int | str | None]:
    """Return an evaluation for JSON, with nan and infinite values as text."""
    facts = asdict(evaluation)
    return {
        name: value if value is None or math.isfinite(value) else str(value) for name, value in facts.items()
    }


def evaluation_from(facts: Mapping[str, Any]) -> Evaluation:
    """Return the evaluation that :func:`facts_of` wrote."""
    values: Any = {name: float(value) if isinstance(value, str) else value for name, value in facts.items()}
    return Evaluation(**values)


def mean_of_defined(values: Iterable[float]) -> float:
    """Return the mean of the values that are not nan; nan if there are none."""
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")
