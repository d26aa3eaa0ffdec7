"""The mean vote, against which raters can be measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from ...inputs.checks import Labels, Scale
from ...inputs.kinds import DTypeOfResult, OutLike, RatersLike, VoxelsLike
from ..declared import documented
from ..labels.declared import AskedLabels, LabelIntervalKind, LabelsLike
from ..options import Missing, Options
from ..result import Fusion
from ..streamed.declared import Memory
from ..votes import ENTRIES, SoftRatersLike, Votes
from .common import fused_or_labels

if TYPE_CHECKING:
    from ..labels.result import LabelFusion


@overload
def majority_vote(
    raters: RatersLike,
    *,
    axis: int | None = None,
    mask: VoxelsLike | None = None,
    missing: Missing = "error",
    present: RatersLike | None = None,
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
def majority_vote(
    raters: SoftRatersLike,
    *,
    axis: int | None = None,
    mask: VoxelsLike | None = None,
    missing: Missing = "error",
    present: RatersLike | None = None,
    intervals: LabelIntervalKind = "none",
    replicates: int = 200,
    seed: int = 0,
    dtype: DTypeOfResult = "float32",
    threads: int = 0,
    labels: LabelsLike,
    weights: Sequence[float] | None = None,
    undecided: int | None = None,
) -> LabelFusion: ...


@overload
def majority_vote(
    raters: RatersLike,
    *,
    axis: int | None = None,
    mask: VoxelsLike | None = None,
    missing: Missing = "error",
    present: RatersLike | None = None,
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
def majority_vote(
    raters: RatersLike | SoftRatersLike,
    *,
    axis: int | None = None,
    mask: VoxelsLike | None = None,
    missing: Missing = "error",
    present: RatersLike | None = None,
    intervals: LabelIntervalKind = "none",
    replicates: int = 200,
    seed: int = 0,
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
    weights: Sequence[float] | None = None,
    undecided: int | None = None,
    overlap: bool = False,
) -> Fusion | LabelFusion | dict[int | str, Fusion]:
    """Return the mean vote as the consensus, and each rater's performance against it.

    Parameters
    ----------
    intervals : {"none", "bootstrap"}, default "none"
        Of label maps: standard errors and 95 % intervals of each rater's sensitivity for each label, percentiles over
        resampled voxels.
    {options}

    Returns
    -------
    Fusion or LabelFusion
        ``label()`` is the majority vote. A tie, as where one of two raters marks a voxel, counts as foreground; with
        ``label(ties="background")`` it takes more than half of the raters. The mean is that of the votes that are there,
        and 0 where there is none. ``n_iter`` is 0, ``log_likelihood`` empty. Of
        label maps, or soft votes of labels as in :func:`soft_staple`, if ``labels`` are given, a :class:`LabelFusion`: the
        label with most votes, the largest of tied ones.

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
    options = Options(
        missing=missing, threads=threads, max_memory=max_memory, executor=executor, device=device, select_label=select_label, binarize=binarize,
        threshold=threshold, scale=scale, intervals=intervals, replicates=replicates, seed=seed,
    )  # fmt: skip
    asked = AskedLabels(labels, weights=weights, undecided=undecided, overlap=overlap)
    votes = Votes(raters, mask=mask, present=present, dtype=dtype, out=out, axis=axis)
    return fused_or_labels(votes, "majority", options, asked)
