"""Soft-STAPLE: the expectation over all binary vote patterns (Kats et al. 2019, section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from ...inputs.checks import Labels, Scale
from ...inputs.kinds import DTypeOfResult, OutLike, RatersLike, Sides, VoxelsLike
from ..declared import documented
from ..labels.declared import (
    AskedLabels,
    Candidates,
    ConfusionModel,
    Dirichlet,
    Knows,
    LabelInit,
    LabelPrior,
    LabelRoi,
    LabelsLike,
)
from ..option_checks import PerformancePrior
from ..options import Acceleration, Expectation, Init, IntervalKind, Missing, MStep, Options, Prior, Roi
from ..result import Fusion
from ..streamed.declared import Memory
from ..votes import ENTRIES, SoftRatersLike, Votes
from .common import fused_or_labels

if TYPE_CHECKING:
    from ..labels.result import LabelFusion


@overload
def soft_staple(
    raters: RatersLike,
    *,
    axis: int | None = None,
    m_step: MStep = "paper",
    expectation: Expectation = "auto",
    prior: Prior = "mean",
    init: Init = "auto",
    mask: VoxelsLike | None = None,
    roi: Roi = "all",
    spacing_mm: Sides | None = None,
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
    out: OutLike | None = None,
    threads: int = 0,
    max_memory: Memory = None,
    executor: Any = None,
    device: str | None = None,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    labels: None = None,
) -> Fusion: ...


@overload
def soft_staple(
    raters: SoftRatersLike,
    *,
    axis: int | None = None,
    m_step: MStep = "paper",
    prior: LabelPrior = "mean",
    init: LabelInit = "auto",
    mask: VoxelsLike | None = None,
    roi: LabelRoi = "all",
    spacing_mm: Sides | None = None,
    missing: Missing = "error",
    present: RatersLike | None = None,
    performance_prior: Dirichlet = "auto",
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
    truncation: float | None = None,
) -> LabelFusion: ...


@overload
def soft_staple(
    raters: RatersLike,
    *,
    axis: int | None = None,
    m_step: MStep = "paper",
    expectation: Expectation = "auto",
    prior: Prior = "mean",
    init: Init = "auto",
    mask: VoxelsLike | None = None,
    roi: Roi = "all",
    spacing_mm: Sides | None = None,
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
    max_memory: Memory = None,
    executor: Any = None,
    device: str | None = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    labels: LabelsLike,
    overlap: Literal[True],
) -> dict[int | str, Fusion]: ...


@documented(ENTRIES)
def soft_staple(
    raters: RatersLike | SoftRatersLike,
    *,
    axis: int | None = None,
    m_step: MStep = "paper",
    expectation: Expectation = "auto",
    prior: Prior = "mean",
    init: Init = "auto",
    mask: VoxelsLike | None = None,
    roi: Roi = "all",
    spacing_mm: Sides | None = None,
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
    out: OutLike | None = None,
    threads: int = 0,
    max_memory: Memory = None,
    executor: Any = None,
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
    truncation: float | None = None,
    overlap: bool = False,
) -> Fusion | LabelFusion | dict[int | str, Fusion]:
    """Fuse soft votes by soft-STAPLE, exactly: the expectation over all 2^m binary vote patterns, for any m.

    Parameters
    ----------
    {options}

    Returns
    -------
    Fusion or LabelFusion
        A :class:`LabelFusion` of soft votes of several labels, if ``labels`` are given: each rater gives an array of shape
        (K, ...), the probability of each label, in the order of ``labels``; a label map; or :class:`SoftLabels`.

    Raises
    ------
    ValueError, TypeError
        As :func:`staple`, for a vote outside [0, 1], and for ``expectation="enumerate"`` with more than 20 fractional votes
        at one voxel.

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
    options = Options(
        m_step=m_step, expectation=expectation, prior=prior, init=init, roi=roi, spacing_mm=spacing_mm,
        missing=missing, mrf=mrf, performance_prior=performance_prior, intervals=intervals,
        replicates=replicates, seed=seed, tol=tol, max_iter=max_iter, acceleration=acceleration,
        threads=threads, max_memory=max_memory, executor=executor, device=device, select_label=select_label, binarize=binarize,
        threshold=threshold, scale=scale,
    )  # fmt: skip
    asked = AskedLabels(
        labels, candidates, confusion, knows, undecided=undecided, truncation=truncation, overlap=overlap
    )
    votes = Votes(raters, mask=mask, present=present, dtype=dtype, out=out, axis=axis)
    return fused_or_labels(votes, "soft-staple", options, asked)
