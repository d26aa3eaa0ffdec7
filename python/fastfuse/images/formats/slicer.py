"""The segments that 3-D Slicer names in the header of a .seg.nrrd."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...inputs.names import enumerated
from ..paths import shown
from ..written.endings import CONSENSUS, MADE_HERE
from .raw import integers
from .segments import BACKGROUND, SWITCH, Segment

if TYPE_CHECKING:
    from ...inputs.foreground import Foreground

KEYS = "Segment", MADE_HERE  # what pairs that are read of a header begin with
NAME = re.compile(r"Segment(\d{1,6})_Name")


def segments_of(path: Path, pairs: Mapping[str, str], *, layered: bool) -> tuple[list[Segment], str]:
    """Return the segments that a header names, and a doubt about labels and layers that it does not give.

    Before Slicer 4.11 each had a layer of its own and no label.
    """
    found, labels, layers = [], [], []
    numbers = {match[1]: name for key, name in pairs.items() if (match := NAME.fullmatch(key))}
    some_label, some_layer = (
        any(f"Segment{n}_{what}" in pairs for n in numbers) for what in ("LabelValue", "Layer")
    )
    for number, name in numbers.items():
        label = _pair(path, pairs, f"Segment{number}_LabelValue", 1 if layered else int(number) + 1)
        layer = _pair(path, pairs, f"Segment{number}_Layer", int(number) if layered else 0)
        if label == BACKGROUND:
            continue
        found.append(Segment(name, label, layer))
        if f"Segment{number}_LabelValue" not in pairs and (not layered or some_label or some_layer):
            labels.append(f"{shown(name)} (label {label})")
        if layered and f"Segment{number}_Layer" not in pairs and (some_layer or some_label):
            layers.append(f"{shown(name)} (layer {layer})")
    return found, "; ".join(
        _guessed(what, names) for what, names in (("label", labels), ("layer", layers)) if names
    )


def consensus_taken(
    pairs: Mapping[str, str], segments: Sequence[Segment], foreground: Foreground
) -> tuple[Foreground, str]:
    """Return a foreground that is the consensus of masks in a file of ours, unless another is asked for; and say so."""
    chooses = foreground.segments or foreground.labels or foreground.binarize
    if MADE_HERE not in pairs or chooses or CONSENSUS not in [one.name for one in segments]:
        return foreground, ""
    told = f"fastfuse wrote it: its segment {CONSENSUS!r} was taken; another one is chosen by {SWITCH}"
    return replace(foreground, segments=(CONSENSUS,)), told


def with_colours(pairs: Mapping[str, str], segments: Sequence[Segment]) -> list[tuple[Segment, str]]:
    """Return the segments, each with its colour as Slicer writes it: three numbers up to 1."""
    colours = {
        name: pairs.get(f"{key.removesuffix('_Name')}_Color", "")
        for key, name in pairs.items()
        if NAME.fullmatch(key)
    }
    return [(one, colours[one.name]) for one in segments]


def _guessed(what: str, names: Sequence[str]) -> str:
    field = {"label": "LabelValue", "layer": "Layer"}[what]
    segments = f"segment {names[0]}" if len(names) == 1 else f"segments {enumerated(names)}"
    return f"its header gives no {what} of {segments}: taken by {'its' if len(names) == 1 else 'their'} order; if that is wrong, write SegmentN_{field} of each"


def _pair(path: Path, pairs: Mapping[str, str], key: str, otherwise: int) -> int:
    text = pairs.get(key)
    return otherwise if text is None else integers(path, key, text.split(), 1)[0]
