"""Files of weights, written whole or not at all, and read without running any code in them."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from ..errors import FastfuseError
from ..outputs import Outputs
from ..paths import shown


def save(path: Path, content: dict[str, Any]) -> None:
    """Write tensors, numbers, texts, and lists and mappings of these."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with Outputs(overwrite=True) as outputs:
        outputs.add(path, buffer.getvalue())
        outputs.commit()


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read what :func:`save` wrote.

    Raises
    ------
    FastfuseError
        If the file is damaged or holds more than weights.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).strip().split("\n")[0]
        raise FastfuseError(
            f"{shown(path)}: cannot be read as weights ({reason}); delete it, and it is made again"
        ) from error
    return content
