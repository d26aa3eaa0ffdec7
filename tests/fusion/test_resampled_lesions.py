"""Intervals over lesions tell of how many: by the result, the sidecar, the terminal and the page."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

import fastfuse

from ..command import run_here

pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def votes(lesions: int) -> list[np.ndarray]:
    """Return four raters, of whom some miss a part of each lesion; lesions do not touch."""
    whole = np.zeros((4 * lesions + 2, 6, 6), np.uint8)
    for k in range(lesions):
        whole[4 * k + 1 : 4 * k + 4, 1:5, 1:5] = 1
    found = [whole * (np.random.default_rng(seed).random(whole.shape) < 0.8) for seed in range(4)]
    for one in found:
        one[2::4, 2:4, 2:4] = whole[2::4, 2:4, 2:4]
    return [one.astype(np.uint8) for one in found]


def test_how_many(tmp_path: Path) -> None:
    masks = votes(7)
    count = ndimage.label(np.any(masks, axis=0), np.ones((3, 3, 3)))[1]
    assert count == 7
    found = fastfuse.staple(masks, intervals="lesions", replicates=5)
    assert found.intervals is not None
    assert found.intervals.lesions == count
    absent = fastfuse.staple([*masks, None], intervals="lesions", replicates=5)
    assert absent.intervals is not None
    assert absent.intervals.lesions == count
    voxels = fastfuse.staple(masks, intervals="bootstrap", replicates=5).intervals
    assert voxels is not None
    assert voxels.lesions is None
    for i, mask in enumerate(masks):
        nib.save(nib.Nifti1Image(mask, np.eye(4)), tmp_path / f"{i}.nii")
    files = [f"{i}.nii" for i in range(4)]
    words = ["--method", "staple", "--replicates", "5", "--report", "c.html", "--overwrite"]
    done = run_here(tmp_path, "fuse", *files, "-o", "c.nii", *words, "--intervals", "lesions")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "c.json").read_text())["resampled_lesions"] == count
    said = "95 % intervals over 7 resampled lesions."
    assert said in done.stdout
    assert said in (tmp_path / "c.html").read_text(encoding="utf-8")
    done = run_here(tmp_path, "fuse", *files, "-o", "c.nii", *words, "--intervals", "bootstrap")
    assert "over resampled voxels." in done.stdout
    assert "resampled_lesions" not in json.loads((tmp_path / "c.json").read_text())


def test_one_lesion_is_too_few() -> None:
    found = fastfuse.staple(votes(1), intervals="lesions", replicates=5).intervals
    assert found is not None
    assert found.lesions == 1
    assert np.isnan(found.sensitivity).all()
