"""STAPLE (Warfield, Zou, Wells 2004)."""

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
    LabelIntervalKind,
    LabelPrior,
    LabelRoi,
    LabelsLike,
)
from ..option_checks import PerformancePrior
from ..options import (
    Acceleration,
    Init,
    IntervalKind,
    Missing,
    Options,
    Prior,
    Roi,
)
from ..result import ClassFusion, Fusion
from ..streamed.declared import Memory
from ..votes import ENTRIES, MASKS, Votes
from .common import fused_or_labels

if TYPE_CHECKING:
    from ..labels.result import LabelFusion


@overload
def staple(
    raters: RatersLike,
    *,
    axis: int | None = None,
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
    classes: Literal[3],
    labels: None = None,
) -> ClassFusion: ...


@overload
def staple(
    raters: RatersLike,
    *,
    axis: int | None = None,
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
    classes: Literal[2, 3] = 2,
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
    undecided: int | None = None,
) -> LabelFusion: ...


@overload
def staple(
    raters: RatersLike,
    *,
    axis: int | None = None,
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
    classes: Literal[2, 3] = 2,
    labels: LabelsLike,
    overlap: Literal[True],
) -> dict[int | str, Fusion]: ...


@documented({**ENTRIES, "raters": MASKS})
def staple(
    raters: RatersLike,
    *,
    axis: int | None = None,
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
    classes: Literal[2, 3] = 2,
    labels: LabelsLike | None = None,
    candidates: Candidates = "auto",
    confusion: ConfusionModel = "full",
    knows: Knows | None = None,
    undecided: int | None = None,
    overlap: bool = False,
) -> Fusion | LabelFusion | dict[int | str, Fusion]:
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
        tol=tol, max_iter=max_iter, acceleration=acceleration, threads=threads, max_memory=max_memory, executor=executor, device=device,
        select_label=select_label, binarize=binarize,
        threshold=threshold, scale=scale, classes=classes,
    )  # fmt: skip
    asked = AskedLabels(labels, candidates, confusion, knows, undecided=undecided, overlap=overlap)
    votes = Votes(raters, mask=mask, present=present, dtype=dtype, out=out, axis=axis)
    return fused_or_labels(votes, "staple", options, asked)
