"""Which cases each export to other sites was a sum of: sums that together would tell of fewer than five cases are refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import CohortError
from ..images.paths import shown
from ..images.sidecar import json_of, sidecar_bytes
from ..inputs.names import enumerated

EXPORTED = "exported.json"


def check_batches(out: Path, summed: Mapping[str, str], fewest: int) -> None:
    """Refuse a sum from which those of earlier exports leave fewer than five cases.

    Whoever holds all of them tells apart cases that are not in the same ones; nothing tells cases apart that are.
    """
    exports = [*_exports(out), summed]
    # By table and by name: where raters came to cases, all tables are others, and the raters of before tell cases apart.
    few = [
        *_few([{*one.items()} for one in exports], fewest),
        *_few([{(case, "") for case in one} for one in exports], fewest),
    ]
    if few:
        named = enumerated(min(few, key=lambda cases: (len(cases), cases)))
        raise CohortError(
            f"{shown(out / EXPORTED)}: whoever holds the tables exported before, and this one, learns {named}: export again with at "
            f"least {fewest} new cases; if a table never left the site, take its entry out of this file"
        )


def _few(sums: Sequence[set[tuple[str, str]]], fewest: int) -> list[list[str]]:
    """Return the names of cases that the last sum tells apart from others, fewer than five together."""
    parts: dict[tuple[bool, ...], set[tuple[str, str]]] = defaultdict(set)
    for case in set().union(*sums):
        parts[tuple(case in one for one in sums)].add(case)
    return [
        sorted({case for case, _ in cases})
        for part, cases in parts.items()
        if len(cases) < fewest and (_divides(part, parts) or not any(part[:-1]))
    ]


def _divides(part: tuple[bool, ...], parts: Iterable[tuple[bool, ...]]) -> bool:
    """Tell whether cases that were in the same earlier sums are not all in this one, or all out of it."""
    return any(other != part and other[:-1] == part[:-1] for other in parts)


def _exports(out: Path) -> list[dict[str, str]]:
    """Return the cases of each earlier export, with the fingerprints of their tables."""
    path = out / EXPORTED
    kept = json_of(path) if path.exists() else {"exports": []}
    found = kept.get("exports") if isinstance(kept, dict) else None
    if not isinstance(found, list) or not all(_is_export(one) for one in found):
        raise CohortError(f"{shown(path)}: is damaged, and tells which cases were exported: put it back")
    return found


def _is_export(one: object) -> bool:
    return isinstance(one, dict) and all(isinstance(digest, str) for digest in one.values())


def with_export(out: Path, summed: dict[str, str]) -> bytes:
    """Return the record of all exports, with one more."""
    before = _exports(out)
    return sidecar_bytes({"exports": before if summed in before else [*before, summed]})
