"""What ``fastfuse agreement`` prints: the coefficients, and the Dice of each two raters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .names import Names, for_tables
from .numbers import millilitres, plural, rate
from .table import Column, Row, Table, first_that_fits
from .terminal import output, print_below, printable, width

Facts = dict[str, Any]

COEFFICIENTS = {
    "fleiss_kappa": "Fleiss' kappa",
    "krippendorff_alpha": "Krippendorff's alpha",
    "gwet_ac1": "Gwet's AC1",
}
NONE = "–"  # no Dice


def print_agreement(facts: Facts, written: Sequence[Path]) -> None:
    """Print the coefficients over all voxels and over the region, and the Dice of each two raters."""
    console = output()
    first_that_fits([_coefficients(facts, titles) for titles in _titles(facts)], width()).print(console)
    plans = list(_plans(facts))
    chosen = first_that_fits([table for table, _ in plans], width())
    chosen.print(console)
    said = next(names.said for table, names in plans if table is chosen)
    files = [f"wrote {', '.join(str(path) for path in written)}"] if written else []
    print_below(console, map(printable, (*said, *_below(facts), *files)))


def _titles(facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield what is said of all voxels and of the region, the longest first."""
    mask, margin = facts["mask"], facts["options"]["roi"]
    where = "whole volume" if mask is None else "inside the mask"
    region = "marked by anybody" if margin is None else f"within {margin:g} mm of marks"
    yield where, region
    yield (
        "whole\nvolume" if mask is None else "inside\nthe mask",
        "marked\nby anybody" if margin is None else f"within {margin:g} mm\nof marks",
    )


def _coefficients(facts: Facts, titles: tuple[str, str]) -> Table:
    pair = facts["everywhere"], facts["region"]
    rows = [Row([title, *(rate(one[name]) for one in pair)]) for name, title in COEFFICIENTS.items()]
    rows.append(Row(["voxels", *(f"{one['voxels']:,}" for one in pair)]))
    columns = [Column("agreement", right=False), *map(Column, titles)]
    return Table(f"agreement of {plural(len(facts['raters']), 'rater')}", columns, rows)


def _plans(facts: Facts) -> Iterator[tuple[Table, Names]]:
    """Yield tables of the pairs' Dice: matrices of four digits and of two, and a row a rater."""
    full, shared, numbered = for_tables([rater["name"] for rater in facts["raters"]])
    for digits in (4, 2):
        yield from ((_matrix(facts, names, digits), names) for names in (full, shared, numbered))
    for with_size in (True, False):
        yield from ((_rows(facts, names, with_size=with_size), names) for names in (full, shared, numbered))


def _matrix(facts: Facts, names: Names, digits: int) -> Table:
    """Return the lower triangle; columns are numbers of the raters."""
    count = len(names.short)
    numbers = [str(i) for i in range(1, count + 1)]
    heads = (
        numbers if list(names.short) == numbers else [f"{i} {name}" for i, name in enumerate(names.short, 1)]
    )
    rows = []
    for i, head in enumerate(heads):
        cells = [_dice(facts["dice"][i][j], digits) if j < i else "" for j in range(count - 1)]
        rows.append(Row([head, *cells, _dice(_mean(_others(facts, i)), digits)]))
    columns = [Column("rater", right=False), *map(Column, numbers[:-1]), Column("mean")]
    return Table("Dice of each two", columns, rows)


def _rows(facts: Facts, names: Names, *, with_size: bool) -> Table:
    """Return each rater's mean, lowest and highest Dice with the others."""
    rows = []
    for i, rater in enumerate(facts["raters"]):
        pairs = _others(facts, i)
        ends = [min(pairs, default=None), max(pairs, default=None)]
        cells = [text for end in ends for text in _with_whom(end)]
        size = [millilitres(rater["marked_ml"])] if with_size else []
        head = names.short[i] if names.short[i] == str(i + 1) else f"{i + 1} {names.short[i]}"
        rows.append(Row([head, _dice(_mean(pairs), 4), *cells, *size]))
    columns = [
        Column("rater", right=False),
        Column("mean"),
        Column("lowest"),
        Column("with"),
        Column("highest"),
    ]
    columns += [Column("with"), *([Column("marked\n(ml)")] if with_size else [])]
    return Table("Dice with the others", columns, rows)


def _below(facts: Facts) -> Iterator[str]:
    """Yield lines on all pairs, and on what the coefficients depend on."""
    count = len(facts["raters"])
    pairs = [(value, other, i + 1) for i in range(count) for value, other in _others(facts, i) if other <= i]
    if count > 2 and pairs:
        low, high = min(pairs), max(pairs)
        ends = (
            f"{low[0]:.4f} (raters {low[1]} and {low[2]}) to {high[0]:.4f} (raters {high[1]} and {high[2]})"
        )
        yield f"Dice of pairs: mean {facts['mean_dice']:.4f}, from {ends}."
    if len(pairs) < count * (count - 1) // 2:
        yield f"{NONE}: neither marks anything where both vote."
    yield f"Generalised conformity: {rate(facts['conformity'])}."
    if facts["mask"] is not None:
        yield f"The mask is {Path(facts['mask']).name}."
    yield "All three rise with the background around, AC1 up to 1: compare them over one kind of region only."


def _others(facts: Facts, rater: int) -> list[tuple[float, int]]:
    """Return the Dice with each other rater, and who they are, from 1 on."""
    row = facts["dice"][rater]
    return [(value, j + 1) for j, value in enumerate(row) if j != rater and value is not None]


def _mean(pairs: Sequence[tuple[float, int]]) -> float | None:
    return sum(value for value, _ in pairs) / len(pairs) if pairs else None


def _with_whom(end: tuple[float, int] | None) -> tuple[str, str]:
    return (NONE, NONE) if end is None else (f"{end[0]:.4f}", str(end[1]))


def _dice(value: float | None, digits: int) -> str:
    """Return a Dice as text; of two digits without the 0 before them."""
    if value is None:
        return NONE
    text = f"{value:.{digits}f}"
    return text if digits > 2 or value >= 0.995 else text[1:]
