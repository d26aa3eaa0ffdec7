"""Names of a network's regions, from the dataset.json that nnU-Net copies beside its predictions."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

NAME = "dataset.json"
NO_REGIONS = ("background", "ignore")
MOST_BYTES = 1 << 24


def region_names(folder: Path, count: int) -> list[str]:
    """Return what the dataset calls its regions, in the order of the channels; nothing if it does not tell."""
    labels: Any = None
    with suppress(OSError, ValueError, AttributeError, RecursionError):
        path = folder / NAME
        if path.stat().st_size <= MOST_BYTES:
            labels = json.loads(path.read_text(encoding="utf-8")).get("labels")
    if not isinstance(labels, dict):
        return []
    names = [str(name) for name in labels if str(name).lower() not in NO_REGIONS]
    names = [name for name in names if name.isprintable()]
    return names if len(names) == count else []
