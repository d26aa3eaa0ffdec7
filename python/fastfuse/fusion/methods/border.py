"""border-STAPLE: raters who see one latent level of a voxel, and draw nested contours around it."""

from __future__ import annotations

from typing import Any, cast

from ...dilation.guide import check_order
from ...inputs.checks import Labels, Scale
from ...inputs.kinds import DTypeOfResult, OutLike, RatersLike, Sides, VoxelsLike
from ..declared import documented
from ..options import IntervalKind, Missing, Options, Roi
from ..result import BorderFusion
from ..streamed.declared import Memory
from ..votes import ENTRIES, Votes
from .common import fused

NAME = "border-staple"


@documented(ENTRIES)
def border_staple(
    raters: RatersLike,
    image: VoxelsLike | None = None,
    *,
    axis: int | None = None,
    mask: VoxelsLike | None = None,
    roi: Roi = 4.0,
    spacing_mm: Sides | None = None,
    missing: Missing = "error",
    present: RatersLike | None = None,
    intervals: IntervalKind = "none",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-4,
    max_iter: int = 1000,
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
) -> BorderFusion:
    """Fuse masks or soft votes of raters who differ in where they draw the border.

    STAPLE takes raters' errors for independent from voxel to voxel. At borders they are not: raters draw nested contours. Here
    all see one level u, how deep inside the foreground a voxel lies. Rater i marks it with probability γ + (ζ - γ) s(κ (u - δ)):
    offset δ, sharpness κ, false marks γ, finds ζ. The consensus is the chance that one more rater of mean sharpness, with
    their border at the anchor, marks the voxel. It fits contours; for raters who err independently, voxel by voxel, as
    networks of different kinds or crowds do, take :func:`staple`.

    Parameters
    ----------
    roi : {"all"} or float, default 4.0
        Where to fuse, inside the mask: a margin in mm around what anybody marks (a vote above 0.1); beyond it the
        probability is 0.
    tol : float, default 1e-4
        Stop when no voxel's consensus moves by more than this in one iteration. Many small steps may still follow: on
        synthetic cases, 1e-6 takes 11 times as many iterations, by which a probability moves by .09 at the most, and no
        score gets better.
    {options}

    Returns
    -------
    BorderFusion
        With offsets, sharpness, false marks and finds of each rater, and the anchor. Sensitivity and specificity are those
        against the consensus. Intervals of them are by a bootstrap alone, in which an anchor that the image told stays.

    Raises
    ------
    ValueError, TypeError
        As :func:`staple`; and for fewer than three raters, whose votes do not tell an offset from where the border lies.
        Three or four have no false marks, and find all that lies deep inside: γ = 0 and ζ = 1.
    FastfuseError
        If SciPy, which finds the lesions on the image, is not installed.

    Warns
    -----
    FusionWarning
        As :func:`staple`; and if the image tells no anchor: then the votes do, whose common bias nothing mends.

    Examples
    --------
    >>> import numpy as np, fastfuse
    >>> x, y = np.mgrid[-8:8, -8:8]
    >>> masks = [np.hypot(x, y) < radius for radius in (2, 3, 4, 5, 6)]
    >>> fusion = fastfuse.border_staple(masks, spacing_mm=(1, 1))
    >>> bool((np.diff(fusion.offsets) < 1e-9).all())  # the larger a mask, the farther out is its border
    True
    """
    options = Options(
        roi=roi, spacing_mm=spacing_mm, missing=missing, intervals=intervals, replicates=replicates,
        seed=seed, tol=tol, max_iter=max_iter, threads=threads, max_memory=max_memory, executor=executor, device=device, select_label=select_label,
        binarize=binarize, threshold=threshold, scale=scale, evidence=evidence,
    )  # fmt: skip
    check_order(raters, image, "border_staple")
    votes = Votes(raters, mask=mask, present=present, dtype=dtype, out=out, axis=axis, image=image)
    return cast("BorderFusion", fused(votes, NAME, options))
