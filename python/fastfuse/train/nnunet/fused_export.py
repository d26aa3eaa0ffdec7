"""Writes a fused cohort, of any layout, and its images as a data set of nnU-Net; see ``dataset``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

from ...errors import FastfuseError, said, warn
from ...fusion.declared import either
from ...images.grids.common import on_one_grid
from ...images.outputs import write_all
from ...images.paths import recorded, shown
from ...images.placing import Kind
from ...images.reading import reading
from ...images.sidecar import sidecar_bytes
from ...images.wanted import Wanted
from ...images.written.hashes import hash_of
from ...images.written.nifti import nifti_bytes
from ...inputs.names import counted, enumerated
from ..cohort.division import read_division
from ..cohort.folds import dealt_by_center, folds_of_subjects, subject_of
from .channels import Channel, channels_typed, images_of
from .dataset import (
    ABOUT,
    SPLITS,
    about,
    alone_in,
    appearing,
    check_name,
    finite,
    folder_called,
    free_in,
    image_file,
    label_file,
    splits_bytes,
)
from .fused import MOST_NAMED, FusedCase, FusedCohort, fused_in
from .labels import Labels, labels_for, said_of_labels

RECORD = "export.json"
FOLDS = 5
OF_A_FUSION = re.compile(r"\b(grid|resample|use)=")  # in advice on files: options that no export has


@dataclass(frozen=True)
class FusedDataset:
    """A fused cohort that is exported; see :func:`fused_dataset`.

    Attributes
    ----------
    fused : FusedCohort
    cases : list of FusedCase
        Those of the data set.
    channels : list of Channel
    images : mapping
        The files of each case, channel by channel.
    labels : Labels
    folds : list of list of str
        The names of the cases that are tested, fold by fold. Cases of a single fold become imagesTs.
    number, name : int, str
        Of the data set, as in Dataset501_fused.
    notes : list of str
        What was done that the caller may not expect.
    remarks : list of str
        What is doubtful.
    """

    fused: FusedCohort
    cases: list[FusedCase]
    channels: list[Channel]
    images: Mapping[str, tuple[Path, ...]]
    labels: Labels
    folds: list[list[str]]
    number: int
    name: str
    notes: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def tested_alone(self) -> set[str]:
        """The cases that no network is trained on: those of a single fold."""
        return alone_in(self.folds)


def fused_dataset(
    folder: Path,
    images: Path,
    channels: Sequence[str],
    *,
    folds: int | Path | None = None,
    number: int = 501,
    name: str | None = None,
    cut: float | None = None,
    ignore: tuple[float, float] | None = None,
    gaps: bool = False,
) -> FusedDataset:
    """Return what a fused cohort is as a data set, before any image is read.

    Parameters
    ----------
    folder : Path
        ``fastfuse cohort fuse`` wrote into it.
    images : Path
        Folder of the images.
    channels : sequence of str
        NAME=PATTERN: paths below ``images`` with {case} in the place of the case's name.
    folds : int or Path, default 5
        How many, or a JSON file with names of cases.
    number, name : int, str
        Of the data set; its name is the folder's unless it is given.
    cut : float, optional
        Of masks, in place of the fusion's.
    ignore : tuple of float, optional
        Of masks: a voxel whose probability lies between the two gets the label "ignore".
    gaps : bool, default False
        Leave cases out that failed.

    Raises
    ------
    FastfuseError
        Naming what is missing or cannot be used, and what to do.
    """
    called = re.sub(r"[^A-Za-z0-9_-]+", "_", folder.resolve().name) if name is None else name
    check_name(number, called)
    asked = channels_typed(channels)
    fused = fused_in(folder, gaps=gaps)
    labels = labels_for(fused, cut, ignore)
    cases, divided, note, doubt = _divided(fused.cases, FOLDS if folds is None else folds)
    files = images_of(images, asked, [case.name for case in cases])
    return FusedDataset(
        fused, cases, asked, files, labels, divided, number, called,
        notes=[one for one in (said_of_labels(labels), note) if one],
        remarks=[*fused.remarks, *([doubt] if doubt else [])],
    )  # fmt: skip


def _divided(
    cases: Sequence[FusedCase], folds: int | Path
) -> tuple[list[FusedCase], list[list[str]], str, str]:
    """Return the cases, the folds, and what is to be noted of subjects with several sessions, or is doubtful."""
    if not isinstance(folds, Path):
        names = [case.name for case in cases]
        subjects = {subject_of(name) for name in names}
        several = f"{counted(len(names), 'case')} of {counted(len(subjects), 'subject')}: all sessions of a subject are in one fold"
        divided = folds_of_subjects(names, folds)
        if len(subjects) < len(names):
            return list(cases), divided, several, ""
        centers = {case.name: case.center for case in cases}
        count = len({*centers.values()})
        if count == 1 or not all(centers.values()):
            return list(cases), divided, "", ""
        return (
            list(cases),
            dealt_by_center(centers, folds),
            f"folds hold the cases of {count} centres as evenly as may be",
            "",
        )
    chosen, divided = read_division(folds, cases)
    found: dict[str, set[int]] = {}
    for case in chosen:
        fold = next((at for at, names in enumerate(divided) if case.name in names), -1)
        found.setdefault(subject_of(case.name), set()).add(fold)
    split = [subject for subject, where in found.items() if len(where) > 1]
    doubt = (
        f"{shown(folds)}: sessions of {enumerated(split, MOST_NAMED)} are in several folds, so that networks are tested on subjects "
        "whom they have learned from; put all sessions of a subject into one"
    )
    return chosen, divided, "", doubt if split else ""


def export_fused(dataset: FusedDataset, out: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """Write a data set below ``out``, nnU-Net's folder nnUNet_raw; return its folder, which appears when it is complete.

    The first channel's grid is the case's: consensus and other channels are padded, cropped and turned onto it by whole voxels,
    and nothing is resampled.

    Raises
    ------
    OutputError
        If a data set of this number is there, or cannot be written.
    ImageError, GridError
        If a file cannot be read, or lies on another grid: it names the case and the file.

    Warns
    -----
    FusionWarning
        Of cases that are left out or rest on earlier rates, and of files that were moved onto another grid.
    """
    called = folder_called(dataset.number, dataset.name)
    told = {}
    with free_in(out, dataset.number), appearing(out / called) as folder:
        for case in dataset.cases:
            say(f"{case.name}: writing")
            told[case.name] = _write_case(dataset, case, folder)
        files = {
            folder / RECORD: sidecar_bytes(_record(dataset, told)),
            folder / ABOUT: sidecar_bytes(_about(dataset)),
        }
        if not dataset.tested_alone:
            files[folder / SPLITS] = splits_bytes([case.name for case in dataset.cases], dataset.folds)
        write_all(files)
    moved = [name for name, one in told.items() if one["warnings"]]
    which = (
        f"{enumerated(moved, MOST_NAMED)}: there are remarks on the files; {RECORD} in the data set has them"
    )
    warn([*dataset.remarks, *([which] if moved else [])])
    return out / called


def _write_case(dataset: FusedDataset, case: FusedCase, folder: Path) -> dict[str, Any]:
    """Write a case's images, and its labels unless it is only tested; return what is recorded of it."""
    paths, alone, remarks = dataset.images[case.name], case.name in dataset.tested_alone, list[str]()
    image_kind: Kind = "image"
    kinds: list[Kind] = ["votes", *([image_kind] * len(paths))]
    with _of_case(case.name), reading(list(paths), 0, Wanted().beside()) as images:
        placed, common = on_one_grid(
            [case.consensus, *paths], kinds, chain([dataset.labels.of(case)], images), lambda _: None, remarks
        )
        volumes: dict[Path, Any] = {
            image_file(folder, case.name, channel, alone=alone): finite(image.data, image.path)
            for channel, image in enumerate(placed[1:])
        }
    if not alone:
        volumes[label_file(folder, case.name)] = placed[0].data
    write_all({path: nifti_bytes(path, data, common.like, "fastfuse") for path, data in volumes.items()})
    options = case.facts["options"]
    return {
        "consensus": _file(case.consensus),
        **({} if dataset.labels.new else {"cut": case.cut(dataset.labels.cut), "ties": options.get("ties", "foreground")}),
        "images": [_file(path) for path in paths],
        "warnings": remarks,
    }  # fmt: skip


def _file(path: Path) -> dict[str, str]:
    return {"file": recorded(path), "sha256": hash_of(path)}


@contextmanager
def _of_case(name: str) -> Iterator[None]:
    """Name the case in an error, and offer nothing that an export does not take."""
    try:
        yield
    except FastfuseError as error:
        raise type(error)(f"{name}: {_for_an_export(str(error))}") from error


def _for_an_export(reason: str) -> str:
    """Add to advice for files which of the options in it an export lacks."""
    named = dict.fromkeys(OF_A_FUSION.findall(reason))
    if not named:
        return reason
    lacking = said(either([f"{one} (--{one})" for one in named]))
    return f"{reason}; an export takes no {lacking}, so mend the file, or leave it out"


def _about(dataset: FusedDataset) -> dict[str, Any]:
    """Return the content of dataset.json; programs read over what they do not know."""
    labels, method = dataset.labels, dataset.fused.facts.get("method")
    cuts = set() if labels.new else {case.cut(labels.cut) for case in dataset.cases}
    cut = f", cut at {cuts.pop():g}" if len(cuts) == 1 else ", each case at its own cut" if cuts else ""
    names = {new: name for name, new in labels.names.items()}
    before = {names[new]: old for old, new in labels.new.items()}
    training = len(dataset.cases) - len(dataset.tested_alone)
    told = f"labels: {method} of the raters, by fastfuse{cut}"
    return {
        **about(dataset.name, [one.name for one in dataset.channels], labels.names, training, told),
        "fastfuse": {"version": version("fastfuse"), "method": method, **({"labels_before": before} if before else {})},
    }  # fmt: skip


def _record(dataset: FusedDataset, cases: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tells how the data set was made."""
    fused, labels = dataset.fused, dataset.labels
    return {
        "fastfuse": version("fastfuse"),
        "fused": recorded(fused.folder),
        "settings": fused.facts["settings"],
        "method": fused.facts.get("method"),
        "options": fused.facts.get("options"),
        "channels": {one.name: one.pattern for one in dataset.channels},
        "cut": labels.cut,
        "ignore": labels.ignore and list(labels.ignore),
        "labels_before": {str(new): old for old, new in labels.new.items()} or None,
        "folds": dataset.folds,
        "left_out": fused.left_out,
        "of_earlier_rates": fused.stale,
        "changed_since_written": fused.changed,
        "notes": dataset.notes,
        "cases": dict(cases),
    }
