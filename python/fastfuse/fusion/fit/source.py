"""What a fit test needs of a fusion: its votes as a table, and the model. It is made when it is asked for."""

from __future__ import annotations

from collections.abc import Container, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np

from ..backends import core
from ..backends.found import CoreEstimate, CoreTable, Found, Rates
from ..options import Missing, Options
from ..registry import Method, method_called
from .beside import refused_options
from .mixtures import mixture_of
from .result import BORDER, CLASSES, FIXED, STAPLE, Fit, ModelFit
from .rows import Mixture, Numbers, Rows, expected, log_likelihood

MOST_STEPS = 300  # of a fit for comparison
FEW_STEPS = 60  # enough to tell which is better
FEWEST: dict[str, int] = {STAPLE: 2, CLASSES: 5, BORDER: 3}  # raters


@dataclass(frozen=True, eq=False)
class Source:
    """A table of votes, and the model that was used.

    Attributes
    ----------
    table, estimate : CoreTable, CoreEstimate
        Votes of the raters who read the case, and what was fitted to them; None in a copy, which holds what is made of them.
    name : str
        What the model is called.
    places : list of int
        Of those raters among all.
    raters : int
        Number of all.
    threads : int
        For further fits.
    refused : mapping of str to tuple of str
        Options that are set, and that another model refuses, by model; by "image" those that rule an image out.
    """

    table: CoreTable | None
    estimate: CoreEstimate | None
    name: str
    places: list[int]
    raters: int
    threads: int = 0
    refused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        found: Found,
        method: Method,
        options: Options,
        places: list[int],
        raters: int,
        *,
        is_decided: bool = False,
    ) -> Source | None:
        """Take what the core found; ``is_decided``: with voxels that a reviewer decided.

        None where there is no table of all votes (too many patterns, disputed voxels alone), where neighbours are
        coupled, or nothing is to be fitted as all raters agree that there is nothing, or nothing but foreground.
        """
        table, estimate = found.table, found.estimate
        if table is None or options.mrf or options.roi == "disputed" or estimate.certain or not found.voxels:
            return None
        name, refused = _name_of(method, options), refused_options(options, is_decided=is_decided)
        source = cls(table, estimate, name, places, raters, options.threads, refused)
        return source if found.pattern is None else copy(source)  # the core's own would keep a number a voxel

    @cached_property
    def patterns(self) -> Rates:
        """Votes of the raters who read the case."""
        assert self.table is not None
        return self.table.patterns

    @cached_property
    def counts(self) -> Rates:
        """Voxels of each pattern."""
        assert self.table is not None
        return self.table.counts

    @cached_property
    def model(self) -> Mixture | None:
        """The model that was used; None of a majority vote.

        A copy, whose votes it takes for another rater's, is none of its raters here: what it expects of them is that they mark
        where their originals do.
        """
        found = None if self.estimate is None else mixture_of(self.estimate)
        if found is None or self.rows is None or not self.rows.copies.any():
            return found
        return found.without(self.rows.copies)

    def __getstate__(self) -> dict[str, object]:
        """Return what a copy or a pickle holds: arrays in the place of the core's own."""
        made = {"patterns": self.patterns, "counts": self.counts, "model": self.model}
        return {**vars(self), **made, "table": None, "estimate": None}

    @cached_property
    def rows(self) -> Rows | None:
        """The patterns of marks; None for too many."""
        return Rows.of(self.patterns, self.counts)

    @cached_property
    def expected(self) -> Numbers | None:
        """Voxels with 0 to m marks that the model expects that was used, of m raters who read the case."""
        return None if self.rows is None or self.model is None else expected(self.model, self.rows)

    @cached_property
    def used(self) -> ModelFit | None:
        """The fit of the model that was used."""
        if self.rows is None or self.model is None:
            return None
        return _fit_of(self.model, self.rows, self.expected)

    @cached_property
    def own(self) -> Fit | None:
        """The fit of the model that was used, alone."""
        if self.rows is None or (self.model is not None and self.used is None):
            return None
        models = {} if self.used is None else {self.name: self.used}
        return self._with(self.rows, models)

    @cached_property
    def compared(self) -> Fit | None:
        """The same, with STAPLE and the model of raters who differ at borders, whose fits take few steps."""
        if self.rows is None or self.own is None:
            return None
        names = (STAPLE, self.rival)
        return self._beside(fits_of(self.rows, names, threads=self.threads, most_steps=FEW_STEPS))

    @property
    def rival(self) -> str | None:
        """The model of raters who differ at borders that STAPLE is held against."""
        if self.rows is None:
            return None
        once = self.name == BORDER or bool(self.rows.copies.any())  # whom border-STAPLE counts once
        return rival_of_staple(self.rows.distinct, image=once)

    @property
    def told(self) -> Fit | None:
        """What is known without a further fit: of all models, of those compared, or of the one that was used."""
        for name in ("fit", "compared"):
            if name in self.__dict__:
                found: Fit | None = self.__dict__[name]
                return found
        return self.own

    @cached_property
    def fit(self) -> Fit | None:
        """The same, with all models that can be fitted to these votes."""
        if self.rows is None or self.own is None:
            return None
        return self._beside(fits_of(self.rows, (STAPLE, CLASSES, BORDER), threads=self.threads))

    def _beside(self, others: dict[str, ModelFit]) -> Fit | None:
        """Return the fit of the model that was used, beside others."""
        if self.rows is None or self.own is None:
            return None
        own = {} if self.used is None else {self.name: self.used}
        return self._with(
            self.rows, {**own, **{name: one for name, one in others.items() if name not in own}}
        )

    def _with(self, rows: Rows, models: dict[str, ModelFit]) -> Fit:
        wide = rows.with_columns(self.places, self.raters)
        models = {
            name: ModelFit(_wide(one.expected, self.raters), one.log_likelihood_per_mark)
            for name, one in models.items()
        }
        used = None if self.model is None else self.name
        return Fit(wide.observed, models, used, rows.marked, rows.distinct, soft=not rows.are_masks)


def rival_of_staple(raters: int, *, image: bool) -> str | None:
    """Return the model of raters who differ at borders that so many determine; None where there is none."""
    if raters < FEWEST[BORDER]:
        return None
    return BORDER if image or raters < FEWEST[CLASSES] else CLASSES


def fits_of(
    rows: Rows, names: Container[str | None], *, threads: int = 0, most_steps: int = MOST_STEPS
) -> dict[str, ModelFit]:
    """Return the fits of these models to marks, of those that so many raters determine; copies count once."""
    found = {}
    alone = rows.without_copies()
    for name, fewest in FEWEST.items():
        if name not in names or rows.distinct < fewest or not rows.marked:
            continue
        mixture = _fitted(name, alone, threads, most_steps)
        if mixture is None:
            continue
        mixture = mixture.with_copies(rows.originals)
        one = _fit_of(mixture, rows, expected(mixture, rows))
        if one is not None:
            found[name] = one
    return found


def _fitted(name: str, rows: Rows, threads: int, most_steps: int) -> Mixture | None:
    """Fit a model to marks."""
    missing: Missing = "error" if rows.readers[0].all() else "nan"
    try:
        found = core.estimate(core.table_of(*rows.table()), _asked(name, missing, threads, most_steps))
    except ValueError:  # too few raters who differ
        return None
    return mixture_of(found.estimate)


@lru_cache(maxsize=16)
def _asked(name: str, missing: Missing, threads: int, most_steps: int) -> core.CoreOptions:
    """Return how a model is fitted."""
    classes: Literal[2, 3] = 3 if name == CLASSES else 2
    method = method_called(BORDER if name == BORDER else STAPLE)
    options = Options(
        prior="mean" if classes == 3 or method.of_levels else "estimate",
        classes=classes,
        missing=missing,
        max_iter=most_steps,
        threads=threads,
    ).of_method(method)
    return core.core_options(method, options, [1.0])


def _fit_of(mixture: Mixture, rows: Rows, marks: Numbers | None) -> ModelFit | None:
    if marks is None or not rows.marked:
        return None
    return ModelFit(marks, log_likelihood(mixture, rows) / rows.marked)


def _name_of(method: Method, options: Options) -> str:
    """Return what the model that was used is called."""
    if method.name != STAPLE:
        return method.name
    if options.classes == 3:
        return CLASSES
    return STAPLE if isinstance(options.prior, str) and options.prior == "estimate" else f"{STAPLE}, {FIXED}"


def _wide(expected: Numbers, raters: int) -> Numbers:
    """Return numbers of voxels with 0 to that many marks."""
    return np.pad(expected, (0, raters + 1 - len(expected)))
