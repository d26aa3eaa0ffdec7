"""EM over cases that share the raters' rates, and have a prior each.

The equations are those of the core's EM; only π differs from case to case.

    w    p(truth 1 | votes) of an entry            u    1 - w
    θ1   sensitivity, θ0 specificity               π_c  prior of case c
    v1   vote as the M-step sees it, given truth 1; v0 given truth 0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...inputs.checks import check_performance_prior
from ..intervals import LEAST_SEEN
from ..masses.table import MassTable
from ..options import Options
from ..registry import Method
from ..vote_table import VoteTable
from .rates import EPSILON, Rates, extrapolated
from .rows import CaseRows, TooManyTerms, Values, settled

SLOWEST = 0.98  # ratio of two moves of EM, beyond which a jump is a guess
QUICK = 50_000  # votes in all entries, on which EM costs next to nothing
SLACK = 1e-3  # in nats


@dataclass(frozen=True, eq=False)
class Sums:
    """Weighted votes of each rater: true and false positives and negatives."""

    true_positive: Values
    false_negative: Values
    true_negative: Values
    false_positive: Values


@dataclass(frozen=True, eq=False)
class Problem:
    """What EM runs on: votes as they are, rows that it sees, and options.

    Attributes
    ----------
    given : CaseRows
        Patterns of votes; of mass tables, the masses of binary ones.
    rows : CaseRows
        The same; of soft-STAPLE on soft votes, the masses of binary patterns.
    options : Options
    """

    given: CaseRows
    rows: CaseRows
    options: Options

    @classmethod
    def of(cls, given: CaseRows, method: Method, options: Options) -> Problem:
        """Divide soft votes into masses, where the method does."""
        divides = method.name == "soft-staple" and given.is_soft
        return cls(given, given.masses() if divides else given, options)

    @classmethod
    def of_tables(cls, tables: Sequence[VoteTable], method: Method, options: Options) -> Problem:
        """Return the problem of cases with the same raters; of many fractional votes, by the masses of each case."""
        try:
            return cls.of(CaseRows.of(tables), method, options)
        except TooManyTerms:
            return cls.of(CaseRows.of([MassTable.of(table) for table in tables]), method, options)

    def weighted(self, weights: Values) -> Problem:
        """Return the problem of a sample of cases; ``weights``: how often each is drawn."""
        given = self.given.weighted(weights)
        return Problem(given, given if self.rows is self.given else self.rows.weighted(weights), self.options)


@dataclass(frozen=True, eq=False)
class Fit:
    """Where EM ended."""

    rates: Rates
    prior: Values
    log_likelihood: list[float]
    converged: bool


def fit(problem: Problem, start: tuple[Rates, Values] | None = None) -> Fit:
    """Run EM from the mean vote, the rate that ``init`` says, or a start.

    Jumps may lead to a lower maximum than plain EM finds. Where EM costs next to nothing, it runs without them too, and
    the higher end is kept. The paper's M-step climbs nothing on fractional votes.
    """
    run = _Run(problem)
    if problem.options.acceleration != "squarem":
        return run.run(start)
    found = run.run(start, jumps=True)
    climbs = problem.options.m_step == "em" or not (problem.given.is_soft or problem.given.moment is not None)
    if not climbs or len(problem.rows.count) * problem.rows.votes.shape[1] > QUICK:
        return found
    plain = run.run(start)
    return plain if run.reached(plain) > run.reached(found) + SLACK else found


def fit_near(problem: Problem, start: tuple[Rates, Values]) -> Fit:
    """Run EM from a start that is near the end, where each step shrinks what remains by one ratio.

    After every two steps it goes to where that leads (Aitken), and it ends where ``tol`` is more than what remains.
    """
    return _Run(problem).run_near(start)


def prior_given(problem: Problem, rates: Rates) -> float:
    """Return the prior of one case whose raters' rates are known: its mean vote, or EM on the prior alone."""
    rows, options = problem.rows, problem.options
    if isinstance(options.prior, float):
        return options.prior
    prior = mean_priors(problem.given)
    if not len(rows.count):
        return float(prior[0])
    one, zero = (found.sum(axis=1) for found in log_likelihoods(rows, rates))

    def step(prior: Values) -> Values:
        w, _, _ = posterior(rows, prior, one, zero)
        return np.clip(rows.by_case(rows.count * w) / rows.by_case(rows.count), EPSILON, 1 - EPSILON)

    most = options.max_iter if options.prior == "estimate" else 0
    return float(settled(step, prior, options.tol, most)[0])


def mean_priors(rows: CaseRows) -> Values:
    """Return the mean vote of each case, as EM takes it: 0 and 1 are clamped; half of a case without voxels."""
    voxels = rows.by_case(rows.count)
    marked = rows.by_case(rows.count * rows.mean_vote[rows.row])
    with np.errstate(invalid="ignore"):
        return np.where(voxels > 0, np.clip(marked / voxels, EPSILON, 1 - EPSILON), 0.5)


def log_likelihoods(rows: CaseRows, rates: Rates) -> tuple[Values, Values]:
    """Return log p(votes | truth) of each pattern and rater, for truth 1 and truth 0; 0 where the vote is missing."""
    given, q = ~rows.missing, rows.votes
    one = np.log(
        q * rates.sensitivity + (1 - q) * rates.false_negative_rate, where=given, out=np.zeros_like(q)
    )
    zero = np.log(
        q * rates.false_positive_rate + (1 - q) * rates.specificity, where=given, out=np.zeros_like(q)
    )
    return one, zero


def posterior(rows: CaseRows, prior: Values, one: Values, zero: Values) -> tuple[Values, Values, float]:
    """Return w and 1 - w of each entry, eq. (2), and the log-likelihood; ``one``, ``zero``: of each pattern."""
    foreground = np.log(prior)[rows.case] + one[rows.row]
    background = np.log1p(-prior)[rows.case] + zero[rows.row]
    whole = np.logaddexp(foreground, background)
    return (
        np.exp(foreground - whole),
        np.exp(background - whole),
        float(np.sum(rows.count * whole)),
    )


def told_at(problem: Problem, found: Fit) -> NDArray[np.bool_]:
    """Tell whose sensitivity, and specificity, is no 0/0, shape (2, m): the consensus has some there, and somebody votes so."""
    rows = problem.rows
    one, zero = (of_pattern.sum(axis=1) for of_pattern in log_likelihoods(rows, found.rates))
    w, u, _ = posterior(rows, found.prior, one, zero)
    seen = np.stack([rows.count * w, rows.count * u]) @ ~rows.missing[rows.row]
    return np.asarray((seen >= LEAST_SEEN) & problem.given.voting_where().any(axis=1))


@dataclass(frozen=True, eq=False)
class _At:
    """Rates and priors, and what an E-step finds there."""

    rates: Rates
    prior: Values
    sums: Sums
    foreground: Values
    value: float


class _Run:
    """One run of EM."""

    def __init__(self, problem: Problem) -> None:
        self._given, self._rows, self._options = problem.given, problem.rows, problem.options
        self._beta = check_performance_prior(self._options.performance_prior)
        self._by_em = self._options.m_step == "em" and self._rows.is_soft
        self._moment = self._rows.moment if self._options.m_step == "paper" else None
        self._voxels = self._given.by_case(self._given.count)

    def run(self, start: tuple[Rates, Values] | None, *, jumps: bool = False) -> Fit:
        """Iterate until no rate moves by more than ``tol``; with ``jumps`` beyond every two steps."""
        rates, prior, sums = self._begin(start)
        found: list[float] = []
        converged = False
        if sums is None:
            at = self._at(rates, prior)
        else:  # the mean vote belongs to no rates: its step tells nothing of convergence
            at = self._at(self._maximise(sums, rates), prior)
            found.append(at.value)
        while not converged and len(found) < self._options.max_iter:
            alone = not jumps or len(found) + 1 == self._options.max_iter
            ways, converged = self._stepped(at) if alone else self._jumped(at)
            at = ways[-1]
            found += [one.value for one in ways]
        return Fit(at.rates, at.prior, found, converged)

    def reached(self, fit: Fit) -> float:
        """Return the value that EM climbs, where it climbs one."""
        return fit.log_likelihood[-1] + self._log_prior(fit.rates)

    def _at(self, rates: Rates, prior: Values) -> _At:
        return _At(rates, prior, *self._expect(rates, prior))

    def _next(self, at: _At) -> tuple[Rates, Values]:
        return self._maximise(at.sums, at.rates), self._next_prior(at.prior, at.foreground)

    def _stepped(self, at: _At) -> tuple[list[_At], bool]:
        """Return where a step leads, and whether rates have converged."""
        after = self._next(at)
        return [self._at(*after)], at.rates.move(after[0]) <= self._options.tol

    def _jumped(self, first: _At) -> tuple[list[_At], bool]:
        """Take two steps, and a jump beyond them in the place of the second where it serves: SQUAREM, as the core's."""
        (second,), converged = self._stepped(first)
        if converged:
            return [second], True
        third = self._next(second)
        moved = second.rates.move(third[0])
        if moved > self._options.tol:
            ends = ((first.rates, first.prior), (second.rates, second.prior), third)
            beyond = self._at(*extrapolated(ends, with_prior=self._options.prior == "estimate"))
            if self._keeps(beyond, second, moved):
                return [second, beyond], False
        return [second, self._at(*third)], moved <= self._options.tol

    def _keeps(self, beyond: _At, now: _At, moved: float) -> bool:
        """Tell whether a jump serves: what EM climbs must not fall; the paper's next step must be no larger."""
        if self._options.m_step == "em":
            return beyond.value + self._log_prior(beyond.rates) >= now.value + self._log_prior(now.rates)
        return beyond.rates.move(self._maximise(beyond.sums, beyond.rates)) <= moved

    def _log_prior(self, rates: Rates) -> float:
        """Return the log-density of all rates, without its constant."""
        (a1, b1), (a0, b0) = self._beta
        of_one = (a1 - 1) * np.log(rates.sensitivity) + (b1 - 1) * np.log(rates.false_negative_rate)
        of_zero = (a0 - 1) * np.log(rates.specificity) + (b0 - 1) * np.log(rates.false_positive_rate)
        return float((of_one + of_zero).sum())

    def run_near(self, start: tuple[Rates, Values]) -> Fit:
        """Iterate in twos, each with a jump to the limit of its two steps, until no more than ``tol`` remains."""
        rates, prior, _ = self._begin(start)
        found: list[float] = []
        remaining, least = SLOWEST / (1 - SLOWEST), np.inf
        while len(found) + 2 < self._options.max_iter:
            first, middle = self._step(rates, prior)
            moved = rates.move(first)
            if moved > least:  # the jump led astray
                break
            if moved * remaining <= self._options.tol:
                return self._ended(first, middle, found)
            second, last = self._step(first, middle)
            found += [self._expect(first, middle)[2]]
            least = first.move(second)
            ratio = min(least / moved, SLOWEST)
            remaining = ratio / (1 - ratio)
            if least * remaining <= self._options.tol:
                return self._ended(second, last, found)
            rates = first.beyond(second, remaining)
            prior = np.clip(last + remaining * (last - middle), EPSILON, 1 - EPSILON)
            found += [self._expect(second, last)[2]]
        plain = self.run((rates, prior))
        return replace(plain, log_likelihood=[*found, *plain.log_likelihood])

    def _step(self, rates: Rates, prior: Values) -> tuple[Rates, Values]:
        sums, estimated, _ = self._expect(rates, prior)
        return self._maximise(sums, rates), self._next_prior(prior, estimated)

    def _ended(self, rates: Rates, prior: Values, found: list[float]) -> Fit:
        return Fit(rates, prior, [*found, self._expect(rates, prior)[2]], True)

    def _begin(self, start: tuple[Rates, Values] | None) -> tuple[Rates, Values, Sums | None]:
        raters = self._rows.votes.shape[1]
        prior = self._first_prior()
        if start is not None:
            return start[0], start[1] if self._options.prior == "estimate" else prior, None
        init = self._options.init
        if isinstance(init, float):
            return Rates.at(raters, init), prior, None
        w = self._given.mean_vote[self._given.row]
        if (
            self._given.moment is not None
        ):  # Σ_t mean_t q_it = Σ_B mean(B) M_i(B): a mean is linear in each vote
            return Rates.at(raters, 0.5), prior, _sums_of_moments(self._given, self._given.moment, w, 1 - w)
        return Rates.at(raters, 0.5), prior, _sums_of_votes(self._given, w, 1 - w)

    def _first_prior(self) -> Values:
        given = self._options.prior
        if isinstance(given, float):
            return np.full(self._given.cases, given)
        return mean_priors(self._given)

    def _next_prior(self, prior: Values, estimated: Values) -> Values:
        """Return the mean consensus of each case, if it is asked for; a case without voxels keeps its prior."""
        if self._options.prior != "estimate":
            return prior
        with np.errstate(invalid="ignore"):
            return np.where(self._voxels > 0, np.clip(estimated / self._voxels, EPSILON, 1 - EPSILON), prior)

    def _expect(self, rates: Rates, prior: Values) -> tuple[Sums, Values, float]:
        """Return the sums of an E-step, the foreground of each case, and the log-likelihood."""
        rows = self._rows
        one, zero = log_likelihoods(rows, rates)
        w, u, value = posterior(rows, prior, one.sum(axis=1), zero.sum(axis=1))
        if self._moment is not None:
            sums = _sums_of_moments(rows, self._moment, w, u)
        elif self._by_em:
            yes = (
                rows.votes * rates.sensitivity / np.exp(one),
                rows.votes * rates.false_positive_rate / np.exp(zero),
            )
            sums = _sums(rows, w, u, *yes)
        else:
            sums = _sums_of_votes(rows, w, u)
        return sums, rows.by_case(rows.count * w), value

    def _maximise(self, sums: Sums, before: Rates) -> Rates:
        """Return the next rates, eq. (5); those whose sums are empty stay."""
        (a1, b1), (a0, b0) = self._beta
        sensitivity = _shares(
            sums.true_positive + a1 - 1,
            sums.false_negative + b1 - 1,
            before.sensitivity,
            before.false_negative_rate,
        )
        specificity = _shares(
            sums.true_negative + a0 - 1,
            sums.false_positive + b0 - 1,
            before.specificity,
            before.false_positive_rate,
        )
        return Rates(*sensitivity, *specificity)


def _shares(part: Values, rest: Values, share: Values, other: Values) -> tuple[Values, Values]:
    whole = part + rest
    with np.errstate(divide="ignore", invalid="ignore"):
        found = [np.clip(one / whole, EPSILON, 1 - EPSILON) for one in (part, rest)]
    return np.where(whole > 0, found[0], share), np.where(whole > 0, found[1], other)


def _sums_of_votes(rows: CaseRows, w: Values, u: Values) -> Sums:
    """Return the sums with the votes as they are: the paper's M-step."""
    return _sums(rows, w, u, rows.votes, rows.votes)


def _sums(rows: CaseRows, w: Values, u: Values, v1: Values, v0: Values) -> Sums:
    given = ~rows.missing
    foreground, background = rows.by_row(rows.count * w)[:, None], rows.by_row(rows.count * u)[:, None]
    parts = (foreground * v1, foreground * (1 - v1), background * (1 - v0), background * v0)
    return Sums(*(np.where(given, part, 0).T.sum(axis=1) for part in parts))


def _sums_of_moments(rows: CaseRows, moment: Values, w: Values, u: Values) -> Sums:
    """Return the sums of masses with the soft votes in the place of the binary ones."""
    given = ~rows.missing[rows.row]
    no = np.maximum(rows.count[:, None] - moment, 0)
    parts = (w[:, None] * moment, w[:, None] * no, u[:, None] * no, u[:, None] * moment)
    return Sums(*(np.where(given, part, 0).T.sum(axis=1) for part in parts))
