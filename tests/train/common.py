"""A small experiment's options and command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from fastfuse.train.narrator import Narrator
from fastfuse.train.options import ExperimentOptions, make_options

SMALL = ["network.width=2", "network.depth=2", "training.epochs=4", "training.steps=2", "training.batch=4"]
FEW = [*SMALL, "folds=2", "training.validate_every=2", "evaluation.least_voxels=2"]
CHECKPOINTS = "training.save_every_s=0"  # after each epoch; else a training this short writes none


class Told(Narrator):
    """A narrator that keeps what it tells."""

    def __init__(self) -> None:
        super().__init__(silent=True)
        self.lines: list[str] = []

    def tell(self, what: str) -> None:
        self.lines.append(what)


def options(*more: str) -> ExperimentOptions:
    return make_options("quick", None, [*without(more), *more])


def command(cohort: Path, out: Path, *words: str) -> list[str]:
    sets = [word for option in without(words) for word in ("--set", option)]
    start = [sys.executable, "-m", "fastfuse", "experiment", str(cohort), "--out", str(out)]
    device = [] if "--device" in words else ["--device", "cpu"]
    return [*start, *device, *sets, *words]


def without(more: Sequence[str], few: Sequence[str] = FEW) -> list[str]:
    """The options that are not given otherwise: an option stands once."""
    given = {word.removeprefix("--").partition("=")[0] for word in more}
    return [option for option in few if option.partition("=")[0] not in given]
