"""EM that starts on a sample of the voxels: the same end as plain EM, in few passes over all of them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

import fastfuse
from tests.problems import dense

SHAPE = (60, 64, 60)
KINDS = {"a lesion of a few voxels": (1, 1.5), "lesions": (10, 3.0), "organs": (6, 14.0)}  # number, radius
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


@cache
def votes(kind: str, seed: int = 0) -> tuple[NDArray[np.float32], ...]:
    """Return five networks' probabilities, with noise in every voxel."""
    rng = np.random.default_rng(seed)
    number, radius = KINDS[kind]
    place = np.indices(SHAPE, dtype=np.float32)
    truth = np.zeros(SHAPE, bool)
    for centre in rng.uniform(15, 45, (number, 3)):
        truth |= sum((place[axis] - centre[axis]) ** 2 for axis in range(3)) < radius**2
    return tuple(probabilities(truth, rng) for _ in range(5))


def probabilities(truth: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float32]:
    seen = ndimage.gaussian_filter((truth & (rng.random(SHAPE) < 0.9)).astype(np.float32), 0.7)
    field = 6 * (2 * np.minimum(1.3 * seen, 1) - 1) + rng.standard_normal(SHAPE, np.float32)
    return np.clip(1 / (1 + np.exp(-field)), 1e-6, 1 - 1e-6).astype(np.float32)


def fuse(kind: str, seed: int = 0, **options: Any) -> fastfuse.Fusion:
    return fastfuse.simplified_soft_staple(votes(kind, seed), **({"acceleration": "sample"} | options))


@pytest.mark.parametrize("m_step", ["em", "paper"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(10))
def test_ends_where_em_ends(seed: int, kind: str, m_step: str) -> None:
    """As near to the end of a long EM as plain EM comes, or within the tolerance."""
    end = fuse(kind, seed, m_step=m_step, tol=1e-11, max_iter=5000, acceleration="none", dtype="float64")
    plain = fuse(kind, seed, m_step=m_step, acceleration="none")
    ours = fuse(kind, seed, m_step=m_step)
    assert ours.converged
    assert ours.n_iter == len(ours.log_likelihood)
    for name in ("sensitivity", "specificity"):
        exact = getattr(end, name)
        off, of_plain = (np.abs(getattr(rates, name) - exact).max() for rates in (ours, plain))
        assert off <= max(2.5e-7, of_plain)


@pytest.mark.parametrize("m_step", ["em", "paper"])
def test_few_passes(m_step: str) -> None:
    plain, ours = (fuse("organs", m_step=m_step, acceleration=kind) for kind in ("none", "sample"))
    assert plain.n_iter > 4
    assert ours.n_iter <= max(3, plain.n_iter / 3)
    np.testing.assert_allclose(ours.log_likelihood[-1], plain.log_likelihood[-1], rtol=1e-6)
    np.testing.assert_allclose(ours.probability, plain.probability, atol=1e-3)


@pytest.mark.parametrize("options", [{"prior": "estimate"}, {"dtype": "float64"}, {"max_iter": 1}])
def test_options(options: dict[str, Any]) -> None:
    """A prior to estimate is a parameter like the rates; doubles have a sample of their own."""
    ours = fuse("organs", m_step="em", **options)
    if "max_iter" in options:
        assert (ours.n_iter, ours.converged) == (1, False)
        return
    plain = fuse("organs", m_step="em", acceleration="none", tol=1e-11, **options)
    assert ours.n_iter < plain.n_iter / 3
    np.testing.assert_allclose(ours.sensitivity, plain.sensitivity, atol=3e-7)
    assert abs(ours.prior - plain.prior) < 3e-7


def test_mask_and_empty_tiles() -> None:
    """What lies outside is in no sample; tiles without votes count as what they are."""
    given = [vote.copy() for vote in votes("organs")]
    mask = np.ones(SHAPE, bool)
    mask[:, :, ::7] = False
    for vote in given:
        vote[:12] = 0
        vote[~mask] = 0.5
    found = [
        fastfuse.simplified_soft_staple(given, mask=mask, m_step="em", acceleration=kind, tol=tol)
        for kind, tol in (("none", 1e-11), ("sample", 1e-7))
    ]
    assert found[1].n_iter < found[0].n_iter / 3
    np.testing.assert_allclose(found[1].sensitivity, found[0].sensitivity, atol=3e-7)
    np.testing.assert_allclose(found[1].specificity, found[0].specificity, atol=3e-7)


def test_the_same_for_every_number_of_threads() -> None:
    one, two, three = (fuse("lesions", m_step="em", threads=threads) for threads in (1, 2, 3))
    for other in (two, three):
        assert other.log_likelihood.tobytes() == one.log_likelihood.tobytes()
        assert other.probability.tobytes() == one.probability.tobytes()


@pytest.mark.parametrize("method", ["staple", "soft_staple", "simplified_soft_staple"])
def test_few_voxels_are_not_sampled(method: str) -> None:
    few = dense(4, 3000, seed=1)
    given = (few > 0.5).astype(np.uint8) if method == "staple" else few
    plain, ours = (getattr(fastfuse, method)(given, acceleration=kind) for kind in ("none", "sample"))
    assert ours.probability.tobytes() == plain.probability.tobytes()
    assert ours.n_iter == plain.n_iter
