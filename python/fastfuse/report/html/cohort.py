"""The report of a cohort: raters over all cases, raters by cases, and what came of each case."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...fusion.fit.remarks import MISFIT
from ...images.written.cells import of_cell
from ..citing import cited_in
from ..names import numbers_of
from ..numbers import plural, rate, small
from ..words.cohort import asked_of
from ..words.fit import BY_PROBABILITY, OF_AXIS, bars_are
from ..words.methods import rates_over_cases, sentences_of_cohort
from . import tables
from .charts import fit_chart, heat_chart, rates_chart
from .decided import decisions_of_cases
from .page import File
from .sections import Content, section

Facts = Mapping[str, Any]
Rows = Sequence[Mapping[str, str]]
MOST_CASES = 60  # of the chart of raters by cases; of more, those with the largest deviations
MOST_ROWS = 20  # of the table of deviations


def cohort_page(facts: Facts, written: Mapping[str, bytes], source: str) -> bytes:
    """Return the page of a cohort; ``facts`` is the content of cohort.json, ``written`` its tables as CSV by name."""
    names = list(dict.fromkeys(one["rater"] for one in facts["raters"]))
    of = {name: _rows(content) for name, content in written.items()}
    deviations = of.get("deviations.csv", [])
    asked = asked_of(facts)
    works = cited_in(asked)
    return Content(
        heading=f"Cohort of {plural(facts['cases'], 'case')} and {plural(len(names), 'rater')}",
        about=f"By {asked['method']}.",
        version=facts["fastfuse"],
        source=source,
        remarks=_remarks(facts),
        tiles=_tiles(facts, names),
        sections=[
            *_raters(facts),
            *decisions_of_cases(facts, dict(zip(names, numbers_of(names), strict=True))),
            *_by_cases(names, deviations),
            *_quality(of.get("quality.csv", [])),
            *_fit(facts.get("fit", {}), facts["cases"]),
            *_cases(facts, of.get("agreement.csv", [])),
        ],
        made=_made(facts, asked["method"]),
        files=[*_files_of(facts)],
        works=works,
        citation=sentences_of_cohort(works, facts, asked, len(names)),
    ).page()


def _rows(content: bytes) -> list[dict[str, str]]:
    rows = csv.DictReader(io.StringIO(content.decode()))
    return [{of_cell(name): of_cell(value) for name, value in row.items()} for row in rows]


def _remarks(facts: Facts) -> list[str]:
    """Return what failed, and what is doubtful: of the cohort, and of cases with their names."""
    failed = [f"{case}: failed: {reason}" for case, reason in facts["failed"].items()]
    of_all = list(facts["warnings"].get("cohort", ()))
    counts: dict[str, list[str]] = {}
    for case, remarks in facts["warnings"].items():
        for remark in remarks if case != "cohort" else ():
            if not remark.startswith(MISFIT):  # which the section on the fit has
                counts.setdefault(remark, []).append(case)
    told = [f"{', '.join(cases)}: {remark}" for remark, cases in counts.items()]
    return [*failed, *of_all, *told]


def _tiles(facts: Facts, names: Sequence[str]) -> list[tuple[str, str]]:
    estimate = facts["estimate"]
    found = [
        ("cases", str(facts["cases"])),
        ("raters", str(len(names))),
        ("failed", str(len(facts["failed"]))),
    ]
    found += [
        ("fused in this run", str(len(facts["fused"]))),
        ("left as they were", str(len(facts["skipped"]))),
    ]
    if "decisions" in facts:
        found.append(("decided by a reviewer", plural(len(facts["decisions"]["cases"]), "case")))
    if estimate is not None:
        ending = "" if estimate["converged"] else ", not converged"
        found += [
            ("EM", f"{plural(estimate['n_iter'], 'iteration')}{ending}"),
            ("priors", estimate["priors"]),
        ]
    return found


def _raters(facts: Facts) -> list[dict[str, Any]]:
    """Return the raters' rates over all cases; of label maps a row for each label."""
    raters = facts["raters"]
    if not raters:
        return []
    of_labels = any("label" in one for one in raters)
    told = ["sensitivity"] if of_labels else ["sensitivity", "specificity"]
    columns = [("#", tables.NUMBER), ("rater", tables.WRAP), *([("label", tables.TEXT)] if of_labels else [])]
    beside = {"ppv": "PPV", "dice": "Dice"} if of_labels else {}
    columns += [("cases", tables.NUMBER), *((what, tables.NUMBER) for what in (*told, *beside.values()))]
    called = list(dict.fromkeys(one["rater"] for one in raters))
    numbers = dict(zip(called, numbers_of(called), strict=True))
    rows: list[list[tables.Cell]] = []
    for one in raters:
        label: list[tables.Cell] = [one["label"]] if of_labels else []
        rates = [tables.with_interval(one[what], one.get(f"{what}_95")) for what in told]
        rates += [rate(one[what]) for what in beside]
        rows.append([numbers[one["rater"]], one["rater"], *label, str(one["cases"]), *rates])
    caption = " ".join(["Over all cases; of each rater those that they read.", *rates_over_cases(facts)])
    caption += " PPV and Dice: against the consensus by these rates." if of_labels else ""
    shown = tables.table(caption, columns, rows, head=1)
    text = "Numbers are those of the table. Ellipses reach as far as the 95 % intervals over cases. Upper right is best."
    named = [{**one, "name": one["rater"]} for one in raters]
    chart = None if of_labels else rates_chart(named, text)
    return [section("raters", "Raters", [shown], chart)]


def _by_cases(names: Sequence[str], deviations: Rows) -> list[dict[str, Any]]:
    """Return raters by cases, and the largest deviations; nothing where there are none."""
    deviations = [one for one in deviations if one["log_ratio"]]  # none where nobody marks anything
    if not deviations:
        return []
    ratio = {(one["case"], one["rater"]): float(one["log_ratio"]) for one in deviations}
    largest: dict[str, float] = {}
    for (case, _), value in ratio.items():
        largest[case] = max(largest.get(case, 0.0), value)
    worst = sorted(largest, key=lambda case: -largest[case])[:MOST_CASES]
    cases = [case for case in largest if case in set(worst)]
    values = [[_log(ratio.get((case, name))) for name in names] for case in cases]
    labels = [
        ["" if (held := ratio.get((case, name))) is None else f"{held:.0f}" for name in names]
        for case in cases
    ]
    text = (
        "A row for each case, a column for each rater: how unlike themselves raters were there, in nats on a logarithmic scale; "
        "the bluer, the less like themselves. High where a file is another patient's, mirrored, or read in haste. It ranks, and "
        "is no test. Cases in which nobody marks anything, or everybody everything, are left out."
    )
    numbers = numbers_of(names)
    title = "Raters by cases"
    chart = heat_chart(values, cases, numbers, title, text, labels=labels)
    ranked = sorted(deviations, key=lambda one: -float(one["log_ratio"]))[:MOST_ROWS]
    columns = [
        ("case", tables.WRAP),
        ("rater", tables.WRAP),
        ("deviation (nats)", tables.NUMBER),
    ]
    columns += [(f"{what} there", tables.NUMBER) for what in ("sensitivity", "specificity")]
    listed = [
        [
            one["case"],
            f"{numbers[names.index(one['rater'])]}: {one['rater']}",
            f"{float(one['log_ratio']):,.1f}",
            *(rate(float(one[what]) if one[what] else None) for what in ("sensitivity", "specificity")),
        ]
        for one in ranked
    ]
    caption = f"The {len(listed)} largest deviations of {len(deviations)}: a rater's own rates in a case, against theirs over all."
    return [section("raters-by-cases", title, [tables.table(caption, columns, listed)], chart)]


def _quality(rows: Rows) -> list[dict[str, Any]]:
    """Return what each rater moves, and who is next to them; nothing where it is not known.

    What no rater has is left out: label maps have no rates of masks, nor a consensus without each rater.
    """
    if not rows:
        return []
    drift = "rank correlation of the rates with the order of the cases' names"
    moves = (
        "voxels whose consensus is another one without the rater, by those that it marks; in the last row, what one more rater like "
        "these would change"
    )
    parts = [
        ("moves", tables.NUMBER, "influence", "{:.1%}", f"Moves: {moves}."),
        ("nearest", tables.WRAP, "nearest", "", "Nearest: with whom the Dice is highest."),
        ("Dice", tables.NUMBER, "dice_with_nearest", "{:.3f}", ""),
        ("sensitivity, drift", tables.NUMBER, "sensitivity_drift", "{:+.2f}", f"Drift: {drift}."),
        ("specificity, drift", tables.NUMBER, "specificity_drift", "{:+.2f}", ""),
        ("apart in", tables.WRAP, "cases_apart", "", "Apart: cases where the Dice with the others is below half of the usual one."),
    ]  # fmt: skip
    held = [part for part in parts if part[2] == "cases_apart" or any(row[part[2]] for row in rows)]
    with_one_more = any(rows[-1][what] for _, _, what, _, _ in held)
    shown = tables.table(
        " ".join(said for *_, said in held if said),
        [("rater", tables.WRAP), *((title, kind) for title, kind, *_ in held)],
        [
            [
                "one more rater" if row is rows[-1] else row["rater"],
                *(
                    _number(row[what], form).replace("%", " %") if form else row[what]
                    for _, _, what, form, _ in held
                ),
            ]
            for row in (rows if with_one_more else rows[:-1])
        ],
        sums=int(with_one_more),
    )
    title = "What the raters move" if held[0][0] == "moves" else "Who is nearest to whom"
    return [section("quality", title, [shown], None)]


def _fit(fits: Mapping[str, Facts], cases: int) -> list[dict[str, Any]]:
    """Return the voxels by number of marks, observed and expected, of each case and of all; nothing where nothing was fitted."""
    if not fits:
        return []
    size = max(len(one["observed"]) for one in fits.values())
    sums = {
        what: [sum(one[what][k] for one in fits.values() if k < len(one[what])) for k in range(size)]
        for what in ("observed", "expected")
    }
    soft = any(one.get("soft") for one in fits.values())
    of = " of all cases" if len(fits) == cases else f" of {len(fits)} cases"
    left_out = (
        ""
        if len(fits) == cases
        else f" Of {plural(cases - len(fits), 'more case')} no fit is known, as where nobody marks anything."
    )
    text = f"{bars_are(of, soft=soft)}; markers are what the model expects of them. {OF_AXIS}{left_out}"
    columns = [("case", tables.WRAP), *((str(k), tables.NUMBER) for k in range(size)), ("fits", tables.TEXT)]
    rows = [[case, *_beside(one, size), "" if one["misfit"] is None else "no"] for case, one in fits.items()]
    caption = (
        f"Voxels by the number of raters who mark them{f' ({BY_PROBABILITY})' if soft else ''}; below, what the model expects. It does "
        "not fit where either is more than twice the other."
    )
    misfits = [[case, one["misfit"]] for case, one in fits.items() if one["misfit"]]
    found = [section("fit-of-cases", "Fit of each case", [tables.table(caption, columns, rows)])]
    if misfits:
        told = f"Cases whose votes the model does not fit, {len(misfits)} of {len(fits)}.{left_out}"
        columns = [("case", tables.TEXT), ("what there is, and is expected", tables.WRAP)]
        found.append(
            section("misfits", "Where the model does not fit", [tables.table(told, columns, misfits)])
        )
    chart = fit_chart(sums["observed"], {"expected": sums["expected"]}, text)
    expected = {"expected": sums["expected"], "log_likelihood_per_mark": None}
    of_all = tables.fit_table({"observed": sums["observed"], "soft": soft, "models": {"expected": expected}})
    return [section("fit", "Does the model fit?", [of_all], chart), *found]


def _beside(fit: Facts, size: int) -> list[tables.Cell]:
    """Return the voxels with each number of marks, those expected below."""
    pairs = zip(fit["observed"], fit["expected"], strict=True)
    cells: list[tables.Cell] = [(f"{there:,.0f}", f"{wanted:,.0f}") for there, wanted in pairs]
    return [*cells, *[""] * (size - len(cells))]


def _made(facts: Facts, method: str) -> list[tables.Table]:
    """Return how the cases were fused, and what was asked for."""
    options = {"fastfuse": facts["fastfuse"], "method": facts.get("method") or method}
    options |= facts.get("options") or {}
    asked = dict(facts["settings"])
    if "decisions" in facts:
        asked["decisions"] = facts["decisions"]["file"]
    made = [tables.pairs_of("Options, as the cases' sidecars have them.", options)]
    return [*made, tables.pairs_of("Settings that differ from the defaults.", asked)] if asked else made


def _files_of(facts: Facts) -> Iterator[File]:
    """Yield the files that each case was made of, and those that were written for it."""
    if "decisions" in facts:
        yield File("decisions", facts["decisions"]["file"], facts["decisions"]["sha256"])
    written = facts.get("outputs", {})
    for case, files in facts.get("inputs", {}).items():
        for one in files:
            yield File(f"{case}, {one.get('rater', one['what'])}", one["file"], one["sha256"])
        for name, sha256 in written.get(case, {}).items():
            yield File(f"{case}, written", f"cases/{case}/{name}", sha256)


def _number(text: str, form: str) -> str:
    return form.format(float(text)) if text else ""


def _log(value: float | None) -> float | None:
    return None if value is None else math.log1p(value)


def _cases(facts: Facts, agreement: Rows) -> list[dict[str, Any]]:
    """Return a row for each case that was counted: agreement, prior, warnings."""
    if not agreement:
        return []
    titles = {
        "mean_dice": "mean Dice of two raters",
        "conformity": "conformity",
        "fleiss_kappa": "kappa",
        "krippendorff_alpha": "alpha",
        "gwet_ac1": "AC1",
        "prior": "prior",
    }
    titles = {
        name: title for name, title in titles.items() if name in agreement[0]
    }  # of label maps Dice alone
    columns = [("case", tables.WRAP), ("voxels", tables.NUMBER)]
    columns += [(title, tables.NUMBER) for title in titles.values()]
    columns += [("warnings", tables.NUMBER)]
    rows = [
        [
            one["case"],
            f"{int(float(one['voxels'])):,}",
            *(
                (small if name == "prior" else rate)(float(one[name]) if one[name] else None)
                for name in titles
            ),
            str(len(facts["warnings"].get(one["case"], ()))),
        ]
        for one in agreement
    ]
    caption = (
        "Kappa, alpha and AC1 are those of the voxels that anybody marks."
        if "fleiss_kappa" in titles
        else "Dice and conformity are those over all labels but 0."
    )
    return [section("cases", "Cases", [tables.table(caption, columns, rows)])]
