"""Soft labels by anatomy: grows a rater's mask into the bright voxels around it.

Kats, Goldberger, Greenspan, *A Soft STAPLE Algorithm Combined with Anatomical Knowledge*, MICCAI 2019,
doi:10.1007/978-3-030-32248-9_57, arXiv:1910.12077, section 3.
"""

from __future__ import annotations

from ..errors import warn
from ..inputs.arrays import Array, as_array, as_raters, name_of, named_raters
from ..inputs.channels import check_scaled_classes
from ..inputs.checks import Labels, check_count
from ..inputs.foreground import Foreground
from ..inputs.in_memory import check_in_memory
from ..inputs.kinds import RatersLike, Sides, VoxelsLike
from ..inputs.rounding import without_rounding
from ..inputs.stacks import listed
from .doubts import reach_in_memory, remarks_in_memory, rings_in_memory
from .guide import Guide, check_order
from .options import Dilation, Scope, Threshold
from .soft_mask import SoftMask


def conditional_dilation(
    mask: VoxelsLike,
    image: VoxelsLike,
    *,
    size: float = 1.2,
    label: float = 0.3,
    iterations: int = 6,
    threshold: Threshold = "adaptive",
    scope: Scope = "volume",
    connected: bool = False,
    radius_mm: float | None = None,
    spacing_mm: Sides | None = None,
    normalize: bool = True,
    roi: VoxelsLike | None = None,
    binarize: bool = False,
    select_label: Labels = None,
    threads: int = 0,
) -> SoftMask:
    """Grow a binary mask into the bright voxels around it, which get a soft label.

    The mask's voxels keep 1. A binary dilation of the mask adds candidates. The brightest candidates make the
    ring, until (mask + ring) / mask reaches ``size``.

    Parameters
    ----------
    mask : array_like, shape (x, y, z)
        One rater's mask, 0 and 1: any number type and memory layout, a nibabel image, ``__array__`` or DLPack.
    image : array_like, shape (x, y, z)
        Image in which lesions are bright: FLAIR. Finite where a candidate lies.
    size : float, default 1.2
        (mask + ring) / mask to reach, at least 1. If there are too few candidates, the ring holds all of them.
    label : float, default 0.3
        Vote of the ring's voxels, in (0, 1).
    iterations : int, default 6
        Number of dilations with the 6-connected cross that find the candidates.
    threshold : {"adaptive", "exact"} or float, default "adaptive"
        "adaptive" is the authors' rule. The cut falls from 0.99 in steps of 0.01 to 0 at most, until the ring of
        candidates above it reaches the size. The ring can be larger than asked for, by much on small masks. The
        first cut is always taken: with ``size=1`` the ring holds what is brighter than 0.99.
        "exact" takes the ⌈(size - 1) mask⌉ brightest candidates, ties broken by index in C order.
        A number takes all candidates above this intensity of the image; ``size`` and ``normalize`` have no
        effect then.
    scope : {"volume", "lesion"}, default "volume"
        Reach the size with all lesions pooled, or with each 26-connected lesion by itself. A candidate belongs to
        the nearest lesion; among equally near lesions, to the one whose first voxel comes first in C order.
    connected : bool, default False
        Keep only ring voxels whose 6-connected component touches the mask, at every cut. With
        ``scope="lesion"`` it must touch the voxel's own lesion. For "exact", each voxel taken touches the mask
        or the ring so far.
    radius_mm : float, optional
        Candidates are the voxels within this distance of the mask in mm (to one part in a million), instead of
        those found by ``iterations``: for thick slices.
    spacing_mm : sequence of 3 floats, optional
        Voxel size along each axis in mm. Needed for ``radius_mm``; otherwise it only tells thick slices.
    normalize : bool, default True
        For "adaptive": clip the image at its 0.1st and 99.9th percentiles and scale it to [0, 1]. False: the
        image lies in [0, 1] already.
    roi : array_like, shape (x, y, z), optional
        Region of interest, such as the brain (bool, or 0 and 1). The percentiles are those of its voxels, and
        the ring stays inside it.
    binarize : bool, default False
        Count values above 0 in the mask as 1. Some MSSEG masks hold other values than 0 and 1.
    select_label : int or sequence of int, optional
        Grow this label of a label map, or the union of several.
    threads : int, default 0
        Number of threads; 0 takes all that the process may use. The result does not depend on it.

    Returns
    -------
    SoftMask

    Raises
    ------
    ValueError
        If shapes differ, the mask holds values other than 0 and 1, the image is not finite where a candidate
        lies, or an option is out of range.
    TypeError
        If an input is not an array of booleans, integers or floats.

    Warns
    -----
    FusionWarning
        If the image is flat between its percentiles, so that all candidates are equally bright; if it holds two values
        only, as a mask does; if a mask of 100 voxels or more grows beyond 1.5 times the size asked; if rings, counted in
        voxels, reach beyond 8 mm along an edge that is more than twice the shortest.

    Examples
    --------
    >>> import numpy as np, fastfuse
    >>> flair = np.full((3, 3, 7), 0.2)
    >>> flair[1, 1] = [0.2, 0.5, 0.9, 1.0, 1.0, 0.8, 0.3]
    >>> mask = np.zeros((3, 3, 7), np.uint8)
    >>> mask[1, 1, 3:5] = 1
    >>> fastfuse.conditional_dilation(mask, flair, size=2, normalize=False).values[1, 1]
    array([0. , 0. , 0.3, 1. , 1. , 0.3, 0. ], dtype=float32)
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
    threads = check_count(threads, "threads", least=0)
    guide = Guide.of(image, roi, options, threads=threads)
    masks, said = _masks([as_array(mask, "mask")], ["mask"], select_label, options)
    soft = guide.dilate(masks[0], "mask")
    doubts = remarks_in_memory(guide, [soft], ["mask"]) + rings_in_memory(guide, [soft], ["mask"])
    named = [("mask", mask), ("image", image), ("roi", roi)]
    warn(check_in_memory(named, spacing_mm) + said + doubts + reach_in_memory(guide, named, [soft]))
    return soft


def soften(
    raters: RatersLike,
    image: VoxelsLike,
    *,
    axis: int | None = None,
    size: float = 1.2,
    label: float = 0.3,
    iterations: int = 6,
    threshold: Threshold = "adaptive",
    scope: Scope = "volume",
    connected: bool = False,
    radius_mm: float | None = None,
    spacing_mm: Sides | None = None,
    normalize: bool = True,
    roi: VoxelsLike | None = None,
    binarize: bool = False,
    select_label: Labels = None,
    threads: int = 0,
) -> list[SoftMask]:
    """Grow several raters' masks by :func:`conditional_dilation`; the image is scaled once for all.

    Parameters
    ----------
    raters : sequence of m array_like, or array_like of shape (m, x, y, z)
        Masks, 0 and 1.
    axis : int, optional
        Where raters lie, as in :func:`staple`.
    image, size, label, iterations, threshold, scope, connected, radius_mm, spacing_mm, normalize, roi, binarize
        As in :func:`conditional_dilation`.
    select_label, threads
        As in :func:`conditional_dilation`.

    Returns
    -------
    list of m SoftMask
        Their ``values`` are votes for :func:`soft_staple` and :func:`simplified_soft_staple`.

    Raises
    ------
    ValueError, TypeError
        As :func:`conditional_dilation`, naming the rater.

    Warns
    -----
    FusionWarning
        As :func:`conditional_dilation`.

    Examples
    --------
    >>> import numpy as np, fastfuse
    >>> flair = np.linspace(0, 1, 64).reshape(4, 4, 4)
    >>> masks = [flair > 0.8, flair > 0.7]
    >>> [round(soft.size, 2) for soft in fastfuse.soften(masks, flair, size=1.5)]
    [1.54, 1.53]
    """
    threads = check_count(threads, "threads", least=0)
    options = Dilation.checked(
        size=size, label=label, iterations=iterations, threshold=threshold, scope=scope,
        connected=connected, radius_mm=radius_mm, spacing_mm=spacing_mm, normalize=normalize,
        binarize=binarize,
    )  # fmt: skip
    check_order(raters, image, "soften")
    given, doubts = listed(raters, axis)
    guide = Guide.of(image, roi, options, threads=threads)
    named = [*named_raters(given), ("image", image), ("roi", roi)]
    remarks = check_in_memory(named, spacing_mm)
    arrays = as_raters(given)
    names = [name_of(i, None) for i in range(len(arrays))]
    if options.binarize:
        check_scaled_classes(arrays, names, raters=given)
        check_scaled_classes([array > 0 for array in arrays], names, (1.0,))
    masks, said = _masks(arrays, names, select_label, guide.options)
    softened = guide.dilate_all(masks)
    grown = remarks_in_memory(guide, softened, names) + rings_in_memory(guide, softened, names)
    warn(doubts + remarks + said + grown + reach_in_memory(guide, named, softened))
    return softened


def _masks(
    arrays: list[Array], names: list[str], select_label: Labels, options: Dilation
) -> tuple[list[Array], list[str]]:
    """Return masks of the arrays' values, and what is to be said of them; whatever is above 0 is left to the core."""
    foreground = Foreground.checked(select_label, options.binarize)
    if foreground.labels:
        said = foreground.said_of_missing(arrays)
        masks = [foreground.votes(array, name) for array, name in zip(arrays, names, strict=True)]
        if not any(mask.any() for mask in masks):
            said.append(foreground.said_of_nothing(arrays))
        return masks, said
    return without_rounding(arrays, names, binary=not options.binarize)
