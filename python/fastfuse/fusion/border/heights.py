"""Heights: an image's intensities between what surrounds a lesion, 0, and its core, 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...inputs.arrays import Array, marks
from ...inputs.lattice import HEADERS, box_of, grown
from ...inputs.looks import like_no_image
from ...inputs.names import counted, told
from .nearest import nearest_lesions

CORE = 0.8  # share of the raters who mark a voxel of the core
SHELL_MM = (2.5, 6.0)  # distance from any mark
LEAST_VOXELS = 8  # of a core, and of a shell
LEAST_CONTRAST = 0.1  # between core and shell, in medians of the brain
MOST_BELOW = 0.01  # share of the voxels near the marks that are further below 0 than that; without a mask they are no brain
MOST_BELOW_IN_MASK = 0.1  # where the median is near 0; on CT of a brain fluid and noise are fewer
MOST_OF_MEDIAN = 10  # times the median rater's volume, beyond which a rater says nothing of where lesions lie
AIR_AT_0 = "give intensities as the scanner has them, with air at 0, as HU plus 1000 of CT"
LOWEST, HIGHEST = -0.5, 1.5
ROUNDING = 1e-6

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Heights:
    """What an image tells of a case.

    Attributes
    ----------
    voxel : ndarray of int64
        Voxels whose height is known, in C order of the shape, ascending.
    height : ndarray of float64
    lesions : int
        Number of lesions that tell heights.
    why_none : str
        Why there are none; empty if there are.
    no_image : str
        What values the image has if these are few, as those of a mask or a label map; empty otherwise.
    left_out : tuple of int
        Places of raters who mark so much that the lesions are those of the others.
    lost : int
        Number of voxels near the marks at which the image is nan or infinite.
    """

    voxel: NDArray[np.int64]
    height: Floats
    lesions: int
    why_none: str = ""
    no_image: str = ""
    left_out: tuple[int, ...] = ()
    lost: int = 0

    def along(self, axes: Sequence[int], shape: Sequence[int]) -> Heights:
        """Return the same for the axes in another order; ``shape`` is that in this order."""
        if list(axes) == sorted(axes):
            return self
        at = np.unravel_index(self.voxel, tuple(shape))
        voxel = np.ravel_multi_index(tuple(at[axis] for axis in axes), tuple(shape[axis] for axis in axes))
        order = np.argsort(voxel)
        return replace(self, voxel=np.asarray(voxel[order], np.int64), height=self.height[order])

    @classmethod
    def none(cls, why: str) -> Heights:
        """Return heights of no voxel."""
        return cls(np.empty(0, np.int64), np.empty(0), 0, why)

    def said_of(self, names: Sequence[str], *, evidence: bool = False) -> list[str]:
        """Say what is doubtful; ``evidence``: whether intensities were to count beside the votes."""
        others = "than the others by far: on the image, lesions are those of the others"
        remarks = (
            [told([names[i] for i in self.left_out], f"marks more {others}", f"mark more {others}")]
            if self.left_out
            else []
        )
        unused = ", and evidence is not used" if evidence else ""
        none = f"tells no anchor, which the votes tell then{unused}:" if self.why_none else ""
        if self.no_image:
            tells = f"{none} it holds" if none else "holds"
            remarks.append(f"image {tells} {self.no_image}; give intensities as the scanner has them")
        elif none:
            remarks.append(f"image {none} {self.why_none}")
        if self.lost:
            remarks.append(
                f"image is nan or infinite at {counted(self.lost, 'voxel', ',')} near the marks, which are left out of what it tells"
            )
        return remarks


def heights_of(
    image: Array,
    raters: Sequence[Array],
    spacing_mm: Sequence[float],
    *,
    mask: Array | None,
    present: Sequence[Array | None],
    label: int | None,
) -> Heights:
    """Return the heights of voxels up to 6 mm from what anybody marks.

    All arrays have one shape; ``present`` may be empty. The brain is the mask; without one, what is above 0 on the image.
    """
    found = _heights_of(image, raters, spacing_mm, mask, present, label)
    return replace(found, no_image=like_no_image(image))


def _heights_of(
    image: Array,
    raters: Sequence[Array],
    spacing_mm: Sequence[float],
    mask: Array | None,
    present: Sequence[Array | None],
    label: int | None,
) -> Heights:
    finite = np.isfinite(image)
    brain = finite & (image > 0 if mask is None else mask != 0)
    median = float(np.median(image[brain])) if brain.any() else 0.0
    if not median > 0:
        return Heights.none(
            f"its median in the brain is {median:.3g}: contrast is measured by that; {AIR_AT_0}"
        )
    union, shares, left_out = _marked(raters, present, label, mask)
    around = box_of(union)
    if around is None:
        return Heights.none("nobody marks anything")
    box = grown(around, [int(SHELL_MM[1] / side) + 1 for side in spacing_mm], union.shape)
    core = union[box] & (shares[box] >= CORE - ROUNDING) & brain[box]
    inside = np.ones_like(core) if mask is None else mask[box] != 0
    lost = int(np.count_nonzero(~finite[box] & inside))
    most = MOST_BELOW if mask is None else MOST_BELOW_IN_MASK
    if why := _why_unmeasured(image[box][finite[box] & inside] / median, most):
        return replace(Heights.none(why), lost=lost)
    found = _of_box(image[box] / median, union[box], core, brain[box], spacing_mm)
    if not found.lesions:
        return replace(found, lost=lost)
    corner = [part.start for part in box]
    lengths = tuple(part.stop - part.start for part in box)
    inner = np.unravel_index(found.voxel, lengths)
    voxel = np.ravel_multi_index(
        tuple(index + start for index, start in zip(inner, corner, strict=True)), image.shape
    )
    return Heights(np.asarray(voxel, np.int64), found.height, found.lesions, left_out=left_out, lost=lost)


def _why_unmeasured(near: Floats, most: float) -> str:
    """Return why intensities near the marks, in medians of the brain, cannot be measured from 0; nothing if they can.

    What is below would count as no brain, and a lesion's surroundings so as brighter than they are.
    """
    below = np.count_nonzero(near < -LEAST_CONTRAST) / max(1, len(near))
    if below <= most:
        return ""
    return f"it is below 0 at {below:.0%} of the voxels near the marks: contrast is measured from air; {AIR_AT_0}"


def _marked(
    raters: Sequence[Array], present: Sequence[Array | None], label: int | None, mask: Array | None
) -> tuple[Mask, NDArray[np.float32], tuple[int, ...]]:
    """Return what anybody marks inside the mask, the mean vote of those who vote, and whom neither takes in."""
    looked = [
        _votes_of(rater, seen, mask)
        for rater, seen in zip(raters, present or [None] * len(raters), strict=True)
    ]
    marked = [marks(rater, label) & voted for rater, voted in zip(raters, looked, strict=True)]
    volumes = np.array([np.count_nonzero(one) for one in marked])
    most = MOST_OF_MEDIAN * np.median(volumes[volumes > 0]) if volumes.any() else 0.0
    union = np.zeros_like(raters[0], bool)
    votes, voters = np.zeros_like(union, np.float32), np.zeros_like(union, np.float32)
    for rater, voted, mark in zip(raters, looked, marked, strict=True):
        if np.count_nonzero(mark) > most:
            continue
        union |= mark
        voters += voted
        if label is None:
            np.add(votes, rater, out=votes, where=voted, casting="unsafe")
        else:
            votes += mark
    left_out = tuple(int(i) for i in np.flatnonzero(volumes > most))
    return union, np.divide(votes, voters, out=votes, where=voters > 0), left_out


def _votes_of(rater: Array, seen: Array | None, mask: Array | None) -> Mask:
    """Return where a rater votes."""
    voted = np.ones_like(rater, bool) if rater.dtype.kind != "f" else ~np.isnan(rater)
    voted &= True if seen is None else seen != 0
    voted &= True if mask is None else mask != 0
    return voted


def _of_box(image: Floats, union: Mask, core: Mask, brain: Mask, spacing_mm: Sequence[float]) -> Heights:
    """Return heights in a box; the image is in medians of the brain."""
    from ...images.memory import load_scipy  # not at the start of every fusion

    ndimage = load_scipy("image of border-staple", "scipy.ndimage").ndimage
    number, lesions = ndimage.label(union, np.ones((3,) * union.ndim))
    farthest = SHELL_MM[1] * (1 + HEADERS)
    distance, nearest = nearest_lesions(number, spacing_mm, farthest)
    within = distance <= farthest
    shell = ~union & (distance >= SHELL_MM[0] * (1 - HEADERS)) & within & brain
    inner, voxels = _means(image, nearest, core, lesions)
    outer, around = _means(image, nearest, shell, lesions)
    tells = (np.minimum(voxels, around) >= LEAST_VOXELS) & (inner - outer > LEAST_CONTRAST)
    if not tells.any():
        return Heights.none(
            f"no lesion has {LEAST_VOXELS} voxels of core, which {CORE:.0%} of the raters mark, {LEAST_VOXELS} around it, "
            f"and a contrast of {LEAST_CONTRAST:g} medians of the brain; is the image bright on lesions?"
        )
    voxel = np.flatnonzero(tells[nearest] & within & brain)
    of = nearest.ravel()[voxel]
    height = (image.ravel()[voxel] - outer[of]) / (inner[of] - outer[of])
    return Heights(voxel, np.clip(height, LOWEST, HIGHEST), int(np.count_nonzero(tells)))


def _means(image: Floats, number: Array, where: Mask, lesions: int) -> tuple[Floats, Floats]:
    """Return each lesion's mean intensity, and number of voxels; of number 0, which is no lesion, none."""
    of = number[where]
    voxels = np.bincount(of, minlength=lesions + 1).astype(np.float64)
    sums = np.bincount(of, image[where], minlength=lesions + 1)
    return sums / np.maximum(voxels, 1), voxels
