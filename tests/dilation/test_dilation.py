"""Conditional dilation: worked cases, the reference, and arrays of every layout."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

import fastfuse
from fastfuse import _core, reference

from ..draws import mostly_slow
from .common import CUBE, l1_distance_to_cube, ring_of, rising_image


def falling_cut(steps: int) -> float:
    cut = 0.99
    for _ in range(steps):
        cut -= 0.01
    return cut


# --- numbers from elsewhere ----------------------------------------------------------------------------------


def test_all_face_neighbours() -> None:
    soft = fastfuse.conditional_dilation(CUBE, 1 - 0.1 * l1_distance_to_cube(), normalize=False)
    assert ring_of(soft) == 54
    assert (soft.values[l1_distance_to_cube() == 1] == np.float32(0.3)).all()
    assert soft.threshold == soft.image_threshold == falling_cut(9)
    assert soft.threshold == pytest.approx(0.90)
    assert soft.size == 81 / 27


@pytest.mark.parametrize(
    ("iterations", "connected", "ring", "steps"),
    [(1, False, 6, 36), (3, False, 9, 23), (3, True, 52, 36), (6, False, 9, 3), (6, True, 269, 36)],
)
def test_rising_image(iterations: int, connected: bool, ring: int, steps: int) -> None:
    soft = fastfuse.conditional_dilation(
        CUBE, rising_image(), iterations=iterations, connected=connected, normalize=False
    )
    assert ring_of(soft) == ring
    assert soft.threshold == falling_cut(steps)
    assert soft.threshold == pytest.approx({36: 0.63, 23: 0.76, 3: 0.96}[steps])
    assert soft.size == (27 + ring) / 27


# --- the reference -------------------------------------------------------------------------------------------


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Return a mask, an image and options, each of another kind for another seed."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 13, 3))
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), rng.choice([0.3, 0.8, 1.5]))
    mask = smooth > np.quantile(smooth, rng.choice([0.5, 0.8, 0.95, 0.99]))
    if rng.random() < 0.2:  # single voxels, far from and near to each other
        mask = rng.random(shape) < rng.choice([0.003, 0.05])
    if rng.random() < 0.03:
        mask[:] = rng.random() < 0.5
    image = ndimage.gaussian_filter(rng.normal(size=shape), 0.5) + smooth * rng.choice([0, 1])
    image = [image, np.round(image * 4), np.clip(image, 0, 1), np.round(200 * image).astype(np.int16)][
        rng.integers(4)
    ]
    options: dict[str, Any] = {
        "size": rng.choice([1.0, 1.1, 1.2, 1.5, 3.0, 50.0]),
        "label": rng.choice([0.3, 0.5]),
        "scope": ("volume", "lesion")[rng.integers(2)],
        "connected": bool(rng.integers(2)),
        "normalize": bool(rng.integers(2)),
        "threshold": ["adaptive", "adaptive", "exact", float(np.quantile(image, 0.7))][rng.integers(4)],
    }
    if rng.random() < 0.4:
        options["radius_mm"] = rng.choice([0.5, 1.0, 2.0, 3.3])
        options["spacing_mm"] = [(1, 1, 1), (0.9, 0.9, 3), (0.4, 1.1, 0.7)][rng.integers(3)]
    else:
        options["iterations"] = int(rng.choice([1, 2, 6, 40]))
    if rng.random() < 0.4:
        options["roi"] = rng.random(shape) < 0.7
        options["roi"].flat[0] = True
    return mask, image, options


@pytest.mark.filterwarnings("ignore:(the image|grown):fastfuse.FusionWarning")
@pytest.mark.parametrize("seed", mostly_slow(range(400), 100))
def test_equals_reference(seed: int) -> None:
    mask, image, options = random_case(seed)
    ours = fastfuse.conditional_dilation(mask, image, **options)
    theirs = reference.conditional_dilation(mask, image, **options)
    np.testing.assert_array_equal(ours.values, theirs.values.astype(np.float32))
    lesion = options["scope"] == "lesion"
    cuts = ours.threshold if lesion else [ours.threshold]
    image_cuts = ours.image_threshold if lesion else [ours.image_threshold]
    if mask.any():
        np.testing.assert_array_equal(cuts, theirs.threshold)
        np.testing.assert_array_equal(image_cuts, theirs.image_threshold)
    np.testing.assert_equal(ours.size, theirs.size)


def test_the_random_cases_are_worth_their_while() -> None:
    """Most of them grow a ring; none of the options is idle."""
    cases = [random_case(seed) for seed in range(80)]
    results = [reference.conditional_dilation(mask, image, **options) for mask, image, options in cases]
    assert sum(1 < result.size < np.inf for result in results) > 50
    assert sum(np.isnan(result.size) for result in results) > 0
    assert sum(len(result.threshold) > 1 for result in results) > 12
    for changed in ({"connected": True}, {"scope": "lesion"}, {"roi": None}, {"normalize": False}):
        other = [
            reference.conditional_dilation(mask, image, **{**options, **changed})
            for mask, image, options in cases
        ]
        assert sum(not np.array_equal(a.values, b.values) for a, b in zip(results, other, strict=True)) > 4


# --- what the options say ------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:the image holds 0 and 1 only:fastfuse.FusionWarning")
def test_exact_takes_the_brightest_and_breaks_ties_by_index() -> None:
    image = np.zeros(CUBE.shape)
    image[5, 6:9, 6:9] = 1
    soft = fastfuse.conditional_dilation(CUBE, image, threshold="exact", size=1 + 4 / 27)
    ring = np.argwhere(soft.values == np.float32(0.3)).tolist()
    assert ring == [[5, 6, 6], [5, 6, 7], [5, 6, 8], [5, 7, 6]]
    assert soft.threshold == soft.image_threshold == 1


def test_exact_rounds_before_the_ceiling() -> None:
    mask = np.zeros((9, 9, 9), bool)
    mask[2:4, 2:5, 2:7] = True
    assert mask.sum() == 30
    assert (1.1 - 1) * 30 > 3  # in floats
    soft = fastfuse.conditional_dilation(mask, np.arange(729.0).reshape(9, 9, 9), size=1.1, threshold="exact")
    assert ring_of(soft) == 3


def test_fixed_cut_is_in_the_unit_of_the_image() -> None:
    soft = fastfuse.conditional_dilation(CUBE, 1000 * rising_image(), threshold=550, size=9)
    expected = ndimage.binary_dilation(CUBE, iterations=6) & (CUBE == 0) & (1000 * rising_image() > 550)
    np.testing.assert_array_equal(soft.values == np.float32(0.3), expected)
    assert soft.threshold == soft.image_threshold == 550


def test_candidates_may_run_out() -> None:
    soft = fastfuse.conditional_dilation(CUBE, rising_image() + 1, size=100, iterations=1, normalize=False)
    assert ring_of(soft) == 54
    assert soft.size == 3
    soft = fastfuse.conditional_dilation(CUBE, rising_image(), size=100, threshold="exact", iterations=1)
    assert soft.size == 3


@pytest.mark.filterwarnings("ignore:the image is 1 everywhere")
def test_thick_slices() -> None:
    """Within 3 mm lie three voxels in the plane, and one slice of 3 mm."""
    soft = fastfuse.conditional_dilation(
        CUBE, np.ones(CUBE.shape), threshold=0, radius_mm=3, spacing_mm=(1, 1, 3)
    )
    grown = soft.values > 0
    np.testing.assert_array_equal(np.flatnonzero(grown[:, 7, 7]), np.arange(3, 12))
    np.testing.assert_array_equal(np.flatnonzero(grown[7, 7, :]), np.arange(5, 10))
    single = np.float32(1.1)  # as a header holds it
    soft = fastfuse.conditional_dilation(
        CUBE, np.ones(CUBE.shape), threshold=0, radius_mm=2.2, spacing_mm=(single,) * 3
    )
    np.testing.assert_array_equal(np.flatnonzero(soft.values[:, 7, 7]), np.arange(4, 11))


def test_lesions_of_different_brightness() -> None:
    """Pooled, only the bright one grows; by lesion, both do."""
    mask = np.zeros((9, 9, 30), np.uint8)
    mask[3:6, 3:6, 5:8] = mask[3:6, 3:6, 20:23] = 1
    image = ndimage.gaussian_filter(mask.astype(float), 1.5)
    image[..., 15:] *= 0.5
    pooled = fastfuse.conditional_dilation(mask, image)
    assert ((pooled.values > 0).sum(axis=(0, 1)) > 0).nonzero()[0].max() == 22
    single = fastfuse.conditional_dilation(mask, image, scope="lesion")
    assert ((single.values == np.float32(0.3))[..., 15:]).any()
    assert single.threshold.shape == single.image_threshold.shape == (2,)
    assert single.threshold[0] > single.threshold[1]
    assert pooled.size >= 1.2


def test_scaling_is_that_of_numpy() -> None:
    rng = np.random.default_rng(0)
    for dtype in ("?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">f4", ">i2", ">f8"):
        image = (rng.gamma(2, 20, (31, 23, 29)) - 30).astype(dtype)
        if np.dtype(dtype).kind == "f":
            image[rng.random(image.shape) < 0.01] = np.nan
            image[rng.random(image.shape) < 0.001] = np.inf
        roi = rng.random(image.shape) < 0.4
        for region in (None, roi, np.asfortranarray(roi)):
            chosen = image[np.isfinite(image) & (True if region is None else region)].astype(np.float64)
            expected = np.percentile(chosen, [0.1, 99.9])
            for volume in (image, np.asfortranarray(image), image[::-1].copy()[::-1]):
                np.testing.assert_array_equal(_core.find_scaling(volume, roi=region, threads=2), expected)


# --- arrays of every kind ------------------------------------------------------------------------------------


def layouts(array: np.ndarray) -> list[Any]:
    wide = np.zeros((*array.shape[:2], 2 * array.shape[2]), array.dtype)
    wide[..., ::2] = array
    read_only = array.copy()
    read_only.flags.writeable = False
    return [
        np.asfortranarray(array),
        wide[..., ::2],
        array[:, ::-1].copy()[:, ::-1],
        array.transpose(1, 0, 2).copy().transpose(1, 0, 2),
        array.astype(array.dtype.newbyteorder()),
        read_only,
        nib.Nifti1Image(array, np.eye(4)),
    ]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("options", [{"threshold": "exact"}, {"scope": "lesion", "radius_mm": 2.5}, {}])
def test_layouts(options: dict[str, Any], threads: int) -> None:
    rng = np.random.default_rng(1)
    mask = (ndimage.gaussian_filter(rng.normal(size=(12, 14, 13)), 1) > 0.25).astype(np.int16)
    image = np.round(rng.normal(size=mask.shape) * 2).astype(np.float32)  # many ties
    options = {"spacing_mm": (0.8, 0.9, 1.2), "roi": rng.random(mask.shape) < 0.8, **options}
    expected = fastfuse.conditional_dilation(mask, image, **options)
    for other_mask, other_image in zip(layouts(mask), layouts(image)[::-1], strict=True):
        soft = fastfuse.conditional_dilation(other_mask, other_image, threads=threads, **options)
        np.testing.assert_array_equal(soft.values, expected.values)
        np.testing.assert_array_equal(soft.threshold, expected.threshold)
    assert fastfuse.conditional_dilation(np.asfortranarray(mask), image).values.flags.f_contiguous


def test_soften_is_conditional_dilation_of_each() -> None:
    rng = np.random.default_rng(2)
    masks = rng.random((3, 8, 9, 10)) < 0.1
    image = rng.random((8, 9, 10))
    for soft, mask in zip(fastfuse.soften(masks, image, size=1.5), masks, strict=True):
        np.testing.assert_array_equal(
            soft.values, fastfuse.conditional_dilation(mask, image, size=1.5).values
        )


# --- dilated-STAPLE ------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*the model does not fit")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dilated_staple(dtype: str) -> None:
    rng = np.random.default_rng(3)
    truth = ndimage.gaussian_filter(rng.normal(size=(20, 20, 20)), 2) > 0.15
    raters = [(truth ^ (rng.random(truth.shape) < 0.02)).astype(np.uint8) for _ in range(4)]
    image = ndimage.gaussian_filter(truth + rng.normal(0, 0.1, truth.shape), 1)
    region = np.ones(truth.shape, bool)
    region[:4] = False
    plain = fastfuse.staple(raters, mask=region, prior="estimate", dtype=dtype)
    fused = fastfuse.dilated_staple(
        raters, image, mask=region, prior="estimate", dtype=dtype, size=1.4, label=0.2
    )
    soft = fastfuse.conditional_dilation(plain.label(), image, roi=region, size=1.4, label=0.2)
    assert fused.probability.dtype == dtype
    np.testing.assert_array_equal(fused.probability.astype(np.float32), soft.values)
    assert set(np.unique(fused.probability)) == {0, np.dtype(dtype).type(0.2), 1}
    assert (fused.probability[:4] == 0).all()
    np.testing.assert_array_equal(fused.sensitivity, plain.sensitivity)
    np.testing.assert_array_equal(fused.label(), plain.label())
    assert fused.method == "dilated-staple"
    assert fused.prior == plain.prior
    odd = fastfuse.dilated_staple([7 * rater for rater in raters], image, mask=region, binarize=True)
    np.testing.assert_array_equal(odd.label(), fastfuse.staple(raters, mask=region).label())


# --- degenerate and bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", [0.7, 0.9, 1.0, 1.1, 1.2])
def test_ties_are_not_broken_by_rounding(spacing: float) -> None:
    """(1, 2, 2) and (0, 3, 0) are as far: the centre belongs to the first lesion, whose ring is the brighter."""
    mask = np.zeros((13, 13, 13), bool)
    mask[5, 4, 4] = mask[6, 3, 6] = True
    image = np.zeros(mask.shape)
    image[6, 6, 6] = 1
    image[6, 3, 9] = 0.5  # nearer to the second
    soft = fastfuse.conditional_dilation(
        mask,
        image,
        scope="lesion",
        threshold="exact",
        size=2,
        radius_mm=3 * spacing,
        spacing_mm=(spacing,) * 3,
    )
    np.testing.assert_array_equal(np.argwhere(soft.values == np.float32(0.3)), [[6, 3, 9], [6, 6, 6]])


def test_side_by_side_as_one_by_one() -> None:
    """Large masks have a thread each; the first bad one is told."""
    rng = np.random.default_rng(7)
    image = rng.random((64, 72, 64))
    masks = [ndimage.gaussian_filter(rng.normal(size=image.shape), 2) > cut for cut in (0.12, 0.15, 0.2)]
    alone, beside = (fastfuse.soften(masks, image, normalize=False, threads=threads) for threads in (1, 3))
    for one, other in zip(alone, beside, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        assert (one.threshold, one.size, one.voxels) == (other.threshold, other.size, other.voxels)
        assert (other.voxels, other.ring_voxels) == ((other.values == 1).sum(), ring_of(other))
    wrong = [masks[0], masks[1] * 2, masks[2] * 3]
    with pytest.raises(ValueError, match="rater 1 holds 2 at voxel"):
        fastfuse.soften(wrong, image, normalize=False, threads=3)
