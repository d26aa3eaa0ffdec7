"""From a label table to the raters' performance, and from that to the consensus of label maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ...errors import warn
from ...inputs.checks import check_dtype
from ...inputs.kinds import DTypeOfResult, RatersLike, Sides, VoxelsLike
from ...inputs.names import counted, told
from ...inputs.threads import remarks_on_threads
from ..backends import labels as core
from ..backends.labels import CoreLabelEstimate, CoreLabelTable, TupleConsensus
from ..bootstrap import Samples
from ..case import Case
from ..declared import documented
from ..doubts.copies import same_in_codes
from ..estimate import Estimate, check_count, consensus_of, estimated
from ..option_checks import NO_INTERVALS
from ..options import Missing, Options
from ..table_checks import place_of
from ..vote_table import VoteTable
from ..votes import ENTRIES, Votes
from .chosen import Labels
from .decisions import Decided
from .declared import Dirichlet, LabelRoi
from .fuse import (
    binary_options,
    check_size,
    confusion_of_masks,
    core_options,
    counted_with,
    fusion_of,
    labels_of_masks,
    mask_votes,
    placed_case,
    rates_of,
    with_decisions,
)
from .intervals import LabelIntervals, bootstrap
from .options import LabelMethod, LabelOptions, dirichlet_for, known_by_name, unknown_for
from .prior_map import is_prior_map
from .readers import Readers
from .recorded import with_origin_of_labels
from .remarks import on_votes, remarks_on, remarks_on_copies
from .result import Consensus, LabelFusion, rates_in_lines
from .table import LabelTable

OF_CASE = ("roi", "spacing_mm", "missing", "threads", "undecided", "decisions")
NO_VOXELS = cast("Consensus", None)  # of a fusion that is made for its remarks alone


@dataclass(frozen=True, eq=False)
class LabelEstimate:
    """The raters' performance, estimated from a label table by :func:`estimate`; m raters, K labels.

    Attributes
    ----------
    labels : tuple of int
        The K labels, in ascending order.
    label_names : tuple of str
        What they are called; empty without names.
    names : tuple of m str
        What the raters are called.
    confusion : ndarray of float64, shape (m, K, K)
        p(vote b | truth a) at [rater, a, b]; nan where nothing determines it, or the rater does not know the label.
    sensitivity : ndarray of float64, shape (m, K)
        p(vote a | truth a), the diagonal of ``confusion``.
    prior : ndarray of float64, shape (K,)
        p(truth) before any vote.
    log_likelihood, log_prior : ndarray of float64, shape (n_iter,)
        As those of :class:`LabelFusion`.
    n_iter : int
    converged : bool
    method : str
    n_voxels : int
        Voxels in the table.
    volume : ndarray of float64, shape (m, K)
        Voxels to which each rater gives each label.
    intervals : LabelIntervals or None
        Standard errors and 95 % intervals of sensitivity; None if they were not asked for.
    """

    labels: tuple[int, ...]
    label_names: tuple[str, ...]
    names: tuple[str, ...]
    confusion: NDArray[np.float64]
    prior: NDArray[np.float64]
    log_likelihood: NDArray[np.float64]
    log_prior: NDArray[np.float64]
    n_iter: int
    converged: bool
    method: str
    n_voxels: int
    volume: NDArray[np.float64]
    intervals: LabelIntervals | None
    _options: LabelOptions = field(repr=False)
    _rates: NDArray[np.float64] = field(repr=False)
    _masks: Estimate | None = field(repr=False)

    @property
    def sensitivity(self) -> NDArray[np.float64]:
        """p(vote a | truth a) of each rater and label, shape (m, K)."""
        return np.diagonal(self.confusion, axis1=1, axis2=2)

    @property
    def _belief(self) -> Dirichlet:
        """The belief in raters that the rates were estimated with, whatever is fused by them; a majority has none."""
        asked: Dirichlet = self._options.performance_prior
        labels, voxels = Labels(self.labels, self.label_names), float(self.n_voxels)
        return asked if self.method == "majority" else dirichlet_for(asked, labels, self.volume, voxels)

    @documented(ENTRIES)
    def apply(
        self,
        raters: RatersLike,
        *,
        axis: int | None = None,
        mask: VoxelsLike | None = None,
        roi: LabelRoi = "all",
        spacing_mm: Sides | None = None,
        missing: Missing = "error",
        present: RatersLike | None = None,
        dtype: DTypeOfResult = "float32",
        threads: int = 0,
        undecided: int | None = None,
    ) -> LabelFusion:
        """Return the consensus of label maps, given these rates and this prior: one read, no EM.

        Rates are kept at least 1e-12, so that a vote that nobody gave in the table makes nothing impossible.

        Parameters
        ----------
        self : LabelEstimate
            Of the same raters, in the same order.
        {options}

        Returns
        -------
        LabelFusion
            ``volume``, ``consensus_volume``, ``ppv`` and ``dice`` are of these votes; all else is the estimate's.

        Raises
        ------
        ValueError, TypeError
            As :func:`fuse`, for another number of raters, and for a label that the estimate does not know.

        Warns
        -----
        FusionWarning
            As :func:`fuse`; and for a rater who votes here, but not in the estimate's table. Their votes count for
            nothing then, as if the rater were None.

        Examples
        --------
        >>> import fastfuse
        >>> maps = [[0, 0, 1, 2, 4, 4], [0, 1, 1, 2, 2, 4], [0, 1, 1, 2, 4, 4]]
        >>> rates = fastfuse.estimate(fastfuse.tabulate(maps, labels="all"), "staple")
        >>> rates.apply([[4, 0], [4, 0], None]).label()
        array([4, 0], dtype=uint8)
        """
        votes = Votes(raters, mask, present, dtype, axis=axis, names=self.names).listed()
        here = LabelOptions(
            roi=roi, spacing_mm=spacing_mm, missing=missing, threads=threads, undecided=undecided
        )
        fusion, remarks = self.consensus_of(votes, here)
        warn(remarks)
        labels = dict(zip(self.labels, self.label_names, strict=True)) if self.label_names else self.labels
        of_case = {name: getattr(here, name) for name in OF_CASE}
        options = replace(self._options, performance_prior=self._belief, **of_case)
        return with_origin_of_labels(fusion, votes, options, labels, remarks)

    def consensus_of(self, votes: Votes, here: LabelOptions) -> tuple[LabelFusion, list[str]]:
        """Return the consensus of label maps, and what makes it doubtful; ``here``: options of these."""
        votes = votes.listed()
        check_count(votes, self.names)
        options = replace(
            self._options, **{name: getattr(here, name) for name in OF_CASE}, **NO_INTERVALS
        ).checked()
        options.check_method(self._method)
        return self._applied(Case.of(votes, options.of_case()), options)

    def of_raters(self, names: Sequence[str]) -> LabelEstimate:
        """Return the estimate of these raters, in this order.

        Raises
        ------
        ValueError
            For a rater whom the estimate does not have.
        """
        places = [place_of(name, self.names) for name in names]
        known = known_by_name(self._options.knows, self.names)
        knows = {rater: labels for rater, labels in known.items() if rater in names}
        return replace(
            self,
            names=tuple(names),
            _options=replace(self._options, knows=knows, performance_prior=self._belief),
            confusion=self.confusion[places],
            volume=self.volume[places],
            intervals=None if self.intervals is None else self.intervals.at(places),
            _rates=self._rates[places],
            _masks=None if self._masks is None else self._masks.of_raters(names),
        )

    @property
    def _method(self) -> LabelMethod:
        return cast("LabelMethod", self.method)

    def _applied(self, case: Case, options: LabelOptions) -> tuple[LabelFusion, list[str]]:
        labels = Labels(self.labels, self.label_names)
        unknown = np.flatnonzero(~self.volume.any(axis=1)).tolist()
        ignored = [place for place in case.given.places if place in unknown]
        case = case.without(ignored)
        case, _ = placed_case(case, labels, options, None)
        with core.refusals_explained(case, self.labels, of_estimate=True):
            table = core.tabulate(case.in_memory_order(), self.labels, options.missing, options.threads)
            if self._masks is not None and options.are_binary():
                return self._of_masks(self._masks, case, labels, options, table)
            readers = Readers(self.names, list(case.given.places))
            decided, rows = with_decisions(case, labels, options, table)
            found = self._consensus(rows, options, readers)
        self._check_told(table, readers)
        kind = check_dtype(case.votes.dtype)
        of_open = TupleConsensus(rows, found.truths, case.shape, case.axes, kind, options.threads)
        counted, written = counted_with(found, of_open, decided, by_votes=self.method == "majority")
        fusion = fusion_of(counted, table.volume, written, self._method, labels, options, readers)
        fusion = self._on_the_rates(fusion)
        nowhere = "no vote in the table of the estimate: their votes count for nothing here"
        remarks = (
            [told([self.names[i] for i in ignored], f"has {nowhere}", f"have {nowhere}")] if ignored else []
        )
        remarks += remarks_on_copies(fusion, same_in_codes(table, readers.places), case.votes.files)
        return fusion, [*case.remarks, *remarks, *on_votes(fusion, readers.places), *remarks_on_threads()]

    def _consensus(self, table: CoreLabelTable, options: LabelOptions, readers: Readers) -> CoreLabelEstimate:
        """Return what is true in a table's rows: the share of the votes, or by the rates."""
        labels = Labels(self.labels, self.label_names)
        if self.method == "majority":
            asked = core_options(
                "majority", options, labels, table.volume, float(table.counts.sum()), readers
            )
            return core.estimate(table, asked)
        candidates = options.candidates_of(labels)
        rates = np.ascontiguousarray(self._rates[readers.places])
        return core.apply(table, rates, self.prior.tolist(), candidates, options.threads)

    def _check_told(self, table: CoreLabelTable, readers: Readers) -> None:
        """Refuse votes for labels that nobody gives in the table of the estimate, so that it tells nothing of them."""
        if self.method == "majority":
            return
        of_all = readers.for_all(table.volume, 0.0)
        unknown_for(self._options.knows, Labels(self.labels, self.label_names), self.names, of_all)
        bad = np.argwhere((table.volume > 0) & (self.prior == 0))
        if len(bad):
            rater, code = bad[0].tolist()
            name = Labels(self.labels, self.label_names).called[code]
            raise ValueError(
                f"{self.names[readers.places[rater]]} gives label {name} here, and nobody does in the table of the estimate, "
                "which tells nothing of it: estimate from a table of votes that hold it, or give a prior that has it"
            )

    def _of_masks(
        self, masks: Estimate, case: Case, labels: Labels, options: LabelOptions, table: CoreLabelTable
    ) -> tuple[LabelFusion, list[str]]:
        """Return the consensus of two labels as masks of the larger one."""
        votes = replace(mask_votes(case, labels, options.missing), names=self.names)
        if options.decisions is not None:
            votes = replace(votes, decisions=Decided.of(case, labels, options.decisions).as_masks())
        here = Options(missing=options.missing, threads=options.threads)
        fusion, remarks = consensus_of(masks, votes, here)
        readers = Readers(self.names, list(case.given.places))
        made = labels_of_masks(fusion, votes, case, labels, readers.for_all(table.volume, 0.0))
        return replace(made, raters=self.names), [*case.remarks, *remarks]

    def _on_the_rates(self, fusion: LabelFusion) -> LabelFusion:
        """Return the fusion with what the estimate says; a rater without votes here has no rates here."""
        votes = (fusion.volume.sum(axis=1) > 0)[:, None, None]
        return replace(
            fusion,
            confusion=np.where(votes, self.confusion, np.nan),
            prior=self.prior,
            log_likelihood=self.log_likelihood,
            log_prior=self.log_prior,
            n_iter=self.n_iter,
            converged=self.converged,
            intervals=self.intervals,
            _untold=None,  # they are of other votes
        )

    def __repr__(self) -> str:
        state = "converged" if self.converged else "not converged"
        return (
            f"LabelEstimate({self.method}, {counted(len(self.names), 'rater')}, {counted(len(self.labels), 'label')}, "
            f"{counted(self.n_voxels, 'voxel')}, {counted(self.n_iter, 'iteration')}, {state})\n"
            f"{rates_in_lines(Labels(self.labels, self.label_names), self.sensitivity)}"
        )


def estimate_labels(
    table: LabelTable, method: LabelMethod, options: LabelOptions, over_cases: Samples | None = None
) -> tuple[LabelEstimate, list[str]]:
    """Return the estimate from a label table, and what makes it doubtful; ``over_cases``: samples for a bootstrap."""
    options = options.checked()
    options.check_method(method)
    if is_prior_map(options.prior):
        raise ValueError(
            "prior is a map: a table knows no places; give 'mean', 'estimate', or a probability for each label"
        )
    volume, labels = table.volume, Labels(table.labels, table.label_names)
    places = np.flatnonzero(volume.any(axis=1)).tolist()
    if not places:
        raise ValueError("the table holds no vote: there is nothing to estimate from")
    check_size(labels, len(table.names))
    readers = Readers(table.names, places)
    rows = core.table_of(labels.values, np.ascontiguousarray(table.codes[:, places]), table.counts)
    asked = core_options(method, options, labels, volume[places], float(table.counts.sum()), readers)
    binary = len(labels.values) == 2 and options.are_binary()
    if binary and (method != "majority" or options.intervals == "none"):
        return _of_masks(table, labels, method, options, over_cases)
    found = core.estimate(rows, asked)
    intervals = bootstrap(rows, found, asked, options, over_cases)
    if binary:
        made, remarks = _of_masks(table, labels, method, options, over_cases)
        of_all = intervals and intervals.of_all(places, len(table.names))
        return replace(made, intervals=of_all), remarks
    fusion = fusion_of(found, volume[places], NO_VOXELS, method, labels, options, readers, intervals)
    rates = readers.for_all(rates_of(found, volume[places]), np.nan)
    return estimate_of_fusion(fusion, rates, options), [
        *remarks_on_copies(fusion, same_in_codes(table, range(len(table.names)))),
        *remarks_on(fusion, options, places),
        *remarks_on_threads(),
    ]


def _of_masks(
    table: LabelTable, labels: Labels, method: LabelMethod, options: LabelOptions, over_cases: Samples | None
) -> tuple[LabelEstimate, list[str]]:
    """Return the estimate of two labels as masks of the larger one: the same bits as without labels."""
    marked = np.where(table.codes < 0, np.nan, table.codes)
    masks, remarks = estimated(
        VoteTable(marked, table.counts, table.names),
        *binary_options(method, options, labels),
        over_cases=over_cases,
    )
    intervals = None if masks.intervals is None else LabelIntervals.of_masks(masks.intervals)
    return estimate_of_masks(masks, table, labels, method, options, intervals), remarks


def estimate_of_masks(
    masks: Estimate, table: LabelTable, labels: Labels, method: LabelMethod, options: LabelOptions,
    intervals: LabelIntervals | None,
) -> LabelEstimate:  # fmt: skip
    """Return the estimate of two labels from that of masks of the larger one."""
    return LabelEstimate(
        labels=labels.values,
        label_names=labels.names,
        names=table.names,
        confusion=confusion_of_masks(masks.sensitivity, masks.specificity),
        prior=np.array([1 - masks.prior, masks.prior]),
        log_likelihood=masks.log_likelihood,
        log_prior=np.zeros_like(masks.log_likelihood),
        n_iter=masks.n_iter,
        converged=masks.converged,
        method=method,
        n_voxels=masks.n_voxels,
        volume=table.volume,
        intervals=intervals,
        _options=options,
        _rates=confusion_of_masks(masks.sensitivity, masks.specificity),
        _masks=masks,
    )


def estimate_of_fusion(
    fusion: LabelFusion, rates: NDArray[np.float64], options: LabelOptions
) -> LabelEstimate:
    """Return the estimate of which a fusion was made; ``rates``: those that EM goes by."""
    return LabelEstimate(
        labels=fusion.labels,
        label_names=fusion.label_names,
        names=fusion.raters,
        confusion=fusion.confusion,
        prior=fusion.prior,
        log_likelihood=fusion.log_likelihood,
        log_prior=fusion.log_prior,
        n_iter=fusion.n_iter,
        converged=fusion.converged,
        method=fusion.method,
        n_voxels=fusion.n_voxels,
        volume=fusion.volume,
        intervals=fusion.intervals,
        _options=options,
        _rates=rates,
        _masks=None,
    )
