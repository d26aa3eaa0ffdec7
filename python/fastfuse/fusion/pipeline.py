"""A fusion on one screen: place the votes, fuse, answer. The same for every method and backend."""

from __future__ import annotations

from .backends.backend import backend_for
from .backends.core import core_options
from .backends.found import Found
from .diagnostics import remarks_on
from .intervals import Intervals, bootstrap, from_information
from .options import Options
from .registry import Method
from .result import Fusion, for_all, fusion_of
from .votes import Votes


def fuse_votes(votes: Votes, method: Method, options: Options) -> tuple[Fusion, list[str]]:
    """Return the fusion, and what makes it doubtful."""
    options = options.checked()
    backend = backend_for(votes.raters, options.device)
    case = backend.place(votes, options)
    probability, found = backend.fuse(case, method, options)
    intervals, resampled = intervals_of(found, method, options, case.spacings)
    fusion = for_all(
        fusion_of(found, probability, method.name, intervals), case.given.places, case.given.count
    )
    remarks = remarks_on(fusion, found, case, method, options, resampled=resampled)
    return method.finished(fusion), case.remarks + remarks


def intervals_of(
    found: Found, method: Method, options: Options, spacings: list[float]
) -> tuple[Intervals | None, bool]:
    """Return the intervals that were asked for, and whether the votes repeat enough for them."""
    if options.intervals == "none":
        return None, True
    if options.intervals == "information":
        given = found.information, found.variability, found.sensitivity, found.specificity
        return from_information(*given), True
    return bootstrap(found, options, core_options(method, options, spacings))
