"""Volumes of a report's viewer: along the patient's axes, cropped to what is worth a look, packed as text.

niivue was looked at first: version 0.69 is 2.9 MB of code, which each file would carry, and wants WebGL2, which remote desktops
often lack; and it draws masks as voxels, not as outlines of many raters. Masks packed in bits, a deflated image of 8 bits and
400 lines on a plain canvas open in less time than that takes to parse.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...images.image import ras_axes
from ...inputs.lattice import box_of, grown

LIMIT = 9_000_000  # characters of all volumes of a report, which leaves room for the rest below 10 MB
MARGIN_MM = 25.0  # about marks, where the head does not fit
FACTORS = (1, 2, 3, 4, 6, 8)  # voxels of the viewer's image along each axis, taken as one
LEVELS = 255  # steps between the image's grey levels
RANGE = (
    0.05,
    99.95,
)  # percentiles that the levels span; of whole numbers that are no more than the levels, all
WINDOW = (2.0, 99.5)  # percentiles, of what is above its least value, between black and white at first
FAINT = 1 / 510  # probability that 8 bits round to 0
MOST_TILT = 1.0  # degrees between the voxels' axes and the patient's that need no word

Box = tuple[slice, ...]
Volume = NDArray[Any]


@dataclass(frozen=True)
class Pictures:
    """Volumes on one grid that a report shows.

    Attributes
    ----------
    consensus : ndarray, shape (x, y, z)
        Probability; with ``labels`` a label map.
    raters : list of ndarray
        Where each rater marks, or with ``labels`` their label maps, unless they are bool.
    affine : ndarray of float64, shape (4, 4)
        Voxel indices to millimetres, RAS+.
    image : ndarray or None
        What lies below.
    placed : bool
        Whether the files say which side is right.
    labels : tuple of int
        The labels of maps; empty for masks.
    looked : list of ndarray of bool
        Where each rater looked; empty where all looked everywhere, or it is not known.
    """

    consensus: Volume
    raters: Sequence[Volume]
    affine: NDArray[np.float64]
    image: Volume | None = None
    placed: bool = True
    labels: tuple[int, ...] = ()
    looked: Sequence[Volume] = ()

    def in_ras(self) -> Pictures:
        """Return the same with axes that run to the patient's right, front and top."""
        order, reverse = ras_axes(self.affine)
        turn = np.eye(4)[:, [*order, 3]]
        for axis in reverse:
            turn[:, 3] += turn[:, axis] * (self.consensus.shape[order[axis]] - 1)
            turn[:, axis] *= -1

        def turned(volume: Volume) -> Volume:
            return np.flip(volume.transpose(order), reverse)

        image = None if self.image is None else turned(self.image)
        raters = [turned(volume) for volume in self.raters]
        looked = [turned(volume) for volume in self.looked]
        affine = self.affine @ turn
        return Pictures(turned(self.consensus), raters, affine, image, self.placed, self.labels, looked)

    def cropped(self, box: Box) -> Pictures:
        """Return a part of the volumes, which keep their place."""
        affine = self.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ [part.start for part in box]
        image = None if self.image is None else self.image[box]
        raters = [volume[box] for volume in self.raters]
        looked = [volume[box] for volume in self.looked]
        return Pictures(self.consensus[box], raters, affine, image, self.placed, self.labels, looked)

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Voxel size along each axis, in mm."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0), dtype=np.float64)

    @property
    def tilt(self) -> float:
        """Largest angle between an axis of the voxels and the patient's, in degrees."""
        along = np.abs(np.diag(self.affine[:3, :3])) / self.spacing_mm
        return float(np.degrees(np.arccos(np.minimum(along, 1))).max())

    @property
    def are_maps(self) -> bool:
        """Whether raters give labels, and not marks."""
        return bool(self.labels) and not any(rater.dtype == bool for rater in self.raters)

    def coded(self, volume: Volume) -> Volume:
        """Return the place of each label in ``labels``."""
        kind = np.uint8 if len(self.labels) <= 1 + np.iinfo(np.uint8).max else np.dtype("<u2")
        return np.asarray(np.searchsorted(self.labels, volume).astype(kind))


def where_looked(looked: Sequence[Volume]) -> list[Volume]:
    """Return where each rater looked; nothing where all looked everywhere.

    Where nobody looked, as outside of a mask, nobody is named for it: all count as having looked.
    """
    if all(one.all() for one in looked):
        return []
    nobody = ~np.logical_or.reduce(looked)
    return [one | nobody for one in looked]


@dataclass
class Scan:
    """What the viewer gets.

    Attributes
    ----------
    shown : Pictures
        Cropped, along the patient's axes.
    origin : tuple of 3 int
        First voxel of the whole volume, along the same axes, that is shown.
    whole : tuple of 3 int
        Shape of the whole volume.
    packed : dict of str to str
        Volumes as base64 of zlib's format.
    image : dict or None
        Shape of the image, the intensities of its grey levels, and what these can tell of a voxel's: ``exact``, or ``unit``, to
        which it is rounded, and ``beyond``, whether values lie below the first level and above the last.
    said : list of str
        What was left out.
    """

    shown: Pictures
    origin: tuple[int, ...]
    whole: tuple[int, ...]
    packed: dict[str, str] = field(default_factory=dict)
    image: dict[str, Any] | None = None
    grey: NDArray[np.uint8] | None = None
    said: list[str] = field(default_factory=list)


def scan_of(pictures: Pictures, limit: int = LIMIT) -> Scan:
    """Return the volumes for the viewer: the head; where that is too much, what is near marks; then a coarser image."""
    whole = pictures.in_ras()
    for box, factor, said in _plans(whole):
        shown = whole.cropped(box)
        scan = Scan(shown, tuple(part.start for part in box), whole.consensus.shape, said=said)
        scan.packed = _masks(shown)
        scan.grey, scan.image = _grey(shown, factor)
        if scan.grey is not None:
            scan.packed["image"] = packed(scan.grey)
        if sum(map(len, scan.packed.values())) <= limit:
            return scan
    return Scan(
        whole.cropped(_marked(whole, 0)),
        (0, 0, 0),
        whole.consensus.shape,
        said=[f"The viewer is left out: its volumes take more than {limit / 1e6:.0f} MB."],
    )


def packed(volume: Volume) -> str:
    """Return a volume as text, the last axis fastest."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(volume).tobytes(), 6)).decode("ascii")


def _plans(whole: Pictures) -> Iterator[tuple[Box, int, list[str]]]:
    """Yield what may be shown, from most to least."""
    head = _head(whole)
    left_out = any(size < all_ for size, all_ in zip(_shape(head), whole.consensus.shape, strict=True))
    said = ["Empty background around the head is left out."] if left_out and whole.image is not None else []
    yield head, 1, said
    near = _marked(whole, MARGIN_MM)
    said = [f"Shown is what lies within {MARGIN_MM:g} mm of marks; more would not fit into the file."]
    for factor in FACTORS if whole.image is not None else FACTORS[:1]:
        coarse = f"The image is coarser than the files by {factor}; outlines and consensus are not."
        yield near, factor, said if factor == 1 else [*said, coarse]


def _shape(box: Box) -> list[int]:
    return [part.stop - part.start for part in box]


def _marked(whole: Pictures, margin_mm: float) -> Box:
    """Return the box of what anybody marks, or the consensus holds, and a margin; all where that is nothing."""
    marked = whole.consensus > (0 if whole.labels else FAINT)
    for rater in whole.raters:
        marked |= rater != 0
    box = box_of(marked)
    if box is None:
        return tuple(slice(0, size) for size in marked.shape)
    return grown(box, np.ceil(margin_mm / whole.spacing_mm).astype(int).tolist(), marked.shape)


def _head(whole: Pictures) -> Box:
    """Return the box of what the image holds, beyond its least value, and of marks; without an image that of marks."""
    if whole.image is None:
        return _marked(whole, MARGIN_MM)
    held = box_of(whole.image > np.nanmin(whole.image))
    marks = _marked(whole, 0)
    if held is None:
        return marks
    return tuple(
        slice(min(one.start, other.start), max(one.stop, other.stop))
        for one, other in zip(held, marks, strict=True)
    )


def _masks(shown: Pictures) -> dict[str, str]:
    """Return the consensus in 8 bits, or as label codes, and all raters behind each other."""
    if shown.are_maps:
        raters = [shown.coded(rater) for rater in shown.raters]
    else:
        raters = [_bits(rater) for rater in shown.raters]
    consensus = (
        shown.coded(shown.consensus)
        if shown.labels
        else np.rint(np.clip(shown.consensus, 0, 1) * 255).astype(np.uint8)
    )
    looked = {"looked": packed(np.stack([_bits(one) for one in shown.looked]))} if shown.looked else {}
    return {"consensus": packed(consensus), "raters": packed(np.stack(raters)), **looked}


def _bits(volume: Volume) -> Volume:
    return np.packbits(np.ravel(volume != 0), bitorder="little")


def _grey(shown: Pictures, factor: int) -> tuple[NDArray[np.uint8] | None, dict[str, Any] | None]:
    """Return the image in 256 levels, every ``factor``-th cube of voxels as its mean, and what the levels mean."""
    if shown.image is None:
        return None, None
    values = np.nan_to_num(shown.image.astype(np.float32), posinf=0, neginf=0)
    if factor > 1:
        values = _coarser(values, factor)
    least, most = float(values.min()), float(values.max())
    low, high = (float(one) for one in np.percentile(values, RANGE))
    fine = float(np.spacing(np.float32(max(-least, most))))  # between two numbers of 32 bits
    exact = fine <= 1 and most - least <= LEVELS and bool((values == np.rint(values)).all())
    if exact or high <= low:
        low, high = least, max(most, least + 1)
    levels = np.rint((np.clip(values, low, high) - low) * (LEVELS / (high - low))).astype(np.uint8)
    above = levels[levels > 0]
    window = [round(one) for one in np.percentile(above, WINDOW).tolist()] if above.size else [0, LEVELS]
    facts = {
        "shape": list(levels.shape),
        "factor": factor,
        "low": low,
        "high": high,
        "window": window,
        "exact": exact,
        "unit": round_step(max((high - low) / LEVELS, fine)),
        "beyond": [least < low, most > high],
    }
    return levels, facts


def round_step(step: float) -> float:
    """Return the least of 1, 2 and 5 times a power of ten that is no smaller than a step."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(float(f"{digit * power:.1g}") for digit in (1, 2, 5, 10) if digit * power >= step)


def _coarser(values: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Return the means of cubes; those at the end are filled up with the last voxels."""
    values = np.pad(values, [(0, -size % factor) for size in values.shape], mode="edge")
    x, y, z = (size // factor for size in values.shape)
    return np.asarray(values.reshape(x, factor, y, factor, z, factor).mean(axis=(1, 3, 5)))
