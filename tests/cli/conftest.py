"""A case that tests only read."""

from __future__ import annotations

from pathlib import Path

import pytest

from .common import case_in


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return case_in(tmp_path_factory.mktemp("case"))
