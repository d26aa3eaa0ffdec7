"""What makes a dilation doubtful: an image that is a mask, masks that grow far beyond the size asked, and thick slices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..inputs.arrays import name_of, shown_number
from ..inputs.in_memory import edges_in_memory
from ..inputs.lattice import HEADERS
from ..inputs.looks import LEAST_LABELLED, few_values, like_no_image
from ..inputs.names import counted, joined, told
from ..inputs.threads import remarks_on_threads
from .guide import Guide
from .options import Dilation
from .soft_mask import SoftMask

TOO_LARGE = 1.5  # times the size asked
LEAST_VOXELS = 100  # of a mask in memory: of a toy's few, the brightest candidates can be many times as many
LEAST_IMAGE = 10_000  # voxels of an image in memory: a toy has no room for rings
LONG = 2.0  # times the shortest edge of a voxel: rings counted in voxels reach farther along the longest
FAR_MM = 8.0  # six dilations of MSSEG-2016's longest voxels, of 1.25 mm, reach 7.5
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


def remarks_on_reach(
    options: Dilation, edges_mm: Sequence[float] | None, softened: Sequence[SoftMask], *, remedy: bool = True
) -> list[str]:
    """Say how far rings that are counted in voxels may reach through thick slices.

    ``edges_mm``: of a voxel, if known; ``remedy``: whether a radius in mm may be given.
    """
    if edges_mm is None or options.radius_mm is not None or not any(soft.ring_voxels for soft in softened):
        return []
    shortest, longest = min(edges_mm), max(edges_mm)
    far = options.iterations * longest
    if longest <= LONG * shortest or far <= FAR_MM:
        return []
    sides = " x ".join(f"{edge:.3g}" for edge in edges_mm)
    reach = (
        f"rings are counted in voxels, of {sides} mm: {counted(options.iterations, 'dilation')} may reach {far:.3g} mm along the "
        f"longest edge, and {options.iterations * shortest:.3g} mm along the shortest"
    )
    return [f"{reach}; radius_mm=3 (--ring-radius-mm 3) sets one reach in mm" if remedy else reach]


def reach_in_memory(
    guide: Guide, named: Iterable[tuple[str, Any]], softened: Sequence[SoftMask]
) -> list[str]:
    """Return that remark for images in memory: where the voxel's size is known, and the image is no toy."""
    options = guide.options
    if options.radius_mm is not None or guide.image.size < LEAST_IMAGE:
        return []
    return remarks_on_reach(options, options.spacing_mm or edges_in_memory(named), softened)


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
