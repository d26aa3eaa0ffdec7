"""The raters' rates over the cases that a fold trains on, and each of these cases' consensus by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from ...dilation.conditional import conditional_dilation
from ...errors import CohortError
from ...fusion.estimate import Estimate
from ...fusion.masses.table import MassTable
from ...fusion.methods.pool import pool
from ...fusion.options import MStep
from ...fusion.pooled.estimate import PooledEstimate
from ...fusion.registry import MethodOnVotes, method_called
from ...fusion.result import Fusion
from ...fusion.tabulate import tabulate
from ...fusion.vote_table import VoteTable
from ..cohort.loading import LoadedCase
from ..options import ConsensusOptions
from .growing import SOFT, Volume, growth_of, region_of

What = Literal["masks", "soft", "near"]
MARGIN_MM = 4.0  # border-STAPLE's region, as the experiment has it


def what_of(method: str) -> What:
    """Return what of a case a method counts: its masks, in the brain or near marks, or those that have grown."""
    if method in SOFT:
        return "soft"
    return "near" if method_called(method).of_levels else "masks"


def table_of(
    case: LoadedCase, what: What, soft: Sequence[Volume], options: ConsensusOptions, threads: int = 0
) -> VoteTable:
    """Count a case's votes.

    Raises
    ------
    CohortError
        If there are more patterns than a table holds, and more raters than one of masses.
    """
    try:
        table = tabulate(
            soft if what == "soft" else case.masks,
            mask=region_of(case, options),
            names=names_of(case),
            threads=threads,
            **_region(case, what),
        )
    except ValueError as error:
        raise _refused(case.case.name, error) from error
    return cast("VoteTable", table)


def check_methods(methods: Sequence[str], table: VoteTable, case: str) -> None:
    """Refuse methods of which masses are not all that they need to know."""
    if isinstance(table, MassTable) and "simplified-soft-staple" in methods:
        raise CohortError(
            f"consensus.pool is 'raters': {case}: the masks that have grown have more distinct patterns than a table holds (131,072), "
            "and soft-staple alone is pooled over such: leave simplified-soft-staple out of methods, or set consensus.pool=none"
        )


def _refused(where: str, error: ValueError) -> CohortError:
    return CohortError(f"consensus.pool is 'raters': {where}: {error}; or set consensus.pool=none")


def names_of(case: LoadedCase) -> list[str]:
    """Return what a case's raters are called in every case: their numbers."""
    return [f"expert {number}" for number in case.case.raters]


def _region(case: LoadedCase, what: What) -> dict[str, Any]:
    return {"roi": MARGIN_MM, "spacing_mm": case.like.grid.spacing_mm} if what == "near" else {}


@dataclass(frozen=True)
class FoldRates:
    """What is known of the raters from a fold's training cases.

    Attributes
    ----------
    fold : int
    cases : tuple of str
        The cases that the fold trains on, those that choose the epoch among them: none that it is tested on.
    estimates : dict of str to PooledEstimate
        By method.
    """

    fold: int
    cases: tuple[str, ...]
    estimates: Mapping[str, PooledEstimate]

    @property
    def facts(self) -> dict[str, Any]:
        """What a sidecar says of the rates, which are not its case's own."""
        return {"fold": self.fold, "cases": list(self.cases)}

    def fuse(
        self, case: LoadedCase, soft: Sequence[Volume], method: str, options: ConsensusOptions, threads: int
    ) -> Fusion:
        """Return the consensus of one of the cases: one read, no EM."""
        rates = self.estimates[method].of(case.case.name).of_raters(names_of(case))
        mask = region_of(case, options)
        if method == "dilated-staple":
            return _dilated(rates, case, options, threads)
        what = what_of(method)
        image = case.images["FLAIR"] if what == "near" else None
        raters = soft if what == "soft" else case.masks
        return rates.apply(raters, mask=mask, image=image, threads=threads, **_region(case, what))


def fold_rates(
    fold: int,
    tables: Mapping[What, Mapping[str, VoteTable]],
    methods: Sequence[str],
    options: ConsensusOptions,
) -> FoldRates:
    """Estimate the raters' rates by each method.

    Parameters
    ----------
    fold : int
    tables : mapping of {"masks", "soft", "near"} to mapping of str to VoteTable
        Of the cases that the fold trains on, by name.
    methods : sequence of str
    options : ConsensusOptions

    Raises
    ------
    CohortError
        If the method cannot be pooled over these tables.
    """
    found = {}
    for method in methods:
        row: Any = "staple" if method == "dilated-staple" else method
        own: dict[str, Any] = {} if method_called(row).of_levels else {"prior": options.prior}
        if method in SOFT:
            m_step: MStep = "em" if options.m_step == "em" else "paper"
            own["m_step"] = m_step
        try:
            made = pool(tables[what_of(method)], cast("MethodOnVotes", row), **own)
        except ValueError as error:
            raise _refused(method, error) from error
        assert isinstance(made, PooledEstimate)
        found[method] = made
    return FoldRates(fold, next(iter(found.values())).cases, found)


def _dilated(rates: Estimate, case: LoadedCase, options: ConsensusOptions, threads: int) -> Fusion:
    """Return STAPLE's consensus by known rates, grown on FLAIR."""
    mask = region_of(case, options)
    fusion = rates.apply(case.masks, mask=mask, threads=threads)
    grown = conditional_dilation(
        fusion.label(), case.images["FLAIR"], roi=mask, threads=threads, **growth_of(case, options)
    )
    return replace(fusion, probability=grown.values, method="dilated-staple")
