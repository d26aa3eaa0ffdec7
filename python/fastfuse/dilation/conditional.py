"""Soft labels by anatomy: a rater's mask grows into the bright voxels around it.

Kats, Goldberger, Greenspan, *A Soft STAPLE Algorithm Combined with Anatomical Knowledge*, MICCAI 2019,
doi:10.1007/978-3-030-32248-9_57, arXiv:1910.12077, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import _core
from ..errors import warn
from ..inputs.arrays import (
    Array,
    as_array,
    as_companion,
    as_raters,
    axes_in_memory_order,
    coordinates,
    labels_in,
    name_of,
    named_raters,
    shown_number,
)
from ..inputs.checks import check_count
from ..inputs.grids import check_in_memory
from .options import Dilation
from .soft_mask import SoftMask


def conditional_dilation(
    mask: Any,
    image: Any,
    *,
    size: float = 1.2,
    label: float = 0.3,
    iterations: int = 6,
    threshold: str | float = "adaptive",
    scope: str = "volume",
    connected: bool = False,
    radius_mm: float | None = None,
    spacing_mm: Sequence[float] | None = None,
    normalize: bool = True,
    roi: ArrayLike | None = None,
    binarize: bool = False,
    threads: int = 0,
) -> SoftMask:
    """Grow a binary mask into the bright voxels around it, which get a soft label.

    The mask's voxels keep 1. Of the candidates, the voxels that a binary dilation adds, the brightest make the
    ring, so many that (mask + ring) / mask reaches ``size``.

    Parameters
    ----------
    mask : array_like, shape (x, y, z)
        One rater's mask, 0 and 1: any number type and memory layout, a nibabel image, ``__array__`` or DLPack.
    image : array_like, shape (x, y, z)
        Where lesions are bright: FLAIR. Finite where a candidate lies.
    size : float, default 1.2
        (mask + ring) / mask to reach, at least 1. If there are too few candidates, the ring holds what there is.
    label : float, default 0.3
        Vote of the ring's voxels, in (0, 1).
    iterations : int, default 6
        How often the mask is dilated with the 6-connected cross to find the candidates.
    threshold : {"adaptive", "exact"} or float, default "adaptive"
        "adaptive", the authors' rule: a cut falls from 0.99 in steps of 0.01, 100 cuts at most, until the
        candidates above it make up the size; it can overshoot, by much on small masks. The first cut is taken in
        any case, so that even ``size=1`` has a ring of what is brighter than 0.99; the last is 0. "exact": the ⌈(size - 1) mask⌉ brightest
        candidates, ties broken by index in C order. A number: the candidates above this intensity of the image,
        however many; ``size`` and ``normalize`` have no effect then.
    scope : {"volume", "lesion"}, default "volume"
        Reach the size with all lesions pooled, or with each 26-connected lesion by itself. A candidate near two
        lesions belongs to the nearer, of two as near to the one whose first voxel comes first in C order.
    connected : bool, default False
        Take only such ring voxels whose 6-connected component touches the mask (the lesion, by lesion), at every
        cut. For "exact": the brightest candidate that touches the mask or the ring, one after the other.
    radius_mm : float, optional
        Candidates are what lies within this distance of the mask in mm (to one part in a million), in place of
        ``iterations``: for thick slices.
    spacing_mm : sequence of 3 floats, optional
        Voxel size along each axis in mm; needed for ``radius_mm``, of no effect without.
    normalize : bool, default True
        For "adaptive": clip the image at its 0.1st and 99.9th percentiles and scale it to [0, 1]. False: it lies
        in [0, 1] already.
    roi : array_like, shape (x, y, z), optional
        Region of interest, such as the brain (bool, or 0 and 1): the percentiles are those of its voxels, and
        the ring stays inside it.
    binarize : bool, default False
        Count whatever is above 0 in the mask as 1. Some MSSEG masks hold other values than 0 and 1.
    threads : int, default 0
        Threads to use; 0 takes what the process may use. The result is the same for every number.

    Returns
    -------
    SoftMask

    Raises
    ------
    ValueError
        Shapes that differ; a mask that holds other values than 0 and 1; a nan or infinity in the mask, or in the
        image where a candidate lies; an option out of range.
    TypeError
        For what is no array of booleans, integers or floats.

    Warns
    -----
    FusionWarning
        If the image is flat between its percentiles: all candidates are as bright as any other then.

    Examples
    --------
    >>> import numpy as np, fastfuse
    >>> flair = np.full((3, 3, 7), 0.2)
    >>> flair[1, 1] = [0.2, 0.5, 0.9, 1.0, 1.0, 0.8, 0.3]
    >>> mask = np.zeros((3, 3, 7), np.uint8)
    >>> mask[1, 1, 3:5] = 1
    >>> fastfuse.conditional_dilation(mask, flair, size=2, normalize=False).values[1, 1]
    array([0. , 0. , 0.3, 1. , 1. , 0.3, 0. ], dtype=float32)
    """
    options = Dilation.checked(
        size=size,
        label=label,
        iterations=iterations,
        threshold=threshold,
        scope=scope,
        connected=connected,
        radius_mm=radius_mm,
        spacing_mm=spacing_mm,
        normalize=normalize,
        binarize=binarize,
    )
    threads = check_count(threads, "threads", least=0)
    guide = Guide.of(image, roi, options, threads=threads)
    soft = guide.dilate(as_array(mask, "mask"), "mask")
    warn(check_in_memory([("mask", mask), ("image", image), ("roi", roi)]) + guide.remarks)
    return soft


def soften(
    raters: Any,
    image: Any,
    *,
    roi: ArrayLike | None = None,
    threads: int = 0,
    **options: Any,
) -> list[SoftMask]:
    """Grow several raters' masks by :func:`conditional_dilation`; the image is scaled once for all.

    Parameters
    ----------
    raters : sequence of m array_like, or array_like of shape (m, x, y, z)
        Masks, 0 and 1.
    image, roi, threads, **options
        As in :func:`conditional_dilation`.

    Returns
    -------
    list of m SoftMask
        Their ``values`` are votes for :func:`soft_staple` and :func:`simplified_soft_staple`.

    Raises
    ------
    ValueError, TypeError
        As :func:`conditional_dilation`, naming the rater.

    Warns
    -----
    FusionWarning
        As :func:`conditional_dilation`.

    Examples
    --------
    >>> import numpy as np, fastfuse
    >>> flair = np.linspace(0, 1, 64).reshape(4, 4, 4)
    >>> masks = [flair > 0.8, flair > 0.7]
    >>> [round(soft.size, 2) for soft in fastfuse.soften(masks, flair, size=1.5)]
    [1.54, 1.53]
    """
    threads = check_count(threads, "threads", least=0)
    guide = Guide.of(image, roi, Dilation.checked(**options), threads=threads)
    remarks = check_in_memory([*named_raters(raters), ("image", image), ("roi", roi)])
    softened = guide.dilate_all(as_raters(raters))
    warn(remarks + guide.remarks)
    return softened


MOST_BALL_VOXELS = 1_000_000  # a radius of some 60 voxels


@dataclass(frozen=True)
class Guide:
    """The image that dilations follow, made ready once for all masks.

    ``image_name`` and ``roi_name`` are what messages call the image and the region of interest.
    """

    image: Array
    roi: Array | None
    options: Dilation
    threads: int
    image_name: str
    roi_name: str
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
    ) -> Guide:
        """Check the image and the region of interest, and find the scaling if there is to be one."""
        volume, region = _as_volume(as_array(image, image_name), image_name), None
        if roi is not None:
            region = _as_region(as_companion(roi, roi_name, volume.shape, "the image has"), roi_name)
        guide = cls(volume, region, options, threads, image_name, roi_name)
        return replace(guide, scaling=guide._find_scaling()) if options.scales else guide

    def _find_scaling(self) -> tuple[float, float] | None:
        """Return none if no voxel is finite."""
        axes = axes_in_memory_order(self.image)
        return _core.find_scaling(
            self.image.transpose(axes),
            roi=None if self.roi is None else self.roi.transpose(axes),
            threads=self.threads,
        )

    @property
    def remarks(self) -> list[str]:
        """What makes the result doubtful."""
        if self.scaling is None or self.scaling[0] < self.scaling[1]:
            return []
        flat = (
            f"{self.image_name} is {shown_number(self.scaling[0])} at its 0.1st and at its 99.9th percentile"
        )
        remedy = "give a region of interest, a threshold in its unit, or one that needs no normalizing"
        return [f"{flat}, so its brightness cannot guide a dilation: {remedy}"]

    def dilate_all(self, masks: Sequence[Array], names: Sequence[str] | None = None) -> list[SoftMask]:
        """Dilate several raters' masks; ``names`` are what messages call them."""
        return [self.dilate(mask, name_of(i, names)) for i, mask in enumerate(masks)]

    def dilate(self, mask: Array, name: str, dtype: DTypeLike = np.float32) -> SoftMask:
        """Dilate one mask, which messages call ``name``."""
        _as_volume(mask, name)
        if mask.shape != self.image.shape:
            raise ValueError(
                f"{name} has shape {mask.shape}, {self.image_name} has shape {self.image.shape}: resample to one grid"
            )
        if self.options.scales and self.scaling is None and mask.any():
            raise ValueError(f"{self.image_name} has no finite voxel that counts: nothing can be scaled")
        self._check_ball()
        axes = axes_in_memory_order(mask)
        values = np.zeros([mask.shape[axis] for axis in axes], dtype)
        try:
            found = self._dilate(mask, axes, values)
        except _core.BadInput as bad:
            raise ValueError(self._explain(bad.args, mask, name, axes)) from None
        cuts = np.array(found["cut"], dtype=np.float64)
        marked, ring = found["mask_voxels"], found["ring_voxels"]
        return SoftMask(
            values=values.transpose(np.argsort(axes)),
            threshold=self._per_scope(cuts),
            image_threshold=self._per_scope(self._in_unit_of_image(cuts)),
            size=(marked + ring) / marked if marked else np.nan,
        )

    def _dilate(self, mask: Array, axes: Sequence[int], values: NDArray[Any]) -> _core.Dilated:
        options = self.options
        rank_step = steps_in_c_order(mask.shape)
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
            remedy = "mend it, or leave the voxel out by a region of interest"
            return f"{self.image_name} {found}, where {name} may grow: {remedy}"
        if kind == "not_finite":
            return f"{name} {found}: a mask holds 0 and 1"
        return (
            f"{name} {found} (values that occur: {labels_in(mask)}): a mask holds 0 and 1; binarize=True (--binarize) "
            "counts whatever is above 0"
        )

    def _check_ball(self) -> None:
        options = self.options
        if options.radius_mm is not None and options.spacing_mm is not None:
            check_ball(options.radius_mm, options.spacing_mm, self.image.shape, "radius_mm")

    def _in_unit_of_image(self, cuts: NDArray[np.float64]) -> NDArray[np.float64]:
        low, high = self.scaling or (0.0, 1.0)
        return low + cuts * (high - low)

    def _per_scope(self, cuts: NDArray[np.float64]) -> Any:
        if self.options.scope == "lesion":
            return cuts
        return float(cuts[0]) if cuts.size else np.nan


def steps_in_c_order(shape: Sequence[int]) -> list[int]:
    """Return how many voxels lie between neighbours along each axis of an array of this shape in C order."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def check_ball(radius_mm: float, spacing_mm: Sequence[float], shape: Sequence[int], name: str) -> None:
    """Refuse a ball of more voxels than can be searched around each."""
    reach = [min(radius_mm / side, extent - 1) for side, extent in zip(spacing_mm, shape, strict=True)]
    spanned = math.prod(2 * int(steps) + 1 for steps in reach)
    if spanned > MOST_BALL_VOXELS:
        raise ValueError(
            f"{name} is {radius_mm:g}: its ball spans {spanned:,} voxels, and at most "
            f"{MOST_BALL_VOXELS:,} are searched around each; give a smaller one"
        )


def _as_volume(array: Array, name: str) -> Array:
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
