"""Who was unlike themselves where: a rater's own rates in one case against those that they have over all.

Of each rater the likelihood of the case's votes at the rates that fit them best, all other raters at their pooled
ones, over that at the pooled ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...inputs.names import counted
from ..estimate import Estimate
from ..labels.estimate import LabelEstimate
from ..labels.table import LabelTable
from ..options import Options
from ..registry import method_called
from ..vote_table import VoteTable
from .em import Problem, log_likelihoods, posterior
from .estimate import PooledEstimate, check_known
from .rates import EPSILON, Rates
from .rows import CaseRows, Values

TOL, MOST = 1e-9, 1000


@dataclass(frozen=True, eq=False)
class Deviation:
    """How far raters are from themselves in a case, found by :func:`deviation`.

    Attributes
    ----------
    names : tuple of m str
        What the raters are called.
    log_ratio : ndarray of float64, shape (m,)
        Log-likelihood ratio, in nats, at least 0. Voxels that err together count each by itself, so that it ranks raters and
        cases, and is no test. It is nan for raters who did not read the case, and where nobody marks anything that they read,
        or everybody marks all of it: no votes tell a rater from the others there.
    per_voxel : ndarray of float64, shape (m,)
        The same, by the voxels that the rater read: for cases of several sizes.
    sensitivity, specificity : ndarray of float64, shape (m,)
        The rater's own rates in this case; nan of a sensitivity where nobody marks anything, of a specificity where everybody
        marks everything.
    """

    names: tuple[str, ...]
    log_ratio: Values
    per_voxel: Values
    sensitivity: Values
    specificity: Values

    def __repr__(self) -> str:
        width = max(map(len, self.names))
        lines = [
            f"Deviation({counted(len(self.names), 'rater')})",
            f"  {'':{width}}  log ratio  sensitivity  specificity",
        ]
        for name, *values in zip(self.names, self.log_ratio, self.sensitivity, self.specificity, strict=True):
            lines.append(f"  {name:{width}}  {values[0]:>9.4g}  {values[1]:>11.4f}  {values[2]:>11.4f}")
        return "\n".join(lines)


def deviation(table: VoteTable, estimate: Estimate | PooledEstimate) -> Deviation:
    """Return how far each rater is from themselves in a case.

    Parameters
    ----------
    table : VoteTable
        Of the case.
    estimate : PooledEstimate or Estimate
        Of many cases, by :func:`pool`, or by :func:`estimate` from their sum. The case's prior is the one its votes tell;
        give ``pooled.of(case)`` for that which was pooled.

    Returns
    -------
    Deviation

    Raises
    ------
    ValueError
        For raters of whom the estimate knows nothing, and for methods without rates of masks.
    TypeError
        For label tables.

    Examples
    --------
    >>> import fastfuse
    >>> usual = [[0] * 8 + [1] * 8, [0] * 8 + [1] * 8, [0] * 7 + [1] * 9]
    >>> unlike = [[0] * 8 + [1] * 8, [0] * 8 + [1] * 8, [0] * 14 + [1] * 2]
    >>> names = ["Ann", "Bob", "Eve"]
    >>> tables = {f"case {k}": fastfuse.tabulate(usual, names=names) for k in range(9)}
    >>> tables["case 9"] = fastfuse.tabulate(unlike, names=names)
    >>> found = fastfuse.deviation(tables["case 9"], fastfuse.pool(tables, "staple"))
    >>> found.names[found.log_ratio.argmax()]
    'Eve'
    """
    _check_kinds(table, estimate)
    if isinstance(estimate, PooledEstimate):
        return deviation(table, estimate.on(table))
    method, options = method_called(estimate.method), estimate.options
    if not has_rates(estimate.method, options):
        raise ValueError(
            f"{estimate.method} has no rates of masks to deviate from: choose staple, or soft-staple"
        )
    check_known(table.names, estimate.names)
    return _deviation(Problem.of_tables([table.of_raters(estimate.names)], method, options), estimate)


def _check_kinds(table: object, estimate: object) -> None:
    if isinstance(table, LabelTable) or isinstance(estimate, LabelEstimate):
        raise TypeError("deviation is of masks: tabulate one label by select_label")
    if not isinstance(table, VoteTable) or not isinstance(estimate, (Estimate, PooledEstimate)):
        raise TypeError(
            "give deviation(table, estimate): the case's vote table, and the estimate over all cases"
        )


def has_rates(method: str, options: Options) -> bool:
    """Tell whether a method has sensitivities and specificities that a deviation can be from."""
    row = method_called(method)
    return row.estimates and not row.of_levels and options.classes == 2 and options.likelihood == "mixture"


def _deviation(problem: Problem, estimate: Estimate) -> Deviation:
    rates, prior = rates_of(estimate), np.array([estimate.prior])
    one, zero = log_likelihoods(problem.rows, rates)
    _, _, pooled = posterior(problem.rows, prior, one.sum(axis=1), zero.sum(axis=1))
    given = problem.given
    read = np.array([given.by_row(given.count)[~missing].sum() for missing in given.missing.T])
    found = np.full((3, len(read)), np.nan)
    for rater in np.flatnonzero(
        (read > 0) & np.isfinite(estimate.sensitivity + estimate.specificity)
    ).tolist():
        value, *own = _own(problem.rows, prior, one, zero, rates, rater)
        found[:, rater] = max(value - pooled, 0.0), *own
    marked, unmarked = _told_of(given)
    found[0, ~(marked & unmarked)] = found[1, ~marked] = found[2, ~unmarked] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        return Deviation(estimate.names, found[0], found[0] / read, found[1], found[2])


def _told_of(given: CaseRows) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return for each rater whether anybody marks anything that they read, and whether anybody leaves anything of it out."""
    read = ~given.missing
    held = read & (given.by_row(given.count) > 0)[:, None]
    marked = (given.votes > 0).any(axis=1)
    unmarked = (read & (given.votes < 1)).any(axis=1)
    return np.asarray(held[marked].any(axis=0)), np.asarray(held[unmarked].any(axis=0))


def _own(
    rows: CaseRows, prior: Values, one: Values, zero: Values, pooled: Rates, rater: int
) -> tuple[float, float, float]:
    """Return the likelihood at a rater's own rates, and those: EM with all others fixed."""
    others = one.sum(axis=1) - one[:, rater], zero.sum(axis=1) - zero[:, rater]
    given, q = ~rows.missing[:, rater], rows.votes[:, rater]
    theta1, theta0 = float(pooled.sensitivity[rater]), float(pooled.specificity[rater])
    value = -np.inf
    for _ in range(MOST):
        a1 = np.where(given, q * theta1 + (1 - q) * (1 - theta1), 1)
        a0 = np.where(given, q * (1 - theta0) + (1 - q) * theta0, 1)
        w, u, value = posterior(rows, prior, others[0] + np.log(a1), others[1] + np.log(a0))
        foreground, background = rows.by_row(rows.count * w) * given, rows.by_row(rows.count * u) * given
        next1 = _rate(np.dot(foreground, q * theta1 / a1), foreground.sum(), theta1)
        next0 = _rate(np.dot(background, (1 - q) * theta0 / a0), background.sum(), theta0)
        moved = max(abs(next1 - theta1), abs(next0 - theta0))
        theta1, theta0 = next1, next0
        if moved <= TOL:
            break
    return value, theta1, theta0


def _rate(part: Any, whole: Any, before: float) -> float:
    return float(np.clip(part / whole, EPSILON, 1 - EPSILON)) if whole > 0 else before


def rates_of(estimate: Estimate) -> Rates:
    """Return an estimate's rates with their complements; nothing is known of a rater without votes."""
    found = estimate.whole_rates
    return Rates(*(np.where(np.isfinite(rate), np.clip(rate, EPSILON, 1 - EPSILON), 0.5) for rate in found))
