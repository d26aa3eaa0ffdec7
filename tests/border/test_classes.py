"""STAPLE with three classes: background, border, foreground."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import _core
from fastfuse.reference import classes as reference

from .draws import SPACING, Drawn, contours, dice, rows

CLOSE = 1e-9


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return contours([0.6, 0.3, 0.0, -0.2, 0.1])


@pytest.mark.parametrize("seed", range(40))
def test_tables_have_the_reference_s_fit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    votes, counts = rows(rng)
    if len(votes) < 4:
        votes = np.vstack([votes, votes])
    votes = np.round(votes)
    table = _core.VoteTable(votes.T.copy(), counts)
    steps = int(rng.integers(1, 20))
    held = table.counts > 0
    expected = reference.three_classes(
        table.patterns[held].T.copy(), table.counts[held], max_iter=steps, tol=0
    )
    asked = _core.Options()
    asked.method, asked.classes, asked.max_iter, asked.tol = "staple", 3, steps, 0.0
    result = _core.estimate(table, options=asked)
    assert result.iterations == expected.n_iter
    np.testing.assert_allclose(result.estimate.latent["marks"], expected.marks, rtol=0, atol=CLOSE)
    np.testing.assert_allclose(result.estimate.latent["shares"], expected.shares, rtol=0, atol=CLOSE)
    np.testing.assert_allclose(result.sensitivity, expected.sensitivity, rtol=0, atol=CLOSE)
    np.testing.assert_allclose(result.specificity, expected.specificity, rtol=0, atol=CLOSE)


def test_consensus(drawn: Drawn) -> None:
    options: dict[str, Any] = {"mask": drawn.brain, "roi": 4, "spacing_mm": SPACING, "dtype": "float64"}
    fusion = fastfuse.staple(drawn.masks, classes=3, **options)
    assert isinstance(fusion, fastfuse.ClassFusion)
    inside = fusion.probability > 0
    votes = np.array([mask[inside] for mask in drawn.masks], np.float64)
    expected = reference.three_classes(votes)
    np.testing.assert_allclose(fusion.probability[inside], expected.probability, rtol=0, atol=1e-6)
    np.testing.assert_allclose(fusion.marks, expected.marks, rtol=0, atol=1e-6)
    assert (np.diff(fusion.marks, axis=1) > 0).all()
    assert dice(fusion.label(), drawn.truth) > 0.8
    by_name = fastfuse.fuse(drawn.masks, "staple", classes=3, **options)
    np.testing.assert_array_equal(by_name.probability, fusion.probability)
    many = fastfuse.staple(drawn.masks, classes=3, threads=3, **options)
    np.testing.assert_array_equal(many.probability, fusion.probability)
    table = fastfuse.tabulate(drawn.masks, mask=drawn.brain, roi=4, spacing_mm=SPACING)
    estimate = pickle.loads(pickle.dumps(fastfuse.estimate(table, "staple", classes=3)))
    applied = estimate.apply(drawn.masks, **options)
    np.testing.assert_allclose(applied.probability, fusion.probability, rtol=0, atol=1e-12)


@pytest.mark.filterwarnings("ignore:.*the model does not fit")
def test_two_classes_are_the_default(drawn: Drawn) -> None:
    plain = fastfuse.staple(drawn.masks)
    np.testing.assert_array_equal(fastfuse.staple(drawn.masks, classes=2).probability, plain.probability)
    assert not isinstance(plain, fastfuse.ClassFusion)


def test_refusals(drawn: Drawn) -> None:
    with pytest.raises(ValueError, match="four raters or more, and has those of 3: three do not determine"):
        fastfuse.staple(drawn.masks[:3], classes=3)
    for name, value in {
        "prior": 0.3,
        "init": 0.9,
        "mrf": 0.5,
        "performance_prior": (5, 1.5),
        "acceleration": "squarem",
    }.items():
        with pytest.raises(ValueError, match=f"{name} is .*, and classes is 3"):
            fastfuse.staple(drawn.masks, classes=3, **{name: value})
    with pytest.raises(ValueError, match="classes is 4: it must be 2 or 3"):
        fastfuse.staple(drawn.masks, classes=4)
    with pytest.raises(ValueError, match="classes is 3: soft-staple has no such option"):
        fastfuse.fuse(drawn.masks, "soft-staple", classes=3)


@pytest.mark.parametrize("name", ["nobody", "everybody", "empty rater"])
def test_degenerate(name: str, drawn: Drawn) -> None:
    zero = 0 * drawn.masks[0]
    masks = {"nobody": [zero] * 4, "everybody": [zero + 1] * 4, "empty rater": [*drawn.masks, zero]}[name]
    with pytest.warns(fastfuse.FusionWarning):
        fusion = fastfuse.staple(masks, classes=3)
    assert np.isfinite(fusion.probability).all()
    assert np.isfinite(fusion.marks).all()
