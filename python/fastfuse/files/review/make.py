"""``review_files``: the lesions of a consensus on which raters disagree, those first on which most hangs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FastfuseError, warn
from ...fusion.labels.declared import AskedLabels
from ...fusion.options import Options
from ...images.outputs import Outputs, check_outputs
from ...images.paths import PathLike, as_path, needed_path, shown
from ...images.placing import Placing
from ...images.reading import read
from ...images.sidecar import sidecar_path
from ...images.written.endings import OF_CONSENSUS
from ...images.written.hashes import hash_of
from ...inputs.checks import check_flag
from ..job import Inputs, vote_job
from ..labels.fuse import FuseMaps, ReadyMaps, fused_ready, ready_maps
from ..labels.job import LabelJob, label_job
from ..rerun import call_kept_in, call_told_by
from ..votes import read_votes
from .lesions import Marked
from .listed import Listed, codes_decided_before, listed_labels, listed_masks, ranked
from .markups import markups_bytes
from .places import MarkedLabels, painted_labels
from .returns import on_return, on_return_of_labels
from .sheet import Contested, sheet_bytes
from .words import LabelWords

NIFTI = (".nii", ".nii.gz")
MARKUPS = (".mrk.json",)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Review:
    """A list of lesions, as it was written.

    Attributes
    ----------
    lesions : tuple of Contested
        Those first on which most hangs.
    raters : tuple of str
        Names of all.
    all : int
        Number of lesions that anybody marks.
    votes : str
        Fingerprint of the raters' marks.
    written : tuple of Path
    """

    lesions: tuple[Contested, ...]
    raters: tuple[str, ...]
    all: int
    votes: str
    written: tuple[Path, ...]


def review_files(
    consensus: PathLike,
    output: PathLike,
    *,
    markups: PathLike | None = None,
    everything: bool = False,
    inputs: PathLike | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Review:
    """List the lesions of a consensus on which raters disagree, for a reviewer to decide; of label maps the places.

    A lesion is a component of the voxels that any rater marks, with 26 neighbours a voxel. It is contested if some raters who
    looked there mark any of it and others none. The first of the list is that with the largest ``stake_ml``: the change of the
    consensus's volume if it were decided otherwise, times the share of the raters who say otherwise. Lesions that the consensus was
    decided by stand last, with their decisions.

    A place of label maps is a component of what any rater gives one label, of which another rater who looked there gives it to no
    voxel; those that overlap are one place. What a rater says is the label of most of the place's voxels, background only where they
    give it no other. The consensus is fused again for this.

    Parameters
    ----------
    consensus : path
        What ``fuse_files`` wrote (.nii or .nii.gz), or its sidecar. The sidecar's recipe tells the votes; their files must be
        those of the first time.
    output : path
        The list (.csv), with a column ``decision``: yes (a lesion), no (none), or empty. ``fuse_files(decisions=...)``
        takes it.
    markups : path, optional
        Also write the lesions as points for 3D Slicer (.mrk.json).
    everything : bool, default False
        List all lesions, also those that all raters mark.
    inputs : path, optional
        Folder where the raters' files lie now, if they have moved.
    overwrite : bool, default False
        Replace existing outputs.
    progress : callable, optional
        Called with a few words before each step.

    Returns
    -------
    Review

    Raises
    ------
    FastfuseError, ImageError, OutputError
        Naming the file: a sidecar without a recipe, inputs that have changed, a consensus that is no probability of masks.
    """
    say, everything = progress or (lambda _: None), check_flag(everything, "everything")
    named, csv_file = needed_path(consensus, "consensus"), needed_path(output, "output")
    points = as_path(markups, "markups")
    _, told, _, asked = call_told_by(named)
    check_is_reviewable(told, asked, named)  # before the inputs are read
    facts, recipe, given = call_kept_in(named, as_path(inputs, "inputs"), but=("decisions",))
    image_file = consensus_beside(named, facts)
    files = [
        named,
        image_file,
        *map(Path, given["paths"]),
        *map(Path, filter(None, [given.get("decisions")])),
    ]
    check_lists(csv_file, points, files, overwrite=overwrite)
    check_unchanged(image_file, recipe)
    of_labels = given.get("labels") is not None
    check_everything(everything, of_labels=of_labels)
    if of_labels:
        found = _of_labels(image_file, facts, given, say)
    else:
        found = _of_masks(image_file, facts, given, say, everything=everything)
    made = written(csv_file, points, {"": found}, f"review of {image_file.name}", overwrite=overwrite)
    warn(
        on_return_of_labels(given)
        if of_labels
        else on_return(given.get("method"), _options_of(given, "prior"))
    )
    return made


def check_lists(csv_file: Path, points: Path | None, files: list[Path], *, overwrite: bool) -> None:
    """Refuse a list, and points, that must not, or cannot, be written; ``files`` are read."""
    check_outputs([csv_file], files, (".csv",), overwrite=overwrite)
    check_outputs([] if points is None else [points], files, MARKUPS, overwrite=overwrite)


def check_everything(everything: bool, *, of_labels: bool) -> None:
    """Refuse to list what no rater disputes of label maps, of which that is nearly all."""
    if everything and of_labels:
        raise ValueError(
            "everything is set: of label maps the places on which raters disagree are listed alone; leave it out"
        )


def written(
    csv_file: Path, points: Path | None, found: Mapping[str, Listed], title: str, *, overwrite: bool
) -> Review:
    """Write the list of one consensus, or of a cohort's cases by their names; return it."""
    chosen = ranked([one for listed in found.values() for one in listed.lesions])
    votes = {case: listed.votes for case, listed in found.items()}
    with Outputs(overwrite=overwrite) as outputs:
        outputs.add(csv_file, sheet_bytes(chosen, votes))
        if points is not None:
            outputs.add(points, markups_bytes(chosen, title))
        outputs.commit()
    files = (csv_file,) if points is None else (csv_file, points)
    raters = tuple(dict.fromkeys(name for listed in found.values() for name in listed.raters))
    count = sum(listed.all for listed in found.values())
    return Review(tuple(chosen), raters, count, ", ".join(dict.fromkeys(votes.values())), files)


def check_is_reviewable(facts: Mapping[str, Any], given: Mapping[str, Any], named: Path) -> None:
    """Refuse what is no consensus of masks or label maps in a NIfTI file."""
    function = facts.get("recipe", {}).get("function")
    if function != "fuse_files" or given.get("overlap"):
        raise FastfuseError(
            f"{shown(named)}: is no consensus of masks, soft votes or label maps, of which alone there is a review"
        )
    if not str(given["output"]).lower().endswith(NIFTI):
        raise FastfuseError(
            f"{shown(named)}: the consensus is {given['output']}, which holds no {'label map' if given.get('labels') else 'probability'} to "
            "review: fuse to .nii.gz"
        )
    if any(str(path).lower().endswith(".npz") for path in given["paths"]):
        raise FastfuseError(
            f"{shown(named)}: is of networks' probabilities, which hold no raters' labels to review: fuse the segmentations beside them"
        )
    if given.get("max_memory") is not None:
        raise FastfuseError(
            f"{shown(named)}: was fused slab by slab (max_memory), and a review holds all votes: fuse without"
        )


def consensus_beside(named: Path, facts: Mapping[str, Any]) -> Path:
    """Return the consensus that was named, or beside whose sidecar it lies."""
    if named.name.lower().endswith(OF_CONSENSUS):
        return named
    found = named.parent / Path(facts["outputs"]["consensus"]).name
    if sidecar_path(found) != named or not found.is_file():
        raise FastfuseError(f"{shown(found)}: is not beside its sidecar {shown(named)}: name the consensus")
    return found


def check_unchanged(image: Path, recipe: Mapping[str, Any]) -> None:
    """Refuse a consensus that is not that of its sidecar."""
    was = {one["file"]: one["sha256"] for one in recipe["outputs"]}.get(image.name)
    if was != hash_of(image):
        raise FastfuseError(f"{shown(image)}: has changed since its sidecar was written: fuse anew")


def _options_of(given: Mapping[str, Any], *but: str) -> Options:
    names = {one.name for one in fields(Options)} - {*but}
    return Options(**{name: value for name, value in given.items() if name in names})


def _placing_of(given: Mapping[str, Any]) -> Placing:
    return Placing.checked(given.get("grid"), given.get("resample", "none"), given.get("use"))


def _of_masks(
    image: Path, facts: Mapping[str, Any], given: Mapping[str, Any], say: Say, *, everything: bool
) -> Listed:
    """Read the votes again, and list their lesions."""
    segments = given.get("select_segment") or ()
    job = vote_job(
        given["paths"], given["output"], given.get("mask"), given.get("present"), given.get("names"), _placing_of(given),
        overwrite=True, prior=None, smoothing_mm=None, image=given.get("image"), save_label=None, save_counts=None,
        report=None, cut=0.5, ties="foreground", channel_axis=given.get("channel_axis"),
        segments=(segments,) if isinstance(segments, str) else tuple(segments), decisions=None,
    )  # fmt: skip
    options = _options_of(given, "prior").checked()
    inputs, label = read_votes(options, job, say)
    return lesions_of(image, facts, inputs, label, job.names, say, everything=everything)


def lesions_of(
    image: Path,
    facts: Mapping[str, Any],
    inputs: Inputs,
    label: int | None,
    names: Sequence[str],
    say: Say,
    *,
    everything: bool,
    case: str = "",
) -> Listed:
    """Return the lesions of masks that were read; ``image`` holds the probability, ``facts`` are its sidecar."""
    marked, probability = Marked.of(inputs, label), read(image).data
    if probability.shape != marked.marks[0].shape:
        raise FastfuseError(f"{shown(image)}: has another shape than its votes: fuse them anew")
    say("listing lesions")
    voxel_ml = inputs.grid.voxel_mm3 / 1000
    return listed_masks(
        marked, names, probability, facts, voxel_ml=voxel_ml, everything=everything, case=case
    )


def _of_labels(image: Path, facts: Mapping[str, Any], given: Mapping[str, Any], say: Say) -> Listed:
    """Read the label maps again, fuse them, and list their places."""
    asked = AskedLabels(
        **{one.name: given[one.name] for one in fields(AskedLabels) if given.get(one.name) is not None}
    )
    job = label_job(
        given["paths"], given["output"], given.get("mask"), given.get("present"), given.get("names"), _placing_of(given),
        overwrite=True, label_names=given.get("label_names"), save_probability=None, save_confidence=None,
        prior=given.get("prior", "mean"),
    )  # fmt: skip
    ready = ready_maps(job, asked, _options_of(given), say)
    return places_of(image, facts, job, ready, given.get("method"), asked, say)


def places_of(
    image: Path,
    facts: Mapping[str, Any],
    job: LabelJob,
    ready: ReadyMaps,
    method: str | None,
    asked: AskedLabels,
    say: Say,
    *,
    fuse: FuseMaps | None = None,
    case: str = "",
) -> Listed:
    """Return the places of label maps that were read; they are fused again, for the probabilities."""
    say("fusing")
    labels = [one["label"] for one in facts["labels"]]
    marked = MarkedLabels.of(ready.inputs, labels)
    before = codes_decided_before(facts, marked)
    volume = painted_labels(before, labels, marked.votes[0].shape) if before else None
    fusion = fused_ready(
        replace(ready, options=replace(ready.options, decisions=volume)), method, asked, fuse
    )[0]
    if not np.array_equal(fusion.label(), read(image).data):
        raise FastfuseError(f"{shown(image)}: is not what its files give now: fuse them anew")
    say("listing places")
    words = LabelWords(labels, {one["label"]: one["name"] for one in facts["labels"]})
    voxel_ml = ready.inputs.grid.voxel_mm3 / 1000
    return listed_labels(marked, words, job.files.names, fusion, facts, voxel_ml=voxel_ml, case=case)
