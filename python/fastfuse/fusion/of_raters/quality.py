"""Quality control of the raters of a cohort, from vote tables alone: who is apart where, who drifts, who is like whom, what each moves."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from ...inputs.names import counted, enumerated
from ..backends.cpu import consensus_of_rows
from ..estimate import estimated
from ..options import Options
from ..pooled.deviation import Deviation
from ..registry import Method
from ..result import Rates
from ..vote_table import VoteTable
from .agreement import of_tables
from .masks import masks_of
from .stranger import Stranger, in_words, overlaps, stranger_in

CUT = 0.5
MOST_WORK = 10_000_000  # votes of patterns in all estimates without one rater
APART = 0.5  # of the usual Dice: below it, a file may be another patient's
FEWEST_ORDERED = 10  # cases, for a drift
RATES = ("sensitivity", "specificity")
ALONG = 0.5  # of a drift: others who move so far in the median move alike
CHANCE = 0.01  # of a drift by chance, over all raters
ALIKE = 0.25  # of the usual distance: two raters nearer than that are too alike


@dataclass(frozen=True, eq=False)
class Quality:
    """What tables tell of a cohort's raters.

    Attributes
    ----------
    names : tuple of m str
    influence : ndarray of shape (m,)
        Voxels whose consensus is another one without the rater, by those that the consensus of all marks; nan if unknown.
    one_more : float
        The same, as expected of one more rater like these.
    dice : ndarray of shape (m, m)
        Of each two, over all cases.
    drift : ndarray of shape (m, 2)
        Rank correlation of sensitivity, and of specificity, with the order of the cases; nan if unknown.
    drift_cases : ndarray of shape (m,)
        Cases over which it is: without those in which nobody marks anything, or everybody everything.
    apart : list of tuple of str, str, float, float
        Case, rater, their median Dice with others there, and their usual one.
    strange : list of tuple of str, str, Stranger
        Case, and rater who overlaps little with every other there, if cases are too few to tell what is usual.
    sound_dice : ndarray of shape (m, m)
        As ``dice``, without raters in cases in which they are apart or strange.
    """

    names: tuple[str, ...]
    influence: Rates
    one_more: float
    dice: Rates
    drift: Rates
    drift_cases: NDArray[np.int64]
    apart: list[tuple[str, str, float, float]]
    strange: list[tuple[str, str, Stranger]]
    sound_dice: Rates

    @property
    def alike(self) -> list[tuple[str, str, float]]:
        """Pairs of raters who are much nearer to each other than raters are, with their Dice."""
        m, dice = len(self.names), self.sound_dice
        pairs = [(i, k) for i in range(m) for k in range(i + 1, m) if not np.isnan(dice[i, k])]
        if len(pairs) < 3:
            return []
        usual = float(np.median([1 - dice[pair] for pair in pairs]))
        near = [pair for pair in pairs if 1 - dice[pair] < ALIKE * usual]
        return [(self.names[i], self.names[k], float(dice[i, k])) for i, k in near]

    @property
    def drifting(self) -> list[tuple[str, str, float, int]]:
        """Raters whose rates move with the order of the cases, what moves, its rank correlation, and over how many cases."""
        tests = int(np.count_nonzero(~np.isnan(self.drift)))
        found = []
        for name, row, cases in zip(self.names, self.drift, self.drift_cases.tolist(), strict=True):
            for what, rho in zip(RATES, row, strict=True):
                if not np.isnan(rho) and _by_chance(rho, cases) * tests < CHANCE:
                    found.append((name, what, float(rho), cases))
        return found

    @property
    def remarks(self) -> list[str]:
        """What to look at."""
        said = [
            f"{case}: {rater} has a Dice of {dice:.2f} with the others, and of {usual:.2f} in other cases: is the file this patient's, "
            "on this grid, neither shifted nor mirrored?"
            for case, rater, dice, usual in self.apart
        ]
        said += [f"{case}: {in_words(rater, found)}" for case, rater, found in self.strange]
        said += [
            f"{one} and {other} are nearer to each other (Dice {dice:.3f}) than raters are (median {self._usual:.3f}): they may not "
            "have read by themselves, and count twice"
            for one, other, dice in self.alike
        ]
        said += self._said_of_drift
        return said

    @property
    def _said_of_drift(self) -> list[str]:
        """Lines on raters who drift; one on what moves in most raters alike, which may be the cases."""
        own, common = [], defaultdict(list)
        for name, what, rho, cases in self.drifting:
            moves = f"{what} {'rises' if rho > 0 else 'falls'} with the order of the cases' names"
            others = np.delete(self.drift[:, RATES.index(what)], self.names.index(name))
            others = others[~np.isnan(others)]
            if len(others) and float(np.median(others)) * np.sign(rho) >= ALONG * abs(rho):
                common[moves].append(name)
                continue
            own.append(
                f"{name}: {moves} (rank correlation {rho:+.2f} over {counted(cases, 'case')}): if they were read in this order, the "
                "rater drifts"
            )
        return own + [
            f"{moves}, and does so in most raters (beyond chance in {enumerated(found)}): the cases may differ along it, as controls and "
            "patients do; if they do not, and were read in this order, the raters drift"
            for moves, found in common.items()
        ]

    @property
    def _usual(self) -> float:
        return float(np.nanmedian(self.sound_dice[np.triu_indices(len(self.names), 1)]))


def quality_of(
    tables: Mapping[str, VoteTable],
    deviations: Mapping[str, Deviation],
    method: Method | None,
    options: Options,
) -> Quality | None:
    """Return what tables of masks tell; None of soft votes, and where there are fewer than three raters.

    ``deviations`` tell the raters' own rates in each case; without any there is no drift, and without a ``method`` no influence.
    Cases come in the order of their names.
    """
    whole = reduce(add, (tables[case] for case in sorted(tables)))
    names = whole.names
    try:
        dice = of_tables(whole, None).dice
    except ValueError:
        return None
    if len(names) < 3:
        return None
    influence, one_more = np.full(len(names), np.nan), math.nan
    if method is not None:
        influence, one_more = _influence(whole, method, options)
    drift, cases = _drift(names, deviations)
    apart, strange = _apart(tables, names), _strange(tables)
    doubtful = {one[:2] for one in apart} | {one[:2] for one in strange}
    sound = _without(tables, doubtful, names) if doubtful else dice
    known = {one[:2] for one in apart}
    others = [one for one in strange if one[:2] not in known]
    return Quality(names, influence, one_more, dice, drift, cases, apart, others, sound)


def _strange(tables: Mapping[str, VoteTable]) -> list[tuple[str, str, Stranger]]:
    """Return who overlaps little with every other in a case in which these agree."""
    found = {case: stranger_in(tables[case]) for case in sorted(tables)}
    return [(case, tables[case].names[one.at], one) for case, one in found.items() if one is not None]


def _without(
    tables: Mapping[str, VoteTable], doubtful: Collection[tuple[str, str]], names: Sequence[str]
) -> Rates:
    """Return the Dice of each two raters over all cases, without raters in cases of which they are doubtful."""
    agreed, sizes = (np.zeros((len(names), len(names))) for _ in range(2))
    for case, table in tables.items():
        patterns, counts = masks_of(table, "agreement")
        keep = [i for i, name in enumerate(table.names) if (case, name) not in doubtful]
        places = [names.index(table.names[i]) for i in keep]
        both, whole = overlaps(patterns[:, keep], counts)
        agreed[np.ix_(places, places)] += both
        sizes[np.ix_(places, places)] += whole
    dice: Rates = np.divide(2 * agreed, sizes, out=np.full(sizes.shape, np.nan), where=sizes > 0)
    return dice


def _influence(whole: VoteTable, method: Method, options: Options) -> tuple[Rates, float]:
    """Return the voxels that change without each rater, and those that one more would change, by those that are marked.

    The mean of k raters moves by about 1/sqrt(k (k - 1)) with the k-th: so that the next one changes sqrt((m - 1)/(m + 1)) of
    what the last one did.
    """
    m = len(whole.names)
    patterns, counts = whole.patterns, whole.counts
    if m * patterns.size > MOST_WORK:
        return np.full(m, np.nan), math.nan
    before = _mask(whole, patterns, method, options)
    marked = float(counts @ before)
    if not marked:
        return np.full(m, np.nan), math.nan
    changed = np.empty(m)
    for i, name in enumerate(whole.names):
        without = _mask(whole.drop(name), np.delete(patterns, i, axis=1), method, options)
        changed[i] = counts @ (before != without) / marked
    return changed, float(changed.mean() * math.sqrt((m - 1) / (m + 1)))


def _mask(table: VoteTable, patterns: Rates, method: Method, options: Options) -> Rates:
    """Return which patterns the consensus of a table's raters marks."""
    plain = replace(options, intervals="none", roi="all", evidence=False)
    rates, _ = estimated(table, method, plain)
    read = ~np.isnan(patterns).all(axis=1)
    mask = np.zeros(len(patterns))
    mask[read] = consensus_of_rows(rates._rates, patterns[read], method, plain) >= CUT
    return mask


def _drift(names: Sequence[str], deviations: Mapping[str, Deviation]) -> tuple[Rates, NDArray[np.int64]]:
    """Return each rater's rank correlations with the order of the cases, and the number of cases.

    Cases in which nobody marks anything tell of no sensitivity, and their specificity, 1, is that of the case.
    """
    drift = np.full((len(names), 2), np.nan)
    own = np.full((len(deviations), len(names), 3), np.nan)
    for place, case in enumerate(sorted(deviations)):
        one = deviations[case]
        at = [names.index(name) for name in one.names]
        own[place, at] = np.stack([one.sensitivity, one.specificity, one.log_ratio], axis=1)
    read = ~np.isnan(own).all(axis=2)
    known = ~np.isnan(own).any(axis=2)
    cases = np.count_nonzero(known, axis=0)
    for i, what in np.ndindex(drift.shape):
        rates = own[known[:, i], i, what]
        if read[:, i].all() and len(rates) >= FEWEST_ORDERED and np.ptp(rates):
            drift[i, what] = np.corrcoef(np.arange(len(rates)), _ranks(rates))[0, 1]
    return drift, cases


def _ranks(values: Rates) -> Rates:
    """Return ranks; the mean of them where values are the same."""
    below = (values[:, None] > values).sum(axis=1)
    return np.asarray(below + ((values[:, None] == values).sum(axis=1) - 1) / 2)


def _by_chance(rho: float, cases: int) -> float:
    """Return the chance of such a rank correlation, or a larger one of either sign, by the normal law."""
    return math.erfc(abs(rho) * math.sqrt((cases - 1) / 2))


def _apart(tables: Mapping[str, VoteTable], names: Sequence[str]) -> list[tuple[str, str, float, float]]:
    """Return who is far from the others in a case in which these agree, and was near them elsewhere."""
    median, others = (np.full((len(tables), len(names)), np.nan) for _ in range(2))
    for place, case in enumerate(sorted(tables)):
        try:
            found = of_tables(tables[case], None)
        except ValueError:  # one rater
            continue
        dice = found.dice.copy()
        np.fill_diagonal(dice, np.nan)
        for i, name in enumerate(found.names):
            rest = np.delete(np.delete(dice, i, axis=0), i, axis=1)
            if not np.isnan(dice[i]).all() and not np.isnan(rest).all():
                median[place, names.index(name)] = np.nanmedian(dice[i])
                others[place, names.index(name)] = np.nanmedian(rest)
    told = []
    for i, name in enumerate(names):
        known = ~np.isnan(median[:, i])
        if np.count_nonzero(known) < 3:
            continue
        usual, of_others = float(np.median(median[known, i])), float(np.median(others[known, i]))
        for place, case in enumerate(sorted(tables)):
            if median[place, i] < APART * usual and others[place, i] > APART * of_others:
                told.append((case, name, float(median[place, i]), usual))
    return told
