"""A finished run of one method on the small cohort, and a copy of it for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="package")
def finished(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    from fastfuse.train.experiment import run_experiment

    from .common import small

    out = tmp_path_factory.mktemp("finished") / "run"
    run_experiment(cohort, out, small())
    return out


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"
