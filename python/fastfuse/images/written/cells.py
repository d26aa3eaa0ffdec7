"""Tables as CSV whose texts no spreadsheet takes for a formula."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"  # what spreadsheets calculate begins with one, also in full width
ENDING = "\r\n"
# As Python writes numbers. It reads more as such: -1_0, +1 or digits of other scripts, which spreadsheets may not.
NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?(?:e[+-][0-9]+)?|inf)|nan")
# Where a cell begins: also after ; and tab, by which spreadsheets of many countries divide a line of commas.
FORMULA = re.compile(rf"(^|[;\t\r\n])([\"']*)(?=[{SIGNS}\t\r\n])")
ESCAPED = re.compile(rf"(^|[;\t\r\n])'([\"']*)(?=[{SIGNS}\t\r\n])")


def csv_bytes(rows: Iterable[Iterable[Any]]) -> bytes:
    """Return rows as CSV, each text as :func:`as_cell` has it."""
    lines: list[str] = []
    # The ending of a line says which letters are quoted, and both of these end one.
    writer = csv.writer(SimpleNamespace(write=lines.append), lineterminator=ENDING)
    writer.writerows([as_cell(value) for value in row] for row in rows)
    return "".join(f"{line.removesuffix(ENDING)}\n" for line in lines).encode()


def as_cell(value: Any) -> Any:
    """Return a text with ' before what a spreadsheet would calculate; numbers, also as texts, as they are."""
    if not isinstance(value, str) or NUMBER.fullmatch(value):
        return value
    return FORMULA.sub(r"\1'\2", value)


def of_cell(text: str) -> str:
    """Return the text of which :func:`as_cell` made a cell."""
    return ESCAPED.sub(r"\1\2", text)
