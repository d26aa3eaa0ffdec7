"""Whole-brain fusion: fastfuse, the NumPy reference, SimpleITK.

pytest bench --benchmark-columns=median,rounds
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastfuse
from common import binary_votes, soft_votes
from fastfuse import reference


@pytest.fixture(scope="module")
def answer() -> fastfuse.Fusion:
    return fastfuse.staple(binary_votes(), dtype="float64")


@pytest.mark.benchmark(group="binary votes: STAPLE")
def test_staple(benchmark: Any, answer: fastfuse.Fusion) -> None:
    fused = benchmark(fastfuse.staple, binary_votes())
    np.testing.assert_allclose(fused.sensitivity, answer.sensitivity, atol=1e-9)


@pytest.mark.benchmark(group="binary votes: STAPLE")
def test_numpy_reference(benchmark: Any, answer: fastfuse.Fusion) -> None:
    fused = benchmark.pedantic(reference.fuse, (binary_votes(),), {"method": "staple"}, rounds=1)
    np.testing.assert_allclose(fused.sensitivity, answer.sensitivity, atol=1e-9)


@pytest.mark.benchmark(group="binary votes: STAPLE")
def test_simpleitk(benchmark: Any, answer: fastfuse.Fusion) -> None:
    sitk = pytest.importorskip("SimpleITK")
    images = [sitk.GetImageFromArray(mask) for mask in binary_votes()]
    staple = sitk.STAPLEImageFilter()
    benchmark.pedantic(staple.Execute, (images,), rounds=3)
    np.testing.assert_allclose(staple.GetSensitivity(), answer.sensitivity, atol=1e-4)


@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.benchmark(group="votes in {0, 0.3, 1}")
def test_soft_staple(benchmark: Any, m_step: str) -> None:
    assert benchmark(fastfuse.soft_staple, soft_votes(), m_step=m_step).converged


@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.benchmark(group="votes in {0, 0.3, 1}")
def test_simplified_soft_staple(benchmark: Any, m_step: str) -> None:
    assert benchmark(fastfuse.simplified_soft_staple, soft_votes(), m_step=m_step).converged


@pytest.mark.benchmark(group="votes in {0, 0.3, 1}")
def test_numpy_reference_of_a_block(benchmark: Any) -> None:
    """A block of 30³ voxels only: the whole volume takes half an hour this way."""
    votes = np.stack(soft_votes())[:, 76:106, 94:124, 76:106]
    expected = fastfuse.soft_staple(votes, dtype="float64")
    fused = benchmark.pedantic(reference.fuse, (votes,), rounds=1)
    np.testing.assert_allclose(fused.probability, expected.probability, atol=1e-9)
