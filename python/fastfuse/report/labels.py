"""What ``fastfuse fuse --labels`` prints: each rater's rates of each label, the worst first where they are many."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from .names import Names, for_tables
from .numbers import millilitres, plural, rate
from .table import Column, Row, Table, first_that_fits
from .terminal import output, print_below, printable, width

Facts = dict[str, Any]

MOST_ROWS = 24  # of raters and labels; of more, the worst are shown
WORST = 12
RATES = {"sensitivity": "sens.", "ppv": "PPV", "dice": "Dice"}
LONGEST = 24  # columns of a label's name in a narrow table


def print_labels(facts: Facts, written: Sequence[Path]) -> None:
    """Print a sidecar's content: the raters on the whole, their rates of labels, and how the consensus was made."""
    console = output()
    names = [rater["name"] for rater in facts["raters"]]
    said: Sequence[str] = ()
    for make in (_summary, _rows):
        plans = [(make(facts, one, cut), one) for one in for_tables(names) for cut in (None, LONGEST, 12)]
        chosen = first_that_fits([table for table, _ in plans], width())
        said = next(one.said for table, one in plans if table is chosen) or said
        chosen.print(console)
    files = ", ".join(str(path) for path in written)
    print_below(console, map(printable, (*said, *_how(facts), f"wrote {files}")))


def _summary(facts: Facts, names: Names, longest: int | None) -> Table:
    """Return the means of each rater's rates over the labels, and the label of the lowest Dice."""
    rows = []
    for name, rater in zip(names.short, facts["raters"], strict=True):
        worst = min(rater["labels"], key=lambda one: _or(one["dice"], math.inf))
        means = [rate(_mean([one[what] for one in rater["labels"]])) for what in RATES]
        lowest = (
            [_cut(worst["name"], longest), rate(worst["dice"])] if worst["dice"] is not None else ["", ""]
        )
        rows.append(Row([name, *means, *lowest]))
    columns = [Column("rater", right=False), *(Column(title) for title in RATES.values())]
    columns += [Column("lowest in", right=False), Column("Dice")]
    count = plural(len(facts["labels"]), "label")
    return Table(f"{facts['method']} of {plural(len(rows), 'rater')}: means over {count}", columns, rows)


def _rows(facts: Facts, names: Names, longest: int | None) -> Table:
    """Return a row for each label and rater, the worst alone if they are many."""
    found = [
        (one, name)
        for a in range(len(facts["labels"]))
        for name, rater in zip(names.short, facts["raters"], strict=True)
        for one in [rater["labels"][a]]
    ]
    title = "each label"
    if len(found) > MOST_ROWS:
        title = f"the {WORST} lowest in Dice, of {len(found):,}; the sidecar holds all"
        found = sorted(found, key=lambda pair: _or(pair[0]["dice"], math.inf))[:WORST]
    columns = [Column("label", right=False), Column("rater", right=False)]
    columns += [*(Column(one) for one in RATES.values()), Column("ml")]
    rows, before = [], None
    for one, name in found:
        label = _called(one)
        again = label == before and len(found) > WORST
        cells = [rate(one[what]) for what in RATES]
        rows.append(Row(["" if again else _cut(label, longest), name, *cells, millilitres(one["ml"])]))
        before = label
    return Table(title, columns, rows)


def _how(facts: Facts) -> Iterator[str]:
    """Yield lines on the labels' volumes, the fused region and the convergence."""
    held = [f"{_called(one)} {millilitres(one['ml'])}" for one in facts["labels"][: WORST + 1]]
    more = len(facts["labels"]) - len(held)
    yield f"Consensus (ml): {', '.join(held)}{f' and {more} more' if more else ''}."
    mask = facts["region"]["mask"]
    where = "the whole volume" if mask is None else f"inside {Path(mask).name}"
    ending = (
        f"{plural(facts['n_iter'], 'iteration')}, {'converged' if facts['converged'] else 'not converged'}"
    )
    yield f"{plural(facts['region']['voxels'], 'voxel')} ({where}), {'no iterations' if facts['method'] == 'majority' else ending}"


def _called(one: Facts) -> str:
    """Return a label's name and number."""
    return one["name"] if one["name"] == str(one["label"]) else f"{one['name']} ({one['label']})"


def _cut(name: str, longest: int | None) -> str:
    return name if longest is None or len(name) <= longest else f"{name[: longest - 1]}…"


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
