"""The tables of ``fastfuse evaluate`` on folders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from ..images.paths import shown
from .evaluation import (
    LOOK,
    MOST_ROWS,
    distance,
    how_masks_were_made,
    name_of,
    share,
    wrote,
)
from .numbers import plural
from .terminal import console, fitting, output, print_below, printable

if TYPE_CHECKING:
    from ..evaluation.options import Options
    from ..evaluation.summary import FolderEvaluation, Summary

TITLES = {
    "dice": "Dice",
    "precision": "precision",
    "recall": "recall",
    "specificity": "specificity",
    "prediction_ml": "volume (ml)",
    "truth_ml": "true volume (ml)",
    "hd95_mm": "HD95 (mm)",
    "hd100_mm": "HD100 (mm)",
    "assd_mm": "ASSD (mm)",
    "surface_dice": "surface Dice",
    "lesion_sensitivity": "lesion sensitivity",
    "lesion_ppv": "lesion PPV",
    "lesion_f1": "lesion F1",
}


def print_folders(
    result: FolderEvaluation, folders: Mapping[str, Path], options: Options, written: Sequence[Path]
) -> None:
    """Print the cases, the summary, how files were matched, and what is missing."""
    console().print(_cases(result))
    console().print(_summary(result, folders))
    print_below(output(), (*_how(result, folders, options), *wrote(written)))


def _cases(result: FolderEvaluation) -> Table:
    """Return a table of all cases, or of the lowest in Dice if there are many."""
    kept = sorted(result.cases, key=lambda name: result.cases[name].dice)[:MOST_ROWS]
    title = plural(len(result.cases), "case")
    if len(kept) < len(result.cases):
        title += f"; the {MOST_ROWS} lowest in Dice"
    table = Table(title=fitting(title), **LOOK)
    table.add_column("case", overflow="fold")
    for name in ("Dice", "HD95 (mm)", "lesion F1"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, one in result.cases.items():
        if name in kept:
            row = share(one.dice), distance(one.hd95_mm), share(one.lesion_f1)
            table.add_row(escape(shown(name)), *row)
    return table


def _summary(result: FolderEvaluation, folders: Mapping[str, Path]) -> Table:
    names = " against ".join(name_of(folders[what]) for what in ("prediction", "truth"))
    table = Table(title=fitting(names), **LOOK)
    table.add_column("measure", no_wrap=True)
    for name in ("mean", "95 %", "median"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, one in result.summary.items():
        table.add_row(TITLES[name], *_numbers(name, one))
    return table


def _numbers(name: str, summary: Summary) -> tuple[str, str, str]:
    """Return mean, interval and median as text."""
    shown_as = distance if name.endswith(("_mm", "_ml")) else share
    ends = shown_as(summary.low), shown_as(summary.high)
    interval = "undefined" if ends[0] == "undefined" else "–".join(ends)
    return shown_as(summary.mean), interval, shown_as(summary.median)


def _how(result: FolderEvaluation, folders: Mapping[str, Path], options: Options) -> Iterator[str]:
    """Yield lines on pooled voxels, matching and options."""
    for what in ("undefined", "infinite"):
        counts = {name: getattr(one, what) for name, one in result.summary.items()}
        found = ", ".join(
            f"{TITLES[name].partition(' (')[0]} {count}" for name, count in counts.items() if count
        )
        if found:
            yield f"{what}, of {plural(len(result.cases), 'case')}: {found}"
    pooled = result.pooled
    marked = pooled.both + pooled.only_mask + pooled.only_truth
    yield f"Dice of all cases' voxels together: {share(pooled.dice)} ({plural(marked, 'voxel')} marked by either)"
    ways = ", ".join(f"{count} by {way}" for way, count in result.matched_by.items() if count)
    yield f"matched: {ways}"
    for names, what, folder in (
        (result.missing_predictions, "without a prediction", folders["truth"]),
        (result.missing_truths, "without a truth", folders["prediction"]),
    ):
        if names:
            yield f"{len(names)} of {printable(folder.name)} {what}"
    mask = folders.get("mask")
    where = "the whole volumes" if mask is None else f"inside {printable(mask.name)}"
    yield f"{where}, cut {options.cut:g}"
    yield from how_masks_were_made(options)
    if any(one.undefined or one.infinite for one in result.summary.values()):
        yield "Undefined values are left out; an infinite one makes the mean infinite."
