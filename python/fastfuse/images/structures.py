"""Tells apart the structures that files of several raters name."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ImageError
from ..inputs.foreground import Foreground
from ..inputs.names import enumerated
from .image import Image
from .paths import shown
from .segments import SWITCH, Segment, plain


def compare_names(images: Sequence[Image], foreground: Foreground) -> list[str]:
    """Return remarks on files that call the label that is taken by different names.

    Raises
    ------
    ImageError
        If the name that one file gives the label belongs to another label of another file.
    """
    if foreground.segments:
        return []
    labels = foreground.labels or (1,)
    return [remark for label in labels if (remark := _compared(images, label)) is not None]


def _compared(images: Sequence[Image], label: int) -> str | None:
    naming = [(image, one) for image in images for one in image.segments if one.label == label]
    for image, one in naming:
        for other in images:
            _check_other(image, one, other)
    names = {plain(one.name): (image, one) for image, one in reversed(naming)}
    if len(names) < 2:
        return None
    told = [f"{one.name!r} in {shown(image.path)}" for image, one in reversed(names.values())]
    return (
        f"label {label} is {enumerated(told)}: check that they are one structure, or choose it with {SWITCH}"
    )


def _check_other(image: Image, one: Segment, other: Image) -> None:
    """Refuse another file in which the same name stands for another label, and this label for something else."""
    same_name = [there for there in other.segments if plain(there.name) == plain(one.name)]
    if same_name and all(there.label != one.label for there in same_name):
        raise ImageError(
            f"{shown(image.path)}: label {one.label} is {one.name!r}, which is label {same_name[0].label} in "
            f"{shown(other.path)}: choose the structure with {SWITCH}"
        )
