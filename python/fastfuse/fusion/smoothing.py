"""A prior map made of the votes: their mean, smoothed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import lacking, warn
from ..inputs.arrays import as_companion
from ..inputs.checks import check_number, check_spacings
from ..inputs.kinds import RatersLike, VoxelsLike
from ..inputs.raters import Raters
from ..inputs.stacks import listed


def smoothed_vote(
    raters: RatersLike,
    sigma_mm: float,
    *,
    spacing_mm: Sequence[float],
    axis: int | None = None,
    mask: VoxelsLike | None = None,
    least: float = 1e-3,
) -> NDArray[np.float32]:
    """Return the mean vote, smoothed: a prior map that knows where lesions lie, for :func:`staple` and the like.

    The votes then count twice, in the prior and in the likelihood: a map from other cases (an atlas) is better
    where there is one. Needs SciPy: ``pip install "fastfuse[evaluate]"``.

    Parameters
    ----------
    raters : sequence of m array_like of one shape
        Votes in [0, 1]; nan for no vote, None for a rater who did not read this case.
    sigma_mm : float
        Standard deviation of the Gaussian.
    spacing_mm : sequence of float, one per axis
        Voxel size.
    axis : int, optional
        Where raters lie, as in :func:`staple`.
    mask : array_like of the raters' shape, optional
        Voxels outside are left out of the means.
    least : float, default 0.001
        The map is kept inside [least, 1 - least]: what a prior excludes, no vote brings back.

    Returns
    -------
    ndarray of float32, the raters' shape

    Raises
    ------
    ValueError, TypeError
        For a number out of range, or votes that are no arrays of one shape.
    FastfuseError
        Without SciPy.

    Examples
    --------
    >>> import fastfuse
    >>> votes = [[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1]]
    >>> prior = fastfuse.smoothed_vote(votes, 1.0, spacing_mm=[1.0])
    >>> fastfuse.staple(votes, prior=prior).label()
    array([0, 0, 1, 1], dtype=uint8)
    """
    try:
        from scipy import ndimage
    except ImportError as error:
        raise lacking("smoothed_vote", error, "evaluate") from None
    given, doubts = listed(raters, axis)
    warn(doubts)
    arrays = Raters.of(given).arrays
    shape = arrays[0].shape
    sides = check_spacings(spacing_mm, len(shape))
    sigma = check_number(sigma_mm, "sigma_mm", "a number above 0", lambda x: x > 0)
    least = check_number(least, "least", "a number in (0, 0.5)", lambda x: 0 < x < 0.5)
    total, votes = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for array in arrays:
        read = ~np.isnan(array) if array.dtype.kind == "f" else np.ones(shape, bool)
        if mask is not None:
            read &= as_companion(mask, "mask", shape) != 0
        total[read] += array[read]
        votes += read
    sigmas = [sigma / side for side in sides]
    above = ndimage.gaussian_filter(total, sigmas, mode="constant")
    below = ndimage.gaussian_filter(votes, sigmas, mode="constant")
    with np.errstate(invalid="ignore", divide="ignore"):
        smooth = np.where(below > 1e-6, above / below, 0)
    return np.clip(smooth, least, 1 - least).astype(np.float32)
