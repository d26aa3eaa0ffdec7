"""What the viewer's part of a page is made of."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np

from ..colours import BARS_MM, CROSS, RAMP, Line, areas_of, lines_of
from ..names import numbers_of
from ..numbers import millilitres, number
from .disputes import Place, places_of
from .scan import MOST_TILT, Pictures, Scan, scan_of
from .stills import planes_of, stills_of

MOST_OUTLINED = 10  # raters whose outlines are shown at first
MOST_ROWS = 10  # places in the table; the viewer has more
HEX = re.compile(r"#[0-9a-fA-F]{6}")
NO_COLOUR = "#000000"
TENTH = Decimal("0.1")
View = dict[str, Any]


@dataclass(frozen=True)
class Stops:
    """Where the viewer goes to.

    Attributes
    ----------
    title, one, none : str
        What they are called, one of them, and what is said where there is none.
    called : sequence of str
        Each in words.
    mm : sequence of (float, float, float)
        A place in each, RAS+.
    first : int
        Which is shown at first.
    begins : str
        What a sentence calls that.
    numbers : sequence of int, optional
        What each is called by; from 1 on without them.
    """

    title: str
    one: str
    none: str
    called: Sequence[str]
    mm: Sequence[Sequence[float]]
    first: int = 0
    begins: str = ""
    numbers: Sequence[int] | None = None

    @property
    def numbered(self) -> list[tuple[int, str]]:
        """Each with its number."""
        numbers = range(1, len(self.called) + 1) if self.numbers is None else self.numbers
        return list(zip(numbers, self.called, strict=True))


def view_of(
    pictures: Pictures,
    names: Sequence[str],
    labels: Sequence[Mapping[str, Any]],
    cut: float,
    called: str = "consensus",
    *,
    stops: Stops | None = None,
    lines: Sequence[Line] | None = None,
) -> View:
    """Return what the viewer shows.

    ``labels``: value, name and color of each label of maps; ``called``: the consensus; ``stops``: by default where raters
    disagree; ``lines``: those of the raters, by default those that all pages have.
    """
    scan = scan_of(pictures)
    shown = scan.shown
    places = places_of(shown.raters, looked=shown.looked) if len(shown.raters) > 1 else []
    ml = float(abs(np.linalg.det(shown.affine[:3, :3]))) / 1000
    stops = _disagreements(shown, places, ml) if stops is None else stops
    visited = [_voxel(shown, mm) for mm in stops.mm]
    at = visited[stops.first] if visited else _middle(shown)
    where, numbers = position(shown, at), numbers_of(names)
    lines = lines_of(len(names)) if lines is None else lines
    coloured = _coloured(labels)
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
        "places": [{"at": list(one), "image": _below(shown, one)} for one in visited],
        "first": stops.first,
        "lines": [{"colour": colour, "dash": list(dash)} for colour, dash in lines],
        "cross": CROSS,
        "ramp": list(RAMP),
        "bars": list(BARS_MM),
    }
    return {
        "data": data,
        "packed": sorted(scan.packed.items()),
        "planes": planes_of(shown.consensus.shape),
        "stops": stops,
        "raters": data["raters"],
        "numbers": data["numbers"],
        "outlined": len(names) <= MOST_OUTLINED,
        "labels": coloured,
        "is_map": bool(labels),
        "ramp": list(RAMP),
        "window": None if scan.image is None else scan.image["window"],
        "stills": stills_of(scan, at, [one["color"] for one in coloured], where, lines),
        "about": _about(shown, stops, where),
        "said": _said(scan, stops),
        "rows": [_row(shown, one, labels, ml, numbers) for one in places[:MOST_ROWS]],
    }


def position(shown: Pictures, at: Sequence[int]) -> str:
    """Return where a voxel lies, in mm."""
    return in_words(shown.affine[:3, :3] @ at + shown.affine[:3, 3], placed=shown.placed)


def in_words(mm: Iterable[float], *, placed: bool) -> str:
    """Return a place in mm, RAS+, with the sides of the patient where these are known; rounded as the viewer does it."""
    if not placed:
        return ", ".join(f"{_tenth(value)}" for value in mm)
    sides = [pair[0] if value >= 0 else pair[1] for value, pair in zip(mm, ("RL", "AP", "SI"), strict=True)]
    return ", ".join(f"{side} {_tenth(abs(value))}" for value, side in zip(mm, sides, strict=True))


def _tenth(value: float) -> Decimal:
    return Decimal(float(value)).quantize(TENTH, ROUND_HALF_UP)


def _voxel(shown: Pictures, mm: Sequence[float]) -> tuple[int, int, int]:
    """Return the voxel of what is shown that lies next to a place."""
    found = np.rint(np.linalg.solve(shown.affine[:3, :3], np.asarray(mm, float) - shown.affine[:3, 3]))
    x, y, z = np.clip(found, 0, np.array(shown.consensus.shape) - 1).astype(int).tolist()
    return x, y, z


def _disagreements(shown: Pictures, places: Sequence[Place], ml: float) -> Stops:
    mm = [(shown.affine[:3, :3] @ one.at + shown.affine[:3, 3]).tolist() for one in places]
    called = [f"{millilitres(one.voxels * ml)} ml, {position(shown, one.at)}" for one in places]
    none = "All raters agree everywhere." if len(shown.raters) > 1 else "There is one rater."
    return Stops(
        "Disagreements", "place of disagreement", none, called, mm, begins="the largest disagreement"
    )


def _middle(shown: Pictures) -> tuple[int, int, int]:
    """Return the voxel that most raters mark, nearest to the middle of these; of nothing that of the volume."""
    marks = (shown.consensus != 0) if shown.labels else shown.consensus
    held = np.argwhere(marks >= max(float(marks.max()), 1e-9))
    if not len(held):
        held = np.array([[size // 2 for size in shown.consensus.shape]])
    x, y, z = held[int(np.argmin(((held - held.mean(axis=0)) ** 2).sum(axis=1)))].tolist()
    return x, y, z


def _coloured(labels: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return labels with the colours of their areas; 0 has none."""
    given = [HEX.match(str(one.get("color", ""))) for one in labels if one["value"] != 0]
    colours = iter(areas_of([one[0].lower() if one else None for one in given]))
    return [{**one, "color": NO_COLOUR if one["value"] == 0 else next(colours)} for one in labels]


def _about(shown: Pictures, stops: Stops, where: str) -> str:
    start = (
        f"It starts at {stops.begins} ({where} mm)."
        if stops.begins and stops.mm
        else f"It starts at {where} mm."
    )
    sides = (
        "Radiological view: the patient’s right (R) is on the left of the picture. Places are in mm from the files’ origin, "
        "to the patient’s right or left (R, L), front or back (A, P), and up or down (S, I)."
        if shown.placed
        else "The files do not say which side is the patient’s right: no side is named."
    )
    return f"{sides} {start}"


def _below(shown: Pictures, at: tuple[int, int, int]) -> float | None:
    """Return the image's own value at a voxel; None where there is none, or it is no number."""
    value = math.nan if shown.image is None else float(shown.image[at])
    return value if math.isfinite(value) else None


def _said(scan: Scan, stops: Stops) -> list[str]:
    """Return what must be known of the pictures."""
    shown = scan.shown
    said = list(scan.said)
    if shown.image is None:
        said.append("Without an image (--image), what lies below the marks is black.")
    elif scan.image is not None and not scan.image["exact"]:
        own = f"; at places under “{stops.title}” they are the file’s" if stops.mm else ""
        said.append(
            f"The page holds the image in 256 grey levels, and tells its values to about {number(scan.image['unit'])}{own}."
        )
    if shown.image is not None and not np.isfinite(shown.image).all():
        said.append("Where the image is no number, it is shown as 0.")
    if shown.placed and shown.tilt > MOST_TILT:
        said.append(f"Slices run along the voxels, {shown.tilt:.0f}° off the patient’s axes.")
    return said


def _row(
    shown: Pictures, place: Place, labels: Sequence[Mapping[str, Any]], ml: float, numbers: Sequence[str]
) -> dict[str, str]:
    """Return what a table says of a place."""
    looked = [one[place.at] for one in shown.looked] or [True] * len(shown.raters)
    votes = [
        (number, rater[place.at])
        for number, rater, seen in zip(numbers, shown.raters, looked, strict=True)
        if seen
    ]
    held = shown.consensus[place.at]
    called = {one["value"]: str(one["name"]) for one in labels}
    if shown.are_maps:
        who = "; ".join(f"{rater}: {called[int(vote)]}" for rater, vote in votes)
    else:
        marking = [rater for rater, vote in votes if vote]
        who = f"{len(marking)} of {len(votes)}{': ' if marking else ''}{', '.join(marking)}"
    consensus = called[int(held)] if labels else f"{float(held):.2f}"
    at = position(shown, place.at)
    return {"ml": millilitres(place.voxels * ml), "at": at, "consensus": consensus, "who": who}
