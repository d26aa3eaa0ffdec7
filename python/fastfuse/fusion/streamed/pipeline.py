"""A fusion block by block on one screen: count, estimate, look up."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import partial
from math import prod

import numpy as np

from ...inputs.arrays import name_of
from ...inputs.channels import check_classes
from ...inputs.names import quoted
from ...inputs.raters import Same, remarks_on_same_votes
from ...inputs.threads import remarks_on_threads
from ...streaming.memory import check_memory
from ..backends import core
from ..backends.cpu import consensus_of_rows
from ..backends.found import CoreTable
from ..bootstrap import intervals_of, untold_in
from ..diagnostics import remarks_on
from ..doubts.copies import same_in_table
from ..fit.choice import Choice, chosen_for_table
from ..fit.source import Source
from ..options import Missing, Options
from ..pooled.em import Problem, fit
from ..pooled.rates import rates_in_core
from ..registry import Method, method_called
from ..result import DiceRule, Fusion, Ties, for_all, fusion_of
from ..votes import Votes
from .dense import DenseVotes, equal_in
from .found import found_of
from .given import Streamed
from .results import Result
from .run import gathered, massed, tabulated

SHOWN_TO_CHECK = 1 << 16  # voxels that stand for all where it is asked whether raters are classes
TOO_MANY = (
    "the votes have too many distinct patterns to be counted, as probabilities of a network have: block by block, soft-staple takes "
    "them, and {0} needs votes that repeat; choose soft-staple, round them, as by np.round(votes, 1), or fuse them in memory"
)
TOO_MANY_TO_COUNT = (
    "the votes have too many distinct patterns to be counted, as probabilities of a network have: round them, as by "
    "np.round(votes, 1), or make masks of them by threshold=0.5"
)
TOO_MANY_FOR_INTERVALS = (
    "intervals is {0}: the votes have too many distinct patterns to be counted, and their masses tell none; leave it out, round the "
    "votes, as by np.round(votes, 1), or fuse them in memory"
)


def fuse_streamed(
    votes: Votes, method: Method, options: Options, cut: float | DiceRule = 0.5, ties: Ties = "foreground"
) -> tuple[Fusion, list[str]]:
    """Return the fusion of listed votes, and what makes it doubtful; options are checked, and fit the method."""
    return fuse_counted(votes, method, options, cut, ties)[:2]


def fuse_counted(
    votes: Votes, method: Method, options: Options, cut: float | DiceRule = 0.5, ties: Ties = "foreground"
) -> tuple[Fusion, list[str], CoreTable | DenseVotes]:
    """Return the same, and the votes' table; of votes that do not repeat, their masses."""
    if method.chooses:
        choice = _chosen(votes, options)
        return fuse_counted(choice.votes(votes), choice.method, choice.options(options), cut, ties)
    given, remarks = Streamed.of(votes, method, options)
    result = Result.of(votes, given, options)
    given, table = counted(given, options)
    if isinstance(table, DenseVotes):
        fusion, said = _fused_by_masses(votes, given, table, result, cut, ties)
        return fusion, remarks + said + remarks_on_threads(), table
    missing: Missing = "nan" if np.isnan(table.patterns).any() else options.missing
    asked = core.core_options(method, replace(given.options, missing=missing), [1.0])
    told = core.estimate(table, asked)
    occur = consensus_of_rows(told.estimate, table.patterns[table.counts > 0], method, options, result.dtype)
    found = replace(told, table=table, lowest=float(occur.min()), highest=float(occur.max()))
    intervals, resampled = intervals_of(found, method, options, [1.0])
    probability = result.written(given, found.estimate)
    fusion = fusion_of(found, probability, method.name, intervals)
    source = Source.of(found, method, options, given.places, given.count)
    untold = untold_in(found, method, options, given.places, given.count)
    fusion = replace(for_all(fusion, given.places, given.count), _votes=source, _untold=untold)
    said = remarks_on(
        replace(fusion, probability=result.shown(given)), found, method, options,
        names=given.names if len(given.names) == given.count else votes.names,
        resampled=resampled, cut=0.5 if isinstance(cut, str) else cut, ties=ties,
    )  # fmt: skip
    copies = remarks_on_copies(votes, given, options, table, fusion)
    return method.finished(fusion), remarks + copies + said + remarks_on_threads(), table


def _fused_by_masses(
    votes: Votes, given: Streamed, dense: DenseVotes, result: Result, cut: float | DiceRule, ties: Ties
) -> tuple[Fusion, list[str]]:
    """Return the fusion of votes that do not repeat: the estimate of their masses, applied."""
    method, options = given.method, given.options
    names = [name_of(place, votes.names) for place in range(given.count)]
    problem = Problem.of_tables([dense.table(given.places, names)], method, options)
    ended = fit(problem)
    of_all = rates_in_core(ended.rates, float(ended.prior[0]), method, options, by_masses=True)
    rates = core.rates_at(given.places, of_all)
    told = found_of(rates, dense, method, options, result.dtype)
    found = replace(
        told,
        sensitivity=np.where(told.read > 0, told.sensitivity, np.nan),
        specificity=np.where(told.read > 0, told.specificity, np.nan),
        log_likelihood=np.array(ended.log_likelihood),
        iterations=len(ended.log_likelihood),
        converged=ended.converged,
    )
    probability = result.written(given, rates)
    fusion = for_all(fusion_of(found, probability, method.name, None), given.places, given.count)
    fusion = replace(fusion, _untold=untold_in(found, method, options, given.places, given.count))
    remarks = remarks_on(
        replace(fusion, probability=result.shown(given)), found, method, options,
        names=names, resampled=True, cut=0.5 if isinstance(cut, str) else cut, ties=ties,
    )  # fmt: skip
    copies = remarks_on_copies(votes, given, options, dense, fusion)
    return method.finished(fusion), copies + remarks


def remarks_on_copies(
    votes: Votes, given: Streamed, options: Options, table: CoreTable | DenseVotes, fusion: Fusion
) -> list[str]:
    """Say who hold the same votes; of votes that do not repeat, those who mark as many voxels are read once more."""
    marks, once = fusion.volume, given.method.of_levels
    if isinstance(table, DenseVotes):
        marks = np.zeros(given.count)
        marks[given.places] = table.marked
        same = _same_in_blocks(given, options)
    else:
        same = same_in_table(table, given.places)
    return remarks_on_same_votes(marks.tolist(), same, votes.names, files=votes.files, once=once)


def _same_in_blocks(given: Streamed, options: Options) -> Same:
    """Return what compares raters block by block, by a pass of its own."""

    def same(one: int, other: int) -> bool:
        work = partial(equal_in, given.places.index(one), given.places.index(other))
        with closing(gathered(given, check_memory(options.max_memory), options.executor, work)) as parts:
            return all(parts)

    return same


def _chosen(votes: Votes, options: Options) -> Choice:
    """Return the model that fits votes, by a pass of its own: models differ in the region that they take."""
    given, _ = Streamed.of(votes, method_called("soft-staple"), options)
    table = counted(given, options, by_masses=False)[1]
    assert not isinstance(table, DenseVotes)
    return chosen_for_table(table, options)


def counted(
    given: Streamed, options: Options, *, may_be_empty: bool = False, by_masses: bool = True
) -> tuple[Streamed, CoreTable | DenseVotes]:
    """Return the votes with their region, and their table; ``by_masses``: of soft-STAPLE's that do not repeat, their masses.

    Raises
    ------
    ValueError
        If there is no vote at all where there must be one, or too many distinct patterns; or if the raters are the
        classes of one.
    """
    if options.executor is not None:
        given.check_travel()
        given = replace(given, options=replace(given.options, threads=options.threads or 1))
    table = _table_of(given, options, by_masses=by_masses)
    if _is_empty(table) and options.margin_mm is not None:  # nobody marks anything: the whole mask
        given = given.without_region()
        table = _table_of(given, options, by_masses=by_masses)
    if _is_empty(table) and not may_be_empty:
        why = "every vote is missing" if given.mask is None else f"{given.titles['mask']} is empty"
        raise ValueError(f"{why}: no voxel to fuse")
    check_not_classes(table, given)
    return given, table


def _table_of(given: Streamed, options: Options, *, by_masses: bool) -> CoreTable | DenseVotes:
    """Return the votes of all blocks as a table; by a pass of its own, the masses of votes that do not repeat."""
    limit = check_memory(options.max_memory)
    table = tabulated(given, limit, options.executor)
    if table is not None:
        return table
    if not by_masses:
        raise ValueError(TOO_MANY_TO_COUNT)
    if given.method.name != "soft-staple":
        raise ValueError(TOO_MANY.format(given.method.name))
    if options.intervals != "none":
        raise ValueError(TOO_MANY_FOR_INTERVALS.format(quoted(options.intervals)))
    return massed(given, limit, options.executor)


def _is_empty(table: CoreTable | DenseVotes) -> bool:
    return not (table.voxels if isinstance(table, DenseVotes) else table.counts.any())


def check_not_classes(table: CoreTable | DenseVotes, given: Streamed) -> None:
    """Refuse raters who are the classes of one, as votes in memory are: by a volume that stands for all."""
    if isinstance(table, DenseVotes):
        rows = table.shown
    else:
        counts, voxels = table.counts, prod(given.shape)
        patterns = np.concatenate([table.patterns, np.zeros((1, table.patterns.shape[1]))])
        share = np.append(counts, 0) * min(SHOWN_TO_CHECK / voxels, 1.0)
        rows = np.repeat(patterns, np.where(share > 0, np.maximum(np.rint(share), 1), 0).astype(int), axis=0)
    check_classes([np.ascontiguousarray(column) for column in rows.T], 1.0, given.names)
