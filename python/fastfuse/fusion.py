"""Fusion of several raters' votes into one consensus: the public functions.

Kats, Goldberger, Greenspan, *A Soft STAPLE Algorithm Combined with Anatomical Knowledge*, MICCAI 2019,
doi:10.1007/978-3-030-32248-9_57, arXiv:1910.12077. Warfield, Zou, Wells, *Simultaneous Truth and Performance
Level Estimation (STAPLE)*, IEEE TMI 23(7), 2004, doi:10.1109/TMI.2004.828354.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import _core
from .destination import Destination
from .errors import warn
from .grids import check_in_memory
from .options import (
    ACCELERATIONS,
    check_choice,
    check_count,
    check_init,
    check_label,
    check_prior,
    check_tolerance,
)
from .remarks import remarks_on
from .result import Fusion, Method
from .votes import TITLES, as_companion, as_raters, axes_in_memory_order, explain, named_raters


def staple(
    raters: Any,
    *,
    prior: str | float | ArrayLike = "mean",
    init: str | float = "vote",
    mask: ArrayLike | None = None,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: str = "none",
    dtype: DTypeLike = "float32",
    out: NDArray[Any] | None = None,
    threads: int = 0,
    select_label: int | None = None,
) -> Fusion:
    """Fuse binary masks by STAPLE (Warfield, Zou, Wells 2004).

    Parameters
    ----------
    raters : sequence of m array_like of one shape, or array_like of shape (m, ...)
        Votes 0 and 1: bool, any integer, float16/32/64; NumPy arrays, nibabel images, or anything with
        ``__array__`` or ``__dlpack__``. Any number of dimensions and any strides; at most 63 raters.
    prior : {"mean", "estimate"}, float or array_like, default "mean"
        p(truth 1) before any vote. "mean", as in ITK and the paper: the mean of all votes inside the mask,
        held fixed. It is biased when raters over-mark: with five raters of sensitivity 0.8 and specificity
        0.95 at a true prevalence of 0.01 the estimated sensitivity comes out 0.44 too low. "estimate": the
        mean consensus, updated in every iteration; it has no such bias. Or a number in (0, 1), or a map of
        the raters' shape with values in (0, 1).
    init : {"vote"} or float, default "vote"
        "vote": start from the mean vote, M-step first. A number in (0.5, 1): every sensitivity and
        specificity starts there, E-step first.
    mask : array_like of the raters' shape, optional
        The region to fuse (bool, or 0 and 1). Outside it the probability is 0, nothing is counted and nothing
        is checked.
    tol : float, default 1e-7
        Stop when no sensitivity or specificity moves by more than this in one M-step. That bounds the last step, not
        what is left to go: where EM creeps, probabilities may still move by 1e-3; ask for less, or for "squarem".
    max_iter : int, default 1000
        M-steps at most; 1 is one M-step and the E-step after it.
    acceleration : {"none", "squarem"}, default "none"
        "squarem": every two steps, go as far beyond them as their difference promises (Varadhan and Roland 2008), and
        keep it where the likelihood rises, or, with the paper's M-step, where the next step is no longer. It needs
        fewer iterations where EM is slow, and ends at the same parameters where these are determined: those of
        two raters are not, nor always those that ``prior="estimate"`` leaves free.
    dtype : {"float32", "float64"}, default "float32"
        Of ``probability``. All arithmetic is in double precision, with one exception: votes of float32 or narrower
        that do not repeat from voxel to voxel, such as a network's probabilities, are multiplied in single precision and
        summed in double. That is within 1e-6 of the exact answer after as many iterations, and within 1e-4 where EM creeps
        to its stop; "float64" avoids it.
    out : ndarray of float32 or float64, the raters' shape, optional
        Where to write ``probability``, which then is this array; its type takes the place of ``dtype``. Nothing
        is allocated or copied if its memory is contiguous, in the order of the first rater's axes. After an
        error, its content means nothing.
    threads : int, default 0
        Threads to use; 0 takes what the process may use. The result has the same bits for every number.
    select_label : int, optional
        Fuse this label of label maps: a vote is 1 where a rater's value equals it.

    Returns
    -------
    Fusion
        With ``probability`` in the memory order of the first rater.

    Raises
    ------
    ValueError
        Naming the rater and the value: shapes that differ, a value other than 0 and 1, a nan or infinity, an
        empty volume or mask, an option out of range.
    TypeError
        For what is no array of booleans, integers or floats.

    Warns
    -----
    FusionWarning
        If nobody marks anything (probability 0, sensitivity nan, specificity 1), everybody marks everything
        (probability 1, sensitivity 1, specificity nan), there is one rater or no voxel in doubt, a rater marks
        nothing or everything or does worse than chance, or ``max_iter`` is reached.

    Notes
    -----
    E-step: w = π Π a_i1 / (π Π a_i1 + (1 - π) Π a_i0), eq. (2); M-step: eq. (5) of Kats et al. 2019.

    Examples
    --------
    >>> import fastfuse
    >>> fastfuse.staple([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1]]).label()
    array([0, 0, 1, 1], dtype=uint8)
    """
    return _fuse(
        raters,
        "staple",
        prior=prior,
        init=init,
        mask=mask,
        tol=tol,
        max_iter=max_iter,
        acceleration=acceleration,
        dtype=dtype,
        out=out,
        threads=threads,
        select_label=select_label,
    )


def soft_staple(
    raters: Any,
    *,
    m_step: str = "paper",
    prior: str | float | ArrayLike = "mean",
    init: str | float = "vote",
    mask: ArrayLike | None = None,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: str = "none",
    dtype: DTypeLike = "float32",
    out: NDArray[Any] | None = None,
    threads: int = 0,
    select_label: int | None = None,
) -> Fusion:
    """Fuse soft votes by soft-STAPLE, exactly: the expectation over all 2^m binary vote patterns.

    Parameters
    ----------
    raters : sequence of m array_like of one shape, or array_like of shape (m, ...)
        Votes in [0, 1]: the probability that the rater calls the voxel foreground. Types as in
        :func:`staple`; at most 63 raters, of whom at most 20 may have a fractional vote at one voxel.
    m_step : {"paper", "em"}, default "paper"
        "paper": eq. (5) with the soft vote in the place of the binary one, as printed and as the authors ran
        it. "em": the true maximiser. The paper says that the likelihood rises monotonically; with its own
        M-step it does not always, and with votes spread over [0, 1] hardly ever; with "em" it always does.
        On binary votes the two are the same.
    prior, init, mask, tol, max_iter, acceleration, dtype, out, threads, select_label
        As in :func:`staple`. The first M-step after ``init="vote"`` is the paper's for every ``m_step``.

    Returns
    -------
    Fusion

    Raises
    ------
    ValueError, TypeError
        As :func:`staple`, for a vote outside [0, 1], and for more than 20 fractional votes at one voxel.

    Warns
    -----
    FusionWarning
        As :func:`staple`.

    Notes
    -----
    w_t = Σ_B q_t(B) p(1|B), eq. (9), where q_t(B) = Π_i q_it(b_i). With one prior the data enter only through
    the masses N(B) = Σ_t q_t(B), eq. (8), gathered in one pass over the volume. Memory: (m + 1) 2^m doubles.

    Examples
    --------
    >>> import fastfuse
    >>> votes = [[0, 0.3, 1, 1], [0, 0, 0.3, 1], [0, 0.3, 1, 1]]
    >>> fastfuse.soft_staple(votes).probability.round(3)
    array([0.001, 0.126, 0.949, 1.   ], dtype=float32)
    """
    return _fuse(
        raters,
        "soft-staple",
        m_step=m_step,
        prior=prior,
        init=init,
        mask=mask,
        tol=tol,
        max_iter=max_iter,
        acceleration=acceleration,
        dtype=dtype,
        out=out,
        threads=threads,
        select_label=select_label,
    )


def simplified_soft_staple(
    raters: Any,
    *,
    m_step: str = "paper",
    prior: str | float | ArrayLike = "mean",
    init: str | float = "vote",
    mask: ArrayLike | None = None,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: str = "none",
    dtype: DTypeLike = "float32",
    out: NDArray[Any] | None = None,
    threads: int = 0,
    select_label: int | None = None,
) -> Fusion:
    """Fuse soft votes by simplified-soft-STAPLE: each soft vote has the likelihood a_i of eq. (10).

    Parameters
    ----------
    raters, m_step, prior, init, mask, tol, max_iter, acceleration, dtype, out, threads, select_label
        As in :func:`soft_staple`, without its limit on fractional votes.

    Returns
    -------
    Fusion

    Raises
    ------
    ValueError, TypeError
        As :func:`soft_staple`.

    Warns
    -----
    FusionWarning
        As :func:`staple`.

    Notes
    -----
    a_i1 = q θ_i1 + (1 - q)(1 - θ_i1), a_i0 = q (1 - θ_i0) + (1 - q) θ_i0, and w as in STAPLE: eqs. (10), (12)
    and (13). Two misprints are mended: eq. (10)'s second line misses a bracket, and eq. (11) sums over raters
    outside the logarithm.

    Examples
    --------
    >>> import fastfuse
    >>> votes = [[0, 0.3, 1, 1], [0, 0, 0.3, 1], [0, 0.3, 1, 1]]
    >>> fastfuse.simplified_soft_staple(votes).probability.round(3)
    array([0.   , 0.079, 0.957, 1.   ], dtype=float32)
    """
    return _fuse(
        raters,
        "simplified-soft-staple",
        m_step=m_step,
        prior=prior,
        init=init,
        mask=mask,
        tol=tol,
        max_iter=max_iter,
        acceleration=acceleration,
        dtype=dtype,
        out=out,
        threads=threads,
        select_label=select_label,
    )


def majority_vote(
    raters: Any,
    *,
    mask: ArrayLike | None = None,
    dtype: DTypeLike = "float32",
    out: NDArray[Any] | None = None,
    threads: int = 0,
    select_label: int | None = None,
) -> Fusion:
    """Return the mean vote as the consensus, and each rater's performance against it.

    Parameters
    ----------
    raters, mask, dtype, out, threads, select_label
        As in :func:`soft_staple`, without its limit on fractional votes.

    Returns
    -------
    Fusion
        ``label()`` is the majority vote, ties counting as foreground. ``n_iter`` is 0, ``log_likelihood`` empty.

    Raises
    ------
    ValueError, TypeError
        As :func:`soft_staple`.

    Warns
    -----
    FusionWarning
        As :func:`staple`.

    Examples
    --------
    >>> import fastfuse
    >>> fastfuse.majority_vote([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1]]).label()
    array([0, 0, 1, 1], dtype=uint8)
    """
    return _fuse(
        raters, "majority", mask=mask, dtype=dtype, out=out, threads=threads, select_label=select_label
    )


def _fuse(raters: Any, method: Method, **options: Any) -> Fusion:
    """Fuse, and warn the caller's caller of what is doubtful."""
    fusion, remarks = fuse_arrays(raters, method, **options)
    warn(remarks, callers=2)
    return fusion


def fuse_arrays(
    raters: Any,
    method: Method,
    *,
    m_step: str = "paper",
    prior: str | float | ArrayLike = "mean",
    init: str | float = "vote",
    mask: ArrayLike | None = None,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: str = "none",
    dtype: DTypeLike = "float32",
    out: NDArray[Any] | None = None,
    threads: int = 0,
    select_label: int | None = None,
    names: Sequence[str] | None = None,
    titles: Mapping[str, str] = TITLES,
    route: str = "auto",
) -> tuple[Fusion, list[str]]:
    """Check, call the core, wrap: what all the functions above share.

    ``names`` and ``titles`` are what messages call the raters, the mask and the prior; ``route``
    is what EM runs on: "patterns", the distinct vote patterns; "lanes", the voxels in vectors; "rows", the voxels
    one by one; "auto", whichever suits the votes. Returns the fusion, and what
    makes it doubtful.
    """
    remarks = check_in_memory([*named_raters(raters), ("mask", mask), ("prior", prior)])
    arrays = as_raters(raters, names)
    shape = arrays[0].shape
    axes = axes_in_memory_order(arrays[0])
    prior_number, prior_map = check_prior(prior, shape)
    region = None if mask is None else as_companion(mask, "mask", shape)
    companions = [array for array in (region, prior_map) if array is not None]
    destination = Destination.of(out, dtype, shape, axes, [*arrays, *companions])
    max_iter = check_count(max_iter, "max_iter", least=1)
    try:
        result = _core.fuse(
            [array.transpose(axes) for array in arrays],
            destination.work,
            method=method,
            mask=None if region is None else region.transpose(axes),
            prior_map=None if prior_map is None else prior_map.transpose(axes),
            prior=prior_number,
            estimate_prior=isinstance(prior, str) and prior == "estimate",
            em_m_step=check_choice(m_step, "m_step", ("paper", "em")) == "em",
            init=check_init(init),
            select_label=check_label(select_label),
            tol=check_tolerance(tol),
            max_iter=max_iter,
            accelerate=check_choice(acceleration, "acceleration", ACCELERATIONS) == "squarem",
            threads=check_count(threads, "threads", least=0),
            route=route,
        )
    except _core.BadInput as bad:
        raise ValueError(explain(bad.args, arrays, region, axes, names, titles)) from None
    fusion = Fusion(
        probability=destination.finish(),
        sensitivity=np.array(result["sensitivity"]),
        specificity=np.array(result["specificity"]),
        prior=result["prior"],
        log_likelihood=np.array(result["log_likelihood"], dtype=np.float64),
        n_iter=result["iterations"],
        converged=result["converged"],
        method=method,
        n_voxels=int(result["voxels"]),
        volume=np.array(result["volume"]),
    )
    remarks += remarks_on(
        fusion,
        disputed=result["disputed"],
        lowest=result["lowest"],
        highest=result["highest"],
        arrays=arrays,
        max_iter=max_iter,
        label=select_label,
        names=names,
    )
    return fusion, remarks
