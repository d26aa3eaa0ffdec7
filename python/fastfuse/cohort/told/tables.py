"""The tables of a cohort: raters, deviations, cases; and the figure of raters by cases."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...fusion.bootstrap import percentiles
from ...fusion.intervals import Intervals, shown_rates
from ...fusion.labels.estimate import LabelEstimate
from ...fusion.labels.table import LabelTable
from ...fusion.of_raters.agreement import of_tables
from ...fusion.of_raters.of_labels import masks_of_labels, ppv_and_dice, unknown_to, voxels_with_labels
from ...fusion.of_raters.quality import Quality, quality_of
from ...fusion.options import Options
from ...fusion.pooled.deviation import Deviation, deviation, has_rates
from ...fusion.pooled.estimate import PooledEstimate
from ...fusion.pooled.samples import draws
from ...fusion.registry import method_called
from ...fusion.vote_table import VoteTable
from ...images.paths import recorded
from ...images.sidecar import number_or_null
from ...images.written.cells import csv_bytes
from ...inputs.names import told
from ..settings import Settings

Tables = Mapping[str, VoteTable] | Mapping[str, LabelTable]
MOST_IN_A_FIGURE = 400  # cases


@dataclass(frozen=True)
class RaterRow:
    """What the cohort tells of a rater; of label maps, for one label."""

    rater: str
    label: str
    cases: int | None  #: that they read; None where that is not known
    sensitivity: float
    sensitivity_95: tuple[float, float]
    specificity: float
    specificity_95: tuple[float, float]
    ppv: float = math.nan  #: of label maps
    dice: float = math.nan

    def facts(self) -> dict[str, Any]:
        """Return the row as JSON has it."""
        told: tuple[str, ...] = ("ppv", "dice") if self.label else ("specificity", "specificity_95")
        told = ("sensitivity", "sensitivity_95", *told)
        label = {"label": self.label} if self.label else {}
        rates = {name: number_or_null(getattr(self, name)) for name in told}
        return {"rater": self.rater, **label, "cases": self.cases, **rates}


def reads_in(tables: Tables) -> dict[str, int | None]:
    """Return how many cases each rater read."""
    return dict(Counter(name for table in tables.values() for name in table.names))


def rater_rows(
    estimate: PooledEstimate | LabelEstimate, read: Mapping[str, int | None], tables: Tables
) -> list[RaterRow]:
    """Return a row for each rater, or for each rater and label; ``read``: how many cases each one read, None if not known.

    ``tables``: of the cases, or their sum.
    """
    unknown = np.full((len(estimate.names), 2), np.nan)
    if isinstance(estimate, LabelEstimate):
        ends = None if estimate.intervals is None else estimate.intervals.sensitivity
        called = estimate.label_names or tuple(map(str, estimate.labels))
        of_labels = {case: table for case, table in tables.items() if isinstance(table, LabelTable)}
        ppv, dice = ppv_and_dice(estimate, of_labels)
        return [
            RaterRow(
                name, called[k], read[name], float(estimate.sensitivity[i, k]), _pair(unknown[i] if ends is None else ends[i, k]),
                np.nan, (np.nan, np.nan), float(ppv[i, k]), float(dice[i, k]),
            )
            for i, name in enumerate(estimate.names)
            for k in range(len(called))
        ]  # fmt: skip
    intervals = estimate.intervals
    one, zero = (unknown, unknown) if intervals is None else (intervals.sensitivity, intervals.specificity)
    rates = zip(estimate.names, *(each.tolist() for each in shown_rates(estimate).values()), strict=True)
    return [
        RaterRow(name, "", read[name], sensitivity, _pair(one[i]), specificity, _pair(zero[i]))
        for i, (name, sensitivity, specificity) in enumerate(rates)
    ]


def rows_of_sidecars(sidecars: Mapping[str, Any], replicates: int, seed: int) -> list[RaterRow]:
    """Return the mean over cases of each rater's rates in them, with a bootstrap over cases."""
    names = sorted({rater["name"] for facts in sidecars.values() for rater in facts["raters"]})
    rates = np.full((len(sidecars), 2, len(names)), np.nan)
    read = dict.fromkeys(names, 0)
    for place, facts in enumerate(sidecars.values()):
        for rater in facts["raters"]:
            read[rater["name"]] += 1
            if "sensitivity" in rater:
                at = names.index(rater["name"])
                rates[place, :, at] = [
                    np.nan if rater[what] is None else rater[what] for what in ("sensitivity", "specificity")
                ]
    known = ~np.isnan(rates)
    filled = np.where(known, rates, 0)
    with np.errstate(invalid="ignore"):
        means = filled.sum(axis=0) / known.sum(axis=0)
        found = []
        for weights in draws(len(rates), replicates, seed):
            drawn = weights[:, None, None]
            found.append((filled * drawn).sum(axis=0) / (known * drawn).sum(axis=0))
    intervals = (
        percentiles("cases", found, known.sum(axis=0) >= 2)
        if len(rates) > 1
        else Intervals.undefined("cases", len(names))
    )
    return [
        RaterRow(
            name, "", read[name], float(means[0, i]), _pair(intervals.sensitivity[i]), float(means[1, i]), _pair(intervals.specificity[i])
        )
        for i, name in enumerate(names)
    ]  # fmt: skip


def said_of_intervals(rows: Sequence[RaterRow]) -> list[str]:
    """Say of whom there are no intervals over cases, but where there is one case alone."""
    known = [row for row in rows if not math.isnan(row.sensitivity)]
    lacking = [row.rater for row in known if math.isnan(row.sensitivity_95[0])]
    if not lacking or max(row.cases or 0 for row in known) < 2:  # perhaps of one case
        return []
    what = "no rate in more than 5 % of the bootstrap's samples of cases: no intervals"
    return [told(lacking, f"has {what}", f"have {what}")]


def deviations_of(estimate: PooledEstimate | LabelEstimate, tables: Tables) -> dict[str, Deviation]:
    """Return how far raters are from themselves in each case; nothing where the method has no such rates."""
    if not isinstance(estimate, PooledEstimate) or not has_rates(estimate.method, estimate._options):
        return {}
    if np.isnan(estimate.sensitivity).all() or np.isnan(estimate.specificity).all():
        return {}
    return {
        case: deviation(table, estimate.of(case))
        for case, table in tables.items()
        if isinstance(table, VoteTable)
    }


def matrix_of(deviations: Mapping[str, Deviation]) -> tuple[list[str], list[str], NDArray[np.float64]]:
    """Return raters, cases, and each one's log-likelihood ratio."""
    if not deviations:
        return [], [], np.empty((0, 0))
    names = list(next(iter(deviations.values())).names)
    return names, list(deviations), np.array([one.log_ratio for one in deviations.values()]).T


def quality_in(
    tables: Tables,
    deviations: Mapping[str, Deviation],
    settings: Settings,
    stacked: Mapping[str, VoteTable],
) -> Quality | None:
    """Return what the tables tell of the raters, of label maps by their Dice alone; None where there are none.

    ``stacked``: of label maps, as :func:`stacked_in` returns them.
    """
    if stacked:
        return quality_of(stacked, {}, None, Options())
    of_masks = {case: table for case, table in tables.items() if isinstance(table, VoteTable)}
    if not of_masks or len(of_masks) < len(tables):
        return None
    method = settings.table_method
    if not has_rates(method.name, settings.fusion_options):
        method, options = method_called("majority"), Options()
    else:
        options = settings.fusion_options
    return quality_of(of_masks, deviations, method, options)


def quality_csv(quality: Quality) -> bytes:
    """Return what is told of each rater."""
    apart = [*(one[:2] for one in quality.apart), *(one[:2] for one in quality.strange)]
    head = (
        "rater",
        "influence",
        "nearest",
        "dice_with_nearest",
        "sensitivity_drift",
        "specificity_drift",
        "cases_apart",
    )
    rows = [
        [
            name, quality.influence[i], *_nearest(quality, i), *quality.drift[i],
            "; ".join(case for case, rater in apart if rater == name),
        ]
        for i, name in enumerate(quality.names)
    ]  # fmt: skip
    return csv_of(head, [*rows, ["(one more)", quality.one_more, "", "", "", "", ""]])


def _nearest(quality: Quality, rater: int) -> tuple[str, float]:
    """Return who is most like a rater, and their Dice; no name for a rater who met nobody, or of whose meetings nothing was marked."""
    met = [i for i, dice in enumerate(quality.dice[rater]) if i != rater and not np.isnan(dice)]
    if not met:
        return "", np.nan
    nearest = max(met, key=lambda other: quality.dice[rater, other])
    return quality.names[nearest], quality.dice[rater, nearest]


def stacked_in(tables: Tables, estimate: PooledEstimate | LabelEstimate | None) -> dict[str, VoteTable]:
    """Return the tables of label maps as masks, one label after the other, without those that raters do not know."""
    if not isinstance(estimate, LabelEstimate):
        return {}
    unknown = unknown_to(estimate)
    return {
        case: masks_of_labels(table, unknown)
        for case, table in tables.items()
        if isinstance(table, LabelTable)
    }


def agreement_csv(
    tables: Tables, prior: Mapping[str, float], stacked: Mapping[str, VoteTable]
) -> dict[str, bytes]:
    """Return how far raters agree in each case, by the name of the file; nothing where there are no tables."""
    if stacked:
        head: tuple[str, ...] = ("case", "voxels", "mean_dice", "conformity", "marked_voxels")
        lines = [
            [case, *_agreement_on_labels(table, stacked[case])]
            for case, table in tables.items()
            if isinstance(table, LabelTable)
        ]
        return {"agreement.csv": csv_of(head, lines)}
    rows = agreement_rows(tables)
    head = (
        "case", "voxels", "mean_dice", "conformity", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1", "prior", "marked_voxels",
    )  # fmt: skip
    lines = [[case, *row, prior.get(case, np.nan), marked] for case, *row, marked in rows]
    return {"agreement.csv": csv_of(head, lines)} if rows else {}


def _agreement_on_labels(table: LabelTable, stacked: VoteTable) -> list[Any]:
    try:
        found = of_tables(stacked, None)
    except ValueError:  # one rater
        return [table.voxels, np.nan, np.nan, np.nan]
    return [table.voxels, found.mean_dice, found.conformity, voxels_with_labels(table)]


def agreement_rows(tables: Tables) -> list[list[Any]]:
    """Return how far raters agree in each case: kappa, alpha and AC1 of what anybody marks, how many voxels that are, and the mean Dice."""
    rows: list[list[Any]] = []
    for case, table in tables.items():
        if not isinstance(table, VoteTable):
            continue
        try:
            found = of_tables(table, None)
        except ValueError:  # one rater, or soft votes
            rows.append([case, table.voxels, *[np.nan] * 6])
            continue
        region = found.region
        rows.append(
            [
                case, table.voxels, found.mean_dice, found.conformity, region.fleiss_kappa, region.krippendorff_alpha,
                region.gwet_ac1, region.n_voxels,
            ]
        )  # fmt: skip
    return rows


def csv_of(head: Iterable[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Return a table as CSV: numbers with all their digits, nothing for nan."""
    return csv_bytes([head, *([_cell(value) for value in row] for row in rows)])


def csvs(
    rows: Sequence[RaterRow],
    deviations: Mapping[str, Deviation],
    tables: Tables,
    prior: Mapping[str, float],
    stacked: Mapping[str, VoteTable],
) -> dict[str, bytes]:
    """Return the tables of a cohort as CSV, by the names of their files."""
    found = {"raters.csv": _raters_csv(rows)}
    found |= agreement_csv(tables, prior, stacked)
    if deviations:
        lines = [
            [case, name, one.log_ratio[i], one.per_voxel[i], one.sensitivity[i], one.specificity[i]]
            for case, one in deviations.items()
            for i, name in enumerate(one.names)
            if not np.isnan([one.log_ratio[i], one.sensitivity[i], one.specificity[i]]).all()  # read
        ]
        found["deviations.csv"] = csv_of(
            ("case", "rater", "log_ratio", "per_voxel", "sensitivity", "specificity"), lines
        )
        names, cases, matrix = matrix_of(deviations)
        found["raters_by_cases.csv"] = csv_of(
            ("rater", *cases), [[name, *row] for name, row in zip(names, matrix, strict=True)]
        )
    return found


def draw(path: Path, deviations: Mapping[str, Deviation]) -> bool:
    """Draw raters by cases; tell whether there was anything to draw, and something to draw with."""
    names, cases, matrix = matrix_of(deviations)
    if not matrix.size or not np.isfinite(matrix).any():
        return False
    try:
        from ...report.plots.diagrams import raters_by_cases
    except ImportError:
        return False
    worst = np.sort(np.argsort(-np.nan_to_num(np.fmax.reduce(matrix)), kind="stable")[:MOST_IN_A_FIGURE])
    raters_by_cases(path, names, [cases[place] for place in worst], matrix[:, worst], overwrite=True)
    return True


def page_of(report: Path | None, facts: dict[str, Any], files: Iterable[Path]) -> dict[Path, bytes]:
    """Return the page with its path, if there is to be one, which ``facts`` then name; ``files`` hold the tables."""
    if report is None:
        return {}
    from ...report.html.cohort import cohort_page

    facts["report"] = recorded(report)
    written = {path.name: path.read_bytes() for path in files if path.suffix == ".csv"}
    return {report: cohort_page(facts, written, "cohort.json")}


def _raters_csv(rows: Sequence[RaterRow]) -> bytes:
    of_labels = any(row.label for row in rows)
    head = [
        "rater",
        *(["label"] if of_labels else []),
        "cases",
        "sensitivity",
        "sensitivity_low",
        "sensitivity_high",
    ]
    head += ["ppv", "dice"] if of_labels else ["specificity", "specificity_low", "specificity_high"]
    lines = []
    for row in rows:
        line = [
            row.rater,
            *([row.label] if of_labels else []),
            row.cases,
            row.sensitivity,
            *row.sensitivity_95,
        ]
        line += [row.ppv, row.dice] if of_labels else [row.specificity, *row.specificity_95]
        lines.append(line)
    return csv_of(head, lines)


def _cell(value: Any) -> Any:
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else repr(float(value))
    return value


def _pair(ends: NDArray[np.float64]) -> tuple[float, float]:
    return float(ends[0]), float(ends[1])
