"""Conditional dilation: worked cases, the reference, and every layout of arrays."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

import fastfuse
from fastfuse import _core, reference

SIDE = 15
CUBE = np.zeros((SIDE,) * 3, np.uint8)
CUBE[6:9, 6:9, 6:9] = 1


def l1_distance_to_cube() -> np.ndarray:
    away = [np.maximum(np.maximum(6 - axis, axis - 8), 0) for axis in np.indices(CUBE.shape)]
    return np.sum(away, axis=0)


def rising_image() -> np.ndarray:
    return np.arange(SIDE**3, dtype=np.float64).reshape(CUBE.shape) / 3374


def ring_of(soft: fastfuse.SoftMask) -> int:
    return int(np.count_nonzero(soft.values == np.float32(0.3)))


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


@pytest.mark.filterwarnings("ignore:the image is:fastfuse.FusionWarning")
@pytest.mark.parametrize("seed", range(400))
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
    cases = [random_case(seed) for seed in range(200)]
    results = [reference.conditional_dilation(mask, image, **options) for mask, image, options in cases]
    assert sum(1 < result.size < np.inf for result in results) > 125
    assert sum(np.isnan(result.size) for result in results) > 2
    assert sum(len(result.threshold) > 1 for result in results) > 30
    for changed in ({"connected": True}, {"scope": "lesion"}, {"roi": None}, {"normalize": False}):
        other = [
            reference.conditional_dilation(mask, image, **{**options, **changed})
            for mask, image, options in cases
        ]
        assert sum(not np.array_equal(a.values, b.values) for a, b in zip(results, other, strict=True)) > 10


# --- what the options say ------------------------------------------------------------------------------------


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
    with pytest.warns(
        fastfuse.FusionWarning, match="the image is 0 at its 0.1st and at its 99.9th"
    ) as caught:
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
    with pytest.raises(TypeError, match="foo is no option of a dilation: it has size"):
        fastfuse.soften([CUBE], rising_image(), foo=1)
    with pytest.raises(ValueError, match="size is 1000"):
        fastfuse.conditional_dilation(CUBE, rising_image(), size=10**400)
