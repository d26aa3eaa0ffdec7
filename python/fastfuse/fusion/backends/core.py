"""The door to the compiled core: options in, results and sentences out."""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ... import _core
from ...errors import FastfuseError, said
from ...inputs.arrays import Array
from ...inputs.checks import check_performance_prior
from ..case import Case, InMemory
from ..messages import Complaint, complaint_about_table
from ..options import Options
from ..registry import Method
from .found import CoreEstimate, CoreTable, Found, Rates

if TYPE_CHECKING:
    from ..border.heights import Heights

CoreOptions = _core.Options
CoreHeights = tuple[NDArray[np.int64], NDArray[np.float64], bool]
Masses = tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64], int]
Answer = TypeVar("Answer")
ROUNDED = ("not_binary", "out_of_range")  # refusals that rounding may have brought


def core_options(method: Method, options: Options, spacings: list[float]) -> CoreOptions:
    """Return options as the core takes them; ``spacings`` are along the axes in the order of memory."""
    asked = _core.Options()
    asked.method = method.core
    asked.classes = options.classes
    asked.m_step = options.m_step
    asked.expectation = options.expectation
    asked.likelihood = options.likelihood
    asked.prior = (
        options.prior if isinstance(options.prior, (str, float)) else "mean"
    )  # a map comes with the votes
    asked.init = "vote" if options.init == "auto" else options.init
    asked.roi = "disputed" if options.roi == "disputed" else "all"  # a margin comes as a mask
    asked.missing = options.missing
    asked.mrf = options.mrf
    asked.spacing_mm = spacings
    asked.performance_prior = check_performance_prior(options.performance_prior)
    asked.intervals = options.intervals
    asked.tol = options.tol
    asked.max_iter = options.max_iter
    asked.acceleration = options.acceleration
    asked.select_label = None if options.core_label is None else float(options.core_label)
    asked.threads = options.threads
    asked.route = options.route
    return asked


def fuse(arrays: InMemory, heights: CoreHeights | None, out: Array, options: CoreOptions) -> Found:
    """Fuse on the CPU."""
    return Found.of(
        _core.fuse(
            arrays.raters,
            out,
            mask=arrays.mask,
            prior_map=arrays.prior_map,
            present=arrays.present,
            heights=heights,
            options=options,
        )
    )


def tabulate(arrays: InMemory, options: CoreOptions) -> CoreTable | None:
    """Return the votes as a table; None if they have too many distinct patterns."""
    return _core.tabulate(arrays.raters, mask=arrays.mask, present=arrays.present, options=options)


def tabulate_masses(arrays: InMemory, options: CoreOptions) -> Masses | None:
    """Return the masses of the votes; None for more of them than memory is meant for."""
    return _core.find_masses(arrays.raters, mask=arrays.mask, present=arrays.present, options=options)


def masses_of(table: CoreTable) -> Masses | None:
    """Return the masses of a table's votes; None for more of them than memory is meant for."""
    return _core.masses_of(table)


def table_of(patterns: Rates, counts: Rates) -> CoreTable:
    """Return a table of patterns; counts may be fractions here."""
    return CoreTable(patterns, counts)


def estimate(table: CoreTable, options: CoreOptions, start: CoreEstimate | None = None) -> Found:
    """Return what the core finds in a table, from a start; raise what it refuses as a sentence."""
    try:
        return Found.of(_core.estimate(table, options=options, start=start))
    except _core.BadInput as bad:
        kind, _, _, value = bad.args
        raise ValueError(said(complaint_about_table(kind, value))) from None


def apply(
    found: CoreEstimate, arrays: InMemory, heights: CoreHeights | None, out: Array, options: CoreOptions
) -> Found:
    """Write the consensus of votes whose raters' rates are known."""
    return Found.of(
        _core.apply(
            found,
            arrays.raters,
            out,
            mask=arrays.mask,
            prior_map=arrays.prior_map,
            present=arrays.present,
            heights=heights,
            options=options,
        )
    )


def apply_where_read(found: CoreEstimate, arrays: InMemory, out: Array, options: CoreOptions) -> bool:
    """Write the consensus of a part of a volume; False, and nothing is written, where it has no vote at all."""
    try:
        apply(found, arrays, None, out, options)
    except _core.BadInput as bad:
        if bad.args[0] == "empty_mask":
            return False
        raise
    return True


def table_from(patterns: Rates, counts: Rates) -> CoreTable:
    """Return the table of which these are the rows."""
    return _core.VoteTable(patterns, counts)


def surely_fits(table: CoreTable, estimate: CoreEstimate, **limits: float) -> bool:
    """Tell that rates expect about as many voxels with 0 to m marks as a table of masks has; False where that is not sure."""
    return _core.surely_fits(table, estimate, **limits)


def smooth(volume: NDArray[np.float32], axis: int, weight: Sequence[float], threads: int) -> None:
    """Smooth a volume along one axis, where it lies; ``weight`` begins with that of the voxel itself."""
    _core.smooth_axis(volume, axis=axis, weight=weight, threads=threads)


def count_cuts(
    consensus: Array, raters: Sequence[Array], cut: float, threads: int
) -> tuple[int, list[int], list[int], list[int], int, int]:
    """Return voxels at a cut or above: of the consensus, of these where each votes, each rater's, both's, the mean's, both's.

    Each is cut as its type has it. A vote that is nan is missing.
    """
    cuts = [float(vote.dtype.type(cut)) for vote in raters]
    of_sums = [cut * voters for voters in range(len(raters) + 1)]
    return _core.count_cuts(consensus, raters, cut=cut, cuts=cuts, cuts_of_sums=of_sums, threads=threads)


def rates_at(places: list[int], rates: CoreEstimate) -> CoreEstimate:
    """Return the rates of the raters at these places."""
    if places == list(range(len(rates.sensitivity))):
        return rates
    return _core.Estimate(
        sensitivity=np.array(rates.sensitivity)[places],
        specificity=np.array(rates.specificity)[places],
        false_negative_rate=np.array(rates.false_negative_rate)[places],
        false_positive_rate=np.array(rates.false_positive_rate)[places],
        prior=rates.prior,
        log_likelihood=rates.log_likelihood,
        iterations=rates.iterations,
        converged=rates.converged,
        method=rates.method,
        m_step=rates.m_step,
        likelihood=rates.likelihood,
        expectation=rates.expectation,
        by_masses=rates.by_masses,
        certain=rates.certain,
        latent=_latent_at(places, rates.latent),
    )


def _latent_at(places: list[int], latent: dict[str, Any] | None) -> dict[str, Any] | None:
    if latent is None:
        return None
    of_raters = ("offset", "sharpness", "false_marks", "lost", "heard", "marks", "no_marks")
    return latent | {name: [latent[name][place] for place in places] for name in of_raters if name in latent}


def parts_of(rates: CoreEstimate) -> dict[str, Any]:
    """Return all that rates hold, by the names of the arguments that make them anew."""
    return {name: getattr(rates, name) for name in dir(rates) if not name.startswith("_")}


def rates_from(parts: dict[str, Any]) -> CoreEstimate:
    """Return the rates of which these are the parts."""
    return _core.Estimate(**parts)


def _rates_anew(rates: CoreEstimate) -> tuple[Any, ...]:
    return rates_from, (parts_of(rates),)


def _table_anew(table: CoreTable) -> tuple[Any, ...]:
    return table_from, (table.patterns, table.counts)


copyreg.pickle(CoreEstimate, _rates_anew)  # for pickle, copy and dataclasses.asdict of what holds them
copyreg.pickle(CoreTable, _table_anew)


def heights_in_core(heights: Heights | None, *, evidence: bool) -> CoreHeights | None:
    """Return heights as the core takes them."""
    if heights is None:
        return None
    return heights.voxel, heights.height, evidence


def rates_of(sensitivity: Rates, specificity: Rates, prior: float, method: str) -> CoreEstimate:
    """Return rates as the core takes them."""
    return _core.Estimate(
        sensitivity=sensitivity,
        specificity=specificity,
        false_negative_rate=1 - sensitivity,
        false_positive_rate=1 - specificity,
        prior=prior,
        method=method,
    )


def whole_rates(
    sensitivity: Rates,
    specificity: Rates,
    false_negative_rate: Rates,
    false_positive_rate: Rates,
    **more: Any,
) -> CoreEstimate:
    """Return rates with their complements as the core takes them, with whatever else an estimate holds."""
    return _core.Estimate(
        sensitivity=sensitivity,
        specificity=specificity,
        false_negative_rate=false_negative_rate,
        false_positive_rate=false_positive_rate,
        **more,
    )


def fit(
    table: CoreTable, counts: Rates, start: CoreEstimate, options: CoreOptions
) -> tuple[list[float], list[float]]:
    """Return the sensitivities and specificities of a table with other counts."""
    return _core.fit(table, counts, start=start, options=options)


def explained(case: Case, work: Callable[[Case], Answer], *, seen: bool = True) -> tuple[Case, Answer]:
    """Return what the work on a case gives; once more where only rounding left votes beside 0 or 1.

    Raise what the core refuses as sentences; ``seen`` is False for votes that only the device can read.
    """
    try:
        return case, work(case)
    except (_core.BadInput, _core.DeviceError) as refusal:
        mended = None
        if seen and isinstance(refusal, _core.BadInput) and refusal.args[0] in ROUNDED:
            mended = case.without_rounding(binary=refusal.args[0] == "not_binary")
        if mended is None:
            raise _in_words(refusal, case, seen=seen) from None
    try:
        return mended, work(mended)
    except (_core.BadInput, _core.DeviceError) as refusal:
        raise _in_words(refusal, mended, seen=seen) from None


def _in_words(refusal: Exception, case: Case, *, seen: bool) -> Exception:
    """Return what the core refuses as a sentence; ``seen`` is False for votes that only the device can read."""
    if isinstance(refusal, _core.DeviceError):
        return FastfuseError(str(refusal))
    kind, rater, voxel, value = refusal.args
    arrays, mask = case.given.arrays, case.mask
    if not seen:  # the value is all that is known of tensors
        arrays = [np.broadcast_to(np.float64(value), case.shape)] * len(arrays)
        mask = np.zeros(1, bool) if kind == "empty_mask" else None
    prior, names = case.prior_map if seen else None, case.given.names
    complaint = Complaint(kind, rater, voxel, value, arrays, mask, case.axes, names, case.titles, prior)
    return ValueError(said(complaint.sentence()))
