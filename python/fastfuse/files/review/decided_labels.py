"""Decisions of a review on the places of the label maps that it was made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...fusion.labels.decisions import OPEN
from ..job import Inputs
from .answers import read_decisions
from .decided import Decided, as_decided, check_numbers, check_votes, ml_of
from .places import MarkedLabels, Place, centre_of_place, painted_labels
from .words import LabelWords, told_apart


def decided_labels_in(
    path: Path,
    inputs: Inputs,
    labels: Sequence[int] | None,
    called: Mapping[int, str],
    names: Sequence[str],
    case: str | None = None,
) -> Decided | None:
    """Return what a file decides of label maps, as :func:`decided_in` does of masks.

    ``labels``: all, None for those that occur; ``called``: what some are called.
    """
    marked = MarkedLabels.of(inputs, labels)
    words = LabelWords(marked.labels, called)
    decisions = read_decisions(path, case, words.code)
    if decisions is None:
        return None
    check_votes(path, decisions, marked.fingerprint)
    places = {place.number: place for place in marked.places()}
    check_numbers(
        path, decisions, {n: centre_of_place(one, marked.affine) for n, one in places.items()}, len(places)
    )
    chosen = [(places[number], code) for number, code in sorted(decisions.lesions.items())]
    volume = painted_labels(chosen, marked.labels, marked.votes[0].shape)
    called_so = told_apart(names)
    told = [_told_of_labels(place, code, marked, words, called_so, inputs) for place, code in chosen]
    values, counts = np.unique(volume[volume != OPEN], return_counts=True)
    voxels = {
        words.of(marked.labels.index(value)): count
        for value, count in zip(values.tolist(), counts.tolist(), strict=True)
    }
    return as_decided(path, decisions, volume, told, voxels, alone=case is None)


def _told_of_labels(
    place: Place, code: int, marked: MarkedLabels, words: LabelWords, names: Sequence[str], inputs: Inputs
) -> dict[str, Any]:
    """Return what the sidecar says of a place that is decided."""
    return {
        "lesion": place.number,
        "decision": words.of(code),
        "label": marked.labels[code],
        "ras_mm": [round(side, 1) for side in centre_of_place(place, marked.affine)],
        "ml": ml_of(place.inside, inputs),
        "says": {
            name: words.of(says) for name, says in zip(names, place.said, strict=True) if says is not None
        },
        "looked": place.looked,
    }
