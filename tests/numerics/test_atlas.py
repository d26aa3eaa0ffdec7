"""An atlas as prior: its zeros and ones are clamped, with a line that says how many; what is no probability is refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..problems import simulated_raters

SHAPE = (6, 7, 8)
AFFINE = np.diag([1.0, 1, 1, 1])


def masks() -> list[np.ndarray]:
    return list(simulated_raters(np.random.default_rng(0), 3, 336).reshape(3, *SHAPE).astype(np.uint8))


def atlas(dtype: str = "float32") -> np.ndarray:
    prior = 0.2 + 0.3 * np.random.default_rng(1).random(SHAPE)
    prior[:2], prior[-1, 0] = 0, 1
    return prior.astype(dtype)


def fused(prior: Any, **options: Any) -> tuple[fastfuse.Fusion, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fusion = fastfuse.staple(masks(), prior=prior, **options)
    return fusion, [str(one.message) for one in caught]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_zeros_and_ones_are_clamped(dtype: str, order: str) -> None:
    prior = np.asarray(atlas(dtype), order=order)
    fusion, said = fused(prior)
    assert "the prior map holds 0 or 1: 120 voxels clamped to [1e-06, 1 - 1e-06]" in said[0]
    wide = prior.astype(np.float32 if dtype == "float16" else dtype)
    by_hand, silent = fused(np.clip(wide, 1e-6, 1 - 1e-6))
    assert not any("clamped" in remark for remark in silent)
    np.testing.assert_array_equal(fusion.probability, by_hand.probability)
    assert np.isfinite(fusion.probability).all()


def test_an_atlas_of_booleans() -> None:
    fusion, said = fused(atlas() > 0.5)
    assert "336 voxels clamped" in said[0]
    assert np.isfinite(fusion.probability).all()


def test_only_voxels_inside_the_mask_count() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[2:-1] = True
    prior = atlas()
    prior[0, 0, 0] = np.nan  # outside: not looked at
    assert not any("clamped" in remark for remark in fused(prior, mask=mask)[1])
    prior[3, 3, 3] = 0
    assert "1 voxel clamped" in fused(prior, mask=mask)[1][0]


def test_a_map_without_zeros_stays_as_it_is() -> None:
    prior = np.full(SHAPE, 1e-9)
    fusion, said = fused(prior)
    assert not any("clamped" in remark for remark in said)
    assert fusion.prior == pytest.approx(1e-9)


@pytest.mark.parametrize("bad", [np.nan, -1e-9, 1.000001, np.inf, 30.0])
def test_what_is_no_probability_is_refused(bad: float) -> None:
    prior = atlas("float64")
    prior[3, 2, 1] = bad
    with pytest.raises(
        ValueError, match=r"the prior map holds .* at voxel \(3, 2, 1\): a prior is a probability in"
    ):
        fused(prior)


def test_files(tmp_path: Path) -> None:
    paths = [tmp_path / f"r{i}.nii" for i in range(3)]
    for path, mask in zip(paths, masks(), strict=True):
        nib.save(nib.Nifti1Image(mask, AFFINE), path)
    nib.save(nib.Nifti1Image(atlas(), AFFINE), tmp_path / "atlas.nii.gz")
    with pytest.warns(
        fastfuse.FusionWarning, match=r"the prior \(atlas.nii.gz\) holds 0 or 1: 120 voxels clamped"
    ):
        fastfuse.fuse_files(paths, tmp_path / "c.nii", method="staple", prior=tmp_path / "atlas.nii.gz")
