"""Masks in memory that get no ring, or a smaller one than asked, are told with the cause; toys are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastfuse

SHAPE = (24, 24, 24)
MASK = np.zeros(SHAPE, np.uint8)
MASK[9:15, 9:15, 9:15] = 1
IMAGE = np.random.default_rng(0).normal(100, 5, SHAPE) + 80 * MASK
SINGLE = (float(np.float32(0.3)),) * 3  # of a header: a little above 0.3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"threshold": 5000}, "get no ring: no candidate around the mask is above threshold=5000"),
        ({"radius_mm": 0.5, "spacing_mm": (1, 1, 2)}, "get no ring: radius_mm=0.5 .* of 1 x 1 x 2 mm"),
        (
            {"radius_mm": 0.3, "spacing_mm": SINGLE, "threshold": 5000},
            "no ring: no candidate around the mask",
        ),
        ({"size": 50, "iterations": 1}, "smaller than the size asked, × 50: rater 0 × .* and rater 1 × .*"),
        ({"size": 50, "iterations": 1, "threshold": "exact"}, "smaller than the size asked, × 50"),
    ],
)
def test_rings_are_told(options: dict[str, Any], said: str) -> None:
    with pytest.warns(fastfuse.FusionWarning, match=said):
        fastfuse.soften([MASK, np.roll(MASK, 1, 0)], IMAGE, **options)


def test_an_empty_mask_is_told() -> None:
    with pytest.warns(fastfuse.FusionWarning, match="rater 1 marks nothing, so that nothing grows"):
        fastfuse.soften([MASK, 0 * MASK], IMAGE)


def test_more_candidates_make_the_size() -> None:
    with pytest.warns(fastfuse.FusionWarning, match="more iterations may give some"):
        fastfuse.conditional_dilation(MASK, IMAGE, size=5, iterations=1)
    assert fastfuse.conditional_dilation(MASK, IMAGE, size=5, threshold="exact").size >= 5


def test_no_ring_is_asked_for() -> None:
    assert fastfuse.conditional_dilation(MASK, IMAGE, size=1, threshold="exact").ring_voxels == 0


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.full(SHAPE, 100.0), "the image is 100 everywhere, so nothing but their order"),
        (np.zeros(SHAPE), "the image is 0 everywhere"),
        (
            np.arange(24**3).reshape(SHAPE) % 4 * 7,
            "the image holds 0, 7, 14, 21 only, as a label map does",
        ),
        (MASK * 2.0, "the image holds 0 and 2 only, as a mask does"),
    ],
)
@pytest.mark.parametrize("threshold", ["exact", 0.5])
def test_an_image_that_is_none(image: Any, said: str, threshold: Any) -> None:
    with pytest.warns(fastfuse.FusionWarning, match=said):
        fastfuse.soften(
            [MASK, np.roll(MASK, 1, 0)], image, threshold=threshold, normalize=threshold == "exact"
        )
