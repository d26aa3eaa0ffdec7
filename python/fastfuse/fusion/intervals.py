"""Standard errors and 95 % intervals of sensitivity and specificity.

Louis, *Finding the observed information matrix when using the EM algorithm*, JRSS B 44(2), 1982. White, *Maximum
likelihood estimation of misspecified models*, Econometrica 50(1), 1982.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
LACKING = 1 - LEVEL  # share of a bootstrap's samples that may leave a rate undetermined
Z = 1.959963984540054  # the normal distribution's quantile of (1 + LEVEL) / 2
LEAST_SEEN = 0.5  # voxels that the consensus must hold where a rater reads, or their rate is 0/0
BOUNDARY = 1e-6  # a rate this near to 0 or 1 is on its way there, and has no curvature

Rates = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Intervals:
    """Standard errors and 95 % intervals; nan where they are not defined.

    Attributes
    ----------
    kind : {"information", "bootstrap", "lesions", "cases"}
        Where they come from.
    sensitivity_error, specificity_error : ndarray of float64, shape (m,)
        Standard errors.
    sensitivity, specificity : ndarray of float64, shape (m, 2)
        Lower and upper end.
    lesions : int or None
        Number of lesions that were resampled; None of other kinds.
    """

    kind: str
    sensitivity_error: Rates
    specificity_error: Rates
    sensitivity: Rates
    specificity: Rates
    lesions: int | None = None

    @classmethod
    def undefined(cls, kind: str, raters: int) -> Intervals:
        """Return nothing but nan."""
        errors, ends = np.full(raters, np.nan), np.full((raters, 2), np.nan)
        return cls(kind, errors, errors, ends, ends)

    def at(self, places: list[int]) -> Intervals:
        """Return those of the raters at these places."""
        return replace(
            self,
            sensitivity_error=self.sensitivity_error[places],
            specificity_error=self.specificity_error[places],
            sensitivity=self.sensitivity[places],
            specificity=self.specificity[places],
        )

    def of_all(self, places: list[int], raters: int) -> Intervals:
        """Return them for all raters, of whom those at ``places`` have any."""
        whole = Intervals.undefined(self.kind, raters)
        parts = {}
        for name in ("sensitivity_error", "specificity_error", "sensitivity", "specificity"):
            parts[name] = getattr(whole, name).copy()
            parts[name][places] = getattr(self, name)
        return Intervals(self.kind, **parts, lesions=self.lesions)


def shown_rates(of: Any) -> dict[str, Rates]:
    """Return sensitivity and specificity of a fusion or an estimate as tables show them: nan where they are 0/0.

    EM leaves such a rate at 1e-12, or 1, which says nothing of the rater.
    """
    rates: dict[str, Rates] = {"sensitivity": of.sensitivity, "specificity": of.specificity}
    if of._untold is None:
        return rates
    each = zip(rates.items(), of._untold, strict=True)
    return {name: np.where(untold, np.nan, rate) for (name, rate), untold in each}


def spread(rates: Rates, known: NDArray[np.bool_]) -> tuple[Rates, Rates]:
    """Return the standard error and the two ends of each rate over a bootstrap's samples.

    Parameters
    ----------
    rates : ndarray, shape (samples, ...)
        nan where a sample does not determine a rate: it counts for nothing.
    known : ndarray of bool, shape (...)
        Of which rates they are asked for. nan are those of others, and those that more than 5 % of the samples lack.

    Returns
    -------
    errors : ndarray, shape (...)
    ends : ndarray, shape (..., 2)
    """
    known = known & (np.isnan(rates).mean(axis=0) <= LACKING)
    errors, ends = np.full(known.shape, np.nan), np.full((*known.shape, 2), np.nan)
    if known.any():  # of the others NumPy would warn, and filters of warnings belong to all threads
        held = np.ascontiguousarray(rates[:, known])
        errors[known] = np.nanstd(held, axis=0, ddof=1)
        ends[known] = np.nanpercentile(held, [50 * (1 - LEVEL), 50 * (1 + LEVEL)], axis=0).T
    return errors, ends


def from_information(
    information: Rates, variability: Rates, sensitivity: Rates, specificity: Rates
) -> Intervals:
    """Return intervals on the logit scale from the observed information of (θ1, θ0[, π]).

    ``variability``, of the scores, is empty where the votes are binary: its inverse then is the information's.
    """
    m = len(sensitivity)
    if not information.size:
        return Intervals.undefined("information", m)
    rates = np.concatenate([sensitivity, specificity])
    inner = (rates > BOUNDARY) & (rates < 1 - BOUNDARY)  # False for nan, too
    kept = np.ix_(*2 * [np.concatenate([inner, np.ones(len(information) - 2 * m, bool)])])
    errors = np.full(2 * m, np.nan)
    errors[inner] = _errors(information[kept], variability[kept] if variability.size else None)[: inner.sum()]
    with np.errstate(divide="ignore", invalid="ignore"):
        logit = np.log(rates) - np.log1p(-rates)
        half = Z * errors / (rates * (1 - rates))
        ends = np.exp(-np.logaddexp(0, np.stack([half - logit, -half - logit], axis=1)))
    return Intervals("information", errors[:m], errors[m:], ends[:m], ends[m:])


def _errors(information: Rates, variability: Rates | None) -> Rates:
    """Return the roots of the covariance's diagonal; nan if the likelihood has no peak there."""
    undefined = np.full(len(information), np.nan)
    scale = np.sqrt(np.abs(np.diag(information)))
    if not (np.isfinite(information).all() and (scale > 0).all()):
        return undefined
    try:
        np.linalg.cholesky(information / np.outer(scale, scale))
        covariance = np.linalg.inv(information / np.outer(scale, scale))
    except np.linalg.LinAlgError:
        return undefined
    if variability is not None:
        covariance = covariance @ (variability / np.outer(scale, scale)) @ covariance
    variances = np.diag(covariance) / scale**2
    return np.where(variances > 0, np.sqrt(np.abs(variances)), np.nan)
