"""What is said of how a job's images lie to each other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...inputs.names import enumerated
from ..image import Image
from ..paths import shown

PADDED = "padded with 0"
# What is done to an image without a loss: moved by whole voxels, and nothing cut off that is not 0.
_WITHOUT_LOSS = re.compile(rf": (?:(?:axes turned \([^()]*\)|{PADDED}|cropped)(?:, )?)+ onto ")
DEPENDS = "prior, specificity and kappa depend"


def is_note(remark: str) -> bool:
    """Tell a remark on images that were moved without a loss, which is no doubt, from others."""
    return _WITHOUT_LOSS.search(remark) is not None


def beyond_crops(*, offered: bool) -> str:
    """Say what takes more than the box of cropped files; ``offered``: whether the caller can name a grid."""
    remedy = (
        "grid=FILE (--grid FILE) takes the whole volume of the scan"
        if offered
        else "a mask tells what counts"
    )
    return f"; {remedy}, on which {DEPENDS}"


def called(path: Path, names: Mapping[Path, str]) -> str:
    """Return what messages call a file."""
    return names.get(path, shown(path.name))


def units_in_words(images: Sequence[Image], names: Mapping[Path, str]) -> list[str]:
    """Say which headers count in other units than mm."""
    named: dict[str, list[str]] = {}
    for image in images:
        named.setdefault(image.grid.unit, []).append(called(image.path, names))
    return [
        f"{enumerated(those)}: sizes are taken in {unit}, as the header says"
        for unit, those in named.items()
        if unit != "mm"
    ]


def on_frames(files: Sequence[Sequence[str]]) -> list[str]:
    """Say whose places are given in other frames of reference, as of other studies; ``files``: those of each frame."""
    if len(files) < 2:
        return []
    first, *others = files
    names = [name for one in others for name in one]
    told = f"{enumerated(names)} and {enumerated(first)} have different frames of reference (FrameOfReferenceUID)"
    return [
        f"{told}: are they of one study? Programs that anonymise give new ones; places are compared as they stand"
    ]


def not_zero(count: int, verb: str = " lie") -> str:
    """Return a number of voxels that are not 0, with its verb."""
    if count == 1:
        return f"1 voxel that is not 0{verb and ' lies'}"
    return f"{count:,} voxels that are not 0{verb}"
