"""A fusion block by block on one screen: count, estimate, look up."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ...inputs.channels import check_classes
from ...inputs.checks import check_dtype
from ...inputs.threads import remarks_on_threads
from ...streaming.memory import check_memory
from ..backends import core
from ..backends.cpu import consensus_of_rows
from ..backends.found import CoreEstimate, CoreTable, Found
from ..bootstrap import intervals_of
from ..diagnostics import remarks_on
from ..fit.choice import Choice, chosen_for_table
from ..fit.source import Source
from ..options import Missing, Options
from ..registry import Method, method_called
from ..result import DiceRule, Fusion, Ties, for_all, fusion_of
from ..votes import Votes
from .given import Streamed
from .results import Result
from .run import tabulated

SHOWN_TO_CHECK = 1 << 16  # voxels that stand for all where it is asked whether raters are classes


def fuse_streamed(
    votes: Votes, method: Method, options: Options, cut: float | DiceRule = 0.5, ties: Ties = "foreground"
) -> tuple[Fusion, list[str]]:
    """Return the fusion of listed votes, and what makes it doubtful; options are checked, and fit the method."""
    return fuse_counted(votes, method, options, cut, ties)[:2]


def fuse_counted(
    votes: Votes, method: Method, options: Options, cut: float | DiceRule = 0.5, ties: Ties = "foreground"
) -> tuple[Fusion, list[str], CoreTable]:
    """Return the same, and the votes' table."""
    if method.chooses:
        choice = _chosen(votes, options)
        return fuse_counted(choice.votes(votes), choice.method, choice.options(options), cut, ties)
    given, remarks = Streamed.of(votes, method, options)
    result = Result.of(votes, given, options)
    given, table = counted(given, options)
    missing: Missing = "nan" if np.isnan(table.patterns).any() else options.missing
    asked = core.core_options(method, replace(given.options, missing=missing), [1.0])
    told = core.estimate(table, asked)
    occur = consensus_of_rows(told.estimate, table, method, options, result.dtype)
    found = replace(told, table=table, lowest=float(occur.min()), highest=float(occur.max()))
    intervals, resampled = intervals_of(found, method, options, [1.0])
    probability = result.written(given, found.estimate)
    fusion = fusion_of(found, probability, method.name, intervals)
    source = Source.of(found, method, options, given.places, given.count)
    fusion = replace(for_all(fusion, given.places, given.count), _votes=source)
    said = remarks_on(
        replace(fusion, probability=result.shown(given)), found, method, options,
        names=given.names if len(given.names) == given.count else votes.names,
        resampled=resampled, cut=0.5 if isinstance(cut, str) else cut, ties=ties,
    )  # fmt: skip
    return method.finished(fusion), remarks + said + remarks_on_threads(), table


def _chosen(votes: Votes, options: Options) -> Choice:
    """Return the model that fits votes, by a pass of its own: models differ in the region that they take."""
    given, _ = Streamed.of(votes, method_called("soft-staple"), options)
    return chosen_for_table(counted(given, options)[1], options)


def counted(given: Streamed, options: Options, *, may_be_empty: bool = False) -> tuple[Streamed, CoreTable]:
    """Return the votes with their region, and their table.

    Raises
    ------
    ValueError
        If there is no vote at all where there must be one, or too many distinct patterns; or if the raters are the
        classes of one.
    """
    if options.executor is not None:
        given.check_travel()
        given = replace(given, options=replace(given.options, threads=options.threads or 1))
    table = tabulated(given, check_memory(options.max_memory), options.executor)
    if not table.counts.any() and options.margin_mm is not None:  # nobody marks anything: the whole mask
        given = given.without_region()
        table = tabulated(given, check_memory(options.max_memory), options.executor)
    if not table.counts.any() and not may_be_empty:
        why = "every vote is missing" if given.mask is None else f"{given.titles['mask']} is empty"
        raise ValueError(f"{why}: no voxel to fuse")
    check_not_classes(table, given)
    return given, table


def check_not_classes(table: CoreTable, given: Streamed) -> None:
    """Refuse raters who are the classes of one, as votes in memory are: by a volume that stands for all."""
    counts, voxels = table.counts, prod(given.shape)
    patterns = np.concatenate([table.patterns, np.zeros((1, table.patterns.shape[1]))])
    share = np.append(counts, 0) * min(SHOWN_TO_CHECK / voxels, 1.0)
    rows = np.repeat(patterns, np.where(share > 0, np.maximum(np.rint(share), 1), 0).astype(int), axis=0)
    check_classes([np.ascontiguousarray(column) for column in rows.T], 1.0, given.names)


def found_of(
    rates: CoreEstimate, table: CoreTable, method: Method, options: Options, dtype: np.dtype[Any]
) -> Found:
    """Return what a fusion at given rates finds in a table."""
    w = consensus_of_rows(rates, table, method, options)
    held, counts = table.patterns[table.counts > 0], table.counts[table.counts > 0]
    there = ~np.isnan(held)
    q = np.where(there, held, 0.0)
    weight = counts[:, None] * there
    agreed = ((held == 0) | ~there).all(axis=1) | ((held == 1) | ~there).all(axis=1)
    written = w.astype(check_dtype(dtype))
    blank = np.empty(0)
    return Found(
        sensitivity=np.asarray(rates.sensitivity),
        specificity=np.asarray(rates.specificity),
        prior=rates.prior,
        log_likelihood=np.asarray(rates.log_likelihood, np.float64),
        iterations=rates.iterations,
        converged=rates.converged,
        voxels=float(counts.sum()),
        disputed=float(counts[~agreed].sum()),
        volume=(weight * q).sum(axis=0),
        unmarked=(weight * (1 - q)).sum(axis=0),
        read=weight.sum(axis=0),
        marked_by=(weight * q * w[:, None]).sum(axis=0),
        seen_by=(weight * w[:, None]).sum(axis=0),
        neither=(weight * (1 - q) * (1 - w[:, None])).sum(axis=0),
        lowest=float(written.min()),
        highest=float(written.max()),
        information=blank,
        variability=blank,
        estimate=rates,
        table=table,
        pattern=None,
        marked=None,
    )
