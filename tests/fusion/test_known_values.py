"""Numbers that do not come from this package."""

from __future__ import annotations

import numpy as np
import pytest

import fastfuse

from ..problems import simulated_raters

SIX = ["00000110", "00001111", "11101111", "00001110", "01000111", "00110011"]
THREE = ["111100000001", "111010000000", "110100100000"]
SOFT_VOTES = [
    [1, 1, 0.3, 0, 0.3, 0, 0, 1],
    [1, 0.3, 0.3, 0.3, 0, 0, 0, 1],
    [1, 1, 0, 0.3, 0.3, 0, 0.3, 0],
]


def votes(rows: list[str]) -> list[np.ndarray]:
    return [np.array([float(bit) for bit in row]) for row in rows]


def test_six_raters() -> None:
    fused = fastfuse.staple(votes(SIX), dtype="float64")
    np.testing.assert_allclose(fused.probability, [0, 0, 0, 0, 1, 1, 1, 1], rtol=0, atol=2e-7)
    assert fused.label().tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


@pytest.mark.filterwarnings("ignore:.*max_iter:fastfuse.FusionWarning")
def test_six_raters_after_one_iteration() -> None:
    fused = fastfuse.staple(votes(SIX), dtype="float64", max_iter=1)
    sensitivity = [0.458333333333, 0.75, 0.958333333333, 0.583333333333, 0.708333333333, 0.541666666667]
    specificity = [0.958333333333, 0.75, 0.208333333333, 0.833333333333, 0.708333333333, 0.541666666667]
    np.testing.assert_allclose(fused.sensitivity, sensitivity, rtol=0, atol=1e-11)
    np.testing.assert_allclose(fused.specificity, specificity, rtol=0, atol=1e-11)
    assert fused.n_iter == 1
    assert not fused.converged


def test_three_raters_at_convergence() -> None:
    fused = fastfuse.staple(votes(THREE), dtype="float64")
    assert 39 <= fused.n_iter <= 41
    assert fused.converged
    np.testing.assert_allclose(
        fused.sensitivity, [0.999999998557, 0.679061096026, 0.679061096026], rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(
        fused.specificity, [0.905617281169, 0.85767668126, 0.85767668126], rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(
        fused.probability[[0, 2, 11]], [0.9927182228068, 0.9144706468813, 0.4560883152628], rtol=0, atol=1e-6
    )


SOFT_PROBABILITY = {
    fastfuse.soft_staple: [
        0.96321924043, 0.822918731007, 0.203150901372, 0.14966815772,
        0.190502281052, 0.031167862022, 0.071846999754, 0.808041231128,
    ],
    fastfuse.simplified_soft_staple: [
        0.96321924043, 0.838955432626, 0.118660230251, 0.073006966089,
        0.111575716385, 0.031167862022, 0.04636080494, 0.808041231128,
    ],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*max_iter:fastfuse.FusionWarning")
@pytest.mark.parametrize("method", SOFT_PROBABILITY)
@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_soft_votes_after_one_iteration(method: object, m_step: str) -> None:
    fused = method(SOFT_VOTES, dtype="float64", max_iter=1, m_step=m_step)
    sensitivity = [0.814893617021, 0.643617021277, 0.61170212766]
    specificity = [0.784931506849, 0.818493150685, 0.797945205479]
    np.testing.assert_allclose(fused.sensitivity, sensitivity, rtol=0, atol=1e-11)
    np.testing.assert_allclose(fused.specificity, specificity, rtol=0, atol=1e-11)
    np.testing.assert_allclose(fused.probability, SOFT_PROBABILITY[method], rtol=0, atol=1e-11)


@pytest.mark.parametrize("seed", range(4))
def test_simpleitk(seed: int) -> None:
    """ITK's STAPLE, on simulated raters around a truth."""
    sitk = pytest.importorskip("SimpleITK")
    rng = np.random.default_rng(seed)
    masks = simulated_raters(rng, 4 + seed, 20 * 21 * 22, prevalence=0.2).reshape(-1, 20, 21, 22)
    staple = sitk.STAPLEImageFilter()
    staple.SetForegroundValue(1)
    staple.SetMaximumIterations(10_000)
    theirs = staple.Execute([sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in masks])
    ours = fastfuse.staple(masks, dtype="float64", tol=1e-10)
    np.testing.assert_allclose(ours.sensitivity, staple.GetSensitivity(), rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours.specificity, staple.GetSpecificity(), rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours.probability, sitk.GetArrayFromImage(theirs), rtol=0, atol=1e-6)


def test_majority_vote() -> None:
    fused = fastfuse.majority_vote(votes(THREE), dtype="float64")
    mean = np.mean(votes(THREE), axis=0)
    np.testing.assert_allclose(fused.probability, mean, rtol=0, atol=1e-15)
    for vote, sensitivity, specificity in zip(
        votes(THREE), fused.sensitivity, fused.specificity, strict=True
    ):
        assert sensitivity == pytest.approx((mean * vote).sum() / mean.sum())
        assert specificity == pytest.approx(((1 - mean) * (1 - vote)).sum() / (1 - mean).sum())
    assert (fused.n_iter, fused.log_likelihood.size, fused.converged) == (0, 0, True)
