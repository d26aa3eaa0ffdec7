"""A finished run that no test changes."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fastfuse.train.finished import open_runs
from fastfuse.train.narrator import Narrator
from fastfuse.train.scoring import score

from .made import make_run


@pytest.fixture(scope="package")
def finished(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = make_run(cohort, tmp_path_factory.mktemp("finished") / "run")
    keep_scores(run)
    return run


@pytest.fixture(scope="package")
def seeds(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of two seeds."""
    out = tmp_path_factory.mktemp("seeds") / "run"
    for seed in (0, 1):
        make_run(cohort, out / f"seed_{seed}", seed=seed)
    keep_scores(out)
    return out


def keep_scores(run: Path) -> None:
    """Score the predictions, so that copies of the run need not be."""
    for one in open_runs([run], Narrator(silent=True)):
        score(one, one.options.evaluation)
