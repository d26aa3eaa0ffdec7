"""A fusion on one screen: place the votes, fuse, answer. The same for every method and backend."""

from __future__ import annotations

from .backends.backend import backend_for
from .case import Case
from .diagnostics import remarks_on
from .intervals import Intervals, bootstrap, from_information
from .options import Options
from .registry import Method
from .result import Found, Fusion, for_all, fusion_of
from .votes import Votes


def fuse_votes(votes: Votes, method: Method, options: Options) -> tuple[Fusion, list[str]]:
    """Return the fusion, and what makes it doubtful."""
    options = options.checked()
    backend = backend_for(votes.raters, options.device)
    case = backend.place(votes, options)
    probability, found = backend.fuse(case, method, options)
    intervals, resampled = _intervals(found, case, method, options)
    fusion = for_all(
        fusion_of(found, probability, method.name, intervals), case.given.places, case.given.count
    )
    remarks = remarks_on(fusion, found, case, method, options, resampled=resampled)
    return method.finished(fusion), case.remarks + remarks


def _intervals(found: Found, case: Case, method: Method, options: Options) -> tuple[Intervals | None, bool]:
    """Return the intervals that were asked for, and whether the votes repeat enough for them."""
    if options.intervals == "none":
        return None, True
    sensitivity, specificity = found.sensitivity, found.specificity
    if options.intervals == "information":
        return from_information(found.information, found.variability, sensitivity, specificity), True
    from .backends import core

    arrays = case.in_memory_order().within_margin(options, case.spacings)
    return bootstrap(
        arrays,
        kind=options.intervals,
        sensitivity=sensitivity,
        specificity=specificity,
        prior=found.prior,
        replicates=options.replicates,
        seed=options.seed,
        options=core.core_options(method, options, case.spacings),
    )
