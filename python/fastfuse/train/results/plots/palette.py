"""Colours and marks that the colour-blind can tell apart, and titles on two lines (after Okabe and Ito)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..entries import TITLES, Entry
from ..table import Row

HUES = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000")
SHAPES = ("o", "s", "D", "^", "v", "P", "X")
FAILED = "#b2182b"


def hue(number: int) -> str:
    """Return a colour; they repeat after seven."""
    return HUES[number % len(HUES)]


def shape(number: int) -> str:
    """Return a mark; they repeat after seven."""
    return SHAPES[number % len(SHAPES)]


def numbers(rows: Sequence[Entry] | Sequence[Row]) -> list[int]:
    """Return the number of each row's colour and mark: a method's own, whatever else is drawn; further ones for other rows."""
    own = list(TITLES)
    found: list[int] = []
    for row in rows:
        is_usual = row.title.partition(" (")[0] == TITLES.get(row.method)
        number = own.index(row.method) if is_usual else len(own)
        if number in found:  # as a second row of a method, or a second peer
            number = max(len(own) - 1, *found) + 1
        found.append(number)
    return found


def short(entry: Entry) -> str:
    """Return a row's title on several short lines."""
    return entry.title.replace("STAPLE ", "STAPLE\n").replace(", ", ",\n").replace(" (", "\n(")


def plain(axes: Iterable[Any], grid: str) -> None:
    """Take away the frame's upper and right side, and draw faint lines."""
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis=grid, alpha=0.25)
        ax.set_axisbelow(True)
