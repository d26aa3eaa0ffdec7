"""Figures as PNG files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ...images.outputs import Outputs
from ...images.paths import needed_path


def save(figure: Any, path: Path) -> None:
    """Write a PNG, completely or not at all."""
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format="png", dpi=150, facecolor=figure.get_facecolor(), metadata={"Software": "fastfuse"}
    )
    with Outputs(overwrite=True) as outputs:
        outputs.add(needed_path(path, "path"), buffer.getvalue())
        outputs.commit()
