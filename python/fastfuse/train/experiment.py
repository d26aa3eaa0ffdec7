"""The experiment, stage by stage: consensus masks, a network for each method and fold, predictions, scores, Table 1.

Each stage writes files in the run's folder, and skips those that exist:

    run.json  folds.json
    consensus/CASE/METHOD.nii.gz, .json
    models/METHOD/fold_K/network.pt, training.csv (resume.pt while it trains)
    predictions/METHOD/CASE.nii.gz, .json
    metrics.csv  table1.md  table1.csv  table1.tex  figures/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ..errors import CohortError, OutputError
from ..images.paths import shown
from .cohort.common_grid import grid_hashes
from .cohort.folds import make_folds, read_folds, write_folds
from .cohort.layout import MODALITIES
from .cohort.msseg import Case, find_cases
from .cohort.voxel_sizes import mixed_voxels
from .conclude import conclude
from .fit import fit_and_predict, held_out_of
from .narrator import Narrator
from .network.unet import check_output, make_network
from .network.workers import make_workers
from .options import ExperimentOptions
from .provenance import hashes_of, key_of, open_run
from .results.table import Row
from .run import Run
from .targets.prepare import Prepared, prepare


def run_experiment(
    cohort: Path,
    out: Path,
    options: ExperimentOptions,
    *,
    device: str = "auto",
    resume: bool = False,
    folds_file: Path | None = None,
    only_folds: Sequence[int] = (),
    narrator: Narrator | None = None,
) -> list[Row] | None:
    """Run the experiment, or the rest of it.

    Parameters
    ----------
    cohort : Path
        Folder of cases, as :func:`fastfuse.train.cohort.msseg.find_cases` reads it.
    out : Path
        The run's folder.
    options : ExperimentOptions
    device : str
        A device of torch, or "auto": CUDA if there is one, else the CPU.
    resume : bool
        Go on with the run in ``out``.
    folds_file : Path, optional
        A folds.json to use instead of new folds.
    only_folds : sequence of int
        Train only these folds, numbered from 1. Tables and figures wait for the others.
    narrator : Narrator, optional

    Returns
    -------
    list of Row or None
        Table 1, empty while folds are missing; None in all processes except the first.

    Raises
    ------
    FastfuseError
        For a cohort, a run or a device that cannot be used.
    """
    workers = make_workers(device)
    _check_network(options)
    cases = _usable(find_cases(cohort, options.split))
    folds = make_folds(cases, options.folds) if folds_file is None else read_folds(folds_file, cases)
    chosen = _chosen_folds(only_folds, len(folds))
    for fold in chosen:
        held_out_of(cases, folds[fold - 1], options)
    if not options.grid.used and (mixed := mixed_voxels(cases)):
        raise CohortError(f"{mixed.case}: {mixed.what}: {mixed.remedy}")
    hashes = hashes_of(cases) | grid_hashes(options.grid)
    if out.resolve() == cohort.resolve():
        raise OutputError(f"{shown(out)}: is the cohort; choose another folder for the run")
    options = replace(options, folds=len(folds))
    narrator = narrator or Narrator(silent=True)
    run = Run(
        cohort.resolve(),
        out,
        options,
        {case.name: case for case in cases},
        folds,
        workers,
        narrator,
        out / "consensus",
    )
    if workers.first:
        place = {"device": str(workers.device), "threads": torch.get_num_threads()}
        open_run(out, cohort, options, hashes, place, resume=resume)
        _keep_folds(out / "folds.json", folds, cases)
    workers.wait()
    prepared = _prepare(run, [key_of(hashes[case.name]) for case in cases])
    for fold in chosen:
        for method in options.methods:
            fit_and_predict(run, prepared, method, fold)
    workers.wait()
    return _table(run) if workers.first else None


def _check_network(options: ExperimentOptions) -> None:
    """Refuse a network before any work if its output does not fit."""
    edge = 2**options.network.depth
    check_output(make_network(options.network, len(MODALITIES)), torch.zeros(1, len(MODALITIES), edge, edge))


def _table(run: Run) -> list[Row]:
    """Return Table 1; an empty one while predictions are missing."""
    missing = [name for method in run.options.methods for name in run.cases_without_prediction(method)]
    if missing:
        run.narrator.tell(f"{len(missing)} predictions are missing: the table waits for the other folds")
        return []
    return conclude(run)


def _usable(cases: list[Case]) -> list[Case]:
    """Return the cases; refuse one that lacks files."""
    for case in cases:
        if case.missing:
            raise CohortError(
                f"{case.name} lacks {', '.join(case.missing)}: add the files; `fastfuse check` lists all problems"
            )
    return cases


def _chosen_folds(only: Sequence[int], count: int) -> list[int]:
    for fold in only:
        if not 1 <= fold <= count:
            raise CohortError(f"only_folds holds {fold}: folds are 1 to {count}")
    return sorted(set(only)) or list(range(1, count + 1))


def _keep_folds(path: Path, folds: list[list[str]], cases: list[Case]) -> None:
    """Write folds.json; a run that goes on must have the same folds."""
    if path.exists():
        if read_folds(path, cases) != folds:
            raise CohortError(f"{path}: the run began with other folds; choose another folder")
        return
    write_folds(path, folds, cases)


def _prepare(run: Run, keys: list[str]) -> dict[str, Prepared]:
    """Prepare the cases in the first process; the others wait, and then find all consensus masks."""
    if not run.workers.first:
        run.workers.wait()
    cases = list(run.cases.values())
    prepared = prepare(cases, keys, run.options, run.consensus_folder, run.say, run.tell)
    if run.workers.first:
        run.workers.wait()
    return prepared
