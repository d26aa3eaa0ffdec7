"""Finished runs, opened from their folders alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from ..cohort.msseg import Case, find_cases
from ..errors import CohortError, FastfuseError
from ..images.paths import shown
from ..images.sidecar import json_of
from .narrator import Narrator
from .network.workers import Workers
from .options import options_from
from .provenance import notes_of
from .run import Run


def open_runs(
    folders: Sequence[Path], narrator: Narrator, *, cohort: Path | None = None, with_cases: bool = True
) -> list[Run]:
    """Return the runs in these folders; a folder with seed_0, seed_1, … in it holds several.

    Parameters
    ----------
    folders : sequence of Path
    narrator : Narrator
    cohort : Path, optional
        The cohort's folder, where it is no longer where the run has read it.
    with_cases : bool
        Find the cases' files, too.

    Raises
    ------
    FastfuseError
        If a folder holds no run, or a case of the run is gone.
    """
    runs = []
    for folder in folders:
        paths = records_in(folder)
        if not paths:
            raise FastfuseError(
                f"{shown(folder)}: holds no run.json, nor seed_0/run.json; give what `fastfuse experiment --out` wrote"
            )
        runs += [_open(path, narrator, cohort, with_cases) for path in paths]
    return runs


def records_in(folder: Path) -> list[Path]:
    """Return the run.json of the folder, or of the runs of each seed in it."""
    seeds = sorted(folder.glob("seed_*/run.json"), key=lambda path: (len(path.parent.name), path))
    return [folder / "run.json"] if (folder / "run.json").exists() else seeds


def notes_on(folders: Sequence[Path]) -> list[str]:
    """Return what a reader of these runs' table should know of how they came about, each sentence once."""
    records = [path for folder in folders for path in records_in(folder)]
    return list(dict.fromkeys(note for path in records for note in notes_of(path.parent)))


def _open(path: Path, narrator: Narrator, cohort: Path | None, with_cases: bool) -> Run:
    record, folds = json_of(path), json_of(path.with_name("folds.json"))
    if isinstance(record, dict) and "folds" in record and not isinstance(folds, dict):
        raise FastfuseError(
            f"{shown(path.with_name('folds.json'))}: is missing or damaged; fastfuse experiment --resume writes it again"
        )
    try:
        options = options_from(record["options"])
        tested = folds["folds"] if "folds" in folds else [folds["test"]]
        root = cohort or Path(record["cohort"])
        divided = record.get("folds", tested)
    except (KeyError, TypeError, AttributeError) as error:
        raise FastfuseError(
            f"{shown(path)}: cannot be read as a run's, or folds.json beside it cannot; "
            "make the run again with this version of fastfuse"
        ) from error
    if tested != divided:
        raise FastfuseError(
            f"{shown(path.with_name('folds.json'))}: is not as the run wrote it; fastfuse experiment --resume writes it again"
        )
    own = path.parent / "consensus"
    consensus = own if own.exists() else path.parent.parent / "consensus"  # which runs of several seeds share
    names = [name for fold in tested for name in fold]
    cases = _cases(root, "all" if options.train else options.split, names, path) if with_cases else {}
    workers = Workers(torch.device("cpu"))
    return Run(root, path.parent, options, cases, tested, workers, narrator, consensus)


def _cases(root: Path, split: str, names: Sequence[str], path: Path) -> dict[str, Case]:
    """Return the cases that the run has tested."""
    try:
        found = {case.name: case for case in find_cases(root, split)}
    except CohortError as error:
        raise CohortError(f"{error}; say by --cohort where the cohort of {shown(path)} is now") from None
    if lost := [name for name in names if name not in found]:
        raise CohortError(
            f"{shown(root)}: {', '.join(lost)} of {shown(path)} not found; give the cohort by --cohort"
        )
    return {name: found[name] for name in names}
