"""The tables of ``fastfuse evaluate`` against several raters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .names import Names, for_tables
from .numbers import millilitres, plural, rate, small
from .table import Column, Row, Table, first_that_fits
from .terminal import output, print_below, printable, width
from .words.region import EQUAL_ML, whole_of

Facts = dict[str, Any]


def print_raters(facts: Facts, written: Sequence[Path]) -> None:
    """Print the scores, and those of each rater."""
    console = output()
    _scores(facts).print(console)
    plans = [(_raters(facts, names), names) for names in for_tables([one["name"] for one in facts["raters"]])]
    chosen = first_that_fits([table for table, _ in plans], width())
    chosen.print(console)
    said = next(names.said for table, names in plans if table is chosen)
    files = [f"wrote {', '.join(str(path) for path in written)}"] if written else []
    print_below(console, map(printable, (*said, *_how(facts), *files)))


def _scores(facts: Facts) -> Table:
    rows = [
        ("Dice where all agree", rate(facts["dice"])),
        ("confidence there", rate(facts["confidence"])),
        ("calibration error", small(facts["ece"])),
        ("reliability error", small(facts["reliability"]["error"])),
        ("CRPS of the volume (ml)", millilitres(facts["crps_ml"])),
    ]
    columns = [Column("measure", right=False), Column("value")]
    return Table(f"against {plural(len(facts['raters']), 'rater')}", columns, [Row(row) for row in rows])


def _raters(facts: Facts, names: Names) -> Table:
    rows = [
        Row([name, rate(one["dice"]), small(one["ece"]), millilitres(one["volume_ml"])])
        for name, one in zip(names.short, facts["raters"], strict=True)
    ]
    rows += [
        Row([what, "", "", millilitres(ml)], spans=True, apart=i == 0)
        for i, (what, ml) in enumerate(predicted(facts))
    ]
    columns = [Column("rater", right=False), Column("Dice"), Column("calibration\nerror"), Column("ml")]
    return Table("each rater", columns, rows)


def predicted(facts: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return the prediction's volumes by what they are called: of its mask, and expected; one where both are the same."""
    mask, expected = facts["prediction_mask_ml"], facts["prediction_ml"]
    if abs(mask - expected) <= EQUAL_ML:
        return [("prediction", mask)]
    return [(f"prediction, cut {facts['options']['cut']:g}", mask), ("prediction, expected", expected)]


def expected_line(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what an expected volume is, where there is one."""
    if len(predicted(facts)) > 1:
        yield "Expected: the sum of the prediction's probabilities, as the CRPS takes it; Dice is of its mask at the cut."


def _how(facts: Facts) -> Iterator[str]:
    """Yield lines on the region and on what the measures are."""
    options, mask = facts["options"], facts["mask"]
    where = whole_of(facts["grid"]) if mask is None else f"inside {Path(mask).name}"
    agreed, disputed = facts["agreed_voxels"], facts["disputed_voxels"]
    yield f"All raters agree on {agreed:,} voxels of {agreed + disputed:,} ({where}); cut {options['cut']:g}."
    near = "all" if options["roi"] is None else f"those within {options['roi']:g} mm of what anybody marks"
    yield f"Calibration: {plural(facts['voxels'], 'voxel')}, {near}; mean over raters of the error of the likelier class."
    yield "Reliability error: distance of the probability from the share of raters who mark, 0 for their mean."
    yield from expected_line(facts)
    if options["roi"] is None:
        yield "Background that nobody doubts lowers both errors; give --roi to leave it out."
