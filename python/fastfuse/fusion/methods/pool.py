"""``pool``: raters' rates over several cases, each with a prior of its own or all with one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, cast, overload

import numpy as np

from ...errors import said, warn
from ...inputs.checks import check_choice
from ...inputs.names import quoted, told
from ..bootstrap import fewest_raters
from ..declared import documented
from ..estimate import check_table
from ..intervals import LACKING
from ..labels.declared import AskedLabels, LabelPrior
from ..labels.estimate import LabelEstimate, estimate_labels
from ..labels.options import LabelMethod, LabelOptions
from ..labels.pooled.estimate import pool_labels
from ..labels.table import LabelTable
from ..masses.table import MassTable, settled
from ..option_checks import PerformancePrior
from ..options import Acceleration, Expectation, Init, Likelihood, MStep, Options, PriorOfTable
from ..pooled.classes import pool_classes
from ..pooled.estimate import PooledEstimate, aligned_tables, pool_rows, pool_shared, who_reads
from ..pooled.samples import OverCases, draws
from ..registry import Method, MethodOnVotes, keeping_given, method_called
from ..vote_table import VoteTable
from ..votes import ENTRIES

Priors: TypeAlias = Literal["auto", "own", "shared"]
TABLES = "one vote table, or label table, for each case, by the case's name, as {case: tabulate(votes, names=[...])}"


@overload
def pool(
    tables: Mapping[str, VoteTable],
    method: MethodOnVotes = "soft-staple",
    *,
    priors: Priors = "auto",
    m_step: MStep = "paper",
    expectation: Expectation = "auto",
    likelihood: Likelihood = "mixture",
    prior: PriorOfTable = "mean",
    init: Init = "auto",
    performance_prior: PerformancePrior = "auto",
    intervals: Literal["none", "bootstrap"] = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: Acceleration = "none",
    threads: int = 0,
    classes: Literal[2, 3] = 2,
    start: PooledEstimate | None = None,
) -> PooledEstimate: ...


@overload
def pool(
    tables: Mapping[str, LabelTable],
    method: Literal["staple", "majority"],
    *,
    priors: Priors = "auto",
    prior: LabelPrior = "mean",
    init: Init = "auto",
    performance_prior: PerformancePrior = "auto",
    intervals: Literal["none", "bootstrap"] = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: Acceleration = "none",
    threads: int = 0,
) -> LabelEstimate: ...


@documented(ENTRIES)
@keeping_given
def pool(
    tables: Mapping[str, VoteTable] | Mapping[str, LabelTable],
    method: MethodOnVotes = "soft-staple",
    *,
    priors: Priors = "auto",
    m_step: MStep = "paper",
    expectation: Expectation = "auto",
    likelihood: Likelihood = "mixture",
    prior: LabelPrior | PriorOfTable = "mean",
    init: Init = "auto",
    performance_prior: PerformancePrior = "auto",
    intervals: Literal["none", "bootstrap"] = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: Acceleration = "none",
    threads: int = 0,
    classes: Literal[2, 3] = 2,
    start: PooledEstimate | None = None,
) -> PooledEstimate | LabelEstimate:
    """Estimate how good raters are over several cases: their rates are theirs, and not a case's.

    Parameters
    ----------
    tables : mapping of str to VoteTable or LabelTable
        The table of each case, by the case's name. Raters are told by their names, and may be absent from a case.
    method : {"soft-staple", "simplified-soft-staple", "border-staple", "staple", "majority"}, default "soft-staple"
        As of :func:`estimate`; of label tables "staple" or "majority".
    priors : {"auto", "own", "shared"}, default "auto"
        "own": each case has its prior, since lesions fill more of one brain than of another. "shared": one of all voxels
        together, the estimate of the sum of the tables. "auto" is "own" of masks and soft votes by methods with two
        classes. Label maps and three classes (their shares) have it where it is asked for; border-STAPLE, a log-linear
        likelihood and the majority have one of all cases.
    prior : {"mean", "estimate"} or float, default "mean"
        p(truth 1) before any vote, as of :func:`estimate`, of each case or of all.
    intervals : {"none", "bootstrap"}, default "none"
        95 % intervals of the rates by a bootstrap over cases: what differs from case to case, such as how hard they are,
        is in them. They need more than a few cases.
    start : PooledEstimate, optional
        An earlier estimate at which EM begins, as after a few more cases. It ends where it would without, to ``tol``,
        in fewer iterations. Not of label maps.
    {options}

    Returns
    -------
    PooledEstimate or LabelEstimate
        ``of(case)`` is the :class:`Estimate` for a case, to apply to its votes. Of label tables a :class:`LabelEstimate`, which serves
        every case; with priors "own" it has ``of(case)``, too. The same bits in whatever order the tables come: cases are taken in the order of their names.

    Raises
    ------
    ValueError
        For no case, options as of :func:`estimate`, and raters without names whose numbers differ.
    TypeError
        For what is no mapping of tables.

    Warns
    -----
    FusionWarning
        As :func:`estimate`.

    Examples
    --------
    >>> import fastfuse
    >>> raters = ["Ann", "Bob", "Eve"]
    >>> monday = fastfuse.tabulate([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1]], names=raters)
    >>> tuesday = fastfuse.tabulate([[0, 0, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1]], names=raters)
    >>> fastfuse.pool({"Mon": monday, "Tue": tuesday}, "staple")
    PooledEstimate(staple, 3 raters, 2 cases, own priors, 6 iterations, converged)
           sensitivity  specificity
      Ann       1.0000       1.0000
      Bob       1.0000       0.6000
      Eve       1.0000       1.0000
    """
    any_prior: Any = prior
    options = Options(
        m_step=m_step, expectation=expectation, likelihood=likelihood, prior=any_prior, init=init,
        performance_prior=performance_prior, intervals=intervals, replicates=replicates, seed=seed,
        tol=tol, max_iter=max_iter, acceleration=acceleration, threads=threads, classes=classes,
    )  # fmt: skip
    made, remarks = pooled(tables, method, options, priors, start=start)
    warn(remarks)
    return made


def pooled(
    tables: Mapping[str, VoteTable] | Mapping[str, LabelTable],
    method: str,
    options: Options,
    priors: str = "auto",
    *,
    asked: AskedLabels | None = None,
    start: PooledEstimate | None = None,
) -> tuple[PooledEstimate | LabelEstimate, list[str]]:
    """Return the estimate over cases, and what makes it doubtful; ``asked``: options of label maps."""
    made, remarks = _pooled(tables, method, options, priors, asked, start)
    lacking = _remarks_on_intervals(made) or _said_of_samples(made, tables, options)
    return made, remarks + lacking


def _pooled(
    tables: Mapping[str, VoteTable] | Mapping[str, LabelTable],
    method: str,
    options: Options,
    priors: str,
    asked: AskedLabels | None,
    start: PooledEstimate | None,
) -> tuple[PooledEstimate | LabelEstimate, list[str]]:
    check_choice(priors, "priors", ("auto", "own", "shared"))
    kind = _kind_of(tables)
    row = method_called(method, images=False)
    if row.chooses:
        raise ValueError("method is 'auto': cases that share rates are fused by one method; name it")
    check_choice(options.intervals, "intervals", ("none", "bootstrap"))
    if kind is LabelTable:
        return _pooled_labels(cast("Mapping[str, LabelTable]", tables), row, options, priors, asked, start)
    votes = {case: settled(table) for case, table in tables.items() if isinstance(table, VoteTable)}
    by_masses = any(isinstance(table, MassTable) for table in votes.values())
    options.check_method(row)
    options = options.checked().of_method(row)
    for table in votes.values():
        check_table(table, row, options)
    if priors == "own" and options.classes == 3 and start is None:
        return pool_classes(votes, row, options)
    own = has_own_prior(row, options, priors)
    if start is not None and (start.method != row.name or (start.priors == "own") != own):
        raise ValueError(
            f"start is of {start.method} with {start.priors} priors: give one of {row.name} with "
            f"{'own' if own else 'shared'} priors, or none"
        )
    if start is not None and _why_shared(row, options):
        raise ValueError(f"start is given, and {_why_shared(row, options)}: there is none then; leave it out")
    if own or by_masses or (start is not None and options.intervals == "none"):
        return pool_rows(votes, row, options, start, own=own)
    return pool_shared(votes, row, options)


def _remarks_on_intervals(made: PooledEstimate | LabelEstimate) -> list[str]:
    """Say of whom there are no intervals, where others have some."""
    if made.intervals is None:
        return []
    places = range(len(made.names))
    has_ends = [bool(np.isfinite(made.intervals.sensitivity[i]).any()) for i in places]
    lacking = [made.names[i] for i in places if np.isfinite(made.sensitivity[i]).any() and not has_ends[i]]
    if not (lacking and any(has_ends)):
        return []
    what = "lacking in more than 5 % of the bootstrap's samples of cases: no intervals"
    return [told(lacking, f"is {what}", f"are {what}")]


def _said_of_samples(
    made: PooledEstimate | LabelEstimate,
    tables: Mapping[str, VoteTable] | Mapping[str, LabelTable],
    options: Options,
) -> list[str]:
    """Say why nobody has an interval, where samples of cases have too few raters."""
    votes = {case: one for case, one in tables.items() if isinstance(one, VoteTable)}
    if made.intervals is None or np.isfinite(made.intervals.sensitivity).any() or len(votes) < 2:
        return []
    voting = np.array([who_reads([table]) for table in aligned_tables(votes)[1]])
    fewest = fewest_raters(options)
    few = [
        np.count_nonzero(voting[weights > 0].any(axis=0)) < fewest
        for weights in draws(len(voting), options.replicates, options.seed)
    ]
    if np.count_nonzero(voting.any(axis=0)) < fewest or np.mean(few) <= LACKING:
        return []
    what = (
        f"in more than 5 % of the bootstrap's samples of cases fewer than {fewest} raters vote: no intervals"
    )
    return [f"{what}; pool more cases of the raters who read few"]


def has_own_prior(method: Method, options: Options, priors: str) -> bool:
    """Tell whether each case has its prior; refuse what has none."""
    why = _why_shared(method, options)
    if why and priors == "own":
        raise ValueError(
            said(f"{why}: with a prior of each case there is none; give priors='shared' (--priors shared)")
        )
    return priors != "shared" and not why


def _why_shared(method: Method, options: Options) -> str:
    """Say what has no prior of each case; nothing where there may be one."""
    if method.of_levels or not method.estimates:
        return f"method is {method.name!r}"
    for name, usual in (("classes", 2), ("likelihood", "mixture")):
        if getattr(options, name) != usual:
            return f"{name} is {quoted(getattr(options, name))}"
    return ""


def _kind_of(tables: Any) -> type[VoteTable | LabelTable]:
    """Return the one kind of the tables; refuse what is no mapping of them."""
    if not isinstance(tables, Mapping):
        raise TypeError(f"tables is of type {type(tables).__name__}: give {TABLES}")
    if not tables:
        raise ValueError(f"there is no case: give {TABLES}")
    kinds = {VoteTable if isinstance(table, VoteTable) else type(table) for table in tables.values()}
    wrong = [case for case in tables if not isinstance(case, str)]
    if wrong or not kinds <= {VoteTable, LabelTable}:
        raise TypeError(f"tables holds something else than tables by name: give {TABLES}")
    if len(kinds) > 1:
        raise TypeError("tables holds vote tables and label tables: pool either by itself")
    return next(iter(kinds))


def _pooled_labels(
    tables: Mapping[str, LabelTable],
    method: Method,
    options: Options,
    priors: str,
    asked: AskedLabels | None,
    start: PooledEstimate | None,
) -> tuple[LabelEstimate, list[str]]:
    if method.name not in ("staple", "majority"):
        raise ValueError(f"method is {method.name!r}: label tables take 'staple' or 'majority'")
    if start is not None:
        raise ValueError("start is given: label maps have none such; leave it out")
    given = LabelOptions.of(options, asked or AskedLabels("all"))
    if priors == "own":
        if not method.estimates:
            raise ValueError(
                said(
                    f"method is {method.name!r}: with a prior of each case there is none; give priors='shared' (--priors shared)"
                )
            )
        return pool_labels(tables, given)
    cases = sorted(tables)
    whole = sum((tables[case] for case in cases[1:]), tables[cases[0]])
    over_cases = None
    if options.intervals != "none":
        parts = [whole.emptied() + tables[case] for case in cases]
        codes = [part.codes.astype(np.float64) for part in parts]
        over_cases = OverCases(codes, [part.counts for part in parts], options.replicates, options.seed)
    return estimate_labels(whole, cast("LabelMethod", method.name), given, over_cases)
