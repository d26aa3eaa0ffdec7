"""Soft label maps by anatomy: each label of a rater's map grows into the bright background around it.

The conditional dilation of Kats, Goldberger, Greenspan (MICCAI 2019) with several labels in the place of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import warn
from ..inputs.arrays import Array, as_raters, name_of, named_raters, transposed, without_frames
from ..inputs.checks import check_count, whole_number
from ..inputs.in_memory import check_in_memory
from ..inputs.kinds import RatersLike, Sides, VoxelsLike
from ..inputs.names import enumerated
from ..inputs.stacks import listed
from .doubts import reach_in_memory, remarks_in_memory, rings_in_memory
from .guide import Guide
from .options import Dilation, Scope, Threshold
from .soft_mask import SoftMask

LABEL_TOLERANCE = 1e-4  # a header's scaling turns a label 3 into 2.9999999


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """A rater's label map with soft rings: at most two labels a voxel, so that no array of all labels is needed.

    Attributes
    ----------
    label : ndarray of int
        The rater's label map.
    ring : ndarray of int
        The label whose ring holds the voxel; the background where none does.
    weight : float
        Probability of the ring's label there; the background has the rest.
    background : int
    sizes : mapping of int to float
        (mask + ring) / mask of each label that the rater gives.
    """

    label: NDArray[Any]
    ring: NDArray[Any]
    weight: float
    background: int
    sizes: Mapping[int, float]

    def votes(self, labels: Sequence[int]) -> NDArray[np.float32]:
        """Return the probability of each label, shape (K, ...), in the order of ``labels``."""
        soft = self.ring != self.background
        found = np.stack([self.label == label for label in labels]).astype(np.float32)
        for channel, label in zip(found, labels, strict=True):
            if label == self.background:
                channel[soft] = 1 - self.weight
            else:
                channel[self.ring == label] = self.weight
        return found

    def __repr__(self) -> str:
        ring = int(np.count_nonzero(self.ring != self.background))
        return f"SoftLabels(shape {self.label.shape}, labels {', '.join(map(str, self.sizes))}, {ring} voxels on rings)"


def soften_labels(
    raters: RatersLike,
    image: VoxelsLike,
    *,
    axis: int | None = None,
    labels: Sequence[int] | None = None,
    background: int = 0,
    size: float = 1.2,
    label: float = 0.3,
    iterations: int = 6,
    threshold: Threshold = "adaptive",
    scope: Scope = "volume",
    connected: bool = False,
    radius_mm: float | None = None,
    spacing_mm: Sides | None = None,
    normalize: bool = True,
    roi: VoxelsLike | None = None,
    threads: int = 0,
) -> list[SoftLabels]:
    """Grow each label of several raters' label maps by :func:`conditional_dilation`, into their background only.

    Where the rings of two labels claim a voxel, the nearer label takes it, then the lower one. Distances are in mm if
    ``spacing_mm`` is given, else in voxels.

    Parameters
    ----------
    raters : sequence of m array_like, or array_like of shape (m, x, y, z)
        Label maps: integers, or whole floats.
    axis : int, optional
        Where raters lie, as in :func:`staple`.
    labels : sequence of int, optional
        The labels that grow; by default all except the background.
    background : int, default 0
        The label from which rings take.
    image, size, label, iterations, threshold, scope, connected, radius_mm, spacing_mm, normalize, roi
        As in :func:`conditional_dilation`.
    threads : int, default 0
        As in :func:`conditional_dilation`.

    Returns
    -------
    list of m SoftLabels
        Votes for :func:`soft_staple`, :func:`simplified_soft_staple` and :func:`majority_vote` with ``labels=``.

    Raises
    ------
    ValueError, TypeError
        As :func:`conditional_dilation`, naming the rater; and for what is no label map.

    Warns
    -----
    FusionWarning
        As :func:`conditional_dilation`.

    Examples
    --------
    >>> import numpy as np, fastfuse
    >>> flair = np.linspace(0, 1, 64).reshape(4, 4, 4)
    >>> maps = [np.where(flair > cut, 2, 0) for cut in (0.8, 0.7)]
    >>> fastfuse.soften_labels(maps, flair, size=1.5)[0].sizes[2].__round__(2)
    1.54
    """
    options = Dilation.checked(
        size=size, label=label, iterations=iterations, threshold=threshold, scope=scope,
        connected=connected, radius_mm=radius_mm, spacing_mm=spacing_mm, normalize=normalize,
    )  # fmt: skip
    threads = check_count(threads, "threads", least=0)
    ground = whole_number(background, "background")
    given, doubts = listed(raters, axis)
    guide = Guide.of(image, roi, options, threads=threads)
    named = [*named_raters(given), ("image", image), ("roi", roi)]
    remarks = check_in_memory(named, spacing_mm)
    names = [name_of(i, None) for i in range(len(given))]
    arrays = as_raters(given, names)
    maps = [_whole(one, guide, name) for one, name in zip(arrays, names, strict=True)]
    wanted = None if labels is None else [whole_number(one, "labels") for one in labels]
    if wanted is not None and ground in wanted:
        raise ValueError(f"labels holds {ground}, the background, which does not grow: leave it out")
    found = []
    softened: list[SoftMask] = []
    for one, name in zip(maps, names, strict=True):
        soft, grown, rings = soften_map(one, guide, wanted, ground, name)
        softened += rings
        shape = arrays[0].shape  # with a single frame, batch or channel
        found.append(replace(soft, label=soft.label.reshape(shape), ring=soft.ring.reshape(shape)))
        remarks += [said for said in grown if said not in remarks]
    warn(doubts + remarks + _on_absent(wanted, maps, ground) + reach_in_memory(guide, named, softened))
    return found


def _on_absent(wanted: Sequence[int] | None, maps: Sequence[NDArray[Any]], background: int) -> list[str]:
    """Say which labels that are to grow nobody has."""
    held = sorted({int(value) for one in maps for value in np.unique(one)})
    absent = [str(label) for label in dict.fromkeys(wanted or ()) if label not in held]
    if not absent:
        return []
    there = [str(label) for label in held if label != background]
    known = f"those that occur are {enumerated(there)}" if there else "all is background"
    return [f"no rater has label {enumerated(absent)}, which was to grow: {known}"]


def soften_map(
    label_map: NDArray[Any], guide: Guide, labels: Sequence[int] | None, background: int, name: str
) -> tuple[SoftLabels, list[str], list[SoftMask]]:
    """Return a label map with the rings of its labels, what makes it doubtful, and each label that grew by itself."""
    held = [int(value) for value in np.unique(label_map)]
    grows = [value for value in held if value != background and (labels is None or value in labels)]
    rings: dict[int, NDArray[np.int64]] = {}
    sizes: dict[int, float] = {}
    remarks: list[str] = []
    softened: dict[str, SoftMask] = {}
    for value in grows:
        called = f"{name}, label {value}"
        soft = _within(guide, label_map, value, background).dilate(label_map == value, called)
        rings[value] = np.flatnonzero((soft.values > 0) & (label_map == background))
        sizes[value] = soft.size
        softened[called] = soft
        remarks += remarks_in_memory(guide, [soft], [called])
    if not any(soft.ring_voxels for soft in softened.values()):
        remarks += rings_in_memory(guide, [*softened.values()], [*softened])
    ring = np.full(label_map.size, background, label_map.dtype)
    for value in reversed(grows):
        ring[rings[value]] = value
    spacing = guide.options.spacing_mm or (1.0, 1.0, 1.0)
    settle(ring, label_map, rings, spacing)
    weight = float(np.float32(guide.options.label))
    soft_labels = SoftLabels(label_map, ring.reshape(label_map.shape), weight, background, sizes)
    return soft_labels, remarks, [*softened.values()]


def settle(
    ring: NDArray[Any],
    label_map: NDArray[Any],
    rings: Mapping[int, NDArray[np.int64]],
    spacing: Sequence[float],
) -> None:
    """Give each voxel that several rings claim to the label that lies nearest, then to the lowest one; in place."""
    claimed, times = np.unique(np.concatenate([*rings.values(), np.empty(0, np.int64)]), return_counts=True)
    open_ = claimed[times > 1]
    claims = {value: np.isin(open_, places, assume_unique=True) for value, places in rings.items()}
    at = np.stack(np.unravel_index(open_, label_map.shape), axis=1)
    for offsets in _by_distance(label_map.shape, spacing):
        if not open_.size:
            return
        found = np.zeros(open_.size, bool)
        for value in sorted(claims):
            near = claims[value] & ~found
            near[near] = _touches(label_map, value, at[near], offsets)
            ring[open_[near]] = value
            found |= near
        open_, at = open_[~found], at[~found]
        claims = {value: claim[~found] for value, claim in claims.items()}


def _touches(
    label_map: NDArray[Any], value: int, at: NDArray[np.int64], offsets: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Tell at which voxels the label stands at one of these offsets."""
    shape = np.array(label_map.shape)
    found = np.zeros(len(at), bool)
    for offset in offsets:
        place = at + offset
        inside = ((place >= 0) & (place < shape)).all(axis=1)
        found[inside] |= label_map[tuple(place[inside].T)] == value
    return found


def _by_distance(shape: Sequence[int], spacing: Sequence[float]) -> Iterator[NDArray[np.int64]]:
    """Yield the offsets to other voxels, those of one distance at a time, the nearest first."""
    nearest = min(spacing)
    longest = float(np.linalg.norm(np.multiply(shape, spacing)))
    inner, outer = 0.0, 4 * nearest
    while inner <= longest:
        reach = [min(int(outer / side), length - 1) for side, length in zip(spacing, shape, strict=True)]
        offsets = np.array(list(product(*(range(-far, far + 1) for far in reach))))
        squares = np.round(((offsets * np.asarray(spacing)) ** 2).sum(axis=1), 9)
        ahead = [k for k in np.argsort(squares, kind="stable") if inner**2 < squares[k] <= outer**2]
        for _, same in groupby(ahead, key=lambda k: squares[k]):
            yield offsets[list(same)]
        inner, outer = outer, 2 * outer


def _within(guide: Guide, label_map: NDArray[Any], value: int, background: int) -> Guide:
    """Return the guide of a label that grows into the background only."""
    free = (label_map == background) | (label_map == value)
    if free.all():
        return guide
    roi = free if guide.roi is None else free & (guide.roi != 0)
    return replace(guide, roi=roi)


def _whole(array: Array, guide: Guide, name: str) -> NDArray[Any]:
    """Return a label map as integers."""
    array = without_frames(array)
    if array.shape != guide.image.shape:
        raise ValueError(
            f"{name} has shape {array.shape}, the image has shape {guide.image.shape}: "
            f"{transposed(name, array.shape, guide.image.shape) or 'resample to one grid'}"
        )
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind != "f":
        return array
    whole = np.rint(array)
    wrong = ~(np.abs(array - whole) <= LABEL_TOLERANCE)
    if wrong.any():
        value = float(array[tuple(np.argwhere(wrong)[0])])
        raise ValueError(f"{name} holds {value:g}: a label map holds whole numbers")
    return whole.astype(np.int64)
