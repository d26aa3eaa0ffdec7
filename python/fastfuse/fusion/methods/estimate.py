"""``estimate``: the raters' performance from a table of votes or labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast, overload

from ...errors import warn
from ...inputs.names import quoted
from ..declared import documented
from ..estimate import BorderEstimate, Estimate, check_table, estimated
from ..fit.choice import chosen_for_table
from ..fit.remarks import remarks_on_fit
from ..labels.declared import (
    LABEL_OPTIONS,
    RESAMPLING,
    AskedLabels,
    Candidates,
    ConfusionModel,
    Dirichlet,
    Knows,
    Label,
    LabelInit,
    LabelIntervalKind,
)
from ..labels.estimate import LabelEstimate, estimate_labels
from ..labels.options import LabelMethod, LabelOptions
from ..labels.table import LabelTable
from ..masses.estimate import estimated_by_masses
from ..masses.table import MassTable, settled
from ..option_checks import PerformancePrior
from ..options import (
    Acceleration,
    Expectation,
    Init,
    IntervalKind,
    Likelihood,
    MStep,
    Options,
    PriorOfTable,
)
from ..pooled.estimate import start_rates
from ..registry import Method, MethodOnVotes, check_order, keeping_given, method_called
from ..vote_table import VoteTable
from ..votes import ENTRIES
from .common import check_of_label_maps

LabelPriorOfTable = PriorOfTable | Sequence[float] | Mapping[Label, float]


@overload
def estimate(
    table: VoteTable,
    method: Literal["border-staple"],
    *,
    intervals: IntervalKind = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    threads: int = 0,
    start: Estimate | None = None,
) -> BorderEstimate: ...


@overload
def estimate(
    table: VoteTable,
    method: MethodOnVotes = "soft-staple",
    *,
    m_step: MStep = "paper",
    expectation: Expectation = "auto",
    likelihood: Likelihood = "mixture",
    prior: PriorOfTable = "mean",
    init: Init = "auto",
    performance_prior: PerformancePrior = "auto",
    intervals: IntervalKind = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: Acceleration = "none",
    threads: int = 0,
    classes: Literal[2, 3] = 2,
    start: Estimate | None = None,
) -> Estimate: ...


@overload
def estimate(
    table: LabelTable,
    method: Literal["staple", "majority"],
    *,
    prior: LabelPriorOfTable = "mean",
    init: LabelInit = "auto",
    performance_prior: Dirichlet = "auto",
    intervals: LabelIntervalKind = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: Acceleration = "none",
    threads: int = 0,
    candidates: Candidates = "auto",
    confusion: ConfusionModel = "full",
    knows: Knows | None = None,
    weights: Sequence[float] | None = None,
) -> LabelEstimate: ...


@documented(ENTRIES)
@keeping_given
def estimate(
    table: VoteTable | LabelTable,
    method: MethodOnVotes = "soft-staple",
    *,
    m_step: MStep = "paper",
    expectation: Expectation = "auto",
    likelihood: Likelihood = "mixture",
    prior: LabelPriorOfTable = "mean",
    init: Init = "auto",
    performance_prior: PerformancePrior = "auto",
    intervals: IntervalKind = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: Acceleration = "none",
    threads: int = 0,
    classes: Literal[2, 3] = 2,
    candidates: Candidates = "auto",
    confusion: ConfusionModel = "full",
    knows: Knows | None = None,
    weights: Sequence[float] | None = None,
    start: Estimate | None = None,
) -> Estimate | LabelEstimate:
    """Estimate the raters' performance from a vote table, by EM on its rows.

    Parameters
    ----------
    table : VoteTable or LabelTable
        Of one case, or the sum of several.
    prior : {"mean", "estimate"} or float, default "mean"
        p(truth 1) before any vote: the mean of all votes, held fixed; the mean consensus, updated in every
        iteration, which has no bias where raters over-mark; or a number in (0, 1). Of label maps, a probability for each
        label, too.
    intervals : {"none", "information", "bootstrap"}, default "none"
        Standard errors and 95 % intervals of sensitivity and specificity: from the curvature of the likelihood, or by
        a bootstrap over voxels, as in :func:`staple`. Lesions are unknown to a table. Label maps have the bootstrap alone,
        of the sensitivity for each label. Each of its fits starts from the estimate, and may still take as long as EM
        on the table: half a minute for 200 of them on 60,000 rows of 100 labels, minutes without ``performance_prior``.
    start : Estimate, optional
        An earlier estimate at which EM begins, as after a few more cases; raters are told by their names. It ends where it
        would without, to ``tol``, in fewer iterations. Of masks and soft votes, by methods with two classes.
    {options}

    Returns
    -------
    Estimate or LabelEstimate
        A :class:`LabelEstimate` of a label table. The rates that a fusion of the same votes finds.

    Raises
    ------
    ValueError
        For an option out of range or that the method does not have, a method other than "staple" and "majority" for a
        label table, a table without votes, and fractional votes where
        the method takes masks.
    TypeError
        For what is no vote table.

    Warns
    -----
    FusionWarning
        As :func:`fuse`, of what concerns the raters.

    Examples
    --------
    >>> import fastfuse
    >>> table = fastfuse.tabulate([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1]], names=["Ann", "Bob", "Eve"])
    >>> fastfuse.estimate(table, "staple", prior="estimate")
    Estimate(staple, 3 raters, 4 voxels, prior 0.5, 6 iterations, converged)
           sensitivity  specificity
      Ann       1.0000       1.0000
      Bob       1.0000       0.5000
      Eve       1.0000       1.0000
    """
    check_order(table, method, "estimate", "table")
    if not isinstance(table, (VoteTable, LabelTable)):
        raise TypeError(f"table is {_what(table)}: make it with fastfuse.tabulate(raters)")
    row = method_called(method, images=False)
    any_prior: Any = prior  # its type depends on the table
    options = Options(
        m_step=m_step, expectation=expectation, likelihood=likelihood, prior=any_prior, init=init,
        performance_prior=performance_prior, intervals=intervals, replicates=replicates, seed=seed,
        tol=tol, max_iter=max_iter, acceleration=acceleration, threads=threads, classes=classes,
    )  # fmt: skip
    asked = AskedLabels(None, candidates, confusion, knows, weights)
    made: Estimate | LabelEstimate
    if isinstance(table, LabelTable):
        if start is not None:
            raise ValueError("start is given: label tables have none; leave it out")
        made, remarks = _of_labels(table, row, options, replace(asked, labels="all"))
    else:
        _check_for_masks(asked)
        options.check_method(row)
        made, remarks = _of_votes(settled(table), row, options.checked().of_method(row), start)
    warn(remarks)
    return made


def _of_votes(table: VoteTable, row: Method, options: Options, start: Any) -> tuple[Estimate, list[str]]:
    """Return the estimate from a table of votes, and what makes it doubtful."""
    if row.chooses:
        choice = chosen_for_table(table.in_core, options)
        row, options = choice.method, choice.options(options)
    check_table(table, row, options)
    begin = _begin(start, table, row, options)
    if isinstance(table, MassTable):
        return estimated_by_masses(table, row, options, begin)
    made, remarks = estimated(table, row, options, begin)
    return made, remarks + remarks_on_fit(made)


def _begin(start: Any, table: VoteTable, method: Method, options: Options) -> Any:
    """Return the rates at which EM begins; None without a start."""
    if start is None:
        return None
    if not isinstance(start, Estimate):
        raise TypeError(f"start is {_what(start)}: give an earlier Estimate")
    if method.of_levels or not method.estimates or options.classes != 2:
        raise ValueError(f"start is given: {method.name} of this kind has none; leave it out")
    return start_rates(start, table.names)


def _of_labels(
    table: LabelTable, method: Method, options: Options, asked: AskedLabels
) -> tuple[LabelEstimate, list[str]]:
    if method.name not in ("staple", "majority"):
        raise ValueError(f"method is {method.name!r}: a label table takes 'staple' or 'majority'")
    asked.check_method(method)
    options.check_method(method, but=RESAMPLING)
    check_of_label_maps(options)
    return estimate_labels(table, cast("LabelMethod", method.name), LabelOptions.of(options, asked))


def _check_for_masks(asked: AskedLabels) -> None:
    for name, one in LABEL_OPTIONS.items():
        if one.differs(getattr(asked, name)):
            raise ValueError(
                f"{name} is {quoted(getattr(asked, name))}: it is for label maps; make a table of them by "
                "tabulate(maps, labels='all')"
            )


def _what(value: object) -> str:
    """Return what a value is, for a message."""
    if value is None or isinstance(value, (int, float, str)):
        return quoted(value)
    kind = type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' or kind == 'ndarray' else 'a'} {kind}"
