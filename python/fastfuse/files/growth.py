"""Masks that grow on an image before they are fused, or whose consensus grows after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from ..dilation.doubts import remark_on_values, remarks_on_growing, remarks_on_growth, remarks_on_rings
from ..dilation.guide import Guide
from ..dilation.options import Dilation, DilationOptions
from ..fusion.declared import switch
from ..fusion.methods.dilated import dilate_fusion
from ..fusion.options import Options
from ..fusion.pipeline import fuse_votes
from ..fusion.registry import Method
from ..fusion.result import Fusion
from ..fusion.votes import Votes
from ..images.paths import PathLike
from ..inputs.arrays import selected
from ..inputs.checks import check_flag
from ..inputs.rounding import without_rounding
from .job import Inputs, Job
from .soften import dilation_facts, dilation_options, in_space, soft_facts


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
        raise ValueError(f"{what} needs image ({switch('image')}), the FLAIR that masks grow on")
    if not grows and ((image is not None and not method.of_levels) or dilation):
        given = "image" if image is not None else "options of a dilation"
        raise ValueError(
            f"{given} given, but nothing grows: add soften ({switch('soften')}), or choose dilated-staple"
        )
    return dilation_options(dilation or {}) if grows else None


def binarized(
    growth: Dilation | None, options: Options, asked: Options
) -> tuple[Dilation | None, Options, Options]:
    """Return the same with masks of what is above 0 in all, if either option says so of masks that grow."""
    if growth is None or not (growth.binarize or options.binarize):
        return growth, options, asked
    growth, asked = replace(growth, binarize=True), replace(asked, binarize=True).checked_selection()
    return growth, replace(options, binarize=True), asked


def fuse_grown(
    votes: Votes,
    method: Method,
    options: Options,
    growth: Dilation,
    job: Job,
    inputs: Inputs,
    say: Callable[[str], None],
) -> tuple[Fusion, dict[str, Any], list[str]]:
    """Return the fusion of masks that grow, what the sidecar says of their growth, and what is doubtful."""
    guide = Guide.of(
        inputs.image,
        inputs.region,
        in_space(growth, inputs.grid),
        threads=options.threads,
        image_name=job.titles["image"],
        roi_name=job.titles["mask"],
    )
    facts = dilation_facts(guide, cast(Path, job.image), job.mask)
    if method.grows:
        say("fusing")
        fusion, soft, remarks = dilate_fusion(votes, guide, options)
        remarks += remark_on_values(guide)
        remarks += remarks_on_growth([soft], ["the consensus"], guide.options)
        remarks += remarks_on_rings(guide, [soft], ["the consensus"], empty=False)
        return fusion, {**facts, "consensus": soft_facts(soft)}, remarks
    say("softening")
    label, masks, remarks = options.core_label, inputs.votes, []
    if label is not None:
        masks = [selected(vote, label) for vote in inputs.votes]
        if not any(mask.any() for mask in masks):
            remarks.append(options.foreground.said_of_nothing(inputs.votes))
    masks, said = without_rounding(masks, job.holders, binary=True)
    remarks += said
    softened = guide.dilate_all(masks, job.holders)
    remarks += remarks_on_growing(guide, softened, job.holders)
    remarks += remarks_on_rings(guide, softened, job.holders, empty=False)
    say("fusing")
    votes = replace(votes, raters=[soft.values for soft in softened])
    options = replace(options, select_label=None)
    fusion, doubts = fuse_votes(votes, method, options, cut=job.least_marked, ties=job.ties)
    return fusion, {**facts, "raters": [soft_facts(soft) for soft in softened]}, remarks + doubts
