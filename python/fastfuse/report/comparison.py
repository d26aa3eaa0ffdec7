"""What ``fastfuse compare`` prints: a row for each way to a consensus, and the Dice of each two."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .names import Names
from .numbers import below_best, millilitres, plural
from .pairs import NONE, each_pair, matrix, rows_of_pairs
from .table import Column, Row, Table, first_that_fits
from .terminal import output, print_below, printable, width
from .words.region import region_of

Facts = dict[str, Any]
Cells = tuple[str, Sequence[str]]  # a column's title, and its cells

SCORES = {"dice": "Dice", "brier": "Brier", "log": "log", "ece": "ECE"}


def print_comparison(facts: Facts, written: Sequence[Path]) -> None:
    """Print the table of ways, the Dice of each two, and how to read both."""
    console = output()
    fitting = [tables for tables in _ways(facts) if _fits(tables)]
    for table in fitting[0] if fitting else list(_ways(facts))[-1]:
        table.print(console)
    first_that_fits(list(_pairs(facts)), width()).print(console)
    files = [f"wrote {', '.join(str(path) for path in written)}"] if written else []
    print_below(console, map(printable, (*_below(facts), *files)))


def _fits(tables: Sequence[Table]) -> bool:
    columns = width()
    return columns is None or all(table.width <= columns for table in tables)


def _ways(facts: Facts) -> Iterator[list[Table]]:
    """Yield plans: one table; two side by side in time; the same with the prior on a second line."""
    ways = facts["ways"]
    about, scores = _about(ways), _scores(ways) if facts["truth"] is not None else []
    title = f"{len(ways)} ways to the consensus of {plural(len(facts['raters']), 'rater')}"
    against = [("against the truth", scores)] if scores else []
    yield [_table(title, ways, [*about, *scores], stacked=False)]
    for stacked in (False, True):
        parts = [(title, about), *against]
        yield [_table(name, ways, columns, stacked=stacked) for name, columns in parts]


def _about(ways: Sequence[Facts]) -> list[Cells]:
    """Return the columns of volumes and fit."""
    columns: list[Cells] = [
        ("volume\n(ml)", [millilitres(way["ml"]) for way in ways]),
        (
            "in doubt\n(ml)",
            [NONE if way["doubtful_ml"] is None else millilitres(way["doubtful_ml"]) for way in ways],
        ),
    ]
    fits = [way["log_likelihood_per_mark"] for way in ways]
    best = max((fit for fit in fits if fit is not None), default=None)
    if best is not None:
        columns.append(("fit", [NONE if fit is None else below_best(fit, best) for fit in fits]))
    return columns


def _scores(ways: Sequence[Facts]) -> list[Cells]:
    """Return the columns of the scores against the truth."""
    return [
        (title, [NONE if way["scores"][name] is None else f"{way['scores'][name]:.4f}" for way in ways])
        for name, title in SCORES.items()
    ]


def _table(title: str, ways: Sequence[Facts], columns: Sequence[Cells], *, stacked: bool) -> Table:
    """Return a table; ``stacked``: the prior on a second line of the method's cell."""
    rows = []
    for i, way in enumerate(ways):
        name, prior = f"{i + 1} {way['method']}", way["prior"] or ""
        head = [f"{name}\n   prior {prior}" if prior else name] if stacked else [name, prior]
        rows.append(Row([*head, *(cells[i] for _, cells in columns)]))
    heads = [Column("method", right=False), *([] if stacked else [Column("prior", right=False)])]
    return Table(title, [*heads, *(Column(name) for name, _ in columns)], rows)


def _pairs(facts: Facts) -> Iterator[Table]:
    """Yield tables of the Dice of each two, the widest first."""
    dice = facts["dice"]
    titles = [f"{way['method']}, {way['prior']}" if way["prior"] else way["method"] for way in facts["ways"]]
    full, numbered = Names(titles), Names([str(i) for i in range(1, len(titles) + 1)])
    for names in (full, numbered):
        yield matrix(dice, names, 2, "method")
    for names in (full, numbered):
        yield rows_of_pairs(dice, names, "method")


def _below(facts: Facts) -> Iterator[str]:
    """Yield what the numbers are, and what is left out."""
    roi = facts["options"]["roi"]
    where = region_of(facts["mask"], roi, facts["grid"])
    yield f"Fused: {plural(facts['region_voxels'], 'voxel')}, {where}."
    disputed, differing = (millilitres(facts[name]["ml"]) for name in ("disputed", "differing"))
    yield f"Raters differ on {disputed} ml; the masks above differ on {differing} ml."
    pairs = list(each_pair(facts["dice"]))
    if pairs:
        low = min(pairs)
        yield f"The two masks farthest apart: {low[1] + 1} and {low[2] + 1}, Dice {low[0]:.4f}."
    yield f"In doubt: a probability between 0.1 and 0.9; {NONE} for a mask alone."
    if any(way["log_likelihood_per_mark"] is not None for way in facts["ways"]):
        yield "Fit: log-likelihood of the marks, in nats a marked voxel, below the highest."
    if facts["truth"] is not None:
        ml = millilitres(facts["truth_volume"]["ml"])
        yield f"The truth, {Path(facts['truth']).name}, has {ml} ml. Brier and log: sums for each of its voxels (log with probabilities kept in 0.001 to 0.999); ECE: over the region."
    reasons: dict[str, list[str]] = {}
    for method, why in facts["left_out"].items():
        reasons.setdefault(why, []).append(method)
    for why, methods in reasons.items():
        yield f"Left out, {textwrap.shorten(why, 200)}: {'; '.join(methods)}."
