"""Segments that a file names, and the voxels of those that are asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ImageError
from ...inputs.arrays import labels_in
from ...inputs.names import composed, enumerated, joined, quoted
from ..checks import check_memory
from ..paths import shown

if TYPE_CHECKING:
    from ...inputs.foreground import Foreground

SWITCH = "select_segment=NAME (--select-segment NAME)"

OR = "|"  # between names of which a file holds one

LONG, ALIKE = 4, 0.8  # letters of a word, and the share in common, where one is taken for a misspelled other

BACKGROUND = 0  # the label that is no segment, whatever a file calls it


@dataclass(frozen=True)
class Segment:
    """A structure that a file names.

    Attributes
    ----------
    name : str
    label : int
        Its value in its layer.
    layer : int
        Segments that overlap lie in different layers.
    """

    name: str
    label: int
    layer: int = 0


def check_segments(names: Any) -> tuple[str, ...]:
    """Return the names of segments as a tuple, none for None.

    Raises
    ------
    TypeError, ValueError
        If they are no texts, or one is empty.
    """
    if names is None:
        return ()
    listed = [names] if isinstance(names, str) else list(names) if isinstance(names, (list, tuple)) else None
    if listed is None or not all(isinstance(name, str) for name in listed):
        raise TypeError(f"select_segment is {quoted(names)}: give a segment's name, or a list of names")
    if not listed or not all(name.strip() for name in listed):
        raise ValueError(f"select_segment is {quoted(names)}: give a segment's name")
    return tuple(listed)


def with_segments(foreground: Foreground, names: Any) -> Foreground:
    """Return the foreground with these segments; refuse what selects in another way too."""
    segments = check_segments(names)
    if segments and (foreground.labels or foreground.binarize):
        other = "select_label" if foreground.labels else "binarize"
        raise ValueError(
            f"select_segment and {other} are given: either selects what is foreground, so choose one"
        )
    return replace(foreground, segments=segments)


def named(path: Path, segments: Sequence[Segment], wanted: Iterable[str], values: str = "") -> list[Segment]:
    """Return the segments of these names, as :func:`fitting` finds them.

    ``values`` are those that occur in a file that names none.

    Raises
    ------
    ImageError
        If the file names no segments, lacks one, or has two of that name.
    """
    if not segments:
        occur = f" (values that occur: {values})" if values else ""
        raise ImageError(
            f"{shown(path)}: it names no segments (.seg.nrrd, DICOM SEG and RTSTRUCT do, and dataset.json beside it may): where no file "
            f"does, choose by select_label=K (--select-label K) instead{occur}; beside files that do, write what is meant as a mask of 0 and 1, which is taken as it is"
        )
    return [_named(path, segments, name) for name in wanted]


def fitting(segments: Iterable[Segment], name: str) -> list[Segment]:
    """Return the segments that a name may mean.

    Case and blanks at the ends do not matter where no name fits exactly. A name that no segment has may be several, with "|"
    between them, of which a file holds one.
    """
    known = list(segments)
    found = _called(known, name)
    if found or OR not in name:
        return found
    parts = name.split(OR)
    # Names may hold "|" themselves, so that neighbours may be one name.
    ends = [(first, last) for first in range(len(parts)) for last in range(first + 1, len(parts) + 1)]
    either = [OR.join(parts[first:last]) for first, last in ends]
    exact = {one.name for one in known} & set(either)
    written = {plain(name) for name in exact}  # as it is, so that case tells it from others
    sought = [other for other in either if other in exact or (other.strip() and plain(other) not in written)]
    return list(dict.fromkeys(one for other in sought for one in _called(known, other)))


def _called(segments: Sequence[Segment], name: str) -> list[Segment]:
    exact = [one for one in segments if one.name == name]
    return exact or [one for one in segments if plain(one.name) == plain(name)]


def _named(path: Path, segments: Sequence[Segment], name: str) -> Segment:
    found = fitting(segments, name)
    if not found:
        meant = _meant([one.name for one in segments], name)
        others = [one.name for one in segments if one.name not in meant]
        other = meant[0] if len(meant) == 1 else "NAME"
        raise ImageError(
            f"{shown(path)}: there is no segment {name!r}; it holds {enumerated([shown(one) for one in [*meant, *others]])}: if it has "
            f"another name here, give both, as in {either_of([name, other])}"
        )
    if OR in name and len({one.name for one in found}) > 1:
        told = joined([f"{one.name!r} (label {one.label})" for one in found])
        raise ImageError(
            f"{shown(path)}: it holds {told}, of which {name!r} takes one: leave one of these names out, or rename one in this file"
        )
    if len(found) > 1:
        labels = enumerated([str(one.label) for one in found])
        raise ImageError(
            f"{shown(path)}: {len(found)} segments are called {name!r} (labels {labels}): rename one of them"
        )
    return found[0]


def _meant(held: Sequence[str], name: str) -> list[str]:
    """Return the names that may stand for one that a file lacks: written with other blanks or signs, longer or shorter, or misspelled.

    PTV stands for no GTV, and Parotid_R for no Parotid_L: a name that differs in a letter, a number or a short word is another
    structure's as likely.
    """
    asked = [_words(part) for part in name.split(OR)]
    for like in (_same, _begins, _misspelled):
        found = [one for one in held if any(like(_words(one), words) for words in asked if words)]
        if found:
            return list(dict.fromkeys(found))
    return []


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W\d_]+|\d+", plain(name))


def _same(one: Sequence[str], other: Sequence[str]) -> bool:
    return "".join(one) == "".join(other)


def _begins(one: Sequence[str], other: Sequence[str]) -> bool:
    """Tell whether each word of the shorter name begins one of the longer: GTV, GTVp and GTV_AK, and not PTV."""
    short, long = sorted((one, other), key=lambda words: (len(words), len("".join(words))))
    whole = [word for word in short if len(word) == 1 or word.isdigit()]  # GTV 1 is not GTV 10
    return bool(short) and all(
        begin in long if begin in whole else any(word.startswith(begin) for word in long) for begin in short
    )


def _misspelled(one: Sequence[str], other: Sequence[str]) -> bool:
    """Tell whether names differ in a few letters of long words."""
    from difflib import SequenceMatcher

    pairs = [(a, b) for a, b in zip(one, other, strict=False) if a != b]
    return len(one) == len(other) and all(
        min(len(a), len(b)) >= LONG and SequenceMatcher(None, a, b).ratio() >= ALIKE for a, b in pairs
    )


def either_of(names: Sequence[str]) -> str:
    """Return the option that takes a segment that files call by different names."""
    typed = OR.join(names)
    if not typed.isprintable() or set(typed) & set(
        "'()"
    ):  # which the shell, or the message for it, would read otherwise
        typed = OR.join(["NAME", "OTHER"])
    return f"select_segment='{typed}' (--select-segment '{typed}')"


def spelled_otherwise(path: Path, segments: Sequence[Segment], wanted: Iterable[str]) -> list[str]:
    """Say which segments were taken although case differs."""
    told = []
    for name in wanted:
        asked = {composed(one.strip()) for one in [name, *name.split(OR)]}
        told += [
            f"{shown(path)}: its segment {one.name!r} was taken for {name!r}, as case does not count where no name fits exactly"
            for one in fitting(segments, name)
            if composed(one.name.strip()) not in asked
        ]
    return told


def one_image(
    path: Path,
    values: NDArray[Any],
    across: Sequence[int],
    segments: Sequence[Segment],
    foreground: Foreground,
) -> NDArray[Any]:
    """Return one image of the values of a file: a mask of the segments asked for, a label map, or the values.

    Parameters
    ----------
    path : Path
    values : ndarray
    across : sequence of int
        The axis along which layers lie, if there are several. Layers of floats are channels of a network, and go last,
        if the file names no segments.
    segments : sequence of Segment
    foreground : Foreground
    """
    if across and values.dtype.kind == "f" and not segments:
        return np.moveaxis(values, across[0], -1)
    layers = [values]
    if across:
        check_memory(path, 2 * values.nbytes // values.shape[across[0]])
        layers = list(np.moveaxis(values, across[0], 0))
    return chosen(path, layers, segments, foreground)


def chosen(
    path: Path,
    layers: Sequence[NDArray[Any]],
    segments: Sequence[Segment],
    foreground: Foreground,
) -> NDArray[Any]:
    """Return one image of the layers: a mask of the segments asked for, or a label map.

    Raises
    ------
    ImageError
        If the segments are unknown, or several layers leave open what is meant.
    """
    if foreground.segments and (segments or len(layers) > 1):
        found = named(path, segments, foreground.segments)
        _check_layers(path, found, len(layers))
        _check_own_labels(path, found, segments)
        _check_whole(path, found, layers)
        parts = [layers[one.layer] == one.label for one in found]
        return np.asarray(np.logical_or.reduce(parts), dtype=np.uint8)
    if len(layers) == 1:
        return layers[0]
    if foreground.labels:
        _check_whole(path, [one for one in segments if one.label in foreground.labels], layers)
        return _label_map(path, layers, segments, foreground.labels)
    if foreground.binarize:
        return np.asarray(np.logical_or.reduce([layer > 0 for layer in layers]), dtype=np.uint8)
    if len(segments) == 1:
        _check_layers(path, segments, len(layers))
        _check_whole(path, segments, layers)
        return np.asarray(layers[segments[0].layer] == segments[0].label, dtype=np.uint8)
    raise ImageError(f"{shown(path)}: it holds {len(layers)} layers{_names(segments)}: {_remedy(segments)}")


def absent(
    path: Path,
    values: NDArray[Any],
    across: Sequence[int],
    segments: Sequence[Segment],
    wanted: Iterable[str],
) -> str:
    """Say which of the segments that are chosen has a label that does not occur, though others do; nothing if none has."""
    layers = list(np.moveaxis(values, across[0], 0)) if across else [values]
    told = []
    for one in named(path, segments, wanted) if segments else ():
        layer = layers[one.layer]
        if layer.any() and not (layer == one.label).any():
            told.append(
                f"its segment {one.name!r} is label {one.label}, which does not occur (values that occur: {labels_in(layer)})"
            )
    return "; ".join(told)


def _label_map(
    path: Path, layers: Sequence[NDArray[Any]], segments: Sequence[Segment], labels: Sequence[int]
) -> NDArray[Any]:
    """Return a map of these labels, each of which must lie in one layer."""
    result = np.zeros_like(layers[0])
    for label in labels:
        holding = [k for k, layer in enumerate(layers) if np.any(layer == label)]
        if len(holding) > 1:
            raise ImageError(
                f"{shown(path)}: label {label} stands in layers {', '.join(map(str, holding))}"
                f"{_names(segments)}, each another segment: {_remedy(segments)}"
            )
        for k in holding:
            result[layers[k] == label] = label
    return result


def _names(segments: Sequence[Segment]) -> str:
    held = [f"{shown(one.name)} (label {one.label}, layer {one.layer})" for one in segments]
    return f" of overlapping segments, {enumerated(held)}" if held else ""


def _remedy(segments: Sequence[Segment]) -> str:
    if segments:
        return f"choose one with {SWITCH}"
    return "it names no segments, so split it into one file a layer first"


def _check_own_labels(path: Path, found: Sequence[Segment], segments: Sequence[Segment]) -> None:
    """Refuse a segment whose voxels are another segment's too, which is not chosen: one of both labels is wrong."""
    for one in found:
        for other in segments:
            if other not in found and (other.label, other.layer) == (one.label, one.layer):
                raise ImageError(
                    f"{shown(path)}: its segments {one.name!r} and {other.name!r} are both label {one.label} of layer {one.layer}, so "
                    "that no voxels are those of one alone: correct its header, or choose both"
                )


def _check_layers(path: Path, segments: Sequence[Segment], layers: int) -> None:
    for one in segments:
        if not 0 <= one.layer < layers:
            raise ImageError(
                f"{shown(path)}: its segment {one.name!r} lies in layer {one.layer}, but it holds {layers}; mend the header"
            )


def _check_whole(path: Path, segments: Sequence[Segment], layers: Sequence[NDArray[Any]]) -> None:
    """Refuse soft segments, whose label does not stand in the voxels."""
    for one in segments:
        layer = layers[min(one.layer, len(layers) - 1)]
        soft = layer != np.rint(layer) if layer.dtype.kind == "f" else np.zeros(1, bool)
        if soft.any():
            raise ImageError(
                f"{shown(path)}: its segment {one.name!r} holds fractions, such as {float(layer[soft][0]):.4g}, and no labels: "
                "save it as binary labels, or as a file of its own, as .nii.gz"
            )


def names_of(segments: Iterable[Segment]) -> str:
    """Return the names of segments and their labels in words."""
    return enumerated([f"{shown(one.name)} (label {one.label})" for one in segments])


def filled_axes(values: NDArray[Any], across: Sequence[int] = ()) -> tuple[bool, ...]:
    """Tell along which axes what is marked in any layer reaches both ends, within a voxel.

    A file that was cropped to what it marks does; a whole volume hardly ever.
    """
    found = []
    for axis in range(values.ndim):
        if axis not in across:
            ends = (values.take([0, 1], axis, mode="clip"), values.take([-1, -2], axis, mode="wrap"))
            found.append(all(bool((end >= 0.5).any()) for end in ends))
    return (*found, *[True] * (3 - len(found)))


def plain(name: str) -> str:
    """Return a name without what people write differently: case, blanks at the ends, how an accent is encoded."""
    return composed(name.strip()).casefold()
