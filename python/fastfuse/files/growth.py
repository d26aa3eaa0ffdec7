"""Masks that grow on an image before they are fused, or whose consensus grows after."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..dilation.options import Dilation, DilationOptions
from ..errors import said
from ..fusion.declared import either, switch
from ..fusion.options import Options
from ..fusion.pipeline import Fuse
from ..fusion.registry import Method
from ..fusion.result import Fusion
from ..fusion.votes import Votes
from ..images.paths import PathLike
from ..inputs.arrays import selected
from ..inputs.checks import check_flag
from ..inputs.rounding import without_rounding
from .job import Inputs, Job

if TYPE_CHECKING:
    from ..dilation.guide import Guide


def growth_of(
    method: Method, image: PathLike | None, soften: Any, dilation: DilationOptions | None
) -> Dilation | None:
    """Return how masks, or their consensus, are to grow; None if they are not."""
    if check_flag(soften, "soften") and method.votes == "binary":
        raise ValueError(
            f"soften is set, but {method.name} takes masks of 0 and 1: fuse soft votes by soft-staple"
        )
    if soften and method.chooses:
        raise ValueError(
            "soften is set, and method is 'auto', whose test is of masks as they were drawn: name the method"
        )
    grows = soften or method.grows
    if grows and image is None:
        what = "soften" if soften else method.name
        raise ValueError(said(f"{what} needs image ({switch('image')}), the FLAIR that masks grow on"))
    if not grows and ((image is not None and not method.of_levels) or dilation):
        given = "image is" if image is not None else "options of a dilation are"
        remedies = [] if dilation else ["choose border-staple"]
        if method.votes == "soft" and not method.chooses and not method.of_levels:
            remedies = [f"add soften ({switch('soften')})", *remedies]
        remedies.append("choose dilated-staple")
        raise ValueError(said(f"{given} given, but nothing grows: {either(remedies)}"))
    if not grows:
        return None
    from .soften import dilation_options

    return dilation_options(dilation or {})


def binarized(
    growth: Dilation | None, options: Options, asked: Options
) -> tuple[Dilation | None, Options, Options]:
    """Return the same with masks of what is above 0 in all, if either option says so of masks that grow."""
    if growth is None or not (growth.binarize or options.binarize):
        return growth, options, asked
    growth, asked = replace(growth, binarize=True), replace(asked, binarize=True).checked_selection()
    return growth, replace(options, binarize=True), asked


@dataclass
class Growth:
    """How masks, or their consensus, grow on an image; and what is said of it.

    Attributes
    ----------
    guide : Guide
    facts : dict
        What the sidecar says.
    edges_mm : tuple of float
        The voxel's, along each axis.
    remarks : list of str
    """

    guide: Guide
    facts: dict[str, Any]
    edges_mm: tuple[float, ...]
    remarks: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, growth: Dilation, options: Options, job: Job, inputs: Inputs) -> Growth:
        """Take the image that was read."""
        from ..dilation.guide import Guide
        from .soften import dilation_facts, in_space

        guide = Guide.of(
            inputs.image,
            inputs.region,
            in_space(growth, inputs.grid),
            threads=options.threads,
            image_name=job.titles["image"],
            roi_name=job.titles["mask"],
            region="a mask of the brain, mask=FILE (--mask FILE)",
        )
        edges = tuple(inputs.grid.voxel_mm.tolist())
        return cls(guide, dilation_facts(guide, cast(Path, job.image), job.mask), edges)

    def soften(self, votes: Votes, options: Options, job: Job, inputs: Inputs) -> tuple[Votes, Options]:
        """Return the votes of masks that have grown."""
        from ..dilation.doubts import remarks_on_growing, remarks_on_reach, remarks_on_rings
        from .soften import soft_facts

        label, masks = options.core_label, inputs.votes
        if label is not None:
            masks = [selected(vote, label) for vote in inputs.votes]
            if not any(mask.any() for mask in masks):
                self.remarks.append(options.foreground.said_of_nothing(inputs.votes))
        masks, said = without_rounding(masks, job.holders, binary=True)
        self.remarks += said
        softened = self.guide.dilate_all(masks, job.holders)
        self.remarks += remarks_on_growing(self.guide, softened, job.holders)
        self.remarks += remarks_on_rings(self.guide, softened, job.holders, empty=False)
        self.remarks += remarks_on_reach(self.guide.options, self.edges_mm, softened)
        self.facts |= {"raters": [soft_facts(soft) for soft in softened]}
        return replace(votes, raters=[soft.values for soft in softened]), replace(options, select_label=None)

    def fuse(self, votes: Votes, options: Options, fuse: Fuse) -> tuple[Fusion, list[str]]:
        """Return the fusion of masks whose consensus grows, and what is doubtful."""
        from ..dilation.doubts import remark_on_values, remarks_on_growth, remarks_on_reach, remarks_on_rings
        from ..fusion.methods.dilated import dilate_fusion
        from .soften import soft_facts

        fusion, soft, remarks = dilate_fusion(votes, self.guide, options, fuse)
        remarks += remark_on_values(self.guide)
        remarks += remarks_on_growth([soft], ["the consensus"], self.guide.options)
        remarks += remarks_on_rings(self.guide, [soft], ["the consensus"], empty=False)
        remarks += remarks_on_reach(self.guide.options, self.edges_mm, [soft])
        self.facts |= {"consensus": soft_facts(soft)}
        return fusion, remarks
