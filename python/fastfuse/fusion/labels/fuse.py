"""A fusion of label maps on one screen: place the maps, find their labels, tabulate, estimate, answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from ...errors import said, warn
from ...inputs.checks import check_choice, check_dtype
from ...inputs.kinds import DTypeOfResult, RatersLike, VoxelsLike
from ...inputs.threads import remarks_on_threads
from ..backends import labels as core
from ..backends.labels import CoreLabelEstimate, CoreLabelOptions, CoreLabelTable, TupleConsensus
from ..case import Case
from ..doubts.copies import same_in_codes
from ..intervals import LEAST_SEEN
from ..messages import ONE_BY_ONE
from ..options import Options
from ..pipeline import fuse_votes
from ..registry import Method, method_called
from ..result import Fusion, share_of
from ..votes import Votes
from .binary import BinaryConsensus, without_consensus
from .chosen import Labels, checked_labels
from .decisions import Counted, Decided, DecidedConsensus, check_label_decisions
from .declared import LabelsLike
from .intervals import LabelIntervals, bootstrap
from .options import (
    LabelMethod,
    LabelOptions,
    check_order,
    clamped,
    dirichlet_for,
    prior_for,
    start_of,
    unknown_flags,
    unknown_for,
    weights_for,
)
from .readers import Readers
from .region import marked_by_labels, within_region
from .remarks import remarks_on, remarks_on_copies
from .result import Consensus, LabelFusion, same_undecided

MOST_RATES = 1 << 27  # of all raters' confusion matrices: 1 GiB


def fuse_labels(
    raters: RatersLike,
    method: LabelMethod = "staple",
    *,
    labels: LabelsLike = "all",
    options: LabelOptions | None = None,
    axis: int | None = None,
    mask: VoxelsLike | None = None,
    present: RatersLike | None = None,
    names: Sequence[str] | None = None,
    dtype: DTypeOfResult = "float32",
) -> LabelFusion:
    """Fuse label maps, and warn of what is doubtful."""
    votes = Votes(raters, mask, present, dtype=dtype, axis=axis, names=names)
    fusion, remarks = fuse_label_votes(votes, method, labels, options or LabelOptions())
    warn(remarks)
    return fusion


def fuse_label_votes(
    votes: Votes,
    method: LabelMethod,
    labels: Any,
    options: LabelOptions,
    names: Mapping[int, str] | None = None,
) -> tuple[LabelFusion, list[str]]:
    """Return the fusion of label maps, and what makes it doubtful; ``names`` are those of labels that are known."""
    check_choice(method, "method", get_args(LabelMethod))
    asked, options = checked_labels(labels), options.checked()
    options.check_method(method)
    check_label_decisions(options)
    check_order(options.prior, labels)
    case, chosen = placed(votes, asked, options, names)
    kind = check_dtype(votes.dtype)
    with core.refusals_explained(case, chosen.values):
        table = core.tabulate(case.in_memory_order(), chosen.values, options.missing, options.threads)
        if len(chosen.values) == 2 and options.are_binary():
            return as_masks(case, method, chosen, options, table)
        readers, volume = Readers.of(case), table.volume
        decided, rows = with_decisions(case, chosen, options, table)
        asked_of_core = core_options(method, options, chosen, rows.volume, float(rows.counts.sum()), readers)
        asked_of_core.known = [] if decided is None or method == "majority" else decided.known
        found = core.estimate(rows, asked_of_core)
        intervals = bootstrap(rows, found, asked_of_core, options)
    of_open = TupleConsensus(rows, found.truths, case.shape, case.axes, kind, options.threads)
    counted, consensus = counted_with(found, of_open, decided, by_votes=method == "majority")
    fusion = fusion_of(counted, volume, consensus, method, chosen, options, readers, intervals)
    copies = remarks_on_copies(fusion, same_in_codes(table, case.given.places), votes.files)
    remarks = remarks_on(fusion, options, case.given.places)
    return fusion, case.remarks + copies + remarks + remarks_on_threads()


def with_decisions(
    case: Case, labels: Labels, options: LabelOptions, table: CoreLabelTable
) -> tuple[Decided | None, CoreLabelTable]:
    """Return what is decided, and the table of the voxels that are open: that of all where nothing is decided."""
    if options.decisions is None:
        return None, table
    decided = Decided.of(case, labels, options.decisions)
    arrays = decided.open_part(case).in_memory_order()
    return decided, core.tabulate(arrays, labels.values, options.missing, options.threads)


def counted_with(
    found: CoreLabelEstimate, of_open: Consensus, decided: Decided | None, *, by_votes: bool
) -> tuple[CoreLabelEstimate | Counted, Consensus]:
    """Return what was found, and the consensus, with the voxels that are decided."""
    if decided is None:
        return found, of_open
    return decided.added_to(found, by_votes=by_votes), DecidedConsensus(of_open, decided)


def placed(
    votes: Votes, asked: Labels | None, options: LabelOptions, names: Mapping[int, str] | None
) -> tuple[Case, Labels]:
    """Return label maps on one grid, inside their region, and the labels to fuse."""
    return placed_case(Case.of(votes.listed(), options.of_case()), asked, options, names)


def placed_case(
    case: Case, asked: Labels | None, options: LabelOptions, names: Mapping[int, str] | None
) -> tuple[Case, Labels]:
    """Return a case inside its region, and the labels to fuse."""
    with core.refusals_explained(case, asked.values if asked else ()):
        chosen = asked or Labels(tuple(core.find(case.in_memory_order(), options.missing, options.threads)))
    if not chosen.values:
        empty = case.mask is not None and not case.mask.any()
        why = f"{case.titles['mask']} is empty" if empty else "every vote is missing"
        raise ValueError(f"{why}: there is no label to fuse")
    chosen = chosen.named(names or {})
    same_undecided(options.undecided, chosen)
    check_size(chosen, len(case.given.arrays))
    marked = (marked_by_labels(array) for array in case.given.arrays)
    return within_region(case, marked, chosen, options), chosen


def check_size(labels: Labels, raters: int) -> None:
    """Refuse labels whose confusion matrices would not fit in memory."""
    rates = raters * len(labels.values) ** 2
    if rates > MOST_RATES:
        raise ValueError(
            said(
                f"{len(labels.values)} labels of {raters} raters make confusion matrices of {rates:.2g} numbers: "
                f"put labels together in the maps first, or {ONE_BY_ONE}"
            )
        )


def core_options(
    method: LabelMethod,
    options: LabelOptions,
    labels: Labels,
    volume: NDArray[np.float64],
    voxels: float,
    readers: Readers,
) -> CoreLabelOptions:
    """Return the options as the core takes them; ``volume``: of each rater and label."""
    asked = CoreLabelOptions()
    asked.votes_alone = method == "majority"
    asked.weights = readers.entries(weights_for(options.weights, readers.count))
    asked.start = start_of(options, labels)
    asked.candidates = options.candidates_of(labels)
    asked.confusion = options.confusion
    asked.estimates_prior = isinstance(options.prior, str) and options.prior == "estimate"
    asked.prior = clamped(prior_for(options.prior, labels), volume)
    asked.performance_prior = dirichlet_for(options.performance_prior, labels, volume, voxels)
    of_all = readers.for_all(volume, 0.0)
    asked.unknown = readers.entries(unknown_for(options.knows, labels, readers.names, of_all))
    asked.tol, asked.max_iter = options.tol, options.max_iter
    asked.acceleration, asked.threads = options.acceleration, options.threads
    return asked


def fusion_of(
    found: CoreLabelEstimate | Counted,
    volume: NDArray[np.float64],
    consensus: Consensus,
    method: LabelMethod,
    labels: Labels,
    options: LabelOptions,
    readers: Readers,
    intervals: LabelIntervals | None = None,
) -> LabelFusion:
    """Return the fusion from what the core found; ``volume``, ``intervals``: of each rater who reads the case.

    The rates of a label that nobody thinks true where the rater votes are no estimate, whatever the Dirichlet says; nor are
    those of a label that the rater does not know, which the consensus goes by all the same.
    """
    seen = np.asarray(found.seen).reshape(volume.shape)
    of_all = readers.for_all(volume, 0.0)
    unknown = unknown_flags(options.knows, labels, readers.names, of_all)[readers.places]
    confusion = np.where(((seen > 0) & ~unknown)[:, :, None], rates_of(found, volume), np.nan)
    dice = np.where(unknown, np.nan, share_of(2 * found.agreed, seen + volume))
    untold = (seen < LEAST_SEEN) & (method != "majority")
    return LabelFusion(
        labels=labels.values,
        label_names=labels.names,
        raters=readers.names,
        confusion=readers.for_all(confusion, np.nan),
        prior=found.prior,
        log_likelihood=found.log_likelihood,
        log_prior=found.log_prior,
        n_iter=found.iterations,
        converged=found.converged,
        method=method,
        n_voxels=int(found.voxels),
        volume=of_all,
        consensus_volume=found.mass,
        ppv=readers.for_all(share_of(found.agreed, volume), np.nan),
        dice=readers.for_all(dice, np.nan),
        consensus=consensus,
        undecided=options.undecided,
        intervals=None if intervals is None else intervals.of_all(readers.places, readers.count),
        _untold=readers.for_all(untold, False) if untold.any() else None,
    )


def rates_of(found: CoreLabelEstimate | Counted, volume: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rates that EM goes by, of raters who vote."""
    return np.where((volume.sum(axis=1) > 0)[:, None, None], found.confusion, np.nan)


def as_masks(
    case: Case,
    method: LabelMethod,
    labels: Labels,
    options: LabelOptions,
    table: CoreLabelTable,
    maps: Sequence[NDArray[Any]] = (),
) -> tuple[LabelFusion, list[str]]:
    """Fuse two labels as masks of the larger one: the same bits as without ``labels``; ``maps``: of the prior."""
    votes, readers = mask_votes(case, labels, options.missing), Readers.of(case)
    if options.decisions is not None:
        votes = replace(votes, decisions=Decided.of(case, labels, options.decisions).as_masks())
    fusion, remarks = fuse_votes(votes, *binary_options(method, options, labels, maps))
    fusion = replace(fusion, method=method)
    made = labels_of_masks(fusion, votes, case, labels, readers.for_all(table.volume, 0.0))
    if method == "majority" and options.intervals != "none":
        asked = core_options(method, options, labels, table.volume, float(table.counts.sum()), readers)
        intervals = bootstrap(table, core.estimate(table, asked), asked, options)
        made = replace(made, intervals=intervals and intervals.of_all(readers.places, readers.count))
    return made, [*case.remarks, *remarks]


def mask_votes(case: Case, labels: Labels, missing: str) -> Votes:
    """Return maps of two labels as masks of the larger one."""
    high = labels.values[1]
    raters = [None if array is None else _mask_of(array, high, missing) for array in case.given.listed()]
    return replace(case.votes, raters=raters, doubts=())


def binary_options(
    method: LabelMethod, options: LabelOptions, labels: Labels, maps: Sequence[NDArray[Any]] = ()
) -> tuple[Method, Options]:
    """Return by which method, and how, masks are fused in the place of two labels."""
    if method == "majority":
        return method_called("majority"), Options(missing=options.missing, threads=options.threads)
    return method_called("staple"), Options(
        prior=options.prior_of_larger(labels, maps),
        missing=options.missing,
        tol=options.tol,
        max_iter=options.max_iter,
        acceleration=options.acceleration,
        intervals=options.intervals,
        replicates=options.replicates,
        seed=options.seed,
        threads=options.threads,
    )


def _mask_of(array: NDArray[Any], label: int, missing: str) -> NDArray[Any]:
    marked = (np.rint(array) if array.dtype.kind == "f" else array) == label
    if missing == "nan" and array.dtype.kind == "f" and np.isnan(array).any():
        return np.where(np.isnan(array), array, marked.astype(array.dtype))
    return np.asarray(marked)


def labels_of_masks(
    fusion: Fusion, votes: Votes, case: Case, labels: Labels, volume: NDArray[np.float64]
) -> LabelFusion:
    """Return the fusion of masks, which are ``votes``, as one of labels."""
    upper = np.asarray(fusion.probability)
    outside = without_consensus(upper, votes, case, fusion.n_voxels)
    mass = float(upper.sum(dtype=np.float64))
    return LabelFusion(
        labels=labels.values,
        label_names=labels.names,
        raters=Readers.of(case).names,
        confusion=confusion_of_masks(fusion.sensitivity, fusion.specificity),
        prior=np.array([1 - fusion.prior, fusion.prior]),
        log_likelihood=fusion.log_likelihood,
        log_prior=np.zeros_like(fusion.log_likelihood),
        n_iter=fusion.n_iter,
        converged=fusion.converged,
        method=fusion.method,
        n_voxels=fusion.n_voxels,
        volume=volume,
        consensus_volume=np.array([fusion.n_voxels - mass, mass]),
        ppv=np.stack([fusion.npv, fusion.ppv], -1),
        dice=np.stack([_dice_of_lower(fusion), fusion.dice], -1),
        consensus=BinaryConsensus(upper, labels.values, outside),
        intervals=None if fusion.intervals is None else LabelIntervals.of_masks(fusion.intervals),
        _untold=None if fusion._untold is None else fusion._untold[::-1].T,
    )


def confusion_of_masks(hit: NDArray[np.float64], rejected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the confusion matrices of two labels from sensitivities and specificities."""
    return np.stack([np.stack([rejected, 1 - rejected], -1), np.stack([1 - hit, hit], -1)], 1)


def _dice_of_lower(fusion: Fusion) -> NDArray[np.float64]:
    """Return 2 sum (1 - w)(1 - q) / (sum (1 - w) + sum (1 - q)), from what is known of w and q; nan for 0/0."""
    unmarked = fusion.n_read - fusion.volume
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = 2 * fusion.volume * fusion.ppv / fusion.dice - fusion.volume  # sum w
        return 2 * unmarked * fusion.npv / (fusion.n_read - seen + unmarked)


def came_to(options: LabelOptions, fusion: LabelFusion) -> dict[str, Any]:
    """Return what the options that may be "auto" are for a fusion."""
    labels = Labels(fusion.labels, fusion.label_names)
    belief = dirichlet_for(options.performance_prior, labels, fusion.volume, float(fusion.n_voxels))
    return {
        "init": start_of(options, labels),
        "candidates": options.candidates_of(labels),
        "performance_prior": None if belief is None else list(belief),
    }
