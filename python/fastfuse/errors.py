"""Errors and warnings of fastfuse. Every message says what is wrong and what to do."""

from __future__ import annotations

import warnings
from collections.abc import Sequence


class FastfuseError(ValueError):
    """Base of the errors about files; unusable arrays raise ValueError or TypeError."""


class ImageError(FastfuseError):
    """An image file that cannot be read, or has unusable content."""


class GridError(FastfuseError):
    """Images on different grids of voxels."""


class CohortError(FastfuseError):
    """A folder of cases that cannot be used, or folds that do not fit it."""


class OutputError(FastfuseError):
    """An output that cannot, or must not, be written."""


class FusionWarning(UserWarning):
    """A valid but doubtful fusion: an empty rater, no disagreement, no convergence, ...

    Attributes
    ----------
    remarks : tuple of str
        What is doubtful, one by one; the message holds all.
    """

    def __init__(self, *args: object, remarks: Sequence[str] = ()) -> None:
        super().__init__(*args)
        self.remarks = tuple(remarks)


def lacking(what: str, error: ImportError, extra: str) -> FastfuseError:
    """Return an error that says how to install a missing package."""
    return FastfuseError(f"{what} needs {error.name}: pip install 'fastfuse[{extra}]'")


def warn(remarks: Sequence[str], *, callers: int = 1) -> None:
    """Give all remarks in one warning, attributed to the caller's caller (``callers=1``) or one further up."""
    if remarks:
        warnings.warn(FusionWarning("; ".join(remarks), remarks=remarks), stacklevel=2 + callers)
