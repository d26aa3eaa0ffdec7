"""What a fusion at given rates finds in a table, or in the masses of votes that do not repeat."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...inputs.checks import check_dtype
from ..backends.cpu import consensus_of_rows
from ..backends.found import CoreEstimate, CoreTable, Found, Rates
from ..options import Options
from ..registry import Method
from .dense import DenseVotes


def found_of(
    rates: CoreEstimate, table: CoreTable | DenseVotes, method: Method, options: Options, dtype: np.dtype[Any]
) -> Found:
    """Return what is found; of masses not the extreme probabilities, which are nan."""
    if isinstance(table, DenseVotes):
        return _in_masses(rates, table, method, options)
    held, counts = table.patterns[table.counts > 0], table.counts[table.counts > 0]
    w = consensus_of_rows(rates, held, method, options)
    there = ~np.isnan(held)
    q, weight = np.where(there, held, 0.0), counts[:, None] * there
    written = w.astype(check_dtype(dtype))
    return _found(
        rates,
        w,
        weight,
        weight * q,
        weight * (1 - q),
        voxels=float(counts.sum()),
        disputed=float(counts[~_agreed(held)].sum()),
        lowest=float(written.min()),
        highest=float(written.max()),
        table=table,
    )


def _in_masses(rates: CoreEstimate, votes: DenseVotes, method: Method, options: Options) -> Found:
    """Return the same of masses: a voxel's consensus is the mean of that of its binary patterns, so that Σ w q_i = Σ w(B) M_i(B)."""
    codes, values = votes.sums.codes, votes.sums.values
    patterns = np.where(codes < 0, np.nan, codes)
    w = consensus_of_rows(rates, patterns, method, options)
    there = codes >= 0
    mass, marks = values[:, :1] * there, values[:, 1:]
    found = _found(
        rates,
        w,
        mass,
        marks,
        mass - marks,
        voxels=float(votes.voxels),
        disputed=float(values[~_agreed(patterns), 0].sum()),
        lowest=np.nan,
        highest=np.nan,
        table=None,
    )
    found.read[...] = np.rint(found.read)  # whole voxels
    return found


def _agreed(patterns: Rates) -> Any:
    """Tell the patterns of which all votes are 0, or all 1."""
    missing = np.isnan(patterns)
    return ((patterns == 0) | missing).all(axis=1) | ((patterns == 1) | missing).all(axis=1)


def _found(
    rates: CoreEstimate, w: Rates, weight: Rates, marks: Rates, empty: Rates,
    *, voxels: float, disputed: float, lowest: float, highest: float, table: CoreTable | None,
) -> Found:  # fmt: skip
    """Return what is found in rows of consensus ``w``; ``weight``: voxels on which a rater votes, and Σ q and Σ (1 - q) over them."""
    blank = np.empty(0)
    return Found(
        sensitivity=np.asarray(rates.sensitivity),
        specificity=np.asarray(rates.specificity),
        prior=rates.prior,
        log_likelihood=np.asarray(rates.log_likelihood, np.float64),
        iterations=rates.iterations,
        converged=rates.converged,
        voxels=voxels,
        disputed=disputed,
        volume=marks.sum(axis=0),
        unmarked=empty.sum(axis=0),
        read=weight.sum(axis=0),
        marked_by=(marks * w[:, None]).sum(axis=0),
        seen_by=(weight * w[:, None]).sum(axis=0),
        neither=(empty * (1 - w[:, None])).sum(axis=0),
        lowest=lowest,
        highest=highest,
        information=blank,
        variability=blank,
        estimate=rates,
        table=table,
        pattern=None,
        marked=None,
    )
