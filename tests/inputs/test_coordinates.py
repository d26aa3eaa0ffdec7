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


@pytest.mark.filterwarnings("ignore:rater 0, rater 1 and rater 2 hold the same votes")
@pytest.mark.parametrize("x", [AS_TEXT, JUMPS, NO_NUMBER, NAMED], ids=["permuted", "a gap", "nan", "names"])
def test_the_same_are_taken(x: Any) -> None:
    found = fastfuse.majority_vote([with_x(x), with_x(x.copy()), MASK])
    np.testing.assert_array_equal(found.label(), MASK)
    with pytest.raises(fastfuse.GridError, match="not even"):
        fastfuse.majority_vote([with_x(x), with_x(np.roll(x, 1))])


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("shape", [(24,), (4, 3, 2, 2)])
def test_even_coordinates_of_other_than_two_or_three_axes(shape: tuple[int, ...]) -> None:
    votes = (np.random.default_rng(1).random(shape) < 0.4).astype(np.uint8)

    def along(places: np.ndarray) -> DataArray:
        found = DataArray(MASK, np.eye(4))
        found.values, found.shape = votes, shape
        found.dims = tuple("wxyz"[: len(shape)])
        found.coords = {
            dim: Coordinate(np.arange(length)) for dim, length in zip(found.dims, shape, strict=True)
        }
        found.coords["w"] = Coordinate(places)
        return found

    even = np.arange(shape[0])
    fastfuse.staple([along(even), along(even), votes])
    for other in (even[::-1], even + 5, 2 * even):
        with pytest.raises(
            fastfuse.GridError, match=r"rater 0 and rater 1 have different coordinates: sort both"
        ):
            fastfuse.staple([along(even), along(other)])


ITEMS = 40
TABLE = (np.random.default_rng(2).random((ITEMS, 4)) < 0.4).astype(np.uint8)


@pytest.fixture
def pandas() -> Any:
    return pytest.importorskip("pandas")


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_series_of_other_items_are_refused(pandas: Any) -> None:
    one, two = pandas.Series(TABLE[:, 0]), pandas.Series(TABLE[:, 1])
    shuffled = two.sample(frac=1, random_state=1)
    for raters in ([one, shuffled], [shuffled, TABLE[:, 2], one]):
        with pytest.raises(
            fastfuse.GridError,
            match=r"have the same index, in another order: align them, as by rater_\d\.reindex\(",
        ):
            fastfuse.staple(raters)
    with pytest.raises(fastfuse.GridError, match=r"rater 1 has another index than rater 0, .* join='inner'"):
        fastfuse.staple([one, two.set_axis(range(5, ITEMS + 5))])
    kept, found = one.align(two.set_axis(range(5, ITEMS + 5)), join="inner")
    expected = fastfuse.staple([TABLE[:, 0], TABLE[:, 1]])
    for raters in ([one, two], [one, shuffled.reindex(index=one.index)], [one, two.to_numpy()]):
        np.testing.assert_array_equal(fastfuse.staple(raters).probability, expected.probability)
    assert fastfuse.staple([kept.astype(int), found.astype(int)]).probability.shape == (ITEMS - 5,)


def test_what_goes_with_series_is_compared(pandas: Any) -> None:
    raters = [pandas.Series(column) for column in TABLE.T]
    turned = pandas.Series(np.ones(ITEMS), index=range(ITEMS - 1, -1, -1))
    beside: list[tuple[str, dict[str, Any]]] = [
        ("mask", {"mask": turned}),
        ("prior", {"prior": turned / 3}),
        ("present of rater 0", {"present": [turned, None, None, None]}),
    ]
    for name, options in beside:
        for given in ({"raters": raters}, {"raters": pandas.DataFrame(TABLE), "axis": 1}):
            with pytest.raises(fastfuse.GridError, match=rf"^{name} and rater 0 have the same index"):
                fastfuse.staple(**given, **options)
    for call in (fastfuse.tabulate, fastfuse.majority_vote, fastfuse.agreement):
        with pytest.raises(fastfuse.GridError, match="have the same index"):
            call([raters[0], raters[1][::-1]])
    with pytest.raises(fastfuse.GridError, match="have the same index"):
        fastfuse.fuse([raters[0], raters[1][::-1]], "staple", labels="all")


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_frames_of_pandas(pandas: Any) -> None:
    one, two = (pandas.DataFrame(TABLE), pandas.DataFrame(TABLE))
    whole = fastfuse.staple(one, axis=1)
    np.testing.assert_array_equal(whole.probability, fastfuse.staple(TABLE, axis=1).probability)
    for other, what in ((two.iloc[:, ::-1], "columns"), (two.iloc[::-1], "index")):
        with pytest.raises(fastfuse.GridError, match=rf"rater_1\.reindex\({what}=rater_0\.{what}\)"):
            fastfuse.staple([one, other])
        with pytest.raises(fastfuse.GridError, match=f"have the same {what}"):
            fastfuse.evaluate(one, other)
