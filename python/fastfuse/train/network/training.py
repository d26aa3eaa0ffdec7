"""The training loop: Adam on the soft Dice loss, with checkpoints from which a killed run goes on to the same bits.

Slices and angles of epoch e are drawn from a generator seeded with (seed, 0, e), in all processes alike; each takes its
part. PyTorch's own generator is seeded in each epoch, too. So a checkpoint holds only weights, the optimiser's state and
the history.
"""

from __future__ import annotations

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
from .model import inside
from .precision import computing_in, precision_of
from .workers import Workers


@dataclass(frozen=True)
class Epoch:
    """Losses and time of an epoch; ``validation`` is None in epochs without validation."""

    number: int
    loss: float
    validation: float | None
    seconds: float


class DivergedError(FastfuseError):
    """A training whose loss or weights are no numbers any more.

    Attributes
    ----------
    reason : str
    epoch : int
        In which it happened.
    history : list of Epoch
        The epochs before.
    """

    def __init__(self, reason: str, epoch: int, history: list[Epoch]) -> None:
        super().__init__(reason, epoch, history)
        self.reason, self.epoch, self.history = reason, epoch, history

    def __str__(self) -> str:
        return f"{self.reason} in epoch {self.epoch}; lower training.learning_rate"


@dataclass
class State:
    """Everything that a training needs to go on."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    history: list[Epoch]
    best: dict[str, Tensor] | None = None  #: weights of the best epoch so far, on the CPU
    best_loss: float = float("inf")

    @staticmethod
    def first(network: nn.Module, options: TrainingOptions, device: torch.device) -> State:
        """Return the state before the first epoch."""
        trained = [weights for weights in network.parameters() if weights.requires_grad]
        adam = torch.optim.Adam(trained, lr=options.learning_rate, weight_decay=options.weight_decay)
        # bfloat16 has the range of float32: its gradients need no scale.
        scaled = precision_of(device, options.precision) == torch.float16
        return State(network, adam, torch.amp.GradScaler(device.type, enabled=scaled), [])

    def keep_if_best(self, loss: float) -> None:
        """Keep a copy of the weights if their validation loss is the lowest so far."""
        if loss < self.best_loss:
            self.best, self.best_loss = checkpoint.on_cpu(self.network.state_dict(), copy=True), loss

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

    def restore(self, path: Path, about: str) -> None:
        """Load a checkpoint, of whatever device it was trained on; refuse that of another training."""
        with checkpoint.fitting(path):
            # On the CPU: weights and moments are moved, but Adam's counts of steps are to stay there, since on a card
            # each would be waited for in each step.
            kept = checkpoint.load(path)
            if kept["about"] != about:
                raise ValueError("it is of another training")
            self.network.load_state_dict(kept["network"])
            self.optimizer.load_state_dict(kept["optimizer"])
            if kept["scaler"] and self.scaler.is_enabled():  # nothing is kept where nothing was scaled
                self.scaler.load_state_dict(kept["scaler"])
            self.history = [Epoch(*row) for row in kept["history"]]
            self.best, self.best_loss = kept["best"], kept["best_loss"]


def train(
    network: nn.Module,
    cases: Sequence[Slices],
    held_out: Sequence[Slices],
    options: TrainingOptions,
    *,
    resume_from: Path,
    seed: Sequence[int],
    workers: Workers,
    model: str = "",
    after: Callable[[list[Epoch]], Any] = lambda _: None,
    about: str = "",
) -> list[Epoch]:
    """Train a network in place; keep the weights of the best epoch, or of the last if no case is held out.

    Parameters
    ----------
    network : nn.Module
        On the device of ``workers``.
    cases, held_out : sequence of Slices
        Training cases, and validation cases that select the best epoch, which the first process alone needs.
    resume_from : Path
        The checkpoint. If it exists, training goes on from it.
    seed : sequence of int
        Seed of batches and angles.
    model : str
        The network's name in errors of its code; none for the U-Net.
    after : callable
        Called after each epoch with the history.
    about : str
        What is trained; a checkpoint of anything else is refused.

    Returns
    -------
    list of Epoch

    Raises
    ------
    DivergedError
        If the loss or the weights are no numbers any more.
    """
    state = State.first(network, options, workers.device)
    if resume_from.exists():
        state.restore(resume_from, about)
    steps = Steps(network, Pool(cases, options.lesion_share, options.rotation_deg), options, workers, model)
    validated = workers.by_first(lambda: len(held_out)) > 0
    saved_at = time.monotonic()
    for number in range(len(state.history) + 1, options.epochs + 1):
        begin = time.monotonic()
        loss, validation = steps.epoch(state, seed, number), None
        _check_finite(loss, "the loss", number, state)
        if validated and (number % options.validate_every == 0 or number == options.epochs):
            validation = workers.by_first(lambda: validate(network, held_out, options, workers.device))
            _check_finite(validation, "the validation loss", number, state)
            if workers.first:
                state.keep_if_best(validation)
        if number == options.epochs:
            _check_weights(network, number, state)
        state.history.append(Epoch(number, loss, validation, time.monotonic() - begin))
        after(state.history)
        if workers.first and time.monotonic() - saved_at >= options.save_every_s:
            state.save(resume_from, about)
            saved_at = time.monotonic()
    if state.best is not None:
        network.load_state_dict(state.best)
    return state.history


def _check_finite(loss: float, what: str, number: int, state: State) -> None:
    if not math.isfinite(loss):
        raise DivergedError(f"{what} is {loss}", number, state.history)


def _check_weights(network: nn.Module, number: int, state: State) -> None:
    """Refuse weights that the last step has ruined, which no loss has told yet."""
    if not all(bool(torch.isfinite(weights).all()) for weights in network.parameters()):
        raise DivergedError("a weight is not finite", number, state.history)


def _seeded(seed: Sequence[int], rank: int, number: int) -> np.random.Generator:
    """Return an epoch's generator of batches and angles, the same in all processes.

    PyTorch's own, which dropout draws from, is seeded for each process apart.
    """
    torch.manual_seed(int(np.random.default_rng([*seed, rank, number, 1]).integers(2**63)))
    return np.random.default_rng([*seed, 0, number])


class Steps:
    """An epoch's steps, of one process among those that share each batch."""

    def __init__(
        self, network: nn.Module, pool: Pool, options: TrainingOptions, workers: Workers, model: str
    ) -> None:
        self._network = workers.wrap(network)
        self._pool, self._options, self._workers, self._model = pool, options, workers, model
        self._precision = precision_of(workers.device, options.precision)

    def epoch(self, state: State, seed: Sequence[int], number: int) -> float:
        """Take an epoch's steps; return their mean loss."""
        rng = _seeded(seed, self._workers.rank, number)
        self._network.train()
        total = torch.zeros((), device=self._workers.device)
        for _ in range(self._options.steps):
            with inside(""):
                total += self._step(state, rng)
        return float(total) / self._options.steps

    def _step(self, state: State, rng: np.random.Generator) -> Tensor:
        """Take a step, and return the loss of the whole batch, before it."""
        options, workers = self._options, self._workers
        images, target = self._pool.draw(rng, options.batch, workers.part)
        images = images.to(workers.device, memory_format=torch.channels_last)
        with inside(self._model), computing_in(workers.device, self._precision):
            predicted = self._network(images)
        loss = soft_dice_loss(predicted, target.to(workers.device), options.dice, workers.total)
        state.optimizer.zero_grad(set_to_none=True)
        # The processes' gradients are averaged, and those of a sum are to be added.
        state.scaler.scale(loss * workers.count).backward()  # type: ignore[no-untyped-call]
        if options.clip:
            state.scaler.unscale_(state.optimizer)
            nn.utils.clip_grad_norm_(self._network.parameters(), options.clip)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        return loss.detach()


def validate(
    network: nn.Module, held_out: Sequence[Slices], options: TrainingOptions, device: torch.device
) -> float:
    """Return the loss over all slices of the validation cases together."""
    precision = precision_of(device, options.precision)
    predicted = [
        predict(network, case.images, device, options.batch, precision).flatten() for case in held_out
    ]
    target = torch.cat([case.target.cpu().flatten() for case in held_out])
    return float(soft_dice_loss(torch.cat(predicted), target, options.dice))
