"""The sidecar: a JSON file beside an image that records how the image was made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import facts_as_written
from .outputs import Outputs, check_outputs
from .written.endings import DICOM, SEGMENTS


def sidecar_path(image: Path) -> Path:
    """Return the path of the JSON beside an image that was written."""
    name = image.name
    for ending in (SEGMENTS, DICOM):
        if name.lower().endswith(ending):
            return image.parent / f"{name[: -len(ending)]}.json"
    return image.parent / f"{name[: name.lower().rfind('.nii')]}.json"  # of a name that is missing, too


def sidecar_bytes(facts: dict[str, Any]) -> bytes:
    """Serialise the content of a sidecar, its warnings for who asked for it."""
    return (
        json.dumps(facts_as_written(facts), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    ).encode()


def check_reports(output: Path | None, figure: Path | None, inputs: list[Path], *, overwrite: bool) -> None:
    """Refuse early a JSON and a figure that must not, or cannot, be written."""
    for path, suffix in ((output, ".json"), (figure, ".png")):
        if path is not None:
            check_outputs([path], inputs, (suffix,), overwrite=overwrite)


def write_facts(path: Path | None, facts: dict[str, Any], *, overwrite: bool) -> None:
    """Write facts as JSON, completely or not at all, if there is a path."""
    if path is not None:
        with Outputs(overwrite=overwrite) as outputs:
            outputs.add(path, sidecar_bytes(facts))
            outputs.commit()


def read_sidecar(image: Path) -> dict[str, Any]:
    """Return the content of the JSON beside a NIfTI file."""
    facts: dict[str, Any] = json.loads(sidecar_path(image).read_text(encoding="utf-8"))
    return facts


def json_of(path: Path) -> Any:
    """Return the content of a JSON file; None if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def number_or_null(value: Any) -> Any:
    """Return a float, or a list of floats, for JSON, with None (null) for nan."""
    if np.ndim(value):
        return [number_or_null(one) for one in value]
    return None if np.isnan(value) else float(value)
