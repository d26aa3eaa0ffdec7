"""A run: its cases, folds, options and workers, and the paths of its files, with the hashes of those it wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..cohort.msseg import Case
from ..errors import FastfuseError
from ..images.outputs import write_all
from ..images.paths import shown
from ..images.sidecar import json_of, sidecar_bytes, sidecar_path
from .cohort.loading import hash_of
from .files import folder_of_fold
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

    @property
    def among(self) -> str:
        """What tells this run from those of other seeds, to put behind a name; empty for a run alone."""
        return "" if self.consensus_folder.parent == self.out else f", seed {self.options.seed}"

    def prediction(self, method: str, name: str) -> Path:
        """Return the path of a case's prediction."""
        return self.out / "predictions" / method / f"{name}.nii.gz"

    def scored(self, method: str, name: str) -> Path:
        """Return the path of a case's prediction on the grid of all cases; it is on their own where they share none."""
        path = self.prediction(method, name)
        return path.parent / "common" / path.name if self.options.grid.used else path

    def predicted(self, method: str, name: str) -> bool:
        """Tell whether a case's prediction is there, on every grid that it is wanted on."""
        return self.prediction(method, name).exists() and self.scored(method, name).exists()

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

    def target(self, method: str, name: str, fold: int) -> Path:
        """Return the path of the consensus that a fold trains on, if it is not the case's own."""
        return folder_of_fold(self.consensus_folder, name, fold) / f"{method}.nii.gz"

    def fold_of(self, name: str) -> int:
        """Return the number of the fold that a case is tested in."""
        return next(number for number, names in enumerate(self.folds, start=1) if name in names)

    def cases_without_prediction(self, method: str) -> list[str]:
        """Return the names of the test cases without a prediction by a method's networks that have not failed."""
        return [
            name
            for fold, names in enumerate(self.folds, start=1)
            if self.failure(method, fold) is None
            for name in names
            if not self.predicted(method, name)
        ]

    def failure(self, method: str, fold: int) -> str | None:
        """Return why a training broke off; None if it did not."""
        path = self.model(method, fold).with_name("failed.json")
        record = json_of(path)
        if not isinstance(record, dict) or self.has_changed(method, fold, path):
            return None
        return f"{record.get('reason', 'for no known reason')}, epoch {record.get('epoch', '?')}"

    def keep(self, method: str, fold: int, files: Mapping[Path, bytes]) -> None:
        """Write files of a training: first their hashes, so that a file that fits its hash is complete."""
        hashes = {self._key(path): hashlib.sha256(content).hexdigest() for path, content in files.items()}
        write_all({self._made(method, fold): sidecar_bytes({**self._hashes(method, fold), **hashes})})
        write_all(files)

    def is_predicted(self, method: str, name: str) -> bool:
        """Tell whether a case's prediction is there as the run wrote it, on every grid that it is wanted on."""
        paths = {self.prediction(method, name), self.scored(method, name)}
        return all(self.is_kept(method, self.fold_of(name), path) for path in paths)

    def is_kept(self, method: str, fold: int, path: Path) -> bool:
        """Tell whether a file of a training is there, as the run wrote it."""
        if not path.exists():
            return False
        return path.is_file() and self._hashes(method, fold).get(self._key(path)) == hash_of(path)

    def check_unchanged(self, method: str, name: str, path: Path) -> None:
        """Refuse a case's prediction, or a consensus, that has changed since it was written.

        Raises
        ------
        FastfuseError
            If the hash that was recorded is another.
        """
        if self.consensus_folder in path.parents:
            facts = json_of(sidecar_path(path))
            known = facts.get("sha256") if isinstance(facts, dict) else None
        else:
            known = self._hashes(method, self.fold_of(name)).get(self._key(path))
        if known is not None and known != hash_of(path):
            raise FastfuseError(
                f"{shown(path)}: is not as the run wrote it; fastfuse experiment --resume makes it again"
            )

    def has_changed(self, method: str, fold: int, path: Path) -> bool:
        """Tell whether a file of a training has another hash than the one that is recorded, if one is."""
        known = self._hashes(method, fold).get(self._key(path))
        return known is not None and path.is_file() and known != hash_of(path)

    def is_known(self, method: str, fold: int, path: Path) -> bool:
        """Tell whether a hash of a file of a training is recorded."""
        return self._key(path) in self._hashes(method, fold)

    def note(self, method: str, fold: int, path: Path) -> None:
        """Record the hash of a file of a training as it is."""
        hashes = {**self._hashes(method, fold), self._key(path): hash_of(path)}
        write_all({self._made(method, fold): sidecar_bytes(hashes)})

    def check_kept(self, method: str, fold: int, path: Path) -> None:
        """Refuse a file of a training that is not as the run wrote it.

        Raises
        ------
        FastfuseError
            It says what to do.
        """
        if not self.is_kept(method, fold, path):
            raise FastfuseError(
                f"{shown(path)}: is not the file that the run wrote; put that one back, or delete this one, and "
                "--resume makes it again"
            )

    def _made(self, method: str, fold: int) -> Path:
        """Return the path of the hashes of all that a training made: it has one writer."""
        return self.model(method, fold).with_name("made.json")

    def _hashes(self, method: str, fold: int) -> dict[str, str]:
        kept = json_of(self._made(method, fold))
        known = kept.items() if isinstance(kept, dict) else ()
        return {key: digest for key, digest in known if isinstance(digest, str)}

    def _key(self, path: Path) -> str:
        return path.relative_to(self.out).as_posix()
