"""What the viewer's part of a page is made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..colours import BARS_MM, OUTLINES, PLASMA
from ..names import numbers_of
from ..numbers import millilitres
from .disputes import Place, places_of
from .scan import MOST_TILT, Pictures, Scan, scan_of
from .stills import planes_of, stills_of

MOST_OUTLINED = 10  # raters whose outlines are shown at first
MOST_ROWS = 10  # places in the table; the viewer has more
HEX = re.compile(r"#[0-9a-fA-F]{6}")
NO_COLOUR = "#000000"
View = dict[str, Any]


def view_of(
    pictures: Pictures,
    names: Sequence[str],
    labels: Sequence[Mapping[str, Any]],
    cut: float,
    called: str = "consensus",
) -> View:
    """Return what the viewer shows.

    ``labels``: value, name and color of each label of maps; ``called``: the consensus.
    """
    scan = scan_of(pictures)
    shown = scan.shown
    places = places_of(shown.raters) if len(shown.raters) > 1 else []
    ml = float(abs(np.linalg.det(shown.affine[:3, :3]))) / 1000
    at = places[0].at if places else _middle(shown)
    where, numbers = position(shown, at), numbers_of(names)
    coloured = [{**one, "color": _colour(one, place)} for place, one in enumerate(labels)]
    data = {
        "shape": list(shown.consensus.shape),
        "whole": list(scan.whole),
        "origin": list(scan.origin),
        "affine": pictures.in_ras().affine.tolist(),
        "spacing": shown.spacing_mm.tolist(),
        "placed": shown.placed,
        "image": scan.image,
        "cut": cut,
        "called": called,
        "maps": shown.are_maps,
        "raters": list(names),
        "numbers": list(numbers),
        "labels": coloured,
        "wide": bool(labels) and shown.coded(shown.consensus[:1]).dtype.itemsize > 1,
        "places": [{"at": list(one.at)} for one in places],
        "colours": list(OUTLINES),
        "ramp": list(PLASMA),
        "bars": list(BARS_MM),
    }
    return {
        "data": data,
        "packed": sorted(scan.packed.items()),
        "planes": planes_of(shown.consensus.shape),
        "places": [f"{millilitres(one.voxels * ml)} ml at {position(shown, one.at)}" for one in places],
        "raters": data["raters"],
        "numbers": data["numbers"],
        "outlined": len(names) <= MOST_OUTLINED,
        "labels": coloured,
        "is_map": bool(labels),
        "ramp": list(PLASMA),
        "window": None if scan.image is None else scan.image["window"],
        "stills": stills_of(scan, at, [one["color"] for one in coloured], where),
        "about": _about(shown, places, where),
        "said": _said(scan),
        "rows": [_row(shown, one, labels, ml, numbers) for one in places[:MOST_ROWS]],
    }


def position(shown: Pictures, at: Sequence[int]) -> str:
    """Return where a voxel lies, in mm."""
    return in_words(shown.affine[:3, :3] @ at + shown.affine[:3, 3], placed=shown.placed)


def in_words(mm: Iterable[float], *, placed: bool) -> str:
    """Return a place in mm, RAS+, with the sides of the patient where these are known."""
    if not placed:
        return ", ".join(f"{value:.1f}" for value in mm)
    sides = [pair[0] if value >= 0 else pair[1] for value, pair in zip(mm, ("RL", "AP", "SI"), strict=True)]
    return ", ".join(f"{side} {abs(value):.1f}" for value, side in zip(mm, sides, strict=True))


def _middle(shown: Pictures) -> tuple[int, int, int]:
    """Return the voxel that most raters mark, nearest to the middle of these; of nothing that of the volume."""
    marks = (shown.consensus != 0) if shown.labels else shown.consensus
    held = np.argwhere(marks >= max(float(marks.max()), 1e-9))
    if not len(held):
        held = np.array([[size // 2 for size in shown.consensus.shape]])
    x, y, z = held[int(np.argmin(((held - held.mean(axis=0)) ** 2).sum(axis=1)))].tolist()
    return x, y, z


def _colour(label: Mapping[str, Any], place: int) -> str:
    if label["value"] == 0:
        return NO_COLOUR
    given = HEX.match(str(label.get("color", "")))
    return given[0] if given else OUTLINES[(place - 1) % len(OUTLINES)]


def _about(shown: Pictures, places: Sequence[Place], where: str) -> str:
    start = f"It starts at the largest disagreement ({where} mm)." if places else f"It starts at {where} mm."
    sides = (
        "Radiological view: the patient’s right (R) is on the left of the picture."
        if shown.placed
        else "The files do not say which side is the patient’s right: no side is named."
    )
    return f"{sides} {start}"


def _said(scan: Scan) -> list[str]:
    """Return what must be known of the pictures."""
    shown = scan.shown
    said = list(scan.said)
    if shown.image is None:
        said.append("Without an image, what lies below the marks is black.")
    if shown.placed and shown.tilt > MOST_TILT:
        said.append(f"Slices run along the voxels, {shown.tilt:.0f}° off the patient’s axes.")
    return said


def _row(
    shown: Pictures, place: Place, labels: Sequence[Mapping[str, Any]], ml: float, numbers: Sequence[str]
) -> dict[str, str]:
    """Return what a table says of a place."""
    votes = [rater[place.at] for rater in shown.raters]
    held = shown.consensus[place.at]
    called = {one["value"]: str(one["name"]) for one in labels}
    if shown.are_maps:
        who = "; ".join(f"{rater}: {called[int(vote)]}" for rater, vote in zip(numbers, votes, strict=True))
    else:
        marking = [rater for rater, vote in zip(numbers, votes, strict=True) if vote]
        who = f"{len(marking)} of {len(votes)}{': ' if marking else ''}{', '.join(marking)}"
    consensus = called[int(held)] if labels else f"{float(held):.2f}"
    at = position(shown, place.at)
    return {"ml": millilitres(place.voxels * ml), "at": at, "consensus": consensus, "who": who}
