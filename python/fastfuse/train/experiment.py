"""The experiment, stage by stage: consensus masks, a network for each method and fold, predictions, scores, Table 1.

Each stage writes files in the run's folder, and skips those that are there as they were written:

    run.json  folds.json
    consensus/CASE/METHOD.nii.gz, .json; with consensus.pool=raters also consensus/CASE/fold_K/METHOD.nii.gz, .json
    models/METHOD/fold_K/network.pt, training.csv, made.json (resume.pt while it trains)
    predictions/METHOD/CASE.nii.gz, .json
    metrics.csv  table1.md  table1.csv  table1.tex  figures/  tables.json

Runs of several seeds lie in seed_K each, and share consensus/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from ..cohort.msseg import Case
from ..errors import CohortError, FastfuseError, OutputError
from ..images.outputs import write_all
from ..images.paths import needed_path, shown
from ..inputs.checks import check_flag
from ..report.numbers import plural
from .cohort.common_grid import grid_hashes
from .cohort.division import divided, division_bytes
from .cohort.problem import Problem
from .conclude import conclude_all
from .fit import held_out_of, mend
from .gate import check_first
from .jobs.schedule import Jobs, check_batch, jobs_of, prepared_by_first, train_all
from .narrator import Narrator
from .network.model import check_network
from .network.precision import precision_of
from .network.workers import Workers, make_workers
from .options import ExperimentOptions, OptionsError
from .place import model_hash, place_of
from .provenance import Identity, begin_run, check_run, check_top, hashes_of, key_of, note_volumes, resume_run
from .results.table import Row
from .run import Run
from .targets.fold_targets import fuse_folds, training_of
from .targets.kept_volumes import ratios_of
from .targets.prepare import Prepared, key_on, prepare
from .targets.sample import sample_of

SLICES = 4  # on which a network is tried


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
    jobs: int = 0,
    narrator: Narrator | None = None,
) -> list[Row] | None:
    """Run the experiment, or the rest of it.

    Parameters
    ----------
    cohort : Path
        Folder of cases, as :func:`fastfuse.cohort.msseg.find_cases` reads it.
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
    cohort, out = needed_path(cohort, "cohort"), needed_path(out, "out")
    resume, force = check_flag(resume, "resume"), check_flag(force, "force")
    check_apart(cohort, out)
    with make_workers(device) as workers:
        check_batch(options.training, workers)
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
        at_once = jobs_of(jobs, workers, len(runs) * len(folds) * len(options.methods))
        _go_through(runs, chosen, at_once, resume=resume, force=force)
        return _tables(runs, out) if workers.first else None


def _go_through(runs: Sequence[Run], folds: Sequence[int], jobs: Jobs, *, resume: bool, force: bool) -> None:
    """Train the networks of some folds of the runs, and predict; refuse all that can be before any work."""
    first, cases = runs[0], list(runs[0].cases.values())
    for run in runs:
        for fold in folds:
            held_out_of(cases, run.folds[fold - 1], run.options)
    _check_network(cases[0], first.options, first.workers)
    hashes = hashes_of(cases) | grid_hashes(first.options.grid)
    begun: list[Run] = []
    if first.workers.first:
        begun = _open(runs, hashes, jobs, resume=resume, force=force)
        for run in runs:
            mend(run, folds)
        _tell_of_few(first, folds)
    with prepared_by_first(first, lambda: _prepare(runs, folds, hashes, begun)) as prepared:
        train_all(runs, prepared, folds, jobs)


def _tell_of_few(run: Run, folds: Sequence[int]) -> None:
    """Warn where more cases choose the epoch than train."""
    for fold in folds:
        test = run.folds[fold - 1]
        held = len(held_out_of(list(run.cases.values()), test, run.options))
        left = len(run.cases) - len(test) - held
        if held > left:
            run.tell(
                f"warning: fold {fold} trains on {plural(left, 'case')}, and {held} choose its epoch: for so few cases set "
                "training.validation=none, or share"
            )
            return


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


def _check_network(case: Case, options: ExperimentOptions, workers: Workers) -> None:
    """Refuse a network before any work if it cannot learn from slices of the cohort."""
    training, network = options.training, options.network
    precision = precision_of(workers.device, training.precision)
    if network.model and workers.first:
        count = min(training.batch, SLICES)
        images, target = sample_of(case, count, 2**network.depth, fix_flips=options.fix_flips)
        check_network(network, images, target, workers.device, precision)


def _check_complete(cases: Sequence[Case]) -> None:
    """Refuse a case that lacks images; without a rater it is a problem, which --force goes on with."""
    for case in cases:
        if missing := case.missing_images:
            raise CohortError(
                f"{case.name} lacks {', '.join(missing)}: add the files, or move its folder out of the cohort; "
                "`fastfuse check` lists all problems"
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


def _open(
    runs: Sequence[Run], hashes: Mapping[str, Mapping[str, str]], jobs: Jobs, *, resume: bool, force: bool
) -> list[Run]:
    """Begin each run, after a check of the cohort, or note that it goes on; refuse all before anything is written.

    Returns those that were begun.
    """
    first = runs[0]
    model = model_hash(first.options.network.model)
    workers = first.workers
    batch = len(range(first.options.training.batch)[workers.part])
    identities = [Identity(run.options, hashes, run.folds, model, workers.count, batch) for run in runs]
    now = version("fastfuse")
    if (top := first.consensus_folder.parent) != first.out:
        check_top(top)
    there = [
        check_run(run.out, identity, now, resume=resume)
        for run, identity in zip(runs, identities, strict=True)
    ]
    problems: Sequence[Problem] = ()
    voxels: Mapping[str, Mapping[str, str]] = {}
    if not all(there):
        problems, voxels = check_first(list(first.cases.values()), first.options, first.narrator, force=force)
    place = place_of(workers, first.options.training.precision, jobs.count, jobs.threads)
    for run, identity, is_there in zip(runs, identities, there, strict=True):
        if is_there:
            resume_run(run.out, identity, place)
        else:
            begin_run(run.out, run.cohort, replace(identity, problems=problems, voxels=voxels), place)
        _keep_folds(run)
    return [run for run, is_there in zip(runs, there, strict=True) if not is_there]


def _keep_folds(run: Run) -> None:
    """Write folds.json, which people read; run.json has the same."""
    path = run.out / "folds.json"
    content = division_bytes(path, list(run.cases.values()), run.folds)
    if path.exists():
        if path.is_file() and path.read_bytes() == content:
            return
        run.tell(f"{shown(path)}: is not as the run wrote it; written again")
    write_all({path: content})


def _prepare(
    runs: Sequence[Run],
    folds: Sequence[int],
    hashes: Mapping[str, Mapping[str, str]],
    begun: Sequence[Run],
) -> dict[str, Prepared]:
    """Fuse the cases' raters, and cut all to slices; runs that were ``begun`` are no runs if that is refused."""
    run = runs[0]
    keys = [key_of(hashes[name]) for name in run.cases]
    cases = list(run.cases.values())
    try:
        prepared = prepare(cases, keys, run.options, run.consensus_folder, run.say, run.tell)
        if run.options.consensus.pools:
            _fuse_folds(run, folds, keys)
    except FastfuseError:  # to be mended, and begun again: nothing is trained
        for one in begun:
            (one.out / "folds.json").unlink(missing_ok=True)
            (one.out / "run.json").unlink(missing_ok=True)
        raise
    ratios = ratios_of({name: one.volumes for name, one in prepared.items()})
    for one in runs if ratios else ():
        note_volumes(one.out, ratios)
    return prepared


def _fuse_folds(run: Run, folds: Sequence[int], keys: Sequence[str]) -> None:
    """Fuse the raters anew for each fold, by rates over its training cases."""
    on_grid = {name: key_on(key, run.options.grid) for name, key in zip(run.cases, keys, strict=True)}
    trainings = training_of(on_grid, run.folds, folds)
    cases, methods = list(run.cases.values()), run.options.methods
    fuse_folds(cases, trainings, methods, run.options, run.consensus_folder, run.say, run.tell)


def _tables(runs: Sequence[Run], out: Path) -> list[Row]:
    """Return Table 1; an empty one while predictions are missing."""
    missing = [
        name
        for run in runs
        for method in run.options.methods
        for name in run.cases_without_prediction(method)
    ]
    if missing:
        runs[0].tell(
            f"{plural(len(missing), 'prediction')} {'is' if len(missing) == 1 else 'are'} missing: the table waits for the other folds"
        )
        return []
    return conclude_all(runs, out)
