"""The report of an experiment: its tables, differences to STAPLE, failures, and its figures."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ..citing import cited_for
from ..numbers import interval, plural
from . import tables
from .charts import heat_chart
from .sections import Content, section
from .terms import EXPERIMENT_TERMS

Facts = Mapping[str, Any]
NAMES = {
    "dice": "Dice",
    "precision": "precision",
    "recall": "recall",
    "hd95_mm": "HD95",
    "assd_mm": "ASSD",
    "lesion_f1": "lesion F1",
    "brier": "Brier score",
    "ece": "calibration error",
}
SHORT = {"dice": "Dice", "precision": "Pre", "recall": "Rec"}
DIGITS = {"assd_mm": 2, "brier": 3, "ece": 3}  # behind the point; others have one
POINTS = {"%": "points"}  # what a difference of percents is in
FIGURES = {
    "training": "Training: the loss of each network, epoch by epoch",
    "cases": "Each case's Dice, precision and recall, by method",
    "differences": "Differences to STAPLE, case by case",
    "reliability": "Reliability of the networks' probabilities",
    "experts": "A typical case: the experts' outlines",
    "consensus": "The same case: each consensus, and what its network predicts",
}


def experiment_page(facts: Facts, figures: Mapping[str, bytes], version: str, source: str) -> bytes:
    """Return the page of an experiment; ``facts`` are its tables as JSON has them, with ``doubts`` of its differences, ``figures`` its PNGs by name."""
    titles = list(dict.fromkeys(line["title"] for line in facts["table"]))
    networks = max((line["networks"] for line in facts["table"]), default=0)
    return Content(
        heading=f"Networks on {plural(len(titles), 'consensus')}".replace("consensuss", "consensuses"),
        about=" ".join(f"{line}." for line in facts["about"] if f"{line}." not in facts["notes"]),
        version=version,
        source=source,
        remarks=[*facts["failures"], *facts["notes"]],
        tiles=[("methods", str(len(titles))), ("networks each", str(networks)), *_best(facts)],
        sections=[
            _scores(facts, titles),
            section("cases", "Means over cases", [_cases(facts)]),
            *_differences(facts),
            *_figures(figures),
        ],
        made=_made(facts, version),
        works=cited_for(("soft-staple", "staple"), version),
        citation=(
            f"Networks were trained on each of {plural(len(titles), 'consensus')} of the experts, and tested, as in the "
            f"experiment of Kats et al. 2019, by fastfuse {version}: {'; '.join(facts['about'][:1])}."
        ).replace("consensuss", "consensuses"),
        terms=EXPERIMENT_TERMS,
    ).page()


def _made(facts: Facts, version: str) -> list[tables.Table]:
    """Return where the run lies, and what it was set to, as far as its folder tells."""
    made = [tables.pairs_of("Where.", {"fastfuse": version, "folder": facts["folder"]})]
    run = facts.get("run")
    if not run:
        return made
    kept = ("device_name", "precision", "versions", "code")
    # How masks were cut may be asked anew of each table, and seeds may be several: "about" has both.
    options = {name: value for name, value in run["options"].items() if name not in ("evaluation", "seed")}
    told = {**options, **{name: run[name] for name in kept if name in run}}
    return [*made, tables.pairs_of("Options and versions, as run.json has them.", told)]


def _best(facts: Facts) -> list[tuple[str, str]]:
    known = [one for one in _of(facts, "dice", "experts") if one["pooled"] is not None]
    if not known:
        return []
    highest = f"{max(one['pooled'] for one in known):.1f}"
    alike = [one["title"] for one in known if f"{one['pooled']:.1f}" == highest]  # no finer than it is shown
    return [("highest Dice against experts", f"{highest} %"), ("by", ", ".join(alike))]


def _of(facts: Facts, measure: str, against: str) -> list[Facts]:
    return [line for line in facts["table"] if (line["measure"], line["against"]) == (measure, against)]


def _value(value: float | None, measure: str) -> str:
    return "–" if value is None else f"{value:.{DIGITS.get(measure, 1)}f}"


def _interval(
    mean: float | None, low: float | None, high: float | None, measure: str, sign: str = ""
) -> tuple[str, str]:
    """Return a mean and its interval as texts; a difference with two digits at least."""
    least = max(DIGITS.get(measure, 1), 2 if sign else 0)
    if low is None or high is None:
        return "–" if mean is None else f"{mean:{sign}.{least}f}", "–"
    decimals, ends = interval(low, high, least, sign)
    return "–" if mean is None else f"{mean:{sign}.{decimals}f}", " to ".join(ends)


def _called(measure: str) -> str:
    return NAMES.get(measure, measure)


def _scores(facts: Facts, titles: list[str]) -> dict[str, Any]:
    """Return Table 1, with the paper's values below, and its percents as a chart."""
    keys = list(
        dict.fromkeys(
            (line["measure"], line["against"], line["unit"])
            for line in facts["table"]
            if line["measure"] in SHORT  # the others are means over cases alone
        )
    )
    lines = {(line["title"], line["measure"], line["against"]): line for line in facts["table"]}
    rows: list[list[tables.Cell]] = []
    for title in titles:
        row: list[tables.Cell] = [title]
        for measure, against, _ in keys:
            line = lines[(title, measure, against)]
            mark = "*" if line["marked"] else ""
            published = f"paper {line['paper']:.1f}" if line["paper"] is not None else ""
            spread = "" if line["pooled_sd"] is None else f" ± {_value(line['pooled_sd'], measure)}"
            row.append((_value(line["pooled"], measure) + spread + mark, published))
        rows.append(row)
    columns = [("method", tables.WRAP)]
    columns += [
        (f"{_called(measure)} against {against} ({unit})", tables.NUMBER) for measure, against, unit in keys
    ]
    over = (
        f"folds, then over {seeds} seeds, ± their standard deviation"
        if (seeds := _seeds(facts)) > 1
        else "folds"
    )
    caption = f"Pooled over the voxels of a fold's cases, then the mean over {over}. *: folds are missing, or a network failed."
    if any(line["paper"] is not None for line in facts["table"]):
        caption += " paper: the value of Kats et al. 2019, one run on MSSEG-2016, other images than these, without a spread."
    shown = tables.table(caption, columns, rows)
    values = [[_share(lines[(title, *key[:2])]["pooled"]) for key in keys] for title in titles]
    heads = [f"{SHORT[measure]} {against[0].upper()}" for measure, against, _ in keys]
    text = (
        "Dice, precision and recall against experts (E) and against STAPLE's mask (S); the bluer, the higher."
    )
    return section("scores", "Scores", [shown], heat_chart(values, titles, heads, "Scores", text))


def _seeds(facts: Facts) -> int:
    return max((line["seeds"] for line in facts["table"]), default=0)


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _cases(facts: Facts) -> tables.Table:
    rows = [
        [
            line["title"],
            f"{_called(line['measure'])} against {line['against']}",
            *_interval(line["case_mean"], line["case_low"], line["case_high"], line["measure"]),
            line["unit"],
            str(line["cases"]),
        ]
        for line in facts["table"]
    ]
    columns = [
        ("method", tables.WRAP),
        ("measure", tables.TEXT),
        ("mean", tables.NUMBER),
        ("95 %", tables.NUMBER),
    ]
    columns += [("unit", tables.TEXT), ("cases", tables.NUMBER)]
    over = "cases and seeds" if _seeds(facts) > 1 else "cases"
    caption = (
        f"Means over the {over} in which a measure is defined, with 95 % intervals: {_bootstrap(facts)}."
    )
    return tables.table(caption, columns, rows)


def _bootstrap(facts: Facts) -> str:
    over = "cases and seeds, drawn independently" if _seeds(facts) > 1 else "cases"
    return f"a bootstrap over {over}, quantiles moved outwards for few of them"


def _differences(facts: Facts) -> list[dict[str, Any]]:
    if not facts["differences"]:
        return []
    rows = [
        [
            one["title"],
            f"{_called(one['measure'])} against {one['against']}",
            *_interval(one["mean"], one["low"], one["high"], one["measure"], "+"),
            POINTS.get(one["unit"], one["unit"]),
            *("–" if one[name] is None else f"{one[name]:.3g}" for name in ("p", "p_holm")),
        ]
        for one in facts["differences"]
    ]
    columns = [
        ("method", tables.WRAP),
        ("measure", tables.TEXT),
        ("mean", tables.NUMBER),
        ("95 %", tables.NUMBER),
    ]
    columns += [("unit", tables.TEXT), ("p", tables.NUMBER), ("p, Holm", tables.NUMBER)]
    over = "cases and seeds" if _seeds(facts) > 1 else "cases"
    caption = (
        f"Paired differences to STAPLE over {over}, of percents in percentage points, with 95 % intervals: "
        f"{_bootstrap(facts)}; p by Wilcoxon's test, corrected by Holm in each family of measures."
    )
    caption = " ".join([caption, *facts["doubts"]])
    return [section("differences", "Differences to STAPLE", [tables.table(caption, columns, rows)])]


def _figures(figures: Mapping[str, bytes]) -> list[dict[str, Any]]:
    shown = [
        {"caption": caption, "png": base64.b64encode(figures[name]).decode("ascii")}
        for name, caption in FIGURES.items()
        if name in figures
    ]
    return [{**section("figures", "Figures", []), "pictures": shown}] if shown else []
