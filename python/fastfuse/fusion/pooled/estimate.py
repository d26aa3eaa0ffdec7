"""Raters' rates that several cases share, with a prior of each case."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...inputs.names import counted, enumerated, quoted, told
from ...inputs.raters import remarks_on_same_votes
from ...inputs.threads import remarks_on_threads
from ..backends import core
from ..backends.found import CoreEstimate
from ..bootstrap import AWAY, for_raters, of_voters, percentiles
from ..diagnostics import NOWHERE
from ..doubts.copies import same_in_table
from ..estimate import Estimate, estimated
from ..intervals import Intervals, shown_rates
from ..masses.table import MassTable, weights_of
from ..options import Options
from ..registry import Method, method_called
from ..table_checks import names_of_both
from ..vote_table import VoteTable
from .em import Fit, Problem, fit, fit_near, mean_priors, prior_given, told_at
from .rates import EPSILON, Rates, rates_in_core
from .rows import Values
from .samples import OverCases, draws

Tables = Mapping[str, VoteTable]
UNKNOWN = 0.9  # where EM begins for raters of whom nothing is known


@dataclass(frozen=True, eq=False)
class PooledEstimate:
    """Raters' performance over several cases, found by :func:`pool`.

    Attributes
    ----------
    names : tuple of m str
        What the raters are called, sorted.
    cases : tuple of str
        Names of the cases, sorted.
    sensitivity, specificity : ndarray of float64, shape (m,)
        p(vote 1 | truth 1) and p(vote 0 | truth 0) of each rater over all cases; nan where they are not defined.
    prior : ndarray of float64, shape (cases,)
        p(truth 1) in each case before any vote; the same in all where it is shared.
    priors : {"own", "shared"}
        Whether each case has its own.
    log_likelihood : ndarray of float64, shape (n_iter,)
        Of all votes, in nats, after each M-step.
    n_iter : int
    converged : bool
    method : str
    n_voxels : int
        Of all cases, on which somebody votes.
    intervals : Intervals or None
        By a bootstrap over cases; None if they were not asked for.
    """

    names: tuple[str, ...]
    cases: tuple[str, ...]
    sensitivity: Values
    specificity: Values
    prior: Values
    priors: str
    log_likelihood: Values
    n_iter: int
    converged: bool
    method: str
    n_voxels: int
    intervals: Intervals | None
    _rates: Rates | None = field(repr=False)  # of priors of each case
    _shared: Estimate | None = field(repr=False)
    _options: Options = field(repr=False)
    _by_masses: bool = field(default=False, repr=False, kw_only=True)  # of votes that do not repeat
    _untold: NDArray[np.bool_] | None = field(default=None, repr=False, kw_only=True)  # whose rates are 0/0

    def of(self, case: str) -> Estimate:
        """Return the estimate for one of the cases: the shared rates, and its prior.

        Raises
        ------
        ValueError
            If there is no such case.
        """
        return self.at_prior(float(self.prior[place_of_case(case, self.cases)]))

    def on(self, table: VoteTable) -> Estimate:
        """Return the estimate for another case: the shared rates, and the prior that its votes tell.

        Parameters
        ----------
        table : VoteTable
            Of some of the same raters.

        Raises
        ------
        ValueError
            For raters whom no case of the pool has.
        """
        check_known(table.names, self.names)
        if self.priors == "shared":
            return self.at_prior(float(self.prior[0]))
        assert self._rates is not None
        method = method_called(self.method)
        problem = Problem.of_tables([table.of_raters(self.names)], method, self._options)
        return self.at_prior(prior_given(problem, self._rates))

    def at_prior(self, prior: float) -> Estimate:
        """Return the shared rates with a prior; of a shared prior, with that."""
        if self._shared is not None:
            return self._shared
        assert self._rates is not None
        method = method_called(self.method)
        rates = rates_in_core(self._rates, prior, method, self._options, by_masses=self._by_masses)
        return self._estimate(rates, self.sensitivity, self.specificity, prior)

    def _estimate(
        self,
        rates: CoreEstimate,
        sensitivity: NDArray[np.float64],
        specificity: NDArray[np.float64],
        prior: float,
    ) -> Estimate:
        """Return the estimate of one case, whose rates these are."""
        return Estimate(
            sensitivity=sensitivity,
            specificity=specificity,
            prior=prior,
            log_likelihood=self.log_likelihood,
            n_iter=self.n_iter,
            converged=self.converged,
            method=self.method,
            names=self.names,
            n_voxels=self.n_voxels,
            intervals=self.intervals,
            _rates=rates,
            _options=self._options,
            _untold=self._untold,
        )

    def __repr__(self) -> str:
        state = "converged" if self.converged else "not converged"
        width = max(map(len, self.names))
        title = f"{self.method}, {counted(len(self.names), 'rater')}, {counted(len(self.cases), 'case')}"
        lines = [
            f"PooledEstimate({title}, {self.priors} priors, {counted(self.n_iter, 'iteration')}, {state})"
        ]
        lines.append(f"  {'':{width}}  sensitivity  specificity")
        for name, one, zero in zip(self.names, *shown_rates(self).values(), strict=True):
            lines.append(f"  {name:{width}}  {one:>11.4f}  {zero:>11.4f}")
        return "\n".join(lines)


def place_of_case(case: str, cases: tuple[str, ...]) -> int:
    """Return a case's place among those that were pooled; refuse another one."""
    place = bisect_left(cases, str(case))  # they are sorted, and may be a million
    if cases[place : place + 1] != (case,):
        raise ValueError(
            f"there is no case {quoted(case)} among those that were pooled: give its table to on()"
        )
    return place


def check_known(names: Sequence[str], known: Sequence[str]) -> None:
    """Refuse raters of whom an estimate knows nothing."""
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"the estimate is of {enumerated(known)}, and knows nothing of {enumerated(unknown)}: pool the cases that they read"
        )


def aligned_tables(tables: Tables) -> tuple[tuple[str, ...], list[VoteTable]]:
    """Return the names of the cases, sorted, and their tables with all raters."""
    cases = tuple(sorted(tables))
    names: Sequence[str] = tables[cases[0]].names
    for case in cases[1:]:
        names = names_of_both(names, tables[case].names)
    return cases, [tables[case].of_raters(names) for case in cases]


def pool_shared(tables: Tables, method: Method, options: Options) -> tuple[PooledEstimate, list[str]]:
    """Return the estimate from the sum of the tables of votes, and what makes it doubtful."""
    cases, aligned = aligned_tables(tables)
    whole = sum(aligned[1:], aligned[0])
    over_cases = None
    if options.intervals != "none":
        rows = [np.where(np.isnan(table.patterns), -1, table.patterns) for table in aligned]
        over_cases = OverCases(rows, [table.counts for table in aligned], options.replicates, options.seed)
    found, remarks = estimated(whole, method, options, over_cases=over_cases)
    made = PooledEstimate(
        names=found.names,
        cases=cases,
        sensitivity=found.sensitivity,
        specificity=found.specificity,
        prior=np.full(len(cases), found.prior),
        priors="shared",
        log_likelihood=found.log_likelihood,
        n_iter=found.n_iter,
        converged=found.converged,
        method=method.name,
        n_voxels=found.n_voxels,
        intervals=found.intervals,
        _rates=None,
        _shared=found,
        _options=options,
        _untold=found._untold,
    )
    return made, remarks


def pool_rows(
    tables: Tables, method: Method, options: Options, start: PooledEstimate | None, *, own: bool
) -> tuple[PooledEstimate, list[str]]:
    """Return shared rates with the prior of each case, or one, and what makes them doubtful."""
    cases, aligned = aligned_tables(tables)
    problem, names = (
        Problem.of_tables(aligned if own else [sum(aligned[1:], aligned[0])], method, options),
        aligned[0].names,
    )
    marked = problem.given.mean_vote[problem.given.row]
    if not len(marked) or not marked.any() or (marked == 1).all():
        return pool_shared(tables, method, options)  # nothing to estimate, which it says
    if start is None:
        found = fit(problem)
    else:
        found = fit_near(problem, _begin(start, names, cases if own else ("",), problem))
    read = who_reads(aligned)
    intervals = None
    if options.intervals != "none":
        by_case = problem if own else Problem.of_tables(aligned, method, options)
        intervals = _intervals(by_case, found, options, read & told_at(problem, found))
    made, remarks = of_fit(found, problem, names, cases, read, method, own=own, intervals=intervals)
    return made, remarks_on_copies(aligned) + remarks


def remarks_on_copies(tables: Sequence[VoteTable]) -> list[str]:
    """Say who hold the same votes in all cases, of votes that repeat."""
    if any(isinstance(table, MassTable) for table in tables):
        return []
    names = tables[0].names
    in_each = [same_in_table(table, range(len(names))) for table in tables]
    marks = sum(np.nansum(table.patterns * table.counts[:, None], axis=0) for table in tables)
    return remarks_on_same_votes(
        np.asarray(marks).tolist(), lambda one, other: all(same(one, other) for same in in_each), names
    )


def of_fit(
    found: Fit, problem: Problem, names: tuple[str, ...], cases: tuple[str, ...], read: NDArray[np.bool_], method: Method,
    *, own: bool = True, intervals: Intervals | None = None,
) -> tuple[PooledEstimate, list[str]]:  # fmt: skip
    """Return the estimate that EM ended at, and what makes it doubtful; ``read``: who votes in any case."""
    known = told_at(problem, found)
    rates = [np.where(read, rate, np.nan) for rate in (found.rates.sensitivity, found.rates.specificity)]
    made = PooledEstimate(
        names=names,
        cases=cases,
        sensitivity=rates[0],
        specificity=rates[1],
        prior=found.prior if own else np.full(len(cases), found.prior[0]),
        priors="own" if own else "shared",
        log_likelihood=np.array(found.log_likelihood),
        n_iter=len(found.log_likelihood),
        converged=found.converged,
        method=method.name,
        n_voxels=round(float(problem.given.count.sum())),
        intervals=intervals,
        _rates=found.rates,
        _shared=None,
        _options=problem.options,
        _by_masses=problem.given.moment is not None,
        _untold=for_raters(read & ~known, problem.options, range(len(names)), len(names)),
    )
    return made, remarks_on_rates(made, read & ~known[0] if known[0].any() else None)


def start_rates(start: Estimate, names: Sequence[str]) -> CoreEstimate:
    """Return the rates of an earlier estimate for these raters; who is new begins at the mean of the others."""
    rates = [_for_names(one, start.names, names) for one in (start.sensitivity, start.specificity)]
    return core.rates_of(rates[0], rates[1], start.prior, method_called(start.method).core)


def _for_names(rate: Values, before: Sequence[str], names: Sequence[str]) -> Values:
    known = {name: value for name, value in zip(before, rate.tolist(), strict=True) if np.isfinite(value)}
    usual = float(np.mean(list(known.values()))) if known else UNKNOWN
    return np.array([min(max(known.get(name, usual), EPSILON), 1 - EPSILON) for name in names])


def _begin(
    start: PooledEstimate, names: Sequence[str], cases: Sequence[str], problem: Problem
) -> tuple[Rates, Values]:
    """Return where EM begins: the earlier rates, and the priors of the cases that were there."""
    one, zero = (_for_names(rate, start.names, names) for rate in (start.sensitivity, start.specificity))
    before = dict(zip(start.cases, start.prior.tolist(), strict=True)) | {"": float(start.prior[0])}
    priors = mean_priors(problem.given).tolist()
    prior = np.array([before.get(case, mean) for case, mean in zip(cases, priors, strict=True)])
    return Rates(one, 1 - one, zero, 1 - zero), prior


def who_reads(tables: Sequence[VoteTable]) -> NDArray[np.bool_]:
    """Tell which raters vote in any case."""
    voting = [(~np.isnan(one.patterns) & (weights_of(one) > 0)[:, None]).any(axis=0) for one in tables]
    return np.asarray(np.any(voting, axis=0))


def _intervals(problem: Problem, found: Fit, options: Options, known: NDArray[np.bool_]) -> Intervals:
    """Return percentile intervals over samples of cases; nan of fewer than two cases, or raters, and of who is lacking in more than 5 % of them.

    ``known``: for which rates of which raters, shape (2, m).
    """
    cases = problem.given.cases
    if cases < 2 or np.count_nonzero(known.any(axis=0)) < 2:
        return Intervals.undefined("cases", known.shape[-1])
    one, zero = (np.clip(rate, AWAY, 1 - AWAY) for rate in (found.rates.sensitivity, found.rates.specificity))
    start = Rates(one, 1 - one, zero, 1 - zero), found.prior
    rates, voting = [], problem.given.voting_where()
    for weights in draws(cases, options.replicates, options.seed):
        votes, ends = np.asarray(voting[:, weights > 0].any(axis=1)), None
        if np.count_nonzero(votes.any(axis=0)) >= 2:
            drawn = fit(problem.weighted(weights), start).rates
            ends = drawn.sensitivity, drawn.specificity
        rates.append(of_voters(ends, votes))
    return percentiles("cases", rates, known)


def remarks_on_rates(made: PooledEstimate, untold: NDArray[np.bool_] | None = None) -> list[str]:
    """Say what makes rates over cases doubtful; ``untold``: of whom nothing tells the sensitivity."""
    remarks = []
    silent = [name for name, rate in zip(made.names, made.sensitivity, strict=True) if np.isnan(rate)]
    if silent:
        remarks.append(told(silent, "has no vote in any case", "have no vote in any case"))
    worse = made.sensitivity + made.specificity < 1
    if untold is not None and untold.any():
        worse = worse & ~untold
        names = [name for name, one in zip(made.names, untold, strict=True) if one]
        remarks.append(told(names, f"reads{NOWHERE}", f"read{NOWHERE}"))
    if worse.any():
        names = [name for name, bad in zip(made.names, worse, strict=True) if bad]
        remarks.append(
            told(names, "comes out as worse than chance", "come out as worse than chance")
            + ": look at their files, or at what foreground is there"
        )
    if not made.converged:
        remarks.append(f"stopped at max_iter = {made.n_iter} before convergence: give a larger max_iter")
    return remarks + remarks_on_threads()
