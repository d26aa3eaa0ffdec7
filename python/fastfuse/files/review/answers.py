"""The list of a review as it comes back, with a reviewer's decisions."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import FastfuseError
from ...images.formats.no_text import why_no_text
from ...images.paths import shown
from ...images.written.cells import of_cell
from ...inputs.names import composed, counted, enumerated, quoted
from .sheet import CASE

NEEDED = ("lesion", "decision", "votes")
PLACES = ("ras_x_mm", "ras_y_mm", "ras_z_mm")  # held against the votes where they are there
WORDS = {"yes": True, "lesion": True, "no": False, "not": False}
MOST_BYTES = 1 << 24
Line = tuple[int, dict[str, str]]


@dataclass(frozen=True)
class Decisions:
    """What a reviewer decided.

    Attributes
    ----------
    votes : str
        Fingerprint of the marks that the list was made of.
    lesions : dict of int
        Whether each of these is a lesion; of label maps, which label it is.
    places : dict of int to tuple of float
        Where the list says that they lie, in mm, RAS+; of those whose line says it.
    """

    votes: str
    lesions: dict[int, Any]
    places: dict[int, tuple[float, ...]] = field(default_factory=dict)


def read_decisions(
    path: Path, case: str | None = None, decide: Callable[[str], Any] | None = None
) -> Decisions | None:
    """Read a list with decisions; of commas, semicolons and tabs, as spreadsheets save.

    Parameters
    ----------
    path : Path
    case : str, optional
        Of a cohort's list, the case whose lines are read.
    decide : callable, optional
        What is decided by a word, of label maps; ValueError says what to write. By default yes and no.

    Returns
    -------
    Decisions or None
        None for a case without a line.

    Raises
    ------
    FastfuseError
        Naming the file, the line and what to write there.
    """
    rows = of_cases(path).get(composed(case), []) if case is not None else _of_one_case(path)
    if case is not None and not rows:
        return None
    found: dict[int, Any] = {}
    places: dict[int, tuple[float, ...]] = {}
    votes: dict[str, int] = {}  # the first line of each
    first: dict[int, Line] = {}
    for line, row in rows:
        where = f"{shown(path)}, line {line}"
        number = _number_in(row["lesion"], where)
        if number in found:
            before, there = first[number]
            raise FastfuseError(
                f"{where}: lesion {number} is there twice: line {before} decides {quoted(there['decision'])}, this one "
                f"{quoted(row['decision'])}; leave one of both lines out"
            )
        first[number] = line, row
        found[number] = _decision_in(of_cell(row["decision"]), where, decide)
        place = _place_in(row)
        if place is not None:
            places[number] = place
        votes.setdefault(row["votes"], line)
    if len(votes) > 1:
        begin = enumerated([f"line {line} begins {quoted(one)}" for one, line in votes.items()])
        raise FastfuseError(
            f"{shown(path)}: holds lines of {len(votes)} reviews, by their column votes ({begin}): mend a line that is broken, give one "
            "file for each case, or to fastfuse cohort fuse the list of the cohort"
        )
    if not found:
        raise FastfuseError(f"{shown(path)}: holds no lesion; take the .csv of fastfuse review")
    return Decisions(
        next(iter(votes)), {number: one for number, one in found.items() if one is not None}, places
    )


def of_cases(path: Path) -> dict[str, list[Line]]:
    """Return the lines of each case of a cohort's list, by its name as :func:`composed` spells it.

    Raises
    ------
    FastfuseError
        Naming the file, if it has no column of cases, or a line that names none.
    """
    found: dict[str, list[Line]] = {}
    for line, row in _rows_of(path, (*NEEDED, CASE)):
        if not row[CASE]:
            raise FastfuseError(
                f"{shown(path)}, line {line}: names no case: take the .csv of fastfuse review"
            )
        found.setdefault(composed(of_cell(row[CASE])), []).append((line, row))
    return found


def _of_one_case(path: Path) -> list[Line]:
    """Return the lines of a list that is not of several cases."""
    rows = _rows_of(path)
    cases = {row[CASE] for _, row in rows if CASE in row}
    if len(cases) > 1:
        raise FastfuseError(
            f"{shown(path)}: is a list of {len(cases)} cases ({enumerated(sorted(cases))}): give it as the decisions (--decisions) of the cohort"
        )
    return rows


def _rows_of(path: Path, needed: tuple[str, ...] = NEEDED) -> list[Line]:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FastfuseError(
            f"{shown(path)}: cannot be read as a list ({why_no_text(path, error)}): take the .csv of fastfuse review"
        ) from None
    if len(content) > MOST_BYTES:
        raise FastfuseError(
            f"{shown(path)}: has more than {MOST_BYTES >> 20} MB, which no list of lesions has"
        )
    if "\n" not in text:
        text = text.replace("\r", "\n")  # as Excel's "CSV (Macintosh)" ends lines
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    lines = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        head = [name.strip() for name in next(lines, [])]
        rows = [(lines.line_num, cells) for cells in lines if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise FastfuseError(f"{shown(path)}: cannot be read as a list ({error})") from None
    lacking = [name for name in needed if head.count(name) != 1]
    if lacking:
        raise FastfuseError(
            f"{shown(path)}: lacks the {'column' if len(lacking) == 1 else 'columns'} {enumerated(lacking)}: take the .csv of "
            "fastfuse review, and write into its column decision alone"
        )
    for line, cells in rows:
        if len(cells) < len(head):
            raise FastfuseError(
                f"{shown(path)}, line {line}: has {counted(len(cells), 'cell')} for {counted(len(head), 'column')}"
            )
    return [
        (
            line,
            {
                name: cells[head.index(name)].strip()
                for name in (*NEEDED, *PLACES, CASE)
                if head.count(name) == 1
            },
        )  # not zip: other columns may lie beside
        for line, cells in rows
    ]


def _place_in(row: Mapping[str, str]) -> tuple[float, ...] | None:
    """Return where a line says that its lesion lies, if it does."""
    try:
        return tuple(float(row[name].replace(",", ".")) for name in PLACES)
    except (KeyError, ValueError):
        return None


def _number_in(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
        raise FastfuseError(
            f"{where}: lesion is {quoted(text)}: it must be the number that fastfuse review wrote"
        )
    return int(text)


def _decision_in(text: str, where: str, decide: Callable[[str], Any] | None) -> Any:
    if not text:
        return None
    if decide is None:
        decide = _yes_or_no
    try:
        return decide(text)
    except ValueError as error:
        raise FastfuseError(f"{where}: decision is {quoted(text)}: {error}") from None


def _yes_or_no(text: str) -> bool:
    if text.lower() not in WORDS:
        raise ValueError("write yes (a lesion), no (none), or leave it empty")
    return WORDS[text.lower()]
