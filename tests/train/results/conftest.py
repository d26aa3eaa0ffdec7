"""Finished runs that no test changes: tables by other options than theirs are made of a copy, since their scores are kept."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fastfuse.train.finished import open_runs
from fastfuse.train.narrator import Narrator
from fastfuse.train.scoring import score

from ...command import run_here
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


@pytest.fixture(scope="package")
def tabled(seeds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables, figures and, with jinja2, report that ``fastfuse table`` makes of two seeds, and what it prints."""
    report = ("--report", "r.html") if find_spec("jinja2") else ()

    def make(out: Path) -> None:
        out.mkdir()
        done = run_here(out, "table", str(seeds), "--out", "tables", *report)
        assert done.returncode == 0, done.stderr
        (out / "said.txt").write_text(" ".join(done.stdout.split()))

    return made_once(tmp_path_factory, "tabled", make)


def keep_scores(run: Path) -> None:
    """Score the predictions, so that copies of the run need not be."""
    for one in open_runs([run], Narrator(silent=True)):
        score(one, one.options.evaluation)
