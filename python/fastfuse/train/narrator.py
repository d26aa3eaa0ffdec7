"""What the experiment says while it works: a moving line on a terminal, a line at a time elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from ..report.terminal import printable
from .network.training import Epoch

if TYPE_CHECKING:
    from typing_extensions import Self


class Narrator:
    """Speaks on standard error of steps, and of a training's epochs; a silent one says nothing."""

    def __init__(self, *, silent: bool = False) -> None:
        self._console = Console(stderr=True, quiet=silent, soft_wrap=True, emoji=False)
        self._moving = self._console.status("")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._moving.stop()

    def say(self, what: str) -> None:
        """Speak of a step: on a terminal, in the place of the step before."""
        if self._console.is_terminal:
            self._moving.update(printable(what))
            self._moving.start()
        else:
            self.tell(what)

    def tell(self, what: str) -> None:
        """Say what is to stay."""
        self._console.print(printable(what), highlight=False)

    @contextmanager
    def training(self, title: str, epochs: int) -> Iterator[Callable[[list[Epoch]], None]]:
        """Return what is to be called after each epoch with the history."""
        if not self._console.is_terminal:
            yield lambda history: self.tell(f"{title}: {line_of(history[-1], epochs)}")
            return
        from rich.progress import Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), TimeRemainingColumn(compact=True))
        self._moving.stop()
        with Progress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(printable(title), total=epochs)
            lines = [f"{title}: nothing left to train"]

            def after(history: list[Epoch]) -> None:
                lines[0] = f"{title}: {line_of(history[-1], epochs)}"
                bar.update(task, completed=history[-1].number, description=printable(lines[0]))

            yield after
        self.tell(lines[0])


def line_of(epoch: Epoch, epochs: int) -> str:
    """Return what an epoch came to, in one line."""
    validation = "" if epoch.validation is None else f", validation {epoch.validation:.3f}"
    return f"epoch {epoch.number}/{epochs}, loss {epoch.loss:.3f}{validation}"
