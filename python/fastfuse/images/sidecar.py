"""The JSON file beside an image that says how the image came about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


def sidecar_path(image: Path) -> Path:
    """Return where the JSON beside a NIfTI file lies."""
    name = image.name
    return image.with_name(name[: name.lower().rfind(".nii")] + ".json")


def sidecar_bytes(facts: dict[str, Any]) -> bytes:
    """Serialise what a sidecar says."""
    return (json.dumps(facts, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()


def number_or_null(value: Any) -> Any:
    """Return a float, or a list of them, as JSON takes it: nan, which nothing determines, becomes null."""
    if np.ndim(value):
        return [number_or_null(one) for one in value]
    return None if np.isnan(value) else float(value)
