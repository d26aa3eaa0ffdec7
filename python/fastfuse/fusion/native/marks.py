"""Where raters of a fusion mark, as long as the caller holds their votes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...inputs.arrays import selected
from ...inputs.names import counted
from ..case import Case
from ..options import Options
from ..result import Fusion
from ..votes import Votes
from .kind import in_memory
from .origin import Origin

Marks = list[NDArray[Any] | None]
Sums = tuple[float, float]
TOLERANCE = 1e-5  # of a rater's votes: single precision, in which a consensus is kept, is finer


@dataclass(frozen=True, eq=False)
class Read:
    """Votes that were given again, as a fusion reads them.

    Attributes
    ----------
    place : int
        Of the rater.
    votes : ndarray
    regions : list of ndarray
        Masks that are still there: outside of one, votes do not count.
    label : int or None
        Of label maps, that whose voxels are votes.
    """

    place: int
    votes: NDArray[Any]
    regions: list[NDArray[Any]]
    label: int | None

    @property
    def marked(self) -> NDArray[np.bool_]:
        """Where the rater marks."""
        marked = marked_by(self.votes, self.label)
        for region in self.regions:
            marked = marked & (region != 0)
        return marked

    @property
    def looked(self) -> NDArray[np.bool_]:
        """Where the rater has a vote."""
        return looked_by(self.votes, self.regions)

    def sums(self, probability: NDArray[Any]) -> tuple[float, float]:
        """Return Σ q and Σ w q, w the consensus."""
        if self.label is not None or self.votes.dtype.kind in "bui":
            marked = self.marked
            return float(np.count_nonzero(marked)), float(probability[marked].sum(dtype=np.float64))
        counts = self.votes > 0  # which leaves NaN out
        for region in self.regions:
            counts &= region != 0
        q = self.votes[counts].astype(np.float64)
        return float(q.sum()), float((q * probability[counts]).sum())


def marks_for(fusion: Fusion, raters: Any) -> list[NDArray[Any]]:
    """Return where each rater marks, by the votes that are given, or that the fusion was given; nothing where one did not read.

    Raises
    ------
    ValueError
        If the votes are no longer in memory, or are not those of the fusion; naming the rater.
    """
    shape = tuple(fusion.probability.shape)
    found, count = _read_again(fusion, raters)
    if count != len(fusion.sensitivity) or any(one.votes.shape != shape for one in found):
        raise ValueError(
            f"raters: the fusion is of {counted(len(fusion.sensitivity), 'rater')} of shape {shape}; give the votes of which it was made"
        )
    _check_as_fused(fusion, found)
    marks = [np.zeros(shape, bool)] * count
    for one in found:
        marks[one.place] = one.marked
    return marks


def looked_for(fusion: Fusion, raters: Any) -> list[NDArray[np.bool_]]:
    """Return where each rater looked, inside the regions that are still there; of the votes as :func:`marks_for`."""
    found, count = _read_again(fusion, raters)
    looked = [np.zeros(tuple(fusion.probability.shape), bool)] * count
    for one in found:
        looked[one.place] = one.looked
    return looked


def _read_again(fusion: Fusion, raters: Any) -> tuple[list[Read], int]:
    origin = fusion._origin
    again = reader_of(origin, raters)
    if again is not None:
        found = again(raters)
        return found, len(found)
    return _read(origin, votes_held(origin) if raters is None else raters)


def reader_of(origin: Origin | None, raters: Any) -> Callable[[Any], list[Any]] | None:
    """Return what reads the files of a fusion once more, unless raters are given otherwise than by their paths."""
    return origin.again if origin is not None and (raters is None or are_paths(raters)) else None


def are_paths(raters: Any) -> bool:
    """Tell whether raters are given as paths of files."""
    return isinstance(raters, (list, tuple)) and any(
        isinstance(one, str) or hasattr(one, "__fspath__") for one in raters
    )


def votes_held(origin: Origin | None) -> list[Any]:
    """Return the votes that a fusion was given, which the caller still has.

    Raises
    ------
    ValueError
        If one is gone.
    """
    held = None if origin is None else origin.held.values()
    if held is None:
        raise ValueError(
            "the votes are no longer in memory, and what each rater marks is known of them alone: give them again, raters=..."
        )
    return held


def _check_as_fused(fusion: Fusion, found: Sequence[Read]) -> None:
    """Refuse votes whose sums, alone and with the consensus, are not those that the fusion found; naming the rater."""
    origin = fusion._origin
    if origin is None or origin.grown or (origin.partial and origin.present.values() is None):
        return  # what counts as foreground, or was read, is not known
    there = {one.place: one.sums(in_memory(fusion.probability)) for one in found}
    fused = [
        (float(volume), float(ppv * volume)) for volume, ppv in zip(fusion.volume, fusion.ppv, strict=True)
    ]
    margin = (
        isinstance(origin.options.get("roi"), (int, float)) and not origin.whole
    )  # beyond it are votes too low to be marks
    compared = [
        *([0] if keeps_regions(origin) and not margin else []),
        *([1] if fusion.method != "dilated-staple" else []),  # whose consensus grows when all is counted
    ]

    sums = [there.get(place, (0.0, 0.0)) for place in range(len(fused))]
    check_sums(origin.names, sums, fused, compared=compared)


def check_sums(
    names: Sequence[str],
    there: Sequence[Sums],
    fused: Sequence[Sums],
    *,
    what: str = "they",
    compared: Sequence[int] = (0, 1),
) -> None:
    """Refuse votes whose sums, alone and with the consensus, are not those that were fused; naming the rater.

    ``what`` sums to them, as the message has it; ``compared``: which of the two.
    """

    def fits(given: Sums, known: Sums) -> bool:
        most = max(given[0], known[0], 1.0)
        return all(not abs(given[at] - known[at]) > TOLERANCE * most for at in compared)

    for place, (given, known) in enumerate(zip(there, fused, strict=True)):
        if fits(given, known):
            continue
        others = [names[i] for i, one in enumerate(fused) if i != place and fits(given, one)]
        whose = f"they are those of {others[0]}: " if len(others) == 1 and given[0] else ""
        raise ValueError(
            f"raters: the votes in the place of {names[place]} are not those that were fused ({what} sum to {given[0]:g} voxels, "
            f"{given[1]:g} of them in the consensus; fused were {known[0]:g} and {known[1]:g}): {whose}give the votes of the "
            "fusion in their order, unchanged, or fuse these"
        )


def kept_marks(fusion: Fusion) -> Marks | None:
    """Return where each rater marks, if the caller still has the votes, as they were; None for a rater who did not read."""
    origin = fusion._origin
    held = None if origin is None else origin.held.values()
    if held is None:
        return None
    try:
        found, count = _read(origin, held)
        _check_as_fused(fusion, found)
    except ValueError:  # they were changed since
        return None
    marks: Marks = [None] * count
    for one in found:
        marks[one.place] = one.marked
    return marks


def keeps_regions(origin: Origin) -> bool:
    """Tell whether the mask, and where raters looked, are still there, where they were given."""
    return all(
        region.values() is not None
        for given, region in ((origin.masked, origin.mask), (origin.partial, origin.present))
        if given
    )


def _read(origin: Origin | None, raters: Any) -> tuple[list[Read], int]:
    """Return the votes of those who read the case, inside the regions that are still there, and the number of all raters.

    A vote of at least 0.5 marks, or the label that was chosen.
    """
    options = Options(**({} if origin is None else origin.selection))
    mask = None if origin is None else next(iter(origin.mask.values() or []), None)
    present: Any = None if origin is None else origin.present.values()
    case = Case.of(Votes(raters, mask, present).listed(), options)
    looked: Sequence[Any] = case.present or [None] * len(case.given.arrays)
    found = [
        Read(
            place,
            np.asarray(votes),
            [one for one in (case.mask, seen) if one is not None],
            options.core_label,
        )
        for place, votes, seen in zip(case.given.places, case.given.arrays, looked, strict=True)
    ]
    return found, case.given.count


def looked_by(vote: NDArray[Any], regions: Iterable[NDArray[Any]]) -> NDArray[np.bool_]:
    """Return where a rater has a vote that is a number, inside all of the regions."""
    looked = ~np.isnan(vote) if vote.dtype.kind == "f" else np.ones(vote.shape, bool)
    for region in regions:
        looked = looked & (region != 0)
    return looked


def marked_by(vote: NDArray[Any], label: int | None) -> NDArray[np.bool_]:
    """Return where a rater marks the label, or votes at least 0.5; without a copy in double precision."""
    if label is not None:
        return selected(vote, label)
    return np.asarray(vote > 0 if vote.dtype.kind in "bui" else vote >= vote.dtype.type(0.5))
