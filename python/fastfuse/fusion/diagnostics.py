"""Remarks on fusions that are legal but doubtful."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np

from ..inputs.arrays import name_of
from ..inputs.checks import check_performance_prior
from ..inputs.names import MOST_TOLD, told
from ..inputs.raters import remarks_on_same_votes
from .backends.found import Found
from .bootstrap import told_by_votes
from .case import Case
from .doubts.consensus import remarks_on_consensus
from .doubts.copies import remarks_on_copies, remarks_on_few_who_differ, same_in_table
from .doubts.coverage import remarks_on_coverage
from .doubts.engulfing import remarks_on_engulfing
from .doubts.evidence import Evidence
from .doubts.faint import remarks_on_faint
from .doubts.remedies import IF_EMPTY, for_a_fit, for_slow_em
from .intervals import LEAST_SEEN
from .option_checks import of_rates
from .options import Options
from .registry import Method
from .result import DiceRule, Fusion, Ties, cut_of, divided

CHANCE = 1e-3  # sensitivity + specificity this near to 1 tell next to nothing of the truth
ROUNDING = 1e-6
NOTHING_THERE = ", and the consensus holds nothing where they read, so that no vote tells the sensitivity"
NOWHERE = " only where the consensus holds nothing: no vote tells the sensitivity"


def remarks_on(
    fusion: Fusion,
    found: Found,
    method: Method,
    options: Options,
    *,
    names: Sequence[str] | None,
    resampled: bool,
    case: Case | None = None,
    cut: float | DiceRule = 0.5,
    ties: Ties = "foreground",
    advise: bool = True,
) -> list[str]:
    """Say what is doubtful, and what to do; nothing for a fusion that can be taken as it is.

    ``case``: the votes, where there are any; ``cut``, ``ties``: of the mask that is made of the consensus. ``resampled`` is False where intervals by a bootstrap were asked for, and the votes do not repeat enough for it.
    Without ``advise`` no options are named: the caller has none to give.
    """
    volume, read = fusion.volume.tolist(), fusion.n_read.tolist()
    if not any(volume):
        return ["nobody marks anything: the probability is 0 everywhere and no sensitivity is defined"]
    if volume == read:
        shape = getattr(fusion.probability, "shape", (fusion.n_voxels,))  # unknown of what a device holds
        of_all = fusion.n_voxels == math.prod(shape)
        where = "everywhere" if of_all else "on all voxels that are fused"
        return [f"everybody marks everything: the probability is 1 {where} and no specificity is defined"]
    remarks = []
    at = cut_of(fusion.probability, cut)
    evidence = Evidence(fusion, found, method, options, at, case, ties, cut == "dice", advise)
    if sum(map(bool, read)) == 1:
        remarks.append("there is one rater only: the consensus can only repeat their votes")
    elif found.disputed == 0:
        remarks.append("no voxel is in doubt: all raters agree everywhere")
    else:
        remarks += remarks_on_few_who_differ(found, method, options)
    if options.intervals != "none":
        remarks += _on_intervals(fusion, options.intervals, resampled=resampled)
        remarks += remarks_on_coverage(fusion, options)
    if fusion.n_voxels == 0:
        return remarks
    if case is not None:
        remarks += remarks_on_faint(fusion, case, options) + remarks_on_engulfing(fusion, case, options)
    rates = zip(fusion.sensitivity.tolist(), fusion.specificity.tolist(), strict=True)
    informative = [
        apart for sensitivity, specificity in rates if (apart := abs(sensitivity + specificity - 1)) >= 0
    ]
    if (
        method.estimates and max(informative, default=1) < CHANCE
    ):  # nan, which is left out, where a rater has not both
        remarks.append(
            f"every rater comes out as no better than chance, and the consensus as the prior{for_a_fit(evidence)}"
        )
    else:
        raters = range(len(fusion.volume))
        remarks += _on_raters(
            fusion, method, options, names, options.roi, raters, _untold(fusion, found, method)
        )
        remarks += remarks_on_consensus(evidence)
    return remarks + _on_convergence(evidence)


def remarks_on_estimate(
    fusion: Fusion,
    found: Found,
    method: Method,
    options: Options,
    *,
    names: Sequence[str],
    resampled: bool,
) -> list[str]:
    """Say what is doubtful of an estimate from a table; ``fusion`` holds no probability."""
    if not fusion.volume.any():
        return ["nobody marks anything in the table: no sensitivity is defined"]
    if (fusion.volume == fusion.n_read).all():
        return ["everybody marks everything in the table: no specificity is defined"]
    copies = []
    if found.table is not None:
        same = same_in_table(found.table, range(len(names)))
        copies = remarks_on_same_votes(fusion.volume.tolist(), same, names, once=method.of_levels)
    return copies + remarks_on(fusion, found, method, options, names=names, resampled=resampled)


def remarks_on_applied(
    fusion: Fusion,
    found: Found,
    case: Case | None,
    method: Method,
    options: Options,
    ignored: Sequence[int],
    *,
    names: Sequence[str] | None = None,
) -> list[str]:
    """Say what is doubtful of votes to which an estimate was applied, and of the consensus that was written.

    ``ignored``: the raters whose votes count for nothing, as the estimate knows none of them. ``case`` is None, and
    ``names`` are those of the raters, where votes are not held together.
    """
    names = names if case is None else case.votes.names
    copies = [] if case is None else remarks_on_copies(fusion.volume.tolist(), found, case, method, options)
    unknown = [name_of(i, names) for i in ignored]
    nowhere = "no vote in the table of the estimate: their votes count for nothing here"
    remarks = copies + ([told(unknown, f"has {nowhere}", f"have {nowhere}")] if unknown else [])
    if not fusion.volume.any():
        highest = found.highest if fusion.n_voxels else 0
        return [*remarks, f"{_nothing(case, options)}: the highest probability is {highest:.3g}"]
    if (fusion.volume == fusion.n_read).all():
        lowest = found.lowest if fusion.n_voxels else 1
        return [*remarks, f"everybody marks everything: the lowest probability is {lowest:.3g}"]
    if np.count_nonzero(fusion.n_read) == 1:
        remarks.append("there is one rater only: the consensus rests on their votes alone")
    elif found.disputed == 0:
        remarks.append("no voxel is in doubt: all raters agree everywhere")
    if fusion.n_voxels == 0:
        return remarks
    if case is not None:
        remarks += remarks_on_faint(fusion, case, options) + remarks_on_engulfing(fusion, case, options)
    known = [i for i in range(len(fusion.volume)) if i not in ignored]
    remarks += _on_raters(fusion, method, options, names, "all", known)
    evidence = Evidence(fusion, found, method, options, case=case)
    return remarks + remarks_on_consensus(evidence) + _on_convergence(evidence)


def remark_on_nothing(case: Case, options: Options) -> str:
    """Say that nobody marks what was asked for."""
    return f"{_nothing(case, options)}: the probability is 0 everywhere"


def _nothing(case: Case | None, options: Options) -> str:
    """Say that nobody marks anything; of values that were made into votes, which occur."""
    if case is None or not options.foreground.selects:
        return "nobody marks anything"
    inside = ... if case.mask is None else case.mask.astype(bool)
    return options.foreground.said_of_nothing([array[inside] for array in case.unchosen])


def _by_votes(fusion: Fusion) -> Fusion:
    """Return the fusion with rates counted from votes and consensus: levels never find a rater worse than chance."""
    marked = fusion.ppv * fusion.volume  # Σ w q
    empty = fusion.n_read - fusion.volume
    right = np.where(empty > 0, fusion.npv, 0) * empty  # Σ (1 - w)(1 - q)
    foreground = marked + (empty - right)
    background = fusion.n_read - foreground
    return replace(
        fusion,
        sensitivity=divided(marked, foreground),
        specificity=divided(right, background),
    )


def _on_raters(
    fusion: Fusion, method: Method, options: Options, names: Sequence[str] | None, roi: str | float, raters: Iterable[int],
    untold: Collection[int] = (),
) -> list[str]:  # fmt: skip
    """Say who marks nothing or everything, or does worse than chance; ``untold``: whose sensitivity is 0/0."""
    counted = _by_votes(fusion) if method.of_levels else fusion
    of_nothing, of_everything = _made_by_belief(method, options)
    groups: dict[tuple[str, str], list[str]] = {}
    worse: list[str] = []
    volumes, read = fusion.volume.tolist(), fusion.n_read.tolist()
    sensitivities, specificities = counted.sensitivity.tolist(), counted.specificity.tolist()
    for i in raters:
        volume, name = volumes[i], name_of(i, names)
        sensitivity, specificity = sensitivities[i], specificities[i]
        if read[i] == 0:
            groups.setdefault(("has no vote", "have no vote"), []).append(name)
        elif volume == 0:
            more = of_nothing if math.isfinite(sensitivity) else ""
            said = f"nothing{NOTHING_THERE if i in untold else ''}{more}: {IF_EMPTY}"
            groups.setdefault((f"marks {said}", f"mark {said}"), []).append(name)
        elif volume == read[i]:
            more = of_everything if math.isfinite(specificity) else ""
            groups.setdefault((f"marks everything{more}", f"mark everything{more}"), []).append(name)
        elif i in untold:
            groups.setdefault((f"reads{NOWHERE}", f"read{NOWHERE}"), []).append(name)
        elif sensitivity + specificity < 1 - ROUNDING:
            rates = f"sensitivity {sensitivity:.3f} + specificity {specificity:.3f} < 1"
            if counted is not fusion:
                rates += f" by votes and consensus{_in_the_result(fusion, i)}"
            worse.append(f"{name} does worse than chance ({rates})")
    remarks = [told(alike, one, many) for (one, many), alike in groups.items()]
    if len(worse) > MOST_TOLD:
        others = len(worse) - MOST_TOLD
        verb = "raters do" if others > 1 else "rater does"
        worse = [*worse[:MOST_TOLD], f"{others} other {verb} worse than chance too"]
    if worse and roi == "disputed":
        worse.append(
            "among disputed voxels alone, independent raters look opposed to each other: roi='all', or a margin, has no such bias"
        )
    return remarks + worse


def _untold(fusion: Fusion, found: Found, method: Method) -> list[int]:
    """Return the raters whose sensitivity nothing tells, since the consensus holds no voxel where they read, but elsewhere."""
    if not of_rates(method) or found.estimate.latent is not None:
        return []
    volumes, seen = fusion.volume.tolist(), found.seen_by.tolist()
    if all(one > 0 for one in volumes) and all(one >= LEAST_SEEN for one in seen):
        return []  # of nearly every fusion; patterns are not looked at
    told = told_by_votes(found)[0]
    read = np.flatnonzero(fusion.n_read)  # found has entries of those alone who read the case
    told = told if len(told) == len(read) else told[read]
    return read[~told].tolist() if told.any() else []


def _made_by_belief(method: Method, options: Options) -> tuple[str, str]:
    """Return what is said of the rate of who marks nothing, and everything: that no vote makes it, but a belief in raters."""
    if not of_rates(method):
        return "", ""
    of_one, of_zero = check_performance_prior(options.performance_prior)
    said = " (the {} is that of performance_prior alone)"
    return (
        said.format("sensitivity") if of_one[0] > 1 else "",
        said.format("specificity") if of_zero[0] > 1 else "",
    )


def _in_the_result(fusion: Fusion, i: int) -> str:
    """Say what a result of levels has for a rater, which is another number: the model knows none worse than chance."""
    rates = f"sensitivity {fusion.sensitivity[i]:.3f}, specificity {fusion.specificity[i]:.3f}"
    return f"; the result has the model's, by which nobody does worse: {rates}"


def _on_intervals(fusion: Fusion, wanted: str, *, resampled: bool) -> list[str]:
    found = fusion.intervals
    if not resampled:
        why = (
            "the votes hardly repeat from voxel to voxel, and a bootstrap would take as long as many fusions"
        )
    elif found is None or np.isfinite(found.sensitivity).any():
        return []
    elif wanted == "information":
        why = (
            "EM ends at no maximum of the likelihood, at 0 or 1, or at votes whose information is not known; "
            "intervals='bootstrap' may be"
        )
    else:
        why = "there is too little to resample: fewer than two raters (or in its samples of cases, too few), two lesions or one voxel in doubt"
    return [f"intervals={wanted!r} are not defined here: {why}"]


def _on_convergence(evidence: Evidence) -> list[str]:
    if evidence.fusion.converged:
        return []
    return [f"stopped at max_iter = {evidence.options.max_iter} before convergence{for_slow_em(evidence)}"]
