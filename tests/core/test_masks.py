"""Masks, whose patterns of bits are counted: every type, layout and number of raters, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse

SHAPES = [(5,), (64,), (7, 9, 11), (3, 37, 41), (64, 65, 70)]
TYPES = ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">i2", ">f4"]


def masks(shape: tuple[int, ...], raters: int, seed: int = 0, density: float = 0.03) -> list[NDArray[Any]]:
    """Return masks with runs of marks, and noise in some places."""
    rng = np.random.default_rng(seed)
    common = np.cumsum(rng.random(shape) < density, axis=-1) % 5 == 2
    return [common ^ (rng.random(shape) < density) for _ in range(raters)]


def grouped(votes: list[NDArray[Any]], inside: NDArray[np.bool_]) -> tuple[NDArray[Any], ...]:
    """Return the distinct patterns of at most 64 masks, where each is first, which one each voxel has, and counts."""
    rows = np.stack([np.asarray(vote, bool).ravel() for vote in votes], axis=1)[inside]
    bits = np.zeros((len(rows), 8), np.uint8)
    packed = np.packbits(rows, axis=1)
    bits[:, : packed.shape[1]] = packed
    _, first, of, counts = np.unique(
        bits.view(np.uint64)[:, 0], return_index=True, return_inverse=True, return_counts=True
    )
    return rows[first], first, of, counts


def patterns_of(votes: list[NDArray[Any]], inside: NDArray[np.bool_]) -> dict[bytes, int]:
    patterns, _, _, counts = grouped(votes, inside)
    return {row.tobytes(): int(n) for row, n in zip(patterns, counts, strict=True)}


def counted(table: fastfuse.VoteTable) -> dict[bytes, int]:
    rows = table.patterns.astype(np.uint8)
    return {row.tobytes(): int(n) for row, n in zip(rows, table.counts, strict=True) if n > 0}


def check(votes: list[NDArray[Any]], given: list[NDArray[Any]], **options: Any) -> None:
    """Assert the table, and that the consensus is what an estimate from it gives each pattern."""
    mask = options.get("mask")
    inside = np.ones(votes[0].size, bool) if mask is None else np.asarray(mask).ravel() != 0
    assert counted(fastfuse.tabulate(given, mask=mask)) == patterns_of(votes, inside)
    alone = fastfuse.staple(given, threads=1, **options)
    team = fastfuse.staple(given, threads=3, **options)
    assert alone.probability.tobytes() == team.probability.tobytes()
    for name in ("sensitivity", "specificity", "log_likelihood"):
        assert getattr(alone, name).tobytes() == getattr(team, name).tobytes()
    patterns, first, of, _ = grouped(votes, inside)
    w = alone.probability.ravel()[inside]
    of_pattern = w[first]
    np.testing.assert_array_equal(of_pattern[of], w)
    a, b = (
        np.log(alone.sensitivity / (1 - alone.specificity)),
        np.log((1 - alone.sensitivity) / alone.specificity),
    )
    odds = np.log(alone.prior / (1 - alone.prior)) + patterns @ a + ~patterns @ b
    np.testing.assert_allclose(of_pattern, 1 / (1 + np.exp(-np.clip(odds, -700, 700))), atol=1e-6)
    assert not alone.probability.ravel()[~inside].any()


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("raters", [2, 3, 7, 8, 9, 15, 16, 17, 63, 64])
@pytest.mark.parametrize("shape", SHAPES[2:])
@pytest.mark.parametrize("masked", [False, True])
def test_numbers_of_raters(raters: int, shape: tuple[int, ...], masked: bool) -> None:
    votes = masks(shape, raters)
    mask = np.arange(int(np.prod(shape))) % 900 > 300
    given = [vote.astype(np.uint8) for vote in votes]
    check(votes, given, **({"mask": mask.reshape(shape)} if masked else {}))


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("kind", TYPES)
def test_types(kind: str) -> None:
    votes = masks((12, 33, 35), 5)
    given = [vote.astype(kind) for vote in votes]
    check(votes, given)
    mask = np.ones((12, 33, 35), kind)
    mask[3:5] = 0
    check(votes, given, mask=mask)


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_layouts() -> None:
    votes = masks((12, 33, 35), 6)
    given: list[NDArray[Any]] = [vote.astype(np.uint8) for vote in votes]
    given[0] = np.asfortranarray(given[0])
    given[1] = np.repeat(given[1], 2, axis=1)[:, ::2]
    given[2] = np.ascontiguousarray(given[2][::-1])[::-1]
    given[3] = given[3].astype(np.float32)
    given[4] = given[4].astype(np.int64)
    given[5] = given[5] * -0.0 + given[5]  # a negative zero is no vote
    check(votes, given)


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("offset", [0, 1, 2, 3])
def test_large_outputs_anywhere(dtype: str, offset: int) -> None:
    """Outputs that go past the cache may begin at any address."""
    votes = [vote.astype(np.uint8) for vote in masks((70, 130, 131), 3)]
    room = np.full(votes[0].size + offset, np.nan, dtype)
    out = room[offset:].reshape(votes[0].shape)
    fastfuse.staple(votes, out=out, dtype=dtype)
    fresh = fastfuse.staple(votes, dtype=dtype).probability
    assert out.tobytes() == fresh.tobytes()
    assert np.isnan(room[:offset]).all()


def test_masks_of_floats_are_as_bytes() -> None:
    votes = masks((30, 40, 41), 4)
    bytes_, floats = ([vote.astype(kind) for vote in votes] for kind in ("u1", "f4"))
    for method in ("soft_staple", "simplified_soft_staple"):
        fuse = getattr(fastfuse, method)
        assert fuse(bytes_).probability.tobytes() == fuse(floats).probability.tobytes()


@pytest.mark.parametrize("kind", ["u1", "i2", "f4", "f8"])
@pytest.mark.parametrize("at", [0, 5000, -1])
def test_what_is_no_mark_is_named(kind: str, at: int) -> None:
    votes = [vote.astype(kind) for vote in masks((12, 33, 35), 4)]
    votes[2].flat[at] = 7
    place = np.unravel_index(at % votes[2].size, votes[2].shape)
    with pytest.raises(ValueError, match=r"rater 2 holds 7 .*" + ", ".join(map(str, place))):
        fastfuse.staple(votes)
    mask = np.ones(votes[0].shape, bool)
    mask[place] = False
    assert fastfuse.staple(votes, mask=mask).probability[place] == 0


@pytest.mark.parametrize("place", [0, 4100, -1])
def test_one_fraction_is_not_lost(place: int) -> None:
    """Votes that look like masks, and are not, are read as what they are."""
    votes = [vote.astype(np.float32) for vote in masks((60, 61, 62), 3)]
    votes[1].flat[place] = 0.25
    assert 0.25 in fastfuse.tabulate(votes).patterns
    assert fastfuse.soft_staple(votes).volume[1] == pytest.approx(votes[1].sum(dtype=float))


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "u4", "i8", "f4"])
def test_a_label_among_others(kind: str) -> None:
    rng = np.random.default_rng(3)
    maps = [np.where(vote, rng.integers(1, 4, vote.shape), 0).astype(kind) for vote in masks((12, 33, 35), 4)]
    assert counted(fastfuse.tabulate(maps, select_label=3)) == patterns_of(
        [one == 3 for one in maps], np.ones(maps[0].size, bool)
    )
    found = fastfuse.staple(maps, select_label=3).probability
    assert found.tobytes() == fastfuse.staple([one == 3 for one in maps]).probability.tobytes()
