"""Intervals of sensitivity and specificity by a bootstrap over voxels or lesions.

Efron, Tibshirani, *An Introduction to the Bootstrap*, 1993.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inputs.arrays import Array
from ..inputs.checks import check_performance_prior
from .backends.core import CoreOptions, core_options, fit, rates_of
from .backends.found import Found
from .intervals import LEAST_SEEN, Intervals, Rates, from_information, spread
from .option_checks import FEWEST_OF_CLASSES, of_rates
from .options import Options
from .registry import Method

AWAY = 0.01  # how far from 0 and 1 a replicate starts: nearer, EM would stay


Samples = Callable[[NDArray[np.float64]], Iterator[Rates]]
"""Of the patterns of a table, the counts of samples of what was counted."""


def intervals_of(
    found: Found, method: Method, options: Options, spacings: list[float], over_cases: Samples | None = None
) -> tuple[Intervals | None, bool]:
    """Return the intervals that were asked for, and whether the votes repeat enough for them.

    ``over_cases``: of a bootstrap, samples of cases in the place of voxels.
    """
    if options.intervals == "none":
        return None, True
    if options.intervals == "information":
        given = found.information, found.variability, found.sensitivity, found.specificity
        return from_information(*given), True
    return bootstrap(found, options, core_options(method, options, spacings), over_cases)


def bootstrap(
    found: Found, options: Options, asked: CoreOptions, over_cases: Samples | None = None
) -> tuple[Intervals, bool]:
    """Return percentile intervals over resampled voxels or lesions; False with nan where the votes do not repeat.

    ``asked``: the options as the core takes them. ``over_cases``: samples of cases in the place of voxels.
    """
    kind, table = options.intervals if over_cases is None else "cases", found.table
    undefined = Intervals.undefined(kind, len(found.sensitivity))
    if table is None:
        return undefined, False
    known = np.isfinite(found.sensitivity) & np.isfinite(found.specificity)
    by_shares = found.estimate.latent is None  # which are 0/0 where there is nothing to share
    if not table.counts.any() or np.count_nonzero(known) < 2:  # one rater alone is right whatever is drawn
        return undefined, True
    samples, lesions = (
        (over_cases(table.patterns), None) if over_cases else _samples(found, table.counts, options)
    )
    if samples is None:
        return replace(undefined, lesions=lesions), True
    start = np.nan_to_num(np.clip([found.sensitivity, found.specificity], AWAY, 1 - AWAY), nan=0.5)
    first = found.estimate
    if first.latent is None:
        first = rates_of(start[0], start[1], found.prior, found.estimate.method)
    held = voting_where(table.patterns, by_shares=by_shares)
    rates = []
    for counts in samples:
        votes = np.asarray(held[:, counts > 0].any(axis=1))
        enough = np.count_nonzero(votes.any(axis=0)) >= fewest_raters(options)
        rates.append(of_voters(fit(table, counts, first, asked) if enough else None, votes))
    made = percentiles(kind, rates, known & (told_by_votes(found) if by_shares else True))
    return replace(made, lesions=lesions), True


def told_by_votes(found: Found) -> NDArray[np.bool_]:
    """Tell whose sensitivity, and specificity, is no 0/0, shape (2, m): the consensus has some there, and somebody votes so."""
    told = np.stack([found.seen_by, found.read - found.seen_by]) >= LEAST_SEEN
    if found.table is None:
        return told
    return told & voting_where(found.table.patterns)[:, found.table.counts > 0].any(axis=1)


def untold_in(
    found: Found, method: Method, options: Options, places: Sequence[int], raters: int
) -> NDArray[np.bool_] | None:
    """Tell whose sensitivity, and specificity, is 0/0, shape (2, raters); None where no rate is.

    ``places``: of the raters in ``found``. With a performance prior a rate is never 0/0: the belief alone makes it.
    """
    if not of_rates(method) or found.estimate.latent is not None:
        return None
    of_each = zip(
        *(part.tolist() for part in (found.seen_by, found.read, found.volume, found.unmarked)), strict=True
    )
    if all(
        seen >= LEAST_SEEN and read - seen >= LEAST_SEEN and volume > 0 and unmarked > 0
        for seen, read, volume, unmarked in of_each
    ):
        return None  # of nearly every fusion; patterns are not looked at
    return for_raters(~told_by_votes(found), options, places, raters)


def for_raters(
    untold: NDArray[np.bool_], options: Options, places: Sequence[int], raters: int
) -> NDArray[np.bool_] | None:
    """Return whose rates are 0/0, of all raters; None where no rate is, as no belief makes it."""
    believed = [of_rate[0] > 1 for of_rate in check_performance_prior(options.performance_prior)]
    whole = np.zeros((2, raters), bool)
    whole[:, list(places)] = untold & ~np.array(believed)[:, None]
    return whole if whole.any() else None


def voting_where(patterns: Rates, *, by_shares: bool = True) -> NDArray[np.bool_]:
    """Tell in which patterns a rater votes where anybody marks, and where anybody does not, shape (2, R, m).

    A sample without the former leaves the sensitivity where EM began, one without the latter the specificity. Not ``by_shares``:
    in which patterns they vote, twice.
    """
    voting = ~np.isnan(patterns)
    if not by_shares:
        return np.stack([voting, voting])
    anybody = np.stack([(patterns > 0).any(axis=1), (patterns < 1).any(axis=1)])
    return np.asarray(voting & anybody[:, :, None])


def fewest_raters(options: Options) -> int:
    """Return how many raters a sample needs: one alone is right whatever is drawn."""
    return FEWEST_OF_CLASSES if options.classes == 3 else 2


def of_voters(rates: Any, votes: NDArray[np.bool_]) -> Rates:
    """Return a sample's rates, shape (2, m): nan for raters who have no vote in it, and for all where it gives no rates.

    EM leaves the rates of who has no vote where they began, which says nothing of the rater. ``votes``: for both rates, or each.
    """
    return np.full((2, votes.shape[-1]), np.nan) if rates is None else np.where(votes, rates, np.nan)


def percentiles(kind: str, samples: Sequence[Rates], known: NDArray[np.bool_]) -> Intervals:
    """Return the spread of the samples' rates, each of shape (2, m) and nan where undetermined; ``known``: for both, or each."""
    errors, ends = spread(np.array(samples), np.broadcast_to(known, (2, known.shape[-1])))
    return Intervals(kind, errors[0], errors[1], ends[0], ends[1])


def _samples(found: Found, count: Rates, options: Options) -> tuple[Iterator[Rates] | None, int | None]:
    """Return the counts of resampled votes, None where there are too few lesions; and of how many lesions, if of any."""
    rng = np.random.default_rng(options.seed)
    if found.pattern is None or found.marked is None:
        return _resampled_voxels(count, options.replicates, rng), None
    number, lesions = _lesions(found.marked)
    if lesions < 2:
        return None, lesions
    return _resampled_lesions(number, lesions, found.pattern, count, options.replicates, rng), lesions


def _resampled_voxels(count: Rates, replicates: int, rng: np.random.Generator) -> Iterator[Rates]:
    """Draw all voxels anew, with replacement: independent voxels."""
    total = int(count.sum())
    for _ in range(replicates):
        yield rng.multinomial(total, count / total).astype(np.float64)


def _lesions(marked: NDArray[np.bool_]) -> tuple[Array, int]:
    """Return every voxel's lesion and their number: 26-connected components of what anybody marks."""
    from ..images.memory import load_scipy  # not at the start of every fusion

    ndimage = load_scipy("intervals='lesions'", "scipy.ndimage").ndimage
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
