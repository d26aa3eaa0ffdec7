"""Dilated-STAPLE: the consensus of binary masks, grown by conditional dilation.

Kats, Goldberger, Greenspan, *A Soft STAPLE Algorithm Combined with Anatomical Knowledge*, MICCAI 2019,
doi:10.1007/978-3-030-32248-9_57, arXiv:1910.12077, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..dilation.guide import Guide
from ..dilation.options import Dilation
from ..dilation.soft_mask import SoftMask
from ..errors import warn
from ..inputs.arrays import Array, as_companion, named_raters, spacing_of
from ..inputs.checks import check_count, check_one_selection
from ..inputs.grids import check_in_memory
from ..inputs.raters import Raters
from .pipeline import fuse_arrays
from .result import Fusion


def dilated_staple(
    raters: Any,
    image: Any,
    *,
    prior: str | float | ArrayLike = "mean",
    init: str | float = "vote",
    mask: ArrayLike | None = None,
    roi: str | float = "all",
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
    select_label: int | None = None,
    size: float = 1.2,
    label: float = 0.3,
    iterations: int = 6,
    threshold: str | float = "adaptive",
    scope: str = "volume",
    connected: bool = False,
    radius_mm: float | None = None,
    spacing_mm: Sequence[float] | None = None,
    normalize: bool = True,
    binarize: bool = False,
) -> Fusion:
    """Fuse binary masks by STAPLE, cut the consensus at 0.5, and grow it by conditional dilation.

    Parameters
    ----------
    raters, prior, init, roi, missing, present, mrf, performance_prior, intervals, replicates, seed
        As in :func:`staple`.
    tol, max_iter, acceleration, dtype, out, threads, select_label
        As in :func:`staple`.
    image, size, label, iterations, threshold, scope, connected, radius_mm, spacing_mm, normalize, binarize
        As in :func:`conditional_dilation`; ``threshold`` is the cut of the image.
    mask : array_like of the raters' shape, optional
        The region to fuse, as in :func:`staple`, and the ``roi`` of the dilation.

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
    options = Dilation.checked(
        size=size,
        label=label,
        iterations=iterations,
        threshold=threshold,
        scope=scope,
        connected=connected,
        radius_mm=radius_mm,
        spacing_mm=spacing_mm,
        normalize=normalize,
        binarize=binarize,
    )
    check_one_selection(select_label, binarize=options.binarize)
    remarks = check_in_memory([*named_raters(raters), ("image", image), ("mask", mask)])
    given = Raters.of(raters)
    as_companion(image, "image", given.arrays[0].shape)
    threads = check_count(threads, "threads", least=0)
    guide = Guide.of(image, mask, options, threads=threads, roi_name="mask")
    fusion, _, doubts = dilate_fusion(
        given.listed(),
        guide,
        prior=prior,
        init=init,
        mask=mask,
        roi=roi,
        spacing_mm=spacing_of(raters) if spacing_mm is None else spacing_mm,
        missing=missing,
        present=present,
        mrf=mrf,
        performance_prior=performance_prior,
        intervals=intervals,
        replicates=replicates,
        seed=seed,
        tol=tol,
        max_iter=max_iter,
        acceleration=acceleration,
        dtype=dtype,
        out=out,
        threads=threads,
        select_label=select_label,
    )
    warn(remarks + doubts)
    return fusion


def dilate_fusion(
    masks: Sequence[Array | None], guide: Guide, *, out: Array | None = None, **staple_options: Any
) -> tuple[Fusion, SoftMask, list[str]]:
    """Return dilated-STAPLE's fusion, the dilation of its consensus, and what makes them doubtful."""
    if guide.options.binarize:
        masks = [None if mask is None else _binarized(mask) for mask in masks]
    fusion, remarks = fuse_arrays(masks, "staple", out=out, **staple_options)
    soft = guide.dilate(fusion.label(), "the consensus", fusion.probability.dtype)
    if out is not None:
        np.copyto(out, soft.values)
    probability = soft.values if out is None else out
    return replace(fusion, probability=probability, method="dilated-staple"), soft, remarks + guide.remarks


def _binarized(mask: Array) -> Array:
    """Count whatever is above 0 as 1; nan stays, to be refused or taken for no vote."""
    if mask.dtype.kind == "f" and np.isnan(mask).any():
        return np.where(np.isnan(mask), mask, mask > 0)
    return np.asarray(mask > 0)
