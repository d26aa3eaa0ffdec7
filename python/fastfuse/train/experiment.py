"""The experiment, stage by stage: consensus masks, a network for each method and fold, predictions, scores, Table 1.

Each stage leaves files in the run's folder and skips what is there:

    run.json  folds.json
    consensus/CASE/METHOD.nii.gz, .json
    models/METHOD/fold_K/network.pt, training.csv (resume.pt while it trains)
    predictions/METHOD/CASE.nii.gz, .json
    metrics.csv  table1.md  table1.csv  table1.tex  figures/
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import nifti
from ..errors import CohortError
from ..outputs import make_folder
from ..sidecar import sidecar_bytes
from . import checkpoint, table
from .batches import predict
from .board import board
from .folds import make_folds, read_folds, validation_cases, write_folds
from .layout import MODALITIES
from .loading import load_case
from .msseg import Case, find_cases
from .narrator import Narrator
from .network import check_output, make_network
from .options import ExperimentOptions
from .prepare import Prepared, prepare
from .record import hashes_of, json_of, key_of, open_run, write_all
from .scores import Score, csv_bytes, evaluation_from, facts_of, references_of, score_case
from .table import Row
from .training import Epoch, train
from .workers import Workers, make_workers


@dataclass
class Experiment:
    """A run under way."""

    out: Path
    options: ExperimentOptions
    cases: dict[str, Case]
    folds: list[list[str]]
    workers: Workers
    narrator: Narrator

    def prediction(self, method: str, name: str) -> Path:
        """Return where a case's prediction lies."""
        return self.out / "predictions" / method / f"{name}.nii.gz"

    def model(self, method: str, fold: int) -> Path:
        """Return where a network's weights lie; folds count from 1."""
        return self.out / "models" / method / f"fold_{fold}" / "network.pt"

    def say(self, what: str) -> None:
        """Speak, if this is the first process."""
        if self.workers.first:
            self.narrator.say(what)


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
    make_network(options.network.model, len(MODALITIES), options.network.width, options.network.depth)
    narrator = narrator or Narrator(silent=True)
    cases = _usable(find_cases(cohort, options.split))
    folds = make_folds(cases, options.folds) if folds_file is None else read_folds(folds_file, cases)
    chosen = _chosen_folds(only_folds, len(folds))
    for fold in chosen:
        held_out_of(cases, folds[fold - 1], options)  # refuse early
    hashes = hashes_of(cases)
    if workers.first:
        open_run(out, cohort, options, hashes, resume=resume)
        _keep_folds(out / "folds.json", folds, cases)
    workers.wait()
    run = Experiment(out, options, {case.name: case for case in cases}, folds, workers, narrator)
    keys = [key_of(hashes[case.name]) for case in cases]
    prepared = _prepare(run, cases, keys)
    for fold in chosen:
        for method in options.methods:
            fit_and_predict(run, prepared, method, fold)
    workers.wait()
    if not workers.first:
        return None
    missing = [name for method in options.methods for name in cases_without(run, method)]
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


def _prepare(run: Experiment, cases: list[Case], keys: list[str]) -> dict[str, Prepared]:
    """Fuse in the first process; the others then find all consensus masks there."""
    if not run.workers.first:
        run.workers.wait()
    prepared = prepare(cases, keys, run.options, run.out / "consensus", run.say)
    if run.workers.first:
        run.workers.wait()
    return prepared


def cases_without(run: Experiment, method: str) -> list[str]:
    """Return the names of the cases without a prediction by a method."""
    return [name for name in run.cases if not run.prediction(method, name).exists()]


def fit_and_predict(run: Experiment, prepared: dict[str, Prepared], method: str, fold: int) -> None:
    """Train the network of a method and fold, and let it predict the fold's cases."""
    test = run.folds[fold - 1]
    if all(run.prediction(method, name).exists() for name in test):
        return
    network = trained(run, prepared, method, fold, [name for name in run.cases if name not in test])
    run.workers.wait()
    if not run.workers.first:
        return
    for name in test:
        slices = predict(network, prepared[name].images, run.workers.device, run.options.training.batch)
        path = run.prediction(method, name)
        like = nifti.read(run.cases[name].images["FLAIR"])
        volume = prepared[name].volume(slices)
        write_all({path: nifti.nifti_bytes(path, volume, like, f"fastfuse {method} fold {fold}")})


def trained(
    run: Experiment, prepared: dict[str, Prepared], method: str, fold: int, names: Sequence[str]
) -> nn.Module:
    """Return the network of a method and fold, from its file or by training it on the named cases."""
    options, device, path = run.options, run.workers.device, run.model(method, fold)
    torch.manual_seed(options.seed * 1000 + fold)  # the same first weights for every method
    channels = next(iter(prepared.values())).images.shape[1]
    network = make_network(options.network.model, channels, options.network.width, options.network.depth)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if path.exists():
        network.load_state_dict(checkpoint.load(path, device)["network"])
        return network
    check_output(network, prepared[names[0]].images[:1].to(device))
    make_folder(path.parent)
    held_out = held_out_of(list(run.cases.values()), run.folds[fold - 1], options)
    learn = [name for name in names if name not in held_out]
    resume_from = path.with_name("resume.pt")
    title = f"{method}, fold {fold} of {len(run.folds)}"
    narrator = run.narrator if run.workers.first else Narrator(silent=True)
    with narrator.training(title, options.training.epochs) as speak, board(path.parent, run.workers) as note:

        def after(history: list[Epoch]) -> None:
            speak(history)
            note(history[-1])

        history = train(
            network,
            [prepared[name].slices(method, device) for name in learn],
            [prepared[name].slices(method, device) for name in held_out],
            options.training,
            resume_from=resume_from,
            seed=(options.seed, fold),
            workers=run.workers,
            after=after,
        )
    if run.workers.first:
        facts = {"network": network.state_dict(), "options": asdict(options.network), "held_out": held_out}
        checkpoint.save(path, facts)
        write_all({path.with_name("training.csv"): history_csv(history)})
        resume_from.unlink(missing_ok=True)
    return network


def held_out_of(cases: Sequence[Case], test: Sequence[str], options: ExperimentOptions) -> list[str]:
    """Return the cases by which the best epoch is chosen, where others are tested."""
    if not options.training.hold_out:
        return []
    return validation_cases([case for case in cases if case.name not in test], options.seed)


def history_csv(history: Sequence[Epoch]) -> bytes:
    """Serialise what each epoch came to."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", "loss", "validation", "seconds"])
    for epoch in history:
        validation = "" if epoch.validation is None else repr(epoch.validation)
        writer.writerow([epoch.number, repr(epoch.loss), validation, f"{epoch.seconds:.4f}"])
    return text.getvalue().encode()


def conclude(run: Experiment) -> list[Row]:
    """Score every prediction, write the tables, draw the figures."""
    scores = [
        score
        for number, names in enumerate(run.folds, start=1)
        for name in names
        for score in _scores_of_case(run, number, name)
    ]
    order = {method: at for at, method in enumerate(run.options.methods)}
    scores.sort(key=lambda score: order[score.method])
    rows = table.rows_of(scores, run.options.methods)
    write_all(
        {
            run.out / "metrics.csv": csv_bytes(scores),
            run.out / "table1.md": table.markdown(rows).encode(),
            run.out / "table1.csv": table.csv_bytes(rows),
            run.out / "table1.tex": table.latex(rows).encode(),
        }
    )
    from .plots import draw_figures

    run.say("drawing")
    draw_figures(run, scores)
    return rows


def _scores_of_case(run: Experiment, fold: int, name: str) -> list[Score]:
    """Return a case's scores by every method; what is kept beside a prediction is taken from there."""
    case, options = run.cases[name], run.options
    references: dict[str, Any] | None = None
    scores = []
    for method in options.methods:
        path = run.prediction(method, name)
        kept = path.with_name(f"{name}.json")
        facts = json_of(kept)
        if facts is None:
            run.say(f"{name}: measuring {method}")
            if references is None:
                loaded = load_case(case, fix_flips=options.fix_flips)
                staple = nifti.read(run.out / "consensus" / name / "staple.nii.gz").data
                references = references_of(loaded.masks, staple, options.evaluation.cut)
                sides = np.linalg.norm(loaded.like.affine[:3, :3], axis=0).tolist()
            found = score_case(nifti.read(path).data, references, sides, options.evaluation)
            facts = {reference: facts_of(evaluation) for reference, evaluation in found.items()}
            write_all({kept: sidecar_bytes(facts)})
        scores += [
            Score(method, fold, name, case.center, reference, evaluation_from(values))
            for reference, values in facts.items()
        ]
    return scores
