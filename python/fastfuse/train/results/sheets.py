"""Tables as CSV, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...images.written.cells import csv_bytes

TEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "±": "$\\pm$",
    "−": "$-$",
    "–": "--",
    "†": "$^\\dagger$",
    "\n": " ",
}


def csv_of(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> bytes:
    """Return a CSV file of these rows."""
    return csv_bytes([head, *rows])


def markdown_of(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose first column is text, and the others numbers; a bar in a text is escaped."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n"
        for line in (head, rule, *rows)
    )


def tex(text: str) -> str:
    """Return a text for LaTeX, with its special characters escaped."""
    return "".join(TEX.get(character, character) for character in text)
