"""Raters' masks, in memory and as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ..problems import simulated_raters
from .common import SHAPE, save


@pytest.fixture(scope="module")
def masks() -> np.ndarray:
    return (
        simulated_raters(np.random.default_rng(0), 4, int(np.prod(SHAPE))).reshape(4, *SHAPE).astype(np.uint8)
    )


@pytest.fixture
def paths(tmp_path: Path, masks: np.ndarray) -> list[Path]:
    return [save(tmp_path / f"rater{i}.nii.gz", mask) for i, mask in enumerate(masks, start=1)]
