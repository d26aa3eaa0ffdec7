"""The raters' performance on label maps of several cases, with a prior of each case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from ....inputs.names import quoted
from ....inputs.threads import remarks_on_threads
from ...doubts.copies import same_in_codes
from ...option_checks import NO_INTERVALS
from ...pooled.estimate import PooledEstimate, check_known, place_of_case, pool_rows
from ...pooled.samples import draws
from ...vote_table import VoteTable
from ..chosen import Labels
from ..estimate import NO_VOXELS, LabelEstimate, estimate_of_fusion, estimate_of_masks
from ..fuse import binary_options, check_size, core_options, fusion_of, rates_of
from ..intervals import LabelIntervals, known_rates, occurring, of_samples
from ..options import LabelOptions
from ..prior_map import is_prior_map
from ..readers import Readers
from ..remarks import remarks_on, remarks_on_copies
from ..table import LabelTable
from .em import LabelFit, LabelProblem
from .rows import LabelRows, Values

Tables = Mapping[str, LabelTable]


@dataclass(frozen=True, eq=False, repr=False)
class PooledLabelEstimate(LabelEstimate):
    """Raters' performance over label maps of several cases, found by :func:`pool`; ``prior`` is that of all their voxels.

    Attributes
    ----------
    cases : tuple of str
        Names of the cases, sorted.
    case_prior : ndarray of float64, shape (cases, K)
        p(truth) in each case before any vote.
    """

    cases: tuple[str, ...]
    case_prior: Values
    _of_masks_by_case: PooledEstimate | None = field(repr=False)

    priors = "own"

    def of(self, case: str) -> LabelEstimate:
        """Return the estimate for one of the cases: the shared rates, and its prior.

        Raises
        ------
        ValueError
            If there is no such case.
        """
        place = place_of_case(case, self.cases)
        masks = None if self._of_masks_by_case is None else self._of_masks_by_case.of(case)
        return self._at(self.case_prior[place], masks)

    def on(self, table: LabelTable) -> LabelEstimate:
        """Return the estimate for another case: the shared rates, and the prior that its votes tell.

        Parameters
        ----------
        table : LabelTable
            Of some of the same raters.

        Raises
        ------
        ValueError
            For raters whom no case of the pool has, and labels that none holds.
        """
        check_known(table.names, self.names)
        new = [label for label in table.labels if label not in self.labels]
        if new:
            raise ValueError(f"label {new[0]} is in no case that was pooled, which tell nothing of it")
        whole = self._emptied() + table
        if self._of_masks_by_case is not None:
            masks = self._of_masks_by_case.on(masks_of(whole))
            return self._at(np.array([1 - masks.prior, masks.prior]), masks)
        read = np.flatnonzero(self.volume.any(axis=1)).tolist()
        options = replace(self._options, knows={})
        labels = Labels(self.labels, self.label_names)
        asked = core_options(
            "staple",
            options,
            labels,
            whole.volume[read],
            float(whole.counts.sum()),
            Readers(self.names, read),
        )
        if not whole.counts.any():
            return self._at(self.prior, None)
        problem = LabelProblem.of(LabelRows.of([whole], read, asked.candidates), asked)
        rates = self._rates[read]
        return self._at(problem.prior_given(np.where(np.isnan(rates), 1 / len(self.labels), rates))[0], None)

    def of_raters(self, names: Sequence[str]) -> LabelEstimate:
        """Return the estimate of these raters, in this order, with the prior of all voxels.

        Raises
        ------
        ValueError
            For a rater whom the estimate does not have.
        """
        return self._at(self.prior, self._masks).of_raters(names)

    def _emptied(self) -> LabelTable:
        labels: Any = (
            dict(zip(self.labels, self.label_names, strict=True)) if self.label_names else list(self.labels)
        )
        return LabelTable(np.zeros((0, len(self.names))), [], self.names, labels=labels)

    def _at(self, prior: Values, masks: Any) -> LabelEstimate:
        held = {one.name: getattr(self, one.name) for one in fields(LabelEstimate)}
        return LabelEstimate(**held | {"prior": prior, "_masks": masks})


def masks_of(table: LabelTable) -> VoteTable:
    """Return a table of two labels as one of masks of the larger."""
    return VoteTable(np.where(table.codes < 0, np.nan, table.codes), table.counts, table.names)


def pool_labels(tables: Tables, options: LabelOptions) -> tuple[PooledLabelEstimate, list[str]]:
    """Return shared rates with the prior of each case, and what makes them doubtful."""
    options = options.checked()
    options.check_method("staple")
    if is_prior_map(options.prior):
        raise ValueError(
            "prior is a map: a table knows no places; give 'mean', 'estimate', or a probability for each label"
        )
    cases = sorted(tables)
    whole = sum((tables[case] for case in cases[1:]), tables[cases[0]])
    aligned = [whole.emptied() + tables[case] for case in cases]
    volume, labels = whole.volume, Labels(whole.labels, whole.label_names)
    places = np.flatnonzero(volume.any(axis=1)).tolist()
    if not places:
        raise ValueError("the table holds no vote: there is nothing to estimate from")
    if len(labels.values) == 2 and options.are_binary():
        return _of_masks(whole, aligned, cases, labels, options)
    if options.acceleration != "none":
        raise ValueError(
            f"acceleration is {quoted(options.acceleration)}: label maps with a prior of each case have none; leave it out, or give "
            "priors='shared'"
        )
    check_size(labels, len(whole.names))
    readers = Readers(whole.names, places)
    asked = core_options("staple", options, labels, volume[places], float(whole.counts.sum()), readers)
    problem = LabelProblem.of(LabelRows.of(aligned, places, asked.candidates), asked)
    fit = problem.fit()
    intervals = _intervals(problem, fit, aligned, places, asked.unknown, options)
    found: Any = _as_found(fit)
    fusion = fusion_of(found, volume[places], NO_VOXELS, "staple", labels, options, readers, intervals)
    rates = readers.for_all(rates_of(found, volume[places]), np.nan)
    made = estimate_of_fusion(fusion, rates, options)
    copies = remarks_on_copies(fusion, same_in_codes(whole, range(len(whole.names))))
    remarks = [*copies, *remarks_on(fusion, options, places), *remarks_on_threads()]
    return pooled_labels(made, cases, fit.prior, None), remarks


def _as_found(fit: LabelFit) -> SimpleNamespace:
    """Return a fit as the core tells one."""
    mass = fit.mass.sum(axis=0)
    voxels = float(mass.sum())
    of_cases = fit.mass.sum(axis=1)
    return SimpleNamespace(
        confusion=fit.confusion,
        prior=of_cases @ fit.prior / voxels,
        log_likelihood=np.array(fit.log_likelihood),
        log_prior=np.array(fit.log_prior),
        iterations=len(fit.log_likelihood),
        converged=fit.converged,
        voxels=round(voxels),
        mass=mass,
        seen=fit.counts.sum(axis=2),
        agreed=np.diagonal(fit.counts, axis1=1, axis2=2),
    )


def _of_masks(
    whole: LabelTable,
    aligned: Sequence[LabelTable],
    cases: Sequence[str],
    labels: Labels,
    options: LabelOptions,
) -> tuple[PooledLabelEstimate, list[str]]:
    """Return the estimate of two labels as masks of the larger one."""
    method, asked = binary_options("staple", options, labels)
    by_case = {case: masks_of(table) for case, table in zip(cases, aligned, strict=True)}
    pooled, remarks = pool_rows(by_case, method, asked.checked().of_method(method), None, own=True)
    intervals = None if pooled.intervals is None else LabelIntervals.of_masks(pooled.intervals)
    priors = np.stack([1 - pooled.prior, pooled.prior], axis=-1)
    voxels = np.array([table.counts.sum() for table in aligned])
    masks = pooled.at_prior(float(voxels @ pooled.prior / voxels.sum()))
    made = estimate_of_masks(masks, whole, labels, "staple", options, intervals)
    return pooled_labels(made, cases, priors, pooled), remarks


def pooled_labels(
    made: LabelEstimate, cases: Sequence[str], priors: Values, pooled: PooledEstimate | None
) -> PooledLabelEstimate:
    """Return an estimate with the prior of each case; ``pooled``: of two labels, that of their masks."""
    held = {one.name: getattr(made, one.name) for one in fields(LabelEstimate)}
    held["_options"] = replace(made._options, **NO_INTERVALS)
    return PooledLabelEstimate(**held, cases=tuple(cases), case_prior=priors, _of_masks_by_case=pooled)


def _intervals(
    problem: LabelProblem,
    fit: LabelFit,
    tables: Sequence[LabelTable],
    places: Sequence[int],
    unknown: Any,
    options: LabelOptions,
) -> LabelIntervals | None:
    """Return percentile intervals over samples of cases; nan of fewer than two."""
    if options.intervals == "none":
        return None
    volumes = np.array([table.volume[list(places)] for table in tables])
    known = known_rates(fit.confusion, fit.counts.sum(axis=2), volumes.sum(axis=0), unknown)
    if len(tables) < 2:
        known[:] = False
    if not known.any():
        return LabelIntervals.undefined("cases", known.shape)
    occur = np.array(
        [occurring(table.codes[table.counts > 0][:, list(places)], len(table.labels)) for table in tables]
    )
    rates = []
    for weights in draws(len(tables), options.replicates, options.seed):
        found = np.diagonal(problem.weighted(weights).fit_near(fit.theta).confusion, axis1=1, axis2=2).copy()
        found[~occur[weights > 0].any(axis=0)] = np.nan
        rates.append(found)
    return of_samples("cases", np.array(rates), known)
