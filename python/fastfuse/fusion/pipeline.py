"""A fusion on one screen: place the votes, fuse, answer. The same for every method and backend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..errors import said
from ..inputs.threads import remarks_on_threads
from .backends.backend import backend_for
from .backends.decisions import check_decisions
from .backends.found import Found
from .bootstrap import intervals_of, untold_in
from .case import Case
from .declared import switch
from .diagnostics import remark_on_nothing, remarks_on
from .doubts.copies import remarks_on_copies
from .fit.source import Source
from .options import Options
from .registry import Method
from .result import DiceRule, Fusion, Ties, for_all, fusion_of
from .streamed.seam import streams
from .votes import Votes

Fuse = Callable[..., tuple[Fusion, list[str]]]
"""Takes what :func:`fuse_votes` takes: the consensus by EM on the votes, or by rates that are known."""


def fuse_votes(
    votes: Votes,
    method: Method,
    options: Options,
    *,
    cut: float | DiceRule = 0.5,
    ties: Ties = "foreground",
    lazily: bool = False,
    advise: bool = True,
) -> tuple[Fusion, list[str]]:
    """Return the fusion, and what makes it doubtful.

    ``cut`` and ``ties`` are those of the mask to be made of the consensus; ``lazily``: of lazy votes it may be lazy; without
    ``advise`` remarks name no options to try.
    """
    options, votes = options.checked(), votes.listed()
    options.check_for(method)
    check_image(votes, method, options)
    if votes.decisions is not None:
        check_decisions(method, options, votes.raters)
    if streams(votes, options, lazily=lazily and votes.decisions is None):
        from .streamed.pipeline import fuse_streamed

        return fuse_streamed(votes, method, options, cut, ties)
    if method.chooses:
        from .fit.choice import chosen_for

        choice = chosen_for(votes, options)
        return fuse_votes(choice.votes(votes), choice.method, choice.options(options), cut=cut, ties=ties)
    backend = backend_for(votes.raters, options.device)
    case = backend.place(votes, options)
    case, probability, found = backend.fuse(case, method, options)
    return answer(found, probability, case, method, options, cut, ties, advise=advise)


def check_image(votes: Votes, method: Method, options: Options) -> None:
    """Refuse an image that the method does not take, and evidence without one."""
    if votes.image is not None and not method.of_levels:
        raise ValueError(f"image is given: {method.name} takes none; leave it out, or choose border-staple")
    if options.evidence and votes.image is None:
        raise ValueError(said(f"evidence is set: it is that of an image; give image ({switch('image')}) too"))


def answer(
    found: Found,
    probability: Any,
    case: Case,
    method: Method,
    options: Options,
    cut: float | DiceRule = 0.5,
    ties: Ties = "foreground",
    *,
    advise: bool = True,
) -> tuple[Fusion, list[str]]:
    """Return the fusion from what the core found, and what makes it doubtful."""
    intervals, resampled = intervals_of(found, method, options, case.spacings)
    places, raters = case.given.places, case.given.count
    is_decided = case.decisions is not None
    votes = Source.of(found, method, options, places, raters, is_decided=is_decided)
    fusion = for_all(fusion_of(found, probability, method.name, intervals, votes), places, raters)
    untold = untold_in(found, method, options, places, raters)
    if untold is not None:
        fusion = replace(fusion, _untold=untold)
    if options.selects and not fusion.volume.any():
        remarks = [remark_on_nothing(case, options)]
    else:
        names = case.votes.names
        remarks = remarks_on(
            fusion,
            found,
            method,
            options,
            names=names,
            resampled=resampled,
            case=case,
            cut=cut,
            ties=ties,
            advise=advise,
        )
    copies = remarks_on_copies(fusion.volume.tolist(), found, case, method, options)
    return method.finished(fusion), case.remarks + copies + remarks + remarks_on_threads()
