"""What is asked of a fusion of masks, or soft votes, in files: checked before anything is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..dilation.options import Dilation, DilationOptions
from ..errors import warn
from ..fusion.backends.devices import place_of
from ..fusion.options import Options
from ..fusion.pipeline import Fuse, fuse_votes
from ..fusion.registry import Method
from ..fusion.result import Fusion, check_label_cut, check_ties
from ..images.formats.segments import with_segments
from ..images.paths import PathLike, as_path, as_paths, listed_paths, needed_path
from ..images.placing import AS_IT_IS, Placing
from ..images.wanted import check_channel_axis
from ..inputs.names import listed_names
from .growth import binarized, growth_of
from .job import Job, counts_of
from .prior import prior_file, smoothing_of
from .votes import Made, checked_for, made_of


@dataclass(frozen=True)
class MaskJob:
    """The files of a fusion, and how they are fused.

    Attributes
    ----------
    job : Job
    method : Method
    options : Options
        Checked.
    asked : Options
        As the sidecar keeps them.
    growth : Dilation or None
        How masks, or their consensus, grow.
    """

    job: Job
    method: Method
    options: Options
    asked: Options
    growth: Dilation | None


def mask_job(
    paths: Sequence[PathLike],
    output: PathLike,
    method: Method,
    options: Options,
    *,
    mask: Any = None,
    prior: Any = "mean",
    image: Any = None,
    soften: bool = False,
    dilation: DilationOptions | None = None,
    save_label: Any = None,
    save_counts: Any = None,
    present: Any = None,
    cut: Any = 0.5,
    ties: Any = "foreground",
    channel_axis: Any = None,
    select_segment: Any = None,
    overwrite: bool = False,
    names: Any = None,
    placing: Placing = AS_IT_IS,
    writes: bool = True,
) -> MaskJob:
    """Return what is asked, checked, as :func:`fastfuse.fuse_files` takes it; ``writes``: whether there are outputs."""
    options, asked = checked_for(method, options)
    growth = growth_of(method, image, soften, dilation)
    segments = with_segments(options.foreground, select_segment).segments
    place_of([], options.device)  # which refuses a device that is not there
    growth, options, asked = binarized(growth, options, asked)
    job = Job(
        raters=as_paths(paths),
        mask=as_path(mask, "mask"),
        prior=prior_file(prior),
        image=as_path(image, "image"),
        consensus=needed_path(output, "output"),
        label=as_path(save_label, "save_label"),
        counts=as_path(save_counts, "save_counts"),
        present=listed_paths(present, "present"),
        cut=check_label_cut(cut, ties),
        ties=check_ties(ties),
        smoothing_mm=smoothing_of(prior),
        channel_axis=check_channel_axis(channel_axis),
        segments=segments,
        overwrite=overwrite,
        called=listed_names(names),
        placing=placing,
    )
    if writes:
        job.check()
    return MaskJob(job, method, options, asked, growth)


def fused_votes(asked: MaskJob, say: Callable[[str], None], fuse: Fuse = fuse_votes) -> Fusion:
    """Read, fuse, write."""
    made = fused_by(asked, say, fuse)
    warn(made.remarks, callers=2)
    return made.fusion


def fused_by(
    asked: MaskJob, say: Callable[[str], None], fuse: Fuse, more: Mapping[str, Any] | None = None
) -> Made:
    """Read, fuse, write; ``more``: what the sidecar says beside."""
    job = asked.job
    made = made_of(
        job, asked.method, asked.options, asked.asked, asked.growth, say, fuse, alone=fuse is fuse_votes
    )
    counts = None if job.counts is None else counts_of(made.inputs, made.label)
    sidecar = {**made.sidecar, **(more or {})}
    job.write(made.fusion, made.cut, counts, made.inputs.common.like, sidecar, say)
    return made
