"""Messages quote values short, and name the cause of what the arrays' shapes and values show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.inputs.arrays import shown_number, values_in
from fastfuse.inputs.names import quoted

MASK = np.zeros((22, 18, 14), np.uint8)
MASK[5:12, 4:9, 3:8] = 1
RATERS = [MASK, np.roll(MASK, 1, 0), np.roll(MASK, 1, 1)]
OPTIONS = (
    *("m_step", "expectation", "likelihood", "prior", "init", "roi", "missing", "mrf", "performance_prior"),
    *("intervals", "replicates", "seed", "tol", "max_iter", "acceleration", "threads", "select_label"),
    *("binarize", "threshold", "scale", "labels", "axis", "dtype", "spacing_mm", "candidates", "confusion"),
    *("knows", "weights", "undecided", "truncation", "overlap", "device", "method"),
)
VALUES = {
    "array": np.zeros((30, 30, 30)),
    "arrays": [np.zeros((9, 9))] * 3,
    "text": "x" * 5000,
    "list": list(range(5000)),
    "mapping": {i: str(i) for i in range(999)},
    "lists": [[[0.0] * 20] * 20] * 20,
    "number": 10**5000,
}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.zeros((3, 4, 5)), "an array of shape (3, 4, 5)"),
        ([np.zeros((3, 4))] * 3, "a list of 3 entries"),
        (list(range(100)), "a list of 100 entries"),
        ((5, 1.5), "(5, 1.5)"),
        ((3,), "(3,)"),
        (((1, 2), (3, 4)), "((1, 2), (3, 4))"),
        ({0: 0.2, 1: 0.8}, "{0: 0.2, 1: 0.8}"),
        (np.float32(0.3), "0.3"),
        (np.array([0.2, 0.8]), "[0.2, 0.8]"),
        ("staple", "'staple'"),
        (None, "None"),
        (Path("a.nii"), repr(Path("a.nii"))),
        (object(), "a value of type object"),
        (nib.Nifti1Image(MASK, np.eye(4)), "a value of type Nifti1Image"),
    ],
)
def test_quoted(value: Any, text: str) -> None:
    assert quoted(value) == text


def test_quoted_is_short() -> None:
    for value in [*VALUES.values(), b"x" * 999, Path("a" * 999), -(10**9999)]:
        assert len(quoted(value)) <= 80
        assert "\n" not in quoted(value)


def refusal_of(raters: Any, options: dict[str, Any]) -> str:
    try:
        fastfuse.fuse(raters, **options)
    except (ValueError, TypeError) as error:
        return str(error)
    return ""


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("option", OPTIONS)
def test_no_refusal_holds_an_array(option: str, value: Any) -> None:
    for raters in (RATERS, [*map(np.float32, RATERS)]):
        for beside in ({}, {"labels": "all"}):
            given: dict[str, Any] = {"method": "staple", **beside, option: value}
            text = refusal_of(raters, given)
            assert len(text) < 330
            assert "\n" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.10377191007137299, "0.103772"),
        (float(np.float32(0.3)), "0.3"),
        (1.0000001, "1.0000001"),
        (16777217.0, "16777217"),
        (1e-30, "1e-30"),
        (-4.678954124450684, "-4.67895"),
    ],
)
def test_numbers_are_short_but_no_other_ones(value: float, text: str) -> None:
    assert shown_number(value) == text


def test_many_values_are_counted() -> None:
    assert values_in(np.array([0, 1, 2])) == "0, 1, 2"
    assert values_in(np.arange(1024)) == "1,024 different values from 0 to 1,023"


@pytest.mark.parametrize(
    ("call", "right"),
    [
        (lambda: fastfuse.fuse("majority", RATERS), "fuse(raters, 'majority')"),  # type: ignore[call-overload]
        (lambda: fastfuse.fuse("staple", np.stack(RATERS)), "fuse(raters, 'staple')"),  # type: ignore[call-overload]
        (lambda: fastfuse.estimate("staple", fastfuse.tabulate(RATERS)), "estimate(table, 'staple')"),  # type: ignore[call-overload]
        (lambda: fastfuse.fuse_files("o.nii", ["a.nii", "b.nii"]), "fuse_files(paths, output)"),  # type: ignore[call-overload]
        (lambda: fastfuse.soften(MASK, RATERS), "soften(raters, image)"),
        (lambda: fastfuse.soften(MASK, np.stack(RATERS)), "soften(raters, image)"),
        (lambda: fastfuse.dilated_staple(MASK, RATERS), "dilated_staple(raters, image)"),
    ],
)
def test_exchanged_arguments_are_told(call: Callable[[], object], right: str) -> None:
    with pytest.raises(TypeError, match="are exchanged: write") as raised:
        call()
    assert right in str(raised.value)
    assert len(str(raised.value)) < 120


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (0, 2, 1), (1, 2, 0)])
def test_exchanged_axes_are_told_with_their_order(order: tuple[int, ...]) -> None:
    other = RATERS[2].transpose(order)
    calls: list[Callable[[Any], object]] = [
        lambda array: fastfuse.staple([*RATERS[:2], array]),
        lambda array: fastfuse.staple([*RATERS[:2], array], labels="all"),
        lambda array: fastfuse.majority_vote(RATERS, mask=array),
        lambda array: fastfuse.evaluate(MASK, array),
        lambda array: fastfuse.conditional_dilation(array, np.random.default_rng(0).random(MASK.shape)),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"look transposed: put them in the same order, as by") as raised:
            call(other)
        told = str(raised.value).rpartition("numpy.transpose(array, (")[2].rstrip(")")
        call(np.transpose(other, [int(axis) for axis in told.split(",")]))


def test_equal_lengths_give_no_order() -> None:
    cube = np.zeros((8, 8, 5), np.uint8)
    cube[2:5, 2:5, 2:4] = 1
    with pytest.raises(ValueError, match=r"the axes of rater 1 look transposed: put them in the same order$"):
        fastfuse.staple([cube, cube.T])
    with pytest.raises(ValueError, match="resample to one grid"):
        fastfuse.staple([cube, np.zeros((8, 8, 6))])


def test_logarithms_are_told() -> None:
    votes = [0.05 + 0.9 * mask for mask in RATERS]
    logs = [np.log(vote) for vote in votes]
    with pytest.raises(
        ValueError, match=r"as logarithms of probabilities do: give exp of them, as by numpy\.exp"
    ):
        fastfuse.soft_staple(logs)
    fastfuse.soft_staple([np.exp(log) for log in logs])


def test_another_spacing_than_the_images_is_told() -> None:
    images = [nib.Nifti1Image(mask, np.diag([1, 1.2, 2, 1])) for mask in RATERS]
    told = r"spacing_mm is 9 x 9 x 9, and voxels of .* measure 1 x 1\.2 x 2 mm: spacing_mm is taken"
    with pytest.warns(fastfuse.FusionWarning, match=told):
        fastfuse.staple(images, roi=3, spacing_mm=(9, 9, 9))
    with pytest.warns(fastfuse.FusionWarning, match=told):
        fastfuse.evaluate(images[0], images[1], spacing_mm=(9, 9, 9))
    right = fastfuse.staple(images, roi=3, spacing_mm=(1, 1.2, 2))
    np.testing.assert_array_equal(right.probability, fastfuse.staple(images, roi=3).probability)


class Placed:
    """An array that says where it lies, in its own way."""

    def __init__(self, array: np.ndarray, affine: Any) -> None:
        self.array, self.affine, self.shape, self.dtype = array, affine, array.shape, array.dtype

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.array


@pytest.mark.parametrize("affine", ["RAS", "1 0 0", [1, 2, 3], np.eye(2), 3.0, [["a"] * 4] * 4])
def test_an_affine_that_is_none_is_refused(affine: Any) -> None:
    with pytest.raises(
        TypeError, match=r"the affine of a Placed is .*: it must be a matrix of 4 x 4 numbers"
    ):
        fastfuse.staple([Placed(mask, affine) for mask in RATERS])


@pytest.mark.parametrize("affine", [None, np.eye(4), np.eye(4).tolist()])
def test_other_affines_are_taken(affine: Any) -> None:
    fastfuse.staple([Placed(mask, affine) for mask in RATERS])
