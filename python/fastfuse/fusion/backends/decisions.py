"""Decisions: voxels whose truth is known, as a reviewer told it.

EM leaves these voxels out and adds their votes to the sums of every M-step, eq. (5), with the truth that is known. That is EM
with the probability of these voxels fixed at 0 or 1. The prior is that of the voxels left open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import said
from ...inputs.checks import OPEN
from ...inputs.names import quoted
from ..declared import switch
from ..options import Options
from ..registry import Method
from .devices import place_of
from .found import Found, Rates

if TYPE_CHECKING:
    from ..case import InMemory

LEAST = 1e-9  # voxels: a smaller sum is what rounding left


def check_decisions(method: Method, options: Options, raters: Any) -> None:
    """Refuse decisions where EM cannot keep them."""
    if place_of(raters, options.device) is not None:
        raise ValueError(
            "decisions are given: they are kept on the CPU; leave them out, or give votes that lie there"
        )
    for name, why in options_without_decisions(method, options).items():
        raise ValueError(
            said(
                f"decisions are given, and {name} is {quoted(getattr(options, name))}: {why}; leave out {name} ({switch(name)}), or "
                f"decisions ({switch('decisions')})"
            )
        )
    if method.grows:
        raise ValueError(
            f"decisions are given: the consensus of {method.name} grows beyond them; choose staple, or leave them out"
        )


def options_without_decisions(method: Method, options: Options) -> dict[str, str]:
    """Return the options that go with no decisions, and why."""
    refused = {
        "mrf": (options.mrf, "neighbours are coupled"),
        "classes": (options.classes == 3, "a border is no decision"),
        "intervals": (options.intervals in ("bootstrap", "lesions"), "what is decided is not drawn anew"),
        "max_memory": (options.max_memory is not None, "the votes are read slab by slab"),
        "executor": (options.executor is not None, "the votes are read slab by slab"),
        "m_step": (
            method.name == "simplified-soft-staple" and options.m_step == "em",
            "it weighs votes by the rates that are sought",
        ),
    }
    return {name: why for name, (is_set, why) in refused.items() if is_set}


@dataclass(frozen=True, eq=False)
class Decided:
    """The votes on the voxels that are decided.

    Attributes
    ----------
    at : ndarray of bool
        These voxels, inside the mask.
    truth : ndarray of float64, shape (n,)
        Of each.
    votes : ndarray of float64, shape (m, n)
        NaN where a rater has none.
    """

    at: NDArray[np.bool_]
    truth: Rates
    votes: Rates

    @classmethod
    def of(cls, arrays: InMemory, decisions: NDArray[np.int8], label: int | None) -> Decided:
        """Take the votes; ``label``: of label maps, that whose voxels are votes."""
        at = decisions != OPEN
        if arrays.mask is not None:
            at &= arrays.mask != 0
        votes = np.array([rater[at] for rater in arrays.raters], np.float64)
        if label is not None:
            votes = np.where(np.isnan(votes), votes, np.rint(votes) == label)
        for looked, of_rater in zip(arrays.present, votes, strict=False):
            if looked is not None:
                of_rater[looked[at] == 0] = np.nan
        return cls(at, decisions[at].astype(np.float64), votes)

    @property
    def known(self) -> list[tuple[float, float, float, float]]:
        """Each rater's true positives, false negatives, true negatives, false positives there."""
        yes, no = self.truth, 1 - self.truth
        sums = [np.nansum(part, axis=1) for part in (
            self.votes * yes, (1 - self.votes) * yes, (1 - self.votes) * no, self.votes * no,
        )]  # fmt: skip
        return [(float(a), float(b), float(c), float(d)) for a, b, c, d in zip(*sums, strict=True)]

    def open_part(self, arrays: InMemory) -> InMemory:
        """Return the case with a mask of the voxels that are open.

        Raises
        ------
        ValueError
            If there are none.
        """
        mask = ~self.at if arrays.mask is None else (arrays.mask != 0) & ~self.at
        if not mask.any():
            raise ValueError("decisions leave no voxel open: there is nothing to fuse")
        return replace(arrays, mask=mask.astype(np.uint8))

    def write(self, out: Any) -> Rates:
        """Write the truth into the consensus; return what stood there."""
        before = np.array(out[self.at], np.float64)
        out[self.at] = self.truth
        return before

    def added_to(self, found: Found) -> Found:
        """Return what the core found in the open voxels, with these counted too."""
        read = ~np.isnan(self.votes)
        some = self.votes[:, read.any(axis=0)]
        differ = np.count_nonzero(np.nanmin(some, axis=0) != np.nanmax(some, axis=0)) if some.size else 0
        with_them = replace(
            found,
            voxels=found.voxels + some.shape[1],
            disputed=found.disputed + differ,
            volume=found.volume + np.nansum(self.votes, axis=1),
            unmarked=found.unmarked + np.nansum(1 - self.votes, axis=1),
            read=found.read + read.sum(axis=1),
        )
        return self.moved(with_them, None)

    def moved(self, found: Found, before: Rates | None) -> Found:
        """Return the sums against the consensus, which was another one at these voxels, or did not count them."""
        read = ~np.isnan(self.votes)
        yes = self.truth if before is None else self.truth - before
        no = 1 - self.truth if before is None else before - self.truth
        return replace(
            found,
            marked_by=found.marked_by + np.nansum(self.votes * yes, axis=1),
            seen_by=found.seen_by + (read * yes).sum(axis=1),
            neither=found.neither + np.nansum((1 - self.votes) * no, axis=1),
            lowest=min(found.lowest, self.truth.min(initial=1)),
            highest=max(found.highest, self.truth.max(initial=0)),
        )

    def replaced_in(self, found: Found, before: Rates, *, of_model: bool) -> Found:
        """Return what was found with the consensus set here after it; the rates are those against what it has become.

        ``of_model``: those of the open voxels are the model's; else they are counted, as a majority's are.
        """
        now = self.moved(found, before)
        truths, falses = now.seen_by, now.read - now.seen_by
        if not of_model:
            return replace(
                now, sensitivity=_share(now.marked_by, truths), specificity=_share(now.neither, falses)
            )
        positive, missed, negative, false = np.array(self.known).T
        return replace(
            now,
            sensitivity=_blended(found.sensitivity, truths, positive, missed),
            specificity=_blended(found.specificity, falses, negative, false),
        )


def _blended(rate: Rates, whole: Rates, right: Rates, wrong: Rates) -> Rates:
    """Return the rate of a sum in which some votes are known to be right or wrong, and others are so by a rate."""
    others = np.maximum(whole - right - wrong, 0)
    return _share(np.where(others > LEAST, rate, 0) * others + right, whole)


def _share(part: Rates, whole: Rates) -> Rates:
    """Return a share; NaN where there is nothing."""
    found = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > LEAST)
    return np.asarray(np.clip(found, 0, 1))
