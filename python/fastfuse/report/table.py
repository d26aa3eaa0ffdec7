"""A table as lines of text: as wide as its content, so that no number is ever cut; names are folded on narrow terminals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from . import terminal
from .lines import Lines, columns_of

GAP = 2  # columns between two cells
SHORTEST = 8  # columns of a folded name
PIECES = re.compile(r"[^\W_]*[\W_]|[^\W_]+")  # words, after which a name is folded; each is whole if it fits
INDENT = " "


@dataclass(frozen=True)
class Column:
    """A column: its title, of one or more lines, and where its cells stand."""

    title: str
    right: bool = True


@dataclass(frozen=True)
class Row:
    """A row of cells, each of one or more lines.

    Attributes
    ----------
    cells : sequence of str
    spans : bool
        Whether the first cell may extend over empty ones after it.
    apart : bool
        Whether a blank line goes before the row.
    """

    cells: Sequence[str]
    spans: bool = False
    apart: bool = False


@dataclass(frozen=True)
class Table:
    """A table: its title, columns and rows."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]

    @property
    def widths(self) -> list[int]:
        """Width of each column."""
        cells = [[column.title for column in self.columns]]
        cells += [["", *row.cells[1:]] if row.spans else list(row.cells) for row in self.rows]
        return [max(map(_width, column)) for column in zip(*cells, strict=True)]

    @property
    def width(self) -> int:
        """Width of the whole, with the indent."""
        lines = [line for row in self.rows for line in self._lines(row.cells)]
        return max(map(columns_of, [*self.title.split("\n"), self._rule(), *lines]))

    def print(self, to: Lines) -> None:
        """Print the table: the title first, second lines of a row dimmed; names are folded where the terminal is narrower."""
        columns = terminal.width()
        (self if columns is None else self.folded(columns))._print(to)

    def folded(self, columns: int) -> Table:
        """Return the table with the names in its columns folded, so that it is no wider than that, if that is possible."""
        table = self
        for i, column in enumerate(self.columns):
            excess = columns_of(table._rule()) - columns
            if excess > 0 and not column.right:
                table = table._with_column(
                    i, max(table.widths[i] - excess, SHORTEST, columns_of(column.title))
                )
        return table

    def _with_column(self, i: int, most: int) -> Table:
        """Return the table with a column that is no wider than that."""
        rows = [
            row
            if row.spans and i == 0
            else replace(row, cells=[*row.cells[:i], _folded(row.cells[i], most), *row.cells[i + 1 :]])
            for row in self.rows
        ]
        return replace(self, rows=rows)

    def _print(self, to: Lines) -> None:
        for line in self.title.split("\n"):
            _print(to, line, "bold")
        heads = self._lines([column.title for column in self.columns], bottom=True)
        for line in ["", *heads, self._rule()]:
            _print(to, line, "")
        for row in self.rows:
            first, *others = self._lines(row.cells)
            if row.apart:
                _print(to, "", "")
            _print(to, first, "")
            for line in others:
                _print(to, line, "dim")
        _print(to, "", "")

    def _rule(self) -> str:
        return INDENT + "─" * (sum(self.widths) + GAP * (len(self.columns) - 1))

    def _lines(self, cells: Sequence[str], *, bottom: bool = False) -> list[str]:
        """Return the lines of a row; its cells stand at the top, or at the bottom."""
        parts = [cell.split("\n") for cell in cells]
        if bottom:
            most = max(map(len, parts))
            parts = [[""] * (most - len(part)) + part for part in parts]
        return [self._line(line) for line in zip_longest(*parts, fillvalue="")]

    def _line(self, cells: Sequence[str]) -> str:
        """Return one line; a cell that is too wide takes the room of empty ones after it."""
        line, end = INDENT, len(INDENT)
        for cell, width, column in zip(cells, self.widths, self.columns, strict=True):
            end += width
            if cell:
                start = max(end - columns_of(cell) if column.right else end - width, columns_of(line))
                line += " " * (start - columns_of(line)) + cell
            end += GAP
        return line


def first_that_fits(tables: Sequence[Table], width: int | None) -> Table:
    """Return the first table that is no wider than that; the last one if none is."""
    return next((one for one in tables if width is None or one.width <= width), tables[-1])


def _folded(cell: str, most: int) -> str:
    """Return a cell in lines that are no wider than that, broken between words where these fit."""
    return "\n".join(line for part in cell.split("\n") for line in _lines_of(part, most))


def _lines_of(text: str, most: int) -> Iterable[str]:
    line = ""
    for piece in PIECES.findall(text) if columns_of(text) > most else [text]:
        for part in [piece] if columns_of(piece) <= most else piece:
            if line and columns_of(line + part) > most:
                yield line.rstrip()
                line = part.lstrip()
            else:
                line += part
    yield line


def _width(cell: str) -> int:
    return max(map(columns_of, cell.split("\n")))


def _print(to: Lines, line: str, style: str) -> None:
    """Print a line as it is: not wrapped, not cut, no markup in it."""
    to.line(line.rstrip(), style)
