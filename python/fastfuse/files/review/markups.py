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
    otherwise = "no lesion" if lesion.consensus else "a lesion"
    return {
        "id": str(lesion.number),
        "label": f"{lesion.number}: {lesion.said}{decided}",
        "description": (
            f"{lesion.ml:.3f} ml, marked by {', '.join(lesion.marked_by)}; posterior {lesion.posterior:.3f}; as {otherwise} the "
            f"consensus changes by {lesion.change_ml:+.3f} ml"
        ),
        "position": [-x + 0.0, -y + 0.0, z],
        "selected": True,
        "locked": True,
        "visibility": True,
        "positionStatus": "defined",
    }
