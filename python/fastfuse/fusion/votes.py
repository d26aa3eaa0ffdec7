"""Votes as the caller has them, and what their parameters are called in docstrings."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from ..inputs.arrays import TITLES
from ..inputs.kinds import DTypeOfResult, OutLike, RatersLike, VoxelsLike
from ..inputs.stacks import Stack, is_stack, listed, slices
from . import options
from .labels.declared import LABEL_ENTRIES
from .registry import AUTO, in_help_order

if TYPE_CHECKING:
    from ..dilation.soft_labels import SoftLabels

SoftRatersLike: TypeAlias = "RatersLike | Sequence[SoftLabels | VoxelsLike | None]"

_STACK = "sequence of m array_like of one shape, or array_like of shape (m, ...)"
_KINDS = """NumPy arrays, images of nibabel, SimpleITK, ITK, TorchIO, MONAI, ANTsPy or xarray, whose grids are compared,
    tensors, or anything with ``__array__`` or ``__dlpack__``. One class of each rater: one-hot channels are refused. Of arrays of
    dask, alone or in xarray, ``probability`` and ``label()`` are lazy, in their chunks; the rates are computed at the call."""
_NONE = """Any number of raters and dimensions, and any strides. None: this rater did not read the
    case. Their sensitivity and specificity are nan; the result is the same as without them."""

MASKS = f"""raters : {_STACK}
    Votes 0 and 1: bool, any integer, float16/32/64, of PyTorch bfloat16 too.
    {_KINDS}
    {_NONE}"""

SOFT_VOTES = f"""raters : {_STACK}
    Votes in [0, 1]: the probability that the rater calls the voxel foreground. Bool, any integer, float16/32/64, of
    PyTorch bfloat16 too. {_KINDS}
    {_NONE}"""

_DATA = {
    "raters": SOFT_VOTES,
    "axis": """axis : int, optional
    Where raters lie in ``raters`` taken as one array: -1 for a stack of shape (x, y, z, m), 1 for a table of items by
    raters. Without it they lie on the first axis, and shapes that fit another one rather are refused: more than
    64 raters in one array, or in a list of arrays of two axes or more; of three axes or more, more than 10 raters where
    the last axis is shorter and holds at most 10 (a warning: at most 20); in a list of rows of at most 20 voxels, more
    than 64 who are more than the voxels. A warning: more than 10 raters of one slice each, which may be one image; more
    than 8 who are more than the voxels. ``axis=0`` takes all these as they are.""",
    "mask": """mask : array_like of the raters' shape, optional
    The region to fuse (bool, or 0 and 1). Outside it the probability is 0, nothing is counted and nothing
    is checked.""",
    "present": f"""present : {_STACK}, optional
    Where each rater looked (bool, or 0 and 1), of the raters' shape: their field of view, the slices that they read.
    None for everywhere. What they did not look at is a missing vote, whatever it holds.""",
    "image": """image : array_like of the raters' shape, optional
    Image on which foreground is bright, as lesions on FLAIR; for border-STAPLE alone. It tells the anchor: the level at
    which the intensity is half way between a lesion's core and what surrounds it. Lesions count whose core and surroundings
    have 8 voxels each, and a contrast of a tenth of the median in the mask; without a mask, of what is above 0 (needs SciPy).""",
    "decisions": """decisions : array_like of the raters' shape, optional
    Voxels whose truth is known: 1 foreground, 0 background, -1 open. EM keeps the probability there, and the raters' rates
    count it; the prior and the log-likelihood are those of the open voxels. border-STAPLE and the majority set the consensus
    there; the rates are against it, as all that is told of raters: of the open voxels as without decisions, of these by
    their truth.""",
    "dtype": """dtype : {"float32", "float64"}, default "float32"
    Type of ``probability``. All arithmetic is in double precision, with one exception: votes of float32 or narrower
    with many distinct values, such as a network's probabilities, are multiplied in single precision and summed in
    double. That is within 1e-6 of the exact answer after the same number of iterations, and within 1e-4 where
    EM creeps to its stop; "float64" avoids it.""",
    "out": """out : ndarray of float32 or float64, the raters' shape, optional
    Where to write ``probability``, which then is this array; its type takes the place of ``dtype``. Nothing
    is allocated or copied if its memory is contiguous, in the order of the first rater's axes. After an
    error, its content is undefined. With ``max_memory`` or ``executor`` also a memory-mapped array, or one of zarr or h5py.""",
    "names": """names : sequence of m str, optional
    What to call the raters, in messages too; "rater 0", "rater 1", ... without it.""",
}


def method_entry(*, images: bool) -> str:
    """Return the entry of the parameter that names a method; ``images`` takes in those that need an image."""
    rows = [row for row in in_help_order() if images or not row.grows]
    names = ", ".join(f'"{row.name}"' for row in (*rows, AUTO))
    functions = [f":func:`{row.function}`" for row in rows]
    return f"""method : {{{names}}}, default "{rows[0].name}"
    Method of fusion, as of {", ".join(functions[:2])},
    {", ".join(functions[2:-1])} or {functions[-1]}. An option that the method does not
    have must be at its default. "auto": border-STAPLE, STAPLE with three classes, or STAPLE with its prior estimated, whichever
    fits the votes; it takes an image, a margin (4 mm), and options that all of them have. ``method`` of the result is what
    was taken."""


ENTRIES = {
    **_DATA,
    **options.ENTRIES,
    **LABEL_ENTRIES,
    "method": method_entry(images=False),
}  # of all parameters of a fusion


@dataclass(frozen=True, eq=False)
class Votes:
    """What is to be fused, and where the answer goes; as the caller gave it.

    Attributes
    ----------
    raters, mask, present, dtype, out, axis
        As in :func:`fastfuse.staple`.
    image : array_like, optional
        As in :func:`fastfuse.border_staple`.
    decisions : array_like, optional
        As in :func:`fastfuse.fuse`.
    stacks : mapping of str to (array_like, int or None)
        Of "raters" and "present", what they were parts of, with the axis.
    names : sequence of m str, optional
        What messages call the raters.
    files : sequence of hashable, optional
        Which file each rater's votes are of: of one that is given several times is told where files are read.
    titles : mapping
        What messages call the mask and the prior.
    doubts : tuple of str
        Whether raters lie where they were looked for.
    scaled_by : float or None
        By what the votes have been divided already.
    are_listed : bool
        Whether they went through ``listed``.
    """

    raters: Any
    mask: VoxelsLike | None = None
    present: RatersLike | None = None
    dtype: DTypeOfResult = "float32"
    out: OutLike | None = None
    axis: int | None = None
    names: Sequence[str] | None = None
    files: Sequence[Hashable] = ()
    titles: Mapping[str, str] = field(default_factory=lambda: TITLES)
    doubts: tuple[str, ...] = ()
    scaled_by: float | None = None
    are_listed: bool = False
    image: VoxelsLike | None = None
    decisions: VoxelsLike | None = None
    stacks: Mapping[str, Stack] = field(default_factory=dict)

    def listed(self) -> Votes:
        """Return the same with lists of raters and of where they looked: no stacks, no iterators."""
        if self.are_listed:
            return self
        raters, doubts = listed(self.raters, self.axis)
        stacks = {"raters": (self.raters, self.axis)} if is_stack(self.raters, self.axis) else {}
        present: Any = self.present
        if present is not None and not isinstance(present, (list, tuple)):
            alike = self.axis is None and tuple(getattr(present, "shape", ()))[:1] == (
                len(raters),
            )  # as the raters, who passed
            along = 0 if alike else self.axis
            stacks["present"] = present, along
            present, _ = slices(present, along, "present")
        doubts = [*self.doubts, *doubts]
        votes = object.__new__(type(self))  # as replace makes them, in a third of its time
        changed = {"raters": raters, "present": present, "axis": 0, "doubts": tuple(doubts), "stacks": stacks}
        vars(votes).update(vars(self), are_listed=True, **changed)
        return votes
