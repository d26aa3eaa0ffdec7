"""border-STAPLE wherever a method goes: by its function, by name, by tables of several cases."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import fastfuse

from .draws import SPACING, Drawn, contours, dice

SHIFTS = [1.5, 1.0, 0.8, 0.5, 0.0]


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return contours(SHIFTS)


def border(drawn: Drawn, masks: Any = None, **options: Any) -> Any:
    options = {"mask": drawn.brain, "spacing_mm": SPACING, **options}
    return fastfuse.border_staple(drawn.masks if masks is None else masks, **options)


def test_offsets_are_in_the_order_of_sizes(drawn: Drawn) -> None:
    fusion = border(drawn)
    assert isinstance(fusion, fastfuse.BorderFusion)
    assert fusion.converged
    assert (np.diff(fusion.offsets) > 0).all()  # the larger a mask, the lower the level of its border
    assert (np.diff(fusion.sensitivity) < 0).all()
    assert np.average(fusion.sharpness, weights=fusion.sharpness) == pytest.approx(1)
    assert ((fusion.false_marks > 0) & (fusion.false_marks < fusion.finds) & (fusion.finds < 1)).all()
    assert fusion.anchor_from == "votes"
    assert "anchor" in repr(fusion)


def test_the_image_tells_the_border(drawn: Drawn) -> None:
    """All raters but one draw too much, which votes cannot know."""
    votes, anchored = border(drawn), border(drawn, image=drawn.image)
    sure = border(drawn, image=drawn.image, evidence=True)
    assert anchored.anchor_from == sure.anchor_from == "image"
    assert dice(votes.label(), drawn.truth) < 0.85
    assert dice(anchored.label(), drawn.truth) > dice(votes.label(), drawn.truth) + 0.04
    assert dice(sure.label(), drawn.truth) > dice(anchored.label(), drawn.truth) + 0.01
    np.testing.assert_array_equal(anchored.offsets, votes.offsets)  # votes alone fit the raters


def test_the_order_of_axes_does_not_matter() -> None:
    """Lesions lie two voxels apart, so that many voxels are as near to two; as of SimpleITK, axes come as z, y, x."""
    rng = np.random.default_rng(5)
    truth = np.zeros((30, 24, 18), bool)
    for corner in ((4, 4, 4), (4, 11, 4), (11, 4, 10), (18, 12, 4), (18, 12, 11)):
        truth[tuple(slice(start, start + 5) for start in corner)] = True
    image = 100 + 60.0 * truth + 8 * rng.standard_normal(truth.shape)
    masks = [truth & (rng.random(truth.shape) > 0.02 * rater) for rater in range(5)]
    sides = (0.9, 1.0, 1.2)
    plain = fastfuse.border_staple(masks, image, spacing_mm=sides, roi="all")
    turned = fastfuse.border_staple([mask.T for mask in masks], image.T, spacing_mm=sides[::-1], roi="all")
    assert plain.anchor_from == "image"
    assert turned.anchor == pytest.approx(plain.anchor, rel=1e-9)
    np.testing.assert_allclose(turned.probability.T, plain.probability, atol=1e-6)


def test_probability_is_0_beyond_the_region(drawn: Drawn) -> None:
    from scipy import ndimage

    distance = ndimage.distance_transform_edt(~np.any(drawn.masks, axis=0), sampling=SPACING)
    for roi in (4.0, 2.0):
        probability = border(drawn, roi=roi, image=drawn.image).probability
        inside = (distance <= roi + 1e-6) & (drawn.brain > 0)
        assert (probability[inside] > 0).all()
        assert not probability[~inside].any()


def test_by_name(drawn: Drawn) -> None:
    """The method's own defaults stand for those that are declared."""
    by_name = fastfuse.fuse(drawn.masks, "border-staple", mask=drawn.brain, spacing_mm=SPACING)
    np.testing.assert_array_equal(by_name.probability, border(drawn).probability)
    with_image = fastfuse.fuse(
        drawn.masks, "border-staple", image=drawn.image, evidence=True, mask=drawn.brain, spacing_mm=SPACING
    )
    expected = border(drawn, image=drawn.image, evidence=True)
    np.testing.assert_array_equal(with_image.probability, expected.probability)
    with pytest.raises(ValueError, match="image is given: staple takes none"):
        fastfuse.fuse(drawn.masks, "staple", image=drawn.image)
    with pytest.raises(ValueError, match="evidence is True: staple has no such option"):
        fastfuse.fuse(drawn.masks, "staple", evidence=True)


def test_estimate_and_apply_are_the_fusion(drawn: Drawn) -> None:
    table = fastfuse.tabulate(drawn.masks, mask=drawn.brain, roi=4.0, spacing_mm=SPACING)
    estimate = fastfuse.estimate(table, "border-staple")
    assert isinstance(estimate, fastfuse.BorderEstimate)
    for image in (None, drawn.image):
        fused = border(drawn, image=image, evidence=image is not None)
        for rates in (estimate, pickle.loads(pickle.dumps(estimate))):
            applied = rates.apply(
                drawn.masks, mask=drawn.brain, spacing_mm=SPACING, image=image, evidence=image is not None
            )
            np.testing.assert_allclose(applied.probability, fused.probability, rtol=0, atol=1e-7)
            np.testing.assert_allclose(applied.sensitivity, fused.sensitivity, rtol=0, atol=1e-9)
            np.testing.assert_allclose(applied.offsets, fused.offsets, rtol=0, atol=1e-9)
            assert applied.anchor_from == fused.anchor_from


def test_cases_share_raters_and_levels() -> None:
    """The rates of tables added up are nearer to what raters do than those of single cases."""
    cases = [contours(SHIFTS, seed=seed) for seed in range(4)]
    tables = [fastfuse.tabulate(one.masks, mask=one.brain, roi=4.0, spacing_mm=SPACING) for one in cases]
    shared = fastfuse.estimate(sum(tables), "border-staple")
    single = np.array([border(one).offsets - border(one).offsets.mean() for one in cases])
    spread = np.abs(single - single.mean(axis=0)).max()
    assert np.abs(shared.offsets - shared.offsets.mean() - single.mean(axis=0)).max() < spread
    fusion = shared.apply(cases[0].masks, mask=cases[0].brain, spacing_mm=SPACING, image=cases[0].image)
    assert fusion.anchor_from == "image"
    np.testing.assert_array_equal(fusion.offsets, shared.offsets)


def test_missing_votes_and_raters_who_did_not_read(drawn: Drawn) -> None:
    with pytest.warns(fastfuse.FusionWarning, match="rater 2 has no vote"):
        fusion = border(drawn, [*drawn.masks[:2], None, *drawn.masks[2:]])
    for name in ("offsets", "sharpness", "false_marks", "finds", "sensitivity"):
        values = getattr(fusion, name)
        assert np.isnan(values[2])
        np.testing.assert_array_equal(np.delete(values, 2), getattr(border(drawn), name))
    half = [mask.astype(np.float32) for mask in drawn.masks]
    half[0][:, :20] = np.nan
    seen = [np.isfinite(votes) for votes in half]
    by_nan, by_present = border(drawn, half, missing="nan"), border(drawn, present=seen)
    np.testing.assert_array_equal(by_nan.probability, by_present.probability)
    assert by_nan.n_read[0] < by_nan.n_read[1]
    assert dice(by_nan.label(), border(drawn).label()) > 0.9


def test_soft_votes(drawn: Drawn) -> None:
    soft = [mask * np.float32(0.9) for mask in drawn.masks]
    fusion = border(drawn, soft, image=drawn.image)
    assert fusion.anchor_from == "image"
    assert dice(fusion.label(), drawn.truth) > 0.85


@pytest.mark.parametrize("kind", ["bootstrap", "lesions"])
@pytest.mark.filterwarnings("ignore:95 % intervals over lesions:fastfuse.FusionWarning")
def test_intervals(kind: str, drawn: Drawn) -> None:
    fusion = border(drawn, image=drawn.image, intervals=kind, replicates=20)
    low, high = fusion.intervals.sensitivity.T
    assert (low < high).all()
    assert ((low - 0.03 <= fusion.sensitivity) & (fusion.sensitivity <= high + 0.03)).all()


@pytest.mark.filterwarnings("ignore:rater 3 and rater 5 hold the same votes. they count as one rater")
def test_a_copy_tells_nothing_new(drawn: Drawn) -> None:
    once, twice = border(drawn), border(drawn, [*drawn.masks, drawn.masks[3]])
    np.testing.assert_array_equal(twice.probability, once.probability)
    np.testing.assert_array_equal(twice.offsets, [*once.offsets, once.offsets[3]])
    np.testing.assert_array_equal(twice.sensitivity, [*once.sensitivity, once.sensitivity[3]])


def test_thirty_raters() -> None:
    drawn = contours(list(np.linspace(-1, 2, 30)))
    fusion = border(drawn)
    assert fusion.converged
    assert np.corrcoef(fusion.offsets, np.linspace(-1, 2, 30))[0, 1] < -0.95
