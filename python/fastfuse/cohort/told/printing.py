"""What ``fastfuse cohort`` prints: the raters' rates over the cases, and what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...fusion.intervals import shown_rates
from ...fusion.labels.estimate import LabelEstimate
from ...fusion.pooled.estimate import PooledEstimate
from ...images.paths import recorded, shown
from ...images.sidecar import number_or_null
from ...report.lines import Lines
from ...report.names import Names
from ...report.numbers import plural, rate
from ...report.table import Column, Row, Table, first_that_fits
from ...report.terminal import output, print_below, printable, width
from ...report.words.methods import rates_over_cases

MOST_ROWS = 60
OF_LABELS = {"ppv": "PPV", "dice": "Dice"}
TITLES = {"sensitivity": "sensitivity", "specificity": "specificity", **OF_LABELS}
SHORT = {"sensitivity": "sens.", "specificity": "spec.", **OF_LABELS}
ENDS = "95 %"  # title of intervals
Facts = dict[str, Any]


def print_cohort(facts: Facts, out: Path, bids: Path | None = None) -> None:
    """Print the raters' rates, if there are any, what was done with the cases, and what was written; ``bids``: derivatives, too."""
    console = output()
    said = [
        *(_print_rates(facts["raters"], console) if facts["raters"] else []),
        *rates_over_cases(facts),
        _done(facts),
    ]
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
    said = _print_rates(_rows_of(estimate), console)
    wrote = f"wrote {', '.join(recorded(path) for path in files)}"
    print_below(console, map(printable, [*said, wrote]))


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
    rates = zip(estimate.names, *shown_rates(estimate).values(), strict=True)
    return [
        {
            "rater": name,
            "cases": None,
            "sensitivity": number_or_null(one),
            "specificity": number_or_null(zero),
        }
        for name, one, zero in rates
    ]


def _print_rates(rows: Sequence[Facts], console: Lines) -> Sequence[str]:
    """Print the rates as wide as the terminal lets them be; return what is said of raters whose names lack what all share."""
    names = list(dict.fromkeys(row["rater"] for row in rows))
    plans = [
        (_rates(rows, dict(zip(names, one.short, strict=True)), titles, below=below), one.said)
        for titles, below in ((TITLES, False), (SHORT, False), (TITLES, True))
        for one in (Names(names), Names.told_apart(names))
    ]
    chosen = first_that_fits([table for table, _ in plans], width())
    chosen.print(console)
    return next(said for table, said in plans if table is chosen)


def _rates(
    rows: Sequence[Facts], called: Mapping[str, str], titles: Mapping[str, str], *, below: bool
) -> Table:
    """Return the table of rates; ``below``: intervals stand below them, and not in columns of their own."""
    of_labels = any("label" in row for row in rows)
    columns = [Column("rater", right=False), *([Column("label", right=False)] if of_labels else [])]
    told = ("sensitivity",) if of_labels else ("sensitivity", "specificity")
    with_ends = any(None not in (row.get(f"{what}_95") or [None]) for row in rows for what in told)
    columns += [Column("cases")] if any(row["cases"] is not None for row in rows) else []
    for what in told:
        of_rate = [titles[what], *([ENDS] if with_ends else [])]
        columns += [Column("\n".join(of_rate))] if below else map(Column, of_rate)
    beside = [what for what in OF_LABELS if any(what in row for row in rows)]
    columns += [Column(titles[what]) for what in beside]
    listed = []
    for row in rows[:MOST_ROWS]:
        cells = [shown(called[row["rater"]]), *([shown(row["label"])] if of_labels else [])]
        if any(column.title == "cases" for column in columns):
            cells += ["" if row["cases"] is None else str(row["cases"])]
        for what in told:
            one = rate(row[what], row.get(f"{what}_95"))
            cells += (
                [one] if below else one.split("\n") if "\n" in one else [one, *([""] if with_ends else [])]
            )
        listed.append(Row([*cells, *(rate(row[what]) for what in beside)]))
    if len(rows) > MOST_ROWS:
        listed.append(Row([f"and {len(rows) - MOST_ROWS} more", *[""] * (len(columns) - 1)], spans=True))
    return Table("raters over all cases", columns, listed)
