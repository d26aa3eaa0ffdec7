"""The training loop: Adam on the soft Dice loss, with checkpoints from which a killed run goes on to the same bits.

Slices and angles of epoch e are drawn from a generator seeded with (seed, rank, e); torch's own generator is seeded
in each epoch, too. So a checkpoint holds only weights, the optimiser's state and the history.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import FastfuseError
from ..options import TrainingOptions
from ..targets.slices import Slices
from . import checkpoint
from .batches import Pool, predict
from .loss import soft_dice_loss
from .workers import Workers


@dataclass(frozen=True)
class Epoch:
    """Losses and time of an epoch; ``validation`` is None in epochs without validation."""

    number: int
    loss: float
    validation: float | None
    seconds: float


@dataclass
class State:
    """Everything that a training needs to go on."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    history: list[Epoch]
    best: dict[str, Tensor] | None = None  #: weights of the best epoch so far
    best_loss: float = float("inf")

    @staticmethod
    def first(network: nn.Module, options: TrainingOptions, device: torch.device) -> State:
        """Return the state before the first epoch."""
        adam = torch.optim.Adam(
            network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
        )
        scaler = torch.amp.GradScaler(device.type, enabled=mixed_on(device, options))
        return State(network, adam, scaler, [])

    def keep_if_best(self, loss: float) -> None:
        """Keep a copy of the weights if their validation loss is the lowest so far."""
        if loss < self.best_loss:
            self.best, self.best_loss = copy.deepcopy(self.network.state_dict()), loss

    def save(self, path: Path, about: str) -> None:
        """Write a checkpoint of the training ``about``."""
        checkpoint.save(
            path,
            {
                "about": about,
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
                "history": [[e.number, e.loss, e.validation, e.seconds] for e in self.history],
                "best": self.best,
                "best_loss": self.best_loss,
            },
        )

    def restore(self, path: Path, device: torch.device, about: str) -> None:
        """Load a checkpoint; refuse that of another training."""
        with checkpoint.fitting(path):
            kept = checkpoint.load(path, device)
            if kept["about"] != about:
                raise ValueError("it is of another training")
            self.network.load_state_dict(kept["network"])
            self.optimizer.load_state_dict(kept["optimizer"])
            self.scaler.load_state_dict(kept["scaler"])
            self.history = [Epoch(*row) for row in kept["history"]]
            self.best, self.best_loss = kept["best"], kept["best_loss"]


def mixed_on(device: torch.device, options: TrainingOptions) -> bool:
    """Return whether to compute in half precision where possible."""
    return options.precision in ("auto", "float16") and device.type == "cuda"


def train(
    network: nn.Module,
    cases: Sequence[Slices],
    held_out: Sequence[Slices],
    options: TrainingOptions,
    *,
    resume_from: Path,
    seed: Sequence[int],
    workers: Workers,
    after: Callable[[list[Epoch]], Any] = lambda _: None,
    about: str = "",
) -> list[Epoch]:
    """Train a network in place; keep the weights of the best epoch, or of the last if no case is held out.

    Parameters
    ----------
    network : nn.Module
        On the device of ``workers``.
    cases, held_out : sequence of Slices
        Training cases, and validation cases that select the best epoch.
    resume_from : Path
        The checkpoint. If it exists, training goes on from it.
    seed : sequence of int
        Seed of batches and angles.
    after : callable
        Called after each epoch with the history.
    about : str
        What is trained; a checkpoint of anything else is refused.

    Returns
    -------
    list of Epoch
    """
    device = workers.device
    state = State.first(network, options, device)
    if resume_from.exists():
        state.restore(resume_from, device, about)
    pool = Pool(cases, options.lesion_share, options.rotation_deg)
    parallel = workers.wrap(network)
    saved_at = time.monotonic()
    for number in range(len(state.history) + 1, options.epochs + 1):
        begin = time.monotonic()
        rng = _seeded([*seed, workers.rank, number])
        loss = run_epoch(parallel, pool, state, options, rng, device)
        if not math.isfinite(loss):
            raise FastfuseError(f"the loss is {loss} in epoch {number}; lower training.learning_rate")
        validation = None
        if held_out and (number % options.validate_every == 0 or number == options.epochs):
            validation = validate(network, held_out, options, device)
            state.keep_if_best(validation)
        state.history.append(Epoch(number, workers.mean(loss), validation, time.monotonic() - begin))
        after(state.history)
        if workers.first and time.monotonic() - saved_at >= options.save_every_s:
            state.save(resume_from, about)
            saved_at = time.monotonic()
    if state.best is not None:
        network.load_state_dict(state.best)
    return state.history


def _seeded(key: Sequence[int]) -> np.random.Generator:
    """Return an epoch's generator of batches and angles, and seed torch's own, which dropout draws from."""
    torch.manual_seed(int(np.random.default_rng([*key, 1]).integers(2**63)))
    return np.random.default_rng(key)


def run_epoch(
    network: nn.Module,
    pool: Pool,
    state: State,
    options: TrainingOptions,
    rng: np.random.Generator,
    device: torch.device,
) -> float:
    """Take an epoch's steps; return their mean loss."""
    network.train()
    mixed = mixed_on(device, options)
    total = torch.zeros((), device=device)
    for _ in range(options.steps):
        images, target = pool.draw(rng, options.batch)
        images = images.to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.float16, enabled=mixed):
            predicted = network(images)
        loss = soft_dice_loss(predicted, target.to(device), options.dice)
        state.optimizer.zero_grad(set_to_none=True)
        state.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        if options.clip:
            state.scaler.unscale_(state.optimizer)
            nn.utils.clip_grad_norm_(network.parameters(), options.clip)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        total += loss.detach()
    return float(total) / options.steps


def validate(
    network: nn.Module, held_out: Sequence[Slices], options: TrainingOptions, device: torch.device
) -> float:
    """Return the loss over all slices of the validation cases together."""
    mixed = mixed_on(device, options)
    predicted = [predict(network, case.images, device, options.batch, mixed).flatten() for case in held_out]
    target = torch.cat([case.target.cpu().flatten() for case in held_out])
    return float(soft_dice_loss(torch.cat(predicted), target, options.dice))
