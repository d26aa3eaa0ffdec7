"""A run: its cases, folds, options and workers, and the paths of its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .cohort.msseg import Case
from .files import json_of
from .narrator import Narrator
from .network.workers import Workers
from .options import ExperimentOptions


@dataclass
class Run:
    """The context that every stage needs."""

    cohort: Path
    out: Path
    options: ExperimentOptions
    cases: dict[str, Case]
    folds: list[list[str]]
    workers: Workers
    narrator: Narrator
    consensus_folder: Path  #: which runs of several seeds share

    def prediction(self, method: str, name: str) -> Path:
        """Return the path of a case's prediction."""
        return self.out / "predictions" / method / f"{name}.nii.gz"

    def model(self, method: str, fold: int) -> Path:
        """Return the path of a network's weights; folds are numbered from 1."""
        return self.out / "models" / method / f"fold_{fold}" / "network.pt"

    def say(self, what: str) -> None:
        """Report a step, in the first process only."""
        if self.workers.first:
            self.narrator.say(what)

    def tell(self, what: str) -> None:
        """Print a line that stays, in the first process only."""
        if self.workers.first:
            self.narrator.tell(what)

    def consensus(self, method: str, name: str) -> Path:
        """Return the path of a case's consensus."""
        return self.consensus_folder / name / f"{method}.nii.gz"

    def cases_without_prediction(self, method: str) -> list[str]:
        """Return the names of the test cases without a prediction by a method's networks that have not failed."""
        return [
            name
            for fold, names in enumerate(self.folds, start=1)
            if self.failure(method, fold) is None
            for name in names
            if not self.prediction(method, name).exists()
        ]

    def failure(self, method: str, fold: int) -> str | None:
        """Return why a training broke off; None if it did not."""
        record = json_of(self.model(method, fold).with_name("failed.json"))
        if not isinstance(record, dict):
            return None
        return f"{record.get('reason', 'for no known reason')}, epoch {record.get('epoch', '?')}"
