"""What evaluations write: the content of JSON files, and rows of tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import as_written
from ..images.paths import recorded
from ..images.written.cells import csv_bytes
from .options import Options
from .record import Record
from .result import NAMES, Evaluation, status_of
from .summary import FolderEvaluation, Summary

ROLES = ("prediction", "truth", "mask")


def facts_of_pair(record: Record) -> dict[str, Any]:
    """Return the content of the JSON about two files."""
    options = {
        **record.options.recorded,
        "spacing_mm": record.space.spacing_mm,
        "voxel_mm3": record.space.voxel_mm3,
    }
    return {
        **head_of(record.files, options),
        **measures_of(record.evaluation),
        "status": statuses_of(record.evaluation),
        "lesions": [
            {"number": number, **asdict(lesion), "place_mm": _place(record.image.affine, lesion.voxel)}
            for number, lesion in enumerate(record.lesions, 1)
        ],
        "grid": dict(record.grid),
        "warnings": record.remarks,
    }


def facts_of_folders(
    folders: Mapping[str, Path], options: Options, result: FolderEvaluation, remarks: list[str]
) -> dict[str, Any]:
    """Return the content of the JSON about two folders."""
    pooled = {**asdict(result.pooled), "dice": result.pooled.dice}
    return {
        **head_of(folders, options.recorded),
        "matched_by": dict(result.matched_by),
        "missing_predictions": [recorded(name) for name in result.missing_predictions],
        "missing_truths": [recorded(name) for name in result.missing_truths],
        "failed": {recorded(name): reason for name, reason in result.failed.items()},
        "summary": {name: _summary(one) for name, one in result.summary.items()},
        "pooled": pooled,
        **({"cropped": [recorded(name) for name in result.cropped]} if result.cropped else {}),
        "cases": {
            recorded(name): {**measures_of(one), "status": statuses_of(one)}
            for name, one in result.cases.items()
        },
        "warnings": remarks,
    }


def csv_of_cases(result: FolderEvaluation) -> bytes:
    """Return a CSV with a row for each case: nan is undefined, inf infinite, empty not asked for.

    If cases failed, they come last, without measures, and one more column says why.
    """
    rows = [
        [recorded(name), *(getattr(one, measure) for measure in NAMES)] for name, one in result.cases.items()
    ]
    head = ["case", *NAMES]
    if result.failed:
        head, rows = [*head, "failed"], [[*row, ""] for row in rows]
        rows += [
            [recorded(name), *[""] * len(NAMES), as_written(reason)] for name, reason in result.failed.items()
        ]
    return csv_bytes([head, *rows])


def head_of(files: Mapping[str, Path], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what begins each JSON: version, method, files or folders, and options."""
    from importlib.metadata import version

    return {
        "fastfuse": version("fastfuse"),
        "method": "evaluation",
        **{what: recorded(files[what]) if what in files else None for what in ROLES},
        **({"image": recorded(files["image"])} if "image" in files else {}),
        "options": dict(options),
    }


def measures_of(result: Evaluation) -> dict[str, Any]:
    """Return all measures for JSON: null if undefined, infinite or not asked for; see :func:`statuses_of`."""
    return {name: finite_or_none(getattr(result, name)) for name in NAMES}


def statuses_of(result: Evaluation) -> dict[str, str]:
    """Return "undefined" or "infinite" for each measure that JSON cannot hold."""
    found = {name: status_of(getattr(result, name)) for name in NAMES}
    return {name: status for name, status in found.items() if status is not None}


def finite_or_none(value: float | None) -> float | None:
    """Return a number that JSON can hold, None in place of any other."""
    return value if value is not None and math.isfinite(value) else None


def _summary(summary: Summary) -> dict[str, Any]:
    values = asdict(summary)
    numbers = {name: finite_or_none(value) for name, value in values.items()}
    status = {name: status_of(value) for name, value in values.items()}
    return {**numbers, "status": {name: one for name, one in status.items() if one is not None}}


def _place(affine: Any, voxel: tuple[int, int, int]) -> list[float]:
    """Return a voxel's centre in mm, RAS+."""
    return [round(float(at), 4) for at in np.asarray(affine)[:3] @ [*voxel, 1.0]]
