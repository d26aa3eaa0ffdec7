"""Coordinates that make no grid: the raters' must be the same, or voxels would be fused that do not belong together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastfuse

from .images import Coordinate, DataArray

MASK = np.zeros((12, 10, 8), np.uint8)
MASK[3:8, 2:7, 2:6] = 1


def with_x(x: Any) -> DataArray:
    array = DataArray(MASK, np.eye(4))
    array.coords["x"] = Coordinate(np.asarray(x))
    return array


AS_TEXT = np.array(sorted(range(12), key=str), float)  # slices in the order 0, 1, 10, 11, 2 ...
JUMPS = np.where(np.arange(12) < 6, np.arange(12.0), np.arange(12.0) + 3)
NO_NUMBER = np.where(np.arange(12) == 4, np.nan, np.arange(12.0))
NAMED = np.array([f"slice {i}" for i in range(12)])


@pytest.mark.parametrize("x", [AS_TEXT, JUMPS, NO_NUMBER, NAMED], ids=["permuted", "a gap", "nan", "names"])
@pytest.mark.parametrize("turn", [lambda two: two, lambda two: two[::-1]], ids=["second", "first"])
def test_others_are_refused(x: Any, turn: Callable[[list[Any]], list[Any]]) -> None:
    pair = turn([with_x(np.arange(12.0)), with_x(x)])
    with pytest.raises(fastfuse.GridError, match=r"has coordinates that are not even, .*drop_vars"):
        fastfuse.majority_vote(pair)
    with pytest.raises(fastfuse.GridError, match="not even"):
        fastfuse.evaluate(*pair, spacing_mm=(1, 1, 1))


@pytest.mark.filterwarnings("ignore:no voxel is in doubt")
@pytest.mark.parametrize("x", [AS_TEXT, JUMPS, NO_NUMBER, NAMED], ids=["permuted", "a gap", "nan", "names"])
def test_the_same_are_taken(x: Any) -> None:
    found = fastfuse.majority_vote([with_x(x), with_x(x.copy()), MASK])
    np.testing.assert_array_equal(found.label(), MASK)
    with pytest.raises(fastfuse.GridError, match="not even"):
        fastfuse.majority_vote([with_x(x), with_x(np.roll(x, 1))])
