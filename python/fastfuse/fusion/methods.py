"""Fusion of several raters' votes into one consensus: the public functions.

Kats, Goldberger, Greenspan, *A Soft STAPLE Algorithm Combined with Anatomical Knowledge*, MICCAI 2019,
doi:10.1007/978-3-030-32248-9_57, arXiv:1910.12077. Warfield, Zou, Wells, *Simultaneous Truth and Performance
Level Estimation (STAPLE)*, IEEE TMI 23(7), 2004, doi:10.1109/TMI.2004.828354. Commowick, Warfield, *Incorporating Priors on Expert Performance Parameters for
Segmentation Validation and Label Fusion: A Maximum a Posteriori STAPLE*, MICCAI 2010, doi:10.1007/978-3-642-15711-0_4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..errors import warn
from .pipeline import fuse_arrays
from .result import Fusion, Method


def staple(
    raters: Any,
    *,
    prior: str | float | ArrayLike = "mean",
    init: str | float = "vote",
    mask: ArrayLike | None = None,
    roi: str | float = "all",
    spacing_mm: Sequence[float] | None = None,
    missing: str = "error",
    present: Any = None,
    mrf: float = 0.0,
    performance_prior: Any = None,
    intervals: str = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: str = "none",
    dtype: DTypeLike = "float32",
    out: NDArray[Any] | None = None,
    threads: int = 0,
    device: str | None = None,
    select_label: int | None = None,
) -> Fusion:
    """Fuse binary masks by STAPLE (Warfield, Zou, Wells 2004).

    Parameters
    ----------
    raters : sequence of m array_like of one shape, or array_like of shape (m, ...)
        Votes 0 and 1: bool, any integer, float16/32/64; NumPy arrays, nibabel images, or anything with
        ``__array__`` or ``__dlpack__``. Any number of raters and dimensions, and any strides. None stands for a
        rater who did not read this case: his sensitivity and specificity are nan, and all else is as without him.
    prior : {"mean", "estimate"}, float or array_like, default "mean"
        p(truth 1) before any vote. "mean", as in ITK and the paper: the mean of all votes inside the mask,
        held fixed (with missing votes, the mean over voxels of the mean of those that are there). It is biased when raters over-mark: with five raters of sensitivity 0.8 and specificity
        0.95 at a true prevalence of 0.01 the estimated sensitivity comes out 0.44 too low. "estimate": the
        mean consensus, updated in every iteration; it has no such bias. Or a number in (0, 1), or a map of
        the raters' shape with values in (0, 1).
    init : {"vote"} or float, default "vote"
        "vote": start from the mean vote, M-step first. A number in (0.5, 1): every sensitivity and
        specificity starts there, E-step first.
    mask : array_like of the raters' shape, optional
        The region to fuse (bool, or 0 and 1). Outside it the probability is 0, nothing is counted and nothing
        is checked.
    roi : {"all", "disputed"} or float, default "all"
        Where, inside the mask, to fuse. "disputed": voxels on which all votes are 0, or all are 1, take that value and
        stay out of EM and prior; agreed is what at least two raters have read. Or a margin in mm around what anybody
        marks (a vote above 0.1), in at most three dimensions; beyond it the probability is 0.
        This changes results: background that nobody would mark raises every specificity and lowers
        the prior, and a margin or a mask takes it away. "disputed" takes the agreement away as well: among disputed
        voxels alone specificities fall far below those of the whole, sensitivities no longer count the voxels that all
        find, and raters who err independently look opposed to each other, so that a few of them may come out as worse
        than chance and the consensus upside down. Take it where many raters differ in kind, not to save time.
    spacing_mm : sequence of float, one per axis, optional
        Voxel size in mm; for a margin, and for ``mrf`` on voxels that are no cubes. Without it, that of the first nibabel
        image's header if the raters are such images, else 1.
    missing : {"error", "nan"}, default "error"
        "nan": where a rater's value is nan, he gives no vote. A missing vote multiplies nothing in the E-step and counts
        nowhere in the M-step. A voxel on which nobody votes stays out of all sums; its probability is the prior.
    present : sequence of m array_like of the raters' shape, or array_like of shape (m, ...), optional
        Where each rater looked (bool, or 0 and 1): his field of view, the slices that he read. None for everywhere.
        What he did not look at is a missing vote, whatever it holds.
    mrf : float, default 0
        Strength β of a Markov random field, by mean field: neighbours across a face pull a voxel's log-odds by
        β (2 w - 1), times the smallest voxel side over the side along that axis. It removes isolated voxels; 0.1 to 1
        are usual, and ``acceleration`` must be "none". One sweep over the voxels is one E-step, so this costs more time, and ``log_likelihood`` is that
        of the votes under each voxel's own prior, which need not rise. Agreed voxels of ``roi="disputed"`` pull too.
    performance_prior : (float, float) or ((float, float), (float, float)), optional
        (a, b) of a Beta prior on every sensitivity and specificity, or one for each of both; at least 1. The M-step
        becomes (hits + a - 1) / (hits + misses + a + b - 2), so that a rater with three voxels does not run to 0 or 1
        (Commowick and Warfield 2010). (5, 1.5) is a mild one.
    intervals : {"none", "information", "bootstrap", "lesions"}, default "none"
        Standard errors and 95 % intervals of sensitivity and specificity, as ``Fusion.intervals``. "information": from
        the curvature of the likelihood (Louis 1982), for independent voxels and the prior as it was given, on the logit
        scale; nan where EM ends at no maximum of it, as the paper's M-step does on fractional votes, and for soft-STAPLE
        with missing votes, a prior map or more than 20 raters whose votes are fractional. Fractional votes are no draws of
        marks: of them it is the sandwich of curvature and scores (White 1982), which is as wide as repeated studies vary.
        "bootstrap": percentiles over resampled voxels, for every method, but nan for more than 131,072 distinct patterns
        of votes, as a network's probabilities make. "lesions": the same over resampled lesions,
        the 26-connected components of what anybody marks (a vote above 0.1): voxels of one lesion share their errors, so
        that these are the honest ones for images (needs SciPy). Neither with a prior map; none of the three with ``mrf``.
    replicates, seed : int, default 200, 0
        Of the bootstrap.
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
    device : {"cpu", "cuda", "cuda:0", ...}, optional
        Where to fuse; where the raters lie, unless it is given. Tensors on a CUDA device (PyTorch, CuPy, JAX, or whatever
        else has ``__dlpack__``), contiguous, are used in place, on the stream on which their library works, and
        ``probability`` is such a tensor there; NumPy's arrays are copied there and back. Needs a fastfuse built with
        CUDA (:func:`fastfuse.cuda.is_available`). Of the options, a map as prior, ``roi``, ``missing``, ``present``,
        ``mrf``, ``intervals``, ``likelihood`` and ``select_label`` are of the CPU alone. At most 64 raters;
        16 for ``expectation="enumerate"``, whose masses are summed in single precision there.
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
    return _fuse(method="staple", **locals())


def soft_staple(
    raters: Any,
    *,
    m_step: str = "paper",
    expectation: str = "auto",
    prior: str | float | ArrayLike = "mean",
    init: str | float = "vote",
    mask: ArrayLike | None = None,
    roi: str | float = "all",
    spacing_mm: Sequence[float] | None = None,
    missing: str = "error",
    present: Any = None,
    mrf: float = 0.0,
    performance_prior: Any = None,
    intervals: str = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: str = "none",
    dtype: DTypeLike = "float32",
    out: NDArray[Any] | None = None,
    threads: int = 0,
    device: str | None = None,
    select_label: int | None = None,
) -> Fusion:
    """Fuse soft votes by soft-STAPLE, exactly: the expectation over all 2^m binary vote patterns, for any m.

    Parameters
    ----------
    raters : sequence of m array_like of one shape, or array_like of shape (m, ...)
        Votes in [0, 1]: the probability that the rater calls the voxel foreground. Types as in
        :func:`staple`; any number of raters.
    m_step : {"paper", "em"}, default "paper"
        "paper": eq. (5) with the soft vote in the place of the binary one, as printed and as the authors ran
        it. "em": the true maximiser. The paper says that the likelihood rises monotonically; with its own
        M-step it does not always, and with votes spread over [0, 1] hardly ever; with "em" it always does.
        On binary votes the two are the same.
    expectation : {"auto", "enumerate", "characteristic"}, default "auto"
        How the expectation over binary patterns comes about: "enumerate", term by term, 2^f terms for f fractional
        votes at a voxel, at most 20; "characteristic", by an integral over the characteristic function of the
        log-odds, whose cost grows with f alone; "auto", whichever is cheaper. Both are exact to rounding, 1e-12 in
        absolute terms.
    prior, init, mask, roi, spacing_mm, missing, present, mrf, performance_prior, intervals, replicates, seed
        As in :func:`staple`. The first M-step after ``init="vote"`` is the paper's for every ``m_step``.
    tol, max_iter, acceleration, dtype, out, threads, device, select_label
        As in :func:`staple`.

    Returns
    -------
    Fusion

    Raises
    ------
    ValueError, TypeError
        As :func:`staple`, for a vote outside [0, 1], and for more than 20 fractional votes at one voxel that are to be
        enumerated.

    Warns
    -----
    FusionWarning
        As :func:`staple`.

    Notes
    -----
    w_t = Σ_B q_t(B) p(1|B), eq. (9), where q_t(B) = Π_i q_it(b_i). With one prior the data enter only through
    the masses N(B) = Σ_t q_t(B), eq. (8), gathered in one pass over the volume: (m + 1) 2^m doubles. With many raters
    each voxel's expectation is w = 1/2 + ∫ Im φ(ω) / sinh(πω) dω instead, φ the characteristic function of its log-odds.

    Examples
    --------
    >>> import fastfuse
    >>> votes = [[0, 0.3, 1, 1], [0, 0, 0.3, 1], [0, 0.3, 1, 1]]
    >>> fastfuse.soft_staple(votes).probability.round(3)
    array([0.001, 0.126, 0.949, 1.   ], dtype=float32)
    """
    return _fuse(method="soft-staple", **locals())


def simplified_soft_staple(
    raters: Any,
    *,
    m_step: str = "paper",
    likelihood: str = "mixture",
    prior: str | float | ArrayLike = "mean",
    init: str | float = "vote",
    mask: ArrayLike | None = None,
    roi: str | float = "all",
    spacing_mm: Sequence[float] | None = None,
    missing: str = "error",
    present: Any = None,
    mrf: float = 0.0,
    performance_prior: Any = None,
    intervals: str = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: str = "none",
    dtype: DTypeLike = "float32",
    out: NDArray[Any] | None = None,
    threads: int = 0,
    device: str | None = None,
    select_label: int | None = None,
) -> Fusion:
    """Fuse soft votes by simplified-soft-STAPLE: each soft vote has the likelihood a_i of eq. (10).

    Parameters
    ----------
    raters, m_step
        As in :func:`soft_staple`.
    likelihood : {"mixture", "log_linear"}, default "mixture"
        Of a soft vote. "mixture": eq. (10). "log_linear": θ^q (1 - θ)^(1 - q), which weighs a rater's log-odds by his
        vote, as some other software does; both M-steps are then one, and raise the likelihood.
    prior, init, mask, roi, spacing_mm, missing, present, mrf, performance_prior, intervals, replicates, seed
        As in :func:`staple`.
    tol, max_iter, acceleration, dtype, out, threads, device, select_label
        As in :func:`staple`.

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
    return _fuse(method="simplified-soft-staple", **locals())


def majority_vote(
    raters: Any,
    *,
    mask: ArrayLike | None = None,
    missing: str = "error",
    present: Any = None,
    dtype: DTypeLike = "float32",
    out: NDArray[Any] | None = None,
    threads: int = 0,
    device: str | None = None,
    select_label: int | None = None,
) -> Fusion:
    """Return the mean vote as the consensus, and each rater's performance against it.

    Parameters
    ----------
    raters, mask, missing, present, dtype, out, threads, device, select_label
        As in :func:`soft_staple`. The mean is that of the votes that are there, and 0 where there is none.

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
    return _fuse(method="majority", **locals())


def _fuse(raters: Any, method: Method, **options: Any) -> Fusion:
    """Fuse, and warn the caller's caller of what is doubtful."""
    fusion, remarks = fuse_arrays(raters, method, **options)
    warn(remarks, callers=2)
    return fusion
