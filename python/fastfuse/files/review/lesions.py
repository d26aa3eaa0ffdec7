"""The lesions of a case: components of the voxels that any rater marks, and who marks each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...evaluation.components import labelled, needed_scipy
from ...inputs.arrays import Array
from ..job import Inputs, marked_by_each

Marks = NDArray[np.bool_]
Box = tuple[slice, ...]
PLACES = 4  # decimals of the affine that a fingerprint holds: a tenth of a micrometre


@dataclass(frozen=True, eq=False)
class Lesion:
    """A component, in a box of the volume.

    Attributes
    ----------
    number : int
        From 1 on, in the order of the first voxel of each.
    box : tuple of slice
    inside : ndarray of bool
        Its voxels, in the box.
    marks : ndarray of bool, shape (m, ...)
        Which of them each rater marks.
    looked : ndarray of bool, shape (m,)
        Who looked at any of them.
    """

    number: int
    box: Box
    inside: Marks
    marks: Marks
    looked: Marks

    @property
    def marked(self) -> Marks:
        """Who marks any of it."""
        return np.asarray(self.marks.any(axis=(1, 2, 3)))

    @property
    def core(self) -> Marks:
        """The voxels that at least half of those mark who mark any of it; the most marked ones where there are none such."""
        counts = self.marks.sum(axis=0)
        least = min(float(counts.max()), np.count_nonzero(self.marked) / 2)
        return np.asarray(self.inside & (counts >= least))


@dataclass(frozen=True, eq=False)
class Marked:
    """What each rater marks.

    Attributes
    ----------
    marks : list of ndarray of bool
    looked : list of ndarray of bool or None
        Where each rater has a vote; None for everywhere.
    affine : ndarray of shape (4, 4)
    """

    marks: list[Marks]
    looked: list[Marks | None]
    affine: NDArray[np.float64]

    @classmethod
    def of(cls, inputs: Inputs, label: int | None) -> Marked:
        """Take what was read; ``label``: of label maps, that whose voxels are votes."""
        marks = [np.asarray(marks, bool) for marks in marked_by_each(inputs, label)]
        present = inputs.present or [None] * len(marks)
        looked = [_looked(vote, seen) for vote, seen in zip(inputs.votes, present, strict=True)]
        return cls(marks, looked, inputs.grid.affine)

    @property
    def fingerprint(self) -> str:
        """What tells these marks on this grid from others, whatever the order of the raters."""
        return "v" + digest_of(self.marks[0].shape, self.affine, map(np.packbits, self.marks))

    def lesions(self) -> Iterator[Lesion]:
        """Yield all lesions, with 26 neighbours a voxel."""
        labels = labelled(np.logical_or.reduce(self.marks))
        for number, box in enumerate(needed_scipy().ndimage.find_objects(labels), 1):
            inside = labels[box] == number
            yield Lesion(number, box, inside, *self._in_box(box, inside))

    def _in_box(self, box: Box, inside: Marks) -> tuple[Marks, Marks]:
        marks = np.array([marks[box] & inside for marks in self.marks])
        looked = [seen is None or bool((seen[box] & inside).any()) for seen in self.looked]
        return marks, np.array(looked)


def digest_of(
    shape: tuple[int, ...], affine: NDArray[np.float64], contents: Iterable[NDArray[np.generic]]
) -> str:
    """Return what tells a grid with such contents from others, whatever the order of the contents."""
    places = np.round(affine, PLACES) + 0.0  # without -0
    each = sorted(hashlib.sha256(one.tobytes()).hexdigest() for one in contents)
    return hashlib.sha256("\n".join([repr((shape, places.tolist())), *each]).encode()).hexdigest()[:20]


def _looked(vote: Array, seen: Array | None) -> Marks | None:
    """Return where a rater has a vote; None for everywhere."""
    told = None if seen is None else seen != 0
    if vote.dtype.kind != "f" or not np.isnan(vote).any():
        return told
    voted = ~np.isnan(vote)
    return np.asarray(voted if told is None else voted & told)


def centre_mm(lesion: Lesion, affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the centre of gravity in mm, RAS+."""
    return centre_of(lesion.box, lesion.inside, affine)


def centre_of(box: Box, inside: Marks, affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the centre of gravity of voxels in a box in mm, RAS+."""
    start = np.array([side.start for side in box])
    middle = np.argwhere(inside).mean(axis=0) + start
    x, y, z = affine[:3, :3] @ middle + affine[:3, 3]
    return float(x), float(y), float(z)


def painted(lesions: Sequence[tuple[Lesion, bool]], shape: tuple[int, ...]) -> NDArray[np.int8]:
    """Return decisions as a volume: of a lesion the core is foreground, and of what is none all is background."""
    volume = np.full(shape, -1, np.int8)
    for lesion, is_lesion in lesions:
        volume[lesion.box][lesion.core if is_lesion else lesion.inside] = is_lesion
    return volume
