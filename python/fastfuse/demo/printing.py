"""Tables of the demo on the terminal: methods and raters against the known truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from ..report.terminal import LOOK, output, printable

if TYPE_CHECKING:
    from .case import DemoResult
    from .cohort import CohortResult


def print_demo(result: DemoResult) -> None:
    """Print each method's overlap with the truth, and each rater's true and estimated rates."""
    console = output()
    table = Table(title="Consensus against the true lesions (cut 0.5)", **LOOK)
    for name in ("method", "votes"):
        table.add_column(name, no_wrap=True)
    for name in ("Dice", "precision", "recall", "steps", "ms"):
        table.add_column(name, justify="right")
    for row in result.methods:
        table.add_row(
            row.method,
            row.votes,
            f"{row.overlap.dice:.3f}",
            f"{row.overlap.precision:.3f}",
            f"{row.overlap.recall:.3f}",
            str(row.fusion.n_iter),
            f"{1000 * row.seconds:.0f}",
        )
    console.print(table)
    for quantity in ("sensitivity", "specificity"):
        console.print(_performance_table(result, quantity))
    console.print(result.note, highlight=False)
    console.print(
        f"wrote the case and its consensus files below {printable(result.figure.parent)}, and {printable(result.figure)}",
        highlight=False,
    )


def _performance_table(result: DemoResult, quantity: str) -> Table:
    table = Table(title=f"{quantity.capitalize()}: true and estimated", **LOOK)
    table.add_column("rater", no_wrap=True)
    for name in ("true", *(row.method.replace("-", "-\n") for row in result.methods)):
        table.add_column(name, justify="right")
    for i, rater in enumerate(result.raters):
        estimates = [getattr(row.fusion, quantity)[i] for row in result.methods]
        truth = rater.overlap.recall if quantity == "sensitivity" else rater.overlap.specificity
        table.add_row(rater.name, *(f"{value:.4f}" for value in (truth, *estimates)))
    return table


def print_made(result: CohortResult) -> None:
    """Print the rates of a synthetic cohort's raters, averaged over its cases."""
    console = output()
    table = Table(title=f"{len(result.cases)} cases; the raters against the truth, on average", **LOOK)
    table.add_column("rater", no_wrap=True)
    for name in ("sensitivity", "precision", "Dice", "volume/true"):
        table.add_column(name, justify="right")
    for name, row in result.mean_of_raters().items():
        figures = (row["sensitivity"], row["precision"], row["dice"], row["volume_ratio"])
        table.add_row(name, *(f"{value:.3f}" for value in figures))
    console.print(table)
    console.print(result.note, highlight=False)
    console.print(f"wrote {printable(result.directory / 'Training')}, and truth beside it", highlight=False)
