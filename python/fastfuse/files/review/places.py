"""The places of label maps on which raters disagree: what some give a label, and others do not, and who says what there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...evaluation.components import labelled, needed_scipy
from ...fusion.labels.decisions import OPEN
from ...fusion.labels.options import BACKGROUND
from ...inputs.arrays import Array
from ...inputs.lattice import around
from ..job import Inputs
from .lesions import Box, Marks, centre_of, digest_of

Codes = NDArray[np.int32]
MISSING = -1  # in place of a code


@dataclass(frozen=True, eq=False)
class Place:
    """A part of the volume on whose label raters disagree, in a box.

    Attributes
    ----------
    number : int
        From 1 on, in the order of the first voxel of each.
    box : tuple of slice
    inside : ndarray of bool
        Its voxels, in the box.
    votes : ndarray of int, shape (m, ...)
        Code of the label that each rater gives each voxel there; -1 where they give none.
    background : int or None
        Code of the background.
    """

    number: int
    box: Box
    inside: Marks
    votes: Codes
    background: int | None

    @cached_property
    def said(self) -> list[int | None]:
        """What each rater says: of the labels beside background that they give, the one of most voxels; None without a vote."""
        return [self.most_of(votes) for votes in self.votes]

    def most_of(self, votes: Codes) -> int | None:
        """Return the label of a map there; background only where it has no other."""
        codes, counts = np.unique(votes[self.inside & (votes != MISSING)], return_counts=True)
        if not len(codes):
            return None
        return int(codes[np.argmax(np.where(codes == self.background, 0, counts))])

    @property
    def looked(self) -> int:
        """Raters with a vote there."""
        return sum(code is not None for code in self.said)

    @property
    def candidates(self) -> list[int]:
        """The labels that raters say, those first that most say."""
        codes, counts = np.unique([code for code in self.said if code is not None], return_counts=True)
        return [int(code) for _, code in sorted(zip(-counts, codes, strict=True))]

    def core(self, code: int) -> Marks:
        """Return what becomes this label where it is decided for: the voxels that at least half of those give it who say it.

        All voxels where that is background, or where nobody says it.
        """
        said_by = [votes for votes, says in zip(self.votes, self.said, strict=True) if says == code]
        if code == self.background or not said_by:
            return self.inside
        counts = np.sum([votes == code for votes in said_by], axis=0)
        return np.asarray(self.inside & (2 * counts >= len(said_by)))


@dataclass(frozen=True, eq=False)
class MarkedLabels:
    """What label each rater gives each voxel.

    Attributes
    ----------
    votes : list of ndarray of int
        Codes; -1 for a missing vote, and outside the mask.
    labels : tuple of int
        In ascending order; a label's code is its place.
    affine : ndarray of shape (4, 4)
    """

    votes: list[Codes]
    labels: tuple[int, ...]
    affine: NDArray[np.float64]

    @classmethod
    def of(cls, inputs: Inputs, labels: Sequence[int] | None) -> MarkedLabels:
        """Take what was read; ``labels``: all of them, None for those that occur."""
        present = inputs.present or [None] * len(inputs.votes)
        there = [
            _voted(vote, (seen, inputs.region)) for vote, seen in zip(inputs.votes, present, strict=True)
        ]
        values = [
            np.rint(vote[seen]).astype(np.int64) for vote, seen in zip(inputs.votes, there, strict=True)
        ]
        if labels is None:
            labels = sorted(set().union(*(np.unique(one).tolist() for one in values)))
        votes = []
        for seen, held in zip(there, values, strict=True):
            codes = np.full(seen.shape, MISSING, np.int32)
            codes[seen] = np.searchsorted(labels, held)
            votes.append(codes)
        return cls(votes, tuple(labels), inputs.grid.affine)

    @property
    def background(self) -> int | None:
        """Code of the background."""
        return self.labels.index(BACKGROUND) if BACKGROUND in self.labels else None

    @property
    def fingerprint(self) -> str:
        """What tells these maps on this grid from others, whatever the order of the raters."""
        values = np.array([*self.labels, OPEN])  # the last one, for the code -1
        return "m" + digest_of(self.votes[0].shape, self.affine, (values[votes] for votes in self.votes))

    def places(self) -> list[Place]:
        """Return all places: components of what any rater gives one label, of which another rater has none; what overlaps is one."""
        owner = np.zeros(self.votes[0].shape, np.int32)
        joined = [0]  # of each component, one that it is a part of
        for box, inside in self._contested():
            here = owner[box]
            number = len(joined)
            joined.append(number)
            for other in np.unique(here[inside & (here > 0)]).tolist():
                joined[_root(joined, other)] = number
            here[inside] = number
        roots = np.array([_root(joined, number) for number in range(len(joined))], np.int32)
        owner = roots[owner]
        first = np.unique(owner[owner > 0], return_index=True)
        order = first[0][np.argsort(first[1])]
        boxes = needed_scipy().ndimage.find_objects(owner)
        return [self._place(number, boxes[root - 1], owner, root) for number, root in enumerate(order, 1)]

    def _place(self, number: int, box: Box, owner: Codes, root: int) -> Place:
        votes = np.array([votes[box] for votes in self.votes])
        return Place(number, box, owner[box] == root, votes, self.background)

    def _contested(self) -> Iterator[tuple[Box, Marks]]:
        """Yield the components of what any rater gives a label that some rater who looked there does not give at all."""
        find_objects = needed_scipy().ndimage.find_objects
        boxes = [find_objects(votes + 1, max_label=len(self.labels)) for votes in self.votes]
        for code in range(len(self.labels)):
            whole = around([of_rater[code] for of_rater in boxes])
            if code == self.background or whole is None:
                continue
            here = [votes[whole] for votes in self.votes]
            components = labelled(np.logical_or.reduce([votes == code for votes in here]))
            for number, part in enumerate(find_objects(components), 1):
                inside = components[part] == number
                if any(_lacks(votes[part][inside], code) for votes in here):
                    yield _shifted(part, whole), inside


def _voted(vote: Array, regions: Sequence[Array | None]) -> Marks:
    there = ~np.isnan(vote) if vote.dtype.kind == "f" else np.ones(vote.shape, bool)
    for region in regions:
        if region is not None:
            there &= region != 0
    return there


def _shifted(part: Box, whole: Box) -> Box:
    """Return a part of a box as one of the volume."""
    return tuple(
        slice(of.start + one.start, of.start + one.stop) for one, of in zip(part, whole, strict=True)
    )


def _lacks(votes: Codes, code: int) -> bool:
    """Tell whether a rater who looked there gives the label at no voxel."""
    return bool((votes != MISSING).any()) and not (votes == code).any()


def _root(joined: list[int], number: int) -> int:
    while joined[number] != number:
        number = joined[number]
    return number


def centre_of_place(place: Place, affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the centre of gravity in mm, RAS+."""
    return centre_of(place.box, place.inside, affine)


def painted_labels(
    decided: Sequence[tuple[Place, int]], labels: Sequence[int], shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """Return decisions as a volume of labels, OPEN elsewhere; ``decided``: places, each with the code that it has."""
    volume = np.full(shape, OPEN, np.int64)
    for place, code in decided:
        volume[place.box][place.core(code)] = labels[code]
    return volume
