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
    """Return a list of points, one a lesion, in the order of the list."""
    markup = {
        "type": "Fiducial",
        "name": name,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": True,
        "fixedNumberOfControlPoints": True,
        "controlPoints": [_point(lesion) for lesion in lesions],
        "display": {"visibility": True, "pointLabelsVisibility": True, "propertiesLabelVisibility": True},
    }
    return json.dumps({"@schema": SCHEMA, "markups": [markup]}, indent=1).encode() + b"\n"


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
