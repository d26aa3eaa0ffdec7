"""Neighbours that pull each other: vote patterns and voxels give one answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from fastfuse import _core

from .common import assert_one_answer, fused, maps_of

METHODS = [
    ("staple", {}),
    ("soft-staple", {}),
    ("soft-staple", {"m_step": "em"}),
    ("soft-staple", {"m_step": "em", "expectation": "enumerate"}),
    ("simplified-soft-staple", {}),
    ("simplified-soft-staple", {"m_step": "em"}),
    ("simplified-soft-staple", {"likelihood": "log_linear"}),
]


def votes_of(method: str, shape: tuple[int, ...], seed: int = 0) -> list[NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    truth = rng.random(shape) < 0.2
    masks = [np.where(rng.random(shape) < 0.85, truth, ~truth).astype(np.float64) for _ in range(4)]
    if method == "staple":
        return masks
    return [np.where(rng.random(shape) < 0.1, 0.3, mask) for mask in masks]


@pytest.mark.parametrize(("method", "values"), METHODS)
@pytest.mark.parametrize("shape", [(9, 11, 13), (6, 8, 10), (7, 1200), (1500,), (4, 1, 5, 6), (5, 6, 1)])
def test_shapes(method: str, values: dict[str, Any], shape: tuple[int, ...]) -> None:
    assert_one_answer(votes_of(method, shape), method, "patterns", **values)


@pytest.mark.parametrize(("method", "values"), METHODS)
@pytest.mark.parametrize("roi", ["all", "disputed"])
def test_mask_and_region(method: str, values: dict[str, Any], roi: str) -> None:
    raters = votes_of(method, (9, 11, 14))
    mask = np.random.default_rng(1).random(raters[0].shape) < 0.8
    assert_one_answer(raters, method, "patterns", mask=mask, roi=roi, **values)


@pytest.mark.parametrize(("method", "values"), METHODS)
@pytest.mark.parametrize("prior", ["mean", "estimate", 0.3])
def test_missing_votes_and_priors(method: str, values: dict[str, Any], prior: Any) -> None:
    raters = votes_of(method, (8, 9, 10))
    for rater, part in zip(raters, (slice(3), slice(2, 5), slice(1, 4), slice(2, 7)), strict=True):
        rater[part] = np.nan  # nobody reads slice 2
    assert_one_answer(raters, method, "patterns", missing="nan", prior=prior, **values)


@pytest.mark.parametrize(("method", "values"), METHODS)
@pytest.mark.parametrize("kind", ["noise", "flat", "single"])
@pytest.mark.parametrize("roi", ["all", "disputed"])
def test_prior_maps(method: str, values: dict[str, Any], kind: str, roi: str) -> None:
    shape = (9, 11, 70)
    raters = votes_of(method, shape)
    raters[1][:3] = np.nan
    mask = np.random.default_rng(2).random(shape) < 0.8
    assert_one_answer(
        raters,
        method,
        "patterns",
        mask=mask,
        prior_map=maps_of(shape)[kind],
        missing="nan",
        roi=roi,
        **values,
    )


def test_a_prior_out_of_range_is_named() -> None:
    prior = maps_of((9, 11, 70))["noise"]
    prior[4, 5, 6] = 1.0
    raters = votes_of("staple", prior.shape)
    told = []
    for route in ("patterns", "rows"):
        with pytest.raises(_core.BadInput) as caught:
            fused(raters, "staple", route, prior_map=prior)
        told.append(caught.value.args)
    assert told[0] == told[1]


@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("kind", [None, "noise"])
def test_many_terms_in_single_precision(kind: str | None, m_step: str) -> None:
    """More mixed rows than a byte can number, and runs with more terms than are swept at once."""
    rng = np.random.default_rng(3)
    raters = [rng.choice([0, 0.2, 0.3, 0.7, 1], (20, 21, 90), p=[0.6, 0.1, 0.1, 0.1, 0.1]) for _ in range(6)]
    prior = maps_of((20, 21, 90))[kind] if kind else None
    by_table, told = fused(raters, "soft-staple", "patterns", m_step=m_step, prior_map=prior, single=True)
    by_voxels, expected = fused(raters, "soft-staple", "rows", m_step=m_step, prior_map=prior)
    assert_allclose(by_table, by_voxels, atol=2e-6)
    assert_allclose(told.sensitivity, expected.sensitivity, rtol=1e-6)


@pytest.mark.parametrize("mrf", [1e-6, 5.0, 300.0])
def test_strengths(mrf: float) -> None:
    assert_one_answer(votes_of("staple", (8, 9, 10)), "staple", "patterns", mrf=mrf)


def test_every_team_gives_the_same_bits() -> None:
    raters = votes_of("staple", (40, 41, 42))
    alone, first = fused(raters, "staple", "auto", threads=1)
    together, second = fused(raters, "staple", "auto", threads=2)
    assert_array_equal(together, alone)
    assert second.log_likelihood.tolist() == first.log_likelihood.tolist()
    assert second.marked_by.tolist() == first.marked_by.tolist()


def test_known_rates_are_applied() -> None:
    raters = votes_of("staple", (8, 9, 10))
    for route in ("patterns", "rows"):
        settled, result = fused(raters, "staple", route, max_iter=1000, tol=1e-12)
        options = _core.Options()
        options.mrf, options.spacing_mm, options.route, options.tol = 0.4, [1.0, 2.0, 0.5], route, 1e-12
        again = np.empty_like(settled)
        _core.apply(result.estimate, raters, again, options=options)
        assert_allclose(again, settled, atol=1e-8)
