"""Tells apart the structures that files of several raters name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import ImageError
from ..inputs.foreground import Foreground
from ..inputs.names import enumerated
from .formats.segments import SWITCH, Segment, named, names_of, plain
from .image import Image
from .paths import shown


def check_one_chosen(image: Image, foreground: Foreground) -> None:
    """Refuse a map of several segments that a file names, if none is chosen of them."""
    if len(image.segments) < 2 or image.is_channel or foreground.selects or not (image.data > 1).any():
        return
    raise ImageError(
        f"{shown(image.path)}: it holds {len(image.segments)} segments, {names_of(image.segments)}: choose one with "
        f"{SWITCH}, or take all with binarize=True (--binarize)"
    )


def check_any_named(path: Path, segments: Sequence[Segment], foreground: Foreground) -> None:
    """Refuse files of which none names segments, the first of them ``path``, if some are chosen by name."""
    if not segments and foreground.segments:
        named(path, (), foreground.segments)


def compare_names(images: Sequence[Image], foreground: Foreground) -> list[str]:
    """Return remarks on files that call what is taken of them by different names.

    Raises
    ------
    ImageError
        If the name of what is taken of one file belongs to something else in another, of which that is not taken; or if
        segments are chosen by name, and no file names any.
    """
    check_any_named(images[0].path, [one for image in images for one in image.segments], foreground)
    if foreground.segments or foreground.binarize:
        return []
    remarks = []
    for label in foreground.labels or (None,):
        taken = [(image, one) for image in images for one in image.segments if _is_taken(image, one, label)]
        for image, one in taken:
            for other in images:
                _check_other(image, one, other, label)
        names = {plain(one.name): (image, one) for image, one in reversed(taken)}
        if len(names) > 1:
            told = [f"{one.name!r} in {shown(image.path)}" for image, one in reversed(names.values())]
            what = "what is taken" if label is None else f"label {label}"
            remarks.append(
                f"{what} is {enumerated(told)}: check that they are one structure, or choose it with {SWITCH}"
            )
    return remarks


def _is_taken(image: Image, one: Segment, label: int | None) -> bool:
    """Tell whether a segment is taken of a file: that of the label, or, without one, the only one or label 1."""
    if label is not None:
        return one.label == label
    return len(image.segments) == 1 or one.label == 1


def _check_other(image: Image, one: Segment, other: Image, label: int | None) -> None:
    """Refuse another file in which the same name stands for a segment that is not taken."""
    same_name = [there for there in other.segments if plain(there.name) == plain(one.name)]
    if same_name and not any(_is_taken(other, there, label) for there in same_name):
        raise ImageError(
            f"{shown(image.path)}: label {one.label} is {one.name!r}, which is label {same_name[0].label} in "
            f"{shown(other.path)}: choose the structure with {SWITCH}"
        )
