"""How far raters agree, from a vote table alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import warn
from ...inputs.checks import Labels, Scale, check_margin
from ...inputs.kinds import RatersLike, Sides, VoxelsLike
from ...inputs.names import counted, listed_names, told
from ..declared import documented
from ..doubts.copies import remarks_on_copies_in
from ..doubts.remedies import IF_EMPTY
from ..options import Missing, Options
from ..result import Rates
from ..tabulate import table_of
from ..vote_table import VoteTable
from ..votes import ENTRIES, Votes
from .masks import masks_of
from .stranger import overlaps, remarks_on_stranger


@dataclass(frozen=True)
class Coefficients:
    """Agreement beyond chance, two categories, over some voxels: those with at least two votes.

    Attributes
    ----------
    fleiss_kappa : float
        Fleiss 1971, doi:10.1037/h0031619. Chance: p² + (1 - p)², where p is the mean over voxels of the share of raters who
        mark; with missing votes, as in Gwet's irrCAC, over the voxels with one vote too.
    krippendorff_alpha : float
        Nominal; Krippendorff 2004. As kappa, with a correction for few votes.
    gwet_ac1 : float
        Gwet 2008, doi:10.1348/000711006X126600. Chance: 2 p (1 - p), which is small where a category is rare.
    n_voxels : int
        Voxels over which they are taken.
    """

    fleiss_kappa: float
    krippendorff_alpha: float
    gwet_ac1: float
    n_voxels: int


@dataclass(frozen=True, eq=False)
class Agreement:
    """How far raters agree, by :func:`agreement`.

    Attributes
    ----------
    everywhere : Coefficients
        Over all voxels. All three rise with the background around on which raters agree: AC1 to 1, kappa and alpha to a limit.
    region : Coefficients
        Over the voxels within the margin ``roi`` of what anybody marks; without a margin, over those that anybody marks.
    dice : ndarray of float64, shape (m, m)
        Dice's coefficient of each two raters, where both vote; nan where neither marks anything.
    conformity : float
        Generalised conformity index, ``Σ |R_i ∩ R_j| / Σ |R_i ∪ R_j|`` over all pairs (Kouwenhoven 2009,
        doi:10.1088/0031-9155/54/9/018): nan where nobody marks anything.
    names : tuple of m str
        What the raters are called.
    """

    everywhere: Coefficients
    region: Coefficients
    dice: NDArray[np.float64]
    conformity: float
    names: tuple[str, ...]

    @property
    def mean_dice(self) -> float:
        """Mean of the Dice of all pairs that have one."""
        pairs = self.dice[np.triu_indices(len(self.names), 1)]
        known = pairs[~np.isnan(pairs)]
        return float(known.mean()) if len(known) else float("nan")

    def __repr__(self) -> str:
        lines = [
            f"  {where:10}  kappa {of.fleiss_kappa:.4g}, alpha {of.krippendorff_alpha:.4g}, AC1 {of.gwet_ac1:.4g},"
            f" of {counted(of.n_voxels, 'voxel', ',')}"
            for where, of in (("everywhere", self.everywhere), ("region", self.region))
        ]
        head = f"Agreement({counted(len(self.names), 'rater')}, mean Dice {self.mean_dice:.4g}, conformity {self.conformity:.4g})"
        return "\n".join([head, *lines])


@documented(ENTRIES)
def agreement(
    raters: RatersLike | VoteTable,
    *,
    axis: int | None = None,
    mask: VoxelsLike | None = None,
    roi: float | None = None,
    spacing_mm: Sides | None = None,
    missing: Missing = "error",
    present: RatersLike | None = None,
    threads: int = 0,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    names: Sequence[str] | None = None,
) -> Agreement:
    """Return how far raters agree: chance-corrected coefficients, and the overlap of each two.

    The coefficients depend on how much background the volume holds, as specificity does: take those of the region beside
    those over all, and say which.

    Parameters
    ----------
    roi : float, optional
        Margin in mm about what anybody marks, for the coefficients of the region.
    {options}

    Returns
    -------
    Agreement

    Raises
    ------
    ValueError, TypeError
        As :func:`tabulate`; for one rater alone, votes other than 0 and 1; and for options beside a table, which holds
        the votes as they are.

    Examples
    --------
    >>> import fastfuse
    >>> found = fastfuse.agreement([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1]])
    >>> round(found.everywhere.fleiss_kappa, 3), round(found.conformity, 3)
    (0.657, 0.75)
    """
    given: dict[str, Any] = {
        "axis": axis, "mask": mask, "spacing_mm": spacing_mm, "present": present, "select_label": select_label,
        "threshold": threshold, "scale": scale, "names": names, "roi": roi,
    }  # fmt: skip
    if isinstance(raters, VoteTable):
        set_ones = [name for name, value in given.items() if value is not None]
        set_ones += ["binarize"] * binarize + ["missing"] * (missing != "error")
        if set_ones:
            raise ValueError(
                f"{set_ones[0]} is set, and raters is a table, whose votes are what they are: leave it out"
            )
        return of_tables(raters, None)
    called = listed_names(names)
    options = Options(
        spacing_mm=spacing_mm, missing=missing, threads=threads, select_label=select_label, binarize=binarize,
        threshold=threshold, scale=scale,
    )  # fmt: skip
    votes = Votes(raters, mask, present, axis=axis, names=called)
    found, remarks = agreement_of(votes, options, check_margin(roi), called)
    warn(remarks)
    return found


def agreement_of(
    votes: Votes, options: Options, margin: float | None, called: Sequence[str] | None
) -> tuple[Agreement, list[str]]:
    """Return the agreement of votes, and what makes it doubtful; ``margin``: of the region, in mm."""
    votes = votes.listed()
    table, remarks = table_of(votes, replace(options, spacing_mm=None), called)
    if votes.mask is not None and not table.counts.sum():
        raise ValueError(f"{votes.titles['mask']} is empty: no voxel to compare")
    near = None if margin is None else table_of(votes, replace(options, roi=margin), called)[0]
    found = of_tables(table, near)
    same = np.count_nonzero(found.dice == 1) > np.count_nonzero(found.dice.diagonal() == 1)
    copies = remarks_on_copies_in(table, votes) if same else []
    return found, [*remarks, *copies, *_on_raters(table), *remarks_on_stranger(table)]


def _on_raters(table: VoteTable) -> list[str]:
    """Say who has no vote, and who marks nothing or everything that they read."""
    read = {
        name: votes[~np.isnan(votes)]
        for name, votes in zip(table.names, masks_of(table, "agreement")[0].T, strict=True)
    }
    silent = [name for name, votes in read.items() if not votes.size]
    empty = [name for name, votes in read.items() if votes.size and not votes.any()]
    full = [name for name, votes in read.items() if votes.size and votes.all()]
    groups = (
        (silent, "has", "have", "no vote"),
        (empty, "marks", "mark", f"nothing: {IF_EMPTY}"),
        (full, "marks", "mark", "everything"),
    )
    return [told(alike, f"{one} {what}", f"{many} {what}") for alike, one, many, what in groups if alike]


def of_tables(table: VoteTable, near: VoteTable | None) -> Agreement:
    """Return the agreement in a table; ``near``: that of a region, by default what anybody marks."""
    patterns, counts = masks_of(table, "agreement")
    voting = [name for name, votes in zip(table.names, patterns.T, strict=True) if not np.isnan(votes).all()]
    if len(table.names) < 2 or (len(counts) and len(voting) < 2):
        alone = (voting or list(table.names))[0]
        raise ValueError(f"there is 1 rater who votes ({alone}): agreement takes at least two")
    if near is None:
        marked = (patterns == 1).any(axis=1)
        region = patterns[marked], counts[marked]
    else:
        region = masks_of(near, "agreement")
    dice, conformity = _overlaps(patterns, counts)
    return Agreement(coefficients(patterns, counts), coefficients(*region), dice, conformity, table.names)


def coefficients(patterns: Rates, counts: Rates) -> Coefficients:
    """Return kappa, alpha and AC1 of votes 0 and 1, shape (rows, m), nan missing."""
    votes = (~np.isnan(patterns)).sum(axis=1)
    paired = votes >= 2
    seen = votes > 0
    ones = np.nansum(patterns, axis=1)
    if not counts[paired].sum():
        return Coefficients(*(float("nan"),) * 3, 0)
    p = float(counts[seen] @ (ones[seen] / votes[seen]) / counts[seen].sum())
    ones, votes, counts = ones[paired], votes[paired], counts[paired]
    voxels = counts.sum()
    zeros = votes - ones
    agreed = (ones * (ones - 1) + zeros * (zeros - 1)) / (votes * (votes - 1))
    observed = float(counts @ agreed / voxels)
    by_kappa, by_ac1 = p * p + (1 - p) * (1 - p), 2 * p * (1 - p)
    held, marks = float(counts @ votes), float(counts @ ones)
    disagreed = float(counts @ (2 * ones * zeros / (votes - 1))) / held
    expected = 2 * marks * (held - marks) / (held * (held - 1))
    return Coefficients(
        beyond(observed, by_kappa),
        1 - disagreed / expected if expected > 0 else float("nan"),
        beyond(observed, by_ac1),
        int(voxels),
    )


def beyond(observed: float, by_chance: float) -> float:
    """Return agreement beyond chance; nan where chance alone gives all of it."""
    return (observed - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")


def _overlaps(patterns: Rates, counts: Rates) -> tuple[Rates, float]:
    """Return the Dice of each two raters where both vote, and the generalised conformity index."""
    both, whole = overlaps(patterns, counts)
    dice = np.divide(2 * both, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    pairs = np.triu_indices(len(dice), 1)
    union = (whole - both)[pairs].sum()
    return dice, float(both[pairs].sum() / union) if union > 0 else float("nan")
