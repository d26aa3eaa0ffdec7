"""Degenerate but legal input: a finite, documented result, and one warning of the package's own class."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import reference

from ..doors import fuse_arrays, fuse_by_name
from ..problems import METHODS, SOFT, simulated_raters, soften

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
@pytest.mark.parametrize("route", ["patterns", "lanes", "rows"])
@pytest.mark.parametrize("method", METHODS)
def test_probability_is_never_nan(method: str, route: str) -> None:
    """Extreme votes, priors and starts, and single voxels."""
    tiny = np.finfo(float).smallest_subnormal
    rng = np.random.default_rng(1)
    for trial in range(60):
        m, n = int(rng.integers(1, 8)), int(rng.integers(1, 6))
        votes = rng.choice(
            [0.0, 1.0] if method == "staple" else [0, tiny, 1e-300, 0.5, 1 - 2**-53, 1], (m, n)
        )
        prior = ("mean", "estimate", 1e-300, 1 - 2**-53, rng.choice([tiny, 0.5, 1 - 2**-53], n))[trial % 5]
        fused = fuse_by_name(
            votes,
            method,
            prior=prior,
            init=("vote", 1 - 2**-53)[trial % 2],
            max_iter=20,
            dtype="float64",
            route=route,
        )
        assert np.isfinite(fused.probability).all()
        assert ((fused.probability >= 0) & (fused.probability <= 1)).all()
        assert np.isfinite(fused.log_likelihood).all()


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("doubtful", [(), (15, 31, 47), (60, 61, 62), tuple(range(20, 36))])
@pytest.mark.parametrize("method", METHODS)
def test_many_certain_raters_lose_nothing(method: str, doubtful: tuple[int, ...]) -> None:
    """Raters who contradict each other with certainty, and some in doubt: products of both truths come near 0."""
    votes = np.zeros((63, 2))
    votes[:30, 0] = votes[30:, 1] = 1
    if method == "staple" and doubtful:
        pytest.skip("binary votes only")
    votes[list(doubtful)] = 0.5
    options = {"init": 1 - 1e-13, "prior": 0.5, "max_iter": 3, "tol": 0}
    straight, _ = fuse_arrays(votes, method, dtype="float64", **options)
    turned, _ = fuse_arrays(votes[::-1], method, dtype="float64", **options)
    assert np.isfinite(straight.log_likelihood).all()
    np.testing.assert_allclose(turned.probability, straight.probability, rtol=0, atol=1e-9)
    np.testing.assert_allclose(turned.log_likelihood, straight.log_likelihood, rtol=1e-12)
    if not (doubtful and method == "soft-staple"):  # 2^m patterns are too many for the reference
        expected = reference.fuse(
            votes, method=method if method == "simplified-soft-staple" else "staple", **options
        )
        # NumPy 1.25 and 2.4 differ by 1e-8: 1 - 1e-13 leaves three digits of its complement.
        np.testing.assert_allclose(straight.probability, expected.probability, rtol=0, atol=1e-7)
        steps = min(straight.n_iter, expected.n_iter)  # at an exact fixed point one may stop earlier
        np.testing.assert_allclose(
            straight.log_likelihood[:steps], expected.log_likelihood[:steps], rtol=1e-9
        )


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("prior", ["mean", "estimate", 0.5])
def test_fractional_votes_beside_many_lone_marks(prior: str | float) -> None:
    """Fifteen certain raters against twenty in doubt: all factors of the first voxel are at their least."""
    n = 40_000
    region, single, soft = np.zeros(n), np.zeros(n), np.zeros(n)
    region[1 : n // 2] = single[0] = 1
    soft[0] = 1e-13
    votes = [region] * 16 + [single] * 15 + [soft] * 20
    fused = fastfuse.soft_staple(votes, prior=prior, max_iter=3, dtype="float64")
    assert np.isfinite(fused.probability).all()
    assert np.isfinite(fused.log_likelihood).all()


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_mean_vote_that_rounds_to_one() -> None:
    votes = np.ones((2, 4_000_000))
    votes[0, 0] = 1 - 2.0**-53
    fused = fastfuse.soft_staple(votes, max_iter=2)
    assert fused.prior == 1 - 1e-12
    assert np.isfinite(fused.probability).all()


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_probability_stays_within_its_bounds(m_step: str) -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        votes = np.clip(soften(rng, simulated_raters(rng, 12, 30), "dense") * 1.3 - 0.1, 0, 1)
        for prior in ("estimate", rng.uniform(0.9, 1 - 1e-9, 30)):
            fused = fastfuse.soft_staple(votes, prior=prior, m_step=m_step, dtype="float64", max_iter=4)
            assert fused.probability.min() >= 0
            assert fused.probability.max() <= 1


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


def test_collapse_is_no_silent_result() -> None:
    """The paper's M-step on dense votes ends where no rater tells anything; the true maximiser does not."""
    rng = np.random.default_rng(0)
    truth = rng.random(4000) < 0.05
    votes = np.clip(np.where(truth, 0.85, 0.15) + rng.normal(0, 0.15, (5, truth.size)), 0, 1)
    for fuse in (fastfuse.soft_staple, fastfuse.simplified_soft_staple):
        with pytest.warns(fastfuse.FusionWarning, match=r"no better than chance.*try m_step='em'") as caught:
            fused = fuse(votes)
        assert len(caught) == 1
        np.testing.assert_allclose(fused.sensitivity + fused.specificity, 1, atol=1e-3)
        assert np.array_equal(fuse(votes, m_step="em").label(), truth)


def test_empty_and_full_consensus() -> None:
    masks = np.zeros((5, 40))
    masks[range(5), range(5)] = 1
    masks[:2, 10:14] = 1
    with pytest.warns(
        fastfuse.FusionWarning, match=r"empty at the cut 0.5 \(its highest probability is .*\): try prior"
    ):
        fastfuse.staple(masks, prior=1e-12)
    with pytest.warns(fastfuse.FusionWarning, match="full at the cut 0.5"):
        fastfuse.staple(1 - masks, prior=1 - 1e-12)
    with pytest.warns(fastfuse.FusionWarning, match="empty at the cut 0.5.*choose another cut"):
        fastfuse.majority_vote(masks)


def test_many_raters_worse_than_chance_are_counted() -> None:
    rng = np.random.default_rng(0)
    good = simulated_raters(rng, 9, 500)
    bad = 1 - simulated_raters(np.random.default_rng(0), 6, 500)
    with pytest.warns(fastfuse.FusionWarning, match="3 other raters do worse than chance too") as caught:
        fastfuse.staple([*good, *bad])
    assert str(caught[0].message).count("does worse than chance") == 3
