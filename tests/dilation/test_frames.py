"""A single frame, batch or channel beside three axes: dropped alike by every function, and kept in the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

import fastfuse

SHAPE = (16, 15, 12)
SIDES = (1.0, 1.2, 2.0)
DRAWN = np.random.default_rng(4)
LEVEL = ndimage.gaussian_filter(DRAWN.normal(size=SHAPE), 2)
MASKS = [(cut < LEVEL).astype(np.uint8) for cut in (0.06, 0.08, 0.1, 0.12)]
IMAGE = (300 + 2000 * LEVEL.clip(0) + DRAWN.normal(0, 5, SHAPE)).astype(np.float32)
INSIDE = np.ones(SHAPE, np.uint8)
INSIDE[0] = 0
Turn = Callable[[np.ndarray], Any]
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def plain(array: np.ndarray) -> np.ndarray:
    return array


def first(array: np.ndarray) -> np.ndarray:
    return array[np.newaxis]


def last(array: np.ndarray) -> np.ndarray:
    return array[..., np.newaxis]


def both(array: np.ndarray) -> np.ndarray:
    return array[np.newaxis, np.newaxis]


TURNS = [(first, first), (last, last), (plain, last), (first, plain), (both, both), (last, first)]
CALLS: dict[str, Callable[[Turn, Turn], np.ndarray]] = {
    "soften": lambda of, beside: fastfuse.soften([*map(of, MASKS)], beside(IMAGE), roi=beside(INSIDE))[1].values,
    "conditional_dilation": lambda of, beside: fastfuse.conditional_dilation(of(MASKS[0]), beside(IMAGE)).values,
    "in mm": lambda of, beside: fastfuse.conditional_dilation(
        of(MASKS[0]), beside(IMAGE), radius_mm=3, spacing_mm=SIDES, scope="lesion"
    ).values,
    "soften_labels": lambda of, beside: fastfuse.soften_labels([of(MASKS[0] * 2)], beside(IMAGE))[0].ring,
    "dilated_staple": lambda of, beside: fastfuse.dilated_staple(
        [*map(of, MASKS)], beside(IMAGE), mask=beside(INSIDE), roi=3, spacing_mm=SIDES
    ).probability,
    "border_staple": lambda of, beside: fastfuse.border_staple(
        [*map(of, MASKS)], beside(IMAGE), mask=beside(INSIDE), spacing_mm=SIDES, present=[beside(INSIDE), None, None, None]
    ).probability,
    "staple": lambda of, beside: fastfuse.staple(
        [of(MASKS[0]), *map(beside, MASKS[1:])], prior=beside(np.full(SHAPE, 0.2))
    ).probability,
}  # fmt: skip


@pytest.mark.parametrize(("of", "beside"), TURNS)
@pytest.mark.parametrize("name", CALLS)
def test_the_result_is_that_of_three_axes(name: str, of: Turn, beside: Turn) -> None:
    expected, found = CALLS[name](plain, plain), CALLS[name](of, beside)
    assert found.shape == of(expected).shape
    np.testing.assert_array_equal(found.reshape(SHAPE), expected)
    assert expected.any()


SCORES: dict[str, Callable[[Turn, Turn], Any]] = {
    "compare": lambda of, beside: fastfuse.compare(
        [*map(of, MASKS)], beside(IMAGE), truth=beside(MASKS[1]), mask=beside(INSIDE), spacing_mm=SIDES
    ).dice,
    "its volumes": lambda of, beside: fastfuse.compare([*map(of, MASKS)], spacing_mm=SIDES).voxel_ml,
    "agreement": lambda of, beside: fastfuse.agreement(
        [*map(of, MASKS)], mask=beside(INSIDE), roi=3, spacing_mm=SIDES
    ).dice,
    "evaluate": lambda of, beside: fastfuse.evaluate(
        of(MASKS[0]), beside(MASKS[1]), mask=beside(INSIDE), spacing_mm=SIDES
    ).hd95_mm,
    "several raters": lambda of, beside: fastfuse.evaluate_against_raters(
        of(MASKS[0]), [*map(beside, MASKS[1:])], mask=beside(INSIDE), roi=3, spacing_mm=SIDES
    ).ece_by_rater,
}  # fmt: skip


@pytest.mark.parametrize(("of", "beside"), TURNS)
@pytest.mark.parametrize("name", SCORES)
def test_scores_are_those_of_three_axes(name: str, of: Turn, beside: Turn) -> None:
    np.testing.assert_array_equal(SCORES[name](of, beside), SCORES[name](plain, plain))


@pytest.mark.parametrize(("of", "beside"), [(plain, last), (last, plain), (last, last)])
def test_the_voxel_size_of_an_image_with_a_frame(of: Turn, beside: Turn) -> None:
    def image(array: np.ndarray) -> Any:
        return nib.Nifti1Image(array.astype(np.float32), np.diag([*SIDES, 1]))

    expected = fastfuse.border_staple(MASKS, IMAGE, spacing_mm=SIDES).probability
    for raters in ([of(mask) for mask in MASKS], [image(of(mask)) for mask in MASKS]):
        found = fastfuse.border_staple(raters, image(beside(IMAGE))).probability
        np.testing.assert_allclose(found.reshape(SHAPE), expected, atol=1e-5)


def test_several_frames_are_refused() -> None:
    two = np.stack([IMAGE, IMAGE])
    with pytest.raises(ValueError, match=r"^the image has shape \(2, .*give one volume at a time"):
        fastfuse.soften(MASKS, two)
    with pytest.raises(ValueError, match=r"^image has shape \(2, "):
        fastfuse.border_staple(MASKS, two, spacing_mm=SIDES)


def as_nibabel(array: np.ndarray) -> Any:
    return nib.Nifti1Image(array, np.eye(4))


@pytest.mark.parametrize(
    "call", [fastfuse.soften, fastfuse.dilated_staple, fastfuse.border_staple, fastfuse.compare]
)
@pytest.mark.parametrize(
    ("image", "masks"),
    [
        (IMAGE, MASKS),
        (IMAGE, np.stack(MASKS)),
        (IMAGE[np.newaxis], [mask[np.newaxis] for mask in MASKS]),
        (as_nibabel(IMAGE), [as_nibabel(mask) for mask in MASKS]),
        (IMAGE[..., 0], tuple(mask[..., 0] for mask in MASKS)),
    ],
)
def test_raters_and_image_exchanged(call: Callable[..., Any], image: Any, masks: Any) -> None:
    with pytest.raises(TypeError, match=rf"exchanged: write {call.__name__}\(raters, image\)"):
        call(image, masks)
