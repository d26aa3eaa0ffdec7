"""Segments that a file names, and the voxels of those that are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..inputs.names import enumerated
from .checks import check_memory
from .paths import shown

if TYPE_CHECKING:
    from ..inputs.foreground import Foreground
    from .image import Image

SWITCH = "select_segment=NAME (--select-segment NAME)"


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


def named(path: Path, segments: Sequence[Segment], wanted: Iterable[str]) -> list[Segment]:
    """Return the segments of these names; case and blanks at the ends do not matter where no name fits exactly.

    Raises
    ------
    ImageError
        If the file names no segments, lacks one, or has two of that name.
    """
    if not segments:
        raise ImageError(
            f"{shown(path)}: it names no segments (.seg.nrrd and DICOM SEG do): choose by select_label "
            "(--select-label K) instead"
        )
    return [_named(path, segments, name) for name in wanted]


def _named(path: Path, segments: Sequence[Segment], name: str) -> Segment:
    exact = [one for one in segments if one.name == name]
    found = exact or [one for one in segments if _plain(one.name) == _plain(name)]
    if not found:
        held = enumerated([shown(one.name) for one in segments])
        raise ImageError(f"{shown(path)}: there is no segment {name!r}; it holds {held}")
    if len(found) > 1:
        labels = enumerated([str(one.label) for one in found])
        raise ImageError(
            f"{shown(path)}: {len(found)} segments are called {name!r} (labels {labels}): rename one of them"
        )
    return found[0]


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
        The axis along which layers lie, if there are several. Layers of floats are channels of a network, and go last.
    segments : sequence of Segment
    foreground : Foreground
    """
    if across and values.dtype.kind == "f" and not foreground.segments:
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
    if foreground.segments:
        found = named(path, segments, foreground.segments)
        _check_layers(path, found, len(layers))
        parts = [layers[one.layer] == one.label for one in found]
        return np.asarray(np.logical_or.reduce(parts), dtype=np.uint8)
    if len(layers) == 1:
        return layers[0]
    if foreground.labels:
        return _label_map(path, layers, segments, foreground.labels)
    if foreground.binarize:
        return np.asarray(np.logical_or.reduce([layer > 0 for layer in layers]), dtype=np.uint8)
    if len(segments) == 1:
        _check_layers(path, segments, len(layers))
        return np.asarray(layers[segments[0].layer] == segments[0].label, dtype=np.uint8)
    raise ImageError(f"{shown(path)}: it holds {len(layers)} layers{_names(segments)}: {_remedy(segments)}")


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


def _check_layers(path: Path, segments: Sequence[Segment], layers: int) -> None:
    for one in segments:
        if not 0 <= one.layer < layers:
            raise ImageError(
                f"{shown(path)}: its segment {one.name!r} lies in layer {one.layer}, but it holds {layers}; mend the header"
            )


def _plain(name: str) -> str:
    return name.strip().casefold()


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
    names = {_plain(one.name): (image, one) for image, one in reversed(naming)}
    if len(names) < 2:
        return None
    told = [f"{one.name!r} in {shown(image.path)}" for image, one in reversed(names.values())]
    return (
        f"label {label} is {enumerated(told)}: check that they are one structure, or choose it with {SWITCH}"
    )


def _check_other(image: Image, one: Segment, other: Image) -> None:
    """Refuse another file in which the same name stands for another label, and this label for something else."""
    same_name = [there for there in other.segments if _plain(there.name) == _plain(one.name)]
    if same_name and all(there.label != one.label for there in same_name):
        raise ImageError(
            f"{shown(image.path)}: label {one.label} is {one.name!r}, which is label {same_name[0].label} in "
            f"{shown(other.path)}: choose the structure with {SWITCH}"
        )
