"""Tables of a fusion of label maps: of all labels, and of each."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from ...fusion.labels.options import BACKGROUND
from ..labels import RESAMPLED, in_means, on_fewer
from ..names import numbered, numbers_of
from ..numbers import millilitres, plural, rate, small
from . import tables
from .charts import heat_chart

Facts = Mapping[str, Any]
MOST_OPEN = 40  # labels that get a table of their own


def labels_context(facts: Facts) -> dict[str, Any]:
    """Return what a page says of label maps in the place of masks."""
    raters = facts["raters"]
    return {
        "tiles": _tiles(facts),
        "rater_tables": [_means(facts)],
        "rates": None,
        "parts": [
            {"id": "labels", "title": "Labels", "tables": [_volumes(facts)]},
            {
                "id": "each-label",
                "title": "Each label",
                "tables": [_label(facts, place) for place in range(min(len(facts["labels"]), MOST_OPEN))],
            },
        ],
        "agreement": None if len(raters) < 2 else _dice(facts),
        "fit": None,
    }


def _tiles(facts: Facts) -> list[tuple[str, str]]:
    held = [one for one in facts["labels"] if one["label"] != BACKGROUND]
    majority = facts["method"] == "majority"
    state = "" if facts["converged"] else ", not converged"
    tied = facts.get("undecided")
    return [
        ("labels", str(len(facts["labels"]))),
        ("all but 0", f"{millilitres(sum(one['ml'] for one in held))} ml"),
        ("raters", str(len(facts["raters"]))),
        ("voxels that count", f"{facts['region']['voxels']:,}"),
        *([("tied", plural(tied["voxels"], "voxel"))] if tied else []),
        ("EM", "no iterations" if majority else f"{plural(facts['n_iter'], 'iteration')}{state}"),
    ]


def _mean(values: list[float | None]) -> tables.Cell:
    known = [value for value in values if value is not None]
    if not known:
        return "undefined"
    return rate(fmean(known)) if len(known) == len(values) else (rate(fmean(known)), f"of {len(known)}")


def _means(facts: Facts) -> tables.Table:
    """Return each rater's means over labels."""
    held, words = in_means(facts)
    rows: list[list[tables.Cell]] = []
    fewer = False
    for number, rater in numbered(facts["raters"]):
        of_labels = [rater["labels"][place] for place in held]
        means = [_mean([one[what] for one in of_labels]) for what in ("sensitivity", "ppv", "dice")]
        fewer |= any(isinstance(mean, tuple) for mean in means)
        known = [one for one in of_labels if one["dice"] is not None]
        worst = min(known, key=lambda one: one["dice"], default=None)
        lowest = "" if worst is None else f"{rate(worst['dice'])} ({worst['name']})"
        rows.append([number, rater["name"], *means, lowest])
    columns = [("#", tables.NUMBER), ("rater", tables.WRAP)]
    columns += [(title, tables.NUMBER) for title in ("sensitivity", "PPV", "soft Dice")]
    columns += [("lowest soft Dice", tables.WRAP)]
    caption = f"Means over {words}, against the consensus.{f' {on_fewer(facts)}' if fewer else ''}"
    return tables.table(caption, columns, rows, head=1)


def _volumes(facts: Facts) -> tables.Table:
    rows = [
        [
            str(one["label"]),
            str(one["name"]),
            millilitres(one["ml"]),
            f"{one['voxels']:,}",
            small(one["prior"]),
        ]
        for one in facts["labels"]
    ]
    columns = [("label", tables.NUMBER), ("name", tables.WRAP)]
    columns += [(title, tables.NUMBER) for title in ("consensus (ml)", "voxels", "prior")]
    return tables.table("The consensus's labels.", columns, rows, head=1)


def _label(facts: Facts, place: int) -> tables.Table:
    """Return each rater's rates of one label."""
    label = facts["labels"][place]
    rows = []
    for number, rater in numbered(facts["raters"]):
        one = rater["labels"][place]
        cells = [rate(one["ppv"]), rate(one["dice"]), millilitres(one["ml"])]
        sensitivity = tables.with_interval(one["sensitivity"], one.get("sensitivity_95"))
        rows.append([number, rater["name"], sensitivity, *cells])
    columns = [("#", tables.NUMBER), ("rater", tables.WRAP)]
    columns += [(title, tables.NUMBER) for title in ("sensitivity", "PPV", "soft Dice", "ml")]
    resampled = any("sensitivity_95" in rater["labels"][place] for rater in facts["raters"])
    said = f" {RESAMPLED}" if resampled else ""
    return tables.table(f"Label {label['label']}: {label['name']}.{said}", columns, rows, head=1)


def _dice(facts: Facts) -> dict[str, Any]:
    """Return each rater's soft Dice of each label, as a chart and a table."""
    raters, labels = facts["raters"], facts["labels"]
    numbers = numbers_of([rater["name"] for rater in raters])
    values = [[rater["labels"][place]["dice"] for rater in raters] for place in range(len(labels))]
    rows = [
        [f"{label['label']}: {label['name']}", *(rate(value) for value in row)]
        for label, row in zip(labels, values, strict=True)
    ]
    title = "Soft Dice of each label and rater"
    text = "Soft Dice with the consensus's probabilities: a row for each label, a column for each rater; the bluer, the higher."
    heads = [str(one["label"]) for one in labels], numbers
    chart = heat_chart(values, *heads, title, text)
    return {
        "title": title,
        "chart": chart,
        "tables": tables.in_blocks(
            f"{title}, with the consensus{{}}.", ("label", tables.WRAP), numbers, rows
        ),
    }
