"""Fuses NIfTI files slab by slab, within a limit of memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..errors import said, warn
from ..fusion.backends.found import CoreTable
from ..fusion.fit.remarks import remarks_on_fit
from ..fusion.options import Options
from ..fusion.registry import Method
from ..fusion.result import Fusion
from ..fusion.streamed.dense import DenseVotes
from ..fusion.streamed.pipeline import fuse_counted
from ..fusion.votes import Votes
from ..images.outputs import Outputs
from ..images.paths import shown
from ..images.placing import AS_IT_IS
from ..images.repeats import mask_among, own_outputs, repeated
from ..images.sidecar import sidecar_bytes, sidecar_path
from ..images.written.endings import NIFTI
from ..inputs.names import grouped
from .call import with_recipe
from .facts import sidecar_of
from .job import Inputs, Job
from .native.again import ReadVotes, reads_again
from .native.facts import with_facts

LEAVE_OUT = "leave it out, or leave max_memory (--max-memory) out"


def fused_in_blocks(
    job: Job,
    method: Method,
    options: Options,
    asked: Options,
    say: Callable[[str], None],
    *,
    grows: bool,
    read_votes: ReadVotes,
) -> Fusion:
    """Read twice, fuse, write; ``asked`` are the options as the sidecar keeps them; ``read_votes`` reads whole images.

    The fusion's probability is nibabel's proxy of the file that was written.
    """
    from ..images.blocks.reading import lazy_voxels, open_images
    from ..images.blocks.writing import slabs_into
    from ..images.grids.common import Common

    check_job(job, options, grows=grows, chooses=method.chooses)
    others = [path for path in (job.mask, *job.present) if path is not None]
    say("reading the headers")
    heads, images = open_images([*job.raters, *others])
    raters = images[: len(job.raters)]
    beside = dict(zip(map(id, others), images[len(raters) :], strict=True))
    votes = Votes(
        raters, None if job.mask is None else beside[id(job.mask)],
        [None if path is None else beside[id(path)] for path in job.present] or None,
        axis=0, names=job.holders, files=job.identities, titles=job.titles,
    )  # fmt: skip
    like = heads[0]
    inputs = Inputs(Common(like, like.path, job.placing), raters=heads[: len(raters)])
    in_mm = options.margin_mm is not None and method.estimates
    options = replace(options, spacing_mm=like.grid.spacing_mm if in_mm else None)
    least = job.least_marked
    assert not isinstance(least, str)
    files: list[Any] = [
        (job.consensus, np.float32, f"fastfuse {method.name} probability"),
        (job.label, np.uint8, f"fastfuse {method.name} cut {job.cut:g}"),
    ]
    with Outputs(overwrite=job.overwrite) as outputs:
        with slabs_into(outputs, files, like, float(least)) as slabs:
            say("fusing slab by slab")
            fusion, doubts, table = fuse_counted(
                replace(votes, out=slabs), method, options, float(least), job.ties
            )
        copies = [*repeated(job.raters), *mask_among(job.raters, job.mask)]
        own = own_outputs(heads[: len(job.raters)], selects=False)
        remarks = [
            *grouped(_said_of(heads)),
            *copies,
            *own,
            *doubts,
            *remarks_on_fit(fusion),
        ]
        facts = {**asked.recorded(method), **asked.selection, "device": "cpu", "cut": job.cut}
        facts |= {} if job.ties == "foreground" else {"ties": job.ties}
        say(f"writing {shown(job.consensus.name)}")
        marked = _marked(table)
        sidecar = sidecar_of(
            fusion,
            job,
            inputs,
            facts,
            None,
            remarks,
            marked,
            float(least),
            held=(slabs.foreground, slabs.total),
        )
        outputs.add(sidecar_path(job.consensus), sidecar_bytes(with_recipe(sidecar, outputs)))
        outputs.commit()
    warn(remarks, callers=4)
    fusion = replace(fusion, probability=lazy_voxels(job.consensus))
    return with_facts(fusion, job, inputs, sidecar, partial(reads_again, job, read_votes, marked))


def check_job(job: Job, options: Options, *, grows: bool, chooses: bool) -> None:
    """Refuse by name what needs whole images."""
    given = {
        "method 'auto'": chooses,
        "a prior image (prior)": job.prior is not None,
        "a smoothed prior (prior='smooth:MM')": job.smoothing_mm is not None,
        "image": job.image is not None,
        "a mask that grows (soften)": grows,
        "save_counts": job.counts is not None,
        "an output other than NIfTI": not all(
            path.name.lower().endswith(NIFTI) for path in (job.consensus, job.label) if path is not None
        ),
        "a report": job.report is not None,
        "cut 'dice'": isinstance(job.cut, str),
        "channel_axis": job.channel_axis is not None,
        "select_segment": bool(job.segments),
        "a place of images (grid, resample, use)": job.placing != AS_IT_IS,
        "device": options.device not in (None, "cpu"),
    }
    for what, is_given in given.items():
        if is_given:
            raise ValueError(
                said(
                    f"max_memory is given: files are read slab by slab, and {what} needs whole images: {LEAVE_OUT}"
                )
            )


def _said_of(heads: list[Any]) -> list[str]:
    return [head.remark for head in heads if head.remark is not None]


def _marked(table: CoreTable | DenseVotes) -> list[int]:
    """Return how many voxels each rater marks: votes of at least 0.5."""
    if isinstance(table, DenseVotes):
        return [int(count) for count in table.marked]
    votes = np.nan_to_num(table.patterns)
    return [int(count) for count in (table.counts[:, None] * (votes >= 0.5)).sum(axis=0)]
