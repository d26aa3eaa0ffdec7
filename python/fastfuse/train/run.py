"""A run under way: its cases and folds, and where its files lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .cohort.msseg import Case
from .narrator import Narrator
from .network.workers import Workers
from .options import ExperimentOptions


@dataclass
class Run:
    """What every stage needs to know."""

    cohort: Path
    out: Path
    options: ExperimentOptions
    cases: dict[str, Case]
    folds: list[list[str]]
    workers: Workers
    narrator: Narrator

    def prediction(self, method: str, name: str) -> Path:
        """Return where a case's prediction lies."""
        return self.out / "predictions" / method / f"{name}.nii.gz"

    def model(self, method: str, fold: int) -> Path:
        """Return where a network's weights lie; folds count from 1."""
        return self.out / "models" / method / f"fold_{fold}" / "network.pt"

    def say(self, what: str) -> None:
        """Speak, if this is the first process."""
        if self.workers.first:
            self.narrator.say(what)

    def tell(self, what: str) -> None:
        """Say what is to stay, if this is the first process."""
        if self.workers.first:
            self.narrator.tell(what)

    def consensus(self, method: str, name: str) -> Path:
        """Return where a case's consensus lies."""
        return self.out / "consensus" / name / f"{method}.nii.gz"

    def cases_without_prediction(self, method: str) -> list[str]:
        """Return the names of the cases that a method's networks have not predicted yet."""
        return [name for name in self.cases if not self.prediction(method, name).exists()]
