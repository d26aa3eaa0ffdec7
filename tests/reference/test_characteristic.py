"""The reference's expectation by the characteristic function."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import integrate, special, stats

from fastfuse import reference

from .common import NAN, rates


def rates_up_to_the_edge(rng: np.random.Generator, m: int, edge: float) -> tuple[np.ndarray, np.ndarray]:
    """Rates of which a third is ``edge`` away from 0, and a third from 1; with complements that have digits."""
    theta, complement = rates(rng.uniform(0.05, 0.95, m))
    low, high = rng.permutation(m)[: m // 3], rng.permutation(m)[: m // 3]
    theta[low], complement[low] = edge, 1 - edge
    theta[high], complement[high] = 1 - edge, edge
    return theta, complement


@pytest.mark.parametrize("edge", [0.1, 1e-9, 1e-12])
@pytest.mark.parametrize("m", [1, 2, 3, 5, 8, 12])
def test_characteristic_equals_enumeration(m: int, edge: float) -> None:
    rng = np.random.default_rng(m)
    q = rng.random((m, 12))
    q[rng.random(q.shape) < 0.3] = 5e-324
    q[:, :4] = rng.choice([0, 1, 5e-324, 0.5, NAN], (m, 4))
    q[:, 11] = NAN
    theta1, theta0 = rates_up_to_the_edge(rng, m, edge), rates_up_to_the_edge(rng, m, edge)
    for pi in (0.3, rng.choice([1e-9, 0.01, 0.5, 0.9], 12)):
        w, log_p = reference.characteristic(q, pi, theta1, theta0)
        exact = reference.soft_expectation(q, np.asarray(pi), theta1, theta0, "em")
        np.testing.assert_allclose(w, exact.w, rtol=0, atol=1e-12)
        assert log_p.sum() == pytest.approx(exact.log_likelihood, rel=1e-12, abs=1e-11)
        np.testing.assert_allclose(w[11], np.broadcast_to(pi, 12)[11], rtol=0, atol=1e-14)
        assert log_p[11] == pytest.approx(0, abs=1e-13)


@pytest.mark.parametrize("seed", [0, 1])
def test_characteristic_equals_quadrature(seed: int) -> None:
    """The two integrals by an adaptive rule, and E[sigma(S)] by the distribution of S."""
    rng = np.random.default_rng(seed)
    m, pi = 4, 0.2
    q, one, zero = rng.random(m), rng.uniform(0.6, 0.95, m), rng.uniform(0.7, 0.99, m)
    s1, s0 = np.log(one / (1 - zero)), np.log((1 - one) / zero)

    def phi(omega: float) -> complex:
        turn = (1 - q) * np.exp(1j * omega * s0) + q * np.exp(1j * omega * s1)
        return complex(np.exp(1j * omega * special.logit(pi)) * turn.prod())

    (w,), (log_p,) = reference.characteristic(q[:, None], pi, rates(one), rates(zero))
    part, _ = integrate.quad(lambda x: phi(x).imag / np.sinh(np.pi * x), 0, 20, epsabs=1e-13, limit=500)
    assert w == pytest.approx(0.5 + part, abs=1e-11)
    part, _ = integrate.quad(
        lambda x: (1 - phi(x).real) / (x * np.sinh(np.pi * x)), 0, 20, epsabs=1e-13, limit=500
    )
    ends = np.log(pi * (1 - pi)) + q @ np.log(one * (1 - zero)) + (1 - q) @ np.log((1 - one) * zero)
    assert log_p == pytest.approx(ends / 2 + np.log(2) + part, abs=1e-10)
    b = np.array(list(product((0, 1), repeat=m)))
    mass = stats.bernoulli.pmf(b, q).prod(axis=1)
    assert w == pytest.approx(mass @ special.expit(special.logit(pi) + b @ s1 + (1 - b) @ s0), abs=1e-13)


def test_characteristic_of_many_raters() -> None:
    """Sixty raters as doubtful as each other: S is a sum of one binomial count."""
    m, q, one, zero, pi = 60, 0.37, 0.8, 0.9, 0.15
    count = np.arange(m + 1)
    s = special.logit(pi) + count * np.log(one / (1 - zero)) + (m - count) * np.log((1 - one) / zero)
    mass = stats.binom.pmf(count, m, q)
    (w,), (log_p,) = reference.characteristic(
        np.full((m, 1), q), pi, rates(np.full(m, one)), rates(np.full(m, zero))
    )
    assert w == pytest.approx(mass @ special.expit(s), abs=1e-12)
    log_zero = np.log(1 - pi) + count * np.log(1 - zero) + (m - count) * np.log(zero)
    assert log_p == pytest.approx(mass @ (log_zero + np.logaddexp(0, s)), rel=1e-12)


def test_monte_carlo() -> None:
    rng = np.random.default_rng(19)
    q = rng.random((9, 40))
    q[rng.random(q.shape) < 0.2] = NAN
    q[:, 0], q[:, 1] = 0, NAN
    theta1, theta0 = rates(rng.uniform(0.6, 0.9, 9)), rates(rng.uniform(0.6, 0.9, 9))
    pi = rng.uniform(0.1, 0.9, 40)
    exact, _ = reference.characteristic(q, pi, theta1, theta0)
    w, error = reference.monte_carlo(q, pi, theta1, theta0, 2000, rng)
    np.testing.assert_allclose(error[:2], 0, atol=1e-15)
    np.testing.assert_allclose(w[:2], exact[:2], atol=1e-14)
    z = (w - exact)[2:] / error[2:]
    assert np.abs(z).max() < 5
    assert z.std() == pytest.approx(1, abs=0.4)
    _, wide = reference.monte_carlo(q, pi, theta1, theta0, 500, rng)
    np.testing.assert_allclose(wide[2:] / error[2:], 2, rtol=0.3)
