from __future__ import annotations

from pathlib import Path

import pytest

from .common import case_in


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """Return a folder with four raters' masks, and their consensus."""
    return case_in(tmp_path)
