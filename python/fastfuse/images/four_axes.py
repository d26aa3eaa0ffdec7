"""Takes one channel of an image of four axes: a network's probabilities of all classes or regions in one file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..inputs.foreground import Foreground
from ..inputs.looks import SCALES
from ..inputs.names import enumerated
from .channels import EXP, NEARLY_ALL, Channels, Kind, are_classes, are_logarithms, kind_of, share_of_none
from .image import Image
from .paths import shown
from .wanted import Wanted

MOST_REGIONS = 16  # an axis longer than this holds no regions
FIRST, LAST = 0, 3
WORDS = {FIRST: "first", LAST: "last"}
SAVE_ONE = "save the channel that is meant as an image of three axes"


class FourAxesError(ImageError):
    """An image of four axes of which no channel was chosen.

    Attributes
    ----------
    image : Image or None
        None in another process than that which read it.
    """

    def __init__(self, message: str, image: Image | None = None) -> None:
        super().__init__(message)
        self.image = image

    def __reduce__(self) -> tuple[type[FourAxesError], tuple[str]]:
        return type(self), (str(self),)


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
        raise FourAxesError(
            f"{shown(image.path)}: it has shape {image.data.shape}; one 3-D image per file is needed, so split it first "
            "(nibabel.four_to_three); of a network's probabilities, select_label=K (--select-label K) takes one class",
            image,
        )
    unit = _unit(image, foreground)
    given = "last" if image.channels_last else wanted.channel_axis
    axis, classes = _axis(_without_nan(image), unit, given)
    values = np.moveaxis(image.data, axis, 0)
    remarks = [] if image.remark is None else [image.remark]
    remarks.append(_said(image, axis, values, foreground, classes=classes))
    data, taken = Channels(image.path, values, classes).chosen(foreground, remarks)
    held = replace(taken, told=False)
    return replace(
        image, data=data, remark="; ".join(remarks), is_channel=True, has_four_axes=True, held=held
    )


def channels_of(image: Image) -> list[Image]:
    """Return the volumes of an image of four axes whose values sum to 1 along one of them; an image of three alone."""
    if image.data.ndim != 4:
        return [image]
    values = np.moveaxis(image.data, (*axes_of_classes(image), LAST)[0], 0)
    return [replace(image, data=volume) for volume in values]


def axes_of_classes(image: Image) -> list[int]:
    """Return the axes along which an image of four axes holds classes: none, one, or either end."""
    ends = (LAST,) if image.channels_last else (LAST, FIRST)
    summing = [axis for axis in ends if are_classes(np.moveaxis(image.data, axis, 0))]
    return summing or [axis for axis in ends if kind_of(np.moveaxis(image.data, axis, 0)) == "classes"]


def _without_nan(image: Image) -> Image:
    """Return an image with 0 where it holds nan, which may stand for a missing vote and tells of no axis."""
    gone = np.isnan(image.data) if image.data.dtype.kind == "f" else None
    return image if gone is None or not gone.any() else replace(image, data=np.where(gone, 0, image.data))


def _said(image: Image, axis: int, values: NDArray[Any], foreground: Foreground, *, classes: bool) -> str:
    count, taken, none = len(values), "", ""
    if classes:
        labels = enumerated([str(label) for label in foreground.labels])
        taken = (
            f", class {labels} of 0 to {count - 1} was taken" if labels else ", all but class 0 were taken"
        )
        share = share_of_none(values)
        none = (
            f"; at {share:.0%} of the voxels it gives all classes 0: none is taken there"
            if share > 1 - NEARLY_ALL
            else ""
        )
    which = "header's axis of no space" if image.channels_last else f"{WORDS[axis]} axis"
    return (
        f"{shown(image.path)}: the {which}, of {count}, was taken for the channels of a network{taken}{none}"
    )


def _unit(image: Image, foreground: Foreground) -> float:
    """Return what stands for a probability of 1."""
    lowest, highest = float(np.nanmin(image.data)), float(np.nanmax(image.data))
    given = foreground.scale
    if isinstance(given, float):
        unit = given
    else:
        fitting = [scale for scale in SCALES if highest <= scale * (1 + 1e-3)]
        unit = fitting[0] if given == "auto" and fitting else 1.0
    if are_logarithms(image.data):
        raise ImageError(
            f"{shown(image.path)}: its values go from {lowest:.4g} to {highest:.4g}, and exp of them sums to 1 along an axis, as of "
            f"logarithms of probabilities (log-softmax): {EXP}"
        )
    if not (lowest >= -1e-3 * unit and highest <= unit * (1 + 1e-3)):
        raise ImageError(
            f"{shown(image.path)}: it has shape {image.data.shape} and values from {lowest:g} to {highest:g}, which are "
            "no probabilities of a network's classes; one 3-D image per file is needed, so split it first "
            "(nibabel.four_to_three), or give the scale of probabilities, scale=100 or scale=255 (--scale 100, --scale 255)"
        )
    return unit


def _axis(image: Image, unit: float, given: str | None) -> tuple[int, bool]:
    """Return the axis of the channels, and whether these are classes.

    Classes sum to 1; regions are few.
    """
    data = image.data
    if given is not None:
        axis, other = (FIRST, LAST) if given == "first" else (LAST, FIRST)
        kind = kind_of(np.moveaxis(data, axis, 0), unit)
        if kind != "classes" and data.shape[other] <= MOST_REGIONS < data.shape[axis]:
            raise ImageError(
                f"{shown(image.path)}: it has shape {data.shape}, and its {WORDS[axis]} axis holds no channels: they do not sum "
                f"to 1, and {data.shape[axis]} regions are too many; the {WORDS[other]} axis may"
            )
        return axis, _checked(image, axis, kind, unit)
    summing = [axis for axis in (FIRST, LAST) if are_classes(np.moveaxis(data, axis, 0), unit)]
    if len(summing) == 1:
        return summing[0], True
    kinds = {axis: kind_of(np.moveaxis(data, axis, 0), unit) for axis in (FIRST, LAST)}
    few = [axis for axis in kinds if data.shape[axis] <= MOST_REGIONS]
    found = [axis for axis, kind in kinds.items() if kind == "classes"] or few
    if len(found) == 1:
        return found[0], _checked(image, found[0], kinds[found[0]], unit)
    raise ImageError(
        f"{shown(image.path)}: it has shape {data.shape}, and either end may hold the channels; say which by "
        "channel_axis='first' or 'last' (--channel-axis first or last)"
    )


def _checked(image: Image, axis: int, kind: Kind, unit: float) -> bool:
    """Tell whether channels are classes; refuse those of which that cannot be told, or that are nothing known."""
    if kind in ("classes", "regions"):
        return kind == "classes"
    count, name = image.data.shape[axis], shown(image.path)
    index = "..., K" if axis == LAST else "K"
    remedy = f"{SAVE_ONE} (data[{index}] of its array, K from 0 to {count - 1})"
    if kind == "either":
        raise ImageError(
            f"{name}: its {count} channels are masks that never overlap, and all are 0 at some voxels: they may be classes, the "
            f"first of them the background, or regions without a background; {remedy}, or all as one label map"
        )
    sums = image.data.sum(axis=axis, dtype=np.float64)
    low, middle, high = np.percentile(sums[sums != 0] / unit, [5, 50, 95])
    raise ImageError(
        f"{name}: its {count} channels are neither classes, as they sum to {middle:.3g} ({low:.3g} to {high:.3g} at nine voxels "
        f"of ten) and not to 1, nor regions, as the first looks like the background of the others; save its probabilities "
        f"with two decimals or more, and so that they sum to 1; or {remedy}"
    )
