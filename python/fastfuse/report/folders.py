"""The tables of ``fastfuse evaluate`` on folders."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..images.paths import shown
from .evaluation import MOST_ROWS, how_masks_were_made, share, wrote
from .names import Names, for_tables
from .numbers import DECIMALS, interval, millilitres, millimetres, plural
from .table import Column, Row, Table, first_that_fits
from .terminal import fitting, output, print_below, printable, width
from .words.region import whole_of_cases

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
    console = output()
    kept = sorted(result.cases, key=lambda name: result.cases[name].dice)[:MOST_ROWS]
    listed = [name for name in result.cases if name in kept]
    plans = [(_cases(result, listed, names), names) for names in for_tables(list(map(shown, listed)))]
    chosen = first_that_fits([table for table, _ in plans], width())
    chosen.print(console)
    _summary(result, folders).print(console)
    said = next(names.said for table, names in plans if table is chosen)
    print_below(console, (*map(printable, said), *_how(result, folders, options), *wrote(written)))


def _cases(result: FolderEvaluation, listed: Sequence[str], names: Names) -> Table:
    """Return a table of all cases, or of the lowest in Dice if there are many."""
    title = plural(len(result.cases), "case")
    if len(listed) < len(result.cases):
        title += f"; the {MOST_ROWS} lowest in Dice"
    rows = []
    for name, case in zip(names.short, listed, strict=True):
        one = result.cases[case]
        rows.append(Row([name, share(one.dice), millimetres(one.hd95_mm), share(one.lesion_f1)]))
    columns = [Column("case", right=False), *map(Column, ("Dice", "HD95 (mm)", "lesion F1"))]
    return Table(fitting(title), columns, rows)


def _summary(result: FolderEvaluation, folders: Mapping[str, Path]) -> Table:
    names = " against ".join(
        shown(folders[what].name or str(folders[what])) for what in ("prediction", "truth")
    )
    rows = [Row([TITLES[name], *_numbers(name, one)]) for name, one in result.summary.items()]
    columns = [Column("measure", right=False), *map(Column, ("mean", "95 %", "median"))]
    return Table(fitting(names), columns, rows)


def _numbers(name: str, summary: Summary) -> tuple[str, str, str]:
    """Return mean, interval and median as text."""
    mean, ends = mean_and_interval(name, summary.mean, summary.low, summary.high)
    return mean, ends, measured(name, summary.median)


def measured(name: str, value: float) -> str:
    """Return a measure as text."""
    if name.endswith("_ml") and math.isfinite(value):
        return millilitres(value)
    return millimetres(value) if name.endswith(("_mm", "_ml")) else share(value)


def titles(tolerance_mm: float | None) -> dict[str, str]:
    """Return what pages call the measures: the surface Dice with its tolerance."""
    if tolerance_mm is None:
        return TITLES
    return {**TITLES, "surface_dice": f"{TITLES['surface_dice']} within {tolerance_mm:g} mm"}


def mean_and_interval(name: str, mean: float, low: float, high: float) -> tuple[str, str]:
    """Return the mean of a measure over cases, and its interval, as texts; an end may be infinite, or undefined."""
    if math.isnan(low):
        return measured(name, mean), "undefined"
    if math.isinf(high):
        return measured(name, mean), "–".join(dict.fromkeys(measured(name, end) for end in (low, high)))
    sized = name.endswith(("_mm", "_ml"))
    decimals, ends = interval(low, high, 2 if sized else DECIMALS)
    if sized and any(
        value and not round(value, decimals) for value in (mean, low, high)
    ):  # as of voxels of 1 µm
        return measured(name, mean), "–".join(dict.fromkeys(measured(name, end) for end in (low, high)))
    return f"{mean:.{decimals}f}" if math.isfinite(mean) else measured(name, mean), "–".join(ends)


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
    if result.failed:
        cases = plural(len(result.cases) + len(result.failed), "case")
        yield f"{len(result.failed)} of {cases} failed, and no number counts them: {', '.join(map(printable, result.failed))}"
    mask = folders.get("mask")
    whole = whole_of_cases(len(result.cases), len(result.cropped))
    where = whole if mask is None else f"inside {printable(mask.name)}"
    yield f"{where}, cut {options.cut:g}"
    if options.tolerance_mm is not None:
        yield f"surface Dice: share of both surfaces within {options.tolerance_mm:g} mm of the other"
    yield from how_masks_were_made(options)
    if any(one.undefined or one.infinite for one in result.summary.values()):
        yield "Undefined values are left out; an infinite one makes the mean infinite."
