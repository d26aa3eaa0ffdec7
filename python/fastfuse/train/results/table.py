"""Table 1, the paper's and ours: Dice, precision and recall against the experts and against STAPLE, in percent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...evaluation.bootstrap import bootstrap_interval
from .scores import MEASURES, Score, case_means, mean_of_defined, paper_measures
from .sheets import csv_of, markdown_of

PAPER = {
    "staple": ((54.3, 53.3, 60.4), (58.3, 67.1, 53.0)),
    "dilated-staple": ((52.2, 51.9, 59.3), (56.0, 65.1, 51.6)),
    "soft-staple": ((56.1, 53.8, 64.0), (60.1, 67.5, 55.7)),
    "simplified-soft-staple": ((55.0, 54.3, 60.9), (59.0, 68.4, 53.4)),
}
"""Kats, Goldberger, Greenspan, MICCAI 2019, Table 1: (experts, STAPLE), each (Dice, precision, recall), MSSEG-2016."""

TITLES = {
    "staple": "STAPLE",
    "dilated-staple": "Dilated STAPLE",
    "soft-staple": "Soft STAPLE",
    "simplified-soft-staple": "Soft STAPLE Simplified",
}
AGAINST = {True: "experts", False: "STAPLE"}


@dataclass(frozen=True)
class Row:
    """One method's scores against the experts and against STAPLE, in percent.

    Attributes
    ----------
    pooled : dict of (experts, measure) to float
        As in the paper: over the voxels of a fold's cases together, then the mean over folds.
    per_case : dict of (experts, measure) to (mean, low, high)
        Mean over cases, with a 95 % bootstrap interval, which is nan below two cases.
    """

    method: str
    pooled: dict[tuple[bool, str], float]
    per_case: dict[tuple[bool, str], tuple[float, float, float]]


def rows_of(scores: Sequence[Score], methods: Sequence[str]) -> list[Row]:
    """Return a row for each method."""
    return [_row(method, [score for score in scores if score.method == method]) for method in methods]


def _row(method: str, scores: Sequence[Score]) -> Row:
    pooled: dict[tuple[bool, str], float] = {}
    per_case: dict[tuple[bool, str], tuple[float, float, float]] = {}
    for experts in (True, False):
        for measure, value in paper_measures(scores, experts).items():
            pooled[experts, measure] = 100 * value
            cases = case_means(scores, measure, experts)
            low, high = bootstrap_interval(cases)
            mean = mean_of_defined(cases)
            per_case[experts, measure] = (100 * mean, 100 * low, 100 * high)
    return Row(method, pooled, per_case)


def markdown(rows: Sequence[Row], about: str) -> str:
    """Return the table, and a table of means over cases, as Markdown with the caption ``about``."""
    head = ["", *(f"{name} {AGAINST[experts]}" for experts in AGAINST for name in ("Dice", "Pre", "Rec"))]
    ours = [[TITLES[row.method], *(f"{value:.1f}" for value in row.pooled.values())] for row in rows]
    paper = [
        [
            f"*{TITLES[row.method]}, paper*",
            *(f"*{value:.1f}*" for part in PAPER[row.method] for value in part),
        ]
        for row in rows
    ]
    lines = [line for pair in zip(ours, paper, strict=True) for line in pair]
    cases = [
        [
            TITLES[row.method],
            *(f"{mean:.1f}{_interval(low, high)}" for mean, low, high in row.per_case.values()),
        ]
        for row in rows
    ]
    return (
        f"# Table 1\n\n{about}.\n\n"
        "Percent, against the experts (mean over them) and against STAPLE's mask. Voxels of a fold's cases are "
        "counted together, then folds are averaged, as in the paper; the paper's values, of MSSEG-2016, in italics. "
        "What is undefined, as the precision of empty predictions, is left out of the means.\n\n"
        f"{markdown_of(head, lines)}\n"
        "Mean over cases, with 95 % intervals (expanded percentile bootstrap) where there are two cases or more:\n\n"
        f"{markdown_of(head, cases)}"
    )


def _interval(low: float, high: float) -> str:
    """Return an interval in brackets; nothing below two cases, which have none."""
    return "" if math.isnan(low) else f" ({low:.1f}–{high:.1f})"


def csv_bytes(rows: Sequence[Row]) -> bytes:
    """Serialise the table with a line for each method, reference and measure."""
    lines = []
    for row in rows:
        for experts, against in AGAINST.items():
            paper = dict(zip(MEASURES, PAPER[row.method][not experts], strict=True))
            for measure in MEASURES:
                values = (row.pooled[experts, measure], paper[measure], *row.per_case[experts, measure])
                lines.append([row.method, against, measure, *(f"{value:.6g}" for value in values)])
    return csv_of(
        ("method", "against", "measure", "pooled", "paper", "case_mean", "case_low", "case_high"), lines
    )


def latex(rows: Sequence[Row]) -> str:
    """Return the table for a paper, with the published values in brackets."""
    body = "".join(
        f"{TITLES[row.method]} & {' & '.join(_cells(row.pooled, PAPER[row.method]))} \\\\\n" for row in rows
    )
    return (
        "% Dice, precision, recall in percent; in brackets those of Kats et al., MICCAI 2019, Table 1.\n"
        "\\begin{tabular}{lrrrrrr}\n\\hline\n"
        " & \\multicolumn{3}{c}{experts} & \\multicolumn{3}{c}{STAPLE} \\\\\n"
        f" & {' & '.join(['Dice', 'Pre', 'Rec'] * 2)} \\\\\n\\hline\n{body}\\hline\n\\end{{tabular}}\n"
    )


def _cells(
    pooled: Mapping[tuple[bool, str], float], paper: tuple[tuple[float, ...], tuple[float, ...]]
) -> list[str]:
    values = (value for part in paper for value in part)
    return [f"{ours:.1f} ({theirs:.1f})" for ours, theirs in zip(pooled.values(), values, strict=True)]
