"""Finds the rater whose mask fits the others' only when it is mirrored or turned, or much better so, whatever its header says."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .arrays import Array
from .lattice import Turn
from .names import enumerated

MOST = 2000  # marked voxels of a rater that are looked at
FEWEST = 20  # marked voxels below which a fit may be chance
FITS = 0.4  # least Dice of a mask that fits when it is turned
FITS_WELL = 0.6  # and of one of which nothing else is to be thought
PAGE = 512  # words of eight bytes that are read at once
POOR = 0.6  # of that Dice, the most that it may have as it is
BETTER = 0.15  # or by how much it is better, of a mask nearly as round as its mirror image
AT_MOST = 0.7  # Dice as it is, above which nothing is thought of
AXES = ("axis 0", "axis 1", "axis 2")
LETTERS = ("left-right", "back-front", "foot-head")


@dataclass(frozen=True, eq=False)
class OwnBox:
    """The volume of a rater's file whose voxels were put onto another grid.

    Attributes
    ----------
    shape : tuple of int
    step : ndarray of float64, shape (4, 4)
        From indices of the file to those of the grid.
    """

    shape: tuple[int, ...]
    step: NDArray[np.float64]

    def turned(self, places: NDArray[np.intp], turn: Turn) -> NDArray[np.intp]:
        """Return where voxels of the grid come to lie when the file's are turned and its header stays."""
        inside = _by(np.linalg.inv(self.step), places)
        return _by(self.step, turn.places(inside, self.shape))

    @cached_property
    def turns(self) -> list[Turn]:
        """All ways to turn the file's voxels, the simplest first; a single slice stays one."""
        axes = [axis for axis in range(len(self.shape)) if self.shape[axis] > 1]
        orders = [
            order
            for order in itertools.permutations(range(len(self.shape)))
            if all(order[axis] == axis for axis in range(len(order)) if axis not in axes)
        ]
        return [Turn(order, chosen) for order in orders for chosen in _reverses(axes)]


@dataclass(frozen=True, eq=False)
class Marked:
    """What a rater marks.

    Attributes
    ----------
    votes : ndarray
    marks : callable
        Tells which of some votes mark.
    known : float or None
        The number of marked voxels, if it is known; it is counted otherwise.
    own : OwnBox or None
        The volume of the file, if that has another grid than the votes.
    """

    votes: Array
    marks: Callable[[Array], NDArray[np.bool_]]
    known: float | None = None
    own: OwnBox | None = None

    @property
    def count(self) -> float:
        """The number of marked voxels; about that, where there are many."""
        return self._found[1] if self.known is None else self.known

    @property
    def places(self) -> NDArray[np.intp]:
        """Places of some of the marked voxels, (3, n)."""
        return self._found[0]

    @cached_property
    def _found(self) -> tuple[NDArray[np.intp], int]:
        order: Literal["C", "F"] = "F" if self.votes.flags.f_contiguous else "C"
        flat = self.votes.reshape(-1, order=order)
        found, step = _not_zero(flat, self.known)
        found = found[self.marks(flat[found])]
        chosen = found[:: max(1, -(-found.size // MOST))]
        return np.array(np.unravel_index(chosen, self.votes.shape, order=order)), found.size * step

    def dice(self, other: Marked, turn: Turn, *, own: bool = False) -> float:
        """Estimate the Dice coefficient of this mask, turned on the grid or in its own box, and another."""
        both = self.count + other.count
        if not both:
            return 1.0
        if not self.places.size:
            return 0.0
        kept: NDArray[np.bool_] = np.ones(self.places.shape[1], bool)
        if own and self.own is not None:
            there = self.own.turned(self.places, turn)
            ends = np.array(other.votes.shape)[:, None]
            kept = np.asarray(((there >= 0) & (there < ends)).all(axis=0))
            there = there[:, kept]
        else:
            there = turn.places(self.places, self.votes.shape)
        agreed = self.agrees(other, other.votes[tuple(there)], kept)
        share = float(np.count_nonzero(agreed) / self.places.shape[1])
        return 2 * share * self.count / both

    def agrees(self, other: Marked, votes: Array, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:  # noqa: ARG002 - of masks, all marks are alike
        """Tell where another rater's votes agree with the marked voxels that are ``kept``."""
        return other.marks(votes)


@dataclass(frozen=True, eq=False)
class Labelled(Marked):
    """A label map; it agrees with another one where both have the same label."""

    def agrees(self, other: Marked, votes: Array, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell where another map has the labels of the marked voxels that are ``kept``."""
        return np.asarray(other.marks(votes) & (votes == self._labels[kept]))

    @cached_property
    def _labels(self) -> Array:
        return np.asarray(self.votes[tuple(self.places)])

    def renamed(self, other: Marked) -> tuple[dict[int, int], float]:
        """Return which label of another map lies where each of this map's does, if another one, and the Dice then."""
        there = other.votes[tuple(self.places)]
        new = self._labels.copy()
        names = {}
        for label in np.unique(self._labels):
            met, times = np.unique(there[self._labels == label], return_counts=True)
            most = met[int(times.argmax())]
            if most != label and 2 * times.max() > times.sum() and other.marks(np.array([most])).all():
                names[int(label)] = int(most)
                new[self._labels == label] = most
        agreed = np.count_nonzero(other.marks(there) & (there == new)) / max(new.size, 1)
        return names, float(2 * agreed * self.count / (self.count + other.count))


@dataclass(frozen=True)
class Misfit:
    """A mask that fits only when it is turned, or much better: median Dice with the others as it is, and so.

    ``own``: whether it is turned in the box of its file, which has another grid. ``names``: labels of a map that are
    others in the other maps, which fits better than to turn it; ``turned`` is of that, then.
    """

    turn: Turn
    as_it_is: float
    turned: float
    own: bool = False
    names: Mapping[int, int] = field(default_factory=dict)

    @property
    def is_poor(self) -> bool:
        """Whether it fits poorly even when it is turned: something else may be wrong."""
        return self.turned < FITS_WELL

    @property
    def when(self) -> str:
        """Whether it fits only so, or also as it is."""
        return "only when" if self.as_it_is <= POOR * self.turned else "better when"

    def in_words(self, axes: Sequence[str]) -> str:
        """Say so of a mask."""
        if self.names:
            pairs = enumerated([f"{label} as {there}" for label, there in self.names.items()])
            return f"fits the others only with other labels, {pairs}: Dice {self.turned:.2f}, {self.as_it_is:.2f} as it is"
        return (
            f"fits the others {self.when} {in_words(self.turn, axes)}: median Dice {self.turned:.2f}, "
            f"{self.as_it_is:.2f} as it is"
        )


def misfit_of(rater: Marked, others: Sequence[Marked]) -> Misfit | None:
    """Return how a mask must be turned to fit the others; None if it need not be, or does not fit even so."""
    marking = [other for other in others if other.count >= FEWEST]
    if rater.count < FEWEST or not marking:
        return None
    turns = turns_of(rater.votes.shape)
    as_it_is = _median_dice(rater, marking, turns[0])
    if as_it_is > AT_MOST:
        return None
    ways = [(turn, False) for turn in turns[1:]]
    ways += [(turn, True) for turn in rater.own.turns[1:]] if rater.own is not None else []
    scores = [_median_dice(rater, marking, turn, own=own) for turn, own in ways]
    score = max(scores)
    better = score >= FITS_WELL and as_it_is <= score - BETTER
    if score < FITS or (as_it_is > POOR * score and not better):
        return None
    turn, own = ways[scores.index(score)]
    if isinstance(rater, Labelled):
        names, renamed = rater.renamed(marking[0])
        if names and renamed > score:
            return Misfit(turn, as_it_is, renamed, own, names)
    return Misfit(turn, as_it_is, score, own)


def like(rater: Marked, raters: Sequence[Marked]) -> list[int]:
    """Return the places of those whose mask fits that of a rater as it is."""
    as_it_is = turns_of(rater.votes.shape)[0]
    return [at for at, other in enumerate(raters) if other is rater or rater.dice(other, as_it_is) > POOR]


def turns_of(shape: tuple[int, ...]) -> list[Turn]:
    """Return all turns that keep a shape, the simplest first; the first changes nothing."""
    axes = [axis for axis in range(len(shape)) if shape[axis] > 1]
    orders = [
        order
        for order in itertools.permutations(range(len(shape)))
        if all(shape[axis] == shape[source] for axis, source in enumerate(order))
    ]
    return [Turn(order, reverse) for order in orders for reverse in _reverses(axes)]


def _reverses(axes: Sequence[int]) -> list[tuple[int, ...]]:
    """Return all choices of some of these axes, none first."""
    return [chosen for count in range(len(axes) + 1) for chosen in itertools.combinations(axes, count)]


def _by(step: NDArray[np.floating[Any]], places: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the voxels nearest to places of another grid."""
    return np.rint(step[:3, :3] @ places + step[:3, 3:]).astype(np.intp)


def in_words(turn: Turn, axes: Sequence[str]) -> str:
    """Say how a mask is turned; ``axes`` are what messages call them."""
    moved = [axes[axis] for axis in turn.exchanged]
    parts = [f"turned ({' and '.join(moved)} exchanged)"] if moved else []
    if turn.reverse:
        parts.append(f"mirrored along {' and '.join(axes[axis] for axis in turn.reverse)}")
    return " and ".join(parts)


def axes_in_words(affine: NDArray[np.float64]) -> list[str]:
    """Return what messages call the axes, with the direction of the body that each comes nearest to."""
    nearest = np.abs(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)).argmax(axis=0)
    return [f"axis {axis} ({LETTERS[int(at)]})" for axis, at in enumerate(nearest)]


def _median_dice(rater: Marked, others: Sequence[Marked], turn: Turn, *, own: bool = False) -> float:
    from statistics import median

    return median(rater.dice(other, turn, own=own) for other in others)


def _not_zero(flat: Array, known: float | None) -> tuple[NDArray[np.intp], int]:
    """Return places that are not 0, all of them or each ``step``-th piece's, and that step.

    Eight bytes are compared at once, since most voxels are 0; of many marked voxels, each so many pages are read.
    """
    many = 8 // flat.itemsize
    whole = flat.size // (many * PAGE) * many * PAGE
    if not flat.flags.c_contiguous or not whole:
        return np.flatnonzero(flat), 1
    every = int((known or 0) // (4 * MOST)) | 1  # odd, since slices hold often 2^n pages
    pages = flat[:whole].view(np.uint64).reshape(-1, PAGE)[::every]
    words = np.flatnonzero(pages != 0)  # many times as fast on booleans
    step = max(1, words.size // (4 * MOST))
    words = words[::step]
    page, inside = np.divmod(words, PAGE)
    first = (page * every * PAGE + inside) * many
    word, at = np.nonzero(pages[page, inside].view(flat.dtype).reshape(-1, many))
    rest = whole + np.flatnonzero(flat[whole:])
    return np.concatenate([first[word] + at, rest]), step * every
