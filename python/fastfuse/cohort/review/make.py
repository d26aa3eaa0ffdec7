"""``review_cohort``: one list of the lesions of all cases on which raters disagree, those first on which most hangs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import FastfuseError, warn
from ...files.labels.fuse import ready_maps
from ...files.rerun import call_kept_in
from ...files.review.listed import Listed
from ...files.review.make import (
    Review,
    check_everything,
    check_lists,
    check_unchanged,
    lesions_of,
    places_of,
    written,
)
from ...files.review.returns import on_return, on_return_of_labels
from ...files.votes import as_votes, read_for
from ...images.paths import PathLike, as_path, needed_path, shown
from ...images.sidecar import json_of, sidecar_path
from ...images.written.endings import OF_CONSENSUS
from ..cases import CohortCase
from ..place import CASES, Place
from ..settings import Settings
from ..tasks import Task, label_rates

Say = Callable[[str], None]
SUMMARY = "cohort.json"


def is_of_cohort(path: Path) -> bool:
    """Tell the outputs of a cohort, or one case of them, from the consensus of one fusion."""
    if path.is_dir() or path.name == SUMMARY:
        return True
    facts = json_of(sidecar_path(path) if path.name.lower().endswith(OF_CONSENSUS) else path)
    recipe = facts.get("recipe") if isinstance(facts, dict) else None
    return isinstance(recipe, dict) and recipe.get("function") == "fuse_case"


def review_cohort(
    consensus: PathLike,
    output: PathLike,
    *,
    markups: PathLike | None = None,
    everything: bool = False,
    inputs: PathLike | None = None,
    overwrite: bool = False,
    progress: Say | None = None,
) -> Review:
    """List the lesions of a cohort's cases, as :func:`fastfuse.files.review.make.review_files` does those of one consensus.

    The list has a column ``case``, and is ranked over all cases. ``fuse_cohort(decisions=...)`` takes it.

    Parameters
    ----------
    consensus : path
        The folder that ``fuse_cohort`` wrote into, or its cohort.json; or the consensus of one of its cases.
    output, markups, everything, inputs, overwrite, progress
        As of ``review_files``; points of several cases lie in their own images' coordinates.

    Returns
    -------
    Review

    Raises
    ------
    FastfuseError, ImageError, OutputError
        Naming the file.
    """
    say = progress or (lambda _: None)
    named, csv_file = needed_path(consensus, "consensus"), needed_path(output, "output")
    points, moved = as_path(markups, "markups"), as_path(inputs, "inputs")
    found: dict[str, Listed] = {}
    kept = {image: call_kept_in(image, moved, but=("decisions",)) for image in _images_of(named)}
    read_ones = [*kept, *(path for _, _, given in kept.values() for path in _files_in(given))]
    check_lists(csv_file, points, read_ones, overwrite=overwrite)
    for image, (facts, recipe, given) in kept.items():
        check_unchanged(image, recipe)
        found[given["case"]] = _listed(image, facts, given, say, everything=everything)
        say(f"{given['case']}: listed")
    made = written(csv_file, points, found, f"review of {named.name}", overwrite=overwrite)
    asked = [Settings.of_json(given["settings"]) for _, _, given in kept.values()]
    warn([*dict.fromkeys(line for one in asked for line in _on_return(one))])
    return made


def _on_return(settings: Settings) -> list[str]:
    """Say with which options of a cohort no decision comes back."""
    if settings.of_labels:
        return on_return_of_labels({"prior": settings.options.prior})  # the bootstrap is over cases
    chosen = (settings.preset or {}).get("set")
    return on_return(settings.method, settings.fusion_options, chosen)


def _images_of(named: Path) -> list[Path]:
    """Return the consensuses to review."""
    if not (named.is_dir() or named.name == SUMMARY):
        image = named if named.name.lower().endswith(OF_CONSENSUS) else named.with_name("consensus.nii.gz")
        return [image]
    place = Place(named if named.is_dir() else named.parent)
    facts = json_of(place.facts)
    gone = facts.get("no_longer_in_the_cohort", ()) if isinstance(facts, dict) else ()
    cases = sorted(place.named()[CASES] - {*gone})
    if not cases:
        raise FastfuseError(
            f"{shown(place.out)}: holds no consensus of a cohort's cases; name the folder that fastfuse cohort fuse wrote into, or a "
            "consensus"
        )
    return [place.consensus(case) for case in cases]


def _files_in(given: Mapping[str, Any]) -> list[Path]:
    one = (given.get("mask"), given.get("image"), given.get("decisions"))
    return [*map(Path, given["paths"]), *(Path(path) for path in one if path is not None)]


def _listed(
    image: Path, facts: Mapping[str, Any], given: Mapping[str, Any], say: Say, *, everything: bool
) -> Listed:
    """Read a case's files again, and list its lesions, or places."""
    case = CohortCase(
        given["case"], tuple(given["raters"]), tuple(map(Path, given["paths"])), as_path(given.get("mask"), "mask"),
        as_path(given.get("image"), "image"),
    )  # fmt: skip
    names = given.get("label_names")
    settings = replace(Settings.of_json(given["settings"]), label_names=None if names is None else str(names))
    check_everything(everything, of_labels=settings.of_labels)
    if settings.of_labels:
        job, asked = settings.label_job(case, image), settings.labels_of(case)
        estimate = given.get("estimate")
        task = Task(
            case, settings, image, estimate=None if estimate is None else Path(estimate),
            is_new=bool(given.get("is_new")),
        )  # fmt: skip
        ready = ready_maps(job, asked, settings.fusion_options, say)
        fuse = label_rates(task)
        return places_of(image, facts, job, ready, settings.method, asked, say, fuse=fuse, case=case.name)
    if preset := settings.asked_preset:
        masks, way, inputs = settings.preset_job(preset, case, image)
    else:
        masks, way = settings.mask_job(case, image)
        inputs = read_for(masks, way.options, say)
    label = as_votes(way.options, masks, inputs, on_device=False).core_label
    return lesions_of(image, facts, inputs, label, masks.names, say, everything=everything, case=case.name)
