"""Tables of the demo on the terminal: methods and raters against the known truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..report.numbers import plural
from ..report.table import Column, Row, Table, first_that_fits
from ..report.terminal import output, print_below, print_command, printable, width

if TYPE_CHECKING:
    from .case import DemoResult, MethodRow
    from .cohort import CohortResult
    from .labels import LabelDemo


UNFINISHED = "*"  # after the steps of a fit that has not converged


def print_demo(result: DemoResult) -> None:
    """Print each method's overlap with the truth, and each rater's true and estimated rates."""
    console = output()
    cells = [_cells(row, result.margin_mm) for row in result.methods]
    plans = [_consensus_table(cells, but) for but in ((), ("votes", "ms"), ("votes", "ms", "steps"))]
    first_that_fits(plans, width()).print(console)
    for quantity in ("sensitivity", "specificity"):
        plans = [_performance_table(result, quantity, digits, result.methods) for digits in (4, 3)]
        chosen = first_that_fits(plans, width())
        columns, half = width(), len(result.methods) // 2
        if columns is None or chosen.width <= columns:
            chosen.print(console)
            continue
        for methods in (result.methods[:half], result.methods[half:]):
            _performance_table(result, quantity, 3, methods).print(console)
    folder, figure = result.figure.parent, result.figure
    said = f"wrote the case and its consensus files below {printable(folder)}, and {printable(figure)}"
    print_below(console, (*_unfinished(result.methods), result.note, said))


def _unfinished(methods: Sequence[MethodRow]) -> Iterator[str]:
    """Yield what has not converged, and what the mark is."""
    named = [row.method for row in methods if not row.fusion.converged]
    if named:
        yield f"{UNFINISHED} not converged in the steps allowed (max_iter): {', '.join(named)}."


def _cells(row: MethodRow, margin_mm: float) -> dict[str, str]:
    return {
        "method": row.method,
        "votes": row.votes,
        "Dice": f"{row.overlap.dice:.3f}",
        "precision": f"{row.overlap.precision:.3f}",
        "recall": f"{row.overlap.recall:.3f}",
        "steps": f"{row.fusion.n_iter}{'' if row.fusion.converged else UNFINISHED}",
        "ms": f"{1000 * row.seconds:.0f}",
        f"Dice,\n{margin_mm:g} mm": f"{row.near.dice:.3f}",
    }


def _consensus_table(cells: Sequence[Mapping[str, str]], but: Sequence[str] = ()) -> Table:
    """Return the table of methods; ``but`` are columns that a narrow terminal does without."""
    titles = [title for title in cells[0] if title not in but]
    columns = [Column(title, right=title not in ("method", "votes")) for title in titles]
    rows = [Row([row[title] for title in titles]) for row in cells]
    return Table("Consensus against the true lesions (cut 0.5)", columns, rows)


def _performance_table(result: DemoResult, quantity: str, digits: int, methods: Sequence[MethodRow]) -> Table:
    titles = (row.method.replace("-", "-\n") for row in methods)
    columns = [Column("rater", right=False), *map(Column, ("true", *titles))]
    rows = []
    for i, rater in enumerate(result.raters):
        estimates = [getattr(row.fusion, quantity)[i] for row in methods]
        truth = rater.overlap.recall if quantity == "sensitivity" else rater.overlap.specificity
        rows.append(Row([rater.name, *(f"{value:.{digits}f}" for value in (truth, *estimates))]))
    return Table(f"{quantity.capitalize()}: true and estimated", columns, rows)


def print_made(result: CohortResult) -> None:
    """Print the rates of a synthetic cohort's raters, averaged over its cases."""
    console = output()
    titles = ("sensitivity", "precision", "Dice", "volume/true")
    rows = [
        Row([name, *(f"{row[what]:.3f}" for what in ("sensitivity", "precision", "dice", "volume_ratio"))])
        for name, row in result.mean_of_raters().items()
    ]
    title = f"{plural(len(result.cases), 'case')}; the raters against the truth, on average"
    Table(title, [Column("rater", right=False), *map(Column, titles)], rows).print(console)
    training, truth = (printable(result.directory / name) for name in ("Training", "truth"))
    print_below(
        console, (result.note, f"wrote the cases below {training}, and the truth of each into {truth}")
    )


def print_labels(result: LabelDemo, names: Mapping[int, str], fits: Sequence[str], unknown: str) -> None:
    """Print each structure's Dice in the fusions, and what the raters are found to see of the one that one lacks."""
    console = output()
    columns = [Column("structure", right=False), *(Column(fit.replace(", ", ",\n")) for fit in fits)]
    labels = [label for label in names if label in result.dice[fits[0]]]
    rows = [Row([names[label], *(f"{result.dice[fit][label]:.3f}" for fit in fits)]) for label in labels]
    means = [sum(result.dice[fit].values()) / len(labels) for fit in fits]
    rows.append(Row(["mean", *(f"{mean:.3f}" for mean in means)], apart=True))
    rows.append(Row(["voxels right", *(f"{result.accuracy[fit]:.3f}" for fit in fits)]))
    Table("Consensus against the true structures (Dice)", columns, rows).print(console)
    rows = [Row([name, f"{value:.3f}"]) for name, value in result.sensitivity.items()]
    title = f"Sensitivity in the {unknown} of those who know it"
    Table(title, [Column("fit", right=False), Column("mean")], rows).print(console)
    said = f"wrote the raters, the fused maps and labels.tsv below {printable(result.folder)}, and {printable(result.figure)}"
    print_below(console, (*result.note.splitlines(), said, "The same in the shell:"))
    print_command(console, printable(result.command))
