"""A method's network of a fold: trained, or read from its file, and what it predicts of the fold's cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import torch
from torch import nn

from ...images import nifti
from ...images.outputs import make_folder
from ..cohort.folds import validation_cases
from ..cohort.msseg import Case
from ..narrator import Narrator
from ..options import ExperimentOptions
from ..provenance import write_all
from ..results.sheets import csv_of
from ..run import Run
from ..targets.prepare import Prepared
from . import checkpoint
from .batches import predict
from .board import board
from .training import Epoch, mixed_on, train
from .unet import make_network


def fit_and_predict(run: Run, prepared: dict[str, Prepared], method: str, fold: int) -> None:
    """Train the network of a method and fold, and let it predict the fold's cases."""
    test = run.folds[fold - 1]
    if all(run.prediction(method, name).exists() for name in test):
        return
    network = trained(run, prepared, method, fold, [name for name in run.cases if name not in test])
    run.workers.wait()
    if not run.workers.first:
        return
    training, device = run.options.training, run.workers.device
    for name in test:
        slices = predict(network, prepared[name].images, device, training.batch, mixed_on(device, training))
        path = run.prediction(method, name)
        like, volume = prepared[name].like, prepared[name].volume(slices)
        write_all({path: nifti.nifti_bytes(path, volume, like, f"fastfuse {method} fold {fold}")})


def trained(
    run: Run, prepared: dict[str, Prepared], method: str, fold: int, names: Sequence[str]
) -> nn.Module:
    """Return the network of a method and fold, from its file or by training it on the named cases."""
    options, device, path = run.options, run.workers.device, run.model(method, fold)
    torch.manual_seed(options.seed * 1000 + fold)  # the same first weights for every method
    channels = next(iter(prepared.values())).images.shape[1]
    network = make_network(options.network, channels)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if path.exists():
        with checkpoint.fitting(path):
            network.load_state_dict(checkpoint.load(path, device)["network"])
        return network
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
        write_all({path.with_name("training.csv"): history_csv(history)})
        checkpoint.save(path, facts)
        resume_from.unlink(missing_ok=True)
    return network


def held_out_of(cases: Sequence[Case], test: Sequence[str], options: ExperimentOptions) -> list[str]:
    """Return the cases by which the best epoch is chosen, where others are tested."""
    if not options.training.hold_out:
        return []
    return validation_cases([case for case in cases if case.name not in test], options.seed)


def history_csv(history: Sequence[Epoch]) -> bytes:
    """Serialise what each epoch came to."""
    rows = (
        (e.number, repr(e.loss), "" if e.validation is None else repr(e.validation), f"{e.seconds:.4f}")
        for e in history
    )
    return csv_of(("epoch", "loss", "validation", "seconds"), rows)
