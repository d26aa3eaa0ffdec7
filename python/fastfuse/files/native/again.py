"""Reads the raters' files of a fusion once more, for what each of them marks."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...fusion.native.marks import Read, are_paths
from ...images.image import votes_of
from ...images.paths import as_paths, needed_path
from ...images.reading import read
from ...images.written.nifti import Holds, nifti_image
from ...inputs.names import counted
from ..job import Inputs, Job

if TYPE_CHECKING:
    from ...fusion.native.origin import Origin
    from ...fusion.options import Options
    from ..labels.job import LabelJob

ReadVotes: TypeAlias = Callable[[Job], tuple[Inputs, int | None]]
"""Reads the files of a job; returns these, and of label maps the label whose voxels are votes."""


def reads_again(
    job: Job,
    read_votes: ReadVotes,
    marked: Sequence[int | None],
    paths: Any = None,
) -> list[Read]:
    """Return the votes in the files of a fusion, or in those at other paths, as they were read for it.

    ``marked``: the voxels that each rater marks.

    Raises
    ------
    ValueError
        If a file's marks are others; naming it.
    """
    job = _at(job, paths)
    inputs, label = read_votes(job)
    found = [
        Read(place, votes, regions, label)
        for place, (votes, regions) in enumerate(zip(inputs.votes, _regions(inputs), strict=True))
    ]
    for one, name, known in zip(found, job.holders, marked, strict=True):
        count = int(np.count_nonzero(one.marked))
        if known is not None and count != known:
            raise ValueError(
                f"{name}: it marks {counted(count, 'voxel', ',')} now, and marked {known:,} when it was fused: give the files of the fusion, in "
                "their order, or fuse these"
            )
    return found


def maps_again(job: LabelJob, options: Options, paths: Any = None) -> list[NDArray[Any]]:
    """Return the label maps in the files of a fusion, or in those at other paths; 0 outside the mask, and where a rater did not look."""
    job = replace(job, files=_at(job.files, paths))
    inputs = job.read(lambda _: None, options.threads)
    maps = []
    for votes, regions in zip(inputs.votes, _regions(inputs), strict=True):
        inside = np.ones(votes.shape, bool)
        for region in regions:
            inside &= region != 0
        maps.append(np.where(inside, votes, 0))
    return maps


def with_files_read(origin: Origin | None, raters: Any) -> Any:
    """Return raters of a fusion in memory with the images of those that are paths; a fusion of files reads its own."""
    if not are_paths(raters) or (origin is not None and origin.again is not None):
        return raters
    return [_image_in(one) if isinstance(one, (str, os.PathLike)) else one for one in raters]


def _image_in(path: Any) -> Any:
    """Return the image in a file as one of nibabel's."""
    image = read(needed_path(path, "path"))
    votes = votes_of(image)
    holds: Holds = "labels" if votes.dtype.kind in "bui" else "probability"
    return nifti_image(votes.astype(np.uint8) if votes.dtype.kind == "b" else votes, image, "", holds)


def _at(job: Job, paths: Any) -> Job:
    """Return the job with its raters' files at other paths."""
    if paths is None:
        return job
    raters = as_paths(paths)
    if len(raters) != len(job.raters):
        raise ValueError(
            f"raters holds {counted(len(raters), 'path')}, and {counted(len(job.raters), 'file')} {'was' if len(job.raters) == 1 else 'were'} fused: "
            "give those, in their order"
        )
    return replace(job, raters=raters)


def _regions(inputs: Inputs) -> list[list[NDArray[Any]]]:
    """Return for each rater the masks outside of which their votes do not count."""
    looked = inputs.present or [None] * len(inputs.votes)
    return [[one for one in (inputs.region, seen) if one is not None] for seen in looked]
