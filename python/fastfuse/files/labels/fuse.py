"""Fuses label maps, or networks' classes, into a label map, which appears with all beside it or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ...errors import said, warn
from ...fusion.labels.chosen import checked_labels
from ...fusion.labels.declared import AskedLabels, as_typed
from ...fusion.labels.options import LabelMethod, LabelOptions
from ...fusion.labels.recorded import recorded
from ...fusion.labels.result import LabelFusion
from ...fusion.labels.soft.mapped import fuse_maps
from ...fusion.methods.common import check_of_label_maps
from ...fusion.options import Options
from ...fusion.votes import Votes
from ...images.formats.label_names import LabelNames
from ...inputs.names import grouped, quoted
from ..job import Inputs, Job
from ..native.again import maps_again
from ..native.facts import with_facts
from .applies import check_method_in_files, check_options_in_files
from .asked import as_values, known_labels, names_for, probability_of, said_of_unnamed
from .datasets import namings_of
from .facts import labels_held, sidecar_of_labels
from .job import LabelJob, Volumes
from .misfits import misfit_remarks
from .networks import fuse_networks
from .pictures import label_pictures

if TYPE_CHECKING:
    from ..review.decided import Decided

Say = Callable[[str], None]
FuseMaps = Callable[..., tuple[LabelFusion, list[str]]]  # takes what fuse_maps takes
WIDE = 8  # bytes of an integer
NOT_FOR_MAPS = {
    "save_label": "the consensus is a label map already",
    "save_counts": "write the probability of a label instead, by save_probability={label: file} (--save-probability NAME=FILE)",
    "cut": "the consensus is the most probable label",
    "ties": "write a label of its own where labels are tied, by undecided=L (--undecided L)",
    "image": "label maps do not grow",
    "soften": "label maps do not grow",
    "dilation": "label maps do not grow",
    "select_segment": "all labels are fused; labels=[...] (--labels K,K,...) says which may occur",
    "channel_axis": "of networks, nnU-Net's .npz is read with all its classes",
}


def check_given(**given: Any) -> None:
    """Refuse parameters that are for masks and soft votes, unless they are at their defaults."""
    usual = {"cut": 0.5, "ties": "foreground", "soften": False}
    for name, value in given.items():
        if value is not None and value != usual.get(name):
            shown = value if isinstance(value, (bool, int, float)) else str(as_typed(value))
            raise ValueError(
                said(f"{name} is {quoted(shown)}: not for label maps: {NOT_FOR_MAPS[name]}; leave it out")
            )


def fuse_label_files(
    job: LabelJob, method: str | None, asked: AskedLabels, options: Options, progress: Say | None
) -> LabelFusion:
    """Read, fuse, write; ``method`` None is STAPLE of label maps, and the mean of networks."""
    fusion, _, remarks = label_files_by(job, method, asked, options, progress or (lambda _: None))
    warn(remarks, callers=3)
    return fusion


def label_files_by(
    job: LabelJob,
    method: str | None,
    asked: AskedLabels,
    options: Options,
    say: Say,
    fuse: FuseMaps = fuse_maps,
    more: Mapping[str, Any] | None = None,
) -> tuple[LabelFusion, dict[str, Any], list[str]]:
    """Read, fuse, write; return the fusion, what the sidecar says, and what is doubtful.

    ``fuse``: what finds the consensus of label maps. ``more``: what the sidecar says beside.
    """
    by_network = job.of_networks
    row = check_method_in_files(asked.labels, method, job.files.raters[0].name if by_network else None)
    check_options_in_files(row, asked, options, networks=by_network)
    check_of_label_maps(options)
    job.check()
    checked_labels(asked.labels)
    if by_network:
        _check_no_decisions(job)
        fusion, inputs, names, groups, remarks = fuse_networks(job, asked, options, say)
    else:
        ready = ready_maps(job, asked, options, say)
        inputs, names = ready.inputs, ready.names
        fusion, groups, remarks = _fuse_maps(job, ready, row.name, asked, say, fuse)
        more = {**(more or {}), **({} if ready.decided is None else {"decisions": ready.decided.facts})}
    images = job.volumes(fusion, groups)
    if images[0][1].dtype.itemsize == WIDE:
        remarks.append(
            f"labels beyond 32 bits are written as {images[0][1].dtype.name}, which not all programs read: number them anew if "
            "yours does not"
        )
    sidecar = sidecar_of_labels(
        fusion, job, inputs, _recorded(job, asked, options, fusion), names.colours, images[0][1], remarks
    )
    labels = labels_held(fusion, sidecar)
    sidecar |= more or {}
    pictures = partial(label_pictures, inputs, fusion, images[0][1])
    job.write(images, labels, names.colours, inputs.common.like, sidecar, say, pictures)
    again = None if by_network else partial(maps_again, job, options)
    return with_facts(fusion, job.files, inputs, sidecar, again), sidecar, remarks


@dataclass(frozen=True)
class ReadyMaps:
    """Label maps that were read, and all that a fusion of them takes beside.

    Attributes
    ----------
    inputs : Inputs
    votes : Votes
    options : LabelOptions
    names : LabelNames
        Of the labels.
    saved : dict
        The labels whose probability is written, by their group.
    decided : Decided or None
        What a reviewer decided.
    """

    inputs: Inputs
    votes: Votes
    options: LabelOptions
    names: LabelNames
    saved: dict[Any, Any]
    decided: Decided | None = None


def ready_maps(job: LabelJob, asked: AskedLabels, options: Options, say: Say) -> ReadyMaps:
    """Read label maps, and what lies beside them."""
    inputs = job.read(say, options.threads)
    files = job.files
    names = names_for(job.names, asked.labels, namings_of(inputs.raters))
    known = _names(names, asked)
    asked = replace(asked, knows=known_labels(asked.knows, files, known) or None)
    saved = {group: as_values(group, known, "save_probability") for group in job.probabilities}
    options = replace(options, prior=job.prior.maps(inputs, files.placing, known))
    if options.margin_mm is not None:
        options = replace(options, spacing_mm=inputs.grid.spacing_mm)
    titles = {**files.titles, "prior": job.prior.title}
    votes = Votes(
        inputs.votes, inputs.region, inputs.present or None, axis=0, names=files.holders,
        files=files.identities, titles=titles,
    )  # fmt: skip
    decided = _decided(files, inputs, asked, known)
    chosen = LabelOptions.of(options, asked)
    if decided is not None:
        chosen = replace(chosen, decisions=decided.volume)
        inputs.remarks += decided.remarks
    return ReadyMaps(inputs, votes, chosen, names, saved, decided)


def _decided(files: Job, inputs: Inputs, asked: AskedLabels, known: Mapping[int, str]) -> Decided | None:
    """Return what a reviewer decided of the maps; None where nothing is given."""
    if files.decisions is None:
        return None
    from ..review.decided_labels import decided_labels_in

    chosen = checked_labels(asked.labels)
    labels = None if chosen is None else chosen.values
    return decided_labels_in(files.decisions, inputs, labels, known, files.names, files.case)


def _check_no_decisions(job: LabelJob) -> None:
    if job.files.decisions is not None:
        raise ValueError(
            "decisions are given, and the files are networks' probabilities, of which there is no review: fuse the segmentations "
            "beside the .npz, or leave decisions out"
        )


def _fuse_maps(
    job: LabelJob, ready: ReadyMaps, method: str, asked: AskedLabels, say: Say, fuse: FuseMaps
) -> tuple[LabelFusion, Volumes, list[str]]:
    inputs, names, saved, files = ready.inputs, ready.names, ready.saved, job.files
    say("fusing")
    fusion, doubts = fused_ready(ready, method, asked, fuse)
    groups = {group: partial(probability_of, fusion, values) for group, values in saved.items()}
    remarks = [
        *grouped(inputs.remarks),
        *said_of_unnamed(fusion.labels, job.names, names),
        *doubts,
        *misfit_remarks(files, inputs, fusion),
    ]
    return replace(fusion, raters=tuple(files.names)), groups, remarks


def fused_ready(
    ready: ReadyMaps, method: str | None, asked: AskedLabels, fuse: FuseMaps | None = None
) -> tuple[LabelFusion, list[str]]:
    """Return the fusion of maps that were read, and what makes it doubtful; ``fuse``: what finds the consensus."""
    by = cast("LabelMethod", check_method_in_files(asked.labels, method, None).name)
    return (fuse or fuse_maps)(ready.votes, by, asked.labels, ready.options, ready.names.names)


def _names(names: LabelNames, asked: AskedLabels) -> Mapping[int, str]:
    return asked.labels if isinstance(asked.labels, Mapping) else names.names


def _recorded(job: LabelJob, asked: AskedLabels, options: Options, fusion: LabelFusion) -> dict[str, object]:
    """Return what the sidecar says of the options."""
    asked = replace(asked, knows=dict(asked.knows) if asked.knows else None)  # of pairs, as they are typed
    label_names = None if job.names is None else Path(job.names).name
    chosen = LabelOptions.of(options, asked)
    return recorded(chosen, asked.labels, fusion, prior=job.prior.as_recorded, label_names=label_names)
