"""STAPLE (Warfield, Zou, Wells 2004); and ``fuse``, which calls any method on votes by its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

from numpy.typing import NDArray

from ...inputs.checks import Labels, Scale
from ...inputs.kinds import DTypeOfResult, RatersLike, VoxelsLike
from ..declared import documented
from ..labels.declared import (
    AskedLabels,
    Candidates,
    ConfusionModel,
    Dirichlet,
    Knows,
    LabelInit,
    LabelIntervalKind,
    LabelPrior,
    LabelRoi,
    LabelsLike,
)
from ..labels.result import LabelFusion
from ..option_checks import PerformancePrior
from ..options import (
    Acceleration,
    Expectation,
    Init,
    IntervalKind,
    Likelihood,
    Missing,
    MStep,
    Options,
    Prior,
    Roi,
)
from ..registry import MethodOnVotes
from ..result import Fusion
from ..votes import ENTRIES, MASKS, Votes
from .common import fused_by_name, fused_or_labels


@overload
def staple(
    raters: RatersLike,
    *,
    axis: int | None = None,
    prior: Prior = "mean",
    init: Init = "auto",
    mask: VoxelsLike | None = None,
    roi: Roi = "all",
    spacing_mm: Sequence[float] | None = None,
    missing: Missing = "error",
    present: RatersLike | None = None,
    mrf: float = 0.0,
    performance_prior: PerformancePrior = "auto",
    intervals: IntervalKind = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: Acceleration = "none",
    dtype: DTypeOfResult = "float32",
    out: NDArray[Any] | None = None,
    threads: int = 0,
    device: str | None = None,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    labels: None = None,
) -> Fusion: ...


@overload
def staple(
    raters: RatersLike,
    *,
    axis: int | None = None,
    prior: LabelPrior = "mean",
    init: LabelInit = "auto",
    mask: VoxelsLike | None = None,
    roi: LabelRoi = "all",
    spacing_mm: Sequence[float] | None = None,
    missing: Missing = "error",
    present: RatersLike | None = None,
    performance_prior: Dirichlet = "auto",
    intervals: LabelIntervalKind = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: Acceleration = "none",
    dtype: DTypeOfResult = "float32",
    threads: int = 0,
    labels: LabelsLike,
    candidates: Candidates = "auto",
    confusion: ConfusionModel = "full",
    knows: Knows | None = None,
    undecided: int | None = None,
) -> LabelFusion: ...


@documented({**ENTRIES, "raters": MASKS})
def staple(
    raters: RatersLike,
    *,
    axis: int | None = None,
    prior: Prior = "mean",
    init: Init = "auto",
    mask: VoxelsLike | None = None,
    roi: Roi = "all",
    spacing_mm: Sequence[float] | None = None,
    missing: Missing = "error",
    present: RatersLike | None = None,
    mrf: float = 0.0,
    performance_prior: PerformancePrior = "auto",
    intervals: IntervalKind = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: Acceleration = "none",
    dtype: DTypeOfResult = "float32",
    out: NDArray[Any] | None = None,
    threads: int = 0,
    device: str | None = None,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    labels: LabelsLike | None = None,
    candidates: Candidates = "auto",
    confusion: ConfusionModel = "full",
    knows: Knows | None = None,
    undecided: int | None = None,
) -> Fusion | LabelFusion:
    """Fuse binary masks, or label maps, by STAPLE (Warfield, Zou, Wells 2004).

    Parameters
    ----------
    {options}

    Returns
    -------
    Fusion or LabelFusion
        With ``probability`` in the memory order of the first rater. A :class:`LabelFusion` of label maps, if ``labels``
        are given.

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
    >>> maps = [[0, 0, 1, 2, 4, 4], [0, 1, 1, 2, 2, 4], [0, 1, 1, 2, 4, 4]]
    >>> fastfuse.staple(maps, labels="all").label()
    array([0, 1, 1, 2, 4, 4], dtype=uint8)
    """
    options = Options(
        prior=prior, init=init, roi=roi, spacing_mm=spacing_mm, missing=missing, mrf=mrf,
        performance_prior=performance_prior, intervals=intervals, replicates=replicates, seed=seed,
        tol=tol, max_iter=max_iter, acceleration=acceleration, threads=threads, device=device,
        select_label=select_label, binarize=binarize,
        threshold=threshold, scale=scale,
    )  # fmt: skip
    asked = AskedLabels(labels, candidates, confusion, knows, undecided=undecided)
    votes = Votes(raters, mask=mask, present=present, dtype=dtype, out=out, axis=axis)
    return fused_or_labels(votes, "staple", options, asked)


@overload
def fuse(
    raters: RatersLike,
    method: MethodOnVotes = "soft-staple",
    *,
    axis: int | None = None,
    m_step: MStep = "paper",
    expectation: Expectation = "auto",
    likelihood: Likelihood = "mixture",
    prior: Prior = "mean",
    init: Init = "auto",
    mask: VoxelsLike | None = None,
    roi: Roi = "all",
    spacing_mm: Sequence[float] | None = None,
    missing: Missing = "error",
    present: RatersLike | None = None,
    mrf: float = 0.0,
    performance_prior: PerformancePrior = "auto",
    intervals: IntervalKind = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: Acceleration = "none",
    dtype: DTypeOfResult = "float32",
    out: NDArray[Any] | None = None,
    threads: int = 0,
    device: str | None = None,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    labels: None = None,
) -> Fusion: ...


@overload
def fuse(
    raters: RatersLike,
    method: MethodOnVotes,
    *,
    axis: int | None = None,
    prior: LabelPrior = "mean",
    init: LabelInit = "auto",
    mask: VoxelsLike | None = None,
    roi: LabelRoi = "all",
    spacing_mm: Sequence[float] | None = None,
    missing: Missing = "error",
    present: RatersLike | None = None,
    performance_prior: Dirichlet = "auto",
    intervals: LabelIntervalKind = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: Acceleration = "none",
    dtype: DTypeOfResult = "float32",
    threads: int = 0,
    labels: LabelsLike,
    candidates: Candidates = "auto",
    confusion: ConfusionModel = "full",
    knows: Knows | None = None,
    weights: Sequence[float] | None = None,
    undecided: int | None = None,
    truncation: float | None = None,
) -> LabelFusion: ...


@overload
def fuse(
    raters: RatersLike,
    method: MethodOnVotes = "soft-staple",
    *,
    axis: int | None = None,
    m_step: MStep = "paper",
    expectation: Expectation = "auto",
    likelihood: Likelihood = "mixture",
    prior: Prior = "mean",
    init: Init = "auto",
    mask: VoxelsLike | None = None,
    roi: Roi = "all",
    spacing_mm: Sequence[float] | None = None,
    missing: Missing = "error",
    present: RatersLike | None = None,
    mrf: float = 0.0,
    performance_prior: PerformancePrior = "auto",
    intervals: IntervalKind = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: Acceleration = "none",
    dtype: DTypeOfResult = "float32",
    threads: int = 0,
    device: str | None = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    labels: LabelsLike,
    overlap: Literal[True],
) -> dict[int | str, Fusion]: ...


@documented(ENTRIES)
def fuse(
    raters: RatersLike,
    method: MethodOnVotes = "soft-staple",
    *,
    axis: int | None = None,
    m_step: MStep = "paper",
    expectation: Expectation = "auto",
    likelihood: Likelihood = "mixture",
    prior: Prior = "mean",
    init: Init = "auto",
    mask: VoxelsLike | None = None,
    roi: Roi = "all",
    spacing_mm: Sequence[float] | None = None,
    missing: Missing = "error",
    present: RatersLike | None = None,
    mrf: float = 0.0,
    performance_prior: PerformancePrior = "auto",
    intervals: IntervalKind = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: Acceleration = "none",
    dtype: DTypeOfResult = "float32",
    out: NDArray[Any] | None = None,
    threads: int = 0,
    device: str | None = None,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    labels: LabelsLike | None = None,
    candidates: Candidates = "auto",
    confusion: ConfusionModel = "full",
    knows: Knows | None = None,
    weights: Sequence[float] | None = None,
    undecided: int | None = None,
    truncation: float | None = None,
    overlap: bool = False,
) -> Fusion | LabelFusion | dict[int | str, Fusion]:
    """Fuse votes by the method of this name.

    Parameters
    ----------
    {options}

    Returns
    -------
    Fusion, LabelFusion, or dict of Fusion
        A :class:`LabelFusion` of label maps, if ``labels`` are given; a :class:`Fusion` of each structure with ``overlap``.

    Raises
    ------
    ValueError, TypeError
        As the method's function; and for an option that the method does not have.

    Warns
    -----
    FusionWarning
        As :func:`staple`.

    See Also
    --------
    dilated_staple : The method that needs an image too.

    Examples
    --------
    >>> import fastfuse
    >>> votes = [[0, 0.3, 1, 1], [0, 0, 0.3, 1], [0, 0.3, 1, 1]]
    >>> for method in ("soft-staple", "simplified-soft-staple", "majority"):
    ...     print(fastfuse.fuse(votes, method).label())
    [0 0 1 1]
    [0 0 1 1]
    [0 0 1 1]
    """
    options = Options(
        m_step=m_step, expectation=expectation, likelihood=likelihood, prior=prior, init=init, roi=roi,
        spacing_mm=spacing_mm, missing=missing, mrf=mrf, performance_prior=performance_prior,
        intervals=intervals, replicates=replicates, seed=seed, tol=tol, max_iter=max_iter,
        acceleration=acceleration, threads=threads, device=device, select_label=select_label, binarize=binarize,
        threshold=threshold, scale=scale,
    )  # fmt: skip
    asked = AskedLabels(labels, candidates, confusion, knows, weights, undecided, truncation, overlap)
    votes = Votes(raters, mask=mask, present=present, dtype=dtype, out=out, axis=axis)
    return fused_by_name(votes, method, options, asked)
