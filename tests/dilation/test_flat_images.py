"""An image that cannot guide a dilation: what is said leads somewhere."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import fastfuse

SHAPE = (24, 20, 16)


def said(image: np.ndarray, **options: Any) -> list[str]:
    mask = np.zeros(SHAPE, np.uint8)
    mask[8:14, 6:12, 5:10] = 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fastfuse.soften([mask, mask], image, **options)
    return "; ".join(str(one.message) for one in caught).split("; ")


@pytest.fixture
def roi() -> np.ndarray:
    inside = np.zeros(SHAPE, np.uint8)
    inside[5:18, 4:16, 3:12] = 1
    return inside


@pytest.mark.parametrize("options", [{}, {"threshold": "exact"}, {"normalize": False}, {"threshold": 7.0}])
@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("value", [7.0, -0.25])
def test_one_value_everywhere_is_no_flair_wherever_one_looks(
    roi, value: float, within: bool, options
) -> None:
    found = said(np.full(SHAPE, value, np.float32), roi=roi if within else None, **options)
    flat = [one for one in found if "everywhere" in one]
    assert len(flat) == 1
    assert flat[0].startswith(f"the image is {value:g} everywhere")
    assert flat[0].endswith(": give FLAIR there")
    assert not any("region of interest" in one for one in found)


def test_two_values_are_told_once(roi) -> None:
    image = np.full(SHAPE, 7, np.float32)
    image[0, 0, 0] = 9
    for within in (None, roi):
        found = said(image, roi=within)
        assert sum("give FLAIR there" in one for one in found) == 1
        assert not any("percentile" in one for one in found)


@pytest.mark.parametrize("within", [False, True])
def test_flat_but_for_a_few_voxels_has_remedies_that_work(roi, within: bool) -> None:
    rng = np.random.default_rng(2)
    image = np.full(SHAPE, 100, np.float32)
    image[20, 17, 14:], image[21, 17, 14:] = (40.5, 60.25), (41.5, 61.75)
    region = roi if within else None
    first = [one for one in said(image, roi=region) if "percentile" in one or "everywhere" in one]
    assert len(first) == 1
    assert ("another region of interest" if within else "give a region of interest") in first[0]
    assert not any("percentile" in one for one in said(image, roi=region, threshold="exact"))
    image[14:18] += rng.normal(0, 5, image[14:18].shape).astype(np.float32)  # 17 % of the image
    other = np.zeros(SHAPE, np.uint8)
    other[6:24, 4:20, 3:16] = 1
    assert not any("percentile" in one for one in said(image, roi=other))
