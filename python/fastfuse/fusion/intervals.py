"""Standard errors and 95 % intervals of sensitivity and specificity.

Louis, *Finding the observed information matrix when using the EM algorithm*, JRSS B 44(2), 1982. White, *Maximum
likelihood estimation of misspecified models*, Econometrica 50(1), 1982. Efron, Tibshirani, *An Introduction to the
Bootstrap*, 1993.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import lacking
from ..inputs.arrays import Array
from .backends.core import CoreOptions, fit, rates_of
from .backends.found import Found
from .options import Options

LEVEL = 0.95
Z = 1.959963984540054  # the normal distribution's quantile of (1 + LEVEL) / 2
BOUNDARY = 1e-6  # a rate this near to 0 or 1 is on its way there, and has no curvature
AWAY = 0.01  # how far from 0 and 1 a replicate starts: nearer, EM would stay

Rates = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Intervals:
    """Standard errors and 95 % intervals; nan where they are not defined.

    Attributes
    ----------
    kind : {"information", "bootstrap", "lesions"}
        Where they come from.
    sensitivity_error, specificity_error : ndarray of float64, shape (m,)
        Standard errors.
    sensitivity, specificity : ndarray of float64, shape (m, 2)
        Lower and upper end.
    """

    kind: str
    sensitivity_error: Rates
    specificity_error: Rates
    sensitivity: Rates
    specificity: Rates

    @classmethod
    def undefined(cls, kind: str, raters: int) -> Intervals:
        """Return nothing but nan."""
        errors, ends = np.full(raters, np.nan), np.full((raters, 2), np.nan)
        return cls(kind, errors, errors, ends, ends)

    def of_all(self, places: list[int], raters: int) -> Intervals:
        """Return them for all raters, of whom those at ``places`` have any."""
        whole = Intervals.undefined(self.kind, raters)
        parts = {}
        for name in ("sensitivity_error", "specificity_error", "sensitivity", "specificity"):
            parts[name] = getattr(whole, name).copy()
            parts[name][places] = getattr(self, name)
        return Intervals(self.kind, **parts)


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


def bootstrap(found: Found, options: Options, asked: CoreOptions) -> tuple[Intervals, bool]:
    """Return percentile intervals over resampled voxels or lesions; False with nan where the votes do not repeat.

    ``asked``: the options as the core takes them.
    """
    kind, table = options.intervals, found.table
    undefined = Intervals.undefined(kind, len(found.sensitivity))
    if table is None:
        return undefined, False
    known = np.isfinite(found.sensitivity) & np.isfinite(found.specificity)
    if not table.counts.any() or np.count_nonzero(known) < 2:  # one rater alone is right whatever is drawn
        return undefined, True
    samples = _samples(found, table.counts, options)
    if samples is None:
        return undefined, True
    start = np.nan_to_num(np.clip([found.sensitivity, found.specificity], AWAY, 1 - AWAY), nan=0.5)
    first = rates_of(start[0], start[1], found.prior, found.estimate.method)
    rates = np.array([fit(table, counts, first, asked) for counts in samples if counts.any()])
    errors = rates.std(axis=0, ddof=1)  # of an array of shape (replicates, 2, m)
    ends = np.percentile(rates, [50 * (1 - LEVEL), 50 * (1 + LEVEL)], axis=0)
    errors[:, ~known] = ends[:, :, ~known] = np.nan
    return Intervals(kind, errors[0], errors[1], ends[:, 0].T, ends[:, 1].T), True


def _samples(found: Found, count: Rates, options: Options) -> Iterator[Rates] | None:
    """Return the counts of resampled votes; None where there are too few lesions."""
    rng = np.random.default_rng(options.seed)
    if found.pattern is None or found.marked is None:
        return _resampled_voxels(count, options.replicates, rng)
    number, lesions = _lesions(found.marked)
    if lesions < 2:
        return None
    return _resampled_lesions(number, lesions, found.pattern, count, options.replicates, rng)


def _resampled_voxels(count: Rates, replicates: int, rng: np.random.Generator) -> Iterator[Rates]:
    """Draw all voxels anew, with replacement: independent voxels."""
    total = int(count.sum())
    for _ in range(replicates):
        yield rng.multinomial(total, count / total).astype(np.float64)


def _lesions(marked: NDArray[np.bool_]) -> tuple[Array, int]:
    """Return every voxel's lesion and their number: 26-connected components of what anybody marks."""
    try:
        from scipy import ndimage
    except ImportError as error:
        raise lacking("intervals='lesions'", error, "evaluate") from None
    number, lesions = ndimage.label(marked, np.ones((3,) * marked.ndim))
    return number, int(lesions)


def _resampled_lesions(
    number: Array, lesions: int, pattern: Array, count: Rates, replicates: int, rng: np.random.Generator
) -> Iterator[Rates]:
    """Draw all lesions anew, with replacement; all other voxels stay as they are."""
    from scipy import sparse

    inside = (number > 0) & (pattern >= 0)
    cells = number[inside].astype(np.int64) - 1, pattern[inside]
    of_lesion = sparse.csr_array(
        (np.ones(len(cells[0])), cells), shape=(lesions, len(count))
    )  # sums equal cells
    rest = count - np.asarray(of_lesion.sum(axis=0)).ravel()
    for _ in range(replicates):
        yield rest + rng.multinomial(lesions, np.full(lesions, 1 / lesions)) @ of_lesion
