"""What ``fastfuse agreement`` prints: the coefficients, and the Dice of each two raters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .names import Names, for_tables, numbers_of
from .numbers import millilitres, plural, rate
from .pairs import NONE, each_pair, matrix, rows_of_pairs
from .table import Column, Row, Table, first_that_fits
from .terminal import output, print_below, printable, width
from .words.region import whole_in_short

Facts = dict[str, Any]

COEFFICIENTS = {
    "fleiss_kappa": "Fleiss' kappa",
    "krippendorff_alpha": "Krippendorff's alpha",
    "gwet_ac1": "Gwet's AC1",
}


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
    where = whole_in_short(facts["grid"]) if mask is None else "inside the mask"
    region = "marked by anybody" if margin is None else f"within {margin:g} mm of marks"
    yield where, region
    yield (
        where.replace(" ", "\n", 1),
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
    dice, raters = facts["dice"], facts["raters"]
    full, shared, numbered = for_tables([rater["name"] for rater in raters])
    for digits in (4, 2):
        yield from ((matrix(dice, names, digits, "rater"), names) for names in (full, shared, numbered))
    size = "marked\n(ml)", [millilitres(rater["marked_ml"]) for rater in raters]
    for more in ([size], []):
        yield from ((rows_of_pairs(dice, names, "rater", more), names) for names in (full, shared, numbered))


def _below(facts: Facts) -> Iterator[str]:
    """Yield lines on all pairs, and on what the coefficients depend on."""
    count = len(facts["raters"])
    pairs = list(each_pair(facts["dice"]))
    if count > 2 and pairs:
        numbers = numbers_of([rater["name"] for rater in facts["raters"]])
        ends = " to ".join(
            f"{value:.4f} (raters {numbers[one]} and {numbers[other]})"
            for value, one, other in (min(pairs), max(pairs))
        )
        yield f"Dice of pairs: mean {facts['mean_dice']:.4f}, from {ends}."
    if len(pairs) < count * (count - 1) // 2:
        yield f"{NONE}: neither marks anything where both vote."
    yield f"Generalised conformity: {rate(facts['conformity'])}."
    if facts["mask"] is not None:
        yield f"The mask is {Path(facts['mask']).name}."
    yield "All three rise with the background around, AC1 up to 1: compare them over one kind of region only."
