"""What a worker does with one case. It takes and returns plain data, and never raises.

A task names files: no array and no open file travels to a worker, and a table of a few kilobytes comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from socket import gethostname
from typing import Any, TypeVar

import numpy as np

from ..errors import OutputError, kept_warnings, reason_of_case
from ..files.job import Job
from ..files.labels.fuse import FuseMaps, label_files_by, ready_maps
from ..files.recipe import keeping
from ..files.votes import Made, made_of, ready_votes, write_made
from ..fusion.backends.decisions import check_decisions
from ..fusion.estimate import Estimate, check_table, consensus_of
from ..fusion.labels.estimate import LabelEstimate
from ..fusion.labels.options import LabelOptions
from ..fusion.labels.pooled.estimate import PooledLabelEstimate
from ..fusion.labels.result import LabelFusion
from ..fusion.labels.table import LabelTable
from ..fusion.labels.tabulate import tabulate_labels
from ..fusion.masses.table import MassTable
from ..fusion.options import Options
from ..fusion.registry import Method
from ..fusion.result import Fusion
from ..fusion.table_file import table_bytes
from ..fusion.tabulate import table_and_case, table_of
from ..fusion.vote_table import VoteTable
from ..fusion.votes import Votes
from ..images.outputs import check_outputs, made_folder
from ..images.paths import as_path, shown
from ..images.written.endings import NIFTI
from ..inputs.threads import remarks_on_threads
from .cases import CohortCase
from .estimate_file import Saved, estimate_for, read_estimate
from .index.new_raters import grown, may_grow
from .index.vote_index import VoteIndex
from .place import Output, Record, print_of
from .placing import for_a_cohort
from .settings import Settings, key_of
from .told.belief import on_belief_in

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Task:
    """A case, and what is to be done with it.

    Attributes
    ----------
    case : CohortCase
    settings : Settings
    consensus : Path
        Where its consensus lies, or would.
    index : Path or None
        Where the case's index is to be kept, or is.
    before : Record or None
        What the table that is there was made of.
    estimate : Path or None
        File of the raters' rates.
    is_new : bool
        Whether the case is none of those that the rates are from.
    decisions : Path or None
        List of a review with decisions on the case.
    """

    case: CohortCase
    settings: Settings
    consensus: Path
    index: Path | None = None
    before: Record | None = None
    estimate: Path | None = None
    is_new: bool = False
    decisions: Path | None = None


@dataclass(frozen=True)
class Counted:
    """A case's table; no content where it is that which is there already. And its index, if it is to be kept."""

    case: str
    content: bytes | None
    record: Record
    index: bytes | None = None


@dataclass(frozen=True)
class Written:
    """A consensus that was written, and its files as they were then, by name."""

    case: str
    remarks: tuple[str, ...]
    outputs: dict[str, Output]


@dataclass(frozen=True)
class Failed:
    """A case that could not be done, and why; ``of_output``: because nothing can be written."""

    case: str
    reason: str
    of_output: bool = False


def count_case(task: Task) -> Counted | Failed:
    """Return a case's vote table."""
    return _attempt(task, _count)


def write_case(task: Task) -> Written | Failed:
    """Write a case's consensus, by rates that are known, or by EM on the case alone."""
    return _attempt(task, _write)


def _attempt(task: Task, work: Callable[[Task], Answer]) -> Answer | Failed:
    try:
        with kept_warnings():  # what is doubtful comes back with the answer
            return work(task)
    except Exception as error:  # noqa: BLE001 - one case, whatever it is
        return Failed(
            task.case.name, for_a_cohort(reason_of_case(error), task.case), isinstance(error, OutputError)
        )


def _count(task: Task) -> Counted:
    settings, name = task.settings, task.case.name
    found = (
        None
        if task.index is None or task.before is None
        else grown(task.case, settings, task.index, task.before)
    )
    if found is not None:
        return Counted(name, bytes_of(found.table), found.record, found.index.as_bytes(found.record.key))
    prints = {what: print_of(path) for what, path in settings.files_of(task.case).items()}
    key = key_of(settings, prints)
    is_known = task.before is not None and key == task.before.key
    if is_known or not settings.pools:
        return Counted(name, None, Record(key, prints))
    table, remarks, index = table_of_case(task)
    kept = None if index is None else index.as_bytes(key)
    return Counted(name, bytes_of(table), Record(key, prints, tuple(remarks)), kept)


def bytes_of(table: VoteTable | LabelTable) -> bytes:
    """Return a table as its file holds it."""
    kind, arrays = table.as_arrays()
    return table_bytes(kind, **arrays)


def table_of_case(task: Task) -> tuple[VoteTable | LabelTable, list[str], VoteIndex | None]:
    """Read a case's files, and return their table, what is doubtful, and the index, if it is to be kept."""
    settings, names = task.settings, list(task.case.raters)
    if settings.of_labels:
        job = settings.label_job(task.case, task.consensus)
        maps = ready_maps(job, settings.labels_of(task.case), settings.fusion_options, _silent)
        labels = _labels_of(settings, maps.names.names)
        counted, remarks = tabulate_labels(maps.votes, labels, maps.options, names)
        return counted.named(maps.names.names) if labels == "all" else counted, remarks, None
    ready = ready_votes(*settings.mask_job(task.case, task.consensus), _silent)
    table, case = table_and_case(ready.votes, settings.of_reading(ready.fusing), names, by_masses=True)
    check_table(table, settings.table_method, ready.fusing)
    index = None
    if task.index is not None and may_grow(settings) and not isinstance(table, MassTable):
        index = VoteIndex.of(case, names, ready.inputs.grid, ready.label)
    return table, [*ready.inputs.remarks, *case.remarks, *remarks_on_threads()], index


def _labels_of(settings: Settings, names: Any) -> Any:
    """Return the labels that are asked for, with the names that a file gives them."""
    labels = settings.labels
    if not names or isinstance(labels, dict) or labels == "all":
        return labels
    return {label: names.get(label, str(label)) for label in labels}


def _call_of(task: Task) -> dict[str, Any]:
    """Return the arguments of :func:`fuse_case` that do the task."""
    files = task.settings.files_of(task.case)
    settings = task.settings.as_json()
    return {
        "case": task.case.name,
        "raters": list(task.case.raters),
        "paths": list(task.case.paths),
        "output": task.consensus,
        "mask": files.get("mask"),
        "image": files.get("image"),
        "label_names": settings.pop("label_names", None),
        "settings": settings,
        "estimate": task.estimate,
        "is_new": task.is_new,
        "decisions": task.decisions,
    }


def fuse_case(
    case: str,
    raters: Sequence[str],
    paths: Sequence[Path],
    output: Path,
    *,
    settings: Mapping[str, Any],
    mask: Path | None = None,
    image: Path | None = None,
    label_names: Path | None = None,
    estimate: Path | None = None,
    is_new: bool = False,
    decisions: Path | None = None,
    threads: int = 0,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Write one case's consensus again, as its cohort did; the arguments are those that its sidecar keeps."""
    files = CohortCase(
        case, tuple(raters), tuple(map(Path, paths)), as_path(mask, "mask"), as_path(image, "image")
    )
    kept = Settings.of_json(settings)
    kept = replace(
        kept,
        label_names=None if label_names is None else str(label_names),
        options=replace(kept.options, threads=threads),
    )
    task = Task(
        files, kept, Path(output), estimate=as_path(estimate, "estimate"), is_new=is_new,
        decisions=as_path(decisions, "decisions"),
    )  # fmt: skip
    beside = [path for path in (task.estimate, task.decisions) if path is not None]
    read = [*kept.files_of(files).values(), *beside]
    check_outputs(outputs_of(task.consensus, kept), read, (*NIFTI, ".json", ".tsv"), overwrite=overwrite)
    (progress or _silent)(f"fusing {case}")
    _write(task)


def _write(task: Task) -> Written:
    _check_seen(task.consensus)
    with made_folder(task.consensus.parent), keeping("fuse_case", _call_of(task)):
        remarks = _write_labels(task) if task.settings.of_labels else _write_masks(task)
    written = outputs_of(task.consensus, task.settings)
    return Written(task.case.name, tuple(remarks), {path.name: Output.of(path) for path in written})


def outputs_of(consensus: Path, settings: Settings) -> list[Path]:
    """Return the files that are written for a case."""
    files = [consensus, consensus.with_name("consensus.json")]
    return [*files, consensus.with_name("label.nii.gz")] if settings.save_label else files


def _check_seen(consensus: Path) -> None:
    """Refuse a case where the folder of all cases is not there: this machine does not see the run's disk."""
    cases = consensus.parent.parent
    if not cases.is_dir():
        raise OutputError(
            f"{shown(cases)}: not seen by the worker on {gethostname()}; cohort and outputs must lie on a disk that all workers "
            "share, under the same path"
        )


def _write_masks(task: Task) -> list[str]:
    settings = task.settings
    if preset := settings.asked_preset:  # of cases by themselves, which each choose
        job, way, inputs = settings.preset_job(preset, task.case, task.consensus, task.decisions)
        job = _decided(job, task)
        return _write_alone(job, made_of(job, way, _silent, inputs, alone=True))
    job, way = settings.mask_job(task.case, task.consensus)
    job = _decided(job, task)
    job.check()
    if job.decisions is not None:
        check_decisions(way.method, way.options, ())
    if task.estimate is None:
        return _write_alone(job, made_of(job, way, _silent, alone=True))
    saved = read_estimate(task.estimate)

    def by_rates(votes: Votes, _: Method, options: Options, **__: Any) -> tuple[Fusion, list[str]]:
        table = None
        if task.is_new:
            asked = task.settings.of_reading(options)
            table = table_of(votes, asked, list(task.case.raters), by_masses=True)[0]
        rates = estimate_for(saved, task.case.name, task.case.raters, table)
        assert isinstance(rates, Estimate)
        return consensus_of(rates, votes.listed(), _here(options))

    made = made_of(job, way, _silent, pooled=True, fuse=by_rates)
    made.sidecar["pooled"] = _pooled_facts(task, saved)
    write_made(job, made, _silent)
    return made.remarks


def _decided(job: Job, task: Task) -> Job:
    """Return the job with the lines of a review that concern the case."""
    return replace(job, decisions=task.decisions, case=task.case.name) if task.decisions is not None else job


def _write_alone(job: Job, made: Made) -> list[str]:
    write_made(job, made, _silent)
    return made.remarks


def _here(options: Options) -> Options:
    """Return the options of one case's votes."""
    return replace(Settings.of_reading(options), evidence=options.evidence)


def _write_labels(task: Task) -> list[str]:
    settings = task.settings
    job = settings.label_job(task.case, task.consensus)
    job = replace(job, files=_decided(job.files, task))
    asked, options, fuse = settings.labels_of(task.case), settings.fusion_options, label_rates(task)
    if task.estimate is None or fuse is None:
        return label_files_by(job, settings.method, asked, options, _silent)[2]
    saved = read_estimate(task.estimate)
    if isinstance(saved.estimate, LabelEstimate) and settings.method != "majority":
        options = replace(options, performance_prior=saved.estimate._belief)  # that of these votes is another
    more = {"pooled": _pooled_facts(task, saved)}
    return label_files_by(job, settings.method, asked, options, _silent, fuse, more)[2]


def label_rates(task: Task) -> FuseMaps | None:
    """Return what finds the consensus of a case's label maps by rates that are known; None where there are none."""
    if task.estimate is None:
        return None
    saved = read_estimate(task.estimate)

    def by_rates(
        votes: Votes, _: str, __: Any, options: LabelOptions, ___: Any
    ) -> tuple[LabelFusion, list[str]]:
        table = None
        if task.is_new and isinstance(saved.estimate, PooledLabelEstimate):
            table = tabulate_labels(votes, "all", options, list(task.case.raters))[0]
        rates = estimate_for(saved, task.case.name, task.case.raters, table)
        assert isinstance(rates, LabelEstimate)
        fusion, remarks = rates.consensus_of(votes, options)
        reads = np.asarray(fusion.volume.any(axis=1)).tolist()
        readers = [name for name, one in zip(rates.names, reads, strict=True) if one]
        return fusion, [*remarks, *on_belief_in(rates, readers)]

    return by_rates


def _pooled_facts(task: Task, saved: Saved) -> dict[str, Any]:
    """Return what the sidecar says of the rates, which are not this case's own."""
    return {
        "priors": getattr(saved.estimate, "priors", "shared"),
        "cases": len(saved.of) or None,  # a merged estimate is of sums that do not name theirs
        "among_them": not task.is_new,
    }


def _silent(_: str) -> None:
    """Say nothing: a worker has no terminal."""
