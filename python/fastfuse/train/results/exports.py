"""The tables as CSV, LaTeX and plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from ...evaluation.result import Evaluation
from ...images.paths import recorded
from .differences import Difference
from .entries import Entry
from .measures import AGAINST, FURTHER, SHOWN, TABLE_1, Key
from .sheets import csv_of, tex
from .table import Row
from .texts import MARK, failures_of, pooled_text

DIFFERENCE = ("mean", "low", "high", "p", "p_holm", "family", "cases", "seeds")
NOTE_COLUMN = "p{0.9\\linewidth}"  # of LaTeX: long notes are broken
SCORE = ("method", "fold", "case", "center", "reference")


def table_csv(rows: Sequence[Row]) -> bytes:
    """Serialise the tables with a line for each row, reference and measure."""
    lines = [_line(row, key) for row in rows for key in (*TABLE_1, *FURTHER)]
    return csv_of(list(lines[0]), ([_cell(value) for value in line.values()] for line in lines))


def _line(row: Row, key: Key) -> dict[str, Any]:
    experts, measure = key
    mean, low, high = row.per_case[key]
    return {
        "method": row.method,
        "against": AGAINST[experts],
        "measure": measure,
        "pooled": row.pooled.get(key),
        "paper": row.paper.get(key),
        "case_mean": mean,
        "case_low": low,
        "case_high": high,
        "title": row.title,
        "unit": SHOWN[measure].unit,
        "pooled_sd": row.spread.get(key),
        "cases": row.defined[key],
        "networks": row.networks,
        "seeds": row.seeds,
        "marked": key in row.marked,
    }


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "title": one.title,
        "against": AGAINST[one.experts],
        "measure": one.measure,
        "unit": SHOWN[one.measure].unit,
        **{name: getattr(one, name) for name in DIFFERENCE},
    }


def differences_csv(rows: Sequence[Row]) -> bytes:
    """Serialise the differences to STAPLE, a line each."""
    lines = [[_cell(value) for value in _difference(one).values()] for row in rows for one in row.differences]
    return csv_of(("title", "against", "measure", "unit", *DIFFERENCE), lines)


def metrics_csv(entries: Sequence[Entry]) -> bytes:
    """Serialise all scores; several rows of a method, or seeds, are told apart by title and seed."""
    measures = [item.name for item in fields(Evaluation)]
    lines = (
        [
            *(getattr(score, name) for name in SCORE),
            *(getattr(score.evaluation, name) for name in measures),
            entry.title,
            seed,
        ]
        for entry in entries
        for seed, run in entry.by_seed.items()
        for score in run.scores
    )
    return csv_of([*SCORE, *measures, "title", "seed"], lines)


def calibration_csv(entries: Sequence[Entry]) -> bytes:
    """Serialise each prediction's Brier score and calibration error, as fractions."""
    lines = (
        [entry.title, seed, case, repr(one.brier), repr(one.ece)]
        for entry in entries
        for seed, run in entry.by_seed.items()
        for (_, case), one in run.reliability.items()
    )
    return csv_of(("title", "seed", "case", "brier", "ece"), lines)


def facts_of(rows: Sequence[Row], out: Path, notes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the tables as plain data, for JSON, with ``notes`` of how the runs came about."""
    return {
        "folder": recorded(out),
        "table": [_plain(_line(row, key)) for row in rows for key in (*TABLE_1, *FURTHER)],
        "differences": [_plain(_difference(one)) for row in rows for one in row.differences],
        "failures": failures_of(rows),
        "about": list(rows[0].about) if rows else [],
        "notes": list(notes),
    }


def _plain(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line with null for nan."""
    return {name: None if _is_nan(value) else value for name, value in line.items()}


def _cell(value: Any) -> Any:
    if value is None or _is_nan(value):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def latex(rows: Sequence[Row], about: Sequence[str]) -> str:
    """Return Table 1 for a paper, with the published values in brackets."""
    body = "".join(f"{_tex_line(row)} \\\\\n" for row in rows)
    notes = "".join(f"% {tex(line)}\n" for line in about)
    marks = "".join(
        f"\\multicolumn{{8}}{{{NOTE_COLUMN}}}{{\\footnotesize {tex(MARK)} {tex(line)}}} \\\\\n"
        for line in failures_of(rows)
    )
    return (
        f"{notes}% Dice, precision, recall in percent{'; mean and standard deviation over the seeds' * _several(rows)}.\n"
        "% In brackets: Kats et al., MICCAI 2019, Table 1, one run on MSSEG-2016. n: cases / networks / seeds.\n"
        "\\begin{tabular}{lrrrrrrr}\n\\hline\n"
        " & \\multicolumn{3}{c}{experts} & \\multicolumn{3}{c}{STAPLE} & \\\\\n"
        f" & {' & '.join(['Dice', 'Pre', 'Rec'] * 2)} & n \\\\\n\\hline\n{body}\\hline\n{marks}\\end{{tabular}}\n"
    )


def _several(rows: Sequence[Row]) -> bool:
    return any(row.seeds > 1 for row in rows)


def _tex_line(row: Row) -> str:
    paper = {key: f" ({value:.1f})" for key, value in row.paper.items()}
    cells = [tex(pooled_text(row, key)) + paper.get(key, "") for key in TABLE_1]
    return " & ".join([tex(row.title), *cells, row.n])
