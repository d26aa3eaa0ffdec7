"""Cases, and raters, whose names may mean one: they differ in capital letters, separators or leading zeros alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

from ..cases import CohortCase

PIECES = re.compile(r"[^\d\s._-]+|\d+")  # digits, or whatever is no separator
MOST_NAMED = 3  # groups


def said_of_like_names(cases: Sequence[CohortCase]) -> list[str]:
    """Say which cases, and which raters, have such names and never meet: a rater who read both, or a case of both, tells them apart."""
    readers = {case.name: set(case.raters) for case in cases}
    read: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        for rater in case.raters:
            read[rater].add(case.name)
    return [
        *_said(readers, "no rater read both", "counts as a case of its own"),
        *_said(read, "no case has both", "has rates of their own"),
    ]


def _said(met: Mapping[str, set[str]], apart: str, so: str) -> list[str]:
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in sorted(met):
        groups[_meant_by(name)].append(name)
    alike = [names for names in groups.values() if len(names) > 1 and _never_meet(names, met)]
    if not alike:
        return []
    shown = "; ".join(", ".join(names) for names in alike[:MOST_NAMED])
    more = f"; and {len(alike) - MOST_NAMED} more such" if len(alike) > MOST_NAMED else ""
    said = (
        f"{shown}{more}: differ in capital letters, separators or leading zeros alone, and {apart}, so that each {so}; if they are one, "
        "give them one name, by that of their files or in a table (--table)"
    )
    return [said]


def _meant_by(name: str) -> tuple[str, ...]:
    return tuple(piece.casefold().lstrip("0") or "0" for piece in PIECES.findall(name))


def _never_meet(names: Sequence[str], met: Mapping[str, set[str]]) -> bool:
    return all(met[one].isdisjoint(met[other]) for one, other in combinations(names, 2))
