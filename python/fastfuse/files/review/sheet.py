"""The list of a review as CSV: written for the reviewer, and read with their decisions."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import FastfuseError, reason_of
from ...images.paths import shown
from ...inputs.names import enumerated, quoted

COLUMNS = (
    "lesion", "decision", "ras_x_mm", "ras_y_mm", "ras_z_mm", "ml", "marked_by", "marks", "looked", "posterior",
    "consensus", "change_ml", "stake_ml", "votes",
)  # fmt: skip
NEEDED = ("lesion", "decision", "votes")
PLACES = ("ras_x_mm", "ras_y_mm", "ras_z_mm")  # held against the votes where they are there
WORDS = {"yes": True, "lesion": True, "no": False, "not": False}
FORMULAS = ("=", "+", "-", "@", "\t")  # what spreadsheets calculate
MOST_BYTES = 1 << 24


@dataclass(frozen=True)
class Contested:
    """A lesion of the list.

    Attributes
    ----------
    number : int
        Of the lesion, in its case.
    centre_mm : tuple of 3 float
        RAS+.
    ml : float
        Volume that anybody marks.
    marked_by : tuple of str
        Who marks any of it.
    looked : int
        Raters who looked there.
    posterior : float
        Mean probability of its core.
    consensus : bool
        Whether the consensus marks any of it.
    change_ml : float
        By how much the volume of the consensus would change if it were decided otherwise.
    stake_ml : float
        The same without sign, times the share of raters who say otherwise.
    decision : bool or None
        What an earlier review decided: whether it is a lesion.
    """

    number: int
    centre_mm: tuple[float, float, float]
    ml: float
    marked_by: tuple[str, ...]
    looked: int
    posterior: float
    consensus: bool
    change_ml: float
    stake_ml: float
    decision: bool | None = None

    @property
    def is_contested(self) -> bool:
        """Whether some raters who looked there mark none of it, or the consensus has none of it."""
        return len(self.marked_by) < self.looked or not self.consensus

    @property
    def word(self) -> str:
        """The decision as the list has it; empty where there is none."""
        return "" if self.decision is None else "yes" if self.decision else "no"

    @property
    def said(self) -> str:
        """Who marks it, in numbers."""
        return f"{len(self.marked_by)} of {self.looked}"


@dataclass(frozen=True)
class Decisions:
    """What a reviewer decided.

    Attributes
    ----------
    votes : str
        Fingerprint of the marks that the list was made of.
    lesions : dict of int to bool
        Whether each of these is a lesion.
    places : dict of int to tuple of float
        Where the list says that they lie, in mm, RAS+; of those whose line says it.
    """

    votes: str
    lesions: dict[int, bool]
    places: dict[int, tuple[float, ...]] = field(default_factory=dict)


def sheet_bytes(lesions: Sequence[Contested], votes: str) -> bytes:
    """Return the list as CSV; the column for decisions holds those that were made before."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in lesions:
        writer.writerow(
            [
                one.number,
                one.word,
                *(f"{place:.1f}" for place in one.centre_mm),
                f"{one.ml:.4f}",
                _as_text("; ".join(one.marked_by)),
                len(one.marked_by),
                one.looked,
                f"{one.posterior:.4f}",
                "yes" if one.consensus else "no",
                f"{one.change_ml:+.4f}",
                f"{one.stake_ml:.4f}",
                votes,
            ]
        )
    return text.getvalue().encode()


def _as_text(value: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{value}" if value.startswith(FORMULAS) else value


def read_decisions(path: Path) -> Decisions:
    """Read a list with decisions; of commas, semicolons and tabs, as spreadsheets save.

    Raises
    ------
    FastfuseError
        Naming the file, the line and what to write there.
    """
    rows = _rows_of(path)
    found: dict[int, bool | None] = {}
    places: dict[int, tuple[float, ...]] = {}
    votes: set[str] = set()
    for line, row in rows:
        where = f"{shown(path)}, line {line}"
        number = _number_in(row["lesion"], where)
        if number in found:
            raise FastfuseError(f"{where}: lesion {number} is there twice: leave one of both lines out")
        found[number] = _decision_in(row["decision"], where)
        place = _place_in(row)
        if place is not None:
            places[number] = place
        votes.add(row["votes"])
    if len(votes) > 1:
        raise FastfuseError(
            f"{shown(path)}: holds lines of {len(votes)} reviews ({enumerated(sorted(votes))}): give one file for each case"
        )
    if not found:
        raise FastfuseError(f"{shown(path)}: holds no lesion; take the .csv of fastfuse review")
    return Decisions(votes.pop(), {number: one for number, one in found.items() if one is not None}, places)


def _rows_of(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FastfuseError(f"{shown(path)}: cannot be read as a list ({reason_of(error)})") from None
    if len(content) > MOST_BYTES:
        raise FastfuseError(
            f"{shown(path)}: has more than {MOST_BYTES >> 20} MB, which no list of lesions has"
        )
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    lines = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        head = [name.strip() for name in next(lines, [])]
        rows = [(lines.line_num, cells) for cells in lines if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise FastfuseError(f"{shown(path)}: cannot be read as a list ({error})") from None
    lacking = [name for name in NEEDED if head.count(name) != 1]
    if lacking:
        raise FastfuseError(
            f"{shown(path)}: lacks the {'column' if len(lacking) == 1 else 'columns'} {enumerated(lacking)}: take the .csv of "
            "fastfuse review, and write yes or no into decision"
        )
    for line, cells in rows:
        if len(cells) < len(head):
            raise FastfuseError(f"{shown(path)}, line {line}: has {len(cells)} cells for {len(head)} columns")
    return [
        (
            line,
            {name: cells[head.index(name)].strip() for name in (*NEEDED, *PLACES) if head.count(name) == 1},
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


def _decision_in(text: str, where: str) -> bool | None:
    if not text:
        return None
    if text.lower() not in WORDS:
        raise FastfuseError(
            f"{where}: decision is {quoted(text)}: write yes (a lesion), no (none), or leave it empty"
        )
    return WORDS[text.lower()]
