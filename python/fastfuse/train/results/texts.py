"""The tables of a run, or of several, as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .differences import Difference
from .entries import BASELINE
from .failures import together
from .measures import FAMILIES, FURTHER, SHOWN, TABLE_1, Key, heading
from .sheets import markdown_of
from .table import Row

MARK = "†"
ABOUT_TABLE = (
    "Percent, against the experts (mean over them) and against STAPLE's mask. Voxels of a fold's cases are counted "
    "together, then folds are averaged, as in the paper. The values in italics are the paper's: one run on MSSEG-2016, "
    "other images than these, without a spread. What is undefined, as the precision of empty predictions, is left out of "
    "the means. n: cases / networks / seeds."
)
ABOUT_SEEDS = " Mean ± standard deviation over {seeds} seeds."
ABOUT_CASES = (
    "Mean over cases{seeds}, with 95 % intervals where there are two cases or more (bootstrap over {draws}; quantiles moved "
    "outwards for few of them). n is given where a value is undefined in some cases."
)
ABOUT_FURTHER = (
    "HD95 and ASSD in mm, without cases where one of two masks is empty. Brier and ECE (expected calibration error, ten "
    "bins) in percent: the network's probabilities against the experts' votes, over all voxels of the brain. A perfect "
    "forecast of the share of experts who mark a voxel has an ECE of 0; its Brier score is the experts' own disagreement."
)
ABOUT_DIFFERENCES = (
    "Difference to STAPLE of the same case{seeds}: mean, 95 % interval (bootstrap over {draws}), and p of Wilcoxon's "
    "signed-rank test over the cases{means}, two-sided, corrected by Holm for the {tests} tests of this table.{given}"
)
GIVEN = " p takes the seeds as they are; the interval is also over others."
ONE_SEED = "One seed: intervals and p tell how cases differ, not what another training would give.{shared} Run several seeds."
SHARED = " Cases of a fold share a network, so both are too sure of themselves."


def markdown(rows: Sequence[Row], about: Sequence[str]) -> str:
    """Return all tables, with the captions ``about``."""
    seeds = max(row.seeds for row in rows)
    draws = "cases and seeds, drawn independently" if seeds > 1 else "cases"
    spread = ABOUT_SEEDS.format(seeds=seeds) if seeds > 1 else ""
    cases = ABOUT_CASES.format(seeds=" and seeds" if seeds > 1 else "", draws=draws)
    parts = [
        "# Table 1\n\n" + "".join(f"{line}.\n\n" for line in about) + f"{ABOUT_TABLE}{spread}",
        _table_1(rows),
        notes_of(rows),
        f"## Cases\n\n{cases}",
        _per_case(rows, TABLE_1),
        f"## Further measures\n\n{ABOUT_FURTHER}",
        _per_case(rows, FURTHER),
        _differences(rows, seeds, draws),
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _table_1(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        lines.append([row.title, *(pooled_text(row, key) for key in TABLE_1), row.n])
        if row.paper:
            lines.append([f"*{row.title}, paper*", *(f"*{value:.1f}*" for value in row.paper.values()), ""])
    return markdown_of(["", *map(heading, TABLE_1), "n"], lines)


def pooled_text(row: Row, key: Key) -> str:
    """Return a pooled value with its spread over seeds, and the mark if something is missing in it."""
    shown = SHOWN[key[1]]
    spread = "" if math.isnan(row.spread[key]) else f" ± {shown.text(row.spread[key])}"
    return f"{shown.text(row.pooled[key])}{spread}{MARK if key in row.marked else ''}"


def notes_of(rows: Sequence[Row]) -> str:
    """Return what the mark stands for, a line for each reason."""
    return "".join(f"- {MARK} {line}\n" for line in failures_of(rows))


def failures_of(rows: Sequence[Row]) -> list[str]:
    """Return what failed or is missing, with the rows' titles: a line for each reason."""
    return together({row.title: row.failures for row in rows})


def _per_case(rows: Sequence[Row], keys: Sequence[Key]) -> str:
    most = max(row.cases for row in rows)
    lines = [[row.title, *(_case_text(row, key, most) for key in keys)] for row in rows]
    return markdown_of(["", *map(heading, keys)], lines)


def _case_text(row: Row, key: Key, most: int) -> str:
    shown, (mean, low, high) = SHOWN[key[1]], row.per_case[key]
    told, ends = shown.interval(mean, low, high)
    interval = f" ({'–'.join(ends)})" if ends else ""
    count = f", n = {row.defined[key]}" if row.defined[key] < most else ""
    return f"{told}{interval}{count}{MARK if key in row.marked else ''}"


def _differences(rows: Sequence[Row], seeds: int, draws: str) -> str:
    differences = [one for row in rows for one in row.differences]
    if not differences:
        return ""
    marked = {row.title for row in rows if row.failures}
    parts = ["## Differences to STAPLE"]
    for family, keys in FAMILIES.items():
        members = [one for one in differences if one.family == family]
        tests = sum(not math.isnan(one.p) for one in members)
        over = " and seed" if seeds > 1 else ""
        given = GIVEN if seeds > 1 else ""
        means = ", each case's mean over the seeds" if seeds > 1 else ""
        about = ABOUT_DIFFERENCES.format(seeds=over, draws=draws, means=means, tests=tests, given=given)
        lines = [
            [title, *(difference_text(_of(members, title, key), BASELINE in marked or title in marked) for key in keys)]
            for title in dict.fromkeys(one.title for one in members)
        ]  # fmt: skip
        parts += [f"{family[0].upper()}{family[1:]}. {about}{_least(members, tests)}"]
        parts += [markdown_of(["", *map(heading, keys)], lines).strip()]
    if seeds == 1:
        parts.insert(1, _one_seed(rows))
    return "\n\n".join(parts)


def _of(members: Sequence[Difference], title: str, key: Key) -> Difference:
    return next(one for one in members if one.title == title and (one.experts, one.measure) == key)


def difference_text(one: Difference, marked: bool) -> str:
    """Return a difference with its interval and p; n where pairs are missing."""
    shown = SHOWN[one.measure]
    told, ends = shown.interval(one.mean, one.low, one.high, "+")
    interval = f" ({' to '.join(ends)})" if ends else ""
    p = "" if math.isnan(one.p_holm) else f", p {p_text(one.p_holm)}"
    count = f", n = {one.cases}" if one.cases < len(one.by_case) else ""
    return f"{told}{interval}{p}{count}{MARK if marked else ''}"


def p_text(p: float) -> str:
    """Return a p with two digits."""
    if p < 0.001:
        return "< .001"
    return "= 1" if p > 0.995 else f"= {p:.2g}".replace("0.", ".")


def least_of(rows: Sequence[Row]) -> str:
    """Return a warning where no difference in Table 1's measures could be significant."""
    members = [one for row in rows for one in row.differences if (one.experts, one.measure) in TABLE_1]
    return _least(members, sum(not math.isnan(one.p) for one in members)) if members else ""


def _one_seed(rows: Sequence[Row]) -> str:
    shared = any(row.cases > row.networks for row in rows)  # of a fold with several test cases
    return ONE_SEED.format(shared=SHARED * shared)


def doubts_of(rows: Sequence[Row]) -> list[str]:
    """Return what intervals and p of the differences do not tell, a text each."""
    if not any(row.differences for row in rows):
        return []
    alone = [_one_seed(rows)] if max(row.seeds for row in rows) == 1 else []
    return [*alone, *(line.strip() for line in (least_of(rows),) if line)]


def _least(members: Sequence[Difference], tests: int) -> str:
    """Return a warning where no difference whatever could be significant."""
    cases = max(one.cases for one in members)
    if cases == 0 or (least := 2.0 ** (1 - cases)) * tests <= 0.05:
        return ""
    return (
        f" With {cases} cases, p before the correction is {least:.2g} at least: no difference of any size can be "
        "significant in this table."
    )
