"""Takes one channel of an image of four axes: a network's probabilities of all classes or regions in one file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import ImageError
from ..inputs.foreground import SCALES, Foreground
from .channels import Channels, are_classes
from .image import Image
from .paths import shown
from .wanted import Wanted

MOST_REGIONS = 16  # an axis longer than this holds no regions
FIRST, LAST = 0, 3
WORDS = {FIRST: "first", LAST: "last"}


def one_channel(image: Image, wanted: Wanted) -> Image:
    """Return the channel of an image of four axes that is wanted; an image of three as it is.

    Raises
    ------
    ImageError
        Naming the file, if no channel is chosen, or the image holds no probabilities of several.
    """
    if image.data.ndim != 4 or wanted.all_channels:
        return image
    foreground = wanted.foreground
    if not (foreground.labels or foreground.binarize):
        raise ImageError(
            f"{shown(image.path)}: it has shape {image.data.shape}; one 3-D image per file is needed, so split it first "
            "(nibabel.four_to_three); of a network's probabilities, select_label=K (--select-label K) takes one class"
        )
    unit = _unit(image, foreground)
    axis, classes = _axis(image, unit, "last" if image.channels_last else wanted.channel_axis)
    values = np.moveaxis(image.data, axis, 0)
    remarks = [] if image.remark is None else [image.remark]
    remarks.append(_said(image, axis, len(values), foreground, classes=classes))
    data, taken = Channels(image.path, values, classes).chosen(foreground, remarks)
    held = replace(taken, told=False)
    return replace(image, data=data, remark="; ".join(remarks), is_channel=True, held=held)


def channels_of(image: Image) -> list[Image]:
    """Return the volumes of an image of four axes whose values sum to 1 along one of them; an image of three alone."""
    if image.data.ndim != 4:
        return [image]
    ends = (LAST,) if image.channels_last else (LAST, FIRST)
    summing = [axis for axis in ends if are_classes(np.moveaxis(image.data, axis, 0))]
    values = np.moveaxis(image.data, (*summing, LAST)[0], 0)
    return [replace(image, data=volume) for volume in values]


def _said(image: Image, axis: int, count: int, foreground: Foreground, *, classes: bool) -> str:
    taken = ""
    if classes:
        labels = ", ".join(map(str, foreground.labels))
        taken = (
            f", class {labels} of 0 to {count - 1} was taken" if labels else ", all but class 0 were taken"
        )
    which = "header's axis of no space" if image.channels_last else f"{WORDS[axis]} axis"
    return f"{shown(image.path)}: the {which}, of {count}, was taken for the channels of a network{taken}"


def _unit(image: Image, foreground: Foreground) -> float:
    """Return what stands for a probability of 1."""
    lowest, highest = float(np.nanmin(image.data)), float(np.nanmax(image.data))
    given = foreground.scale
    if isinstance(given, float):
        unit = given
    else:
        fitting = [scale for scale in SCALES if highest <= scale * (1 + 1e-3)]
        unit = fitting[0] if given == "auto" and fitting else 1.0
    if not (lowest >= -1e-3 * unit and highest <= unit * (1 + 1e-3)):
        raise ImageError(
            f"{shown(image.path)}: it has shape {image.data.shape} and values from {lowest:g} to {highest:g}, which are "
            "no probabilities of a network's classes; one 3-D image per file is needed, so split it first "
            "(nibabel.four_to_three), or give the scale of probabilities (--scale 100, --scale 255)"
        )
    return unit


def _axis(image: Image, unit: float, given: str | None) -> tuple[int, bool]:
    """Return the axis of the channels, and whether these are classes.

    Classes sum to 1; regions are few.
    """
    data = image.data
    if given is not None:
        axis = FIRST if given == "first" else LAST
        return axis, are_classes(np.moveaxis(data, axis, 0), unit)
    summing = [axis for axis in (FIRST, LAST) if are_classes(np.moveaxis(data, axis, 0), unit)]
    few = [axis for axis in (FIRST, LAST) if data.shape[axis] <= MOST_REGIONS]
    found = summing or few
    if len(found) == 1:
        return found[0], bool(summing)
    raise ImageError(
        f"{shown(image.path)}: it has shape {data.shape}, and either end may hold the channels; say which by "
        "channel_axis='first' or 'last' (--channel-axis first or last)"
    )
