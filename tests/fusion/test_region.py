"""Where to fuse: margins around what anybody marks, and voxels in dispute."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..problems import simulated_raters

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
SPACING = (1.0, 1.0, 5.0)


def blobs(shape: tuple[int, ...] = (12, 14, 9)) -> np.ndarray:
    """Return votes of three raters around one lesion."""
    votes = np.zeros((3, *shape), np.float32)
    rng = np.random.default_rng(0)
    votes[:, 4:8, 5:9, 3:6] = rng.random((3, 4, 4, 3)) < 0.8
    return votes


@pytest.mark.parametrize("kind", ["no lesion", "all missing outside the mask"])
def test_margin_around_nothing_is_the_whole(kind: str) -> None:
    """A case without lesions is none without an answer."""
    votes = np.zeros((3, 4, 5, 6))
    mask = np.ones((4, 5, 6), bool)
    if kind != "no lesion":
        votes[:, 0] = 1
        mask[0] = False
    with pytest.warns(fastfuse.FusionWarning, match="nobody marks anything"):
        found = fastfuse.staple(votes, mask=mask, roi=2, spacing_mm=(1, 1, 1))
    assert (found.probability == 0).all()
    assert found.n_voxels == mask.sum()
    np.testing.assert_array_equal(found.specificity, 1)


def test_a_networks_background_marks_nothing() -> None:
    votes = np.maximum(blobs(), 1e-6)
    found = fastfuse.soft_staple(votes, roi=2, spacing_mm=SPACING)
    assert found.n_voxels == fastfuse.soft_staple(blobs(), roi=2, spacing_mm=SPACING).n_voxels


def test_margin_is_of_the_label_selected() -> None:
    maps = 2 * blobs().astype(np.uint8)
    maps[:, 0, 0, 0] = 1
    found = fastfuse.staple(maps, select_label=2, roi=2, spacing_mm=SPACING)
    assert found.n_voxels == fastfuse.staple(blobs(), roi=2, spacing_mm=SPACING).n_voxels


def test_margin_is_of_what_was_looked_at() -> None:
    votes, present = blobs(), np.ones((3, 12, 14, 9), bool)
    present[1, 0] = False
    votes[1, 0] = 1  # junk
    found = fastfuse.staple(votes, present=present, roi=1, spacing_mm=SPACING)
    assert found.n_voxels == fastfuse.staple(blobs(), present=present, roi=1, spacing_mm=SPACING).n_voxels


@pytest.mark.parametrize("axes", [1, 2])
def test_margin_in_a_slice_is_that_in_a_volume(axes: int) -> None:
    volume = blobs()[(slice(None),) + (5,) * (3 - axes)]
    flat = fastfuse.staple(volume, roi=2, spacing_mm=SPACING[-axes:])
    deep = fastfuse.staple(
        volume.reshape(3, *(1,) * (3 - axes), *volume.shape[1:]), roi=2, spacing_mm=SPACING
    )
    np.testing.assert_array_equal(flat.probability.ravel(), deep.probability.ravel())
    assert flat.n_voxels < volume[0].size


def test_margin_of_four_axes_is_refused() -> None:
    twice = np.stack([blobs(), blobs()], axis=-1)
    with pytest.raises(ValueError, match="the raters have 4 axes: a margin takes three at most"):
        fastfuse.staple(twice, roi=2, spacing_mm=(1, 1, 1, 1))


@pytest.mark.parametrize("options", [{"mrf": 0.8}, {"roi": 3.0}])
def test_voxel_size_is_that_of_the_images(options: dict[str, Any]) -> None:
    images = [nib.Nifti1Image(vote, np.diag([*SPACING, 1])) for vote in blobs()]
    found = fastfuse.staple(images, **options)
    by_hand = fastfuse.staple(blobs(), spacing_mm=SPACING, **options)
    cubes = fastfuse.staple(images, spacing_mm=(1, 1, 1), **options)
    np.testing.assert_array_equal(found.probability, by_hand.probability)
    assert (found.probability != cubes.probability).any()
    late = fastfuse.staple([None, *images], **options)
    np.testing.assert_array_equal(late.probability, by_hand.probability)


def test_every_vote_missing_is_said_so() -> None:
    with pytest.raises(ValueError, match="every vote is missing"):
        fastfuse.staple(np.full((2, 5), np.nan), missing="nan")
    with pytest.raises(ValueError, match="the mask is empty"):
        fastfuse.staple(np.zeros((2, 5)), mask=np.zeros(5, bool))


def test_disputed_warns_where_independent_raters_look_opposed() -> None:
    votes = simulated_raters(np.random.default_rng(0), 3, 20_000, prevalence=0.02)
    with pytest.warns(fastfuse.FusionWarning, match="independent raters look opposed"):
        fastfuse.staple(votes, roi="disputed")


def test_disputed_leaves_what_nobody_read_the_prior() -> None:
    votes = np.array(
        [[0, 0, 1, 1, 0, 1, np.nan], [0, 1, 1, 0, np.nan, 1, np.nan], [0, 1, 1, 1, np.nan, 1, np.nan]]
    )
    found = fastfuse.staple(votes, missing="nan", roi="disputed", prior=0.3, dtype="float64")
    np.testing.assert_allclose(found.probability[6], 0.3)
    assert 0 < found.probability[4] < 1  # one reader alone
    np.testing.assert_array_equal(found.probability[[0, 2, 5]], [0, 1, 1])
