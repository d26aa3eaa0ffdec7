"""A method's network of a fold, trained or read from its file, and its predictions of the fold's cases."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..cohort.msseg import Case
from ..images.paths import shown
from ..images.reading import read
from ..images.sidecar import sidecar_bytes
from .cohort.folds import one_of_each_centre, share_of
from .narrator import Narrator
from .network import checkpoint
from .network.batches import predict
from .network.board import board
from .network.model import inside, make_network
from .network.precision import precision_of
from .network.training import DivergedError, Epoch, train
from .options import ExperimentOptions
from .results.sheets import csv_of
from .run import Run
from .targets.prepare import Prepared
from .targets.slices import Slices


def fit_and_predict(run: Run, prepared: dict[str, Prepared], method: str, fold: int) -> None:
    """Train the network of a method and fold, and write its predictions of the fold's cases."""
    if is_done(run, method, fold):
        return
    test = run.folds[fold - 1]
    lost = [name for name in test if not run.is_predicted(method, name)]
    try:
        network = trained(run, prepared, method, fold, [name for name in run.cases if name not in test])
    except DivergedError as error:
        if run.workers.first:
            _record_failure(run, method, fold, error)
        run.workers.wait()
        return
    run.workers.wait()
    if not run.workers.first:
        return
    training, device = run.options.training, run.workers.device
    precision = precision_of(device, training.precision)
    for name in lost:
        slices = predict(network, prepared[name].images, device, training.batch, precision)
        on_grid, own = run.scored(method, name), run.prediction(method, name)
        if own.exists() and on_grid.exists():
            odd = next(path for path in (own, on_grid) if not run.is_kept(method, fold, path))
            run.tell(f"{shown(odd)}: is not as the run wrote it; predicted again")
        run.keep(method, fold, prepared[name].files(slices, on_grid, own, f"fastfuse {method} fold {fold}"))


def is_done(run: Run, method: str, fold: int) -> bool:
    """Tell whether a method and fold have all predictions, or their training has failed."""
    if run.failure(method, fold) is not None:
        return True
    return all(run.is_predicted(method, name) for name in run.folds[fold - 1])


def _record_failure(run: Run, method: str, fold: int, error: DivergedError) -> None:
    """Write why a training broke off; it is not tried again while that file is there."""
    path = run.model(method, fold)
    failed = path.with_name("failed.json")
    facts = {"epoch": error.epoch, "reason": error.reason}
    files = {path.with_name("training.csv"): history_csv(error.history), failed: sidecar_bytes(facts)}
    run.keep(method, fold, files)
    _resume_file(path).unlink(missing_ok=True)
    run.tell(
        f"warning: {method}, fold {fold}{run.among}: {error}. The others go on; its cases get no prediction. To try it again, "
        f"delete {shown(failed)} and pass --resume"
    )


def trained(
    run: Run, prepared: dict[str, Prepared], method: str, fold: int, names: Sequence[str]
) -> nn.Module:
    """Return the network of a method and fold, from its file or by training it on the named cases."""
    options, device, path = run.options, run.workers.device, run.model(method, fold)
    torch.manual_seed(options.seed * 1000 + fold)  # the same first weights for every method
    channels = next(iter(prepared.values())).images.shape[1]
    network = make_network(options.network, channels)
    with inside(options.network.model):
        network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if path.exists():
        run.check_kept(method, fold, path)
        with checkpoint.fitting(path):
            network.load_state_dict(checkpoint.load(path)["network"])
        return network
    held_out = held_out_of(list(run.cases.values()), run.folds[fold - 1], options)
    needed = [name for name in names if run.workers.first or name not in held_out]
    slices = {name: _aimed(run, prepared[name], method, name, fold).slices(method, device) for name in needed}
    history = _train(run, network, slices, held_out, method, fold)
    if run.workers.first:
        size = next(iter(slices.values())).images.shape[-2:]
        facts = {
            "about": _about(run, method, fold),
            "network": network.state_dict(),
            "options": asdict(options.network),
            "held_out": held_out,
            "size": list(size),  # of the slices: predictions for new cases are made in slices as large
            "history": [[e.number, e.loss, e.validation, e.seconds] for e in history],
        }
        files = {path.with_name("training.csv"): history_csv(history), path: checkpoint.bytes_of(facts)}
        run.keep(method, fold, files)
        _resume_file(path).unlink(missing_ok=True)
    return network


def _aimed(run: Run, case: Prepared, method: str, name: str, fold: int) -> Prepared:
    """Return a case with the consensus that a fold trains on, of raters whose rates its training cases share."""
    if not run.options.consensus.pools:
        return case
    path = run.target(method, name, fold)
    run.check_unchanged(method, name, path)
    return case.aiming_at(method, np.asarray(read(path).data, np.float32))


def _train(
    run: Run, network: nn.Module, slices: dict[str, Slices], held_out: Sequence[str], method: str, fold: int
) -> list[Epoch]:
    """Train a network, report each epoch, and return the history."""
    options, path = run.options, run.model(method, fold)
    title = f"{method}, fold {fold} of {len(run.folds)}{run.among}"
    narrator = run.narrator if run.workers.first else Narrator(silent=True)
    with narrator.training(title, options.training.epochs) as speak, board(path.parent, run.workers) as note:

        def after(history: list[Epoch]) -> None:
            speak(history)
            note(history[-1])

        return train(
            network,
            [cases for name, cases in slices.items() if name not in held_out],
            [slices[name] for name in held_out if name in slices],
            options.training,
            resume_from=_resume_file(path),
            seed=(options.seed, fold),
            workers=run.workers,
            model=options.network.model,
            after=after,
            about=_about(run, method, fold),
        )


def _about(run: Run, method: str, fold: int) -> str:
    """Return one hash of what a training depends on, but for the cases' files."""
    options = {name: value for name, value in asdict(run.options).items() if name != "evaluation"}
    return hashlib.sha256(json.dumps([options, run.folds, method, fold]).encode()).hexdigest()


def mend(run: Run, folds: Sequence[int]) -> None:
    """Write training.csv, and the record of hashes, again from what a network's file tells, if they are damaged."""
    for fold in folds:
        for method in run.options.methods:
            _mend(run, method, fold)


def _mend(run: Run, method: str, fold: int) -> None:
    network = run.model(method, fold)
    path, failed = network.with_name("training.csv"), network.with_name("failed.json")
    if run.has_changed(method, fold, failed):
        run.tell(f"{shown(failed)}: is not as the run wrote it; that network is trained again")
        failed.unlink()
    if not network.exists():
        return
    if not run.is_known(method, fold, network) and _is_of(network, _about(run, method, fold)):
        run.tell(f"{shown(network.with_name('made.json'))}: is not as the run wrote it; written again")
        run.note(method, fold, network)
    if not run.is_kept(method, fold, network):
        run.tell(
            f"warning: {shown(network)}: is not the file that the run wrote; put that one back, or delete it"
        )
    elif not run.is_kept(method, fold, path):
        run.tell(f"{shown(path)}: is not as the run wrote it; written again")
        history = [Epoch(*row) for row in checkpoint.load(network)["history"]]
        run.keep(method, fold, {path: history_csv(history)})


def _is_of(network: Path, about: str) -> bool:
    return network.is_file() and checkpoint.load(network).get("about") == about


def _resume_file(network: Path) -> Path:
    """Return the checkpoint's path while a network trains."""
    return network.with_name("resume.pt")


def held_out_of(cases: Sequence[Case], test: Sequence[str], options: ExperimentOptions) -> list[str]:
    """Return the names of the validation cases, which select the best epoch; none with validation=none."""
    training = [case for case in cases if case.name not in test]
    if options.training.validation == "none":
        return []
    if options.training.validation == "centres":
        return one_of_each_centre(training, options.seed)
    return share_of(training, options.training.validation_share, options.seed)


def history_csv(history: Sequence[Epoch]) -> bytes:
    """Serialise the epochs' losses and times."""
    rows = (
        (e.number, repr(e.loss), "" if e.validation is None else repr(e.validation), f"{e.seconds:.4f}")
        for e in history
    )
    return csv_of(("epoch", "loss", "validation", "seconds"), rows)
