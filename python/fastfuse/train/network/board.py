"""TensorBoard's log of a training, where TensorBoard is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .training import Epoch
from .workers import Workers


@contextmanager
def board(folder: Path, workers: Workers) -> Iterator[Callable[[Epoch], None]]:
    """Return what is to be called after each epoch; a resumed training's log goes on in a file of its own."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        yield lambda _: None
        return
    if not workers.first:
        yield lambda _: None
        return
    with SummaryWriter(folder / "tensorboard") as writer:

        def note(epoch: Epoch) -> None:
            writer.add_scalar("loss/training", epoch.loss, epoch.number)
            if epoch.validation is not None:
                writer.add_scalar("loss/validation", epoch.validation, epoch.number)

        yield note
