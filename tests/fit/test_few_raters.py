"""What the votes of two and three raters determine."""

from __future__ import annotations

import numpy as np
import pytest

import fastfuse

VOXELS = 20_000


def votes(rng: np.random.Generator, share: float, rates: list[tuple[float, float]]) -> list[np.ndarray]:
    """Return the masks of raters who err independently, of these sensitivities and specificities."""
    truth = rng.random(VOXELS) < share
    return [
        (rng.random(VOXELS) < np.where(truth, sensitivity, 1 - specificity)).astype(np.uint8)
        for sensitivity, specificity in rates
    ]


def test_two_raters_of_several_cases() -> None:
    """Of cases with several prevalences they are identified (Hui and Walter 1980); of one case they are not."""
    rng = np.random.default_rng(0)
    rates = [(0.8, 0.95), (0.6, 0.98)]
    tables = {f"{share}": fastfuse.tabulate(votes(rng, share, rates)) for share in (0.05, 0.2, 0.4)}
    pooled = fastfuse.pool(tables, "staple", prior="estimate", max_iter=20_000)
    assert isinstance(pooled, fastfuse.PooledEstimate)
    assert pooled.converged
    found = np.transpose([pooled.sensitivity, pooled.specificity])
    np.testing.assert_allclose(found, rates, rtol=0, atol=0.02)
    low, high = (
        fastfuse.estimate(tables["0.2"], "staple", prior="estimate", init=start, max_iter=20_000)
        for start in (0.7, 0.99)
    )
    assert low.log_likelihood[-1] == pytest.approx(high.log_likelihood[-1], abs=1e-3)
    assert np.abs(low.sensitivity - high.sensitivity).max() > 0.05  # of one likelihood


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("seed", range(3))
def test_three_who_agree_fit_whatever_they_do(seed: int) -> None:
    """Contours here, of which STAPLE's model is wrong; yet it expects what there is."""
    rng = np.random.default_rng(seed)
    level = rng.normal(-1, 2, VOXELS)
    masks = [
        (level + rng.normal(0, blur, VOXELS) > offset).astype(np.uint8)
        for blur, offset in ((0.3, 0.0), (0.6, 1.0), (1.0, -0.5))
    ]
    fit = fastfuse.staple(masks, prior="estimate", tol=1e-10, max_iter=20_000).fit
    assert fit is not None
    np.testing.assert_allclose(fit.models["staple"].expected, fit.observed, atol=2e-3 * VOXELS)


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_three_of_whom_no_two_agree_do_not() -> None:
    at = np.random.default_rng(0).random(VOXELS)
    masks = [((at >= low) & (at < low + 0.4)).astype(np.uint8) for low in (0.0, 0.2, 0.4)]
    fit = fastfuse.staple(masks, prior="estimate").fit
    assert fit is not None
    assert np.abs(fit.models["staple"].expected - fit.observed).max() > 0.05 * VOXELS
