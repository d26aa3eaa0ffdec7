"""The reference's agreement of raters with the consensus."""

from __future__ import annotations

import numpy as np
import pytest

from fastfuse import reference
from fastfuse.reference import fuse

from .common import NAN, votes_for


def test_agreement_worked() -> None:
    """Over the first rater's three voxels w is 1, 0.5 and 0; the second marks nothing, the third all, one unseen."""
    votes = [[1, 1, 0, NAN], [0, 0, 0, 0], [1, 1, 1, 1], [0.5, NAN, 0, NAN], [NAN] * 4]
    w = [1, 0.5, 0, 0.5]
    ppv, npv, dice = reference.agreement(votes, w)
    np.testing.assert_allclose(ppv, [1.5 / 2, NAN, 2 / 4, 1, NAN])
    np.testing.assert_allclose(npv, [1, 2 / 4, NAN, 1 / 1.5, NAN])
    np.testing.assert_allclose(dice, [3 / 3.5, 0, 4 / 6, 1 / 1.5, NAN])


def test_agreement_counts_voxels() -> None:
    rng = np.random.default_rng(26)
    votes, truth = rng.random((3, 4, 5, 6)) < 0.4, rng.random((4, 5, 6)) < 0.3
    ppv, npv, dice = reference.agreement(votes, truth)
    for i, marks in enumerate(votes):
        both = (marks & truth).sum()
        assert ppv[i] == pytest.approx(both / marks.sum())
        assert npv[i] == pytest.approx((~marks & ~truth).sum() / (~marks).sum())
        assert dice[i] == pytest.approx(2 * both / (marks.sum() + truth.sum()))


def test_agreement_with_the_raters_own_calibration() -> None:
    """Bayes: what the rates and the prior promise is what the consensus gives, over all voxels."""
    votes = votes_for({"method": "staple"}, 27, (400,), missing=0)
    found = fuse(votes, method="staple", prior="estimate", tol=1e-12, max_iter=20_000)
    one, zero, pi = found.sensitivity, found.specificity, found.prior
    ppv, npv, dice = reference.agreement(votes, found.probability)
    np.testing.assert_allclose(ppv, pi * one / (pi * one + (1 - pi) * (1 - zero)), rtol=1e-6)
    np.testing.assert_allclose(npv, (1 - pi) * zero / ((1 - pi) * zero + pi * (1 - one)), rtol=1e-6)
    np.testing.assert_allclose(dice, 2 / (1 / ppv + 1 / one), rtol=1e-6)
