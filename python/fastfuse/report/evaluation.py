"""What ``fastfuse evaluate`` prints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from ..images.paths import short_names
from .terminal import LOOK, output, printable

if TYPE_CHECKING:
    from ..evaluation.evaluate import Evaluation

Row = tuple[str, str, str]


def print_evaluation(
    result: Evaluation,
    prediction: Path,
    truth: Path,
    *,
    mask: Path | None,
    cut: float,
    least_voxels: int,
    written: Path | None,
) -> None:
    """Print each measure with the numbers that it comes from, and what was evaluated."""
    console = output()
    names = [escape(name) for name in short_names([prediction, truth])]
    table = Table(title=" against ".join(names), **LOOK)
    table.add_column("measure", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("that is", style="dim")
    for rows in (_voxel_rows(result), _distance_rows(result), _lesion_rows(result)):
        for row in rows:
            table.add_row(*row)
        table.add_section()
    console.print(table)
    where = "the whole volume" if mask is None else f"inside {printable(mask.name)}"
    dropped = f", components below {least_voxels:,} voxels dropped" if least_voxels > 1 else ""
    console.print(f"{_voxels(result):,} voxels ({where}), cut {cut:g}{dropped}", highlight=False)
    if mask is None:
        console.print(
            "Background counts: it inflates specificity; give --mask to leave it out.", highlight=False
        )
    if written is not None:
        console.print(f"wrote {printable(written)}", highlight=False)


def _voxels(result: Evaluation) -> int:
    return result.true_positives + result.false_positives + result.false_negatives + result.true_negatives


def _voxel_rows(result: Evaluation) -> list[Row]:
    both, background = result.true_positives, result.true_negatives
    predicted, true = both + result.false_positives, both + result.false_negatives
    return [
        ("Dice", _share(result.dice), f"{both:,} voxels shared"),
        ("precision", _share(result.precision), f"of {predicted:,} predicted voxels"),
        ("recall", _share(result.recall), f"of {true:,} true voxels"),
        (
            "specificity",
            _share(result.specificity),
            f"of {background + result.false_positives:,} background voxels",
        ),
        ("volume (ml)", f"{result.prediction_ml:.2f}", f"true: {result.truth_ml:.2f}{_excess(result)}"),
    ]


def _distance_rows(result: Evaluation) -> list[Row]:
    hd95, assd = "95 % of either surface is as near to the other", "mean distance of the surfaces"
    if not result.true_positives + min(result.false_positives, result.false_negatives):
        hd95 = assd = "one mask is empty" if math.isinf(result.hd95_mm) else "both masks are empty"
    return [
        ("HD95 (mm)", _distance(result.hd95_mm), hd95),
        ("ASSD (mm)", _distance(result.assd_mm), assd),
    ]


def _lesion_rows(result: Evaluation) -> list[Row]:
    return [
        (
            "lesion sensitivity",
            _share(result.lesion_sensitivity),
            f"{result.detected_lesions:,} of {result.truth_lesions:,} true lesions detected",
        ),
        (
            "lesion PPV",
            _share(result.lesion_ppv),
            f"{result.confirmed_lesions:,} of {result.prediction_lesions:,} predicted lesions true",
        ),
        ("lesion F1", _share(result.lesion_f1), "of lesions above 3 mm³, as in MSSEG-2016"),
    ]


def _excess(result: Evaluation) -> str:
    """Say by how much of the truth the predicted volume differs."""
    if not result.truth_ml:
        return ""
    return f" ({100 * (result.prediction_ml / result.truth_ml - 1):+.1f} %)"


def _share(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.4f}"


def _distance(mm: float) -> str:
    return "infinite" if math.isinf(mm) else f"{mm:.2f}"
