"""The confidence interval of a mean over cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastfuse.evaluation.bootstrap import bootstrap_interval

CASES = np.random.default_rng(0).beta(8, 3, size=40)


def test_same_seed_same_interval() -> None:
    assert bootstrap_interval(CASES) == bootstrap_interval(CASES.tolist())
    assert bootstrap_interval(CASES) != bootstrap_interval(CASES, seed=1)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_as_scipy(level: float) -> None:
    from scipy.stats import bootstrap

    theirs = bootstrap(
        (CASES,), np.mean, confidence_level=level, n_resamples=10000, method="percentile",
        random_state=np.random.default_rng(3),
    ).confidence_interval  # fmt: skip
    width = theirs.high - theirs.low
    np.testing.assert_allclose(bootstrap_interval(CASES, level=level), theirs, atol=0.05 * width)


def test_two_cases() -> None:
    """Means are 0, 1/2 and 1, of probabilities 1/4, 1/2 and 1/4."""
    assert bootstrap_interval([0, 1], level=0.6) == (0, 1)
    assert bootstrap_interval([0, 1], level=0.4) == (0.5, 0.5)


def test_undefined_values_are_left_out() -> None:
    assert bootstrap_interval([math.nan, *CASES, math.nan]) == bootstrap_interval(CASES)
    assert np.isnan(bootstrap_interval([math.nan, math.nan])).all()
    assert np.isnan(bootstrap_interval([])).all()
    assert bootstrap_interval([0.75]) == (0.75, 0.75)


def test_infinite_values() -> None:
    low, high = bootstrap_interval([1.0, 2.0, 3.0, math.inf])
    assert 1 <= low <= 3
    assert high == math.inf


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([[1, 2]], {}, r"values has shape \(1, 2\)"),
        ([1], {"level": 1}, "level is 1"),
        ([1], {"resamples": 0}, "resamples is 0"),
        ([1], {"seed": -1}, "seed is -1"),
    ],
)
def test_bad_input(values: list, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(values, **options)
