"""A network's regions by name and label, from the dataset.json that nnU-Net copies beside its predictions."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

NAME = "dataset.json"
NO_REGIONS = ("background", "ignore")
MOST_BYTES = 1 << 24


def regions_of(folder: Path, count: int) -> dict[str, tuple[int, ...]]:
    """Return the dataset's regions and their labels, in the order of the channels; nothing if it does not tell."""
    labels: Any = None
    with suppress(OSError, ValueError, AttributeError, RecursionError):
        path = folder / NAME
        if path.stat().st_size <= MOST_BYTES:
            labels = json.loads(path.read_text(encoding="utf-8")).get("labels")
    if not isinstance(labels, dict):
        return {}
    found = {
        name: _integers(held)
        for name, held in labels.items()
        if name.lower() not in NO_REGIONS and name.isprintable()
    }
    return found if len(found) == count else {}


def _integers(held: Any) -> tuple[int, ...]:
    """Return the labels of a region; nothing if they are no integers."""
    listed = held if isinstance(held, list) else [held]
    whole = all(isinstance(label, int) and not isinstance(label, bool) for label in listed)
    return tuple(listed) if whole else ()
