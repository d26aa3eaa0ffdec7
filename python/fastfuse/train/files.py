"""Files of a run: written together, and JSON read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..images.outputs import Outputs, make_folder


def write_all(files: Mapping[Path, bytes]) -> None:
    """Write files together, all or none; existing ones are replaced."""
    with Outputs(overwrite=True) as outputs:
        for path, content in files.items():
            make_folder(path.parent)
            outputs.add(path, content)
        outputs.commit()


def json_of(path: Path) -> Any:
    """Return the content of a JSON file; None if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
