"""Reports of evaluations: of two files, of folders, and against several raters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from ..citing import EVALUATION, cited_for
from ..folders import TITLES
from ..names import numbered
from ..numbers import millilitres, number, plural, rate
from . import tables
from .charts import curve_chart, spread_chart
from .page import File
from .scan import Pictures
from .sections import Content, section
from .view import view_of

Facts = Mapping[str, Any]
KINDS = {0: "none", 1: "found", 2: "missed", 3: "false"}  # labels of the map of lesions
COLOURS = {1: "#009e73", 2: "#d55e00", 3: "#56b4e9"}
MOST_LESIONS = 100
MOST_CASES = 1000
SHOWN = ("dice", "precision", "recall", "hd95_mm", "lesion_f1")


def value_of(facts: Facts, name: str) -> str:
    """Return a measure as text: in its unit, or what its status says."""
    value = facts[name]
    if value is None:
        return str(facts["status"].get(name, "not asked for"))
    if name.endswith("_ml"):
        return millilitres(value)
    return f"{value:.2f}" if name.endswith("_mm") else rate(value)


def pair_page(facts: Facts, pictures: Pictures, files: Sequence[File], source: str) -> bytes:
    """Return the page of an evaluation of two files; ``pictures`` are the map of lesions, and the two masks."""
    labels = [
        {"value": value, "name": name, "color": COLOURS.get(value, "#000000")}
        for value, name in KINDS.items()
    ]
    view = view_of(pictures, ["prediction", "truth"], labels, 0.5, "lesions")
    measures = [[TITLES[name], value_of(facts, name)] for name in TITLES if name in facts]
    columns = [("measure", tables.TEXT), ("value", tables.NUMBER)]
    return Content(
        heading="Prediction against truth",
        about=f"{facts['prediction']} against {facts['truth']}.",
        version=facts["fastfuse"],
        source=source,
        remarks=facts["warnings"],
        view=view,
        tiles=[(TITLES[name], value_of(facts, name)) for name in SHOWN],
        sections=[
            section("measures", "Measures", [tables.table("All measures.", columns, measures)]),
            *_lesions(facts["lesions"]),
        ],
        made=[_made(facts)],
        files=files,
        works=cited_for(EVALUATION, facts["fastfuse"]),
        citation=f"Segmentations were compared by fastfuse {facts['fastfuse']}.",
    ).page()


def _made(facts: Facts) -> tables.Table:
    roles = {name: facts.get(name) for name in ("prediction", "truth", "mask") if name in facts}
    return tables.pairs_of("Options.", {"fastfuse": facts["fastfuse"], **roles, **facts["options"]})


def _lesions(lesions: Sequence[Facts]) -> list[dict[str, Any]]:
    """Return the lesions, the largest of each kind first."""
    if not lesions:
        return []
    counts = {kind: sum(one["kind"] == kind for one in lesions) for kind in ("found", "missed", "false")}
    kept = sorted(lesions, key=lambda one: -one["mm3"])[:MOST_LESIONS]
    rows = [
        [
            one["kind"],
            f"{one['mm3']:,.1f}",
            f"{one['voxels']:,}",
            f"{100 * one['overlap']:.0f} %",
            ", ".join(f"{value:.1f}" for value in one["place_mm"]),
        ]
        for one in kept
    ]
    columns = [("lesion", tables.TEXT), ("mm³", tables.NUMBER), ("voxels", tables.NUMBER)]
    columns += [("overlap", tables.NUMBER), ("at (mm, to the right, front, top)", tables.TEXT)]
    more = f" The {len(kept)} largest of {len(lesions)}." if len(kept) < len(lesions) else ""
    caption = f"{counts['found']} found, {counts['missed']} missed, {counts['false']} false.{more}"
    return [section("lesions", "Lesions", [tables.table(caption, columns, rows)])]


def folders_page(facts: Facts, files: Sequence[File], source: str) -> bytes:
    """Return the page of an evaluation of folders."""
    summary, cases = facts["summary"], facts["cases"]
    dice = {name: one["dice"] for name, one in cases.items() if one["dice"] is not None}
    names = [name for name in TITLES if name in next(iter(cases.values()), {})]
    columns = [("case", tables.WRAP), *((TITLES[name], tables.NUMBER) for name in names)]
    rows = [
        [case, *(value_of(one, name) for name in names)] for case, one in list(cases.items())[:MOST_CASES]
    ]
    text = "The Dice of each case, sorted: each point is a case."
    chart = spread_chart(sorted(dice.values()), "Dice of each case", text, ("case", "Dice")) if dice else None
    return Content(
        heading=f"{plural(len(cases), 'prediction')} against truth",
        about=f"{facts['prediction']} against {facts['truth']}.",
        version=facts["fastfuse"],
        source=source,
        remarks=[*facts["warnings"], *_missing(facts)],
        tiles=[
            ("cases", str(len(cases))),
            *(
                (f"mean {TITLES[name]}", number(summary[name]["mean"]))
                for name in SHOWN
                if _known(summary, name)
            ),
            ("Dice of all voxels together", rate(facts["pooled"]["dice"])),
        ],
        sections=[
            section("summary", "Summary", [_summary(summary)], chart),
            section("cases", "Cases", [tables.table("All measures of each case.", columns, rows)]),
        ],
        made=[_made(facts)],
        files=files,
        works=cited_for(EVALUATION, facts["fastfuse"]),
        citation=f"Segmentations were compared by fastfuse {facts['fastfuse']}.",
    ).page()


def _known(summary: Facts, name: str) -> bool:
    return name in summary and summary[name]["mean"] is not None


def _missing(facts: Facts) -> list[str]:
    return [
        f"{what}: {', '.join(facts[name])}"
        for name, what in (
            ("missing_predictions", "without a prediction"),
            ("missing_truths", "without a truth"),
        )
        if facts[name]
    ]


def _summary(summary: Facts) -> tables.Table:
    """Return means, intervals and medians of all measures."""
    rows = [
        [
            TITLES[name],
            _number(one["mean"]),
            f"{_number(one['low'])}–{_number(one['high'])}" if one["low"] is not None else "undefined",
            _number(one["median"]),
            str(one["defined"]),
        ]
        for name, one in summary.items()
    ]
    columns = [
        ("measure", tables.TEXT),
        *((what, tables.NUMBER) for what in ("mean", "95 %", "median", "cases")),
    ]
    return tables.table(
        "Over the cases in which a measure is defined; intervals of the mean by a bootstrap.", columns, rows
    )


def _number(value: float | None) -> str:
    return "undefined" if value is None else number(value)


def raters_page(facts: Facts, files: Sequence[File], source: str) -> bytes:
    """Return the page of an evaluation against several raters."""
    raters = plural(len(facts["raters"]), "rater")
    return Content(
        heading=f"Prediction against {raters}",
        about=f"{facts['prediction']} against {raters}.",
        version=facts["fastfuse"],
        source=source,
        remarks=facts["warnings"],
        tiles=[
            ("Dice where all agree", rate(facts["dice"])),
            ("confidence there", rate(facts["confidence"])),
            ("calibration error", rate(facts["ece"])),
            ("reliability error", rate(facts["reliability"]["error"])),
            ("CRPS of the volume", f"{millilitres(facts['crps_ml'])} ml"),
        ],
        sections=[section("raters", "Raters", [_each_rater(facts)]), _reliability(facts["reliability"])],
        made=[_made(facts)],
        files=files,
        works=cited_for(EVALUATION[:1], facts["fastfuse"]),
        citation=f"The prediction was compared with {raters} by fastfuse {facts['fastfuse']}.",
    ).page()


def _each_rater(facts: Facts) -> tables.Table:
    rows = [
        [number, one["name"], rate(one["dice"]), rate(one["ece"]), millilitres(one["volume_ml"])]
        for number, one in numbered(facts["raters"])
    ]
    rows.append(["", "prediction", "", "", millilitres(facts["prediction_ml"])])
    columns = [("#", tables.NUMBER), ("rater", tables.WRAP), ("Dice", tables.NUMBER)]
    columns += [("calibration error", tables.NUMBER), ("ml", tables.NUMBER)]
    return tables.table("The prediction against each rater.", columns, rows, head=1, sums=1)


def _reliability(curve: Facts) -> dict[str, Any]:
    """Return the reliability curve with its numbers."""
    ranges = [f"{low:.2f}–{high:.2f}" for low, high in pairwise(curve["edges"])]
    bins = list(zip(ranges, curve["voxels"], curve["predicted"], curve["observed"], strict=True))
    rows = [[name, f"{voxels:,}", rate(one), rate(other)] for name, voxels, one, other in bins]
    columns = [("probability", tables.TEXT)]
    columns += [(what, tables.NUMBER) for what in ("voxels", "mean probability", "share of raters who mark")]
    points = [(one, other) for _, _, one, other in bins if one is not None and other is not None]
    text = "A point for each range of probabilities; on the diagonal the probability is the share of raters who mark."
    chart = (
        curve_chart(points, "Reliability", text, ("mean probability", "share of raters")) if points else None
    )
    return section(
        "reliability", "Reliability", [tables.table("What the curve is made of.", columns, rows)], chart
    )
