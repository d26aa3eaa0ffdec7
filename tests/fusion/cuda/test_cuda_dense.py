"""The CUDA backend on votes that do not repeat, and on those of many raters."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import fastfuse

from .on_device import SHAPE, SOFT, assert_same, both, needs_device, some_mask, votes_of

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


# --- votes that do not repeat --------------------------------------------------------------------------------


@needs_device
@pytest.mark.parametrize("m", range(1, 17))
def test_dense_masses(m: int) -> None:
    """All layouts of the tables: dummies for few raters, strips for many."""
    votes = votes_of("dense", m)[:, :1, :3] if m > 9 else votes_of("dense", m)[:, :4]
    for m_step in ("em", "paper") if m <= 13 else ("em",):
        options: dict[str, Any] = {"m_step": m_step, "prior": 0.3, "max_iter": 2, "expectation": "enumerate"}
        assert_same(*both(fastfuse.soft_staple, votes, **options), 1e-6)


@needs_device
@pytest.mark.parametrize(("fuse", "m_step"), list(itertools.product(SOFT, ["paper", "em"])))
@pytest.mark.parametrize("options", [{"prior": "estimate"}, {"init": 0.8}, {"performance_prior": (5, 1.5)}])
def test_dense(fuse: Any, m_step: str, options: dict[str, Any]) -> None:
    votes = votes_of("dense", 5)
    assert_same(*both(fuse, votes, m_step=m_step, mask=some_mask(), max_iter=20, **options), 1e-6)


@needs_device
@pytest.mark.parametrize("m", [1, 4, 5, 8, 9, 16])
@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_dense_products(m: int, m_step: str) -> None:
    votes = votes_of("dense", m)
    options: dict[str, Any] = {"m_step": m_step, "max_iter": 5, "tol": 0}
    assert_same(*both(fastfuse.simplified_soft_staple, votes, **options), 1e-6)
    fine = both(fastfuse.simplified_soft_staple, votes.astype(np.float64), dtype="float64", **options)
    assert_same(*fine, 1e-10, 1e-10)


# --- many raters ---------------------------------------------------------------------------------------------


@needs_device
@pytest.mark.parametrize("m", [20, 23, 64])
@pytest.mark.parametrize("masked", [False, True])
def test_masks_of_many(m: int, masked: bool) -> None:
    """Beyond 22 there are more keys than are counted: EM goes through the voxels."""
    mask = some_mask() if masked else None
    there, here = both(fastfuse.staple, votes_of("binary", m), mask=mask, prior="estimate", dtype="float64")
    assert_same(there, here, 1e-9, 1e-9)


@needs_device
@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_products_of_many(m_step: str) -> None:
    """With rates at their limits, 64 factors are smaller than any double."""
    votes = votes_of("dense", 64)
    options: dict[str, Any] = {"m_step": m_step, "max_iter": 5, "dtype": "float64"}
    assert_same(*both(fastfuse.simplified_soft_staple, votes, tol=0, **options), 1e-9, 1e-9)
    votes = np.where(votes_of("dense", 64) > 0.45, 1, 0).astype(np.float32)
    votes[:, :4], votes[:32, 6:] = 0, 1
    assert_same(*both(fastfuse.simplified_soft_staple, votes, **options), 1e-9, 1e-9)


def votes_near_and_far(m: int) -> np.ndarray:
    """Dense votes most of which leave no doubt, some marks, and some voxels on which raters are at odds."""
    rng = np.random.default_rng([5, m])
    votes = votes_of("dense", m, dtype=np.float64).reshape(m, -1)
    votes[:, ::2] = rng.uniform(0, 0.02, (m, votes.shape[1] // 2))
    votes[:, ::7] = rng.uniform(0.98, 1, (m, len(range(0, votes.shape[1], 7))))
    votes[rng.random(votes.shape) < 0.1] = 0
    votes[rng.random(votes.shape) < 0.05] = 1
    return votes.reshape(m, *SHAPE)


@needs_device
@pytest.mark.parametrize("kind", ["dense", "near and far"])
@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("m", [1, 4, 5, 11, 17, 64])
def test_characteristic_function(m: int, m_step: str, kind: str) -> None:
    """The same nodes, expansions and bounds as the CPU's: the same to many digits."""
    votes = votes_of("dense", m, dtype=np.float64) if kind == "dense" else votes_near_and_far(m)
    options: dict[str, Any] = {"expectation": "characteristic", "max_iter": 3, "dtype": "float64"}
    there, here = both(fastfuse.soft_staple, votes, m_step=m_step, prior="estimate", **options)
    assert_same(there, here, 1e-12, 1e-12)
    np.testing.assert_allclose(there.log_likelihood, here.log_likelihood, rtol=1e-12)


@needs_device
@pytest.mark.parametrize("doubt", [1e-12, 1e-9, 1e-5])
def test_characteristic_function_where_hardly_anybody_doubts(doubt: float) -> None:
    """Chernoff's bound then looks at e^{tS} with so large a t that it overflows."""
    rater, voxel = np.indices((24, 48))
    votes = np.where(rater < voxel % 24, 1.0, doubt)  # so many are sure, and one way or the other
    votes[:, 24:] = np.where(rater[:, 24:] < voxel[:, 24:] % 24, 0.0, 1 - doubt)
    options: dict[str, Any] = {"m_step": "em", "init": 0.9, "prior": 0.5, "max_iter": 1, "dtype": "float64"}
    assert_same(*both(fastfuse.soft_staple, votes, **options), 1e-12, 1e-12)


@needs_device
@pytest.mark.parametrize("m", [2, 7, 13])
def test_characteristic_function_equals_the_masses(m: int) -> None:
    votes = votes_of("dense", m)[:, :2]
    options: dict[str, Any] = {"device": "cuda", "m_step": "em", "mask": some_mask()[:2], "max_iter": 4}
    there, here = (
        fastfuse.soft_staple(votes, expectation=kind, **options) for kind in ("characteristic", "enumerate")
    )
    assert_same(there, here, 1e-6)


@needs_device
@pytest.mark.parametrize("prior", [1e-300, 1 - 1e-12])
@pytest.mark.parametrize("init", ["vote", 0.5001, 1 - 1e-12])
@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_characteristic_function_at_its_limits(m_step: str, init: Any, prior: float) -> None:
    votes = votes_near_and_far(20)
    options: dict[str, Any] = {"m_step": m_step, "init": init, "prior": prior, "max_iter": 2}
    assert_same(*both(fastfuse.soft_staple, votes, dtype="float64", **options), 1e-9, 1e-9)


@needs_device
@pytest.mark.parametrize("kind", ["binary", "three-valued", "dense"])
def test_majority(kind: str) -> None:
    assert_same(*both(fastfuse.majority_vote, votes_of(kind, 3), mask=some_mask()), 1e-7)


@needs_device
@pytest.mark.parametrize("fuse", SOFT)
def test_extreme_rates_need_doubles(fuse: Any) -> None:
    """Sixteen raters who always agree: floats would lose the products of 1e-12."""
    m = 16 if fuse is fastfuse.simplified_soft_staple else 10
    truth = np.random.default_rng(0).random(SHAPE) < 0.4
    votes = np.repeat(np.where(truth, 1 - 1e-7, 1e-7)[None].astype(np.float32), m, axis=0)
    votes[0].flat[:40] = 0.5
    there, here = both(fuse, votes, max_iter=8, m_step="em")
    assert_same(there, here, 1e-6)


@needs_device
@pytest.mark.parametrize(("kind", "m"), [("binary", 3), ("three-valued", 3), ("dense", 3), ("dense", 18)])
@pytest.mark.parametrize("voxels", [1, 2, 3, 4, 5, 255, 256, 1023, 1025])
def test_ends_of_volumes(kind: str, m: int, voxels: int) -> None:
    votes = votes_of(kind, m).reshape(m, -1)[:, -voxels:]
    fuse = fastfuse.staple if kind == "binary" else fastfuse.soft_staple
    there, here = both(fuse, list(votes), max_iter=4)
    assert_same(there, here, 1e-6)


@needs_device
@pytest.mark.parametrize("fuse", [fastfuse.staple, *SOFT])
@pytest.mark.parametrize("value", [0, 1])
def test_all_agree(fuse: Any, value: int) -> None:
    assert_same(*both(fuse, np.full((3, *SHAPE), value, np.float32)), 0, 0)


@needs_device
@pytest.mark.parametrize(("kind", "m"), [("three-valued", 6), ("dense", 6), ("dense", 20)])
@pytest.mark.parametrize("fuse", SOFT)
def test_same_bits(fuse: Any, kind: str, m: int) -> None:
    votes = votes_of(kind, m)
    first, second = (fuse(votes, device="cuda", m_step="em", max_iter=5) for _ in range(2))
    np.testing.assert_array_equal(first.probability, second.probability)
    np.testing.assert_array_equal(first.log_likelihood, second.log_likelihood)
