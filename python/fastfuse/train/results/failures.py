"""Networks that failed: their training broke off, or they mark nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .scores import Score


@dataclass(frozen=True)
class Failure:
    """One network that failed.

    Attributes
    ----------
    method : str
    fold : int
    reason : str
        Of a training that broke off, with its epoch; empty for a network that marks nothing.
    dropped : bool
        Whether the network does mark something, all of it in components below the limit.
    """

    method: str
    fold: int
    reason: str = ""
    dropped: bool = False

    @property
    def broke_off(self) -> bool:
        """Whether there are no predictions, rather than empty ones."""
        return bool(self.reason)

    def text(self, *, several: bool = False) -> str:
        """Return what happened, to one network or to several alike, and what it does to the means."""
        if self.broke_off:
            cases = "the folds' cases are" if several else "the fold's cases are"
            return f"training failed ({self.reason}); {cases} left out of all means"
        if self.dropped:
            voxels, their = (
                ("what the networks mark", "their") if several else ("what the network marks", "its")
            )
            return (
                f"{voxels} was dropped, all of it in components below the limit; {their} Dice and recall of 0 count, "
                f"{their} precision is undefined and left out of the mean; a lower limit (--least-voxels, --least-mm3 of "
                "fastfuse table) keeps them"
            )
        networks, their = ("the networks mark", "their") if several else ("the network marks", "its")
        return (
            f"{networks} nothing; {their} Dice and recall of 0 count, {their} precision is undefined and left out of the "
            "mean"
        )


@dataclass(frozen=True)
class Note:
    """What a table says of a row, for one reason.

    Attributes
    ----------
    where : str
        Folds and seeds, or a measure.
    what : str
        The reason, as of one network.
    of_several : str
        The same, as of several networks.
    several : bool
        Whether ``where`` names several.
    """

    where: str
    what: str
    of_several: str = ""
    several: bool = False

    @property
    def text(self) -> str:
        """All of it."""
        return f"{self.where}: {self.of_several if self.several else self.what}"


def noted(failures: Sequence[tuple[int, Failure]], *, seeds: bool) -> list[Note]:
    """Return a row's failures, each with its seed: one note for each reason, which names all folds, and with ``seeds`` these."""
    alike: dict[str, list[tuple[int, Failure]]] = {}
    for seed, failure in failures:
        alike.setdefault(failure.text(), []).append((seed, failure))
    return [
        Note(
            _where([(seed, failure.fold) for seed, failure in found], seeds=seeds),
            found[0][1].text(),
            found[0][1].text(several=True),
            len(found) > 1,
        )
        for found in alike.values()
    ]


def _where(places: Sequence[tuple[int, int]], *, seeds: bool) -> str:
    """Return folds in words, with their seeds."""
    by_seed: dict[int, list[int]] = {}
    for seed, fold in places:
        by_seed.setdefault(seed, []).append(fold)
    told = []
    for seed, folds in by_seed.items():
        named = f"fold{'s' * (len(folds) > 1)} {', '.join(map(str, sorted(folds)))}"
        told.append(f"{named} of seed {seed}" if seeds else named)
    return ", ".join(told)


def together(notes: Mapping[str, Sequence[Note]]) -> list[str]:
    """Return the notes of all rows, by their titles, as lines: one for each reason."""
    reasons: dict[str, list[tuple[str, Note]]] = {}
    for title, of_row in notes.items():
        for note in of_row:
            reasons.setdefault(note.what, []).append((title, note))
    lines = []
    for what, found in reasons.items():
        places: dict[str, list[str]] = {}
        for title, note in found:
            places.setdefault(note.where, []).append(title)
        several = len(found) > 1 or found[0][1].several
        said = found[0][1].of_several if several and found[0][1].of_several else what
        where = "; ".join(f"{listed(titles)}, {place}" for place, titles in places.items())
        lines.append(f"{where}: {said}")
    return lines


def listed(names: Sequence[str]) -> str:
    """Return names as words: A, B and C."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def empty_networks(scores: Sequence[Score], marked: Mapping[tuple[str, str], int]) -> list[Failure]:
    """Return a failure for each method and fold of whose network no voxel is scored in any case.

    ``marked`` are the voxels of each method and case before small components are dropped.
    """
    left: dict[tuple[str, int], int] = {}
    before: dict[tuple[str, int], int] = {}
    for score in scores:
        key = score.method, score.fold
        left[key] = left.get(key, 0) + score.overlap.both + score.overlap.only_mask
        before[key] = before.get(key, 0) + marked.get((score.method, score.case), 0)
    return [Failure(*key, dropped=before[key] > 0) for key, voxels in left.items() if not voxels]
