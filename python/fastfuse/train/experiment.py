"""The experiment, stage by stage: consensus masks, a network for each method and fold, predictions, scores, Table 1.

Each stage writes files in the run's folder, and skips those that are there as they were written:

    run.json  folds.json
    consensus/CASE/METHOD.nii.gz, .json
    models/METHOD/fold_K/network.pt, training.csv, made.json (resume.pt while it trains)
    predictions/METHOD/CASE.nii.gz, .json
    metrics.csv  table1.md  table1.csv  table1.tex  figures/

Runs of several seeds lie in seed_K each, and share consensus/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import torch

from ..errors import CohortError, OutputError
from ..images.paths import shown
from .cohort.common_grid import grid_hashes
from .cohort.division import divided, division_bytes
from .cohort.layout import MODALITIES
from .cohort.msseg import Case
from .conclude import conclude_all
from .files import write_all
from .fit import fit_and_predict, held_out_of
from .gate import check_first
from .narrator import Narrator
from .network.unet import check_output, make_network
from .network.workers import make_workers
from .options import ExperimentOptions, OptionsError
from .place import model_hash, place_of
from .provenance import Identity, begin_run, check_run, hashes_of, key_of, resume_run
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
    force: bool = False,
    folds_file: Path | None = None,
    only_folds: Sequence[int] = (),
    seeds: Sequence[int] = (),
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
    force : bool
        Begin despite problems of the cohort, which run.json then lists.
    folds_file : Path, optional
        A folds.json to use instead of new folds, or one division: ``{"train": [names], "test": [names]}``.
    only_folds : sequence of int
        Train only these folds, numbered from 1. Tables and figures wait for the others.
    seeds : sequence of int
        Make a whole run of each seed, in ``out``/seed_K, and one table of all; ``options.seed`` does not count then.
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
    check_apart(cohort, out)
    cases, folds = divided(cohort, options, folds_file)
    _check_complete(cases)
    chosen = _chosen_folds(only_folds, len(folds))
    options = replace(options, folds=len(folds))
    narrator = narrator or Narrator(silent=True)
    named = {case.name: case for case in cases}
    runs = [
        Run(cohort.resolve(), folder, one, named, folds, workers, narrator, out / "consensus")
        for folder, one in _of_seeds(out, options, seeds)
    ]
    for run in runs:
        for fold in chosen:
            held_out_of(cases, folds[fold - 1], run.options)
    hashes = hashes_of(cases) | grid_hashes(options.grid)
    if workers.first:
        _open(runs, hashes, resume=resume, force=force)
    workers.wait()
    prepared = _prepare(runs[0], [key_of(hashes[case.name]) for case in cases])
    for run in runs:
        for fold in chosen:
            for method in options.methods:
                fit_and_predict(run, prepared, method, fold)
    workers.wait()
    return _tables(runs, out) if workers.first else None


def check_apart(cohort: Path, out: Path) -> None:
    """Refuse a run inside the cohort, where its files would be taken for the cohort's, and a cohort inside the run.

    Raises
    ------
    OutputError
        It names both.
    """
    inside, around = out.resolve(), cohort.resolve()
    if inside == around:
        raise OutputError(f"{shown(out)}: is the cohort; choose another folder for the run")
    if around in inside.parents:
        raise OutputError(f"{shown(out)}: lies in the cohort {shown(cohort)}; choose a folder beside it")
    if inside in around.parents:
        raise OutputError(f"{shown(out)}: holds the cohort {shown(cohort)}; choose a folder of the run's own")


def _check_network(options: ExperimentOptions) -> None:
    """Refuse a network before any work if its output does not fit."""
    edge = 2**options.network.depth
    check_output(make_network(options.network, len(MODALITIES)), torch.zeros(1, len(MODALITIES), edge, edge))


def _check_complete(cases: Sequence[Case]) -> None:
    """Refuse a case that lacks files."""
    for case in cases:
        if case.missing:
            raise CohortError(
                f"{case.name} lacks {', '.join(case.missing)}: add the files; `fastfuse check` lists all problems"
            )


def _chosen_folds(only: Sequence[int], count: int) -> list[int]:
    for fold in only:
        if not 1 <= fold <= count:
            raise CohortError(f"only_folds holds {fold}: folds are 1 to {count}")
    return sorted(set(only)) or list(range(1, count + 1))


def _of_seeds(
    out: Path, options: ExperimentOptions, seeds: Sequence[int]
) -> list[tuple[Path, ExperimentOptions]]:
    """Return the folder and the options of each seed's run: ``out`` itself without ``seeds``."""
    if not seeds:
        if held := sorted(path.parent.name for path in out.glob("seed_*/run.json")):
            raise OutputError(
                f"{shown(out)}: holds runs of several seeds ({', '.join(held)}); pass --seeds, or choose another folder"
            )
        return [(out, options)]
    if len(set(seeds)) < len(seeds):
        raise OptionsError(f"seeds is {list(seeds)}: name none twice")
    if (out / "run.json").exists():
        raise OutputError(f"{shown(out)}: holds a run of one seed; choose another folder for several")
    return [(out / f"seed_{seed}", replace(options, seed=seed)) for seed in seeds]


def _open(runs: Sequence[Run], hashes: Mapping[str, Mapping[str, str]], *, resume: bool, force: bool) -> None:
    """Begin each run, after a check of the cohort, or note that it goes on; refuse all before anything is written."""
    first = runs[0]
    model = model_hash(first.options.network.model)
    workers, batch = first.workers, first.options.training.batch
    identities = [Identity(run.options, hashes, run.folds, model, workers.count, batch) for run in runs]
    now = version("fastfuse")
    there = [
        check_run(run.out, identity, now, resume=resume)
        for run, identity in zip(runs, identities, strict=True)
    ]
    problems = []
    if not all(there):
        problems = check_first(list(first.cases.values()), hashes, first.options, first.narrator, force=force)
    place = place_of(workers)
    for run, identity, is_there in zip(runs, identities, there, strict=True):
        if is_there:
            resume_run(run.out, identity, place)
        else:
            begin_run(run.out, run.cohort, replace(identity, problems=problems), place)
        _keep_folds(run)


def _keep_folds(run: Run) -> None:
    """Write folds.json, which people read; run.json has the same."""
    path = run.out / "folds.json"
    content = division_bytes(path, list(run.cases.values()), run.folds)
    if path.exists():
        if path.is_file() and path.read_bytes() == content:
            return
        run.tell(f"{shown(path)}: is not as the run wrote it; written again")
    write_all({path: content})


def _prepare(run: Run, keys: list[str]) -> dict[str, Prepared]:
    """Prepare the cases in the first process; the others wait, and then find all consensus masks."""
    if not run.workers.first:
        run.workers.wait()
    cases = list(run.cases.values())
    prepared = prepare(cases, keys, run.options, run.consensus_folder, run.say, run.tell)
    if run.workers.first:
        run.workers.wait()
    return prepared


def _tables(runs: Sequence[Run], out: Path) -> list[Row]:
    """Return Table 1; an empty one while predictions are missing."""
    missing = [
        name
        for run in runs
        for method in run.options.methods
        for name in run.cases_without_prediction(method)
    ]
    if missing:
        runs[0].tell(f"{len(missing)} predictions are missing: the table waits for the other folds")
        return []
    return conclude_all(runs, out)
