"""Table 1, the paper's and ours: Dice, precision and recall against the experts and against STAPLE, in percent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .differences import Difference, differences_of
from .entries import TITLES, Entry, known_failures
from .failures import Note, noted
from .measures import FURTHER, SHOWN, TABLE_1, Key
from .resampling import two_way_interval
from .scores import paper_measures

PAPER = {
    "staple": ((54.3, 53.3, 60.4), (58.3, 67.1, 53.0)),
    "dilated-staple": ((52.2, 51.9, 59.3), (56.0, 65.1, 51.6)),
    "soft-staple": ((56.1, 53.8, 64.0), (60.1, 67.5, 55.7)),
    "simplified-soft-staple": ((55.0, 54.3, 60.9), (59.0, 68.4, 53.4)),
}
"""Kats, Goldberger, Greenspan, MICCAI 2019, Table 1: (experts, STAPLE), each (Dice, precision, recall), MSSEG-2016."""


@dataclass(frozen=True)
class Row:
    """One method's scores against the experts and against STAPLE, in percent or mm.

    Attributes
    ----------
    title, method : str
        The title names the target if it is not the method's usual one.
    pooled : dict of (experts, measure) to float
        As in the paper: over the voxels of a fold's cases together, then the mean over folds, then over seeds.
    spread : dict of (experts, measure) to float
        Standard deviation of the pooled values over the seeds; nan for one seed.
    per_case : dict of (experts, measure) to (mean, low, high)
        Mean over cases and seeds, with a 95 % interval, which is nan below two cases.
    defined : dict of (experts, measure) to int
        Number of cases in ``per_case``.
    marked : set of (experts, measure)
        Values of which folds are missing, or to which a failed network contributes.
    cases, networks, seeds : int
        Numbers of cases with a prediction, of networks that made them, and of seeds.
    failures : list of Note
        What failed, and what was left out of which mean.
    differences : list of Difference
        To STAPLE; empty for STAPLE itself, and in tables without it.
    about : sequence of str
        Captions of the table: cases, options, and how masks are made.
    """

    title: str
    method: str
    pooled: dict[Key, float]
    spread: dict[Key, float]
    per_case: dict[Key, tuple[float, float, float]]
    defined: dict[Key, int]
    marked: set[Key]
    cases: int
    networks: int
    seeds: int
    failures: list[Note]
    differences: list[Difference]
    about: Sequence[str] = ()

    @property
    def paper(self) -> dict[Key, float]:
        """The published values; none for another method or target than the paper's, or other networks."""
        if self.method not in PAPER or self.title.partition(" (")[0] != TITLES[self.method]:
            return {}
        return dict(zip(TABLE_1, (value for part in PAPER[self.method] for value in part), strict=True))

    @property
    def n(self) -> str:
        """Numbers of cases, networks and seeds."""
        return f"{self.cases} / {self.networks} / {self.seeds}"


def rows_of(entries: Sequence[Entry]) -> list[Row]:
    """Return a row for each entry."""
    found = differences_of(entries)
    return [_row(entry, [one for one in found if one.title == entry.title]) for entry in entries]


def _row(entry: Entry, differences: list[Difference]) -> Row:
    pooled, missing = _pooled(entry)
    failed = known_failures(entry)
    notes = [*noted(failed, seeds=len(entry.by_seed) > 1), *_undefined(entry, missing)]
    per_case, defined = _per_case(entry)
    networks = {(seed, score.fold) for seed, run in entry.by_seed.items() for score in run.scores}
    everything = {*TABLE_1, *FURTHER}
    return Row(
        entry.title,
        entry.method,
        {key: _mean(values) for key, values in pooled.items()},
        {key: _spread(values) for key, values in pooled.items()},
        per_case,
        defined,
        everything if failed else {key for key, folds in missing.items() if folds},
        len({score.case for run in entry.by_seed.values() for score in run.scores}),
        len(networks),
        len(entry.by_seed),
        notes,
        differences,
    )


def _pooled(entry: Entry) -> tuple[dict[Key, list[float]], dict[Key, list[str]]]:
    """Return each measure's values by seed, in percent, and the folds that are not in its mean, as text."""
    found: dict[Key, list[float]] = {key: [] for key in TABLE_1}
    missing: dict[Key, list[str]] = {key: [] for key in TABLE_1}
    for seed, run in entry.by_seed.items():
        for experts in (True, False):
            for measure, (value, folds) in paper_measures(run.scores, experts).items():
                found[experts, measure].append(100 * value)
                if folds < len(run.folds):
                    missing[experts, measure].append(f"{folds} of {len(run.folds)} (seed {seed})")
    return found, missing


def _undefined(entry: Entry, missing: dict[Key, list[str]]) -> list[Note]:
    """Return what is left out where no network failed, as the recall of folds without any lesion."""
    if known_failures(entry):
        return []
    return [
        Note(
            f"{SHOWN[measure].name} against {'the experts' if experts else 'STAPLE'}",
            f"undefined in some folds, mean of {', '.join(folds)}",
        )
        for (experts, measure), folds in missing.items()
        if folds
    ]


def _per_case(entry: Entry) -> tuple[dict[Key, tuple[float, float, float]], dict[Key, int]]:
    """Return the mean over cases and seeds with its interval, and the number of cases in it."""
    means: dict[Key, tuple[float, float, float]] = {}
    counts: dict[Key, int] = {}
    for key in (*TABLE_1, *FURTHER):
        values = SHOWN[key[1]].scale * entry.values(key)
        low, high = two_way_interval(values)
        means[key] = _mean(values.ravel().tolist()), low, high
        counts[key] = int((~np.isnan(values)).any(axis=0).sum())
    return means, counts


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return float(np.mean(defined)) if defined else math.nan


def _spread(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return float(np.std(defined, ddof=1)) if len(defined) > 1 else math.nan
