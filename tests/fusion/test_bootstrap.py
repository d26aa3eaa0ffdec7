"""Intervals by resampled voxels and resampled lesions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import fastfuse

from .studies import assert_equal, intervals_of, quiet, study
from .test_intervals import votes_of


@pytest.mark.parametrize("kind", ["bootstrap", "lesions"])
def test_bootstrap_is_that_of_its_seed(kind: str) -> None:
    votes = votes_of("binary", seed=5)
    first = intervals_of(votes, intervals=kind, replicates=30, seed=1)
    assert_equal(first, intervals_of(votes, intervals=kind, replicates=30, seed=1, threads=2))
    for more in ({"seed": 2, "replicates": 30}, {"seed": 1, "replicates": 31}):
        other = intervals_of(votes, intervals=kind, **more)
        assert (first.sensitivity_error != other.sensitivity_error).any()


@quiet
def test_filters_of_warnings_stay_as_they_are() -> None:
    """They belong to the process: two threads that change them and back leave them changed."""
    votes = [*votes_of("binary", seed=5), None]  # of whom no sample tells a rate
    maps = [np.where(vote, 2, 0).astype(np.uint8) for vote in votes_of("binary", seed=5)]

    def changed(*_: Any, **__: Any) -> None:
        raise AssertionError("a filter of warnings was changed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warnings, "catch_warnings", changed)
        found = fastfuse.staple(votes, intervals="bootstrap", replicates=30, prior="estimate").intervals
        of_labels = fastfuse.staple(maps, labels=[0, 1, 2], intervals="bootstrap", replicates=30).intervals
    assert found is not None
    assert of_labels is not None
    for errors, ends in (
        (found.sensitivity_error, found.sensitivity),
        (of_labels.sensitivity_error, of_labels.sensitivity),
    ):
        undefined = np.isnan(errors)
        assert undefined.any()
        assert not undefined.all()
        np.testing.assert_array_equal(np.isnan(ends).all(axis=-1), undefined)


@pytest.mark.parametrize("prior", ["estimate", "mean", 0.3])
def test_bootstrap_agrees_with_the_information(prior: str | float) -> None:
    """Of independent voxels both measure the same; "mean" moves with the sample, and may do so here."""
    votes, _, _ = study(np.random.default_rng(6), n=20_000)
    drawn = intervals_of(votes, prior=prior, intervals="bootstrap", replicates=600)
    known = intervals_of(votes, prior=prior, intervals="information")
    for field in ("sensitivity_error", "specificity_error"):
        np.testing.assert_allclose(getattr(drawn, field), getattr(known, field), rtol=0.15)


@quiet
@pytest.mark.parametrize("fuse", [fastfuse.soft_staple, fastfuse.simplified_soft_staple])
@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_bootstrap_of_soft_votes_is_defined(fuse: Any, m_step: str) -> None:
    fused = fuse(votes_of("three-valued", seed=7), m_step=m_step, intervals="bootstrap", replicates=30)
    for ends, rate in (
        (fused.intervals.sensitivity, fused.sensitivity),
        (fused.intervals.specificity, fused.specificity),
    ):
        assert ((ends[:, 0] < rate) & (rate < ends[:, 1])).all()


def cubes(*corners: tuple[int, int, int]) -> list[np.ndarray]:
    """Return three masks of cubes of 3^3 voxels, each rater missing other voxels of each."""
    rng = np.random.default_rng(11)
    votes = np.zeros((3, 24, 24, 24))
    for k, (x, y, z) in enumerate(corners):
        cube = votes[:, x : x + 3, y : y + 3, z : z + 3]
        cube[:] = rng.random(cube.shape) < 0.95 - 0.1 * (k % 4)
        cube[0, [0, -1], [0, -1], [0, -1]] = 1
    return list(votes)


@quiet
def test_lesions_are_connected_across_corners() -> None:
    """Two that touch at a corner are drawn as one: of nothing else, they do not vary; apart, they do."""
    touching = intervals_of(cubes((2, 2, 2), (5, 5, 5)), intervals="lesions", replicates=20)
    np.testing.assert_allclose(np.nan_to_num(touching.sensitivity_error), 0, atol=1e-6)
    apart = intervals_of(cubes((2, 2, 2), (6, 6, 6)), intervals="lesions", replicates=20)
    assert apart.sensitivity_error.max() > 1e-3


@quiet
@pytest.mark.parametrize("case", ["one lesion", "every vote above 0"])
def test_one_lesion_is_not_known_for_sure(case: str) -> None:
    """Drawn again and again it does not vary: that is no interval of no width, but none at all."""
    votes = cubes((2, 2, 2))
    if case == "one lesion":
        found = intervals_of(votes, intervals="lesions", replicates=20)
    else:
        soft = [np.clip(array, 0.05, 0.95) for array in cubes((2, 2, 2), (10, 10, 10), (18, 2, 9))]
        fused = fastfuse.soft_staple(soft, m_step="em", intervals="lesions", replicates=20)
        assert fused.intervals is not None
        found = fused.intervals
    assert not (np.diff(found.sensitivity) < 1e-9).any()


PLACES = [(x, y, z) for x in (0, 7, 14) for y in (1, 9, 19) for z in (2, 10, 18)]


@pytest.mark.parametrize("kind", ["bootstrap", "lesions"])
def test_lesions_are_of_the_label_selected(kind: str) -> None:
    masks = cubes(*PLACES)
    maps = [np.where(mask == 1, 3, 2) for mask in masks]
    options: dict[str, Any] = {"intervals": kind, "replicates": 20}
    assert_equal(intervals_of(maps, select_label=3, **options), intervals_of(masks, **options))


@pytest.mark.parametrize("junk", [7.0, np.nan])
@pytest.mark.parametrize("kind", ["bootstrap", "lesions"])
def test_lesions_are_of_what_was_looked_at(kind: str, junk: float) -> None:
    masks = cubes(*PLACES)
    looked = list(np.random.default_rng(12).random((3, 24, 24, 24)) < 0.8)
    options: dict[str, Any] = {"intervals": kind, "replicates": 20, "present": looked}
    dirty = [np.where(there, mask, junk) for there, mask in zip(looked, masks, strict=True)]
    clean = [np.where(there, mask, 0) for there, mask in zip(looked, masks, strict=True)]
    assert_equal(intervals_of(dirty, **options), intervals_of(clean, **options))


@pytest.mark.parametrize("kind", ["bootstrap", "lesions"])
def test_lesions_are_of_what_is_in_the_mask(kind: str) -> None:
    masks = cubes(*PLACES)
    mask = np.zeros((24, 24, 24), bool)
    mask[:, :, :20] = True
    options: dict[str, Any] = {"intervals": kind, "replicates": 20, "mask": mask}
    dirty = [np.where(mask, array, 1) for array in masks]
    clean = [np.where(mask, array, 0) for array in masks]
    assert_equal(intervals_of(dirty, **options), intervals_of(clean, **options))


@quiet
@pytest.mark.parametrize("roi", ["all", "disputed"])
@pytest.mark.parametrize("case", ["nobody", "everybody", "agreement", "one rater"])
@pytest.mark.parametrize("kind", ["information", "bootstrap", "lesions"])
def test_nothing_to_learn(kind: str, case: str, roi: str) -> None:
    """Where no rate has an interval there is nan or nothing, and never an error of NumPy's."""
    votes = cubes(*PLACES[:5])
    raters = {
        "nobody": [0 * votes[0]] * 3,
        "everybody": [0 * votes[0] + 1] * 3,
        "agreement": [votes[0]] * 3,
        "one rater": votes[:1],
    }[case]
    fused = fastfuse.staple(raters, intervals=kind, replicates=10, roi=roi)
    assert fused.intervals is None or fused.intervals.sensitivity.shape == (len(raters), 2)
