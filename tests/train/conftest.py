"""A small synthetic cohort."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from fastfuse.demo.cohort import make_cohort  # needs SciPy, which tests of other modules do not

    folder = tmp_path_factory.mktemp("cohort")
    make_cohort(folder, per_center=3, spacing_mm=6.0)
    return folder
