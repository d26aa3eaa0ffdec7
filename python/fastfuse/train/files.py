"""Files of a run: where some lie, and JSON that several processes change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..images.folder_lock import alone_in
from ..images.paths import shown
from ..images.sidecar import sidecar_bytes


def change_json(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Replace the content of a JSON file by what ``change`` returns of it, one process at a time."""
    with alone_in([path.parent]):
        before = json.loads(path.read_text(encoding="utf-8"))
        after = change(before)
        if after == before:
            return
        beside = path.with_name(f".{path.name}.part")
        try:
            beside.write_bytes(sidecar_bytes(after))
            beside.replace(path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise OutputError(f"{shown(path)}: cannot be written ({error.strerror or error})") from error


def folder_of_fold(consensus: Path, name: str, fold: int) -> Path:
    """Return the folder of a case's consensus that a fold trains on, by rates over its training cases."""
    return consensus / name / f"fold_{fold}"
