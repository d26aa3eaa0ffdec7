"""The tables of ``fastfuse evaluate`` on the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ..images.paths import short_names, shown
from .numbers import cubic_millimetres, millilitres, millimetres, plural
from .table import Column, Row, Table
from .terminal import broken, fitting, output, print_below, printable, width
from .words.region import whole_of

if TYPE_CHECKING:
    from ..evaluation.lesions import Lesion
    from ..evaluation.options import Options
    from ..evaluation.record import Record
    from ..evaluation.result import Evaluation

Told = tuple[str, str, str]  # a measure, its value, and the numbers behind it

MOST_ROWS = 20
NARROWEST = 16  # columns of text in a table
JOINED_BY = {6: "faces", 18: "edges", 26: "corners"}
MATCHED = {"msseg": "found by the rule of MSSEG-2016", "any": "found by any overlap"}


def print_evaluation(record: Record, written: Sequence[Path], *, lesions: bool) -> None:
    """Print each measure with the numbers behind it, the evaluated region, and the lesions if they are asked for."""
    console = output()
    _measures(record).print(console)
    if lesions:
        _lesion_table(record.lesions).print(console)
    print_below(console, (*_how(record), *wrote(written)))


def numbers_behind(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return what stands behind each measure, by its name on the terminal; ``facts``: the JSON of an evaluation."""
    stands_for = {"undefined": math.nan, "infinite": math.inf}
    status = facts["status"]
    held = {
        name: stands_for.get(status.get(name, "")) if value is None else value
        for name, value in facts.items()
    }
    result: Any = SimpleNamespace(**held)
    options: Any = SimpleNamespace(**facts["options"])
    rows = (*_voxel_rows(result), *_distance_rows(result, options), *_lesion_rows(result))
    return {name: behind for name, _, behind in rows}


def lesions_are(options: Mapping[str, Any]) -> str:
    """Return what a lesion is and when it counts as found; ``options``: of the JSON."""
    joined = f"joined by {JOINED_BY[options['connectivity']]} ({options['connectivity']})"
    return f"above {options['least_mm3']:g} mm³, {joined}, {MATCHED[options['match']]}"


def _measures(record: Record) -> Table:
    """Return each measure with the numbers behind it, which take several lines of a narrow terminal."""
    result, files = record.evaluation, record.files
    title = fitting(" against ".join(map(shown, short_names([files["prediction"], files["truth"]]))))
    groups = (_voxel_rows(result), _distance_rows(result, record.options), _lesion_rows(result))
    columns = [Column("measure", right=False), Column("value"), Column("that is", right=False)]
    table = Table(
        title,
        columns,
        [Row(row, apart=k > 0 and row is rows[0]) for k, rows in enumerate(groups) for row in rows],
    )
    most = width()
    if most is None or table.width <= most:
        return table
    room = max(most - table.width + table.widths[-1], NARROWEST)
    rows = []
    for row in table.rows:
        first, *others = broken(row.cells[2], room, indent="")
        rows.append(Row([*row.cells[:2], first], apart=row.apart))
        rows += [Row(["", "", other]) for other in others]
    return Table(title, columns, rows)


def how_masks_were_made(options: Options) -> Iterator[str]:
    """Yield lines on the components that were dropped, and on what a lesion is and when it counts as found."""
    if options.least_voxels > 1:
        joined = f"joined by {JOINED_BY[options.of_dropped]} ({options.of_dropped})"
        yield f"components below {plural(options.least_voxels, 'voxel')} dropped, {joined}"
    told = {"connectivity": options.of_lesions, "least_mm3": options.least_mm3, "match": options.match}
    yield f"lesions: {lesions_are(told)}"


def wrote(written: Sequence[Path]) -> Iterator[str]:
    """Yield a line on the written files, if there are any."""
    if written:
        yield f"wrote {', '.join(printable(path) for path in written)}"


def share(value: float) -> str:
    """Return a share as text."""
    return "undefined" if math.isnan(value) else f"{value:.4f}"


def _how(record: Record) -> Iterator[str]:
    """Yield lines on the evaluated region and on lesions."""
    result, mask, options = record.evaluation, record.files.get("mask"), record.options
    where = printable(whole_of(record.grid)) if mask is None else f"inside {printable(mask.name)}"
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


def _voxel_rows(result: Evaluation) -> list[Told]:
    both, background = result.true_positives, result.true_negatives
    predicted, true = both + result.false_positives, both + result.false_negatives
    shared = f"{plural(both, 'voxel')} shared" if predicted + true else "both masks are empty"
    return [
        ("Dice", share(result.dice), shared),
        ("precision", share(result.precision), f"of {predicted:,} predicted voxels"),
        ("recall", share(result.recall), f"of {true:,} true voxels"),
        (
            "specificity",
            share(result.specificity),
            f"of {background + result.false_positives:,} background voxels",
        ),
        (
            "volume (ml)",
            millilitres(result.prediction_ml),
            f"true: {millilitres(result.truth_ml)}{_excess(result)}",
        ),
    ]


def _distance_rows(result: Evaluation, options: Options) -> list[Told]:
    hd95, hd100 = "95 % of either surface is as near to the other", "largest distance of the surfaces"
    assd = "mean distance of the surfaces"
    if not result.true_positives + min(result.false_positives, result.false_negatives):
        hd95 = hd100 = assd = "one mask is empty" if math.isinf(result.hd95_mm) else "both masks are empty"
    rows = [
        ("HD95 (mm)", millimetres(result.hd95_mm), hd95),
        ("HD100 (mm)", millimetres(result.hd100_mm), hd100),
        ("ASSD (mm)", millimetres(result.assd_mm), assd),
    ]
    if result.surface_dice is not None:
        within = f"of both surfaces, within {options.tolerance_mm:g} mm of the other"
        rows.append(("surface Dice", share(result.surface_dice), within))
    return rows


def _lesion_rows(result: Evaluation) -> list[Told]:
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
    digits = len(str(len(lesions)))
    rows = []
    for number, lesion in sorted(kept, key=lambda pair: pair[0]):
        place = f"({', '.join(map(str, lesion.voxel))})"
        size = cubic_millimetres(lesion.mm3), f"{lesion.voxels:,}", f"{100 * lesion.overlap:.0f} %"
        rows.append(Row([f"{number:>{digits}} {lesion.kind}", *size, place]))
    columns = [Column("lesion", right=False), *map(Column, ("mm³", "voxels", "overlap", "voxel"))]
    return Table(fitting(title), columns, rows)


def _count(lesions: Iterable[Lesion], kind: str) -> int:
    return sum(lesion.kind == kind for lesion in lesions)


def _excess(result: Evaluation) -> str:
    """Return the relative difference of the volumes as text."""
    if not result.truth_ml:
        return ""
    return f" ({100 * (result.prediction_ml / result.truth_ml - 1):+.1f} %)"
