"""Patterns that the table has no place for: their voxels stay alone, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse

from ..doors import fuse_arrays

SHAPE = (24, 64, 64)
Votes = tuple[NDArray[Any], ...]


def votes(m: int, fractional: float, dtype: Any = np.float32) -> Votes:
    """Return discs with flips, and with votes of 0.3: more patterns than the 4,096 of a small volume's table."""
    rng = np.random.default_rng(m)
    axis = np.arange(64) - 32
    disc = np.broadcast_to(np.hypot(axis[:, None], axis) < 15, SHAPE)
    found = []
    for _ in range(m):
        vote = np.where(rng.random(SHAPE) < (0.04 if m > 21 else 0.12), ~disc, disc).astype(np.float32)
        vote[rng.random(SHAPE) < fractional] = 0.3
        vote[: 8 if m % 2 else 0, :, :40] = 0  # whole groups without a vote
        found.append(vote.astype(dtype))
    return tuple(found)


@cache
def kept(m: int, fractional: float) -> tuple[Votes, int]:
    """Return votes that tests only read, and how many patterns they have."""
    raters = votes(m, fractional)
    return raters, patterns(raters)


def fuse(raters: Votes, method: str, route: str, **options: Any) -> fastfuse.Fusion:
    options = {"tol": 0, "max_iter": 4, "dtype": np.float64} | options
    if len(raters) > 64:  # which of the axes is the raters' must be told
        return fuse_arrays(np.stack(raters), method, route=route, axis=0, **options)[0]
    return fuse_arrays(raters, method, route=route, **options)[0]


def patterns(raters: Votes) -> int:
    rows = np.stack(raters, axis=-1).reshape(-1, len(raters))
    return len(set(rows.view(f"V{rows.itemsize * len(raters)}").ravel().tolist()))


def assert_same(ours: fastfuse.Fusion, exact: fastfuse.Fusion) -> None:
    for name in ("sensitivity", "specificity", "probability", "volume"):
        np.testing.assert_allclose(getattr(ours, name), getattr(exact, name), atol=1e-11, rtol=1e-11)
    np.testing.assert_allclose(ours.log_likelihood, exact.log_likelihood, rtol=1e-11)
    assert ours.n_voxels == exact.n_voxels


def in_half() -> NDArray[np.bool_]:
    mask = np.ones(SHAPE, bool)
    mask[:, :, 50:] = False
    return mask


@pytest.mark.parametrize("options", [{}, {"mask": in_half()}], ids=["whole", "mask"])
@pytest.mark.parametrize(("method", "m", "fractional"), [
    ("staple", 21, 0), ("staple", 30, 0), ("staple", 66, 0), ("staple", 131, 0),
    ("soft-staple", 14, 0.02), ("soft-staple", 23, 0.02), ("simplified-soft-staple", 30, 0.02), ("majority", 30, 0.02),
])  # fmt: skip
def test_as_voxel_by_voxel(method: str, m: int, fractional: float, options: dict[str, Any]) -> None:
    if method == "majority":
        options = {**options, "tol": 1e-7, "max_iter": 200}
    raters, found = kept(m, fractional)
    assert found > 1.5 * 4096
    exact = fuse(raters, method, "rows", **options)
    ours = [fuse(raters, method, "patterns", threads=threads, **options) for threads in (1, 2, 3)]
    assert_same(ours[0], exact)
    for other in ours[1:]:
        assert np.array_equal(other.probability, ours[0].probability)
        assert np.array_equal(other.sensitivity, ours[0].sensitivity)
        assert np.array_equal(other.log_likelihood, ours[0].log_likelihood)


@pytest.mark.parametrize("m", [7, 12, 30])
@pytest.mark.parametrize("odd", [0.3, np.nan])
def test_one_odd_vote_among_masks(m: int, odd: float) -> None:
    raters = votes(m, 0)
    raters[m // 2][13, 17, 20] = odd
    options: dict[str, Any] = {"missing": "nan"} if np.isnan(odd) else {}
    assert_same(
        fuse(raters, "soft-staple", "patterns", **options), fuse(raters, "soft-staple", "rows", **options)
    )


@pytest.mark.parametrize("layout", ["fortran", "reversed", "float16", "bytes swapped"])
def test_layouts(layout: str) -> None:
    raters, _ = kept(23, 0.02)
    exact = fuse(raters, "soft-staple", "rows")
    changes: dict[str, Callable[[Any], Any]] = {
        "fortran": np.asfortranarray,
        "reversed": lambda vote: vote[:, ::-1].copy()[:, ::-1],
        "float16": lambda vote: vote.astype(np.float16),
        "bytes swapped": lambda vote: vote.astype(">f4"),
    }
    ours = fuse(tuple(changes[layout](vote) for vote in raters), "soft-staple", "patterns")
    assert_same(ours, exact) if layout != "float16" else np.testing.assert_allclose(
        ours.probability, exact.probability, atol=1e-3
    )


def test_missing_votes() -> None:
    raters = votes(23, 0.02)
    rng = np.random.default_rng(0)
    for vote in raters:
        vote[rng.random(SHAPE) < 0.01] = np.nan
    raters[0][2, 3:5] = np.nan
    assert_same(
        fuse(raters, "soft-staple", "patterns", missing="nan"),
        fuse(raters, "soft-staple", "rows", missing="nan"),
    )


@pytest.mark.parametrize("bad", [1.5, np.nan])
def test_bad_vote_is_named(bad: float) -> None:
    raters = votes(23, 0.02)
    raters[5][20, 3, 4] = bad
    with pytest.raises(ValueError, match=r"rater 5.*\(20, 3, 4\)|\[5\].*20, 3, 4"):
        fuse(raters, "soft-staple", "patterns")
