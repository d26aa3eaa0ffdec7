"""Fusions with a random field, on one route and on another."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from fastfuse import _core


def fused(
    raters: list[NDArray[Any]],
    method: str,
    route: str,
    mask: NDArray[Any] | None = None,
    prior_map: NDArray[Any] | None = None,
    single: bool = False,
    **values: Any,
) -> tuple[NDArray[Any], _core.Result]:
    options = _core.Options()
    options.method, options.route = method, route
    options.mrf, options.max_iter, options.threads = 0.4, 12, 1
    options.spacing_mm = [1.0, 2.0, 0.5, 1.0][: raters[0].ndim]
    for name, value in values.items():
        setattr(options, name, value)
    out = np.empty(raters[0].shape, np.float32 if single else np.float64)
    return out, _core.fuse(raters, out, mask=mask, prior_map=prior_map, options=options)


def assert_one_answer(raters: list[NDArray[Any]], method: str, route: str, **values: Any) -> None:
    """Check, in doubles, that a route answers as single voxels do."""
    found, told = fused(raters, method, route, **values)
    by_voxels, expected = fused(raters, method, "rows", **values)
    assert_allclose(found, by_voxels, rtol=1e-9, atol=1e-12)
    assert told.iterations == expected.iterations
    for name in ("sensitivity", "specificity", "prior", "lowest", "highest"):
        assert_allclose(getattr(told, name), getattr(expected, name), rtol=1e-11, atol=1e-12, err_msg=name)
    for name in ("log_likelihood", "marked_by", "seen_by", "volume", "read", "voxels", "disputed"):
        assert_allclose(getattr(told, name), getattr(expected, name), rtol=1e-10, err_msg=name)


def maps_of(shape: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(5)
    flat = np.full(shape, 0.2)
    flat[: shape[0] // 2] = 1e-6
    return {
        "noise": rng.random(shape) * 0.98 + 0.01,
        "flat": flat,
        "single": np.float32(rng.random(shape) * 0.5 + 0.1),
    }
