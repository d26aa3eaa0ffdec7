"""Progress of the experiment on standard error: one moving line on a terminal, a line per step elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console

from ..report.lines import environment, is_terminal, printable
from .network.training import Epoch

if TYPE_CHECKING:
    from rich.progress import Progress
    from typing_extensions import Self


LINE_S = 60.0  # least time between two lines of a training in a log
LINES = 100  # most lines of a training, but for the last


class Narrator:
    """Reports steps and epochs; a silent one prints nothing."""

    def __init__(self, *, silent: bool = False) -> None:
        self._console = Console(
            stderr=True, quiet=silent, soft_wrap=True, emoji=False, _environ=environment()
        )
        self._moving = self._console.status("")
        self._bars: Progress | None = None

    def __reduce__(self) -> tuple[partial[Narrator], tuple[()]]:
        """Another process gets a silent one."""
        return partial(Narrator, silent=True), ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._moving.stop()

    def say(self, what: str) -> None:
        """Report a step; on a terminal it replaces the step before."""
        if is_terminal(sys.stderr):
            self._moving.update(printable(what))
            self._moving.start()
        else:
            self.tell(what)

    def tell(self, what: str) -> None:
        """Print a line that stays."""
        self._console.print(printable(what), highlight=False)

    @contextmanager
    def training(self, title: str, epochs: int) -> Iterator[Callable[[list[Epoch]], None]]:
        """Yield a function to call with the history after each epoch.

        Outside a terminal the first and the last epoch that are trained get a line, and between them at most one
        each minute and each hundredth of the epochs.
        """
        if not is_terminal(sys.stderr):
            pace = Pace(epochs)
            yield (
                lambda history: (
                    self.tell(f"{title}: {line_of(history[-1], epochs)}")
                    if pace.is_due(history[-1].number)
                    else None
                )
            )
            return
        bars = self._shown_bars()
        task = bars.add_task(printable(title), total=epochs)
        lines = [f"{title}: nothing left to train"]

        def after(history: list[Epoch]) -> None:
            lines[0] = f"{title}: {line_of(history[-1], epochs)}"
            bars.update(task, completed=history[-1].number, description=printable(lines[0]))

        try:
            yield after
        finally:
            bars.remove_task(task)
            if not bars.tasks:
                bars.stop()
        self.tell(lines[0])

    def _shown_bars(self) -> Progress:
        """Return the bars of all trainings under way: a terminal has one place for them."""
        from rich.progress import Progress, TextColumn, TimeRemainingColumn

        if self._bars is None:
            columns = (TextColumn("{task.description}"), TimeRemainingColumn(compact=True))
            self._bars = Progress(*columns, console=self._console, transient=True)
        self._moving.stop()
        self._bars.start()
        return self._bars


class Pace:
    """Tells which epochs get a line in a log."""

    def __init__(self, epochs: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._epochs, self._clock = epochs, clock
        self._at: tuple[int, float] | None = None

    def is_due(self, number: int) -> bool:
        """Tell whether this epoch gets a line."""
        now = self._clock()
        if self._at is not None and number < self._epochs:
            epoch, second = self._at
            if now - second < LINE_S or (number - epoch) * LINES < self._epochs:
                return False
        self._at = number, now
        return True


def line_of(epoch: Epoch, epochs: int) -> str:
    """Return an epoch's losses as one line."""
    validation = "" if epoch.validation is None else f", validation {epoch.validation:.3f}"
    return f"epoch {epoch.number}/{epochs}, loss {epoch.loss:.3f}{validation}"
