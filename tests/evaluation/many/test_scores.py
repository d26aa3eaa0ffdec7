"""Scores against several raters, against plain NumPy and by hand."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.evaluation.raters.scores import volume_crps

from . import oracle

SHAPE = (9, 8, 5)


def drawn(seed: int) -> tuple[Any, list[Any]]:
    """Return probabilities, some of them on the ends of bins, and raters who follow them more or less."""
    rng = np.random.default_rng(seed)
    p = rng.random(SHAPE) ** rng.integers(1, 6)
    p[rng.random(SHAPE) < 0.3] = 0
    p[rng.random(SHAPE) < 0.1] = 1
    exact = rng.random(SHAPE) < 0.2
    p[exact] = rng.integers(0, 51, exact.sum()) / 50
    raters = [(rng.random(SHAPE) < p).astype(np.uint8) for _ in range(int(rng.integers(2, 7)))]
    return p, raters


@pytest.mark.parametrize("seed", range(30))
def test_all_scores_are_those_of_plain_numpy(seed: int) -> None:
    p, raters = drawn(seed)
    found = fastfuse.evaluate_against_raters(p, raters, spacing_mm=(1, 2, 2.5))
    flat, marks = p.ravel(), [one.ravel() for one in raters]
    assert found.dice == pytest.approx(oracle.dice_where_agreed(flat, marks), abs=1e-12)
    assert found.confidence == pytest.approx(oracle.confidence(flat, marks), abs=1e-12)
    errors = [oracle.ece(flat, one) for one in marks]
    np.testing.assert_allclose(found.ece_by_rater, errors, atol=1e-12)
    assert found.ece == pytest.approx(np.mean(errors), abs=1e-12)
    volumes = np.array([one.sum() for one in marks]) * 0.005
    np.testing.assert_allclose(found.volume_ml, volumes, atol=1e-12)
    assert found.prediction_ml == pytest.approx(flat.sum() * 0.005, abs=1e-12)
    assert found.prediction_mask_ml == pytest.approx((flat >= 0.5).sum() * 0.005, abs=1e-12)
    for at, (voxels, predicted, observed) in enumerate(oracle.curve(flat, marks)):
        assert found.reliability.voxels[at] == voxels
        np.testing.assert_allclose(found.reliability.predicted[at], predicted, atol=1e-12)
        np.testing.assert_allclose(found.reliability.observed[at], observed, atol=1e-12)
    agreed = sum(len(set(votes)) == 1 for votes in zip(*marks, strict=True))
    assert (found.n_agreed, found.n_disputed) == (agreed, p.size - agreed)


@pytest.mark.parametrize("volume", [0, 3.0, 4.2, 5.0, 5.9, 9.0, 30.0])
@pytest.mark.parametrize("volumes", [(4.0, 5.0, 6.5), (1.0, 1.1), (5.0, 5.0, 5.001)])
def test_crps_is_the_integral(volume: float, volumes: tuple[float, ...]) -> None:
    given = np.array(volumes)
    assert volume_crps(volume, given) == pytest.approx(oracle.crps(volume, given), rel=1e-6, abs=1e-9)


def test_crps_and_the_challenges_code() -> None:
    """Near the raters' volumes they are one, to the percentiles that it leaves away; far away its integral ends."""
    volumes = np.array([4.0, 5.0, 6.5])
    mean, sigma = volumes.mean(), volumes.std()
    for z in (-2, -1, 0, 0.5, 1.5, 2):
        volume = mean + z * sigma
        assert volume_crps(volume, volumes) == pytest.approx(
            oracle.curvas_crps(volume, volumes), abs=0.01 * sigma
        )
    ended = [oracle.curvas_crps(mean + z * sigma, volumes) for z in (5, 50)]
    assert ended[0] == pytest.approx(ended[1], abs=1e-6)
    assert volume_crps(mean + 50 * sigma, volumes) > 40 * sigma


@pytest.mark.filterwarnings("ignore:the prediction. its highest value is 0.25")
def test_one_volume_of_all_raters() -> None:
    one = np.zeros((4, 4, 4))
    one[1:3, 1:3, 1:3] = 1
    other = np.roll(one, 1, axis=0)
    found = fastfuse.evaluate_against_raters(np.full((4, 4, 4), 0.25), [one, other])
    assert found.crps_ml == pytest.approx((16 - 8) / 1000)


def test_by_hand() -> None:
    """A voxel that both mark, one that one marks, two that nobody marks."""
    found = fastfuse.evaluate_against_raters(
        np.array([[[0.9, 0.6, 0.6, 0.0]]]), [np.array([[[1, 1, 0, 0]]]), np.array([[[1, 0, 0, 0]]])]
    )
    assert found.dice == pytest.approx(2 / 3)  # the second voxel is not looked at
    assert found.confidence == pytest.approx((0.9 + 1 - 0.3) / 2)
    assert found.ece_by_rater == pytest.approx([(0.1 + 0.2 + 0) / 4, (0.1 + 1.2) / 4])
    assert found.dice_by_rater == pytest.approx([4 / 5, 2 / 4])
    assert found.reliability.error == pytest.approx((0.1 + abs(1.2 - 0.5) + 0) / 4)


def test_raters_who_differ_may_both_be_met() -> None:
    """The calibration error is 0 where each agrees with the likelier class in the same share of a bin."""
    p = np.array([[0.75] * 4 + [0.25] * 4])
    raters = [np.array([[0, 1, 1, 1, 0, 0, 0, 1]]), np.array([[1, 1, 1, 0, 1, 0, 0, 0]])]
    found = fastfuse.evaluate_against_raters(p, raters)
    assert found.n_disputed == 4
    assert found.ece == 0


def test_the_mean_vote_is_reliable() -> None:
    _, raters = drawn(3)
    found = fastfuse.evaluate_against_raters(np.mean(raters, axis=0), raters)
    assert found.reliability.error == pytest.approx(0, abs=1e-12)
    assert found.ece > 0


@pytest.mark.parametrize("seed", range(5))
def test_a_mask_is_the_region_alone(seed: int) -> None:
    p, raters = drawn(seed)
    inside = np.random.default_rng(seed).random(SHAPE) < 0.6
    found = fastfuse.evaluate_against_raters(p, raters, mask=inside)
    flat, marks = p[inside], [one[inside] for one in raters]
    assert found.dice == pytest.approx(oracle.dice_where_agreed(flat, marks), abs=1e-12)
    assert found.ece == pytest.approx(np.mean([oracle.ece(flat, one) for one in marks]), abs=1e-12)
    assert found.n_voxels == inside.sum() == found.n_agreed + found.n_disputed
    np.testing.assert_allclose(found.volume_ml, [one.sum() / 1000 for one in marks])
    p[~inside] = np.nan  # nobody looks there
    assert fastfuse.evaluate_against_raters(p, raters, mask=inside).ece == found.ece


def test_a_margin_is_of_calibration_alone() -> None:
    p = np.full((20, 20, 20), 0.01)
    raters = [np.zeros((20, 20, 20), np.uint8) for _ in range(2)]
    for at, one in enumerate(raters):
        one[8 : 12 + at, 8:12, 8:12] = 1
        p[8:12, 8:12, 8:12] = 0.8
    far = fastfuse.evaluate_against_raters(p, raters)
    near = fastfuse.evaluate_against_raters(p, raters, roi=2)
    union = np.logical_or(*raters)
    places = np.argwhere(union)
    apart = np.min([np.linalg.norm(np.argwhere(np.ones_like(p)) - one, axis=1) for one in places], axis=0)
    wanted = (apart <= 2).reshape(p.shape)
    assert near.n_voxels == wanted.sum() < far.n_voxels == 8000
    assert near.ece == pytest.approx(
        np.mean([oracle.ece(p[wanted], one[wanted]) for one in raters]), abs=1e-12
    )
    assert near.ece > far.ece
    assert (near.dice, near.crps_ml, near.confidence) == (far.dice, far.crps_ml, far.confidence)


def test_masks_scales_labels_and_slices() -> None:
    p, raters = drawn(1)
    wanted = fastfuse.evaluate_against_raters(p, raters)
    scaled = fastfuse.evaluate_against_raters(
        255 * p, [4 * one for one in raters], scale=255, truth_select_label=4
    )
    assert (scaled.ece, scaled.dice) == pytest.approx((wanted.ece, wanted.dice), abs=1e-9)
    mask = fastfuse.evaluate_against_raters(p >= 0.5, raters)
    assert mask.dice == wanted.dice
    assert mask.ece == pytest.approx(np.mean([(one != (p >= 0.5)).mean() for one in raters]))
    slices = fastfuse.evaluate_against_raters(p[..., 0], [one[..., 0] for one in raters])
    assert slices.ece == fastfuse.evaluate_against_raters(p[..., :1], [one[..., :1] for one in raters]).ece
    stacked = fastfuse.evaluate_against_raters(p, np.stack(raters))
    assert stacked.ece == wanted.ece


def test_nobody_marks_anything() -> None:
    nothing = np.zeros((3, 3, 3))
    found = fastfuse.evaluate_against_raters(nothing, [nothing, nothing])
    assert (found.dice, found.ece, found.crps_ml) == (1.0, 0.0, 0.0)
    assert np.isnan(found.confidence)
    assert fastfuse.evaluate_against_raters(nothing + 0.7, [nothing, nothing]).dice == 0


def test_evaluate_sends_several_truths_here() -> None:
    one = np.ones((4, 5, 6))
    with pytest.raises(
        ValueError, match=r"the truth holds 3 masks .*: several raters are for evaluate_against_raters"
    ):
        fastfuse.evaluate(one, [one, one, one])  # type: ignore[arg-type]


def refused(prediction: Any, raters: Any, said: str, **options: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=re.escape(said)):
        fastfuse.evaluate_against_raters(prediction, raters, **options)


def test_refusals() -> None:
    ones = np.ones((3, 3, 3))
    refused(ones, [ones], "raters holds 1 rater: give at least two, or evaluate against one truth")
    refused(ones, [], "raters holds 0 raters")
    refused(ones, [ones, None], "rater 1 is None")
    refused(
        ones, [ones, np.ones((3, 3, 2))], "rater 1 has shape (3, 3, 2), the prediction has shape (3, 3, 3)"
    )
    refused(ones, [ones, 3 * ones], "rater 1")
    refused(3 * ones, [ones, ones], "the prediction")
    refused(ones, [ones, ones], "roi is -1: it must be a margin in mm of at least 0", roi=-1)
    refused(ones, [ones, ones], "names has 1 entry for 2 raters", names=["ann"])
    refused(ones, [ones, 3 * ones], "bob holds 3", names=["ann", "bob"])
    refused(ones, [ones, ones], "the mask has shape", mask=np.ones((2, 2, 2)))
    refused(ones, [ones, ones], "cut is 2", cut=2)
