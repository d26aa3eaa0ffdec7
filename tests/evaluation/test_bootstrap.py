"""The confidence interval of a mean over cases."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pytest

from fastfuse.evaluation.bootstrap import bootstrap_interval, expanded_tail

CASES = np.random.default_rng(0).beta(8, 3, size=40)


def test_same_seed_same_interval() -> None:
    assert bootstrap_interval(CASES) == bootstrap_interval(CASES.tolist())
    assert bootstrap_interval(CASES) != bootstrap_interval(CASES, seed=1)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_as_scipy_at_the_expanded_level(level: float) -> None:
    """SciPy's percentile interval, at the level whose tails are those of Student's t (Hesterberg 2015)."""
    from scipy.stats import bootstrap, norm, t

    count = len(CASES)
    tail = norm.cdf(t.ppf((1 - level) / 2, count - 1) * math.sqrt(count / (count - 1)))
    assert expanded_tail(count, level) == pytest.approx(tail)
    theirs = bootstrap(
        (CASES,), np.mean, confidence_level=1 - 2 * tail, n_resamples=10000, method="percentile",
        random_state=np.random.default_rng(3),
    ).confidence_interval  # fmt: skip
    width = theirs.high - theirs.low
    np.testing.assert_allclose(bootstrap_interval(CASES, level=level), theirs, atol=0.05 * width)


@pytest.mark.parametrize("count", [2, 3, 5, 10, 40, 1000])
def test_tails_are_wider_for_few_cases(count: int) -> None:
    """With √(n / (n - 1)) the width is that of a t interval, whose variance is divided by n - 1, not by n."""
    from scipy.stats import norm, t

    tail = expanded_tail(count, 0.95)
    assert tail == pytest.approx(norm.cdf(t.ppf(0.025, count - 1) * math.sqrt(count / (count - 1))))
    assert 0 < tail < 0.025
    assert (tail > 0.0245) == (count == 1000)


def test_two_cases() -> None:
    """Means are 0, 1/2 and 1, of probabilities 1/4, 1/2 and 1/4."""
    assert bootstrap_interval([0, 1]) == (0, 1)
    assert expanded_tail(2, 0.2) > 0.25
    assert bootstrap_interval([0, 1], level=0.2) == (0.5, 0.5)


@pytest.mark.parametrize("values", [[], [0.75], [math.nan], [0.75, math.nan], [math.inf, math.nan, math.nan]])
def test_fewer_than_two_cases_have_no_interval(values: list[float]) -> None:
    assert np.isnan(bootstrap_interval(values)).all()


def test_undefined_values_are_left_out() -> None:
    assert bootstrap_interval([math.nan, *CASES, math.nan]) == bootstrap_interval(CASES)
    assert bootstrap_interval([0.75, 0.75, math.nan]) == (0.75, 0.75)


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


# --- how often the interval holds the mean: the figures of the docstring --------------------------------------------

DRAWS: dict[str, tuple[Callable[[np.random.Generator, int], np.ndarray], float]] = {
    "normal scores": (lambda rng, n: rng.normal(size=n), 0.0),
    "skewed, exponential": (lambda rng, n: rng.exponential(size=n), 1.0),
    "skewed, beta (8, 2)": (lambda rng, n: rng.beta(8, 2, size=n), 0.8),
}
CASES_DRAWN = (2, 6, 15, 30)


def documented(scores: str) -> dict[int, float]:
    """Coverage as the docstring has it, by the number of cases."""
    row = re.search(
        rf"^ *{re.escape(scores)}, expanded +([\d. ]+)$", str(bootstrap_interval.__doc__), re.MULTILINE
    )
    assert row is not None
    return dict(zip(CASES_DRAWN, map(float, row[1].split()), strict=True))


@pytest.mark.parametrize("count", CASES_DRAWN)
@pytest.mark.parametrize("scores", DRAWS)
def test_coverage_is_as_documented(scores: str, count: int) -> None:
    draw, mean = DRAWS[scores]
    rng = np.random.default_rng(count)
    rounds = 500
    held = 0
    for i in range(rounds):
        low, high = bootstrap_interval(draw(rng, count), resamples=1000, seed=i)
        held += low <= mean <= high
    expected = documented(scores)[count]
    error = 3.5 * math.sqrt(expected * (1 - expected) / rounds)
    assert held / rounds == pytest.approx(expected, abs=error)
    print(f"{scores}, {count} cases: {held / rounds:.3f}, documented {expected:.3f}")
