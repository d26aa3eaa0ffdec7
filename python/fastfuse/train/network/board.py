"""Log of a training for TensorBoard, if TensorBoard is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .training import Epoch
from .workers import Workers


@contextmanager
def board(folder: Path, workers: Workers) -> Iterator[Callable[[Epoch], None]]:
    """Yield a function to call after each epoch; a resumed training logs to a new file."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        yield lambda _: None
        return
    if not workers.first:
        yield lambda _: None
        return
    writers: list[SummaryWriter] = []

    def note(epoch: Epoch) -> None:
        if not writers:  # epochs that a killed run logged after its checkpoint are hidden
            writers.append(SummaryWriter(folder / "tensorboard", purge_step=epoch.number))
        writers[0].add_scalar("loss/training", epoch.loss, epoch.number)
        if epoch.validation is not None:
            writers[0].add_scalar("loss/validation", epoch.validation, epoch.number)

    try:
        yield note
    finally:
        for writer in writers:
            writer.close()
