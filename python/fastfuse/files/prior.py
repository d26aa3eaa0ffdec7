"""The prior of a fusion of files: a word, a number, an image, or the smoothed mean vote."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..images.paths import as_path
from ..inputs.arrays import selected
from ..inputs.names import quoted
from .job import Inputs, Job

IMAGE_SUFFIXES = (
    ".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".mgh", ".img", ".hdr", ".npy", ".npz", ".tif", ".tiff",
    ".png", ".dcm",
)  # fmt: skip


def prior_file(prior: Any) -> Path | None:
    """Tell a prior map's file from a number or a word."""
    if isinstance(prior, Path):
        return as_path(prior, "prior")
    if isinstance(prior, str):
        with suppress(OSError):  # too long for a file's name: it is none
            if prior.lower().endswith(IMAGE_SUFFIXES) or Path(prior).is_file():
                return as_path(prior, "prior")
    return None


def smoothing_of(prior: Any) -> float | None:
    """Return the sigma in mm of a prior that is the smoothed mean vote, as "smooth:4" asks for."""
    if not isinstance(prior, str) or not prior.startswith("smooth:"):
        return None
    try:
        sigma = float(prior.removeprefix("smooth:"))
    except ValueError:
        sigma = math.nan
    if not (0 < sigma < math.inf):
        raise ValueError(f"prior is {quoted(prior)}: after smooth: comes a number of mm above 0")
    return sigma


def is_plain(prior: Any) -> bool:
    """Tell a word or a number from what becomes a map."""
    return prior_file(prior) is None and smoothing_of(prior) is None


def word_or_number(prior: Any) -> Any:
    """Return the prior, or the default in place of one that becomes a map."""
    if not isinstance(prior, str) and np.ndim(prior):
        raise TypeError("prior is an array: fuse_files takes a prior map as an image file")
    return prior if is_plain(prior) else "mean"


def prior_map(
    job: Job, inputs: Inputs, label: int | None, threads: int, say: Callable[[str], None]
) -> NDArray[Any] | None:
    """Return the map that was read, or is to be made of the votes; None for a word or a number."""
    if job.smoothing_mm is None:
        return inputs.prior
    from ..fusion.smoothing import smoothed_on

    say("smoothing the votes")
    voting = inputs.votes if label is None else [selected(vote, label) for vote in inputs.votes]
    spacing = inputs.grid.spacing_mm
    return smoothed_on(voting, job.smoothing_mm, spacing_mm=spacing, mask=inputs.region, threads=threads)
