"""What the values of an image look like: votes, scaled votes, labels, or an image's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Array, shown_number, told_once
from .channels import SCALED
from .names import enumerated

SCALES = (1.0, *SCALED)  # that "auto" tells apart by the highest value
LEAST_SCALED = 10  # what does not reach it overshoots 1, as interpolation does, rather than being scaled
MOST_BACKGROUND = 1  # the lowest value of a scaled probability; that of an image is higher
MOST_LABELS = 10  # more different whole numbers look like a scaled probability
# Grey values of an image, such as FLAIR, told from scaled votes.
GREY_END = 0.1  # of the scale: nearer to 0 or to the top are most votes of a network that is sure
GREY_AT_ENDS = 0.15  # of what is above 0; images of heads have less there, networks' maps over half
GREY_SHARE = 0.05  # of all voxels that a head fills; lesions fill less
GREY_VALUES = 32  # different ones; means of some raters' masks have fewer
GREY_VOXELS = 1000
MOST_STRUCTURES = 256  # different labels of an atlas; images have more kinds of grey
SAMPLE = 1 << 18
MOST_VALUES = 10  # of a label map; an image has more
LEAST_LABELLED = 1000  # voxels of an image that is told to be flat, or a label map: toys are
FIRST_LOOK = 4096  # voxels that tell most images from masks

AN_IMAGE = "it looks like an image, such as FLAIR, rather than a map of votes"
IS_IT_AN_IMAGE = "is this an image, such as FLAIR, and no rater's?"
ROUNDED = 1e-6  # of a scale: so far below 0 and above it values were rounded


def looks_scaled(data: NDArray[Any]) -> float | None:
    """Return the scale, 100 or 255, of what looks like a probability times that; None for anything else."""
    data = told_once(data)
    if data.dtype.kind == "b" or not data.size:
        return None
    finite = data[np.isfinite(data)] if data.dtype.kind == "f" else data
    if not finite.size or not LEAST_SCALED < finite.max() <= SCALES[-1]:
        return None
    if len(np.unique(finite)) <= MOST_LABELS:
        return None
    found = next(scale for scale in SCALES if finite.max() <= scale)
    return found if -ROUNDED * found <= finite.min() <= MOST_BACKGROUND else None


def looks_grey(data: NDArray[Any], scale: float, inside: NDArray[Any] | None = None) -> bool:
    """Tell whether most values above 0 lie between the ends of the scale, as those of an image of a head do.

    It is a guess: maps of networks that are nowhere sure look so, too.
    """
    values = data.reshape(-1) if inside is None else data[inside != 0]
    values = values[:: max(1, values.size // SAMPLE)]
    above = values[np.isfinite(values) & (values > 0)]
    if above.size < max(GREY_VOXELS, GREY_SHARE * values.size) or len(np.unique(above)) < GREY_VALUES:
        return False
    at_ends = np.count_nonzero((above <= GREY_END * scale) | (above >= (1 - GREY_END) * scale))
    return bool(at_ends <= GREY_AT_ENDS * above.size)


def fills_as_an_image(data: NDArray[Any], inside: NDArray[Any] | None = None) -> bool:
    """Tell an image of whole numbers from an atlas, which has fewer, and from numbered lesions, which fill less."""
    values = counted_values(data, inside)
    if not values.size or values.min() < 0 or bool(np.any(values != np.rint(values))):
        return False
    kinds = len(np.unique(values))
    if kinds < GREY_VALUES or np.count_nonzero(values) < max(GREY_VOXELS, GREY_SHARE * values.size):
        return False
    return kinds > MOST_STRUCTURES or looks_grey(data, float(values.max()), inside)


def beyond_votes(values: NDArray[Any], *, swapped: bool) -> str:
    """Say that many different values beyond 0 and 1 seem to be an image's; nothing of few, as a label map has them.

    ``swapped``: whether what lies in an image's place holds two values, so that labels of an atlas are not thought of.
    """
    counted = counted_values(told_once(values), None)
    if not counted.size or len(np.unique(counted)) <= MOST_LABELS:
        return ""
    low, high = float(counted.min()), float(counted.max())
    scale = looks_scaled(values)
    if low > -0.5 and high < 1.5:
        return ""
    may_be_labels = low == 0 and bool(np.all(counted == np.rint(counted)))
    if not swapped and (may_be_labels or scale is not None) and not looks_grey(values, scale or high):
        return ""
    return AN_IMAGE if scale else range_in_words(low, high)


def range_in_words(low: float, high: float) -> str:
    """Say from where to where values go, and ask for an image."""
    return f"its values go from {low:.4g} to {high:.4g}: {IS_IT_AN_IMAGE}"


def counted_values(data: NDArray[Any], inside: NDArray[Any] | None) -> NDArray[Any]:
    """Return the finite values that count."""
    values = data if inside is None else data[inside != 0]
    return values[np.isfinite(values)] if values.dtype.kind == "f" else values


def few_values(image: Array) -> Array:
    """Return the values of an image if these are as few as those of a label map; nothing of another."""
    step = max(image.size // FIRST_LOOK, 1)
    if np.unique(image.flat[::step]).size > MOST_VALUES:
        return np.empty(0)
    values: Array = np.unique(image)
    return values if values.size <= MOST_VALUES else np.empty(0)


def like_no_image(image: Array) -> str:
    """Return which values an image has if they are those of a mask, or of a label map, and what that means; else nothing."""
    values = few_values(image)
    shown = [shown_number(float(value)) for value in values]
    if values.size == 2:
        return (
            f"{' and '.join(shown)} only, as a mask does: among its voxels none is brighter than the others"
        )
    whole = values.size > 2 and image.size >= LEAST_LABELLED and np.all(values == np.rint(values))
    return f"{enumerated(shown)} only, as a label map does: a label is no brightness" if whole else ""
