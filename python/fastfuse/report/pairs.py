"""Tables of the Dice of each two raters, or methods: as a matrix, or a row each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .names import Names
from .table import Column, Row, Table

Dice = Sequence[Sequence[float | None]]
Ends = tuple[float, int]

NONE = "–"  # no Dice


def matrix(dice: Dice, names: Names, digits: int, what: str) -> Table:
    """Return the lower triangle, and the mean with the others; columns are numbers. ``what``: of whom the rows are."""
    numbers = numbers_in(names)
    heads = heads_of(names)
    rows = []
    for i, head in enumerate(heads):
        cells = [dice_text(dice[i][j], digits) if j < i else "" for j in range(len(heads) - 1)]
        rows.append(Row([head, *cells, dice_text(mean_of(others(dice, i)), digits)]))
    columns = [Column(what, right=False), *map(Column, numbers[:-1]), Column("mean")]
    return Table("Dice of each two", columns, rows)


def rows_of_pairs(
    dice: Dice, names: Names, what: str, more: Sequence[tuple[str, Sequence[str]]] = ()
) -> Table:
    """Return each one's mean, lowest and highest Dice with the others; ``more``: columns to the right, title and cells."""
    rows, numbers = [], numbers_in(names)
    for i, head in enumerate(heads_of(names)):
        pairs = others(dice, i)
        ends = [min(pairs, default=None), max(pairs, default=None)]
        cells = [text for end in ends for text in _with_whom(end, numbers)]
        rows.append(Row([head, dice_text(mean_of(pairs), 4), *cells, *(column[i] for _, column in more)]))
    titles = ("mean", "lowest", "with", "highest", "with", *(title for title, _ in more))
    return Table("Dice with the others", [Column(what, right=False), *map(Column, titles)], rows)


def heads_of(names: Names) -> list[str]:
    """Return what begins each row: its number, and the name where that is another one."""
    numbered = zip(numbers_in(names), names.short, strict=True)
    return [name if name == number else f"{number} {name}" for number, name in numbered]


def numbers_in(names: Names) -> Sequence[str]:
    """Return the numbers by which names are called; from 1 on where none were chosen."""
    return names.numbers or [str(i) for i in range(1, len(names.short) + 1)]


def others(dice: Dice, one: int) -> list[Ends]:
    """Return the Dice with each other, and who they are."""
    return [(value, j) for j, value in enumerate(dice[one]) if j != one and value is not None]


def each_pair(dice: Dice) -> Iterator[tuple[float, int, int]]:
    """Yield the Dice of each two, and who they are."""
    for i in range(len(dice)):
        yield from ((value, other, i) for value, other in others(dice, i) if other < i)


def mean_of(pairs: Sequence[Ends]) -> float | None:
    """Return the mean of a few Dice."""
    return sum(value for value, _ in pairs) / len(pairs) if pairs else None


def dice_text(value: float | None, digits: int) -> str:
    """Return a Dice as text; of two digits without the 0 before them."""
    if value is None:
        return NONE
    text = f"{value:.{digits}f}"
    return text if digits > 2 or value >= 0.995 else text[1:]


def _with_whom(end: Ends | None, numbers: Sequence[str]) -> tuple[str, str]:
    return (NONE, NONE) if end is None else (f"{end[0]:.4f}", numbers[end[1]])
