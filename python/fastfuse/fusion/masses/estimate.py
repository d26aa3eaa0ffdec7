"""From a mass table to the raters' performance: STAPLE on binary patterns, each weighted by its mass."""

from __future__ import annotations

import numpy as np

from ..backends.found import CoreEstimate
from ..estimate import Estimate
from ..options import Options
from ..pooled.em import Problem, fit
from ..pooled.estimate import of_fit, who_reads
from ..pooled.rates import Rates
from ..registry import Method
from .table import MassTable


def estimated_by_masses(
    table: MassTable, method: Method, options: Options, start: CoreEstimate | None = None
) -> tuple[Estimate, list[str]]:
    """Return the estimate, and what makes it doubtful; ``start``: the rates at which EM begins.

    Raises
    ------
    ValueError
        For intervals, which need more than masses.
    """
    if options.intervals != "none":
        raise ValueError(
            f"intervals is {options.intervals!r}: masses tell none over voxels; pool the tables of several cases, whose "
            "intervals are over cases, or fuse the votes"
        )
    problem = Problem.of_tables([table], method, options)
    begin = None
    if start is not None:
        rates = (start.sensitivity, start.false_negative_rate, start.specificity, start.false_positive_rate)
        begin = Rates(*map(np.array, rates)), np.array([start.prior])
    made, remarks = of_fit(fit(problem, begin), problem, table.names, ("",), who_reads([table]), method)
    return made.of(""), remarks
