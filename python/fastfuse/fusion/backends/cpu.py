"""Fusion on this machine's processors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ...inputs.output_array import Destination
from ..case import Case, InMemory
from ..options import Options
from ..registry import Method, method_called
from ..votes import Votes
from . import core
from .decisions import Decided
from .found import CoreEstimate, CoreTable, Found, Rates


class Cpu:
    """The machine's processors."""

    def place(self, votes: Votes, options: Options) -> Case:
        """Take the votes as arrays of one shape."""
        return Case.of(votes, options)

    def fuse(self, case: Case, method: Method, options: Options) -> tuple[Case, Any, Found]:
        """Fuse into the caller's array, or a new one."""
        return _written(case, method, options, core.fuse)

    def apply(
        self, estimate: CoreEstimate, case: Case, method: Method, options: Options
    ) -> tuple[Case, Any, Found]:
        """Write the consensus of votes whose raters' rates are known."""
        rates = core.rates_at(case.given.places, estimate)
        return _written(case, method, options, partial(core.apply, rates))


def tabulated(case: Case, options: Options) -> tuple[Case, CoreTable | None]:
    """Return the case as it was read, and its votes as a table; None if they have too many distinct patterns."""
    asked = core.core_options(method_called("soft-staple"), options, case.spacings)

    def read(placed: Case) -> CoreTable | None:
        return core.tabulate(placed.in_memory_order().within_margin(options, placed.spacings), asked)

    return core.explained(case, read)


def masses(case: Case, options: Options) -> core.Masses | None:
    """Return the masses of a case that was read; None for more of them than memory is meant for."""
    asked = core.core_options(method_called("soft-staple"), options, case.spacings)
    return core.tabulate_masses(case.in_memory_order().within_margin(options, case.spacings), asked)


def consensus_of_rows(
    rates: CoreEstimate, patterns: Rates, method: Method, options: Options, dtype: Any = np.float64
) -> Any:
    """Return the consensus of each pattern."""
    out = np.empty(len(patterns), dtype=dtype)
    asked = core.core_options(
        method, replace(options.as_votes, missing="nan", roi="all", executor=None, max_memory=None), [1.0]
    )
    rows = InMemory([np.ascontiguousarray(column) for column in patterns.T], None, None, [])
    core.apply(rates, rows, None, out, asked)
    return out


def _written(
    case: Case, method: Method, options: Options, work: Callable[..., Found]
) -> tuple[Case, Any, Found]:
    """Let the core write the probability; return the case as it was fused, the probability, and what was found."""
    given = case.votes
    used = [] if given.out is None else [*case.given.arrays, *case.companions]
    destination = Destination.of(given.out, given.dtype, case.shape, tuple(case.axes), used)

    def fused(placed: Case) -> Found:
        arrays = placed.in_memory_order()
        heights = placed.heights(options)
        if heights is not None:
            said = heights.said_of(placed.given.names, evidence=options.evidence)
            placed.remarks.extend(remark for remark in said if remark not in placed.remarks)
        told = core.heights_in_core(heights, evidence=options.evidence)
        arrays = arrays.within_margin(options, placed.spacings)
        asked = core.core_options(method, options, placed.spacings)
        decided = None
        if placed.decisions is not None:
            decided = Decided.of(arrays, placed.decisions.transpose(placed.axes), options.core_label)
        if decided is None or not decided.at.any():
            return work(arrays, told, destination.work, asked)
        if not method.estimates or method.of_levels:
            found = work(arrays, told, destination.work, asked)
            return decided.replaced_in(found, decided.write(destination.work), of_model=method.of_levels)
        asked.known = decided.known
        found = work(decided.open_part(arrays), told, destination.work, asked)
        decided.write(destination.work)
        return decided.added_to(found)

    case, found = core.explained(case, fused)
    return case, destination.finish(), found
