"""A finished run of one method on the small cohort, and a copy of it for each test."""

from __future__ import annotations

import shutil
from pathlib import Path
from unittest import mock

import pytest

from ...shared import made_once
from ..conftest import DRAWING


@pytest.fixture(scope="package")
def finished(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run, which no test changes; without figures."""
    pytest.importorskip("torch")
    from fastfuse.train.experiment import run_experiment

    from .common import small

    with mock.patch(DRAWING):
        return made_once(tmp_path_factory, "trained", lambda out: run_experiment(cohort, out, small()))


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"
