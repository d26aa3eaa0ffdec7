"""What was made of the raters' files before they were fused: what counts as a vote, on which grid, and how masks grew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...inputs.names import enumerated

Facts = Mapping[str, Any]
USUAL_STEPS = 6  # of a dilation, which are told if they are others


def votes_of(options: Facts) -> Iterator[str]:
    """Yield what counts as a vote, where something was asked of it; ``options``: as a sidecar has them."""
    labels, segments = options.get("select_label"), options.get("select_segment")
    if labels is not None:
        yield f"Foreground is {_several('label', labels)}."
    if segments:
        yield f"Foreground is {_several('segment', segments)}."
    if options.get("binarize"):
        yield "Values above 0 count as 1."
    if options.get("threshold") is not None:
        yield f"Values of at least {options['threshold']:g} count as 1, others as 0."
    scale = options.get("scale")
    if scale is not None:
        by = "1, 100 or 255, as the highest of them tells" if scale == "auto" else f"{scale:g}"
        yield f"Votes are values divided by {by}."
    if options.get("truncation") is not None:
        yield f"Probabilities of up to {options['truncation']:g} were dropped, except the largest of a voxel."


def _several(what: str, these: Any) -> str:
    names = [
        str(one) for one in (these if isinstance(these, Sequence) and not isinstance(these, str) else [these])
    ]
    return f"{what} {names[0]}" if len(names) == 1 else f"the union of {what}s {enumerated(names)}"


def placed_on(grid: Facts) -> Iterator[str]:
    """Yield what was done to files that lie between the voxels of others, and which affine of theirs counts.

    ``grid``: as a sidecar has it, or ``resample`` and ``use`` as they were asked of many cases.
    """
    if grid.get("resample") == "nearest" or any("resampled by" in one for one in grid.get("placed", ())):
        yield "Segmentations on other lattices were resampled by the nearest voxel."
    if grid.get("use") is not None:
        yield f"Images lie where their {grid['use']} says."


def grown(growth: Facts | None, by: str) -> Iterator[str]:
    """Yield how masks, or their consensus, grew; ``growth``: as a sidecar has it, ``by``: what it cites."""
    if not growth:
        return
    own, image = growth["options"], growth.get("image")
    is_first = "raters" in growth
    what = "The raters' masks were first grown" if is_first else "The consensus was grown"
    whose = "their" if is_first else "its"
    where = f" on {growth['on']}" if "on" in growth else f" on {Path(image).name}" if image else ""
    cut, each = own.get("threshold", "adaptive"), ""
    if own.get("scope") == "lesion":
        each = ", each lesion by itself,"
    if isinstance(cut, str):
        size = f"to {own['size']:g} times {whose} size"
        size += " by the brightest voxels, exactly" if cut == "exact" else ""
    else:
        size = f"by all voxels above {cut:g}"
    yield f"{what}{where} by conditional dilation{by}{each} {size}; a voxel of a ring votes {own['label']:g}."
    if own.get("radius_mm") is not None:
        yield f"Voxels within {own['radius_mm']:g} mm of {whose} marks may join a ring."
    elif own.get("iterations", USUAL_STEPS) != USUAL_STEPS:
        yield f"Voxels within {own['iterations']} steps of {whose} marks may join a ring."
    if own.get("connected"):
        yield "What does not touch the marks joins none."
    if cut == "adaptive" and own.get("normalize") is False:
        yield "The image was not scaled."
