"""What was asked of a cohort, in the form that a sidecar has for one fusion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Any]
OF_FUSION = ("select_segment", "candidates", "confusion", "knows")
USUAL_RING = {"size": 1.2, "label": 0.3}  # as of a dilation, whose module loads NumPy


def asked_of(facts: Facts) -> dict[str, Any]:
    """Return method, options, and what was done to the files; ``facts``: cohort.json's content."""
    settings = facts["settings"]
    method = settings.get("method") or ("staple" if settings.get("labels") else "soft-staple")
    options = {name: settings[name] for name in OF_FUSION if name in settings}
    options |= {**settings.get("options", {}), **(facts.get("options") or {})}
    if settings.get("save_label"):
        cut = settings.get("cut", 0.5)
        options |= {"cut": None, "label_rule": "dice"} if cut == "dice" else {"cut": cut}
        options |= {"ties": settings["ties"]} if "ties" in settings else {}
    # Which files were resampled the cases' own sidecars tell.
    grid = {name: settings[name] for name in ("resample", "use") if name in settings}
    asked = {"method": method, "options": options, "fastfuse": facts["fastfuse"], "grid": grid}
    if settings.get("soften") or method == "dilated-staple":
        asked["dilation"] = {
            "options": {**USUAL_RING, **(settings.get("dilation") or {})},
            "on": "the case's image",
        }
        asked["dilation"] |= {"raters": []} if settings.get("soften") else {}
    return asked | ({"labels": settings["labels"]} if settings.get("labels") else {})
