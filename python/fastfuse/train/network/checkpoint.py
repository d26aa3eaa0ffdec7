"""Files of weights: written completely or not at all, and read without running code from them."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ...errors import FastfuseError, reason_of
from ...images.outputs import write_all
from ...images.paths import shown

DAMAGES = (OSError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError)


def save(path: Path, content: dict[str, Any]) -> None:
    """Write tensors, as those of the CPU, numbers, texts, and lists and mappings of them."""
    write_all({path: bytes_of(content)})


def bytes_of(content: dict[str, Any]) -> bytes:
    """Return the content of a file of weights."""
    buffer = io.BytesIO()
    torch.save(on_cpu(content), buffer)
    return buffer.getvalue()


def on_cpu(content: Any, *, copy: bool = False) -> Any:
    """Return the same content with its tensors on the CPU, each a copy if asked."""
    if isinstance(content, torch.Tensor):
        return content.detach().to("cpu", copy=copy)
    if isinstance(content, Mapping):
        return {name: on_cpu(value, copy=copy) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return type(content)(on_cpu(value, copy=copy) for value in content)
    return content


def load(path: Path) -> dict[str, Any]:
    """Read what :func:`save` wrote, onto the CPU.

    Raises
    ------
    FastfuseError
        If the file is damaged or holds more than weights.
    """
    with fitting(path):
        _check_sums(path)
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(content, dict):
            raise TypeError(f"it holds a {type(content).__name__}")
    return content


def _check_sums(path: Path) -> None:
    """Refuse a file with a changed byte, which PyTorch reads without a word."""
    with zipfile.ZipFile(path) as file:
        if (odd := file.testzip()) is not None:
            raise ValueError(f"{odd} is damaged")


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """Turn any error of a damaged or foreign file of weights into one with a remedy."""
    try:
        yield
    except FastfuseError:
        raise
    except (*DAMAGES, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise FastfuseError(
            f"{shown(path)}: cannot be read as weights ({reason_of(error)}); delete it, and it is made again"
        ) from error
