"""What makes a dilation doubtful: an image that is a mask, and masks that grow far beyond the size asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..inputs.arrays import name_of, shown_number
from ..inputs.lattice import HEADERS
from ..inputs.looks import LEAST_LABELLED, few_values, like_no_image
from ..inputs.names import joined, told
from ..inputs.threads import remarks_on_threads
from .guide import Guide
from .options import Dilation
from .soft_mask import SoftMask

TOO_LARGE = 1.5  # times the size asked
LEAST_VOXELS = 100  # of a mask in memory: of a toy's few, the brightest candidates can be many times as many
LEAST_IMAGE = 10_000  # voxels of an image in memory: a toy has no room for rings
SAME = 1e-9  # relative difference of sizes that rounding makes


def remarks_on_growing(guide: Guide, softened: Sequence[SoftMask], names: Sequence[str]) -> list[str]:
    """Return all reasons to doubt masks that grew: of the image, and of their sizes."""
    image = remark_on_values(guide)
    guided = remarks_on_threads() if image else guide.remarks  # what is no FLAIR needs no second reason
    return [*image, *guided, *remarks_on_growth(softened, names, guide.options)]


def remarks_in_memory(guide: Guide, softened: Sequence[SoftMask], names: Sequence[str]) -> list[str]:
    """Return the same of masks in memory, but for the sizes of masks that are toys."""
    large = [i for i, soft in enumerate(softened) if soft.voxels >= LEAST_VOXELS]
    return remarks_on_growing(guide, [softened[i] for i in large], [names[i] for i in large])


def rings_in_memory(guide: Guide, softened: Sequence[SoftMask], names: Sequence[str]) -> list[str]:
    """Return what is to be said of rings in memory, but for those of toys."""
    return remarks_on_rings(guide, softened, names) if guide.image.size >= LEAST_IMAGE else []


def remark_on_values(guide: Guide) -> list[str]:
    """Say that an image holds one value, two as a mask does, or a few whole numbers as a label map does."""
    image, name = guide.image, guide.image_name
    values = few_values(image)
    if values.size == 1 and image.size >= LEAST_LABELLED and np.isfinite(values).all():
        flat = f"{name} is {shown_number(float(values[0]))} everywhere, so nothing but their order tells its voxels apart: give FLAIR there"
        return [flat] if guide.scaling is None else []  # else the guide says so
    no_image = like_no_image(image)
    return [f"{name} holds {no_image}; give FLAIR there"] if no_image else []


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


def remarks_on_rings(
    guide: Guide, softened: Sequence[SoftMask], names: Sequence[str], *, empty: bool = True
) -> list[str]:
    """Name the masks that got no ring, or a smaller one than asked, and say why; ``empty``: and those without a voxel."""
    options, remarks = guide.options, []
    named = list(zip(names, softened, strict=True))
    nothing = [name for name, soft in named if not soft.voxels]
    if nothing and empty:
        many = "mark nothing, so that nothing grows"
        remarks.append(told(nothing, "marks nothing, so that nothing grows", many))
    grows = not isinstance(options.threshold, str) or options.size > 1
    bare = [name for name, soft in named if soft.voxels and not soft.ring_voxels]
    if bare and grows:
        remarks.append(f"{told(bare, 'gets', 'get')} no ring: {_why_none(guide)}")
    short = [
        f"{name} × {soft.size:.2f}"
        for name, soft in named
        if isinstance(options.threshold, str) and soft.ring_voxels and soft.size < options.size * (1 - SAME)
    ]
    if short:
        more = "more iterations" if options.radius_mm is None else "a larger radius"
        switch = "--ring-iterations" if options.radius_mm is None else "--ring-radius-mm"
        remarks.append(
            f"smaller than the size asked, × {options.size:g}: {joined(short)}, as no more candidates are bright enough: "
            f"{more} ({switch}) may give some"
        )
    return remarks


def _why_none(guide: Guide) -> str:
    """Say why there is no ring around a mask that is not empty."""
    options = guide.options
    radius, cut = options.radius_mm, options.threshold
    if (
        radius is not None
        and options.spacing_mm is not None
        and radius < min(options.spacing_mm) * (1 - HEADERS)
    ):
        sides = " x ".join(f"{side:.3g}" for side in options.spacing_mm)
        return f"radius_mm={radius:g} (--ring-radius-mm {radius:g}) reaches no voxel beside it, of {sides} mm"
    if isinstance(cut, str):
        return "no candidate around the mask is brighter than the darkest voxels of the image"
    counted = guide.image if guide.roi is None else guide.image[guide.roi != 0]
    highest = shown_number(float(np.nanmax(counted)))
    return (
        f"no candidate around the mask is above threshold={shown_number(cut)} (--ring-threshold {shown_number(cut)}), and "
        f"{guide.image_name} goes up to {highest}"
    )
