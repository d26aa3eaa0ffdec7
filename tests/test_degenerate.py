"""Degenerate but legal input: a finite, documented result, and one warning of the package's own class."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import fusion

from .problems import METHODS, SOFT, simulated_raters, soften

EM = (fastfuse.staple, *SOFT)
ALL = (*EM, fastfuse.majority_vote)


def fuse_with_one_warning(fuse: Any, message: str, *args: Any, **options: Any) -> fastfuse.Fusion:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fused = fuse(*args, **options)
    assert [warning.category for warning in caught] == [fastfuse.FusionWarning]
    assert message in str(caught[0].message)
    assert caught[0].filename == __file__, "the warning points at the caller"
    assert np.isfinite(fused.probability).all()
    return fused


@pytest.mark.parametrize("fuse", ALL)
@pytest.mark.parametrize("m", [1, 3])
def test_nobody_marks_anything(fuse: Any, m: int) -> None:
    fused = fuse_with_one_warning(fuse, "nobody marks anything", np.zeros((m, 4, 5)))
    assert (fused.probability == 0).all()
    assert np.isnan(fused.sensitivity).all()
    assert (fused.specificity == 1).all()
    assert fused.n_iter == fused.log_likelihood.size == 0


@pytest.mark.parametrize("fuse", ALL)
@pytest.mark.parametrize("m", [1, 3])
def test_everybody_marks_everything(fuse: Any, m: int) -> None:
    fused = fuse_with_one_warning(fuse, "everybody marks everything", np.ones((m, 4, 5)))
    assert (fused.probability == 1).all()
    assert (fused.sensitivity == 1).all()
    assert np.isnan(fused.specificity).all()


@pytest.mark.parametrize("fuse", EM)
@pytest.mark.parametrize("prior", [0.3, np.full((4, 5), 0.3)])
@pytest.mark.parametrize("init", ["vote", 0.9])
def test_nobody_marks_anything_with_a_given_prior(fuse: Any, prior: Any, init: Any) -> None:
    fused = fuse_with_one_warning(fuse, "nobody marks", np.zeros((3, 4, 5)), prior=prior, init=init)
    assert (fused.probability == 0).all()
    assert fused.prior == pytest.approx(0.3)


@pytest.mark.parametrize("fuse", ALL)
def test_empty_inside_the_mask_only(fuse: Any) -> None:
    votes = np.ones((3, 100))
    votes[:, :50] = 0
    fused = fuse_with_one_warning(fuse, "nobody marks anything", votes, mask=np.arange(100) < 50)
    assert (fused.probability == 0).all()


@pytest.mark.parametrize("fuse", ALL)
def test_one_rater(fuse: Any) -> None:
    vote = np.array([0.0, 1, 1, 0, 0])
    fused = fuse_with_one_warning(fuse, "one rater only", [vote])
    np.testing.assert_allclose(fused.probability, vote, atol=1e-6)


@pytest.mark.parametrize("fuse", ALL)
def test_no_voxel_in_doubt(fuse: Any) -> None:
    vote = np.array([0.0, 1, 1, 0, 0])
    fused = fuse_with_one_warning(fuse, "no voxel is in doubt", [vote, vote, vote])
    np.testing.assert_allclose(fused.probability, vote, atol=1e-6)
    np.testing.assert_allclose(fused.sensitivity, 1, atol=1e-11)


@pytest.mark.parametrize("fuse", ALL)
def test_label_that_does_not_occur(fuse: Any) -> None:
    labels = np.array([[0, 1, 2], [0, 2, 2]])
    fused = fuse_with_one_warning(fuse, "label 7 does not occur", labels, select_label=7)
    assert (fused.probability == 0).all()


@pytest.mark.parametrize("fuse", EM)
def test_one_rater_marks_nothing_or_everything(fuse: Any) -> None:
    votes = simulated_raters(np.random.default_rng(0), 4, 300)
    votes[2] = 0
    assert np.isfinite(fuse_with_one_warning(fuse, "rater 2 marks nothing", votes).sensitivity).all()
    votes[2] = 1
    assert np.isfinite(fuse_with_one_warning(fuse, "rater 2 marks everything", votes).sensitivity).all()


@pytest.mark.parametrize("fuse", EM)
def test_worse_than_chance(fuse: Any) -> None:
    votes = simulated_raters(np.random.default_rng(0), 5, 300)
    votes[3] = 1 - votes[3]
    fused = fuse_with_one_warning(fuse, "rater 3 does worse than chance (sensitivity 0.", votes)
    assert fused.sensitivity[3] + fused.specificity[3] < 1


@pytest.mark.parametrize("fuse", EM)
def test_max_iter_reached(fuse: Any) -> None:
    votes = simulated_raters(np.random.default_rng(0), 5, 300)
    fused = fuse_with_one_warning(fuse, "stopped at max_iter = 2", votes, max_iter=2)
    assert (fused.n_iter, fused.converged, fused.log_likelihood.size) == (2, False, 2)


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("pattern_capacity", [-1, 0])
@pytest.mark.parametrize("method", METHODS)
def test_probability_is_never_nan(method: str, pattern_capacity: int) -> None:
    """Extreme votes, priors and starts, and single voxels."""
    tiny = np.finfo(float).smallest_subnormal
    rng = np.random.default_rng(1)
    for trial in range(60):
        m, n = int(rng.integers(1, 8)), int(rng.integers(1, 6))
        votes = rng.choice(
            [0.0, 1.0] if method == "staple" else [0, tiny, 1e-300, 0.5, 1 - 2**-53, 1], (m, n)
        )
        prior = ("mean", "estimate", 1e-300, 1 - 2**-53, rng.choice([tiny, 0.5, 1 - 2**-53], n))[trial % 5]
        fused = fusion._fuse(
            votes,
            method,
            prior=prior,
            init=("vote", 1 - 2**-53)[trial % 2],
            max_iter=20,
            dtype="float64",
            pattern_capacity=pattern_capacity,
        )
        assert np.isfinite(fused.probability).all()
        assert ((fused.probability >= 0) & (fused.probability <= 1)).all()
        assert np.isfinite(fused.log_likelihood).all()


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("doubtful", [(15, 31, 47), (60, 61, 62)])
def test_many_certain_raters_underflow_nothing(doubtful: tuple[int, ...]) -> None:
    """Sixty certain raters who contradict each other, and three in doubt, wherever they stand."""
    votes = np.zeros((63, 2))
    votes[:30, 0] = votes[30:, 1] = 1
    votes[list(doubtful)] = 0.5
    fused = fastfuse.soft_staple(votes, init=1 - 1e-15, max_iter=3)
    assert np.isfinite(fused.probability).all()
    assert np.isfinite(fused.log_likelihood).all()


def test_soft_single_voxel() -> None:
    fused = fuse_with_one_warning(fastfuse.soft_staple, "one rater", [[0.25]])
    assert 0 <= fused.probability[0] <= 1


def test_no_warning_without_reason() -> None:
    rng = np.random.default_rng(0)
    votes = simulated_raters(rng, 5, 500)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fastfuse.staple(votes)
        fastfuse.soft_staple(soften(rng, votes, "three-valued"))
        fastfuse.majority_vote(votes)
