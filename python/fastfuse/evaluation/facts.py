"""What evaluations write: the content of JSON files, and rows of tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..images.paths import recorded
from .record import Record
from .result import NAMES, Evaluation, status_of

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
            {**asdict(lesion), "place_mm": _place(record.image.affine, lesion.voxel)}
            for lesion in record.lesions
        ],
        "warnings": record.remarks,
    }


def head_of(files: Mapping[str, Path], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what begins each JSON: version, method, files or folders, and options."""
    from importlib.metadata import version

    return {
        "fastfuse": version("fastfuse"),
        "method": "evaluation",
        **{what: recorded(files[what]) if what in files else None for what in ROLES},
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


def _place(affine: Any, voxel: tuple[int, int, int]) -> list[float]:
    """Return a voxel's centre in mm, RAS+."""
    return [round(float(at), 4) for at in np.asarray(affine)[:3] @ [*voxel, 1.0]]
