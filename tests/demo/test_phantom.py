"""The synthetic case is reproducible, plausible, and its raters behave as described."""

from itertools import combinations

import numpy as np
import pytest
from scipy import ndimage

from fastfuse.demo import phantom

SMALL = {"shape": (48, 56, 48), "spacing_mm": 3.8}


@pytest.fixture(scope="module")
def cases():
    return [phantom.make_case(seed, **SMALL) for seed in (1, 2, 3)]


@pytest.fixture(scope="module")
def case(cases):
    return cases[0]


def rater(name):
    return [style.name for style in phantom.RATERS].index(name)


def dice(a, b):
    return 2 * np.sum(a & b) / (a.sum() + b.sum())


def sensitivity(mask, truth):
    labels, count = ndimage.label(truth)
    return np.mean(ndimage.maximum(mask, labels, range(1, count + 1)))


def false_positives(mask, truth):
    labels, count = ndimage.label(mask)
    return np.sum(ndimage.maximum(truth, labels, range(1, count + 1)) == 0)


def normal_white_matter(case):
    """Bright on T1, inside the brain and well away from the lesions."""
    clear = ~ndimage.binary_dilation(case.lesions, iterations=2)
    inner = ndimage.binary_erosion(case.brain, iterations=3) & clear
    return inner & (case.images["T1"] > np.percentile(case.images["T1"][inner], 60))


def test_same_seed_gives_the_same_bits(case):
    again = phantom.make_case(1, **SMALL)
    np.testing.assert_array_equal(again.lesions, case.lesions)
    for name in phantom.MODALITIES:
        np.testing.assert_array_equal(again.images[name], case.images[name])
    for one, other in zip(again.votes, case.votes, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_gives_another_patient(cases):
    for one, other in combinations(cases, 2):
        assert np.any(one.brain != other.brain)
        assert dice(one.lesions, other.lesions) < 0.5


def test_shapes_and_types(case):
    assert case.affine.dtype == np.float64
    np.testing.assert_allclose(np.diag(case.affine), (3.8, 3.8, 3.8, 1.0))
    assert tuple(case.images) == ("FLAIR", "T1", "GADO", "DP", "T2")
    assert len(case.masks) == len(case.votes) == len(phantom.RATERS) == 7
    masks = (case.brain, case.lesions, *case.masks)
    expected = [(i, np.int16) for i in case.images.values()]
    expected += [(m, np.uint8) for m in masks] + [(v, np.float32) for v in case.votes]
    for volume, dtype in expected:
        assert volume.shape == SMALL["shape"]
        assert volume.dtype == dtype
    assert all(set(np.unique(mask)) == {0, 1} for mask in masks)


def test_affine_puts_the_brain_around_the_origin(case):
    centre = np.argwhere(case.brain).mean(axis=0)
    world = case.affine[:3, :3] @ centre + case.affine[:3, 3]
    np.testing.assert_allclose(world, (0, -20, 10), atol=12)


def test_brain_and_lesions_have_plausible_volumes(cases):
    for case in cases:
        assert 1.2e6 < case.brain.sum() * 3.8**3 < 1.9e6
        assert 0.0015 < case.lesions.mean() < 0.004
        assert ndimage.label(case.lesions)[1] > 15


def test_lesions_and_masks_lie_in_the_brain(cases):
    for case in cases:
        outside = case.brain == 0
        assert not np.any(case.lesions[outside])
        assert not any(np.any(votes[outside]) for votes in case.votes)


@pytest.mark.parametrize("scanner", phantom.SCANNERS, ids=lambda s: s.name)
def test_lesion_contrast(scanner):
    case = phantom.make_case(4, scanner=scanner, **SMALL)
    lesion, white = case.lesions == 1, normal_white_matter(case)
    mean = {m: (i[lesion].mean(), i[white].mean()) for m, i in case.images.items()}
    assert all(mean[name][0] > 1.2 * mean[name][1] for name in ("FLAIR", "DP", "T2"))
    assert all(mean[name][0] < 0.9 * mean[name][1] for name in ("T1", "GADO"))


def test_few_lesions_take_up_contrast_agent(cases):
    for case in cases:
        gain = case.images["GADO"].astype(float) - case.images["T1"]
        enhanced = gain[case.lesions == 1] > 150
        assert 0 < enhanced.mean() < 0.3


def test_scanner_changes_only_the_images(case):
    other = phantom.make_case(1, scanner=phantom.SCANNERS[1], **SMALL)
    np.testing.assert_array_equal(other.lesions, case.lesions)
    np.testing.assert_array_equal(other.masks, case.masks)
    means = [c.images["FLAIR"][c.brain == 1].mean() for c in (case, other)]
    assert means[0] > 1.5 * means[1]


def test_votes_agree_with_masks(cases):
    for case in cases:
        for mask, votes in zip(case.masks, case.votes, strict=True):
            np.testing.assert_array_equal(votes == 1, mask == 1)
            levels = np.unique(votes)
            np.testing.assert_array_equal(levels, np.float32([0, 0.3, 1]))


def test_bias_shows_in_volume(cases):
    for case in cases:
        volume = [int(mask.sum()) for mask in case.masks]
        assert volume[rater("timid")] < 0.8 * case.lesions.sum()
        assert volume[rater("generous")] > 1.3 * case.lesions.sum()


def test_some_raters_miss_and_some_invent_lesions(cases):
    found = np.array([[sensitivity(m, c.lesions) for m in c.masks] for c in cases])
    false = np.array([[false_positives(m, c.lesions) for m in c.masks] for c in cases])
    found, false = found.mean(axis=0), false.mean(axis=0)
    assert np.argmin(found) == rater("misses small lesions")
    assert found[rater("good")] > found[rater("misses small lesions")] + 0.2
    assert np.argmax(false) == rater("invents lesions")
    assert false[rater("invents lesions")] > false[rater("good")] + 4


def test_good_raters_are_closest_to_the_truth(cases):
    scores = np.array([[dice(m, c.lesions) for m in c.masks] for c in cases])
    best = np.argsort(scores.mean(axis=0))[-2:]
    assert set(best) == {rater("good"), rater("careful")}
    assert scores.mean(axis=0)[rater("sloppy")] < scores.mean(axis=0)[rater("good")] - 0.08


def test_raters_agree_moderately(cases):
    for case in cases:
        agreement = np.mean([dice(a, b) for a, b in combinations(case.masks, 2)])
        assert 0.5 < agreement < 0.8


def test_raters_can_be_chosen(case):
    chosen = phantom.make_case(1, raters=phantom.RATERS[:2], **SMALL)
    np.testing.assert_array_equal(chosen.masks, case.masks[:2])
