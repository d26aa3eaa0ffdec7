"""The tables of ``fastfuse evaluate`` on the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.markup import escape
from rich.table import Table

from ..images.paths import short_names, shown
from .numbers import plural
from .terminal import console, fitting, output, print_below, printable

if TYPE_CHECKING:
    from ..evaluation.lesions import Lesion
    from ..evaluation.options import Options
    from ..evaluation.record import Record
    from ..evaluation.result import Evaluation

Row = tuple[str, str, str]

LOOK: dict[str, Any] = {"title_justify": "left", "box": box.SIMPLE_HEAD, "padding": (0, 0, 0, 1)}
MOST_ROWS = 20
JOINED_BY = {6: "faces", 18: "edges", 26: "corners"}
MATCHED = {"msseg": "found by the rule of MSSEG-2016", "any": "found by any overlap"}


def print_evaluation(record: Record, written: Sequence[Path], *, lesions: bool) -> None:
    """Print each measure with the numbers behind it, the evaluated region, and the lesions if they are asked for."""
    result, files = record.evaluation, record.files
    names = [escape(name) for name in short_names([files["prediction"], files["truth"]])]
    table = Table(title=fitting(" against ".join(names)), **LOOK)
    table.add_column("measure", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("that is", style="dim")
    for rows in (_voxel_rows(result), _distance_rows(result, record.options), _lesion_rows(result)):
        for row in rows:
            table.add_row(*row)
        table.add_section()
    console().print(table)
    if lesions:
        console().print(_lesion_table(record.lesions))
    print_below(output(), (*_how(record), *wrote(written)))


def how_masks_were_made(options: Options) -> Iterator[str]:
    """Yield lines on the components that were dropped, and on what a lesion is and when it counts as found."""
    if options.least_voxels > 1:
        joined = f"joined by {JOINED_BY[options.of_dropped]} ({options.of_dropped})"
        yield f"components below {plural(options.least_voxels, 'voxel')} dropped, {joined}"
    joined = f"joined by {JOINED_BY[options.of_lesions]} ({options.of_lesions})"
    yield f"lesions: above {options.least_mm3:g} mm³, {joined}, {MATCHED[options.match]}"


def wrote(written: Sequence[Path]) -> Iterator[str]:
    """Yield a line on the written files, if there are any."""
    if written:
        yield f"wrote {', '.join(printable(path) for path in written)}"


def share(value: float) -> str:
    """Return a share as text."""
    return "undefined" if math.isnan(value) else f"{value:.4f}"


def distance(mm: float) -> str:
    """Return a distance as text."""
    if math.isnan(mm):
        return "undefined"
    return "infinite" if math.isinf(mm) else f"{mm:.2f}"


def _how(record: Record) -> Iterator[str]:
    """Yield lines on the evaluated region and on lesions."""
    result, mask, options = record.evaluation, record.files.get("mask"), record.options
    where = "the whole volume" if mask is None else f"inside {printable(mask.name)}"
    yield f"{plural(_voxels(result), 'voxel')} ({where}), cut {options.cut:g}"
    yield from how_masks_were_made(options)
    left_out = f"{result.prediction_left_out:,} predicted and {result.truth_left_out:,} true"
    yield f"too small for a lesion, and left out there: {left_out}"
    if record.image.data.shape[2] == 1:
        thick = record.space.voxel_mm3 / (record.space.spacing_mm[0] * record.space.spacing_mm[1])
        yield f"One slice: distances are in its plane, volumes those of a slice {thick:g} mm thick."
    if record.space.steps is not None:
        yield "The axes are not at right angles: distances and volumes are those of the sheared grid."
    if mask is None:
        yield "Background counts: it inflates specificity; give --mask to leave it out."


def _voxels(result: Evaluation) -> int:
    return result.true_positives + result.false_positives + result.false_negatives + result.true_negatives


def _voxel_rows(result: Evaluation) -> list[Row]:
    both, background = result.true_positives, result.true_negatives
    predicted, true = both + result.false_positives, both + result.false_negatives
    return [
        ("Dice", share(result.dice), f"{plural(both, 'voxel')} shared"),
        ("precision", share(result.precision), f"of {predicted:,} predicted voxels"),
        ("recall", share(result.recall), f"of {true:,} true voxels"),
        (
            "specificity",
            share(result.specificity),
            f"of {background + result.false_positives:,} background voxels",
        ),
        ("volume (ml)", f"{result.prediction_ml:.2f}", f"true: {result.truth_ml:.2f}{_excess(result)}"),
    ]


def _distance_rows(result: Evaluation, options: Options) -> list[Row]:
    hd95, hd100 = "95 % of either surface is as near to the other", "largest distance of the surfaces"
    assd = "mean distance of the surfaces"
    if not result.true_positives + min(result.false_positives, result.false_negatives):
        hd95 = hd100 = assd = "one mask is empty" if math.isinf(result.hd95_mm) else "both masks are empty"
    rows = [
        ("HD95 (mm)", distance(result.hd95_mm), hd95),
        ("HD100 (mm)", distance(result.hd100_mm), hd100),
        ("ASSD (mm)", distance(result.assd_mm), assd),
    ]
    if result.surface_dice is not None:
        within = f"of both surfaces, within {options.tolerance_mm:g} mm of the other"
        rows.append(("surface Dice", share(result.surface_dice), within))
    return rows


def _lesion_rows(result: Evaluation) -> list[Row]:
    compared = "harmonic mean of the two"
    if math.isnan(result.lesion_f1):
        compared = "all components are too small to be lesions"
    elif not result.prediction_lesions + result.truth_lesions:
        compared = "both masks are empty"
    return [
        (
            "lesion sensitivity",
            share(result.lesion_sensitivity),
            f"{result.detected_lesions:,} of {result.truth_lesions:,} true lesions detected",
        ),
        (
            "lesion PPV",
            share(result.lesion_ppv),
            f"{result.confirmed_lesions:,} of {result.prediction_lesions:,} predicted lesions true",
        ),
        ("lesion F1", share(result.lesion_f1), compared),
    ]


def _lesion_table(lesions: Sequence[Lesion]) -> Table:
    """Return the largest lesions, in the order of the JSON and by its numbers."""
    counts = [f"{_count(lesions, kind):,} {kind}" for kind in ("found", "missed", "false")]
    numbered = enumerate(lesions, 1)
    kept = sorted(numbered, key=lambda pair: -pair[1].voxels)[:MOST_ROWS]
    title = f"lesions: {', '.join(counts)}"
    if len(kept) < len(lesions):
        title += f"; the {MOST_ROWS} largest"
    table = Table(title=fitting(title), **LOOK)
    table.add_column("lesion", no_wrap=True)
    for name in ("mm³", "voxels", "overlap"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("voxel", justify="right")  # takes two lines of a narrow terminal
    digits = len(str(len(lesions)))
    for number, lesion in sorted(kept, key=lambda pair: pair[0]):
        place = ", ".join(map(str, lesion.voxel))
        size = f"{lesion.mm3:,.1f}", f"{lesion.voxels:,}", f"{100 * lesion.overlap:.0f} %"
        table.add_row(f"{number:>{digits}} {lesion.kind}", *size, f"({place})")
    return table


def _count(lesions: Iterable[Lesion], kind: str) -> int:
    return sum(lesion.kind == kind for lesion in lesions)


def _excess(result: Evaluation) -> str:
    """Return the relative difference of the volumes as text."""
    if not result.truth_ml:
        return ""
    return f" ({100 * (result.prediction_ml / result.truth_ml - 1):+.1f} %)"


def name_of(path: Path) -> str:
    """Return what tables call a file or folder."""
    return escape(shown(path.name or str(path)))
