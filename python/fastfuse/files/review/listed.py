"""Lines of a review: the lesions of a consensus on which raters disagree, or the places of a label map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...fusion.labels.result import LabelFusion
from ..facts import mask_told
from .lesions import Lesion, Marked, centre_mm
from .places import MISSING, Codes, MarkedLabels, Place, centre_of_place
from .sheet import Contested, ContestedLabels
from .words import LabelWords, told_apart

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Listed:
    """What one consensus brings to a list.

    Attributes
    ----------
    lesions : list of Contested
    raters : list of str
    all : int
        Number of lesions that anybody marks, or of places.
    votes : str
        Fingerprint of the raters' marks.
    """

    lesions: list[Contested]
    raters: list[str]
    all: int
    votes: str


def ranked(lesions: Sequence[Contested]) -> list[Contested]:
    """Return lesions with those first on which most hangs, and last those that were decided before."""
    return sorted(
        lesions,
        key=lambda one: (bool(one.word), -one.stake_ml, -abs(one.change_ml), one.case, one.number),
    )


def listed_masks(
    marked: Marked,
    names: Sequence[str],
    probability: NDArray[Any],
    facts: Facts,
    *,
    voxel_ml: float,
    everything: bool,
    case: str = "",
) -> Listed:
    """Return the lesions of masks; ``facts`` are the consensus's sidecar."""
    mask = mask_told(probability, facts) > 0
    before = {one["lesion"]: one["decision"] == "yes" for one in _decided_before(facts)}
    lesions = list(marked.lesions())
    found = [
        replace(
            _contested(lesion, marked, names, probability, mask, voxel_ml),
            decision=before.get(lesion.number),
            case=case,
        )
        for lesion in lesions
    ]
    kept = [one for one in found if everything or one.is_contested or one.decision is not None]
    return Listed(kept, list(names), len(lesions), marked.fingerprint)


def _decided_before(facts: Facts) -> list[dict[str, Any]]:
    """Return what a consensus was decided by."""
    return list(facts.get("decisions", {}).get("lesions", ()))


def _contested(
    lesion: Lesion,
    marked: Marked,
    names: Sequence[str],
    probability: NDArray[Any],
    mask: NDArray[np.bool_],
    voxel_ml: float,
) -> Contested:
    """Return a lesion's line."""
    core, who = lesion.core, lesion.marked
    taken = int(np.count_nonzero(mask[lesion.box] & lesion.inside))
    change = -taken if taken else int(np.count_nonzero(core))
    looked, marks = int(np.count_nonzero(lesion.looked)), int(np.count_nonzero(who))
    otherwise = (looked - marks if taken else marks) / looked
    return Contested(
        number=lesion.number,
        centre_mm=centre_mm(lesion, marked.affine),
        ml=int(np.count_nonzero(lesion.inside)) * voxel_ml,
        marked_by=tuple(name for name, marks_it in zip(names, who, strict=True) if marks_it),
        looked=looked,
        posterior=float(probability[lesion.box][core].mean(dtype=np.float64)),
        consensus=bool(taken),
        change_ml=change * voxel_ml,
        stake_ml=abs(change) * voxel_ml * otherwise,
    )


def codes_decided_before(facts: Facts, marked: MarkedLabels) -> list[tuple[Place, int]]:
    """Return the places that a consensus of label maps was decided by, each with the code that it was given."""
    before = {one["lesion"]: marked.labels.index(one["label"]) for one in _decided_before(facts)}
    return (
        [(place, before[place.number]) for place in marked.places() if place.number in before]
        if before
        else []
    )


def listed_labels(
    marked: MarkedLabels,
    words: LabelWords,
    names: Sequence[str],
    fusion: LabelFusion,
    facts: Facts,
    *,
    voxel_ml: float,
    case: str = "",
) -> Listed:
    """Return the places of label maps; ``fusion`` is the consensus."""
    before = {one["lesion"]: one["decision"] for one in _decided_before(facts)}
    names = told_apart(names)
    held, places = _codes_in(fusion.label(), marked.labels), marked.places()
    by_label: dict[int, list[Place]] = {}
    for place in places:
        by_label.setdefault(_held_in(place, held[place.box]), []).append(place)
    found: list[Contested] = []
    for now, there in by_label.items():
        probability = fusion.probability(marked.labels[now])
        for place in there:
            line = _line(place, now, held[place.box], probability[place.box], words, names)
            volumes = {what: voxel_ml * getattr(line, what) for what in ("ml", "change_ml", "stake_ml")}
            place_mm = centre_of_place(place, marked.affine)
            found.append(
                replace(line, **volumes, centre_mm=place_mm, chosen=before.get(place.number, ""), case=case)
            )
    return Listed(found, list(names), len(places), marked.fingerprint)


def _line(
    place: Place, now: int, held: Codes, probability: NDArray[Any], words: LabelWords, names: Sequence[str]
) -> ContestedLabels:
    """Return a place's line, its volumes in voxels; ``now``: what the consensus says there."""
    candidates = place.candidates
    other = next((code for code in candidates if code != now), now)
    change = int(np.count_nonzero(place.core(other) & (held != other)))
    says = {name: code for name, code in zip(names, place.said, strict=True) if code is not None}
    otherwise = sum(code != now for code in says.values()) / len(says)
    return ContestedLabels(
        number=place.number,
        centre_mm=(0.0, 0.0, 0.0),
        ml=float(np.count_nonzero(place.inside)),
        marked_by=tuple(name for name, code in says.items() if code == now),
        looked=len(says),
        posterior=float(probability[place.core(now)].mean(dtype=np.float64)),
        consensus=now != place.background,
        change_ml=float(change),
        stake_ml=change * otherwise,
        says={name: words.of(code) for name, code in says.items()},
        label=words.of(now),
        other=words.of(other),
        candidates=tuple(words.of(code) for code in candidates),
    )


def _held_in(place: Place, held: Codes) -> int:
    """Return what the consensus says in a place; where labels are tied everywhere, what most raters say."""
    now = place.most_of(held)
    return place.candidates[0] if now is None else now


def _codes_in(label_map: NDArray[Any], labels: Sequence[int]) -> Codes:
    """Return the codes of a label map; -1 of what is none of the labels, as where they are tied."""
    codes = np.searchsorted(labels, label_map).clip(max=len(labels) - 1)
    return np.where(np.asarray(labels)[codes] == label_map, codes, MISSING).astype(np.int32)
