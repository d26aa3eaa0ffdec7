"""The demo's results as plain data, for JSON."""

from __future__ import annotations

from typing import Any

from ..evaluation.overlap import Overlap
from ..images.paths import recorded
from ..images.sidecar import number_or_null
from .case import DemoResult
from .cohort import CohortResult

MEASURES = ("dice", "precision", "recall", "specificity")


def facts_of_case(result: DemoResult) -> dict[str, Any]:
    """Return each method's overlap with the truth, and each rater's true and estimated rates."""
    return {
        "folder": recorded(result.figure.parent),
        "figure": recorded(result.figure),
        "cut": 0.5,
        "margin_mm": result.margin_mm,
        "methods": [
            {
                "method": row.method,
                "votes": row.votes,
                **_measures(row.overlap),
                "within_margin": _measures(row.near),
                "n_iter": row.fusion.n_iter,
                "seconds": row.seconds,
            }
            for row in result.methods
        ],
        "raters": [
            {
                "name": rater.name,
                **_measures(rater.overlap),
                "estimated": {
                    row.method: {
                        "sensitivity": number_or_null(row.fusion.sensitivity[i]),
                        "specificity": number_or_null(row.fusion.specificity[i]),
                    }
                    for row in result.methods
                },
            }
            for i, rater in enumerate(result.raters)
        ],
        "note": result.note,
    }


def facts_of_cohort(result: CohortResult) -> dict[str, Any]:
    """Return the raters' rates, averaged over the cases."""
    return {
        "folder": recorded(result.directory),
        "cases": list(result.cases),
        "raters": {
            name: {what: number_or_null(value) for what, value in row.items()}
            for name, row in result.mean_of_raters().items()
        },
        "note": result.note,
    }


def _measures(found: Overlap) -> dict[str, float | None]:
    return {name: number_or_null(getattr(found, name)) for name in MEASURES}
