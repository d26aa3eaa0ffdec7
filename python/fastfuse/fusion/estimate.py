"""From a vote table to the raters' performance, and from that to the consensus of votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import said, warn
from ..inputs.checks import Labels, Scale
from ..inputs.kinds import DTypeOfResult, OutLike, RatersLike, Sides, VoxelsLike
from ..inputs.names import counted
from ..inputs.threads import remarks_on_threads
from .backends import core
from .backends.cpu import Cpu
from .backends.found import CoreEstimate
from .bootstrap import Samples, intervals_of, untold_in
from .declared import documented
from .diagnostics import remarks_on_applied, remarks_on_estimate
from .fit.result import Fit, Tested
from .fit.source import Source
from .intervals import Intervals, shown_rates
from .masses.table import MassTable, check_takes_masses
from .messages import SOFT_VOTES
from .native.remembered import with_origin
from .option_checks import NO_INTERVALS, is_map
from .options import Missing, Options, Roi
from .pipeline import check_image
from .registry import Method, keeping_given, method_called
from .result import OF_LEVELS, Fusion, OfLevels, for_all, fusion_of, in_kind_of, of_levels
from .streamed.declared import Memory
from .streamed.seam import streams
from .table_checks import place_of
from .vote_table import VoteTable
from .votes import ENTRIES, Votes

MOST_SHOWN = 10  # raters
OF_VOTES = (
    *("evidence", "roi", "spacing_mm", "missing", "threads", "max_memory", "executor"),
    *("select_label", "binarize", "threshold", "scale"),
)


@dataclass(frozen=True, eq=False)
class Estimate:
    """The raters' performance, estimated from a vote table by :func:`estimate`.

    Attributes
    ----------
    sensitivity, specificity : ndarray of float64, shape (m,)
        p(vote 1 | truth 1) and p(vote 0 | truth 0) of each rater; nan where they are not defined.
    prior : float
        p(truth 1) before any vote.
    log_likelihood : ndarray of float64, shape (n_iter,)
        Of all votes, in nats, after each M-step.
    n_iter : int
        Number of M-steps.
    converged : bool
        Whether no sensitivity or specificity moved by more than ``tol`` in the last M-step.
    method : str
        Name of the method.
    names : tuple of m str
        What the raters are called.
    n_voxels : int
        Number of voxels in the table on which somebody votes.
    intervals : Intervals or None
        Standard errors and 95 % intervals of sensitivity and specificity; None if they were not asked for.
    """

    sensitivity: NDArray[np.float64]
    specificity: NDArray[np.float64]
    prior: float
    log_likelihood: NDArray[np.float64]
    n_iter: int
    converged: bool
    method: str
    names: tuple[str, ...]
    n_voxels: int
    intervals: Intervals | None
    _rates: CoreEstimate = field(repr=False)
    _options: Options = field(repr=False)
    _votes: Tested | None = field(default=None, repr=False, kw_only=True)
    _untold: NDArray[np.bool_] | None = field(default=None, repr=False, kw_only=True)  # whose rates are 0/0

    @property
    def fit(self) -> Fit | None:
        """Whether the model fits the table, as :attr:`Fusion.fit`."""
        return None if self._votes is None else self._votes.fit

    @documented(ENTRIES)
    @keeping_given
    def apply(
        self,
        raters: RatersLike,
        *,
        axis: int | None = None,
        mask: VoxelsLike | None = None,
        roi: Roi = "all",
        spacing_mm: Sides | None = None,
        missing: Missing = "error",
        present: RatersLike | None = None,
        dtype: DTypeOfResult = "float32",
        out: OutLike | None = None,
        threads: int = 0,
        max_memory: Memory = None,
        executor: Any = None,
        select_label: Labels = None,
        binarize: bool = False,
        threshold: float | None = None,
        scale: Scale = None,
        image: VoxelsLike | None = None,
        evidence: bool = False,
    ) -> Fusion:
        """Return the consensus of votes, given these rates and this prior: one read, no EM.

        Parameters
        ----------
        self : Estimate
            Of the same raters, in the same order.
        {options}

        Returns
        -------
        Fusion
            As a fusion of these votes would be if EM ended at these rates. ``volume``, ``n_read``, ``ppv``, ``npv``
            and ``dice`` are of these votes; all else is the estimate's.

        Raises
        ------
        ValueError, TypeError
            As :func:`fuse`, and for another number of raters. Also where nobody marks anything in the estimate's table,
            but somebody does here; or everybody marks everything there, but not here.

        Warns
        -----
        FusionWarning
            As :func:`fuse`; and for a rater who votes here, but not in the estimate's table. Their votes count for
            nothing then, as if the rater were None.

        Examples
        --------
        >>> import fastfuse
        >>> monday = [[0, 0.3, 1, 1], [0, 0, 0.3, 1], [0, 0.3, 1, 1]]
        >>> tuesday = [[0, 0, 1, 1], [0.3, 0, 0.3, 1], [0, 0, 1, 1]]
        >>> rates = fastfuse.estimate(fastfuse.tabulate(monday) + fastfuse.tabulate(tuesday))
        >>> rates.apply(tuesday).label()
        array([0, 0, 1, 1], dtype=uint8)
        """
        votes = Votes(raters, mask, present, dtype, out, axis, names=self.names, image=image).listed()
        here = Options(
            evidence=evidence,
            roi=roi,
            spacing_mm=spacing_mm,
            missing=missing,
            threads=threads,
            max_memory=max_memory,
            executor=executor,
            select_label=select_label,
            binarize=binarize,
            threshold=threshold,
            scale=scale,
        ).checked()
        fusion, remarks = consensus_of(self, votes, here)
        warn(remarks)
        return with_origin(in_kind_of(votes.raters, fusion), votes, self._options, remarks, here=here)

    def of_raters(self, names: Sequence[str]) -> Estimate:
        """Return the estimate of these raters, in this order.

        Raises
        ------
        ValueError
            For a rater whom the estimate does not have.
        """
        places = [place_of(name, self.names) for name in names]
        per_rater = ("sensitivity", "specificity", *(OF_LEVELS if isinstance(self, BorderEstimate) else ()))
        parts: dict[str, Any] = {name: getattr(self, name)[places] for name in per_rater}
        intervals = None if self.intervals is None else self.intervals.at(places)
        return replace(
            self,
            names=tuple(names),
            intervals=intervals,
            _rates=core.rates_at(places, self._rates),
            _votes=self._votes if tuple(names) == self.names else None,
            _untold=None if self._untold is None else self._untold[:, places],
            **parts,
        )

    def _applied(self, votes: Votes, here: Options) -> tuple[Fusion, list[str]]:
        """Return the consensus of listed votes, and what makes it doubtful; ``here``: options of these votes."""
        check_count(votes, self.names)
        asked = {name: getattr(here, name) for name in OF_VOTES}
        backend, method = Cpu(), method_called(self.method)
        options = replace(self._options, **asked, **NO_INTERVALS).checked().of_method(method)
        check_image(votes, method, options)
        if streams(votes, options, lazily=True):
            return self._applied_to_blocks(votes, method, options)
        case = backend.place(votes, options)
        ignored = [place for place in case.given.places if place in self._unknown]
        case = case.without(ignored)
        case, probability, found = backend.apply(self._rates, case, method, options)
        places, raters = case.given.places, len(self.names)
        source = Source.of(found, method, options, places, raters, is_decided=case.decisions is not None)
        fusion = for_all(fusion_of(found, probability, self.method, None, source), places, raters)
        if method.estimates:
            self._check_certain(fusion)
        fusion = method.finished(self._on_the_rates(fusion))
        remarks = remarks_on_applied(fusion, found, case, method, options, ignored)
        return fusion, case.remarks + remarks + remarks_on_threads()

    def _applied_to_blocks(self, votes: Votes, method: Method, options: Options) -> tuple[Fusion, list[str]]:
        """Return the same of votes that are read block by block."""
        from .streamed.found import found_of
        from .streamed.given import Streamed
        from .streamed.pipeline import counted as counted_in_blocks
        from .streamed.pipeline import remarks_on_copies
        from .streamed.results import Result

        given, remarks = Streamed.of(votes, method, options)
        result = Result.of(votes, given, options)
        ignored = [place for place in given.places if place in self._unknown]
        given, table = counted_in_blocks(given.without(ignored) if ignored else given, options)
        rates = core.rates_at(given.places, self._rates)
        found = found_of(rates, table, method, options, result.dtype)
        places, raters = given.places, len(self.names)
        fusion = for_all(fusion_of(found, result.shown(given), self.method, None), places, raters)
        fusion = replace(fusion, _votes=Source.of(found, method, options, places, raters))
        if method.estimates:
            self._check_certain(fusion)
        fusion = method.finished(self._on_the_rates(fusion))
        said = remarks_on_copies(votes, given, options, table, fusion)
        said += remarks_on_applied(fusion, found, None, method, options, ignored, names=votes.names)
        probability = result.written(given, rates)
        return replace(fusion, probability=probability), remarks + said + remarks_on_threads()

    @property
    def options(self) -> Options:
        """The options that it was estimated with."""
        return self._options

    @property
    def whole_rates(self) -> tuple[NDArray[np.float64], ...]:
        """Sensitivities, 1 - those, specificities and 1 - those, as EM ended at them."""
        rates = self._rates
        found = (rates.sensitivity, rates.false_negative_rate, rates.specificity, rates.false_positive_rate)
        return tuple(np.array(rate) for rate in found)

    @property
    def _unknown(self) -> list[int]:
        """The raters without any vote in the table."""
        return np.flatnonzero(np.isnan(self.sensitivity) & np.isnan(self.specificity)).tolist()

    def _check_certain(self, fusion: Fusion) -> None:
        """Refuse votes on which the table, constant as its votes are, tells nothing."""
        if np.isnan(self.sensitivity).all() and fusion.volume.any():
            raise ValueError(
                "nobody marks anything in the table of the estimate: it tells no sensitivity, so that it cannot be "
                "applied to votes that mark something"
            )
        if np.isnan(self.specificity).all() and (fusion.volume != fusion.n_read).any():
            raise ValueError(
                "everybody marks everything in the table of the estimate: it tells no specificity, so that it cannot "
                "be applied to votes that leave something out"
            )

    def _on_the_rates(self, fusion: Fusion) -> Fusion:
        """Return the fusion with what the estimate says; a rater without votes here has no rates here."""
        votes = fusion.n_read > 0
        return replace(
            fusion,
            sensitivity=np.where(votes, self.sensitivity, np.nan),
            specificity=np.where(votes, self.specificity, np.nan),
            prior=self.prior,
            log_likelihood=self.log_likelihood,
            n_iter=self.n_iter,
            converged=self.converged,
            intervals=self.intervals,
            _untold=self._untold,
        )

    def __repr__(self) -> str:
        state = "converged" if self.converged else "not converged"
        width = max(map(len, self.names[:MOST_SHOWN]))
        size = f"{counted(len(self.names), 'rater')}, {counted(self.n_voxels, 'voxel')}"
        title = f"{self.method}, {size}, prior {self.prior:.4g}, {counted(self.n_iter, 'iteration')}"
        lines = [f"{type(self).__name__}({title}, {state})"]
        lines.append(f"  {'':{width}}  sensitivity  specificity")
        shown = list(zip(self.names, *shown_rates(self).values(), strict=True))[:MOST_SHOWN]
        for name, *rates in shown:
            lines.append(f"  {name:{width}}  {rates[0]:>11.4f}  {rates[1]:>11.4f}")
        if len(self.names) > MOST_SHOWN:
            lines.append(f"  and {len(self.names) - MOST_SHOWN} more")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False, repr=False)
class BorderEstimate(OfLevels, Estimate):
    """Raters' performance and the levels, estimated from a vote table by border-STAPLE.

    Of several cases' tables added up, raters and levels are shared. :meth:`apply` takes an image, which tells the anchor of
    its case.

    Attributes
    ----------
    offsets, sharpness, false_marks, finds, anchor, anchor_from
        As of :class:`BorderFusion`.
    """

    def _on_the_rates(self, fusion: Fusion) -> Fusion:
        """Return the fusion with the estimate's intervals: its rates are those at its own anchor."""
        return replace(fusion, intervals=self.intervals)


def consensus_of(rates: Estimate, votes: Votes, here: Options) -> tuple[Fusion, list[str]]:
    """Return the consensus of listed votes, and what makes it doubtful; ``here``: options of these votes."""
    return rates._applied(votes, here)


def check_count(votes: Votes, names: Sequence[str]) -> None:
    """Refuse votes of other raters than an estimate's."""
    if len(votes.raters) != len(names):
        raise ValueError(
            f"there {'is' if len(votes.raters) == 1 else 'are'} {counted(len(votes.raters), 'rater')}, and the estimate is of {len(names)}: give the votes of the "
            "same raters, None for one who did not read this case"
        )


def check_table(table: VoteTable, method: Method, options: Options) -> None:
    """Refuse what a table cannot tell, and votes that the method does not take."""
    if method.grows:
        raise ValueError(f"{method.name} needs an image: estimate by staple")
    if is_map(options.prior):
        raise ValueError("prior is a map: a table knows no places; give a number, 'mean' or 'estimate'")
    if options.intervals == "lesions":
        raise ValueError(
            "intervals is 'lesions': a table knows no places; ask for 'bootstrap', or fuse the votes"
        )
    if isinstance(table, MassTable):
        check_takes_masses(method)
        return
    fractional = np.argwhere((table.patterns > 0) & (table.patterns < 1))
    if method.votes == "binary" and len(fractional):
        row, rater = fractional[0]
        held = f"holds the vote {table.patterns[row, rater]:.3g}, and {method.name} takes votes 0 and 1"
        raise ValueError(said(f"{table.names[rater]}: {held}: {SOFT_VOTES}"))


def estimated(
    table: VoteTable,
    method: Method,
    options: Options,
    start: CoreEstimate | None = None,
    over_cases: Samples | None = None,
) -> tuple[Estimate, list[str]]:
    """Return the estimate, and what makes it doubtful.

    ``start``: the rates at which EM begins. ``over_cases``: samples of cases for a bootstrap.
    """
    missing: Missing = "nan" if np.isnan(table.patterns).any() else "error"
    asked = core.core_options(method, replace(options, missing=missing), [1.0])
    told = core.estimate(table.in_core, asked, start)
    found = replace(told, table=table.in_core, lowest=np.nan, highest=np.nan)  # no voxel is written
    intervals, resampled = intervals_of(found, method, options, [1.0], over_cases)
    fusion = fusion_of(found, np.empty(0), method.name, intervals)
    places = list(range(len(table.names)))
    votes = Source.of(found, method, options, places, len(places))
    levels = of_levels(found.estimate)
    kind = BorderEstimate if levels else Estimate
    made = kind(
        sensitivity=fusion.sensitivity,
        specificity=fusion.specificity,
        prior=fusion.prior,
        log_likelihood=fusion.log_likelihood,
        n_iter=fusion.n_iter,
        converged=fusion.converged,
        method=method.name,
        names=table.names,
        n_voxels=fusion.n_voxels,
        intervals=intervals,
        _rates=found.estimate,
        _options=options,
        _votes=votes,
        _untold=untold_in(found, method, options, places, len(places)),
        **levels,
    )
    remarks = remarks_on_estimate(fusion, found, method, options, names=table.names, resampled=resampled)
    return made, remarks + remarks_on_threads()
