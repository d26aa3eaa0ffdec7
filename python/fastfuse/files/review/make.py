"""``review_files``: the lesions of a consensus on which raters disagree, those first on which most hangs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import FastfuseError
from ...fusion.options import Options
from ...images.outputs import Outputs, check_outputs
from ...images.paths import PathLike, as_path, needed_path, shown
from ...images.placing import Placing
from ...images.reading import read
from ...images.sidecar import sidecar_path
from ...images.written.endings import OF_CONSENSUS
from ...images.written.hashes import hash_of
from ...inputs.checks import check_flag
from ..facts import mask_told
from ..job import vote_job
from ..rerun import call_kept_in
from ..votes import as_votes, read_for
from .lesions import Lesion, Marked, centre_mm
from .markups import markups_bytes
from .sheet import Contested, sheet_bytes

NIFTI = (".nii", ".nii.gz")
MARKUPS = (".mrk.json",)


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
    """List the lesions of a consensus on which raters disagree, for a reviewer to decide.

    A lesion is a component of the voxels that any rater marks, with 26 neighbours a voxel. It is contested if some raters who
    looked there mark any of it and others none. The first of the list is that with the largest ``stake_ml``: the change of the
    consensus's volume if it were decided otherwise, times the share of the raters who say otherwise. Lesions that the consensus was
    decided by stand last, with their decisions.

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
    facts, recipe, given = call_kept_in(named, as_path(inputs, "inputs"), but=("decisions",))
    check_is_reviewable(facts, given, named)
    image_file = _consensus_beside(named, facts)
    read_ones = [
        named,
        image_file,
        *map(Path, given["paths"]),
        *map(Path, filter(None, [given.get("decisions")])),
    ]
    check_outputs([csv_file], read_ones, (".csv",), overwrite=overwrite)
    check_outputs([] if points is None else [points], read_ones, MARKUPS, overwrite=overwrite)
    _check_unchanged(image_file, recipe)
    marked, names, voxel_ml = _marked(given, say)
    probability = read(image_file).data
    if probability.shape != marked.marks[0].shape:
        raise FastfuseError(f"{shown(image_file)}: has another shape than its votes: fuse them anew")
    say("listing lesions")
    mask = mask_told(probability, facts) > 0
    lesions = list(marked.lesions())
    before = decided_before(facts)
    listed = [
        replace(
            _contested(lesion, marked, names, probability, mask, voxel_ml), decision=before.get(lesion.number)
        )
        for lesion in lesions
    ]
    chosen = [one for one in listed if everything or one.is_contested or one.decision is not None]
    chosen.sort(key=lambda one: (one.decision is not None, -one.stake_ml, -abs(one.change_ml), one.number))
    votes = marked.fingerprint
    with Outputs(overwrite=overwrite) as outputs:
        outputs.add(csv_file, sheet_bytes(chosen, votes))
        if points is not None:
            outputs.add(points, markups_bytes(chosen, f"review of {image_file.name}"))
        outputs.commit()
    written = (csv_file,) if points is None else (csv_file, points)
    return Review(tuple(chosen), tuple(names), len(lesions), votes, written)


def decided_before(facts: Mapping[str, Any]) -> dict[int, bool]:
    """Return what a consensus was decided by, by the numbers of its lesions."""
    lesions = facts.get("decisions", {}).get("lesions", ())
    return {one["lesion"]: one["decision"] == "yes" for one in lesions}


def check_is_reviewable(facts: Mapping[str, Any], given: Mapping[str, Any], named: Path) -> None:
    """Refuse what is no probability of masks in a NIfTI file."""
    function = facts.get("recipe", {}).get("function")
    if function == "fuse_case":
        raise FastfuseError(
            f"{shown(named)}: is a case of a cohort, whose rates are of all cases, of which there is no review: review what fastfuse fuse "
            "makes of its raters' files"
        )
    if function != "fuse_files" or given.get("labels") is not None:
        raise FastfuseError(
            f"{shown(named)}: is no consensus of masks or soft votes, of which alone there is a review"
        )
    if not str(given["output"]).lower().endswith(NIFTI):
        raise FastfuseError(
            f"{shown(named)}: the consensus is {given['output']}, which holds no probability to review: fuse to .nii.gz"
        )
    if given.get("max_memory") is not None:
        raise FastfuseError(
            f"{shown(named)}: was fused slab by slab (max_memory), and a review holds all votes: fuse without"
        )


def _consensus_beside(named: Path, facts: Mapping[str, Any]) -> Path:
    """Return the consensus that was named, or beside whose sidecar it lies."""
    if named.name.lower().endswith(OF_CONSENSUS):
        return named
    found = named.parent / Path(facts["outputs"]["consensus"]).name
    if sidecar_path(found) != named or not found.is_file():
        raise FastfuseError(f"{shown(found)}: is not beside its sidecar {shown(named)}: name the consensus")
    return found


def _check_unchanged(image: Path, recipe: Mapping[str, Any]) -> None:
    was = {one["file"]: one["sha256"] for one in recipe["outputs"]}.get(image.name)
    if was != hash_of(image):
        raise FastfuseError(f"{shown(image)}: has changed since its sidecar was written: fuse anew")


def _marked(given: Mapping[str, Any], say: Callable[[str], None]) -> tuple[Marked, list[str], float]:
    """Read the votes again; return what each rater marks, their names, and a voxel's volume."""
    names = {one.name for one in fields(Options)}
    options = Options(**{name: value for name, value in given.items() if name in names and name != "prior"})
    placing = Placing.checked(given.get("grid"), given.get("resample", "none"), given.get("use"))
    segments = given.get("select_segment") or ()
    job = vote_job(
        given["paths"], given["output"], given.get("mask"), given.get("present"), given.get("names"), placing,
        overwrite=True, prior=None, smoothing_mm=None, image=given.get("image"), save_label=None, save_counts=None,
        report=None, cut=0.5, ties="foreground", channel_axis=given.get("channel_axis"),
        segments=(segments,) if isinstance(segments, str) else tuple(segments), decisions=None,
    )  # fmt: skip
    options = options.checked()
    inputs = read_for(job, options, say)
    options = as_votes(options, job, inputs, on_device=False)
    return Marked.of(inputs, options.core_label), job.names, inputs.grid.voxel_mm3 / 1000


def _contested(
    lesion: Lesion,
    marked: Marked,
    names: Sequence[str],
    probability: NDArray[Any],
    mask: NDArray[np.bool_],
    voxel_ml: float,
) -> Contested:
    """Return a lesion's line."""
    core, who = lesion.core, lesion.marked
    taken = int(np.count_nonzero(mask[lesion.box] & lesion.inside))
    change = -taken if taken else int(np.count_nonzero(core))
    looked, marks = int(np.count_nonzero(lesion.looked)), int(np.count_nonzero(who))
    otherwise = (looked - marks if taken else marks) / looked
    return Contested(
        number=lesion.number,
        centre_mm=centre_mm(lesion, marked.affine),
        ml=int(np.count_nonzero(lesion.inside)) * voxel_ml,
        marked_by=tuple(name for name, marks_it in zip(names, who, strict=True) if marks_it),
        looked=looked,
        posterior=float(probability[lesion.box][core].mean(dtype=np.float64)),
        consensus=bool(taken),
        change_ml=change * voxel_ml,
        stake_ml=abs(change) * voxel_ml * otherwise,
    )
