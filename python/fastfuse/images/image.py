"""A 3-D image in memory, and what is asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.orientations import io_orientation
from numpy.typing import NDArray

from ..errors import ImageError
from ..inputs.arrays import shown_number, values_in
from ..inputs.foreground import Foreground
from ..inputs.grids import Grid
from ..inputs.libraries import unit_of
from ..inputs.looks import beyond_votes, fills_as_an_image
from .channels import Held
from .formats.segments import Segment
from .grids.forms import forms_of
from .paths import shown

HALF = 0.501  # of a step: single precision needs a little more than half


@dataclass(frozen=True)
class Image:
    """A 3-D image in memory.

    Attributes
    ----------
    path : Path
        The file that it was read from.
    data : ndarray, shape (x, y, z)
        In the type of the file; float64 if the header scales the stored numbers.
    affine : ndarray of float64, shape (4, 4)
        From voxel indices to millimetres, RAS+.
    header : nibabel header or None
        Source of units and codes for outputs; None for formats other than NIfTI.
    scaled : bool
        Whether the header scales the stored numbers, so that they may be rounded.
    form : str or None
        Which affine of a NIfTI header was asked for, qform or sform.
    remark : str or None
        What is doubtful about the file.
    placed : bool or None
        Whether the header says where the image lies; None: the codes of ``header`` tell, if there is one.
    unknown_codes : str
        Codes of the header that are not defined, as in "sform_code 99".
    segments : tuple of Segment
        The structures that the file names.
    is_channel : bool
        Whether the data are votes already: labels have chosen a network's channel, or labels or names a segment.
    held : Held or None
        Labels of the network's segmentation that these are, if that is known.
    channels_last : bool
        Whether the header tells that the last of four axes is no space, but that of a network's channels.
    has_four_axes : bool
        Whether the data are a channel of an image of four axes.
    fills : tuple of 3 bool or None
        Along which axes the file is cropped to what it marks, if the data are only a part of that: see
        :func:`filled_axes`.
    own : Grid or None
        Where the voxels of the file lie, if the data were put onto another grid.
    unit : str
        What the header of another format than NIfTI counts in, if it says so.
    frame : str
        The frame of reference that DICOM gives the place in.
    assumed : str
        What was taken of the place where the header does not say it, or says what is not known.
    sized : bool
        Whether the header gives the size of the voxels.
    drawn : bool
        Whether the data are contours that were drawn on the grid of another file.
    """

    path: Path
    data: NDArray[Any]
    affine: NDArray[np.float64]
    header: Any = None
    scaled: bool = False
    form: str | None = None
    remark: str | None = None
    placed: bool | None = None
    unknown_codes: str = ""
    segments: tuple[Segment, ...] = ()
    is_channel: bool = False
    held: Held | None = None
    channels_last: bool = False
    has_four_axes: bool = False
    fills: tuple[bool, ...] | None = None
    own: Grid | None = None
    unit: str = ""
    frame: str = ""
    assumed: str = ""
    sized: bool = True
    drawn: bool = False

    @property
    def step(self) -> float | None:
        """Difference between two stored numbers that follow each other, where the header scales them."""
        if not self.scaled or not hasattr(self.header, "get_slope_inter"):
            return None
        slope, _ = self.header.get_slope_inter()
        return None if slope is None else abs(float(slope))

    @cached_property
    def grid(self) -> Grid:
        """Positions of the voxels in space."""
        forms = forms_of(self.header)
        placed = self.placed
        if placed is None:
            placed = self.header is None or bool(forms)
        shape, unit = self.data.shape, self.unit or unit_of(self.header)
        return Grid(
            shown(self.path),
            shape,
            self.affine,
            placed=placed,
            forms=forms,
            unit=unit,
            codes=self.unknown_codes,
            assumed=self.assumed,
            sized=self.sized,
        )

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel, in ml."""
        return self.grid.voxel_mm3 / 1000


def votes_of(image: Image, remarks: list[str] | None = None) -> NDArray[Any]:
    """Return a rater's values, with the rounding of scaled labels and of scaled votes 0 and 1 undone.

    Headers scale in single precision, which turns label 3 into 2.9999999; and labels that were stored in 8 bits lie
    up to half a step of the scale beside whole numbers, which is added to ``remarks``.
    """
    data = image.data
    if not image.scaled:
        return data
    near = np.rint(data)
    error = np.abs(data - near)
    if np.all(error <= 1e-4):  # a label map
        return np.asarray(near)
    step = image.step
    if step is not None and step < 1 and near.max() > 1 and np.all(error <= step * HALF):
        if remarks is not None:
            worst = shown_number(round(float(data.flat[np.argmax(error)]), 6))
            remarks.append(
                f"{shown(image.path)}: the header stores labels in steps of {step:.3g}, values such as {worst} were "
                "rounded to whole numbers"
            )
        return np.asarray(near)
    return np.where((error <= 1e-6) & ((near == 0) | (near == 1)), near, data)


def region_of(image: Image, remarks: list[str]) -> NDArray[Any]:
    """Return a region of 0 and 1, also of a file that holds 0 and one other number, which is said.

    Raises
    ------
    ImageError
        Naming the file, if it holds several other numbers.
    """
    region = votes_of(image)
    marked = region != 0
    if region.dtype.kind == "b" or not marked.any() or not np.isfinite(region).all():
        return region
    inside = region[marked]
    low, high = inside.min(), inside.max()
    if low == high == 1:
        return region
    if low != high or low < 0:
        raise ImageError(
            f"{shown(image.path)}: it holds {values_in(region)}, and a region is 0 and 1, or 0 and one other number above "
            f"0; {_region_instead(region)}"
        )
    number = shown_number(float(low))
    remarks.append(
        f"{shown(image.path)}: all its values are {number}, which is taken as 1: it leaves nothing out, as a map of a prior would"
        if marked.all()
        else f"{shown(image.path)}: its values are 0 and {number}, which is taken as 1"
    )
    return np.asarray(marked, dtype=np.uint8)


def _region_instead(region: NDArray[Any]) -> str:
    """Say what makes a region of other values, or what these look like."""
    make = "'fastfuse fuse FILE {} --method majority -o REGION.nii.gz' makes a region of what is {}"
    low, high = float(region.min()), float(region.max())
    if low >= 0 and high <= 1:
        return f"of probabilities, {make.format('--threshold 0.5', 'at least 0.5')}"
    if low > 0 or fills_as_an_image(region) or beyond_votes(region, swapped=True):
        image = "it looks like an image, such as FLAIR: give a mask of the brain"
        return f"{image}, or of an image that is 0 outside it, {make.format('--binarize', 'above 0')}"
    return make.format("--binarize", "above 0")


def without_effect(images: Sequence[Image], channel_axis: str | None, use: str | None) -> list[str]:
    """Say which options of reading none of the images has a use for."""
    remarks = []
    if channel_axis is not None and not any(image.has_four_axes for image in images):
        option = f"channel_axis='{channel_axis}' (--channel-axis {channel_axis})"
        remarks.append(f"{option} has no effect, as no file has four axes")
    if use is not None and not any(use in forms_of(image.header) for image in images):
        remarks.append(f"use='{use}' (--use {use}) has no effect, as no file has a {use}")
    return remarks


def check_step(image: Image) -> None:
    """Refuse labels that a header scales in steps of 1 or more, which puts several into one."""
    step = image.step
    if step is None or step < 1:
        return
    finite = image.data[np.isfinite(image.data)]
    beside = finite[np.abs(finite - np.rint(finite)) > 1e-4]
    if beside.size:
        raise ImageError(
            f"{shown(image.path)}: its header stores values in steps of {step:.6g}, such as {shown_number(round(float(beside[0]), 6))}, as writers do "
            "that squeeze them into 8 or 16 bits, and labels get lost by that: save the label map as integers, without scl_slope"
        )


def chosen_votes(image: Image, foreground: Foreground, name: str, remarks: list[str]) -> NDArray[Any]:
    """Return the votes that an image's values stand for; ``name`` is what messages call it."""
    chosen, values = foreground.of_channel if image.is_channel else foreground, votes_of(image, remarks)
    votes = chosen.votes(values, name, remarks=remarks)
    if chosen.labels and not votes.any():
        remarks.append(f"{name}: {chosen.said_of_nothing([values])}")
    return votes


def ras_axes(affine: NDArray[np.float64]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the order of axes nearest to right, anterior, superior, and the axes of that order to reverse."""
    places = io_orientation(affine)
    order = tuple(int(axis) for axis in np.argsort(places[:, 0]))
    return order, tuple(at for at, axis in enumerate(order) if places[axis, 1] < 0)
