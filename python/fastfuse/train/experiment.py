"""The experiment, stage by stage: consensus masks, a network for each method and fold, predictions, scores, Table 1.

Each stage leaves files in the run's folder and skips what is there:

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
from .cohort.folds import make_folds, read_folds, write_folds
from .cohort.layout import MODALITIES
from .cohort.msseg import Case, find_cases
from .narrator import Narrator
from .network.fit import fit_and_predict, held_out_of
from .network.unet import check_output, make_network
from .network.workers import make_workers
from .options import ExperimentOptions
from .provenance import hashes_of, key_of, open_run
from .results.conclude import conclude
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
    """Run the experiment, or what is left of it.

    Parameters
    ----------
    cohort : Path
        Folder of cases, as :func:`fastfuse.train.msseg.find_cases` reads it.
    out : Path
        The run's folder.
    options : ExperimentOptions
    device : str
        As torch calls it; "auto": CUDA where there is one.
    resume : bool
        Go on with the run that is there.
    folds_file : Path, optional
        folds.json of one's own.
    only_folds : sequence of int
        Train these folds alone, from 1; tables and figures wait for the rest.
    narrator : Narrator, optional

    Returns
    -------
    list of Row or None
        Table 1; empty while folds are missing. None in all processes but the first.

    Raises
    ------
    FastfuseError
        For a cohort, a run or a device that cannot be used.
    """
    workers = make_workers(device)
    edge = 2**options.network.depth  # refuse early
    check_output(make_network(options.network, len(MODALITIES)), torch.zeros(1, len(MODALITIES), edge, edge))
    narrator = narrator or Narrator(silent=True)
    cases = _usable(find_cases(cohort, options.split))
    folds = make_folds(cases, options.folds) if folds_file is None else read_folds(folds_file, cases)
    chosen = _chosen_folds(only_folds, len(folds))
    for fold in chosen:
        held_out_of(cases, folds[fold - 1], options)
    hashes = hashes_of(cases)
    if out.resolve() == cohort.resolve():
        raise OutputError(f"{shown(out)}: is the cohort; choose another folder for the run")
    options = replace(options, folds=len(folds))
    if workers.first:
        place = {"device": str(workers.device), "threads": torch.get_num_threads()}
        open_run(out, cohort, options, hashes, place, resume=resume)
        _keep_folds(out / "folds.json", folds, cases)
    workers.wait()
    run = Run(cohort.resolve(), out, options, {case.name: case for case in cases}, folds, workers, narrator)
    keys = [key_of(hashes[case.name]) for case in cases]
    prepared = _prepare(run, cases, keys)
    for fold in chosen:
        for method in options.methods:
            fit_and_predict(run, prepared, method, fold)
    workers.wait()
    if not workers.first:
        return None
    missing = [name for method in options.methods for name in run.cases_without_prediction(method)]
    if missing:
        narrator.tell(f"{len(missing)} predictions are missing: the table waits for the other folds")
        return []
    return conclude(run)


def _usable(cases: list[Case]) -> list[Case]:
    """Return the cases, each with all modalities."""
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
    """Write folds.json; those that a run began with must stay."""
    if path.exists():
        if read_folds(path, cases) != folds:
            raise CohortError(f"{path}: the run began with other folds; choose another folder")
        return
    write_folds(path, folds, cases)


def _prepare(run: Run, cases: list[Case], keys: list[str]) -> dict[str, Prepared]:
    """Fuse in the first process; the others then find all consensus masks there."""
    if not run.workers.first:
        run.workers.wait()
    prepared = prepare(cases, keys, run.options, run.out / "consensus", run.say, run.tell)
    if run.workers.first:
        run.workers.wait()
    return prepared
