"""Raters' masks, in memory and as files, and the two gzip engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ..files.common import SHAPE, save
from ..problems import simulated_raters
from .common import without_isal


@pytest.fixture(params=["isal", "zlib"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With ISA-L, and as if it were not installed."""
    if request.param == "isal":
        pytest.importorskip("isal")
    else:
        without_isal(monkeypatch)
    return str(request.param)


@pytest.fixture
def masks() -> np.ndarray:
    return (
        simulated_raters(np.random.default_rng(0), 4, int(np.prod(SHAPE))).reshape(4, *SHAPE).astype(np.uint8)
    )


@pytest.fixture
def paths(tmp_path: Path, masks: np.ndarray) -> list[Path]:
    return [save(tmp_path / f"rater{i}.nii.gz", mask) for i, mask in enumerate(masks)]
