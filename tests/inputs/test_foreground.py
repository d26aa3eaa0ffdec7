"""What counts as foreground: several labels, everything above 0, a threshold, a scale; in every function."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import FusionWarning
from fastfuse.inputs.foreground import Foreground
from fastfuse.inputs.looks import looks_scaled

from ..problems import simulated_raters

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
MASKS = simulated_raters(np.random.default_rng(0), 3, 120).reshape(3, 4, 5, 6).astype(bool)
NOISE = np.round(np.random.default_rng(1).uniform(0, 0.45, MASKS.shape), 2)
SOFT = np.where(MASKS, 1 - NOISE, NOISE)


def tabulated(raters: Any, **options: Any) -> Any:
    return fastfuse.estimate(fastfuse.tabulate(raters, **options))


def applied(raters: Any, **options: Any) -> Any:
    return fastfuse.estimate(fastfuse.tabulate(MASKS)).apply(raters, **options)


def dilated(raters: Any, **options: Any) -> Any:
    image = np.linspace(0, 1, MASKS[0].size).reshape(MASKS[0].shape)
    return fastfuse.dilated_staple(raters, image, **options)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "staple": fastfuse.staple,
    "soft_staple": fastfuse.soft_staple,
    "simplified_soft_staple": fastfuse.simplified_soft_staple,
    "majority_vote": fastfuse.majority_vote,
    "fuse": fastfuse.fuse,
    "tabulate": tabulated,
    "apply": applied,
}


def assert_equal(found: Any, expected: Any) -> None:
    for what in ("sensitivity", "specificity", "probability"):
        if hasattr(expected, what):
            np.testing.assert_array_equal(getattr(found, what), getattr(expected, what))


@pytest.mark.parametrize("name", [*FUNCTIONS, "dilated"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_union_of_labels(name: str, dtype: Any, order: Any) -> None:
    function = {**FUNCTIONS, "dilated": dilated}[name]
    labels = np.where(MASKS, np.random.default_rng(2).choice([1, 2, 4], MASKS.shape), 0)
    labels[~MASKS & (SOFT > 0.3)] = 3
    maps = [np.asarray(one, dtype=dtype, order=order) for one in labels]
    masks = [np.asarray(one, order=order) for one in MASKS]
    assert_equal(function(maps, select_label=[1, 2, 4]), function(masks))
    assert_equal(function(maps, select_label=(4, 1, 2, 1)), function(masks))
    for kind in (np.array, set, iter):
        assert_equal(function(maps, select_label=kind([1, 2, 4])), function(masks))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_label_in_a_list_is_the_label(name: str) -> None:
    maps = np.where(MASKS, 3, 0)
    assert_equal(FUNCTIONS[name](maps, select_label=[3]), FUNCTIONS[name](maps, select_label=3))


@pytest.mark.parametrize("name", [*FUNCTIONS, "dilated"])
@pytest.mark.parametrize(
    "codes",
    [[255, 255, 255], [1, 255, 2], [0.3, 1, 7.5], [True, 2, True]],
    ids=["bytes", "codes that differ", "fractions", "masks already"],
)
def test_binarize(name: str, codes: list[float]) -> None:
    function = {**FUNCTIONS, "dilated": dilated}[name]
    coded = [mask * np.asarray(code) for mask, code in zip(MASKS, codes, strict=True)]
    assert_equal(function(coded, binarize=True), function(MASKS))


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("threshold", [0.5, 0.25, 0.8])
def test_threshold(name: str, threshold: float) -> None:
    assert_equal(FUNCTIONS[name](SOFT, threshold=threshold), FUNCTIONS[name](threshold <= SOFT))
    assert_equal(
        FUNCTIONS[name](SOFT * 100, threshold=100 * threshold), FUNCTIONS[name](100 * threshold <= SOFT * 100)
    )


@pytest.mark.parametrize(
    "name", ["soft_staple", "simplified_soft_staple", "majority_vote", "fuse", "tabulate"]
)
@pytest.mark.parametrize("top", [100, 255])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
def test_scale(name: str, top: int, dtype: Any) -> None:
    scaled = np.round(SOFT * top).astype(dtype)
    wide = np.dtype(dtype).itemsize > 2 and dtype is not np.float32
    votes = np.divide(scaled, top, dtype=np.float64 if wide else np.float32)
    assert_equal(FUNCTIONS[name](scaled, scale=top), FUNCTIONS[name](votes))
    with pytest.warns(FusionWarning, match=f"scale 'auto' takes {top} for a vote of 1"):
        assert_equal(FUNCTIONS[name](scaled, scale="auto"), FUNCTIONS[name](votes))


def test_scale_of_masks() -> None:
    assert_equal(fastfuse.staple(MASKS * np.uint8(255), scale=255), fastfuse.staple(MASKS))


def test_scale_auto_of_votes_already() -> None:
    with pytest.warns(FusionWarning, match="scale 'auto' takes 1 for a vote of 1"):
        assert_equal(fastfuse.soft_staple(SOFT, scale="auto"), fastfuse.soft_staple(SOFT))


@pytest.mark.parametrize("tops", [(100, 255, 255), (1, 255, 255), (100, 1, 100)])
def test_scale_auto_that_cannot_tell(tops: tuple[int, ...]) -> None:
    with pytest.raises(
        ValueError,
        match=r"scale is 'auto', but rater \d goes up to .* and rater \d up to .*: no one scale fits both",
    ):
        fastfuse.soft_staple(
            [soft / soft.max() * top for soft, top in zip(SOFT, tops, strict=True)], scale="auto"
        )


def test_scale_auto_takes_an_empty_map_along() -> None:
    scaled = [np.round(SOFT[0] * 255), np.zeros_like(SOFT[1]), np.round(SOFT[2] * 255)]
    with pytest.warns(FusionWarning, match="takes 255"):
        fastfuse.soft_staple(scaled, scale="auto")


def test_scale_that_does_not_fit() -> None:
    with pytest.raises(
        ValueError, match=r"rater 0 holds \d+ at voxel .*: with scale 100 values lie from 0 to 100"
    ):
        fastfuse.soft_staple(np.round(SOFT * 255), scale=100)
    with pytest.raises(ValueError, match=r"rater 0 holds -5 at voxel \(0, 0, 0\)"):
        fastfuse.soft_staple([np.full((2, 2, 2), -5), np.ones((2, 2, 2))], scale=100)
    with pytest.raises(ValueError, match="rater 1 goes up to 1000: scale 'auto' knows 1, 100 and 255"):
        fastfuse.soft_staple([SOFT[0], 1000 * SOFT[1] / SOFT[1].max()], scale="auto")
    with pytest.warns(FusionWarning, match="rater 2: the highest value is 1, a vote of 0.0039 at scale 255"):
        fastfuse.soft_staple([*np.round(SOFT[:2] * 255), MASKS[2]], scale=255)


def test_many_whole_numbers_name_the_scale() -> None:
    for top in (100, 255):
        scaled = np.round(SOFT * top).astype(np.uint8)
        for fuse in (fastfuse.soft_staple, fastfuse.majority_vote):
            with pytest.raises(ValueError, match=rf"look like probabilities times {top}, which scale={top}"):
                fuse(scaled)
        for fuse in (fastfuse.staple, dilated):
            with pytest.raises(ValueError, match=rf"of probabilities times {top}, .* votes >= {top / 2:g}"):
                fuse(scaled)
    with pytest.raises(ValueError, match=r"values that occur: 0, 255\).*binarize=True"):
        fastfuse.staple(MASKS * np.uint8(255))


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        (np.arange(101), 100), (np.arange(256, dtype=np.uint8), 255), (np.linspace(0, 80, 50), 100),
        (np.arange(5), None), (np.linspace(0, 1, 50), None), (np.arange(-3, 50), None), (np.arange(300), None),
        (np.zeros(3, bool), None), (np.array([np.nan]), None),
    ],
)  # fmt: skip
def test_looks_scaled(values: np.ndarray, scale: float | None) -> None:
    assert looks_scaled(values) == scale


@pytest.mark.parametrize(
    "options",
    [{"select_label": [2, 4]}, {"binarize": True}, {"threshold": 0.5}, {"scale": 100}],
    ids=lambda options: next(iter(options)),
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays(options: dict[str, Any], value: float) -> None:
    votes = np.where(MASKS, 4.0, 0.0)
    votes[1, 2, 3, 4] = value
    with pytest.raises(
        ValueError, match=rf"rater 1 holds {value} at voxel \(2, 3, 4\): votes must be finite"
    ):
        fastfuse.soft_staple(votes, **options)
    if np.isnan(value):
        found = fastfuse.soft_staple(votes, missing="nan", **options)
        assert found.n_read.tolist() == [120, 119, 120]
    outside = np.ones(MASKS[0].shape, bool)
    outside[2, 3, 4] = False
    fastfuse.soft_staple(votes, mask=outside, **options)


def test_fractions_are_no_labels() -> None:
    votes = np.where(MASKS, 4.0, 0.0)
    votes[2, 0, 1, 2] = 0.3
    with pytest.raises(
        ValueError, match=r"rater 2 holds 0\.3 at voxel \(0, 1, 2\): a label map holds whole numbers"
    ):
        fastfuse.staple(votes, select_label=[2, 4])
    inside = np.ones(MASKS[0].shape, bool)
    inside[0, 1, 2] = False
    with pytest.warns(FusionWarning, match=r"label 2 does not occur \(values that occur: 0, 4\)"):
        fastfuse.staple(votes, select_label=[2, 4], mask=inside)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"select_label": [7, 9]},
            r"labels 7, 9 do not occur \(values that occur: 0, 4\): the probability is 0",
        ),
        ({"select_label": 7}, r"label 7 does not occur \(values that occur: 0, 4\): the probability is 0"),
        ({"threshold": 5}, r"no value is at least 5 \(values that occur: 0, 4\)"),
    ],
)
def test_nothing_is_told_with_the_values_that_occur(options: dict[str, Any], said: str) -> None:
    with pytest.warns(FusionWarning, match=said):
        fastfuse.staple(np.where(MASKS, 4, 0), **options)
    with pytest.warns(FusionWarning, match=said.partition(":")[0]):
        applied(np.where(MASKS, 4, 0), **options)


def test_binarize_tells_what_one_might_not_expect() -> None:
    with pytest.warns(FusionWarning, match="rater 0: binarize counts 1 voxel with values between 0 and 1"):
        fastfuse.staple([[0.0, 0.3, 1.0, 1.0], [0, 0, 1, 1]], binarize=True)
    with pytest.warns(
        FusionWarning, match="rater 1: binarize counts 2 voxels with values below 0 as background"
    ):
        fastfuse.staple([[0, 0, 1, 1], [-1, -1, 1, 0]], binarize=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"select_label": []}, "select_label is empty: give at least one label"),
        ({"select_label": [1, 0]}, "select_label is 0: 0 is the background"),
        ({"select_label": [1, 1.5]}, "select_label is 1.5: it must be an integer"),
        ({"select_label": [1, True]}, "select_label is True: it must be an integer"),
        ({"select_label": "1,2"}, "select_label is '1,2': it must be an integer, or a list of integers"),
        ({"select_label": {1: "a"}}, r"select_label is \{1: 'a'\}: it must be an integer, or a list"),
        ({"select_label": [[1, 2]]}, r"select_label is \[1, 2\]: it must be an integer"),
        ({"binarize": 1}, "binarize is 1: it must be True or False"),
        ({"threshold": np.inf}, "threshold is inf: it must be a finite number"),
        ({"threshold": "0.5"}, "threshold is '0.5': it must be a finite number"),
        ({"scale": 0.5}, "scale is 0.5: it must be a number from 1 to 1e30"),
        ({"scale": "percent"}, "scale is 'percent': it must be 'auto' or a number"),
        ({"select_label": 1, "binarize": True}, "select_label and binarize are given"),
        ({"threshold": 1, "binarize": True}, "threshold and binarize are given"),
        ({"scale": 100, "binarize": True}, "scale and binarize are given"),
        ({"scale": 100, "threshold": 50}, "threshold and scale are given"),
        (
            {"select_label": 1, "threshold": 0.5},
            "select_label and threshold are given, but rater 0 is one map",
        ),
        ({"select_label": [1, 2], "scale": 100}, "select_label and scale are given, but rater 0 is one map"),
    ],
)
def test_refused(options: dict[str, Any], message: str) -> None:
    for function in (fastfuse.soft_staple, fastfuse.tabulate, fastfuse.fuse):
        with pytest.raises((ValueError, TypeError), match=message):
            function(MASKS.astype(np.uint8), **options)


def test_foreground_says_the_same() -> None:
    assert Foreground.checked([2, 4]).labels == (2, 4)
    with pytest.raises(ValueError, match="scale and binarize are given"):
        Foreground.checked(binarize=True, scale="auto")
    data = np.array([0, 50, 97], np.uint8)
    remarks: list[str] = []
    np.testing.assert_allclose(
        Foreground.checked(scale="auto").votes(data, "x", remarks=remarks), [0, 0.5, 0.97]
    )
    assert remarks == ["x: scale 'auto' takes 100 for a vote of 1"]
    assert Foreground.checked().votes(data, "x") is data


def test_labels_that_grow() -> None:
    image = np.linspace(0, 1, MASKS[0].size).reshape(MASKS[0].shape)
    labels = np.where(MASKS, np.random.default_rng(2).choice([1, 2, 4], MASKS.shape), 0)
    softened = fastfuse.soften(labels, image, select_label=[1, 2, 4])
    for label_map, soft, expected in zip(labels, softened, fastfuse.soften(MASKS, image), strict=True):
        np.testing.assert_array_equal(soft.values, expected.values)
        one = fastfuse.conditional_dilation(label_map, image, select_label=(1, 2, 4))
        np.testing.assert_array_equal(one.values, expected.values)
    with pytest.warns(FusionWarning, match=r"label 9 does not occur \(values that occur: 0, 1, 2, 4\)"):
        fastfuse.soften(labels, image, select_label=9)
    with pytest.raises(ValueError, match="select_label and binarize are given"):
        fastfuse.soften(labels, image, select_label=1, binarize=True)
    with pytest.raises(ValueError, match=r"rater 0 holds 0\.5 at voxel .*: a label map holds whole numbers"):
        fastfuse.soften(MASKS * 0.5, image, select_label=1)


def test_a_threshold_and_a_scale_that_do_not_fit_the_values_are_doubted() -> None:
    values = np.array([[[0, 0.2, 30.0, 95]]])
    for options, remark in (
        ({"threshold": 0.5}, "threshold 0.5 marks 50 % of the voxels, as values go up to 95"),
        ({"scale": 255}, "highest value is 95, a vote of 0.37 at scale 255; it would fit scale 100"),
    ):
        said: list[str] = []
        Foreground(**options).votes(values, "rater 1", remarks=said)
        assert [remark in one for one in said] == [True]
    for options in ({"threshold": 50.0}, {"scale": 100}):
        Foreground(**options).votes(values, remarks=(said := []))
        assert said == []


@pytest.mark.parametrize("scale", [1e308, 1e31, 1e39])
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_a_scale_beyond_what_votes_can_be_divided_by(scale: float, kind: type) -> None:
    votes = np.array([0, 1, 1], kind)
    with pytest.raises(ValueError, match=r"^scale is .*: it must be a number from 1 to 1e30"):
        fastfuse.staple([votes, votes], scale=scale)


@pytest.mark.parametrize("kind", [np.uint8, np.float16, np.float32, np.float64])
def test_ends_of_scale_and_threshold_without_overflow(kind: type) -> None:
    votes = np.array([0, 1, 1], kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", fastfuse.FusionWarning)
        assert fastfuse.majority_vote([votes, votes], scale=1e30).probability.max() <= 1e-29
        for threshold, marked in ((1e308, 0), (-1e308, 3), (1e5, 0)):
            found = fastfuse.majority_vote([votes, votes], threshold=threshold)
            assert found.probability.sum() == marked
