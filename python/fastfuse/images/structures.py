"""Tells apart the structures that files of several raters name, and those that labels stand for in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..inputs.foreground import Foreground
from ..inputs.names import enumerated
from .channels import AS_FILES, Held
from .dataset_json import segments_of
from .formats.segments import SWITCH, Segment, either_of, named, names_of, plain
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
        taken = [
            (image, one) for image in images for one in _named(image, label) if _is_taken(image, one, label)
        ]
        for image, one in taken:
            for other in images:
                _check_other(image, one, other, label)
        remarks += _said_of_names(taken, "what is taken" if label is None else f"label {label}")
    return remarks


def _said_of_names(taken: Sequence[tuple[Image, Segment]], what: str) -> list[str]:
    """Return remarks on what is taken under several names, of one file and of several."""
    called: dict[Path, dict[str, str]] = {}
    for image, one in taken:
        called.setdefault(image.path, {}).setdefault(plain(one.name), repr(one.name))
    remarks = [
        f"{shown(path)}: {what} is that of {len(names)} segments of this file, {enumerated([*names.values()])}, whose voxels "
        "are taken together; if one alone is meant, correct its header"
        for path, names in called.items()
        if len(names) > 1
    ]
    different = {frozenset(names): path for path, names in reversed(called.items())}
    if len(different) > 1:
        told = [
            f"{' and '.join(called[path].values())} in {shown(path)}" for path in reversed(different.values())
        ]
        every: dict[str, str] = {}
        for _, one in taken:
            every.setdefault(plain(one.name), one.name)
        way = SWITCH if any(len(names) > 1 for names in called.values()) else either_of([*every.values()])
        remarks.append(
            f"{what} is {enumerated(told)}: check that they are one structure, or choose it with {way}"
        )
    return remarks


def _named(image: Image, label: int | None) -> tuple[Segment, ...]:
    """Return the segments that a file names; those of the dataset.json beside it, if a label is taken of labels."""
    if image.segments or label is None:
        return image.segments
    known = segments_of(image.path)
    regions = any(len(held) > 1 for held in known.values())
    return () if regions else tuple(known)


def _is_taken(image: Image, one: Segment, label: int | None) -> bool:
    """Tell whether a segment is taken of a file: that of the label, or, without one, the only one or label 1."""
    if label is not None:
        return one.label == label
    return len(image.segments) == 1 or one.label == 1


def _check_other(image: Image, one: Segment, other: Image, label: int | None) -> None:
    """Refuse another file in which the same name stands for a segment that is not taken."""
    same_name = [there for there in _named(other, label) if plain(there.name) == plain(one.name)]
    if same_name and not any(_is_taken(other, there, label) for there in same_name):
        raise ImageError(
            f"{shown(image.path)}: label {one.label} is {one.name!r}, which is label {same_name[0].label} in "
            f"{shown(other.path)}: choose the structure with {SWITCH}"
        )


def check_one_structure(asked: Sequence[int], images: Sequence[Image], names: Sequence[str]) -> None:
    """Refuse raters of whom the same labels choose other structures.

    Raises
    ------
    ImageError
        Naming two images and the labels of either.
    """
    found = two_structures(asked, images)
    if found is None:
        return
    region, other = found
    several = ",".join(map(str, _held(images[region], asked).inside))
    remedy = AS_FILES
    if several and not is_mask(images[other]):
        remedy = f"name all labels of a region, as in select_label=[{several}] (--select-label {several})"
    raise ImageError(f"{in_words(asked, images, names, found)}: {remedy}")


def two_structures(asked: Sequence[int], images: Sequence[Image]) -> tuple[int, int] | None:
    """Return the places of a network's region and of an image of which the same labels choose another structure.

    ``asked``: the labels that are chosen; nothing is compared without any.
    """
    if not asked or all(image.held is None or image.held.region is None for image in images):
        return None
    held = [_held(image, asked) for image in images]
    pairs = permutations(range(len(images)), 2)
    return next(((one, other) for one, other in pairs if _differ(held[one], held[other])), None)


def in_words(asked: Sequence[int], images: Sequence[Image], names: Sequence[str], two: Iterable[int]) -> str:
    """Say what is taken of two images."""
    return " and ".join(f"{names[at]} gives {_taken_in_words(_held(images[at], asked))}" for at in two)


def check_is_mask(
    image: Image, votes: NDArray[Any], name: str, foreground: Foreground, *, threshold: str = "threshold"
) -> None:
    """Refuse a network's probability where a mask is needed and ``binarize`` was to make one: it takes the channels.

    ``threshold``: what the caller's option is called.

    Raises
    ------
    ImageError
        With options that make a mask.
    """
    if foreground.binarize and image.is_channel and bool(((votes != 0) & (votes != 1)).any()):
        raise ImageError(
            f"{name}: binarize takes the probability of all classes or regions of a network, and a mask is needed: cut that of "
            f"some, as by select_label=1, {threshold}=0.5 (--select-label 1 --threshold 0.5)"
        )


def is_mask(image: Image) -> bool:
    """Tell a mask of 0 and 1, of which label 1 is whatever it marks."""
    return not image.is_channel and bool(np.all((image.data == 0) | (image.data == 1)))


def _held(image: Image, asked: Sequence[int]) -> Held:
    """Return the labels that are taken of an image; none where it may be any structure."""
    if image.is_channel:
        return image.held or Held()
    is_any = is_mask(image) and (1 in asked or not image.data.any())
    return Held() if is_any else Held(tuple(asked))


def _differ(held: Held, other: Held) -> bool:
    """Tell whether a region is another structure than what is taken of another image."""
    if held.region is None:
        return False
    if other.region is not None or not other.inside:
        return bool(set(held.beside) & set(other.inside))
    return not (held.told and held.may_be(other.inside))


def _taken_in_words(held: Held) -> str:
    if held.inside:
        return f"label{'s' * (len(held.inside) > 1)} {', '.join(map(str, sorted(held.inside)))}"
    if held.told:
        return f"region {held.region}, which shows no label in its segmentation,"
    return f"region {held.region}, whose labels are not known,"
