"""Bad input gets an error that names the rater and the value."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..problems import SOFT

ALL = (fastfuse.staple, *SOFT, fastfuse.majority_vote)
GOOD = np.array([[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 1]], dtype=np.float64)


def with_value(value: float, rater: int = 1, dtype: Any = np.float64) -> list[np.ndarray]:
    raters = [np.zeros((2, 3, 4), dtype) for _ in range(3)]
    for other in raters:
        other[0, 0, 0] = 1
    raters[rater][1, 0, 2] = value
    return raters


@pytest.mark.parametrize("fuse", ALL)
@pytest.mark.parametrize(
    ("raters", "error", "message"),
    [
        ([], ValueError, "no raters"),
        ((), ValueError, "no raters"),
        ([np.zeros(3), np.zeros(4)], ValueError, r"rater 1 has shape \(4,\), rater 0 has shape \(3,\)"),
        ([np.zeros((2, 3)), np.zeros((3, 2))], ValueError, r"rater 1 has shape \(3, 2\)"),
        ([np.zeros((2, 0))], ValueError, r"empty: shape \(2, 0\)"),
        ([GOOD[0], GOOD[1].astype(complex)], TypeError, "rater 1 holds elements of type complex128"),
        ([GOOD[0], np.array(["0", "1", "1", "0"])], TypeError, "rater 1 holds elements of type <U1"),
        ([GOOD[0], np.array([0, None, 1, 0])], TypeError, "rater 1 holds elements of type object"),
        ([GOOD[0].astype(np.longdouble)], TypeError, "rater 0 holds elements of type float128"),
        ([GOOD[0], np.ma.masked_array(GOOD[1])], TypeError, "rater 1 is a masked array"),
        ([GOOD[0], "rater1.nii.gz"], TypeError, "rater 1 is 'rater1.nii.gz', not an array"),
        (
            ["a.nii.gz", "b.nii.gz"],
            TypeError,
            r"rater 0 is 'a.nii.gz', not an array: the functions that end in _files",
        ),
        ("a.nii.gz", TypeError, "raters is 'a.nii.gz', not an array"),
        ({"a": GOOD[0]}, TypeError, "raters is a dict"),
        (3, ValueError, "raters on its first axis"),
        ([0, 1, 1], ValueError, "rater 0 is a single number"),
        (GOOD[0], ValueError, r"one array of shape \(4,\)"),
        (np.zeros((65, 4, 4), np.uint8), ValueError, "looks like one image, not 65 raters: give a list"),
    ],
)
def test_raters(fuse: Any, raters: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fuse(raters)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
@pytest.mark.parametrize("fuse", ALL)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(fuse: Any, value: float, dtype: Any) -> None:
    with pytest.raises(
        ValueError, match=rf"rater 1 holds {value} at voxel \(1, 0, 2\): votes must be finite"
    ):
        fuse(with_value(value, dtype=dtype))


@pytest.mark.parametrize("fuse", [*SOFT, fastfuse.majority_vote])
@pytest.mark.parametrize(
    ("value", "shown"), [(-0.25, "-0.25"), (1.5, "1.5"), (2, "2"), (1 + 2e-6, "1.000002")]
)
def test_out_of_range(fuse: Any, value: float, shown: str) -> None:
    with pytest.raises(
        ValueError, match=rf"rater 2 holds {shown} at voxel \(1, 0, 2\).*probability in \[0, 1\]"
    ):
        fuse(with_value(value, rater=2))


def test_out_of_range_names_the_labels() -> None:
    with pytest.raises(ValueError, match=r"rater 1 holds 3 .*values that occur: 0, 1, 3.*select_label=K"):
        fastfuse.soft_staple(with_value(3, dtype=np.int16))


def test_further_above_one_is_no_rounding() -> None:
    with pytest.raises(ValueError, match=r"rater 1 holds 1\.00001\d* at voxel .*clip what rounding did"):
        fastfuse.soft_staple(with_value(1.00001, dtype=np.float32))


def test_staple_names_the_labels() -> None:
    with pytest.raises(ValueError, match=r"rater 0 holds 2 .*values that occur: 0, 1, 2\).*select_label=K"):
        fastfuse.staple(with_value(2, rater=0, dtype=np.uint8))
    with pytest.raises(ValueError, match=r"rater 0 holds -1 at voxel"):
        fastfuse.staple(with_value(-1, rater=0, dtype=np.int8))
    many = [np.arange(40).reshape(4, 10), np.zeros((4, 10), int)]
    with pytest.raises(ValueError, match=r"rater 0 holds 2 .*values that occur: 0, 1, .*, 9, and 30 more\)"):
        fastfuse.staple(many)


def test_staple_refuses_soft_votes() -> None:
    with pytest.raises(ValueError, match=r"rater 1 holds 0\.3 at voxel \(1, 0, 2\).*soft_staple"):
        fastfuse.staple(with_value(0.3))


@pytest.mark.parametrize("order", ["C", "F"])
def test_first_bad_voxel_is_named_in_the_callers_axes(order: str) -> None:
    votes = np.zeros((30, 40, 50), order=order)
    votes[17, 23, 31] = 7
    for threads in (1, 2):
        with pytest.raises(ValueError, match=r"rater 0 holds 7 at voxel \(17, 23, 31\)"):
            fastfuse.soft_staple([votes, votes], threads=threads)


def test_the_first_of_many_bad_voxels_is_named_whatever_the_threads() -> None:
    votes = np.zeros((4, 300_000))
    votes[2, 5_000:] = np.nan
    votes[1, 5_001:] = 2
    for threads in (1, 2, 0):
        with pytest.raises(ValueError, match=r"rater 2 holds nan at voxel \(5000,\)"):
            fastfuse.soft_staple(votes, threads=threads)


@pytest.mark.parametrize("fuse", ALL)
@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (np.zeros(4, bool), ValueError, "the mask is empty"),
        (np.ones(5, bool), ValueError, r"mask has shape \(5,\), the raters have shape \(4,\)"),
        (np.array([0, 1, 2, 0]), ValueError, r"the mask holds 2 at voxel \(2,\)"),
        (np.array([0, 1, np.nan, 0]), ValueError, r"the mask holds nan at voxel \(2,\)"),
        (np.array(["a"] * 4), TypeError, "mask holds elements of type <U1"),
    ],
)
def test_mask(fuse: Any, mask: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fuse(GOOD, mask=mask)


@pytest.mark.parametrize("fuse", [fastfuse.staple, *SOFT])
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"prior": 0}, ValueError, "prior is 0: it must lie in"),
        ({"prior": 1.0}, ValueError, r"prior is 1.0: it must lie in \(0, 1\)"),
        ({"prior": np.nan}, ValueError, "prior is nan"),
        ({"prior": True}, ValueError, "prior is True"),
        ({"prior": None}, ValueError, "prior is None"),
        ({"prior": "median"}, ValueError, "prior is 'median': it must be 'mean' or 'estimate' or a number"),
        ({"prior": np.full(4, 0.5)[:3]}, ValueError, r"prior has shape \(3,\)"),
        ({"prior": np.array([0.5, 0.5, -0.1, 0.5])}, ValueError, r"prior map holds -0.1 at voxel \(2,\)"),
        ({"prior": np.array([0.5, 0.5, 1.1, 0.5])}, ValueError, r"prior map holds 1.1 at voxel \(2,\)"),
        ({"prior": np.array([0.5, np.nan, 1, 0.5])}, ValueError, r"prior map holds nan at voxel \(1,\)"),
        ({"prior": [[0.5, 0.5], [0.5]]}, TypeError, "prior cannot be read as an array"),
        ({"spacing_mm": [[1, 1], 1]}, ValueError, r"spacing_mm is \[\[1, 1\], 1\]: it must hold 1 number"),
        ({"init": "votes"}, ValueError, "init is 'votes': it must be 'auto' or 'vote' or a number"),
        ({"init": 0.5}, ValueError, r"init is 0.5: .*\(0.5, 1\)"),
        ({"init": 1}, ValueError, "init is 1"),
        ({"tol": -1}, ValueError, "tol is -1"),
        ({"tol": np.nan}, ValueError, "tol is nan"),
        ({"tol": "small"}, ValueError, "tol is 'small'"),
        ({"max_iter": 0}, ValueError, "max_iter is 0: it must be at least 1"),
        ({"max_iter": 2.5}, TypeError, "max_iter is 2.5: it must be an integer"),
        ({"threads": -1}, ValueError, "threads is -1: it must be at least 0"),
        ({"dtype": "float16"}, ValueError, "dtype is 'float16': the probability is float32 or float64"),
        ({"dtype": None}, ValueError, "dtype is None"),
        ({"dtype": "fuzzy"}, ValueError, "dtype is 'fuzzy'"),
        ({"select_label": 0}, ValueError, "select_label is 0: 0 is the background"),
        ({"select_label": 1.5}, TypeError, "select_label is 1.5: it must be an integer"),
        ({"select_label": True}, TypeError, "select_label is True: it must be an integer"),
        ({"select_label": 2**53 + 1}, ValueError, "can no longer be told apart"),
        ({"select_label": 10**400}, ValueError, "can no longer be told apart"),
        ({"max_iter": True}, TypeError, "max_iter is True"),
        ({"smoothing": 2}, TypeError, "smoothing"),
    ],
)
def test_options(fuse: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fuse(GOOD, **options)


@pytest.mark.parametrize("fuse", SOFT)
def test_m_step(fuse: Any) -> None:
    with pytest.raises(ValueError, match="m_step is 'EM': it must be 'paper' or 'em'"):
        fuse(GOOD, m_step="EM")


def test_too_many_fractional_votes() -> None:
    votes = np.zeros((22, 10))
    votes[:, 3] = 1
    votes[:20, 4] = 0.4
    fastfuse.simplified_soft_staple(votes, axis=0)
    votes[20, 4] = 0.4
    with pytest.raises(ValueError, match=r"21 raters have fractional votes at voxel \(4,\).*at most 20"):
        fastfuse.soft_staple(votes, axis=0, expectation="enumerate")
    fastfuse.soft_staple(votes, axis=0)
    fastfuse.simplified_soft_staple(votes, axis=0)


def test_label_cut() -> None:
    fused = fastfuse.majority_vote(GOOD)
    for cut in (0, -1, 1.1, np.nan):
        with pytest.raises(ValueError, match="cut is"):
            fused.label(cut)


@pytest.mark.parametrize("fuse", ALL)
def test_nothing_is_checked_outside_the_mask(fuse: Any) -> None:
    votes = np.tile(GOOD, 40)
    mask = np.ones(160, bool)
    mask[[7, 90]] = False
    clean = fuse(votes, mask=mask)
    votes[1, 7], votes[2, 90] = np.nan, -5
    dirty = fuse(votes, mask=mask)
    np.testing.assert_array_equal(clean.probability, dirty.probability)
    assert (dirty.probability[~mask] == 0).all()


@pytest.mark.parametrize("value", [0.3, 2.9, -1.5, 2**40 + 0.5])
def test_soft_votes_are_no_label_map(value: float) -> None:
    votes = [np.array([0.0, 1, 1, 0]), np.array([0, 1, value, 0])]
    with pytest.raises(ValueError, match=rf"rater 1 holds {value}.*: a label map holds whole numbers"):
        fastfuse.staple(votes, select_label=1)


def test_scaled_labels_are_rounded() -> None:
    labels = np.array([0, 1, 3, 3, 0, 3, 2])
    near = [labels, labels + 1e-5, (labels - 9e-5).astype(np.float32)]
    expected = fastfuse.staple([labels == 3] * 3 + [labels >= 2])
    fused = fastfuse.staple([*near, np.where(labels >= 2, 3.00001, 0)], select_label=3)
    np.testing.assert_array_equal(fused.probability, expected.probability)


def test_absent_label_names_those_that_occur() -> None:
    with pytest.warns(fastfuse.FusionWarning, match=r"label 7 does not occur \(values that occur: 0, 1, 3\)"):
        fastfuse.staple([[0, 1, 1, 0], [0, 3, 1, 0]], select_label=7)


def test_images_in_memory_on_different_grids() -> None:
    data = np.zeros((3, 4, 5), np.uint8)
    data[1] = 1
    image, mirrored = nib.Nifti1Image(data, np.eye(4)), nib.Nifti1Image(data, np.diag([-1, 1, 1, 1]))
    near = nib.Nifti1Image(data, np.array([[1, 0, 0, 0.05], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    with pytest.raises(fastfuse.GridError, match=r"rater 1 and rater 0 .*axis 0 is flipped"):
        fastfuse.staple([image, mirrored])
    with pytest.raises(fastfuse.GridError, match="mask and rater 0"):
        fastfuse.staple([image, image], mask=mirrored)
    with pytest.raises(fastfuse.GridError, match="image and mask"):
        fastfuse.conditional_dilation(image, mirrored)
    with pytest.warns(fastfuse.FusionWarning, match=r"rater 1 and rater 0 lie 0.05 mm .* taken as one grid"):
        fastfuse.staple([image, near])


@pytest.mark.parametrize("fuse", [fastfuse.staple, fastfuse.soft_staple])
@pytest.mark.parametrize("below", [0, 5e-7])
def test_advice_fits_the_values(fuse: Any, below: float) -> None:
    """A scale is advised for values from about 0 up; an image is asked for; just above 1 there is no scale."""
    rng = np.random.default_rng(4)
    mask = rng.random((6, 7, 5)) < 0.3
    soft = np.clip(0.8 * mask + 0.1 * rng.random(mask.shape), 0, 1)
    soft[0, 0, 0] = -below
    cases = [
        (soft * 100, "they look like|as they look"),
        (soft * 255, "they look like|as they look"),
        (20 + 100 * soft, "is this an image, such as FLAIR"),
        ((20 + 100 * soft).astype(np.int16), "is this an image, such as FLAIR"),
        (9 * soft - 4, "is this an image, such as FLAIR"),
    ]
    for values, advice in cases:
        with pytest.raises(ValueError, match=advice):
            fuse([mask * 1.0, values])
    with pytest.raises(ValueError, match=r"its values go up to 0\.\d+ above 1.*clip what") as found:
        fastfuse.soft_staple([mask * 1.0, soft * 1.3])
    assert "scale" not in str(found.value)


def test_a_hair_below_0_has_a_scale() -> None:
    votes = np.array([[[-2e-6, 50, 100, 0]]])
    found = fastfuse.majority_vote([votes, votes], scale=100)
    np.testing.assert_array_equal(found.probability, [[[0, 0.5, 1, 0]]])
    with pytest.raises(ValueError, match="with scale 100 values lie from 0 to 100"):
        fastfuse.majority_vote([votes - 1, votes], scale=100)


def test_remedies_of_a_masked_array() -> None:
    """What the error names gives the answer of the votes that count: one rater's by present=, all raters' by mask=."""
    masks = (np.random.default_rng(0).random((3, 6, 6, 6)) < 0.5).astype(np.uint8)
    hidden = np.zeros((6, 6, 6), bool)
    hidden[:, :, 3:] = True
    first = np.ma.masked_array(masks[0], mask=hidden)
    with pytest.raises(TypeError, match=r"rater 0 is a masked array: .* mask= .* present="):
        fastfuse.majority_vote([first, masks[1], masks[2]])
    filled = [first.filled(0), masks[1], masks[2]]
    found = fastfuse.majority_vote(filled, present=[~hidden, None, None]).probability
    expected = np.where(hidden, (masks[1] + masks[2]) / 2, masks.mean(0))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    found = fastfuse.majority_vote(filled, mask=~hidden).probability
    np.testing.assert_allclose(found, np.where(hidden, 0, masks.mean(0)), rtol=0, atol=1e-6)
