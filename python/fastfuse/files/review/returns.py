"""Whether a reviewer's decisions can come back to a consensus as it was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...fusion.backends.decisions import options_without_decisions
from ...fusion.declared import switch
from ...fusion.options import Options
from ...fusion.registry import method_called
from ...inputs.names import quoted
from ..labels.prior import label_prior


def on_return(method: str | None, options: Options, chosen: Mapping[str, Any] | None = None) -> list[str]:
    """Say with which options of masks' consensus no decision comes back; ``chosen``: what a preset set, which it sets otherwise then."""
    row = method_called(method or "soft-staple")
    if row.grows:
        return _said(f"method is {quoted(row.name)}", "its consensus grows beyond them", "choose staple")
    reasons = options_without_decisions(row, options)
    return [
        line
        for name, why in reasons.items()
        if name not in (chosen or ())
        for line in _said(f"{name} is {quoted(getattr(options, name))}", why, _without(name))
    ]


def on_return_of_labels(given: Mapping[str, Any]) -> list[str]:
    """Say with which options of label maps' consensus no decision comes back."""
    intervals = given.get("intervals") or "none"
    if intervals != "none":
        return _said(
            f"intervals is {quoted(intervals)}", "what is decided is not drawn anew", _without("intervals")
        )
    if label_prior(given.get("prior", "mean")).files:
        return _said("prior is a map of each label", "a map may hold 1 for what is known", _without("prior"))
    return []


def _without(name: str) -> str:
    return f"leave out {name} ({switch(name)})"


def _said(what: str, why: str, remedy: str) -> list[str]:
    return [
        f"{what}, with which decisions are refused ({why}): {remedy} where you give them back by decisions ({switch('decisions')})"
    ]
