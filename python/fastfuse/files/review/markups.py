"""The list of a review as points for 3D Slicer (``.mrk.json``), in LPS as Slicer keeps them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .sheet import Contested

SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)


def markups_bytes(lesions: Sequence[Contested], name: str) -> bytes:
    """Return a list of points, one a lesion, in the order of the list; of several cases one each, not shown.

    Points of one patient must not lie on the image of another.
    """
    by_case: dict[str, list[Contested]] = {}
    for lesion in lesions:
        by_case.setdefault(lesion.case, []).append(lesion)
    several = len(by_case) > 1
    markups = [
        _markup(f"{name}: {case}" if case else name, of_case, visible=not several)
        for case, of_case in (by_case or {"": []}).items()
    ]
    return json.dumps({"@schema": SCHEMA, "markups": markups}, indent=1).encode() + b"\n"


def _markup(name: str, lesions: Sequence[Contested], *, visible: bool) -> dict[str, Any]:
    return {
        "type": "Fiducial",
        "name": name,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": True,
        "fixedNumberOfControlPoints": True,
        "controlPoints": [_point(lesion) for lesion in lesions],
        "display": {"visibility": visible, "pointLabelsVisibility": True, "propertiesLabelVisibility": True},
    }


def _point(lesion: Contested) -> dict[str, Any]:
    x, y, z = lesion.centre_mm
    decided = f", decided: {lesion.word}" if lesion.word else ""
    return {
        "id": lesion.name,
        "label": f"{lesion.name}: {lesion.said}{decided}",
        "description": lesion.described,
        "position": [-x + 0.0, -y + 0.0, z],
        "selected": True,
        "locked": True,
        "visibility": True,
        "positionStatus": "defined",
    }
