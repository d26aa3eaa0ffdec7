"""Masks that are best for Dice, against all others."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.fusion.of_raters.mean_dice import best_patterns
from fastfuse.fusion.result import best_cut


def expected_dice(w: Any, taken: Any) -> float:
    """Return 2 Σ w / (k + M)."""
    whole = float(np.sum(w, dtype=np.float64))
    return 2 * float(np.sum(w[taken], dtype=np.float64)) / (int(taken.sum()) + whole) if whole else 0.0


@pytest.mark.parametrize("seed", range(50))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_other_prefix_is_better(seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    w = (rng.random(rng.integers(1, 60)) ** rng.integers(1, 5)).round(int(rng.integers(1, 8))).astype(dtype)
    w[rng.random(len(w)) < 0.2] = 0
    found = expected_dice(w, w >= best_cut(w))
    order = np.argsort(-w)
    best = max(expected_dice(w, np.isin(np.arange(len(w)), order[:k])) for k in range(1, len(w) + 1))
    assert found == pytest.approx(best, abs=1e-12)
    assert best_cut(w) == pytest.approx(best / 2, abs=1e-6) if w.any() else best_cut(w) == 0.5


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_label_of_a_fusion() -> None:
    votes = np.array([[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1]])
    fusion = fastfuse.majority_vote(list(votes))  # 0 0 .25 .5 .75 1, M = 2.5
    np.testing.assert_array_equal(fusion.label("dice"), [0, 0, 0, 1, 1, 1])
    torch = pytest.importorskip("torch")
    of_torch = fastfuse.majority_vote(list(torch.from_numpy(votes))).label("dice")
    assert isinstance(of_torch, torch.Tensor)
    np.testing.assert_array_equal(of_torch.numpy(), [0, 0, 0, 1, 1, 1])
    nobody = fastfuse.majority_vote(np.zeros((3, 4)), axis=0)
    assert not nobody.label("dice").any()
    with pytest.raises(ValueError, match="ties is 'background', and cut is 'dice', whose mask"):
        fusion.label("dice", ties="background")
    with pytest.raises(ValueError, match=r"cut is 'best': it must be 'dice' or a number in \(0, 1\]"):
        fusion.label("best")  # type: ignore[arg-type]


def squares() -> list[Any]:
    """Return three squares of 6 x 6 on 12 x 12."""
    masks = np.zeros((3, 12, 12), np.uint8)
    for mask, (row, column) in zip(masks, [(2, 2), (3, 2), (2, 4)], strict=True):
        mask[row : row + 6, column : column + 6] = 1
    return list(masks)


def test_three_squares() -> None:
    masks = squares()
    found = fastfuse.mean_dice(masks)
    codes = masks[0] + 2 * masks[1] + 4 * masks[2]
    np.testing.assert_array_equal(found.mask, np.isin(codes, [3, 5, 7]))
    assert found.mean == pytest.approx(0.838095238095, abs=1e-12)
    np.testing.assert_allclose(
        found.dice, [2 * np.sum(found.mask * one) / (found.mask.sum() + 36) for one in masks]
    )


@pytest.mark.parametrize("seed", range(200))
def test_no_other_set_of_patterns_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    m = int(rng.integers(2, 5))
    patterns = np.array(list(product([0.0, 1.0], repeat=m)))
    counts = rng.integers(0, 30, len(patterns)) * (rng.random(len(patterns)) < 0.6)
    counts[0] = 100
    patterns, counts = patterns[counts > 0], counts[counts > 0].astype(float)

    def mean(chosen: Any) -> float:
        inside, size = patterns[chosen].T @ counts[chosen], counts[chosen].sum()
        whole = size + patterns.T @ counts
        return float(np.mean(np.where(whole > 0, 2 * inside / np.where(whole > 0, whole, 1), 0)))

    best = max(mean(np.array(chosen)) for chosen in product([False, True], repeat=len(counts)))
    assert mean(best_patterns(patterns, counts)) == pytest.approx(best, abs=1e-12)


def test_raters_who_are_missing_labels_and_masks() -> None:
    masks = squares()
    wanted = fastfuse.mean_dice(masks).mask
    found = fastfuse.mean_dice([masks[0], None, masks[1], masks[2]])
    np.testing.assert_array_equal(found.mask, wanted)
    assert np.isnan(found.dice[1])
    np.testing.assert_array_equal(fastfuse.mean_dice([7 * one for one in masks], select_label=7).mask, wanted)
    np.testing.assert_array_equal(
        fastfuse.mean_dice([255 * one for one in masks], binarize=True).mask, wanted
    )
    half = np.zeros((12, 12), np.uint8)
    half[:, :6] = 1
    inside = fastfuse.mean_dice(masks, mask=half).mask
    assert not inside[:, 6:].any()
    np.testing.assert_array_equal(inside, fastfuse.mean_dice([one * half for one in masks]).mask)
    nobody = fastfuse.mean_dice(np.zeros((3, 4)), axis=0)
    assert not nobody.mask.any()
    assert np.isnan(nobody.mean)


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"rater 1: a vote is 0\.5: mean_dice takes masks of 0 and 1"):
        fastfuse.mean_dice([[0, 1, 1], [0, 0.5, 1]])
    with pytest.raises(ValueError, match="rater 1 has no vote at 1 voxel"):
        fastfuse.mean_dice([[0, 1, 1], [0, 1, 1]], present=[None, [1, 1, 0]])


def test_many_raters() -> None:
    rng = np.random.default_rng(0)
    truth = np.zeros((20, 20, 20), bool)
    truth[5:15, 5:15, 5:15] = True
    masks = [truth ^ (rng.random(truth.shape) < 0.05) for _ in range(12)]
    found = fastfuse.mean_dice(masks)
    assert (found.mask == truth).mean() > 0.99
    mean_vote = np.mean([2 * (one & truth).sum() / (one.sum() + truth.sum()) for one in masks])
    assert found.mean >= mean_vote - 1e-3
