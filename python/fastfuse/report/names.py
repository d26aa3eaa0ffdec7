"""Names of files for narrow tables: without what all of them share, or as numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PIECES = re.compile(r"\d+|[^\W\d_]+|.")  # numbers and words are never cut


@dataclass(frozen=True)
class Names:
    """What a table calls things, the lines that say what was dropped, and the number of each."""

    short: Sequence[str]
    said: Sequence[str] = field(default=())
    numbers: Sequence[str] = field(default=())

    @classmethod
    def told_apart(cls, names: Sequence[str]) -> Names:
        """Drop the beginning and the end that all names share."""
        pieces = [PIECES.findall(name) for name in names]
        least = min(map(len, pieces), default=0)
        if len(names) < 2 or len(set(names)) < len(names):
            return cls(names, numbers=_from_one(names))
        end = _shared([one[::-1] for one in pieces], least - 1)
        begin = _shared(pieces, least - 1 - end)
        if not begin + end:
            return cls(names, numbers=_from_one(names))
        short = ["".join(one[begin : len(one) - end]) for one in pieces]
        numbers = _consecutive(short) or _from_one(names)
        first = pieces[0]
        dropped = {"begin with": first[:begin], "end in": first[len(first) - end :]}
        spelt = {where: "".join(part).strip() for where, part in dropped.items()}
        said = " and ".join(f"{where} {part}" for where, part in spelt.items() if part)
        return cls(short, [f"All names {said}."] if said else [], numbers)

    @classmethod
    def numbered(cls, names: Sequence[str]) -> Names:
        """Return numbers, and say whose they are, without what all names share."""
        apart = cls.told_apart(names)
        whose = [
            f"{number}: {name}"
            for number, name in zip(apart.numbers, apart.short, strict=True)
            if number != name
        ]
        return cls(apart.numbers, [*apart.said, *whose], apart.numbers)


def numbers_of(names: Sequence[str]) -> Sequence[str]:
    """Return the number by which a table or a chart calls each rater: that of the names, as of "rater 0", "rater 1"; else from 1 on."""
    return Names.told_apart(names).numbers


def for_tables(names: Sequence[str]) -> Iterator[Names]:
    """Yield names from the longest to the shortest."""
    yield Names(names, numbers=numbers_of(names))
    yield Names.told_apart(names)
    yield Names.numbered(names)


def numbered(raters: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return raters as a sidecar has them, each with its number."""
    return list(zip(numbers_of([one["name"] for one in raters]), raters, strict=True))


def _from_one(names: Sequence[str]) -> list[str]:
    first = 0 if list(names) == ["rater 0"] else 1  # of one name nothing is told apart
    return [str(i) for i in range(first, first + len(names))]


def _consecutive(names: Sequence[str]) -> list[str]:
    """Return names that are numbers, each one above the last, as such; nothing for others."""
    if not all(name.isascii() and name.isdigit() for name in names):
        return []
    found = [int(name) for name in names]
    return [str(one) for one in found] if found == [*range(found[0], found[0] + len(found))] else []


def _shared(pieces: Sequence[Sequence[str]], most: int) -> int:
    """Return how many pieces all begin with."""
    count = 0
    while count < most and len({one[count] for one in pieces}) == 1:
        count += 1
    return count
