"""Rates of raters, with their complements, and where a jump beyond two steps of EM takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..backends import core
from ..backends.found import CoreEstimate
from ..options import Options
from ..registry import Method
from .rows import Values

EPSILON = 1e-12  # rates and priors stay inside [EPSILON, 1 - EPSILON]
NEAREST = 0.125  # share of the distance to 0 or 1 that a jump leaves: EM moves slowly there


@dataclass(frozen=True, eq=False)
class Rates:
    """Rates of each rater; 1 - θ of a θ near 1 has no digits left, so both are kept."""

    sensitivity: Values
    false_negative_rate: Values
    specificity: Values
    false_positive_rate: Values

    @classmethod
    def at(cls, raters: int, rate: float) -> Rates:
        """Return the same rate for all."""
        rates, rest = np.full(raters, rate), np.full(raters, 1 - rate)
        return cls(rates, rest, rates, rest)

    def beyond(self, after: Rates, steps: float) -> Rates:
        """Return the rates as many steps beyond those after."""
        ends = [
            np.clip(b + steps * (b - a), EPSILON, 1 - EPSILON)
            for a, b in ((self.sensitivity, after.sensitivity), (self.specificity, after.specificity))
        ]
        return Rates(ends[0], 1 - ends[0], ends[1], 1 - ends[1])

    def move(self, after: Rates) -> float:
        """Return the largest move of a rate."""
        moves = [after.sensitivity - self.sensitivity, after.specificity - self.specificity]
        return float(np.abs(moves).max())


Ends = tuple[tuple[Rates, Values], tuple[Rates, Values], tuple[Rates, Values]]


def extrapolated(ends: Ends, *, with_prior: bool) -> tuple[Rates, Values]:
    """Return rates and priors beyond three that follow each other: SQUAREM, scheme S3, as the core has it.

    r = z1 - z0, v = (z2 - z1) - r, alpha = -|r| / |v|, z = z0 - 2 alpha r + alpha^2 v.
    """
    raters = len(ends[0][0].sensitivity)
    z = np.array([_rates_of(*end, with_prior=with_prior) for end in ends])
    r = z[1, 0] - z[0, 0]
    v = z[2, 0] - z[1, 0] - r
    r2, v2 = float((r * r).sum()), float((v * v).sum())
    alpha = min(-1.0, -np.sqrt(r2 / v2)) if v2 > 0 else -1.0
    now = z[2]
    to = z[0] - 2 * alpha * (z[1] - z[0]) + alpha * alpha * (z[2] - 2 * z[1] + z[0])
    low = to[0] < NEAREST * now[0]
    high = ~low & (to[1] < NEAREST * now[1])
    to[0] = np.where(low, NEAREST * now[0], np.where(high, 1 - NEAREST * now[1], to[0]))
    to[1] = np.where(low, 1 - NEAREST * now[0], np.where(high, NEAREST * now[1], to[1]))
    rate, other = np.clip(to / to.sum(axis=0), EPSILON, 1 - EPSILON)
    one, zero = slice(raters), slice(raters, 2 * raters)
    prior = rate[2 * raters :] if with_prior else ends[2][1]
    return Rates(rate[one], other[one], rate[zero], other[zero]), prior


def _rates_of(rates: Rates, prior: Values, *, with_prior: bool) -> Values:
    """Return all rates, and all their complements."""
    more = (prior, 1 - prior) if with_prior else (prior[:0], prior[:0])
    return np.array(
        [
            np.concatenate([rates.sensitivity, rates.specificity, more[0]]),
            np.concatenate([rates.false_negative_rate, rates.false_positive_rate, more[1]]),
        ]
    )


def rates_in_core(
    rates: Rates, prior: float, method: Method, options: Options, *, by_masses: bool
) -> CoreEstimate:
    """Return rates and a prior as the core takes them; ``by_masses``: of votes that do not repeat."""
    return core.whole_rates(
        rates.sensitivity,
        rates.specificity,
        rates.false_negative_rate,
        rates.false_positive_rate,
        prior=prior,
        method=method.core,
        m_step=options.m_step,
        likelihood=options.likelihood,
        expectation=options.expectation,
        by_masses=by_masses,
    )
