"""The fit test as a small table: the voxels by number of marks, those that there are and those that models expect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .numbers import below_best
from .table import Column, Row, Table, first_that_fits
from .words.fit import BY_PROBABILITY, model_called, there_called

Facts = dict[str, Any]
TITLE = "fit: voxels by number of marks"
NATS = "log-likelihood of the votes for each marked voxel, minus that of the best model; at -0.7 they are half as likely"
OF_GAIN = " nats a marked voxel"
MOST_CELLS = 8  # numbers of marks that stand side by side; of more raters, several share one


def fit_table(facts: Facts, columns: int | None) -> Table | None:
    """Return the table of a sidecar's fit, as wide as fits; None where no model was fitted."""
    fit = facts.get("fit")
    if not fit or not fit["models"]:
        return None
    return first_that_fits([_beside(fit), _below(fit)], columns)


def counts_line(facts: Facts) -> Iterator[str]:
    """Yield what the table counts, where that is no marks of masks."""
    if facts.get("fit") and facts["fit"].get("soft"):
        yield f"Fit: {BY_PROBABILITY}; masks have other numbers of marks."


def nats_line(facts: Facts) -> Iterator[str]:
    """Yield what the table's nats are, where it has some."""
    if facts.get("fit") and _gains(facts["fit"]):
        yield f"Nats: {NATS}."
        yield from price_line(facts)


def price_line(facts: Facts) -> Iterator[str]:
    """Yield why a gain that is told in words is less than the difference of two numbers of the table."""
    told = [*facts["warnings"], *([facts["auto"]["said"]] if "auto" in facts else [])]
    if any(OF_GAIN in one for one in told):
        yield "By how much a model fits better is told with the price of its parameters (BIC), which these numbers leave out."


def auto_line(facts: Facts) -> Iterator[str]:
    """Yield which model ``auto`` took, and why."""
    if "auto" in facts:
        said = facts["auto"]["said"]
        yield f"{said[:1].upper()}{said[1:]}."


def _beside(fit: Facts) -> Table:
    """Return a row for what there is, and one for each model."""
    cells = _cells(len(fit["observed"]))
    gains = _gains(fit)
    columns = [Column("marks", right=False), *(Column(_called(cell)) for cell in cells)]
    rows = [[name, *_counts(counts, cells)] for name, counts in _rows(fit)]
    if gains:
        columns.append(Column("nats"))
        rows = [[*row, gain] for row, gain in zip(rows, ["", *gains], strict=True)]
    return Table(TITLE, columns, [Row(row) for row in rows])


def _below(fit: Facts) -> Table:
    """Return the same with a column for each."""
    cells = _cells(len(fit["observed"]))
    names = [name.replace(" ", "\n").replace("-", "-\n") for name, _ in _rows(fit)]
    body = zip(*(_counts(counts, cells) for _, counts in _rows(fit)), strict=True)
    rows = [Row([_called(cell), *row]) for cell, row in zip(cells, body, strict=True)]
    if _gains(fit):
        rows.append(Row(["nats", "", *_gains(fit)], apart=True))
    return Table(TITLE, [Column("marks", right=False), *map(Column, names)], rows)


def _rows(fit: Facts) -> list[tuple[str, Sequence[float]]]:
    return [
        (there_called(soft=fit.get("soft", False)), fit["observed"]),
        *((model_called(name), one["expected"]) for name, one in fit["models"].items()),
    ]


def _gains(fit: Facts) -> list[str]:
    """Return by how many nats a marked voxel each model lies below the highest likelihood; nothing of one alone."""
    known = [one["log_likelihood_per_mark"] for one in fit["models"].values()]
    if len(known) < 2 or None in known:
        return []
    return [below_best(value, max(known)) for value in known]


def _cells(size: int) -> list[range]:
    """Return the numbers of marks, several together where there are many."""
    if size <= MOST_CELLS + 1:
        return [range(k, k + 1) for k in range(size)]
    each = -(-(size - 2) // (MOST_CELLS - 2))  # none and all stay by themselves
    inner = [range(k, min(k + each, size - 1)) for k in range(1, size - 1, each)]
    return [range(1), *inner, range(size - 1, size)]


def _called(cell: range) -> str:
    return str(cell[0]) if len(cell) == 1 else f"{cell[0]}–{cell[-1]}"


def _counts(counts: Sequence[float], cells: Sequence[range]) -> list[str]:
    return [f"{sum(counts[k] for k in cell):,.0f}" for cell in cells]
