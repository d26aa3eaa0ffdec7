"""What the experiment says while it works: a bar on a terminal, a line at a time elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from ..report import printable
from .training import Epoch


class Narrator:
    """Speaks of stages, and of the epochs of a training; a silent one says nothing."""

    def __init__(self, *, silent: bool = False) -> None:
        self._console = Console(stderr=True, quiet=silent, soft_wrap=True, emoji=False)
        self._bar: Any = None

    def say(self, what: str) -> None:
        """Speak of a step."""
        self._console.print(printable(what), highlight=False)

    def step(self, what: str) -> None:
        """Speak of a step that is one of very many: not on a terminal that shows a bar."""
        if self._bar is None:
            self.say(what)

    @contextmanager
    def training(self, title: str, epochs: int) -> Iterator[Any]:
        """Return what is to be called after each epoch with the history."""
        if not self._console.is_terminal:
            yield lambda history: self.say(f"{title}: {line_of(history[-1], epochs)}")
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[line]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(printable(title), total=epochs, line="")

            def after(history: list[Epoch]) -> None:
                last = history[-1]
                bar.update(task, completed=last.number, line=line_of(last, epochs))

            yield after


def line_of(epoch: Epoch, epochs: int) -> str:
    """Return what an epoch came to, in one line."""
    validation = "" if epoch.validation is None else f", validation {epoch.validation:.4f}"
    return f"epoch {epoch.number} of {epochs}, loss {epoch.loss:.4f}{validation}"
