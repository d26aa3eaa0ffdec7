"""The experiment, stage by stage: consensus masks, a network for each method and fold, predictions, scores, Table 1.

Each stage writes files in the run's folder, and skips those that exist:

    run.json  folds.json
    consensus/CASE/METHOD.nii.gz, .json
    models/METHOD/fold_K/network.pt, training.csv (resume.pt while it trains)
    predictions/METHOD/CASE.nii.gz, .json
    metrics.csv  table1.md  table1.csv  table1.tex  figures/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import CohortError, OutputError
from ..images.paths import shown
from .cohort.folds import make_folds, read_folds, write_folds
from .cohort.msseg import Case, find_cases
from .conclude import conclude
from .fit import held_out_of
from .jobs.schedule import check_batch, jobs_of, prepared_by_first, train_all
from .narrator import Narrator
from .network.model import check_network
from .network.precision import precision_of
from .network.workers import Workers, make_workers
from .options import ExperimentOptions
from .provenance import hashes_of, key_of, open_run
from .results.table import Row
from .run import Run
from .targets.prepare import Prepared, prepare
from .targets.sample import sample_of

SLICES = 4  # on which a network is tried


def run_experiment(
    cohort: Path,
    out: Path,
    options: ExperimentOptions,
    *,
    device: str = "auto",
    resume: bool = False,
    folds_file: Path | None = None,
    only_folds: Sequence[int] = (),
    jobs: int = 0,
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
    jobs : int
        Networks to train at once; 0: on a CPU one for each thread of PyTorch, on CUDA one.
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
    with make_workers(device) as workers:
        return _run_on(
            workers,
            cohort,
            out,
            options,
            resume=resume,
            folds_file=folds_file,
            only_folds=only_folds,
            jobs=jobs,
            narrator=narrator or Narrator(silent=True),
        )


def _run_on(
    workers: Workers,
    cohort: Path,
    out: Path,
    options: ExperimentOptions,
    *,
    resume: bool,
    folds_file: Path | None,
    only_folds: Sequence[int],
    jobs: int,
    narrator: Narrator,
) -> list[Row] | None:
    """Run the experiment in one of the processes that train together."""
    check_batch(options.training, workers)
    cases = _usable(find_cases(cohort, options.split))
    folds = make_folds(cases, options.folds) if folds_file is None else read_folds(folds_file, cases)
    chosen = _chosen_folds(only_folds, len(folds))
    for fold in chosen:
        held_out_of(cases, folds[fold - 1], options)
    if out.resolve() == cohort.resolve():
        raise OutputError(f"{shown(out)}: is the cohort; choose another folder for the run")
    _check_network(cases[0], options, workers)
    hashes = hashes_of(cases)
    options = replace(options, folds=len(folds))
    divided = jobs_of(jobs, workers, len(folds) * len(options.methods))
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
        place = {"device": str(workers.device), "jobs": divided.count, "threads": divided.threads}
        open_run(out, cohort, options, hashes, place, resume=resume)
        _keep_folds(out / "folds.json", folds, cases)
    with prepared_by_first(run, lambda: _prepare(run, hashes)) as prepared:
        train_all([run], prepared, chosen, divided)
    return _table(run) if workers.first else None


def _check_network(case: Case, options: ExperimentOptions, workers: Workers) -> None:
    """Refuse a network before any work if it cannot learn from slices of the cohort."""
    training, network = options.training, options.network
    precision = precision_of(workers.device, training.precision)
    if network.model and workers.first:
        count = min(training.batch, SLICES)
        images, target = sample_of(case, count, 2**network.depth, fix_flips=options.fix_flips)
        check_network(network, images, target, workers.device, precision)


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


def _prepare(run: Run, hashes: Mapping[str, Mapping[str, str]]) -> dict[str, Prepared]:
    """Fuse the cases' raters, and cut all to slices."""
    keys = [key_of(hashes[name]) for name in run.cases]
    cases = list(run.cases.values())
    return prepare(cases, keys, run.options, run.consensus_folder, run.say, run.tell)
