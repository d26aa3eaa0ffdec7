"""Conditional dilation of degenerate and bad input."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

import fastfuse

from .common import CUBE, l1_distance_to_cube, ring_of, rising_image


@pytest.mark.parametrize("scope", ["volume", "lesion"])
@pytest.mark.parametrize("threshold", ["adaptive", "exact", 0.5])
def test_empty_mask(threshold: str | float, scope: str) -> None:
    soft = fastfuse.conditional_dilation(0 * CUBE, rising_image(), threshold=threshold, scope=scope)
    assert not soft.values.any()
    assert np.isnan(soft.size)
    assert np.isnan(soft.threshold).all()
    assert "nan" in repr(soft)


def test_full_mask() -> None:
    soft = fastfuse.conditional_dilation(np.ones((3, 4, 5)), np.ones((3, 4, 5)), normalize=False)
    assert (soft.values == 1).all()
    assert soft.size == 1


def test_flat_image_warns_once() -> None:
    image = np.zeros((20, 20, 20))
    image[10, 10, 10] = 1
    mask = np.zeros(image.shape, bool)
    mask[10, 10, 9] = True
    with pytest.warns(fastfuse.FusionWarning, match="the image holds 0 and 1 only") as caught:
        softened = fastfuse.soften([mask, mask], image)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    everything = np.count_nonzero(ndimage.binary_dilation(mask, iterations=6)) - 1
    assert [ring_of(soft) for soft in softened] == [everything, everything]


def test_binarize() -> None:
    odd = np.where(CUBE == 1, 255, 0).astype(np.uint8)
    with pytest.raises(
        ValueError, match=r"mask holds 255 at voxel \(6, 6, 6\) \(values that occur: 0, 255\).*binarize"
    ):
        fastfuse.conditional_dilation(odd, rising_image())
    soft = fastfuse.conditional_dilation(odd, rising_image(), binarize=True)
    np.testing.assert_array_equal(soft.values, fastfuse.conditional_dilation(CUBE, rising_image()).values)
    partial = CUBE * 0.5 - 1.0 * (l1_distance_to_cube() == 20)
    soft = fastfuse.conditional_dilation(partial, rising_image(), binarize=True)
    assert (soft.values[CUBE == 1] == 1).all()


def broken(array: np.ndarray, place: tuple[int, int, int], value: float) -> np.ndarray:
    changed = array.astype(np.float64)
    changed[place] = value
    return changed


@pytest.mark.parametrize(
    ("mask", "image", "options", "error", "message"),
    [
        (
            CUBE,
            rising_image()[:14],
            {},
            ValueError,
            r"mask has shape \(15, 15, 15\), the image has shape \(14, ",
        ),
        (
            CUBE[0],
            rising_image()[0],
            {},
            ValueError,
            r"image has shape \(15, 15\): a dilation needs volumes",
        ),
        (CUBE[:0], rising_image()[:0], {}, ValueError, "image is empty"),
        (CUBE * 3, rising_image(), {}, ValueError, r"mask holds 3 at voxel .*values that occur: 0, 3"),
        (CUBE * 0.3, rising_image(), {}, ValueError, "mask holds 0.3"),
        (-1.0 * CUBE, rising_image(), {}, ValueError, "mask holds -1"),
        (
            broken(CUBE, (0, 1, 2), np.nan),
            rising_image(),
            {},
            ValueError,
            r"mask holds nan at voxel \(0, 1, 2\)",
        ),
        (
            broken(CUBE, (0, 1, 2), np.inf),
            rising_image(),
            {"binarize": True},
            ValueError,
            r"mask holds inf at voxel \(0, 1, 2\)",
        ),
        (
            CUBE,
            broken(rising_image(), (5, 6, 7), np.nan),
            {},
            ValueError,
            r"image holds nan at voxel \(5, 6, 7\), ",
        ),
        (
            CUBE,
            broken(rising_image(), (5, 6, 7), -np.inf),
            {},
            ValueError,
            r"image holds -inf at voxel \(5, 6, 7\)",
        ),
        (CUBE, np.full(CUBE.shape, np.nan), {}, ValueError, "the image has no finite voxel"),
        (CUBE, rising_image(), {"roi": 0 * CUBE}, ValueError, "roi is empty: nothing may grow"),
        (
            CUBE,
            rising_image(),
            {"roi": CUBE[1:]},
            ValueError,
            r"roi has shape \(14, 15, 15\), the image has shape",
        ),
        (CUBE, rising_image(), {"roi": 2 + CUBE}, ValueError, "roi holds 2 at voxel"),
        (CUBE, rising_image().astype(complex), {}, TypeError, "image holds elements of type complex128"),
        (CUBE.astype(str), rising_image(), {}, TypeError, "mask holds elements of type"),
        (CUBE, "flair.nii.gz", {}, TypeError, "image is 'flair.nii.gz', not an array"),
        (CUBE, rising_image(), {"size": 0.9}, ValueError, "size is 0.9: it must be a number of at least 1"),
        (CUBE, rising_image(), {"size": np.nan}, ValueError, "size is nan"),
        (CUBE, rising_image(), {"size": np.inf}, ValueError, "size is inf"),
        (CUBE, rising_image(), {"label": 0}, ValueError, r"label is 0: it must be in \(0, 1\)"),
        (CUBE, rising_image(), {"label": 1.0}, ValueError, "label is 1.0"),
        (CUBE, rising_image(), {"label": "soft"}, ValueError, "label is 'soft'"),
        (CUBE, rising_image(), {"iterations": 0}, ValueError, "iterations is 0: it must be at least 1"),
        (CUBE, rising_image(), {"iterations": 1.5}, TypeError, "iterations is 1.5: it must be an integer"),
        (
            CUBE,
            rising_image(),
            {"threshold": "otsu"},
            ValueError,
            "threshold is 'otsu': it must be 'adaptive' or",
        ),
        (CUBE, rising_image(), {"threshold": np.nan}, ValueError, "threshold is nan"),
        (
            CUBE,
            rising_image(),
            {"scope": "slice"},
            ValueError,
            "scope is 'slice': it must be 'volume' or 'lesion'",
        ),
        (CUBE, rising_image(), {"connected": 1}, TypeError, "connected is 1: it must be True or False"),
        (CUBE, rising_image(), {"radius_mm": 2}, ValueError, "radius_mm needs spacing_mm"),
        (CUBE, rising_image(), {"radius_mm": 0, "spacing_mm": (1, 1, 1)}, ValueError, "radius_mm is 0"),
        (
            np.zeros((90, 90, 90)),
            np.ones((90, 90, 90)),
            {"radius_mm": 1e9, "spacing_mm": (1, 1, 1)},
            ValueError,
            r"radius_mm is 1e\+09: its ball spans 5,735,339 voxels, and at most 1,000,000",
        ),
        (
            CUBE,
            rising_image(),
            {"spacing_mm": (1, 0, 1)},
            ValueError,
            r"spacing_mm\[1\] is 0: it must be a number above",
        ),
        (CUBE, rising_image(), {"spacing_mm": (1, -1, 1)}, ValueError, r"spacing_mm\[1\] is -1"),
        (CUBE, rising_image(), {"spacing_mm": (1, np.nan, 1)}, ValueError, r"spacing_mm\[1\] is nan"),
        (CUBE, rising_image(), {"spacing_mm": 1}, ValueError, "spacing_mm is 1: it must hold three numbers"),
        (CUBE, rising_image(), {"threads": -1}, ValueError, "threads is -1"),
        (CUBE, rising_image(), {"sigma": 1}, TypeError, "sigma"),
    ],
)
def test_bad_input(
    mask: Any, image: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fastfuse.conditional_dilation(mask, image, **options)


def test_nothing_is_checked_where_nothing_grows() -> None:
    image = broken(rising_image(), (0, 0, 0), np.nan)
    fastfuse.conditional_dilation(CUBE, image, iterations=2)
    roi = np.ones(CUBE.shape, bool)
    roi[5, 6, 7] = False
    fastfuse.conditional_dilation(CUBE, broken(image, (5, 6, 7), np.nan), iterations=2, roi=roi)


def test_bad_rater_is_named() -> None:
    with pytest.raises(ValueError, match="rater 1 holds 2 at voxel"):
        fastfuse.soften([CUBE, 2 * CUBE], rising_image())
    with pytest.raises(
        ValueError, match=r"rater 0 has shape \(15, 15, 14\), the image has shape \(15, 15, 15\)"
    ):
        fastfuse.soften([CUBE[..., 1:]], rising_image())
    with pytest.raises(
        ValueError, match=r"image has shape \(14, 15, 15\), the raters have shape \(15, 15, 15\)"
    ):
        fastfuse.dilated_staple([CUBE, CUBE], rising_image()[1:])
    with pytest.raises(ValueError, match="rater 1 holds 3"):
        fastfuse.dilated_staple([CUBE, 3 * CUBE], rising_image())
    with pytest.raises(TypeError, match="sigma"):
        fastfuse.soften([CUBE], rising_image(), sigma=3)


@pytest.mark.parametrize("label", [1e-300, 1e-46, 1 - 1e-9])
def test_label_must_survive_single_precision(label: float) -> None:
    with pytest.raises(ValueError, match=r"label is .*in \(0, 1\) in single precision"):
        fastfuse.conditional_dilation(CUBE, rising_image(), label=label)


@pytest.mark.parametrize("value", [2, np.nan, 0.5, -1])
@pytest.mark.parametrize("threshold", ["adaptive", "exact"])
def test_roi_is_checked_everywhere(value: float, threshold: str) -> None:
    roi = broken(np.ones(CUBE.shape), (0, 0, 14), value)
    with pytest.raises(
        ValueError, match=r"roi holds .* at voxel \(0, 0, 14\): a mask is boolean or holds 0 and 1"
    ):
        fastfuse.conditional_dilation(CUBE, rising_image(), roi=roi, threshold=threshold)


def test_empty_mask_needs_no_image() -> None:
    for options in ({}, {"threshold": "exact"}, {"normalize": False}):
        soft = fastfuse.conditional_dilation(0 * CUBE, np.full(CUBE.shape, np.nan), **options)
        assert not soft.values.any()


def test_images_in_memory_on_different_grids() -> None:
    near, far = nib.Nifti1Image(CUBE, np.eye(4)), nib.Nifti1Image(CUBE, np.diag([1, 1, -1, 1]))
    flair = nib.Nifti1Image(rising_image(), np.eye(4))
    for names, call in (
        ("rater 1 and rater 0", lambda: fastfuse.soften([near, far], flair)),
        ("image and rater 0", lambda: fastfuse.soften([far, far], flair)),
        ("roi and rater 0", lambda: fastfuse.soften([near], flair, roi=far)),
        ("image and rater 0", lambda: fastfuse.dilated_staple([far, far], flair)),
        ("mask and rater 0", lambda: fastfuse.dilated_staple([near, near], flair, mask=far)),
        ("image and mask", lambda: fastfuse.conditional_dilation(far, flair)),
    ):
        with pytest.raises(fastfuse.GridError, match=rf"{names} .*axis 2 is flipped"):
            call()


def test_selecting_twice() -> None:
    with pytest.raises(ValueError, match="select_label and binarize are given"):
        fastfuse.dilated_staple([CUBE, CUBE], rising_image(), select_label=1, binarize=True)


def test_several_volumes_are_no_volume() -> None:
    with pytest.raises(ValueError, match="give one volume at a time"):
        fastfuse.conditional_dilation(np.stack([CUBE, CUBE]), rising_image())
    with pytest.raises(ValueError, match="several raters' as a list"):
        fastfuse.soften(CUBE, rising_image())
    with pytest.raises(TypeError, match="unexpected keyword argument 'foo'"):
        fastfuse.soften([CUBE], rising_image(), foo=1)
    with pytest.raises(ValueError, match="size is 1000"):
        fastfuse.conditional_dilation(CUBE, rising_image(), size=10**400)
