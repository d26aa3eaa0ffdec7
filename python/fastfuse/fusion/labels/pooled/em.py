"""EM over label maps of several cases that share the raters' rates, and have a prior each.

The equations are those of the core's EM on label maps; only the prior differs from case to case.

    w        p(truth a | votes) of a pair                  π_c(a)   prior of case c
    θ_i[a, b]  p(vote b | truth a) of rater i              T_i[a, b]  voxels of truth a with vote b
    α[a, b]  Dirichlet prior of each row of θ_i
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...backends.labels import CoreLabelOptions
from ...pooled.rows import settled
from .rows import LabelRows, Values, fixed_rows

LEAST_MASS = 1.0  # voxels; the rates of a truth that holds fewer never settle, if another one holds as many
ROUNDING = 1e-9  # of a sum
AWAY = 0.01  # how far from rates that are known a fit of a sample starts, where EM keeps zeros


@dataclass(frozen=True, eq=False)
class LabelFit:
    """Where EM ended.

    Attributes
    ----------
    theta : ndarray, shape (m, K, K)
        Rates that EM goes by.
    prior : ndarray, shape (cases, K)
    log_likelihood, log_prior : list of float
        After each M-step.
    converged : bool
    counts : ndarray, shape (m, K, K)
        Voxels of each truth and vote, under these rates.
    mass : ndarray, shape (cases, K)
        Voxels of each truth.
    undetermined : ndarray of bool, shape (m, K)
        Truths of which nothing tells a rater's rates.
    """

    theta: Values
    prior: Values
    log_likelihood: list[float]
    log_prior: list[float]
    converged: bool
    counts: Values
    mass: Values
    undetermined: Values

    @property
    def confusion(self) -> Values:
        """The rates, nan where nothing determines them."""
        return np.where(self.undetermined[:, :, None], np.nan, self.theta)


class LabelProblem:
    """What EM runs on: rows of all cases, and options."""

    def __init__(self, rows: LabelRows, options: CoreLabelOptions, shares: Values, fixed: Values) -> None:
        self._rows, self._options, self._shares, self._fixed = rows, options, shares, fixed
        self._voxels = np.bincount(rows.case, rows.count, rows.cases)
        belief, diagonal = options.performance_prior or (0.0, 0.0)
        self._belief = belief * ((1 - diagonal) * shares + diagonal * np.eye(rows.labels))  # α - 1

    @classmethod
    def of(cls, rows: LabelRows, options: CoreLabelOptions) -> LabelProblem:
        """Take the labels' shares of all votes, and what raters do not know."""
        volume = rows.volume().sum(axis=0)
        shares = volume / volume.sum()
        return cls(rows, options, shares, fixed_rows(rows, options.unknown, shares))

    def weighted(self, weights: Values) -> LabelProblem:
        """Return the problem of a sample of cases; ``weights``: how often each is drawn."""
        return LabelProblem.of(self._rows.weighted(weights), self._options)

    def fit(self) -> LabelFit:
        """Run EM from the votes, M-step first."""
        theta = np.full_like(self._fixed, 1 / self._rows.labels)
        held = self._rows.count[self._rows.row] * self._rows.guess(self._options.start)
        prior = self.first_prior()
        if self._options.start != "itk":
            return self._run(theta, prior, self._rows.counts(held), self._rows.mass(held))
        untied = held * (self._rows.guess("itk") == 1)
        counts = self._rows.counts(untied)
        whole = counts.sum(axis=1, keepdims=True)
        theta = np.divide(counts, whole, out=np.zeros_like(counts), where=whole > 0)
        return self._run(theta, prior, *self._expect(theta, prior)[:2])

    def fit_near(self, theta: Values) -> LabelFit:
        """Run EM from near rates, by an E-step."""
        known = np.where(np.isnan(theta), 1 / self._rows.labels, theta)
        if not self._options.performance_prior:
            known = (1 - AWAY) * known + AWAY / self._rows.labels
        prior = self.first_prior()
        return self._run(known, prior, *self._expect(known, prior)[:2])

    def first_prior(self) -> Values:
        """Return each label's share of the votes of each case, or what is given; of all votes where a case has none."""
        if self._options.prior:
            return np.tile(np.array(self._options.prior), (self._rows.cases, 1))
        volume = self._rows.volume()
        whole = volume.sum(axis=1, keepdims=True)
        return np.where(whole > 0, volume / np.where(whole > 0, whole, 1), self._shares)

    def prior_given(self, theta: Values) -> Values:
        """Return the priors of cases whose raters' rates are known."""
        options = self._options

        def step(prior: Values) -> Values:
            return self._next_prior(prior, self._expect(theta, prior)[1])

        most = options.max_iter if options.estimates_prior else 0
        return settled(step, self.first_prior(), options.tol, most)

    def _run(self, theta: Values, prior: Values, counts: Values, mass: Values) -> LabelFit:
        likelihoods: list[float] = []
        beliefs: list[float] = []
        converged = False
        while not converged and len(likelihoods) < self._options.max_iter:
            before = theta
            theta, undetermined = self._maximise(counts, before)
            if self._options.estimates_prior:
                prior = self._next_prior(prior, mass)
            counts, mass, value = self._expect(theta, prior)
            likelihoods.append(value)
            beliefs.append(self._log_prior(theta))
            of_all = mass.sum(axis=0)
            settled = of_all < min(LEAST_MASS, of_all.max()) * (1 - ROUNDING)
            moved = np.where(settled[:, None], 0, np.abs(theta - before))
            converged = bool(moved.max() <= self._options.tol)
        return LabelFit(theta, prior, likelihoods, beliefs, converged, counts, mass, undetermined)

    def _next_prior(self, prior: Values, mass: Values) -> Values:
        voxels = self._voxels[:, None]
        return np.where(voxels > 0, mass / np.where(voxels > 0, voxels, 1), prior)

    def _expect(self, theta: Values, prior: Values) -> tuple[Values, Values, float]:
        """Return T, the voxels of each truth in each case, and the log-likelihood."""
        rows = self._rows
        with np.errstate(divide="ignore"):
            rates, logs = np.log(theta), np.log(prior)[rows.case[rows.row], rows.label]
        for rate, votes in zip(rates, rows.votes, strict=True):
            logs = logs + np.where(votes >= 0, rate[rows.label, votes], 0)
        most = np.maximum.reduceat(logs, rows.first)
        possible = np.isfinite(most)  # votes that the rates call impossible say nothing
        most = np.where(possible, most, 0)
        weight = np.exp(logs - most[rows.row])
        whole = np.where(possible, np.add.reduceat(weight, rows.first), 1)
        held = rows.count[rows.row] * weight / whole[rows.row]
        return rows.counts(held), rows.mass(held), float((rows.count * (most + np.log(whole))).sum())

    def _maximise(self, counts: Values, before: Values) -> tuple[Values, Values]:
        """Return the next rates, and where nothing tells them; those stay."""
        summed = counts + self._belief
        whole = summed.sum(axis=2, keepdims=True)
        theta = np.divide(summed, whole, out=before.copy(), where=whole > 0)
        if self._options.confusion == "class":
            own = np.diagonal(theta, axis1=1, axis2=2)[:, :, None]
            left = 1 - self._shares[:, None]
            rest = np.divide(self._shares, left, out=np.zeros_like(self._belief), where=left > 0)
            theta = np.where(np.eye(len(rest), dtype=bool), own, (1 - own) * rest)
        return np.where(np.isnan(self._fixed), theta, self._fixed), whole[:, :, 0] <= 0

    def _log_prior(self, theta: Values) -> float:
        """Return log p(theta), without its constant."""
        held = self._belief > 0
        return float((self._belief[held] * np.log(theta[:, held])).sum()) if held.any() else 0.0
