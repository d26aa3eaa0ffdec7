"""Decisions of a review on the voxels of the case that it was made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import FastfuseError
from ...fusion.native.remembered import voxels_decided
from ...images.paths import recorded, shown
from ...images.written.hashes import hash_of
from ..job import Inputs
from .answers import Decisions, read_decisions
from .lesions import Lesion, Marked, centre_mm, painted

ROUNDED_MM = 0.2  # places are written to 0.1


@dataclass(frozen=True, eq=False)
class Decided:
    """A reviewer's decisions.

    Attributes
    ----------
    volume : ndarray of int8, or int64
        Of masks 1 and 0 where the truth is decided, -1 elsewhere; of label maps labels, and OPEN elsewhere.
    facts : dict
        What the sidecar says of them.
    remarks : list of str
        What is doubtful.
    """

    volume: NDArray[Any]
    facts: dict[str, Any]
    remarks: list[str]


def decided_in(
    path: Path, inputs: Inputs, label: int | None, names: Sequence[str], case: str | None = None
) -> Decided | None:
    """Return what a file decides of the votes that were read.

    ``names`` are the raters'; ``case`` tells which lines of a cohort's list are meant: None comes back where there are none.

    Raises
    ------
    FastfuseError
        Naming the file, if it is of other votes or names a lesion that is none of them.
    """
    decisions = read_decisions(path, case)
    if decisions is None:
        return None
    marked = Marked.of(inputs, label)
    check_votes(path, decisions, marked.fingerprint)
    lesions = {lesion.number: lesion for lesion in marked.lesions()}
    check_numbers(
        path,
        decisions,
        {n: centre_mm(one, marked.affine) for n, one in lesions.items() if n in decisions.lesions},
        len(lesions),
    )
    chosen = [(lesions[number], is_lesion) for number, is_lesion in sorted(decisions.lesions.items())]
    volume = painted(chosen, marked.marks[0].shape)
    told = [_told(lesion, is_lesion, marked, names, inputs) for lesion, is_lesion in chosen]
    return as_decided(path, decisions, volume, told, voxels_decided(volume), alone=case is None)


def as_decided(
    path: Path,
    decisions: Decisions,
    volume: NDArray[Any],
    told: list[dict[str, Any]],
    voxels: dict[str, int],
    *,
    alone: bool,
) -> Decided:
    """Return decisions with what the sidecar says of them; ``alone``: the list is of this case only."""
    facts = {
        "file": recorded(path),
        "sha256": hash_of(path),
        "votes": decisions.votes,
        "lesions": told,
        "voxels": voxels,
    }
    nothing = f"{shown(path)}: holds no decision: the consensus is that of the votes alone"
    return Decided(volume, facts, [nothing] if alone and not told else [])


def _told(
    lesion: Lesion, is_lesion: bool, marked: Marked, names: Sequence[str], inputs: Inputs
) -> dict[str, Any]:
    """Return what the sidecar says of a lesion that is decided."""
    return {
        "lesion": lesion.number,
        "decision": "yes" if is_lesion else "no",
        "ras_mm": [round(side, 1) for side in centre_mm(lesion, marked.affine)],
        "ml": ml_of(lesion.inside, inputs),
        "marked_by": [name for name, marks in zip(names, lesion.marked, strict=True) if marks],
        "looked": int(np.count_nonzero(lesion.looked)),
    }


def ml_of(inside: NDArray[np.bool_], inputs: Inputs) -> float:
    """Return the volume of voxels as the sidecar has it."""
    return round(int(np.count_nonzero(inside)) * inputs.grid.voxel_mm3 / 1000, 6)


def check_votes(path: Path, decisions: Decisions, fingerprint: str) -> None:
    """Refuse a list of other votes."""
    if decisions.votes != fingerprint:
        raise FastfuseError(
            f"{shown(path)}: is a review of other votes ({shown(decisions.votes)}; these are {fingerprint}): give the "
            "raters, the mask and the grid of the consensus that was reviewed, or review this one (fastfuse review)"
        )


def check_numbers(
    path: Path, decisions: Decisions, centres: Mapping[int, tuple[float, ...]], count: int
) -> None:
    """Refuse numbers that there are none of, and those that are another's."""
    unknown = sorted(decisions.lesions.keys() - centres.keys())
    if unknown:
        raise FastfuseError(f"{shown(path)}: there is no lesion {unknown[0]}: the votes hold {count}")
    for number in decisions.lesions:
        _check_place(path, number, decisions.places.get(number), centres[number])


def _check_place(path: Path, number: int, told: tuple[float, ...] | None, there: tuple[float, ...]) -> None:
    """Refuse a line whose number is another lesion's, as after one column was sorted."""
    if told is not None and any(abs(a - b) > ROUNDED_MM for a, b in zip(told, there, strict=True)):
        list_says, votes_say = (", ".join(f"{side:.1f}" for side in place) for place in (told, there))
        raise FastfuseError(
            f"{shown(path)}: lesion {number} lies at {votes_say} mm, its line says {list_says}: lines and numbers were mixed up, or the "
            "grid is another; review again (fastfuse review), and change the column decision only"
        )
