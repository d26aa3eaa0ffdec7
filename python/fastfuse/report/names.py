"""Names of files for narrow tables: without what all of them share, or as numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

PIECES = re.compile(r"\d+|[^\W\d_]+|.")  # numbers and words are never cut


@dataclass(frozen=True)
class Names:
    """What a table calls things, and the lines that say what was dropped."""

    short: Sequence[str]
    said: Sequence[str] = field(default=())

    @classmethod
    def told_apart(cls, names: Sequence[str]) -> Names:
        """Drop the beginning and the end that all names share."""
        pieces = [PIECES.findall(name) for name in names]
        least = min(map(len, pieces), default=0)
        if len(names) < 2 or len(set(names)) < len(names):
            return cls(names)
        end = _shared([one[::-1] for one in pieces], least - 1)
        begin = _shared(pieces, least - 1 - end)
        if not begin + end:
            return cls(names)
        short = ["".join(one[begin : len(one) - end]) for one in pieces]
        first = pieces[0]
        dropped = {"begin with": first[:begin], "end in": first[len(first) - end :]}
        said = " and ".join(f"{where} {''.join(part)}" for where, part in dropped.items() if part)
        return cls(short, [f"All names {said}."])

    @classmethod
    def numbered(cls, names: Sequence[str]) -> Names:
        """Return numbers, and say whose they are, without what all names share."""
        apart = cls.told_apart(names)
        short = [str(i) for i in range(1, len(names) + 1)]
        whose = [f"{number}: {name}" for number, name in zip(short, apart.short, strict=True)]
        return cls(short, [*apart.said, *whose])


def for_tables(names: Sequence[str]) -> Iterator[Names]:
    """Yield names from the longest to the shortest."""
    yield Names(names)
    yield Names.told_apart(names)
    yield Names.numbered(names)


def _shared(pieces: Sequence[Sequence[str]], most: int) -> int:
    """Return how many pieces all begin with."""
    count = 0
    while count < most and len({one[count] for one in pieces}) == 1:
        count += 1
    return count
