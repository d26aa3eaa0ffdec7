"""Reports of evaluations: of two files, of folders, and against several raters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..citing import EVALUATION, Cited, cited_for
from ..colours import AREAS, LINES, WHITE, Line
from ..evaluation import lesions_are, numbers_behind
from ..folders import mean_and_interval, measured, titles
from ..names import numbered
from ..numbers import cubic_millimetres, millilitres, number, plural, rate, small
from ..raters import expected_line, predicted
from ..words.methods import cited
from ..words.region import whole_of, whole_of_cases
from . import tables
from .charts import curve_chart, spread_chart
from .page import File
from .scan import Pictures
from .sections import Content, places_section, section
from .terms import LESION_TERMS, MEASURE_TERMS, RATER_TERMS
from .view import Stops, in_words, view_of

Facts = Mapping[str, Any]
KINDS = {0: "none", 1: "found", 2: "missed", 3: "false"}  # labels of the map of lesions
COLOURS = {1: AREAS[3], 2: AREAS[1], 3: AREAS[0]}  # green, red, blue
OUTLINED: tuple[Line, ...] = ((LINES[0], ()), (WHITE, ()))  # the prediction yellow, the truth white
MOST_LESIONS = 100
MOST_CASES = 1000
STANDS_FOR = {"undefined": math.nan, "infinite": math.inf}
SHOWN = ("dice", "precision", "recall", "hd95_mm", "lesion_f1")


def value_of(facts: Facts, name: str) -> str:
    """Return a measure as text: in its unit, or what its status says."""
    value = facts[name]
    if value is None:
        return str(facts["status"].get(name, "not asked for"))
    return measured(name, value)


def pair_page(facts: Facts, pictures: Pictures, files: Sequence[File], source: str) -> bytes:
    """Return the page of an evaluation of two files; ``pictures`` are the map of lesions, and the two masks."""
    labels = [
        {"value": value, "name": name, "color": COLOURS.get(value, "#000000")}
        for value, name in KINDS.items()
    ]
    lesions = _largest(facts["lesions"])
    stops = _stops(lesions, placed=pictures.placed)
    view = view_of(pictures, ["prediction", "truth"], labels, 0.5, "lesions", stops=stops, lines=OUTLINED)
    called = titles(facts["options"]["tolerance_mm"])
    behind = numbers_behind(facts)
    measures = [
        [title, value_of(facts, name), behind.get(title, behind.get(title.partition(" within")[0], ""))]
        for name, title in called.items()
        if name in facts
    ]
    columns = [("measure", tables.TEXT), ("value", tables.NUMBER), ("that is", tables.WRAP)]
    voxels = sum(facts[f"{one}_{kind}s"] for one in ("true", "false") for kind in ("positive", "negative"))
    caption = f"All measures: of {plural(voxels, 'voxel')}, {_where(facts)}, cut {facts['options']['cut']:g}."
    return Content(
        heading="Prediction against truth",
        about=f"{facts['prediction']} against {facts['truth']}.",
        version=facts["fastfuse"],
        source=source,
        remarks=facts["warnings"],
        view=view,
        tiles=[(called[name], value_of(facts, name)) for name in SHOWN],
        sections=[
            section("measures", "Measures", [tables.table(caption, columns, measures)]),
            *_lesions(facts, lesions, placed=pictures.placed),
        ],
        made=[_made(facts)],
        files=files,
        works=(works := cited_for(EVALUATION, facts["fastfuse"])),
        citation=_compared(works, facts),
        terms=(*MEASURE_TERMS, *LESION_TERMS),
    ).page()


def _where(facts: Facts) -> str:
    return _whole(facts) if facts["mask"] is None else f"inside {Path(facts['mask']).name}"


def _compared(works: Sequence[Cited], facts: Facts) -> str:
    """Return what was done, for the methods of a paper."""
    options = facts["options"]
    dropped = options["least_voxels"]
    small = (
        f"; the prediction's components below {plural(dropped, 'voxel')} were dropped" if dropped > 1 else ""
    )
    return (
        f"Segmentations were compared by fastfuse {facts['fastfuse']}: overlap and distances"
        f"{cited(works, 'overlap-and-distance')}, {_where(facts)}, of masks cut at {options['cut']:g}{small}. "
        f"Lesions{cited(works, 'lesions')} are components {lesions_are(options)}."
    )


def _made(facts: Facts) -> tables.Table:
    roles = {name: facts.get(name) for name in ("prediction", "truth", "mask", "image") if name in facts}
    region = {} if facts["mask"] is not None else {"all voxels": _whole(facts)}
    return tables.pairs_of("Options.", {"fastfuse": facts["fastfuse"], **roles, **region, **facts["options"]})


def _whole(facts: Facts) -> str:
    if "cases" in facts:
        return whole_of_cases(len(facts["cases"]), len(facts.get("cropped", ())))
    return whole_of(facts["grid"])


def _largest(lesions: Sequence[Facts]) -> list[Facts]:
    """Return the lesions that the page lists: the largest first."""
    return sorted(lesions, key=lambda one: -one["mm3"])[:MOST_LESIONS]


def _stops(lesions: Sequence[Facts], *, placed: bool) -> Stops:
    """Return where the viewer goes to; it starts at the largest lesion that is missed or false."""
    called = [
        f"{one['kind']}, {cubic_millimetres(one['mm3'])} mm³, {in_words(one['place_mm'], placed=placed)}"
        for one in lesions
    ]
    first = next((k for k, one in enumerate(lesions) if one["kind"] != "found"), 0)
    begins = f"lesion {lesions[first]['number']}, {lesions[first]['kind']}" if lesions else ""
    mm, numbers = [one["place_mm"] for one in lesions], [one["number"] for one in lesions]
    return Stops("Lesion by lesion", "lesion", "There is no lesion.", called, mm, first, begins, numbers)


def _lesions(facts: Facts, listed: Sequence[Facts], *, placed: bool) -> list[dict[str, Any]]:
    """Return the lesions, the largest first, by the numbers that they have in the JSON and in the viewer."""
    lesions = facts["lesions"]
    if not lesions:
        return []
    counts = {kind: sum(one["kind"] == kind for one in lesions) for kind in ("found", "missed", "false")}
    rows: list[list[tables.Cell]] = [
        [
            str(one["number"]),
            one["kind"],
            cubic_millimetres(one["mm3"]),
            f"{one['voxels']:,}",
            f"{100 * one['overlap']:.0f} %",
            in_words(one["place_mm"], placed=placed),
            tables.show_button(place, f"lesion {one['number']}"),
        ]
        for place, one in enumerate(listed)
    ]
    columns = [
        ("lesion", tables.NUMBER),
        ("is", tables.TEXT),
        ("mm³", tables.NUMBER),
        ("voxels", tables.NUMBER),
    ]
    columns += [("overlap", tables.NUMBER), ("at (mm)", tables.TEXT), ("in the viewer", tables.TEXT)]
    more = f" The {len(listed)} largest of {len(lesions)}." if len(listed) < len(lesions) else ""
    caption = f"{counts['found']} found, {counts['missed']} missed, {counts['false']} false; the largest first, by their numbers in the JSON of -o.{more}"
    small = facts["prediction_left_out"], facts["truth_left_out"]
    if any(small):
        caption += f" Too small for a lesion, and left out: {small[0]:,} predicted and {small[1]:,} true."
    return [section("lesions", "Lesions", [tables.table(caption, columns, rows)])]


def folders_page(facts: Facts, files: Sequence[File], source: str) -> bytes:
    """Return the page of an evaluation of folders."""
    summary, cases = facts["summary"], facts["cases"]
    dice = {name: one["dice"] for name, one in cases.items() if one["dice"] is not None}
    called = titles(facts["options"]["tolerance_mm"])
    names = [name for name in called if name in next(iter(cases.values()), {})]
    columns = [("case", tables.WRAP), *((called[name], tables.NUMBER) for name in names)]
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
        remarks=[*_failed(facts), *facts["warnings"], *_missing(facts)],
        tiles=[
            ("cases", str(len(cases))),
            *([("failed", str(len(facts["failed"])))] if facts["failed"] else ()),
            *(
                (f"mean {called[name]}", number(mean) if math.isfinite(mean) else measured(name, mean))
                for name, mean in ((name, _value(summary[name], "mean")) for name in SHOWN)
            ),
            ("Dice of all voxels together", rate(facts["pooled"]["dice"])),
        ],
        sections=[
            section("summary", "Summary", [_summary(summary, called)], chart),
            section("cases", "Cases", [tables.table("All measures of each case.", columns, rows)]),
        ],
        made=[_made(facts)],
        files=files,
        works=(works := cited_for(EVALUATION, facts["fastfuse"])),
        citation=_compared(works, facts),
        terms=MEASURE_TERMS,
    ).page()


def _failed(facts: Facts) -> list[str]:
    return [f"{name} failed, and no number counts it: {reason}" for name, reason in facts["failed"].items()]


def _missing(facts: Facts) -> list[str]:
    return [
        f"{what}: {', '.join(facts[name])}"
        for name, what in (
            ("missing_predictions", "without a prediction"),
            ("missing_truths", "without a truth"),
        )
        if facts[name]
    ]


def _summary(summary: Facts, called: Mapping[str, str]) -> tables.Table:
    """Return means, intervals and medians of all measures."""
    rows = []
    for name, one in summary.items():
        mean, low, high, median = (_value(one, what) for what in ("mean", "low", "high", "median"))
        told = *mean_and_interval(name, mean, low, high), measured(name, median)
        rows.append([called[name], *told, str(one["defined"])])
    columns = [
        ("measure", tables.TEXT),
        *((what, tables.NUMBER) for what in ("mean", "95 %", "median", "cases")),
    ]
    return tables.table(
        "Over the cases in which a measure is defined; intervals of the mean by a bootstrap.", columns, rows
    )


def _value(summary: Facts, name: str) -> float:
    """Return a number of a summary, which JSON does not hold if it is undefined or infinite."""
    value = summary[name]
    return STANDS_FOR[summary["status"][name]] if value is None else float(value)


def raters_page(facts: Facts, pictures: Pictures, files: Sequence[File], source: str) -> bytes:
    """Return the page of an evaluation against several raters; ``pictures`` are the probability, and the raters' masks."""
    raters = plural(len(facts["raters"]), "rater")
    names = [one["name"] for one in facts["raters"]]
    view = view_of(pictures, names, [], facts["options"]["cut"], "prediction")
    return Content(
        heading=f"Prediction against {raters}",
        about=f"{facts['prediction']} against {raters}.",
        version=facts["fastfuse"],
        source=source,
        remarks=facts["warnings"],
        tiles=[
            ("Dice where all agree", rate(facts["dice"])),
            ("confidence there", rate(facts["confidence"])),
            ("calibration error", small(facts["ece"])),
            ("reliability error", small(facts["reliability"]["error"])),
            ("CRPS of the volume", f"{millilitres(facts['crps_ml'])} ml"),
        ],
        view=view,
        sections=[
            section("raters", "Raters", [_each_rater(facts)]),
            _reliability(facts["reliability"]),
            *places_section(view),
        ],
        made=[_made(facts)],
        files=files,
        works=cited_for(EVALUATION[:1], facts["fastfuse"]),
        citation=f"The prediction was compared with {raters} by fastfuse {facts['fastfuse']}.",
        terms=RATER_TERMS,
    ).page()


def _each_rater(facts: Facts) -> tables.Table:
    rows = [
        [number, one["name"], rate(one["dice"]), small(one["ece"]), millilitres(one["volume_ml"])]
        for number, one in numbered(facts["raters"])
    ]
    of_prediction = predicted(facts)
    rows += [["", what, "", "", millilitres(ml)] for what, ml in of_prediction]
    columns = [("#", tables.NUMBER), ("rater", tables.WRAP), ("Dice", tables.NUMBER)]
    columns += [("calibration error", tables.NUMBER), ("ml", tables.NUMBER)]
    caption = " ".join(["The prediction against each rater.", *expected_line(facts)])
    return tables.table(caption, columns, rows, head=1, sums=len(of_prediction))


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
