"""Dilated-STAPLE: the consensus of binary masks, grown by conditional dilation.

Kats, Goldberger, Greenspan, *A Soft STAPLE Algorithm Combined with Anatomical Knowledge*, MICCAI 2019,
doi:10.1007/978-3-030-32248-9_57, arXiv:1910.12077, section 3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...dilation.conditional import conditional_dilation
from ...dilation.doubts import reach_in_memory, remarks_in_memory, rings_in_memory
from ...dilation.guide import Guide, check_order
from ...dilation.options import Dilation, Scope, Threshold
from ...dilation.soft_mask import SoftMask
from ...errors import warn
from ...inputs.arrays import as_companion, named_raters
from ...inputs.checks import Labels, check_count
from ...inputs.in_memory import check_in_memory
from ...inputs.kinds import DTypeOfResult, OutLike, RatersLike, Sides, VoxelsLike
from ...inputs.raters import Raters
from ..case import spacing_for
from ..declared import documented, entries_of
from ..native.remembered import with_origin
from ..option_checks import PerformancePrior
from ..options import Acceleration, Init, IntervalKind, Missing, Options, Prior, Roi
from ..pipeline import Fuse, fuse_votes
from ..registry import method_called
from ..result import Fusion, in_kind_of
from ..votes import ENTRIES, MASKS, Votes

NAME = "dilated-staple"


@documented({**entries_of(conditional_dilation.__doc__), **ENTRIES, "raters": MASKS})
def dilated_staple(
    raters: RatersLike,
    image: VoxelsLike,
    *,
    axis: int | None = None,
    prior: Prior = "mean",
    init: Init = "auto",
    mask: VoxelsLike | None = None,
    roi: Roi = "all",
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
    device: str | None = None,
    select_label: Labels = None,
    size: float = 1.2,
    label: float = 0.3,
    iterations: int = 6,
    threshold: Threshold = "adaptive",
    scope: Scope = "volume",
    connected: bool = False,
    radius_mm: float | None = None,
    spacing_mm: Sides | None = None,
    normalize: bool = True,
    binarize: bool = False,
) -> Fusion:
    """Fuse binary masks by STAPLE, cut the consensus at 0.5, and grow it by conditional dilation.

    Parameters
    ----------
    mask : array_like of the raters' shape, optional
        The region to fuse (bool, or 0 and 1), and that in which the consensus grows and which scales the image.
    spacing_mm : sequence of float, one per axis, optional
        Voxel size in mm; for ``radius_mm``, a margin as ``roi``, and ``mrf`` on voxels that are no cubes. Without it,
        ``roi`` and ``mrf`` take that of the first image that lies in space; for ``mrf`` it is 1 if there is none.
    {options}

    Returns
    -------
    Fusion
        ``probability`` is 1 where STAPLE's consensus is at least 0.5, ``label`` on the ring, 0 elsewhere; all
        else is STAPLE's.

    Raises
    ------
    ValueError, TypeError
        As :func:`staple` and :func:`conditional_dilation`.

    Warns
    -----
    FusionWarning
        As :func:`staple` and :func:`conditional_dilation`.

    Examples
    --------
    >>> import numpy as np, fastfuse
    >>> flair = np.linspace(0, 1, 64).reshape(4, 4, 4)
    >>> masks = [flair > 0.8, flair > 0.7, flair > 0.75]
    >>> np.unique(fastfuse.dilated_staple(masks, flair).probability)
    array([0. , 0.3, 1. ], dtype=float32)
    """
    growth = Dilation.checked(
        size=size, label=label, iterations=iterations, threshold=threshold, scope=scope,
        connected=connected, radius_mm=radius_mm, spacing_mm=spacing_mm, normalize=normalize,
        binarize=binarize,
    )  # fmt: skip
    options = Options(
        spacing_mm=spacing_mm, prior=prior, init=init, roi=roi, missing=missing, mrf=mrf, performance_prior=performance_prior,
        intervals=intervals, replicates=replicates, seed=seed, tol=tol, max_iter=max_iter,
        acceleration=acceleration, threads=threads, device=device, select_label=select_label,
        binarize=binarize,
    )  # fmt: skip
    check_order(raters, image, "dilated_staple")
    votes = Votes(raters, mask, present, dtype, out, axis).listed()
    options = options.checked()
    fusion, remarks = _dilated(votes, image, growth, options)
    warn(remarks)
    return with_origin(in_kind_of(votes.raters, fusion), votes, options, remarks, image)


def _dilated(votes: Votes, image: Any, growth: Dilation, options: Options) -> tuple[Fusion, list[str]]:
    named = [*named_raters(votes.raters), ("image", image), ("mask", votes.mask)]
    remarks = check_in_memory(named, growth.spacing_mm)
    options = replace(options, spacing_mm=spacing_for(options, named))
    given = Raters.of(votes.raters)
    as_companion(image, "image", given.arrays[0].shape)
    threads = check_count(options.threads, "threads", least=0)
    guide = Guide.of(image, votes.mask, growth, threads=threads, roi_name="mask", region="a mask, mask=ARRAY")
    fusion, soft, doubts = dilate_fusion(replace(votes, raters=given.listed()), guide, options)
    doubts += rings_in_memory(guide, [soft], ["the consensus"]) if soft.voxels else []
    grown = [remark for remark in remarks_in_memory(guide, [soft], ["the consensus"]) if remark not in doubts]
    return fusion, remarks + doubts + grown + reach_in_memory(guide, named, [soft])


def dilate_fusion(
    votes: Votes, guide: Guide, options: Options, fuse: Fuse = fuse_votes
) -> tuple[Fusion, SoftMask, list[str]]:
    """Return dilated-STAPLE's fusion, the dilation of its consensus, and what makes them doubtful.

    ``fuse``: what finds the consensus of masks.
    """
    fusion, remarks = fuse(votes, method_called("staple"), options)
    soft = guide.dilate(fusion.label(), "the consensus", fusion.probability.dtype)
    out: Any = votes.out
    if out is not None:
        np.copyto(out, soft.values)
    probability = soft.values if out is None else out
    return replace(fusion, probability=probability, method=NAME), soft, remarks + guide.remarks
