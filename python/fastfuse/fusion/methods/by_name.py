"""``fuse``, which calls any method on votes by its name."""

from __future__ import annotations

from collections.abc import Sequence
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
    LabelIntervalKind,
    LabelPrior,
    LabelRoi,
    LabelsLike,
)
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
from ..registry import MethodOnVotes, keeping_given
from ..result import Fusion
from ..streamed.declared import Memory
from ..votes import ENTRIES, Votes
from .common import fused_by_name

if TYPE_CHECKING:
    from ..labels.result import LabelFusion


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
    image: VoxelsLike | None = None,
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
    evidence: bool = False,
    classes: Literal[2, 3] = 2,
    labels: None = None,
    decisions: VoxelsLike | None = None,
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
    spacing_mm: Sides | None = None,
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
    image: VoxelsLike | None = None,
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
    evidence: bool = False,
    classes: Literal[2, 3] = 2,
    labels: LabelsLike,
    overlap: Literal[True],
) -> dict[int | str, Fusion]: ...


@documented(ENTRIES)
@keeping_given
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
    image: VoxelsLike | None = None,
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
    evidence: bool = False,
    classes: Literal[2, 3] = 2,
    labels: LabelsLike | None = None,
    candidates: Candidates = "auto",
    confusion: ConfusionModel = "full",
    knows: Knows | None = None,
    weights: Sequence[float] | None = None,
    undecided: int | None = None,
    truncation: float | None = None,
    overlap: bool = False,
    decisions: VoxelsLike | None = None,
) -> Fusion | LabelFusion | dict[int | str, Fusion]:
    """Fuse votes by the method of this name.

    Parameters
    ----------
    {options}

    Returns
    -------
    Fusion, BorderFusion, LabelFusion, or dict of Fusion
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
        acceleration=acceleration, threads=threads, max_memory=max_memory, executor=executor, device=device, select_label=select_label, binarize=binarize,
        threshold=threshold, scale=scale, evidence=evidence,
        classes=classes,
    )  # fmt: skip
    asked = AskedLabels(labels, candidates, confusion, knows, weights, undecided, truncation, overlap)
    votes = Votes(
        raters, mask=mask, present=present, dtype=dtype, out=out, axis=axis, image=image, decisions=decisions
    )
    return fused_by_name(votes, method, options, asked)
