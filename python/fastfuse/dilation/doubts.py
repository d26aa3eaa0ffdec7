"""What makes a dilation doubtful: an image that is a mask, and masks that grow far beyond the size asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..inputs.arrays import Array, name_of, shown_number
from ..inputs.names import joined
from .guide import Guide
from .options import Dilation
from .soft_mask import SoftMask

TOO_LARGE = 1.5  # times the size asked
LEAST_VOXELS = 100  # of a mask in memory: of a toy's few, the brightest candidates can be many times as many
SAMPLE = 4096  # voxels that tell most images from masks


def remarks_on_growing(guide: Guide, softened: Sequence[SoftMask], names: Sequence[str]) -> list[str]:
    """Return all reasons to doubt masks that grew: of the image, and of their sizes."""
    image = remark_on_values(guide.image, guide.image_name)
    return [*image, *guide.remarks, *remarks_on_growth(softened, names, guide.options)]


def remarks_in_memory(guide: Guide, softened: Sequence[SoftMask], names: Sequence[str]) -> list[str]:
    """Return the same of masks in memory, but for the sizes of masks that are toys."""
    large = [i for i, soft in enumerate(softened) if soft.voxels >= LEAST_VOXELS]
    return remarks_on_growing(guide, [softened[i] for i in large], [names[i] for i in large])


def remark_on_values(image: Array, name: str) -> list[str]:
    """Say that an image holds two values only, as a mask does."""
    step = max(image.size // SAMPLE, 1)
    if np.unique(image.flat[::step]).size > 2:
        return []
    values = np.unique(image)
    if values.size != 2:
        return []
    low, high = (shown_number(float(value)) for value in values)
    return [
        f"{name} holds {low} and {high} only, as a mask does: among its voxels none is brighter than the others; give FLAIR there"
    ]


def remarks_on_growth(
    softened: Sequence[SoftMask], names: Sequence[str] | None, options: Dilation
) -> list[str]:
    """Name the masks that grow far beyond the size asked; a fixed intensity asks for none."""
    if not isinstance(options.threshold, str):
        return []
    found = [(i, soft.size) for i, soft in enumerate(softened) if soft.size > TOO_LARGE * options.size]
    if not found:
        return []
    listed = joined([f"{name_of(i, names)} × {size:.2f}" for i, size in found])
    remedy = (
        ""
        if options.threshold == "exact"
        else "; threshold='exact' (--ring-threshold exact) keeps to the size"
    )
    return [
        f"grown far beyond the size asked, × {options.size:g}: {listed}; see that image and masks are not swapped{remedy}"
    ]
