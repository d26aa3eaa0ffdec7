"""What ``fastfuse cohort`` prints: the raters' rates over the cases, and what was done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...fusion.labels.estimate import LabelEstimate
from ...fusion.pooled.estimate import PooledEstimate
from ...images.paths import recorded, shown
from ...images.sidecar import number_or_null
from ...report.numbers import plural, rate
from ...report.table import Column, Row, Table
from ...report.terminal import output, print_below, printable

MOST_ROWS = 60
Facts = dict[str, Any]


def print_cohort(facts: Facts, out: Path, bids: Path | None = None) -> None:
    """Print the raters' rates, if there are any, what was done with the cases, and what was written; ``bids``: derivatives, too."""
    console = output()
    if facts["raters"]:
        _rates(facts["raters"]).print(console)
    said = [_done(facts)]
    doubtful = [case for case in facts["warnings"] if case != "cohort"]
    if doubtful:
        said.append(
            f"{plural(len(doubtful), 'case')} with warnings: see {out / 'cohort.json'}, or the case's own .json"
        )
    if "decisions" in facts:
        decided = facts["decisions"]
        said.append(f"Decided by {Path(decided['file']).name}: {plural(len(decided['cases']), 'case')}.")
    beside = [str(one) for one in (facts.get("report"), bids) if one is not None]
    said.append(f"wrote into {', and '.join([str(out), *beside])}")
    print_below(console, map(printable, said))


def _done(facts: Facts) -> str:
    """Say what came of the consensus of each case, in numbers that add up, and last how many were counted."""
    done = {"fused": facts["fused"], "left as they were": facts["skipped"]}
    more = {"left on earlier rates": facts["of_earlier_rates"], "failed": facts["failed"]}
    numbers = {what: len(cases) for what, cases in (done | more).items() if what in done or cases}
    waiting = facts["cases"] - sum(numbers.values())  # of a shard, and of a merge
    numbers |= {"not fused by this step": waiting} if waiting else {}
    told = ", ".join(f"{number} {what}" for what, number in numbers.items())
    return f"{plural(facts['cases'], 'case')}: {told}; {len(facts['counted'])} counted"


def print_rates(estimate: PooledEstimate | LabelEstimate, files: Sequence[Path]) -> None:
    """Print the rates of an estimate."""
    console = output()
    _rates(_rows_of(estimate)).print(console)
    print_below(console, [printable(f"wrote {', '.join(recorded(path) for path in files)}")])


def _rows_of(estimate: PooledEstimate | LabelEstimate) -> list[Facts]:
    if isinstance(estimate, LabelEstimate):
        called = estimate.label_names or tuple(map(str, estimate.labels))
        return [
            {
                "rater": name,
                "label": label,
                "cases": None,
                "sensitivity": number_or_null(estimate.sensitivity[i, k]),
            }
            for i, name in enumerate(estimate.names)
            for k, label in enumerate(called)
        ]
    rates = zip(estimate.names, estimate.sensitivity, estimate.specificity, strict=True)
    return [
        {
            "rater": name,
            "cases": None,
            "sensitivity": number_or_null(one),
            "specificity": number_or_null(zero),
        }
        for name, one, zero in rates
    ]


def _rates(rows: Sequence[Facts]) -> Table:
    of_labels = any("label" in row for row in rows)
    columns = [Column("rater", right=False), *([Column("label", right=False)] if of_labels else [])]
    told = ("sensitivity",) if of_labels else ("sensitivity", "specificity")
    with_ends = any(None not in (row.get(f"{what}_95") or [None]) for row in rows for what in told)
    columns += [Column("cases")] if any(row["cases"] is not None for row in rows) else []
    for what in told:
        columns += [Column(what), *([Column("95 %")] if with_ends else [])]
    listed = []
    for row in rows[:MOST_ROWS]:
        cells = [shown(row["rater"]), *([shown(row["label"])] if of_labels else [])]
        if any(column.title == "cases" for column in columns):
            cells += ["" if row["cases"] is None else str(row["cases"])]
        for what in told:
            shown_rate, _, ends = rate(row[what], row.get(f"{what}_95")).partition("\n")
            cells += [shown_rate, *([ends] if with_ends else [])]
        listed.append(Row(cells))
    if len(rows) > MOST_ROWS:
        listed.append(Row([f"and {len(rows) - MOST_ROWS} more", *[""] * (len(columns) - 1)], spans=True))
    return Table("raters over all cases", columns, listed)
