"""Fused cohorts of masks and of label maps, which no test changes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fastfuse.cohort import run

from ...cohort.files import fused, save
from ...shared import made_once
from .common import voxels, with_images


@pytest.fixture(autouse=True, scope="package")
def _without_figures() -> Iterator[None]:
    """Draw nothing, which takes longer than all the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "draw", lambda *_: False)
        yield


@pytest.fixture(scope="package")
def masks(_without_figures: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(root: Path) -> None:
        fused(with_images(root / "data"), root / "fused")

    return made_once(tmp_path_factory, "fused masks", make)


@pytest.fixture(scope="package")
def maps(_without_figures: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Label maps with 0, 3, 6 and 9, of which two have names."""

    def make(root: Path) -> None:
        data = with_images(root / "data", 4, labels=True)
        for path in data.glob("*/masks/*.nii.gz"):
            save(path, voxels(path) * np.uint8(3))
        (root / "names.tsv").write_text("index\tname\n3\tliver\n9\tignore\n")
        fused(data, root / "fused", labels="all", label_names=root / "names.tsv")

    return made_once(tmp_path_factory, "fused maps", make)


@pytest.fixture
def of_masks(masks: Path, tmp_path: Path) -> Path:
    """A copy of the masks for a test."""
    return Path(shutil.copytree(masks, tmp_path, dirs_exist_ok=True))


@pytest.fixture
def of_maps(maps: Path, tmp_path: Path) -> Path:
    """A copy of the label maps for a test."""
    return Path(shutil.copytree(maps, tmp_path, dirs_exist_ok=True))
