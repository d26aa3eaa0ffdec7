"""A rater who marks nothing: what one may do, and what makes EM converge, or does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.reference.border import border_staple

from .draws import SPACING, contours

DRAWN = contours([1.0, 0.3, 0.0, -0.5])
EMPTY = [*DRAWN.masks[:3], np.zeros_like(DRAWN.masks[0])]
FULL = [*DRAWN.masks[:3], np.ones_like(DRAWN.masks[0])]


def said(call: Any, *raters: Any, **given: Any) -> str:
    with pytest.warns(fastfuse.FusionWarning) as caught:
        call(*raters, **given)
    return "; ".join(str(one.message) for one in caught)


def test_what_one_may_do_is_said() -> None:
    told = "rater 3 marks nothing: leave them out if they did not read, keep them if they did"
    assert told in said(fastfuse.staple, EMPTY)
    assert told in said(fastfuse.agreement, EMPTY)


@pytest.mark.parametrize("raters", [EMPTY, FULL])
def test_three_who_tell_do_not_determine_three_classes(raters: list[np.ndarray]) -> None:
    """The likelihood has a ridge along which EM creeps: more iterations are no remedy, and the mask stays."""
    told = said(fastfuse.staple, raters, classes=3, max_iter=100)
    assert "stopped at max_iter = 100" in told
    assert "3 raters who mark some voxels and not others do not determine 3 classes" in told
    assert "classes=2" in told
    assert "a larger max_iter" not in told
    with pytest.warns(fastfuse.FusionWarning):
        short, long = (fastfuse.staple(raters, classes=3, max_iter=steps) for steps in (100, 2000))
    assert long.n_iter > 1000
    np.testing.assert_array_equal(short.label(), long.label())
    assert np.isclose(short.log_likelihood[-1], long.log_likelihood[-1], rtol=1e-5)


def test_four_who_tell_do() -> None:
    told = said(fastfuse.staple, [*DRAWN.masks, EMPTY[3]], classes=3, max_iter=3)
    assert "try a larger max_iter" in told
    assert "do not determine" not in told


def test_levels_may_converge_with_more_iterations() -> None:
    told = said(fastfuse.border_staple, EMPTY, max_iter=5, spacing_mm=SPACING)
    assert "try a larger max_iter or without who marks nothing, or everything" in told
    assert "without who" not in said(fastfuse.border_staple, DRAWN.masks, max_iter=2, spacing_mm=SPACING)


def test_empty_levels_make_offsets_drift() -> None:
    """The smoothing averages logarithms: what lies beside levels that hold nothing loses its share, iteration by iteration."""

    def fits(masks: list[np.ndarray], *steps: int) -> list[Any]:
        votes, counts = np.unique(np.reshape(masks, (len(masks), -1)), axis=1, return_counts=True)
        return [
            border_staple(votes.astype(float), counts.astype(float), max_iter=most, tol=0) for most in steps
        ]

    early, late = fits(list(DRAWN.masks), 100, 200)
    assert late.weights.min() > 1e-4
    np.testing.assert_allclose(late.offset - late.offset[3], early.offset - early.offset[3], atol=0.05)
    for raters, way in ((EMPTY, -1), (FULL, 1)):
        early, late = fits(raters, 100, 200)
        assert late.weights.min() < 1e-6
        away = [way * (one.offset[:3] - one.offset[3]) for one in (early, late)]
        assert (away[1] > away[0] + 1).all()
