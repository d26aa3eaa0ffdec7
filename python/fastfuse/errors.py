"""What fastfuse raises and warns with. Every message says what is wrong and what to do."""

from __future__ import annotations

import warnings
from collections.abc import Sequence


class FastfuseError(ValueError):
    """Base of what fastfuse raises about files; arrays that cannot be used raise ValueError or TypeError."""


class ImageError(FastfuseError):
    """An image file that cannot be read, or does not hold what it should."""


class GridError(FastfuseError):
    """Images that do not lie on the same grid of voxels."""


class CohortError(FastfuseError):
    """A folder of cases that cannot be used as it lies, or folds that do not fit it."""


class OutputError(FastfuseError):
    """An output that cannot, or must not, be written."""


class FusionWarning(UserWarning):
    """A legal but doubtful fusion: an empty rater, no disagreement, no convergence, ..."""


def lacking(what: str, error: ImportError, extra: str) -> FastfuseError:
    """Return an error that says how to install what cannot be imported."""
    return FastfuseError(f"{what} needs {error.name}: pip install 'fastfuse[{extra}]'")


def warn(remarks: Sequence[str], *, callers: int = 1) -> None:
    """Warn of what makes a result doubtful, in one warning that points at the caller's caller, or further up."""
    if remarks:
        warnings.warn("; ".join(remarks), FusionWarning, stacklevel=2 + callers)
