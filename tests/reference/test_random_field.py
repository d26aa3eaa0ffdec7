"""The reference with a random field, by mean field."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import special

from fastfuse.reference import fuse

from .common import NAN, assert_equal, every_variant, votes_for


def one_voxel_after_another(
    votes: np.ndarray, variant: dict[str, Any], inside: np.ndarray, k: np.ndarray, **options: Any
) -> tuple[Any, ...]:
    """EM under the mean field, every voxel by itself and in place, in the order of the sweep."""
    shape, missing = votes.shape[1:], np.isnan(votes)
    unread = missing.all(axis=0)
    w = np.where(unread, 0.5, np.nansum(votes, axis=0) / np.maximum((~missing).sum(axis=0), 1))
    settled = np.zeros(shape, bool)
    if options["roi"] == "disputed":
        settled = ((w == 0) | (w == 1)) & ((~missing).sum(axis=0) >= 2)
    order = [t for odd in (0, 1) for t in np.ndindex(shape) if sum(t) % 2 == odd and inside[t]]
    order = [t for t in order if not settled[t]]
    read = [t for t in order if not unread[t]]
    pi = float(np.mean([w[t] for t in read]))
    theta1 = theta0 = np.full(len(votes), options["init"])
    v1, v0 = votes.copy(), votes.copy()

    def pull(t: tuple[int, ...]) -> float:
        total = 0.0
        for axis, step in product(range(len(shape)), (-1, 1)):
            s = tuple(x + step * (axis == a) for a, x in enumerate(t))
            if all(0 <= x < size for x, size in zip(s, shape, strict=True)) and inside[s]:
                total += options["mrf"] * k[axis] * (2 * w[s] - 1)
        return total

    def e_step() -> float:
        log_p = 0.0
        for t in order:
            at = (slice(None), *t)
            effective = special.expit(special.logit(pi) + pull(t))
            w[t], log_p_t, v1[at], v0[at] = of_voxel(votes[at], effective, theta1, theta0, variant)
            log_p += log_p_t
        return log_p

    e_step()
    log_likelihood = []
    for _ in range(options["max_iter"]):
        theta1 = np.array([rate([(w[t], v[t]) for t in read]) for v in v1])
        theta0 = np.array([rate([(1 - w[t], 1 - v[t]) for t in read]) for v in v0])
        if options["prior"] == "estimate":
            pi = float(np.mean([w[t] for t in read]))
        log_likelihood.append(e_step())
    return np.where(inside, w, 0), theta1, theta0, pi, log_likelihood


def rate(weighted: list[tuple[float, float]]) -> float:
    present = [(weight, vote) for weight, vote in weighted if not np.isnan(vote)]
    return sum(weight * vote for weight, vote in present) / sum(weight for weight, _ in present)


def of_voxel(
    q: np.ndarray, pi: float, one: np.ndarray, zero: np.ndarray, variant: dict[str, Any]
) -> tuple[float, float, np.ndarray, np.ndarray]:
    """w, log p and v1, v0 of one voxel; of soft-STAPLE from all joint cases of truth and marks."""
    q_all, there = q, ~np.isnan(q)
    q, one, zero = q[there], one[there], zero[there]
    log_linear = variant.get("likelihood") == "log_linear"
    if variant["method"] == "soft-staple":
        b = np.array(list(product((0, 1), repeat=len(q)))).reshape(2 ** len(q), len(q))
        mass = np.where(b == 1, q, 1 - q).prod(axis=1)
        p1 = pi * np.where(b == 1, one, 1 - one).prod(axis=1)
        p0 = (1 - pi) * np.where(b == 1, 1 - zero, zero).prod(axis=1)
        w_b = p1 / (p1 + p0)
        w, log_p = mass @ w_b, mass @ np.log(p1 + p0)
        v1, v0 = (mass * w_b) @ b / w, (mass * (1 - w_b)) @ b / (1 - w)
    else:
        a1 = one**q * (1 - one) ** (1 - q) if log_linear else 1 - q - one + 2 * q * one
        a0 = (1 - zero) ** q * zero ** (1 - q) if log_linear else q + zero - 2 * q * zero
        p1, p0 = pi * a1.prod(), (1 - pi) * a0.prod()
        w, log_p = p1 / (p1 + p0), np.log(p1 + p0)
        v1, v0 = q * one / a1, q * (1 - zero) / a0
    if variant.get("m_step") != "em" or log_linear:
        v1 = v0 = q
    of_all = np.full((2, len(q_all)), NAN)
    of_all[:, there] = v1, v0
    return float(w), float(log_p), of_all[0], of_all[1]


@pytest.mark.parametrize("roi", ["all", "disputed"])
@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((15,), (2,)), ((4, 5), (1, 1)), ((3, 3, 4), (1, 2, 0.5)), ((2, 3, 2, 2), (1, 3, 2, 2))],
)
@every_variant
def test_sweep(variant: dict[str, Any], shape: tuple[int, ...], spacing: tuple[float, ...], roi: str) -> None:
    votes = votes_for(variant, 12 + len(shape), shape, m=3, missing=0.1)
    inside = np.random.default_rng(4).random(shape) < 0.85
    inside.flat[0] = True  # nobody reads it
    for prior in ("mean", "estimate"):
        options = {"prior": prior, "init": 0.8, "mrf": 0.6, "roi": roi, "max_iter": 4}
        found = fuse(votes, mask=inside, spacing_mm=spacing, tol=0, **options, **variant)
        k = min(spacing) / np.array(spacing)
        w, theta1, theta0, pi, log_p = one_voxel_after_another(votes, variant, inside, k, **options)
        np.testing.assert_allclose(found.probability, w, rtol=0, atol=1e-11)
        np.testing.assert_allclose(found.sensitivity, theta1, rtol=0, atol=1e-11)
        np.testing.assert_allclose(found.specificity, theta0, rtol=0, atol=1e-11)
        assert found.prior == pytest.approx(pi, abs=1e-12)
        np.testing.assert_allclose(found.log_likelihood, log_p, rtol=1e-11)


@pytest.mark.parametrize("init", ["vote", 0.7])
@every_variant
def test_unread_voxel_takes_after_its_neighbours(variant: dict[str, Any], init: Any) -> None:
    """Worked: voxels 0.5 mm apart in the first axis and 1 mm in the second, the unread one being odd."""
    votes = np.array([[[1, 1], [NAN, 0], [0, 1]], [[1, 0], [NAN, 1], [0, 1]]])
    beta = 0.7
    found = fuse(votes, mrf=beta, spacing_mm=(0.5, 1), prior=0.3, init=init, max_iter=2, tol=0, **variant)
    above, below, beside = found.probability[[0, 2, 1], [0, 0, 1]]
    field = beta * ((2 * above - 1) + (2 * below - 1) + (2 * beside - 1) / 2)
    assert found.probability[1, 0] == pytest.approx(special.expit(special.logit(0.3) + field), rel=1e-13)
    assert found.n_voxels == 5


@every_variant
def test_without_neighbours_there_is_no_field(variant: dict[str, Any]) -> None:
    votes = votes_for(variant, 13, (6, 7))
    for parity in (0, 1):
        apart = np.indices((6, 7)).sum(axis=0) % 2 == parity
        options = {"mask": apart, "max_iter": 8, "tol": 0, **variant}
        assert_equal(fuse(votes, mrf=2.0, **options), fuse(votes, **options))


@every_variant
def test_field_of_nothing_is_none(variant: dict[str, Any]) -> None:
    votes = votes_for(variant, 14, (5, 6))
    plain = fuse(votes, max_iter=8, tol=0, **variant)
    assert_equal(fuse(votes, mrf=0.0, max_iter=8, tol=0, **variant), plain, 0)
    assert_equal(fuse(votes, mrf=1e-13, max_iter=8, tol=0, **variant), plain, 1e-10)


def test_strong_field_makes_one_of_all() -> None:
    """Two raters mark 0.9 of a square with holes: under a strong field the holes close."""
    rng = np.random.default_rng(15)
    votes = (rng.random((2, 12, 12)) < 0.9).astype(np.float64)
    options = {"method": "staple", "prior": 0.5, "init": 0.8, "max_iter": 20}
    assert fuse(votes, **options).probability.min() < 0.5
    found = fuse(votes, mrf=50, **options)
    assert found.probability.min() > 1 - 1e-9
    assert np.isfinite(found.log_likelihood).all()
