"""Finished runs that no test changes: tables by other options than theirs are made of a copy, since their scores are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fastfuse.train.finished import open_runs
from fastfuse.train.narrator import Narrator
from fastfuse.train.scoring import score

from ...shared import made_once
from .made import make_run


@pytest.fixture(scope="package")
def finished(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(out: Path) -> None:
        make_run(cohort, out)
        keep_scores(out)

    return made_once(tmp_path_factory, "finished-run", make)


@pytest.fixture(scope="package")
def seeds(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of two seeds."""

    def make(out: Path) -> None:
        for seed in (0, 1):
            make_run(cohort, out / f"seed_{seed}", seed=seed)
        keep_scores(out)

    return made_once(tmp_path_factory, "seeds", make)


def keep_scores(run: Path) -> None:
    """Score the predictions, so that copies of the run need not be."""
    for one in open_runs([run], Narrator(silent=True)):
        score(one, one.options.evaluation)
