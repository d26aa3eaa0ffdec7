"""STAPLE with three classes over several cases: raters' rates are shared, and how much there is of each class is a case's own.

The equations are those of the core's EM with three classes; only the shares differ from case to case.

    r    p(class | votes) of an entry        p_k   p(mark of a rater | class k)      ρ_ck   share of class k in case c
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...errors import said
from ..backends import core
from ..bootstrap import of_voters, percentiles
from ..estimate import Estimate
from ..intervals import Intervals
from ..messages import complaint_about_table
from ..option_checks import FEWEST_OF_CLASSES
from ..options import Options
from ..registry import Method, method_called
from ..vote_table import VoteTable
from .estimate import (
    PooledEstimate,
    Tables,
    aligned_tables,
    check_known,
    place_of_case,
    remarks_on_rates,
    who_reads,
)
from .rows import CaseRows, Values, settled
from .samples import draws

FOREGROUND = np.array([0.0, 0.5, 1.0])  # how much of a class is foreground
FIRST_MARKS = np.array([0.02, 0.485, 0.95])
FIRST_SHARES = np.array([0.8, 0.33, 0.33]) / (0.8 + 0.33 + 0.33)
ADDED = 0.5  # to every count


@dataclass(frozen=True, eq=False)
class Marks:
    """p(mark | class) of each rater, shape (m, 3), and p(no mark | class)."""

    yes: Values
    no: Values


@dataclass(frozen=True, eq=False)
class ClassFit:
    """Where EM ended; ``shares``: of each case, shape (cases, 3)."""

    marks: Marks
    shares: Values
    log_likelihood: list[float]
    converged: bool


@dataclass(frozen=True, eq=False, repr=False)
class PooledClassEstimate(PooledEstimate):
    """Raters' performance over several cases by STAPLE with three classes, each case with its shares of them.

    ``sensitivity`` and ``specificity`` are those over all voxels. Those of one case depend on how much border it has.

    Attributes
    ----------
    shares : ndarray of float64, shape (cases, 3)
        p(class) in each case before any vote, from background to foreground.
    """

    shares: Values
    _marks: Marks = field(repr=False)

    def of(self, case: str) -> Estimate:
        """Return the estimate for one of the cases: the shared rates, and its shares."""
        return self.at_shares(self.shares[place_of_case(case, self.cases)])

    def on(self, table: VoteTable) -> Estimate:
        """Return the estimate for another case: the shared rates, and the shares that its votes tell."""
        check_known(table.names, self.names)
        rows = CaseRows.of([table.of_raters(self.names)])

        def step(shares: Values) -> Values:
            return _next_shares(rows, _posterior(rows, self._marks, shares)[0])

        options = self._options
        return self.at_shares(settled(step, FIRST_SHARES[None], options.tol, options.max_iter)[0])

    def at_shares(self, shares: Values) -> Estimate:
        """Return the shared rates with the shares of a case."""
        method, rates = method_called(self.method), rates_at(self._marks, shares)
        known, prior = np.isfinite(self.sensitivity), float(shares @ FOREGROUND)
        latent = {
            "marks": self._marks.yes.tolist(),
            "no_marks": self._marks.no.tolist(),
            "shares": shares.tolist(),
        }
        in_core = core.whole_rates(
            rates[0], rates[2], rates[1], rates[3], prior=prior, method=method.core, latent=latent
        )
        return self._estimate(
            in_core, np.where(known, rates[0], np.nan), np.where(known, rates[2], np.nan), prior
        )


def rates_at(marks: Marks, shares: Values) -> tuple[Values, Values, Values, Values]:
    """Return sensitivity, 1 - it, specificity and 1 - it, where classes have these shares."""
    inside, outside = shares * FOREGROUND, shares * (1 - FOREGROUND)
    inside, outside = inside / inside.sum(), outside / outside.sum()
    return marks.yes @ inside, marks.no @ inside, marks.no @ outside, marks.yes @ outside


def pool_classes(tables: Tables, method: Method, options: Options) -> tuple[PooledClassEstimate, list[str]]:
    """Return shared rates with the shares of each case, and what makes them doubtful.

    Raises
    ------
    ValueError
        For the votes of fewer than four raters, and where nobody marks anything, or everybody everything.
    """
    cases, aligned = aligned_tables(tables)
    rows, read = CaseRows.of(aligned), who_reads(aligned)
    if np.count_nonzero(read) < FEWEST_OF_CLASSES:
        raise ValueError(said(complaint_about_table("too_few_for_classes", float(np.count_nonzero(read)))))
    marked = rows.mean_vote[rows.row]
    if not marked.any() or (marked == 1).all():
        raise ValueError(
            "all raters agree that there is nothing, or nothing but foreground: there are no shares of a case to estimate; give "
            "priors='shared'"
        )
    found = fit(rows, options)
    voxels = rows.by_case(rows.count)
    rates = rates_at(found.marks, voxels @ found.shares / voxels.sum())
    made = PooledClassEstimate(
        names=aligned[0].names,
        cases=cases,
        sensitivity=np.where(read, rates[0], np.nan),
        specificity=np.where(read, rates[2], np.nan),
        prior=found.shares @ FOREGROUND,
        priors="own",
        log_likelihood=np.array(found.log_likelihood),
        n_iter=len(found.log_likelihood),
        converged=found.converged,
        method=method.name,
        n_voxels=round(float(voxels.sum())),
        intervals=None if options.intervals == "none" else _intervals(rows, options, read),
        _rates=None,
        _shared=None,
        _options=options,
        shares=found.shares,
        _marks=found.marks,
    )
    return made, remarks_on_rates(made)


def fit(rows: CaseRows, options: Options) -> ClassFit:
    """Run EM from where the core begins."""
    first = np.tile(FIRST_MARKS, (rows.votes.shape[1], 1))
    marks, shares = Marks(first, 1 - first), np.tile(FIRST_SHARES, (rows.cases, 1))
    likelihoods: list[float] = []
    r, _ = _posterior(rows, marks, shares)
    converged = False
    while not converged and len(likelihoods) < options.max_iter:
        shares = _next_shares(rows, r)
        after = _next_marks(rows, r)
        converged = bool(np.abs(after.yes - marks.yes).max() <= options.tol)
        marks = after
        r, value = _posterior(rows, marks, shares)
        likelihoods.append(value)
    return ClassFit(marks, shares, likelihoods, converged)


def _posterior(rows: CaseRows, marks: Marks, shares: Values) -> tuple[Values, float]:
    """Return r of each entry, shape (entries, 3), and the log-likelihood."""
    given = ~rows.missing
    yes, no = np.where(given, rows.votes, 0), np.where(given, 1 - rows.votes, 0)
    logs = np.log(shares)[rows.case] + (yes @ np.log(marks.yes) + no @ np.log(marks.no))[rows.row]
    most = logs.max(axis=1, keepdims=True)
    weight = np.exp(logs - most)
    whole = weight.sum(axis=1, keepdims=True)
    return weight / whole, float((rows.count * (most + np.log(whole))[:, 0]).sum())


def _next_shares(rows: CaseRows, r: Values) -> Values:
    held = np.stack([rows.by_case(rows.count * one) for one in r.T], axis=1) + ADDED
    return np.asarray(held / held.sum(axis=1, keepdims=True))


def _next_marks(rows: CaseRows, r: Values) -> Marks:
    given = ~rows.missing
    held = np.stack([rows.by_row(rows.count * one) for one in r.T], axis=1)
    yes = np.where(given, rows.votes, 0).T @ held + ADDED
    no = np.where(given, 1 - rows.votes, 0).T @ held + ADDED
    return Marks(yes / (yes + no), no / (yes + no))


def _intervals(rows: CaseRows, options: Options, known: NDArray[np.bool_]) -> Intervals:
    """Return percentile intervals over samples of cases; nan of fewer than two, and of raters whom more than 5 % of them lack."""
    if rows.cases < 2:
        return Intervals.undefined("cases", len(known))
    rates, voting = [], rows.voting()
    for weights in draws(rows.cases, options.replicates, options.seed):
        votes, ends = np.asarray(voting[weights > 0].any(axis=0)), None
        if np.count_nonzero(votes) >= FEWEST_OF_CLASSES:
            found = fit(rows.weighted(weights), options)
            voxels = rows.by_case(rows.count) * weights
            sensitivity, _, specificity, _ = rates_at(found.marks, voxels @ found.shares / voxels.sum())
            ends = sensitivity, specificity
        rates.append(of_voters(ends, votes))
    return percentiles("cases", rates, known)
