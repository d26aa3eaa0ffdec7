"""out=: the caller's own array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

import fastfuse

SHAPE = (6, 7, 8)
FUNCTIONS = (
    fastfuse.staple,
    fastfuse.soft_staple,
    fastfuse.simplified_soft_staple,
    fastfuse.majority_vote,
    lambda votes, **options: fastfuse.dilated_staple(votes, image(), size=1.5, **options),
)


def masks() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [(image() + rng.normal(0, 0.1, SHAPE) > 0.8).astype(np.uint8) for _ in range(3)]


def image() -> np.ndarray:
    return np.linspace(0, 1, np.prod(SHAPE)).reshape(SHAPE)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_out_is_written_and_returned(function: Any, dtype: str) -> None:
    out = np.full(SHAPE, np.nan, dtype)
    fused = function(masks(), out=out)
    assert fused.probability is out
    np.testing.assert_array_equal(out, function(masks(), dtype=dtype).probability)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    "layout",
    [
        lambda: np.empty(SHAPE, "f4", order="F"),
        lambda: np.empty((12, 7, 16), "f4")[::2, :, ::2],
        lambda: np.empty(SHAPE, "f4")[::-1],
        lambda: np.empty(SHAPE, ">f4"),
        lambda: np.frombuffer(bytearray(4 * 336 + 1), "f4", 336, offset=1).reshape(SHAPE),
    ],
    ids=["Fortran", "strided", "reversed", "big-endian", "unaligned"],
)
def test_any_layout(function: Any, layout: Any) -> None:
    out = layout()
    if out.dtype.isnative:
        assert function(masks(), out=out).probability is out
        np.testing.assert_array_equal(out, function(masks()).probability)
    else:
        with pytest.raises(ValueError, match="out holds elements of type >f4"):
            function(masks(), out=out)


def test_out_may_be_one_of_the_raters() -> None:
    votes = [mask.astype(np.float32) for mask in masks()]
    expected = fastfuse.soft_staple(votes).probability
    fused = fastfuse.soft_staple(votes, out=votes[1])
    np.testing.assert_array_equal(fused.probability, expected)
    assert fused.probability is votes[1]


def read_only() -> np.ndarray:
    out = np.empty(SHAPE, "f4")
    out.flags.writeable = False
    return out


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        ([0.0], TypeError, "out is of type list"),
        (np.empty(SHAPE, "f2"), ValueError, "out holds elements of type float16"),
        (np.empty(SHAPE, int), ValueError, "out holds elements of type int64"),
        (np.empty((6, 7)), ValueError, r"out has shape \(6, 7\), the raters have shape \(6, 7, 8\)"),
        (read_only(), ValueError, "out is read-only"),
        (np.ma.zeros(SHAPE, "f4"), TypeError, "out is of type MaskedArray"),
        (as_strided(np.zeros(500, "f4"), SHAPE, (4, 4, 4)), ValueError, "out lies upon itself in memory"),
    ],
)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_refused(function: Any, out: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        function(masks(), out=out)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_type_given_twice(function: Any) -> None:
    with pytest.raises(ValueError, match="dtype is 'float64', out is of type float32"):
        function(masks(), out=np.empty(SHAPE, "f4"), dtype="float64")
