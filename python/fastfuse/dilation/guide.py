"""The image that guides dilations, and the dilation of one mask by it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import _core
from ..errors import said
from ..inputs.arrays import (
    Array,
    as_array,
    as_companion,
    axes_in_memory_order,
    coordinates,
    in_space,
    labels_in,
    name_of,
    shown_number,
    told_once,
    transposed,
    without_frames,
)
from ..inputs.libraries import is_image
from ..inputs.looks import beyond_votes, looks_scaled
from ..inputs.threads import cores, remarks_on_threads, side_by_side
from .ball import check_ball
from .options import Dilation
from .soft_mask import SoftMask

LEAST_SIDE_BY_SIDE = 1 << 18  # voxels of masks that are worth a thread each


@dataclass(frozen=True)
class Guide:
    """The image that guides dilations, checked and scaled once for all masks.

    ``image_name`` and ``roi_name`` name the image and the region of interest in messages, and ``region`` what a
    caller gives to have one.
    """

    image: Array
    roi: Array | None
    options: Dilation
    threads: int
    image_name: str
    roi_name: str
    region: str
    scaling: tuple[float, float] | None = None  # the intensities that become 0 and 1

    @classmethod
    def of(
        cls,
        image: Any,
        roi: Any,
        options: Dilation,
        *,
        threads: int,
        image_name: str = "the image",
        roi_name: str = "roi",
        region: str = "a region of interest, roi=ARRAY",
    ) -> Guide:
        """Check the image and the region of interest, and find the scaling if the options need one."""
        volume, counts = _as_volume(as_array(image, image_name), image_name), None
        if roi is not None:
            counts = _as_region(as_companion(roi, roi_name, volume.shape, "the image has"), roi_name)
        guide = cls(volume, counts, options, threads, image_name, roi_name, region)
        return replace(guide, scaling=guide._find_scaling()) if options.scales else guide

    def _find_scaling(self) -> tuple[float, float] | None:
        """Return the intensities that become 0 and 1; None if no voxel is finite."""
        axes = axes_in_memory_order(self.image)
        return _core.find_scaling(
            self.image.transpose(axes),
            roi=None if self.roi is None else self.roi.transpose(axes),
            threads=self.threads,
        )

    @property
    def remarks(self) -> list[str]:
        """Reasons to doubt the result, and what to do; nothing helps an image that is flat everywhere."""
        return [*(f"{doubt}: {self._remedy}" for doubt in self.doubts), *remarks_on_threads()]

    @property
    def _remedy(self) -> str:
        if self._is_flat:
            return "give FLAIR there"
        region = self.region if self.roi is None else f"another region of interest than {self.roi_name}"
        return f"give {region}, a threshold in its unit, or one that needs no normalizing, such as threshold='exact' (--ring-threshold exact)"

    @property
    def doubts(self) -> list[str]:
        """Reasons to doubt the result, without remedies."""
        if self.scaling is None or self.scaling[0] < self.scaling[1]:
            return []
        where = "everywhere" if self._is_flat else "at its 0.1st and at its 99.9th percentile"
        flat = f"{self.image_name} is {shown_number(self.scaling[0])} {where}"
        return [f"{flat}, so its brightness cannot guide a dilation"]

    @cached_property
    def _is_flat(self) -> bool:
        finite = self.image[np.isfinite(self.image)]
        return not finite.size or bool(finite.min() == finite.max())

    def dilate_all(self, masks: Sequence[Array], names: Sequence[str] | None = None) -> list[SoftMask]:
        """Dilate several raters' masks, side by side; ``names`` name them in messages."""
        titles = [name_of(i, names) for i in range(len(masks))]
        workers, one = self.beside(len(masks))
        return list(side_by_side(lambda job: one.dilate(*job), zip(masks, titles, strict=True), workers))

    def beside(self, masks: int) -> tuple[int, Guide]:
        """Return of how many threads each dilates one of so many masks, and by which guide."""
        workers = min(self.threads or cores(), masks)
        if workers < 2 or self.image.size < LEAST_SIDE_BY_SIDE:
            return 1, self
        return workers, replace(self, threads=1)

    def dilate(self, mask: Array, name: str, dtype: DTypeLike = np.float32) -> SoftMask:
        """Dilate one mask, called ``name`` in messages; a single frame, batch or channel of it stays."""
        shape = mask.shape
        mask = self._checked(mask, name)
        axes = axes_in_memory_order(mask)
        values = np.zeros([mask.shape[axis] for axis in axes], dtype)
        try:
            found = self._dilate(mask, axes, values)
        except _core.BadInput as bad:
            raise ValueError(said(self._explain(bad.args, mask, name, axes))) from None
        cuts = np.array(found["cut"], dtype=np.float64)
        marked, ring = found["mask_voxels"], found["ring_voxels"]
        return SoftMask(
            values=values.transpose(np.argsort(axes)).reshape(shape),
            threshold=self._per_scope(cuts),
            image_threshold=self._per_scope(self._in_unit_of_image(cuts)),
            size=(marked + ring) / marked if marked else np.nan,
            voxels=marked,
            ring_voxels=ring,
        )

    def _checked(self, mask: Array, name: str) -> Array:
        mask = _as_volume(mask, name)
        if mask.shape != self.image.shape:
            remedy = transposed(name, mask.shape, self.image.shape) or "resample to one grid"
            shapes = f"{mask.shape}, {self.image_name} has shape {self.image.shape}"
            raise ValueError(f"{name} has shape {shapes}: {remedy}")
        if self.options.scales and self.scaling is None and mask.any():
            raise ValueError(f"{self.image_name} has no finite voxel that counts: nothing can be scaled")
        options = self.options
        if options.radius_mm is not None and options.spacing_mm is not None:
            check_ball(options.radius_mm, options.spacing_mm, self.image.shape, "radius_mm")
        return mask

    def _dilate(self, mask: Array, axes: Sequence[int], values: NDArray[Any]) -> _core.Dilated:
        options = self.options
        rank_step = _steps_in_c_order(mask.shape)
        fixed = not isinstance(options.threshold, str)
        spacing_mm = options.spacing_mm or (1.0, 1.0, 1.0)
        return _core.dilate(
            mask.transpose(axes),
            self.image.transpose(axes),
            values,
            rank_step=[rank_step[axis] for axis in axes],
            roi=None if self.roi is None else self.roi.transpose(axes),
            size=options.size,
            label=options.label,
            iterations=options.iterations,
            radius_mm=options.radius_mm,
            spacing_mm=[spacing_mm[axis] for axis in axes],
            cut="fixed" if fixed else str(options.threshold),
            intensity=float(options.threshold) if fixed else 0.0,
            scaling=self.scaling,
            per_lesion=options.scope == "lesion",
            connected=options.connected,
            binarize=options.binarize,
            threads=self.threads,
        )

    def _explain(self, complaint: Sequence[Any], mask: Array, name: str, axes: Sequence[int]) -> str:
        """Turn the core's complaint (kind, rater, voxel, value) into a sentence with a remedy."""
        kind, _, voxel, value = complaint
        found = f"holds {shown_number(value)} at voxel {coordinates(voxel, mask.shape, axes)}"
        if kind == "image_not_finite":
            out = f"by {self.region}" if self.roi is None else f"of {self.roi_name}"
            remedy = f"mend it, or leave the voxel out {out}"
            return f"{self.image_name} {found}, where {name} may grow: {remedy}"
        if kind == "not_finite":
            return f"{name} {found}: a mask holds 0 and 1"
        swapped = np.unique(told_once(self.image)).size <= 2
        image = beyond_votes(mask, swapped=swapped)
        if image:
            joint = " " if image.endswith("?") else "; "
            remedy = f"{joint}{self.image_name} holds two values, as a mask does: swap the two"
            return f"{name} {found}: {image}{remedy if swapped else ''}"
        cut = _cut_of(mask)
        cutting = f"of probabilities, mask >= {cut:g} (--threshold {cut:g}) makes one" if cut else ""
        if cut and cut < 1:
            return f"{name} {found}: a mask holds 0 and 1; {cutting}"
        return (
            f"{name} {found} (values that occur: {labels_in(mask)}): a mask holds 0 and 1; binarize=True (--binarize) "
            f"counts whatever is above 0{cutting and '; '}{cutting}"
        )

    def _in_unit_of_image(self, cuts: NDArray[np.float64]) -> NDArray[np.float64]:
        low, high = self.scaling or (0.0, 1.0)
        return low + cuts * (high - low)

    def _per_scope(self, cuts: NDArray[np.float64]) -> Any:
        if self.options.scope == "lesion":
            return cuts
        return float(cuts[0]) if cuts.size else np.nan


def check_order(raters: Any, image: Any, call: str) -> None:
    """Refuse several raters in the place of the image, and the image in theirs; ``call`` is the function."""
    masks = next(iter(image), None) if isinstance(image, (list, tuple)) else None
    alone = is_image(raters) or getattr(raters, "ndim", 0) > 1
    several = getattr(masks, "ndim", 0) > 2 or (
        alone and (is_image(masks) or getattr(masks, "shape", None) == getattr(raters, "shape", ()))
    )
    stacked = tuple(getattr(image, "shape", ()))
    stacked = stacked[in_space(stacked)]
    if several or (len(stacked) == 4 and getattr(raters, "ndim", 0) == 3):
        raise TypeError(
            f"raters and image are exchanged: write {call}(raters, image), the list of raters first"
        )


def _cut_of(mask: Array) -> float | None:
    """Return half of what stands for 1 in probabilities; None if they are none, or too low to be cut there."""
    scale = looks_scaled(mask)
    if scale:
        return scale / 2
    values = told_once(mask)
    if values.dtype.kind != "f" or not 0.5 <= float(np.nanmax(values)) <= 1 or not np.nanmin(values) >= 0:
        return None
    return 0.5


def _steps_in_c_order(shape: Sequence[int]) -> list[int]:
    """Return the strides in voxels of an array of this shape in C order."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _as_volume(array: Array, name: str) -> Array:
    array = without_frames(array)
    if array.ndim != 3:
        remedy = (
            "give one volume at a time" if array.ndim > 3 else "a slice becomes one with [..., np.newaxis]"
        )
        raise ValueError(
            f"{name} has shape {array.shape}: a dilation needs volumes of three axes, several raters' as a list; {remedy}"
        )
    if 0 in array.shape:
        raise ValueError(f"{name} is empty: shape {array.shape}")
    return array


def _as_region(region: Array, name: str) -> Array:
    bad = np.zeros(1, bool) if region.dtype.kind == "b" else (region != 0) & (region != 1)
    if bad.any():
        place = tuple(int(index) for index in np.unravel_index(np.argmax(bad), region.shape))
        value = shown_number(float(region[place]))
        raise ValueError(
            f"{name} holds {value} at voxel {place}: a mask is boolean or holds 0 and 1 only; write mask > 0"
        )
    if not region.any():
        raise ValueError(f"{name} is empty: nothing may grow")
    return region
