"""Fuses structures that may overlap, each by itself, into one image of four axes with all beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ImageError, said, warn
from ...fusion.backends.devices import place_of
from ...fusion.labels.declared import AskedLabels
from ...fusion.labels.overlap import Overlapping, check_overlapping, in_given_order, prior_of
from ...fusion.options import Options
from ...fusion.registry import Method, method_called
from ...fusion.result import DiceRule, Fusion, check_label_cut, check_ties
from ...images.formats.endings import NIFTI_SUFFIXES
from ...images.formats.segments import Segment, plain
from ...images.outputs import Outputs, check_outputs
from ...images.paths import as_path, as_paths, listed_paths, needed_path, recorded, shown
from ...images.placing import Placing
from ...images.sidecar import sidecar_bytes, sidecar_path
from ...images.wanted import Wanted, check_channel_axis
from ...images.written.nifti import nifti_bytes
from ...inputs.foreground import Foreground
from ...inputs.names import enumerated, grouped, listed_names
from ..job import Inputs, Job
from ..prior import is_plain
from ..votes import Made, made_of, way_of
from .applies import EACH
from .asked import Group, as_values, saved_probabilities

Say = Callable[[str], None]
SHARED = ("fastfuse", "method", "voxel_ml", "present", "grid")  # what the sidecar says once
OF_ONE = (
    *("raters", "foreground", "probability", "region", "prior"),
    *("n_iter", "converged", "log_likelihood", "fit"),
)

GROWTH = "of several structures, masks do not grow"
NOT_FOR_STRUCTURES = {
    "label_names": "labels gives the names, or files do",
    "save_confidence": "structures that overlap have no most probable one",
    "image": GROWTH,
    "soften": GROWTH,
    "dilation": GROWTH,
    "save_counts": "count one structure, by select_segment=NAME (--select-segment NAME) without labels (--labels) and overlap (--overlap)",
    "decisions": "a review is of one structure, by select_segment=NAME (--select-segment NAME) without labels (--labels) and overlap (--overlap)",
    "report": "a report shows one structure, by select_segment=NAME (--select-segment NAME) without labels (--labels) and overlap (--overlap)",
}


@dataclass(frozen=True)
class Structure:
    """What is fused by itself.

    Attributes
    ----------
    key : int or str
        Its name, or its label where it has none.
    label : int
        As asked for; of all segments its place, from 1 on.
    by_name : bool
        Whether files are read for the segment of this name, and not for the label.
    """

    key: int | str
    label: int
    by_name: bool


def fuse_overlapping_files(
    job: Job,
    method: str | None,
    options: Options,
    asked: AskedLabels,
    save_probability: Any,
    progress: Say | None,
) -> Overlapping:
    """Read, fuse, write; ``method`` None is STAPLE."""
    say = progress or (lambda _: None)
    row, saved = method_called(method or "staple"), saved_probabilities(save_probability)
    asked.check_method(row)
    check_overlapping(options, asked)
    place_of([], options.device)  # which refuses a device that is not there
    _check_prior(options.prior)
    _check_outputs(job, saved)
    structures = _structures(job, asked.labels, say, options.threads)
    one_of = _chosen(saved, structures)
    made = [_made(job, row, options, one, say) for one in structures]
    first = made[0].inputs
    for one, other in zip(structures, made, strict=True):
        _check_grid(structures[0], first, one, other.inputs)
    fusions: Overlapping = {one.key: result.fusion for one, result in zip(structures, made, strict=True)}
    remarks = _remarks(structures, made)
    sidecar = _sidecar(job, structures, made, saved, remarks)
    cuts = [one.cut for one in made]
    _write(job, fusions, cuts, one_of, first, sidecar, say)
    warn(remarks, callers=3)
    return fusions


def structures_job(
    paths: Any,
    output: Any,
    mask: Any,
    present: Any,
    names: Any,
    placing: Placing,
    *,
    overwrite: bool,
    cut: float | DiceRule,
    ties: Any,
    channel_axis: Any,
    save_label: Any,
    **others: Any,
) -> Job:
    """Return the files of a fusion of structures; refuse ``others``, which these do not have, if they are given."""
    for name, value in others.items():
        if value is not None and value is not False:
            raise ValueError(
                said(f"{name} is given, and overlap is True: {NOT_FOR_STRUCTURES[name]}; leave it out")
            )
    return Job(
        raters=as_paths(paths),
        mask=as_path(mask, "mask"),
        prior=None,
        image=None,
        consensus=needed_path(output, "output"),
        label=as_path(save_label, "save_label"),
        counts=None,
        present=listed_paths(present),
        cut=check_label_cut(cut, ties),
        ties=check_ties(ties),
        channel_axis=check_channel_axis(channel_axis),
        overwrite=overwrite,
        called=listed_names(names),
        placing=placing,
    )


def _check_prior(prior: Any) -> None:
    """Refuse a map: which structure it is of, nobody says."""
    for one in prior.values() if isinstance(prior, Mapping) else [prior]:
        if isinstance(one, (list, tuple)) or not is_plain(one):
            raise ValueError(
                f"prior is {str(one)!r}, and overlap is True: give 'mean', 'estimate' or a probability; in Python a mapping of "
                "structures to these, too"
            )


def _check_outputs(job: Job, saved: Mapping[Group, Path]) -> None:
    """Refuse early what must not, or cannot, be written."""
    job.check()
    images = [path for path in (job.consensus, job.label, *saved.values()) if path is not None]
    others = (*job.raters, job.mask, *job.present, job.placing.grid)
    check_outputs(
        images, [path for path in others if path is not None], NIFTI_SUFFIXES, overwrite=job.overwrite
    )


def _structures(job: Job, asked: Any, say: Say, threads: int) -> list[Structure]:
    """Return what is to be fused: all segments that files name, or what was asked for."""
    named = _named_by_files(job, say, threads) if isinstance(asked, (str, Mapping)) else {}
    if isinstance(asked, str) and asked == "all":
        if not named:
            raise ImageError(
                f"{shown(job.raters[0])}: no file names segments (.seg.nrrd, DICOM SEG and RTSTRUCT do): say which labels are structures, as "
                "in labels=[1, 2] (--labels 1,2)"
            )
        return [Structure(name, place, True) for place, name in enumerate(named.values(), start=1)]
    labels = in_given_order(asked)
    keys: Sequence[int | str] = labels.names or labels.values
    return [Structure(key, label, bool(named)) for key, label in zip(keys, labels.values, strict=True)]


def _named_by_files(job: Job, say: Say, threads: int) -> dict[str, str]:
    """Return the names of all segments, in the order of the files; refuse files of which only some name theirs."""
    every = Wanted(Foreground(binarize=True), job.channel_axis, use=job.placing.use, offers_use=True)
    images = replace(job, mask=None, present=[]).read(say, threads, every, of_labels=True).raters
    names: dict[str, str] = {}
    for image in images:
        own: dict[str, Segment] = {}
        for one in image.segments:
            before = own.setdefault(plain(one.name), one)
            if before is not one:
                raise ImageError(
                    f"{shown(image.path)}: its segments {before.name!r} (label {before.label}) and {one.name!r} (label {one.label}) are "
                    "called alike, as case does not count: rename one of them"
                )
            names.setdefault(plain(one.name), one.name)
    unnamed = [shown(image.path) for image in images if not image.segments]
    if names and unnamed:
        raise ImageError(
            f"{enumerated(unnamed)}: no segments are named there, and others name {enumerated(list(names.values()))}: which "
            "structure is meant, only a number tells: labels=[1, 2] (--labels 1,2)"
        )
    return names


def _chosen(saved: Mapping[Group, Path], structures: Sequence[Structure]) -> dict[Path, int | str]:
    """Return the structure of each file of a probability."""
    names = {one.label: str(one.key) for one in structures}
    by_label = {one.label: one.key for one in structures}
    found = {}
    for group, path in saved.items():
        if len(group) > 1:
            raise ValueError(
                f"save_probability names {enumerated(list(map(str, group)))} together: structures that overlap have no sum; name one"
            )
        label = as_values(group, names, "save_probability")[0]
        if label not in by_label:
            raise ValueError(
                f"save_probability names {label}, and the structures are {enumerated(list(names.values()))}"
            )
        found[path] = by_label[label]
    return found


def _made(job: Job, method: Method, options: Options, one: Structure, say: Say) -> Made:
    """Return the fusion of one structure, without the votes that it was made of."""
    say(f"{one.key}")
    of_one = replace(options, prior=prior_of(options.prior, one.label, one.key))
    if one.by_name:
        job = replace(job, segments=(str(one.key),))
    else:
        of_one = replace(of_one, select_label=one.label)
    way = way_of(job, method, of_one, False, None)
    try:
        made = made_of(job, way, say)
    except ImageError as error:
        if "there is no segment" not in str(error):
            raise
        raise ImageError(
            f"{error}. With overlap every file must hold every structure: name those that all hold, in the place of labels (--labels), by "
            f"{EACH}"
        ) from error
    return replace(made, inputs=replace(made.inputs, raters=[], votes=[], region=None, present=[]))


def _check_grid(first: Structure, inputs: Inputs, one: Structure, others: Inputs) -> None:
    """Refuse structures that came onto different grids, as parts of files may."""
    here, there = inputs.grid, others.grid
    if here.shape != there.shape or not np.array_equal(here.affine, there.affine):
        raise ImageError(
            f"{one.key} came onto another grid than {first.key}: say onto which all go, by grid=FILE (--grid FILE)"
        )


def _remarks(structures: Sequence[Structure], made: Sequence[Made]) -> list[str]:
    """Return what makes fusions doubtful: of all structures once, of one with its name."""
    of_all = [said for said in made[0].remarks if all(said in one.remarks for one in made[1:])]
    own = [
        f"{one.key}: {said}"
        for one, result in zip(structures, made, strict=True)
        for said in result.remarks
        if said not in of_all
    ]
    return [*grouped(of_all), *own]


def _sidecar(
    job: Job,
    structures: Sequence[Structure],
    made: Sequence[Made],
    saved: Mapping[Group, Path],
    remarks: list[str],
) -> dict[str, Any]:
    """Return what the sidecar says: of all structures once, and of each."""
    first = made[0].sidecar
    own = ("select_segment", "select_label", "prior", *(("cut",) if job.cut == "dice" else ()))
    outputs = {"consensus": job.consensus, "label": job.label}
    outputs |= {f"probability of {group[0]}": path for group, path in saved.items()}
    return {
        **{name: first[name] for name in SHARED if name in first},
        "options": {
            **{name: value for name, value in first["options"].items() if name not in own},
            "labels": [one.key for one in structures],
            "overlap": True,
        },
        "outputs": {what: recorded(path.name) for what, path in outputs.items() if path is not None},
        "structures": [
            {
                "name": str(one.key),
                "label": one.label,
                "options": {
                    name: result.sidecar["options"][name] for name in own if name in result.sidecar["options"]
                },
                **{name: result.sidecar[name] for name in OF_ONE},
            }
            for one, result in zip(structures, made, strict=True)
        ],
        "warnings": remarks,
    }


def _write(
    job: Job,
    fusions: Mapping[int | str, Fusion],
    cuts: Sequence[float],
    one_of: Mapping[Path, int | str],
    inputs: Inputs,
    sidecar: dict[str, Any],
    say: Say,
) -> None:
    """Write all outputs, the sidecar last: its presence means that the others are complete."""
    probabilities = [one.probability.astype(np.float32, copy=False) for one in fusions.values()]
    images = [(job.consensus, np.stack(probabilities, axis=-1), "probabilities")]
    if job.label is not None:
        masks = [one.label(cut, ties=job.ties) for one, cut in zip(fusions.values(), cuts, strict=True)]
        told = "best" if job.cut == "dice" else f"{job.cut:g}"
        images.append((job.label, np.stack(masks, axis=-1), f"cut {told}"))
    for path, key in one_of.items():
        images.append((path, probabilities[list(fusions).index(key)], "probability"))
    from ..call import with_recipe

    with Outputs(overwrite=job.overwrite) as outputs:
        for path, data, what in images:
            say(f"writing {shown(path.name)}")
            outputs.add(
                path,
                nifti_bytes(
                    path,
                    data,
                    inputs.common.like,
                    f"fastfuse {sidecar['method']} {what}",
                    "probability" if data.dtype.kind == "f" else "labels",
                ),
            )
        outputs.add(sidecar_path(job.consensus), sidecar_bytes(with_recipe(sidecar, outputs)))
        outputs.commit()
