"""What all ways fuse: masks on one grid, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dilation.doubts import remarks_on_reach
from ..dilation.guide import Guide
from ..dilation.margin import within_margin
from ..dilation.options import Dilation
from ..dilation.soft_mask import SoftMask
from ..fusion.case import Case
from ..fusion.doubts.copies import remarks_on_copies_in
from ..fusion.of_raters.mean_dice import complete_masks
from ..fusion.of_raters.stranger import remarks_on_stranger
from ..fusion.options import Options
from ..fusion.pipeline import fuse_votes
from ..fusion.registry import method_called
from ..fusion.result import Fusion, Rates
from ..fusion.tabulate import table_and_case
from ..fusion.votes import Votes
from ..inputs.arrays import in_space, without_frames

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Problem:
    """Raters' masks, and what goes with them. Axes are in the caller's order, without one of a single frame or channel.

    Attributes
    ----------
    masks : list of m ndarray of bool
        What each rater marks inside the mask.
    names : list of m str
    mask, image : ndarray of their shape, optional
    sides : list of float or None
        Voxel size in mm; None where nothing told it.
    margin : float or None
        Of the region, in mm; None for all that the mask holds.
    threads : int
    upright : bool
        Whether axes are at right angles, as distances in mm need.
    """

    masks: list[Mask]
    names: list[str]
    mask: Any
    image: Any
    sides: list[float] | None
    margin: float | None
    threads: int
    upright: bool = True

    @classmethod
    def of(
        cls,
        votes: Votes,
        options: Options,
        margin: float | None,
        called: Sequence[str] | None,
        *,
        upright: bool = True,
    ) -> tuple[Problem, list[str]]:
        """Check the votes, and return what makes them doubtful, too.

        Raises
        ------
        ValueError
            For fewer than two raters, what is no mask, or not everywhere, and an empty region.
        """
        roi: Any = "all" if margin is None else margin
        table, case = table_and_case(votes, replace(options, roi=roi), called)
        complete_masks(table, "compare")
        given = case.given
        if len(given.arrays) < 2:
            raise ValueError(f"there is 1 rater ({given.names[0]}): compare takes at least two")
        mask = None if case.mask is None else np.asarray(case.mask) != 0
        if mask is not None and not mask.any():
            raise ValueError(f"{case.titles['mask']} is empty: no voxel to fuse")
        told = options.spacing_mm is not None or margin is not None or case.image is not None
        return (
            cls(
                [without_frames(one) for one in _masks(case, options.core_label)],
                list(given.names),
                None if mask is None else without_frames(mask),
                None if case.image is None else without_frames(case.image),
                _in_order(case)[in_space(case.shape)] if told else None,
                margin,
                options.threads,
                upright,
            ),
            case.remarks + remarks_on_copies_in(table, votes) + remarks_on_stranger(table),
        )

    @property
    def raters(self) -> int:
        """Number of raters."""
        return len(self.masks)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of each mask."""
        return self.masks[0].shape

    @cached_property
    def anywhere(self) -> Mask:
        """What anybody marks."""
        return np.asarray(np.logical_or.reduce(self.masks))

    @cached_property
    def near(self) -> Mask:
        """The region: within the margin of what anybody marks, inside the mask."""
        inside = np.ones(self.shape, bool) if self.mask is None else self.mask
        if self.margin is None or not self.anywhere.any():
            return inside
        near = within_margin(
            self.masks, self.margin, self.sides or [], mask=self.mask, present=[], label=None, threads=self.threads
        )  # fmt: skip
        return inside if near is None else np.asarray(near, bool)

    @cached_property
    def patterns(self) -> tuple[Rates, Rates, NDArray[np.intp]]:
        """The distinct patterns of marks, their voxels, and the row of each voxel that anybody marks."""
        marks = np.stack([mask[self.anywhere] for mask in self.masks], axis=1)
        packed = np.ascontiguousarray(np.packbits(marks, axis=1))
        codes = packed.view(f"V{packed.shape[1]}").ravel()
        _, first, rows, counts = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
        return marks[first].astype(np.float64), counts.astype(np.float64), rows.ravel()

    @cached_property
    def guide(self) -> Guide:
        """What masks grow on, by the defaults of a conditional dilation."""
        return Guide.of(
            self.image,
            self.mask,
            Dilation(),
            threads=self.threads,
            roi_name="mask",
            region="a mask, mask=ARRAY",
        )

    @cached_property
    def softened(self) -> list[SoftMask]:
        """The masks with soft rings."""
        return self.guide.dilate_all(self.masks, self.names)

    def doubts(self, softened: Sequence[SoftMask]) -> list[str]:
        """Return what is doubtful about masks that grew, without remedies: no option says how they grow."""
        reach = remarks_on_reach(self.guide.options, self.sides, softened, remedy=False)
        return [*self.guide.doubts, *reach]

    def on_marks(self, of_rows: NDArray[Any]) -> NDArray[Any]:
        """Return a volume of what each pattern gets; 0 where nobody marks."""
        volume = np.zeros(self.shape, of_rows.dtype)
        volume[self.anywhere] = of_rows[self.patterns[2]]
        return volume

    def fuse(
        self,
        method: str,
        *,
        everywhere: bool = False,
        with_image: bool = False,
        votes: Sequence[Any] | None = None,
        **options: Any,
    ) -> tuple[Fusion, list[str]]:
        """Fuse the masks, or other votes in their place; ``everywhere``: without the margin."""
        given = Votes(
            self.masks if votes is None else votes,
            self.mask,
            axis=0,
            names=self.names,
            files=[""] * self.raters,  # copies are told once, not for each way
            image=self.image if with_image else None,
        )
        in_mm = with_image or not (everywhere or self.margin is None)
        chosen = Options(
            roi="all" if everywhere or self.margin is None else self.margin,
            spacing_mm=self.sides if in_mm else None,
            threads=self.threads,
            **options,
        )
        return fuse_votes(given, method_called(method), chosen, advise=False)


def _masks(case: Case, label: int | None) -> list[Mask]:
    """Return what each rater marks inside the mask."""
    masks = [np.asarray(array > 0.5 if label is None else array == label) for array in case.given.arrays]
    return masks if case.mask is None else [mask & (np.asarray(case.mask) != 0) for mask in masks]


def _in_order(case: Case) -> list[float]:
    """Return the voxel size along the caller's axes."""
    return [case.spacings[list(case.axes).index(axis)] for axis in range(len(case.shape))]
