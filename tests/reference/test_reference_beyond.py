"""The reference by itself, beyond the paper: against worked numbers, brute force of another kind, and limits."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import integrate, ndimage, optimize, special, stats

from fastfuse import reference
from fastfuse.reference import ReferenceFusion, fuse

from ..problems import simulated_raters, soften

NAN = np.nan
# Four voxels with votes and one without; the mean votes are 1, 2/3, 0, 1/3.
WORKED = np.array([[1, 1, 0, 0, NAN], [1, 0, NAN, 1, NAN], [NAN, 1, 0, 0, NAN]])

VARIANTS: list[dict[str, Any]] = [
    {"method": "staple"},
    {"method": "soft-staple", "m_step": "paper"},
    {"method": "soft-staple", "m_step": "em"},
    {"method": "simplified-soft-staple", "m_step": "paper"},
    {"method": "simplified-soft-staple", "m_step": "em"},
    {"method": "simplified-soft-staple", "likelihood": "log_linear"},
]
MAXIMISERS = [v for v in VARIANTS if v["method"] == "staple" or v.get("m_step") != "paper"]


def name(variant: dict[str, Any]) -> str:
    return "-".join(map(str, variant.values()))


every_variant = pytest.mark.parametrize("variant", VARIANTS, ids=name)
every_maximiser = pytest.mark.parametrize("variant", MAXIMISERS, ids=name)


def votes_for(
    variant: dict[str, Any], seed: int, shape: tuple[int, ...] = (60,), m: int = 4, missing: float = 0.25
) -> np.ndarray:
    """Votes (m, ...) of which some are missing; the first voxels are read by nobody."""
    rng = np.random.default_rng(seed)
    n = int(np.prod(shape))
    votes = simulated_raters(rng, m, n)
    if variant["method"] != "staple":
        votes = soften(rng, votes, ("dense", "three-valued")[seed % 2])
    votes[rng.random(votes.shape) < missing] = NAN
    if missing:
        votes[:, :2] = NAN
    return votes.reshape(m, *shape)


def rates(theta: Any) -> tuple[np.ndarray, np.ndarray]:
    theta = np.asarray(theta, dtype=np.float64)
    return theta, 1 - theta


def assert_equal(a: ReferenceFusion, b: ReferenceFusion, tolerance: float = 1e-12) -> None:
    for field in ("probability", "sensitivity", "specificity", "prior"):
        np.testing.assert_allclose(getattr(a, field), getattr(b, field), rtol=0, atol=tolerance)
    assert (a.n_iter, a.converged, a.n_voxels) == (b.n_iter, b.converged, b.n_voxels)
    np.testing.assert_allclose(a.log_likelihood, b.log_likelihood, rtol=tolerance, atol=tolerance)


def log_likelihood(
    votes: np.ndarray, parameters: np.ndarray, variant: dict[str, Any], pi: Any = None
) -> float:
    """L or L_soft at (theta1, theta0[, pi]), voxel by voxel; L_soft in the closed form, never by patterns."""
    m = len(votes)
    theta1, theta0 = parameters[:m], parameters[m : 2 * m]
    prior = np.broadcast_to(parameters[2 * m] if pi is None else pi, votes.shape[1])
    total = 0.0
    for q, p in zip(votes.T, prior, strict=True):
        there = ~np.isnan(q)
        q, one, zero = q[there], theta1[there], theta0[there]
        if variant["method"] == "soft-staple":
            total += reference.characteristic(q[:, None], p, rates(one), rates(zero))[1][0]
            continue
        if variant.get("likelihood") == "log_linear":
            log_a1 = special.xlogy(q, one) + special.xlogy(1 - q, 1 - one)
            log_a0 = special.xlogy(q, 1 - zero) + special.xlogy(1 - q, zero)
        else:
            log_a1, log_a0 = np.log(1 - q - one + 2 * q * one), np.log(q + zero - 2 * q * zero)
        total += special.logsumexp([np.log(p) + log_a1.sum(), np.log(1 - p) + log_a0.sum()])
    return float(total)


def slope(f: Any, x: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Derivatives by central differences, in the directions marked."""
    steps = 1e-6 * np.eye(len(x))[along]
    return np.array([(f(x + d) - f(x - d)) / 2e-6 for d in steps])


# --- missing votes -------------------------------------------------------------------------------------------


@every_variant
def test_missing_worked(variant: dict[str, Any]) -> None:
    found = fuse(WORKED, max_iter=1, **variant)
    assert found.prior == pytest.approx(1 / 2, abs=1e-15)
    np.testing.assert_allclose(found.sensitivity, [5 / 6, 2 / 3, 2 / 3], rtol=1e-14)
    np.testing.assert_allclose(found.specificity, [5 / 6, 1 / 3, 5 / 6], rtol=1e-14)
    np.testing.assert_allclose(found.probability, [5 / 6, 20 / 21, 2 / 27, 2 / 27, 1 / 2], rtol=1e-13)
    np.testing.assert_allclose(found.log_likelihood, [np.log(1 / 3 * 7 / 72 * 3 / 8 * 1 / 4)], rtol=1e-14)
    assert found.n_voxels == 4
    np.testing.assert_array_equal(found.n_read, [4, 3, 3])


def test_missing_mean_is_of_voxels_not_of_votes() -> None:
    """One voxel with three marks, one with a single 0: the mean is 1/2, though of the votes it is 3/4."""
    found = fuse([[1, 0], [1, NAN], [1, NAN]], method="staple", max_iter=1)
    assert found.prior == pytest.approx(1 / 2, abs=1e-15)


@pytest.mark.parametrize("init", ["vote", 0.8])
@pytest.mark.parametrize("prior", ["mean", "estimate", 0.2])
@every_variant
def test_rater_without_votes_is_left_out(variant: dict[str, Any], prior: Any, init: Any) -> None:
    votes = votes_for(variant, 1)
    options = {"prior": prior, "init": init, "mrf": 0.3, "max_iter": 20, **variant}
    without = fuse(votes, **options)
    silent = np.insert(votes, 2, NAN, axis=0)
    found = fuse(silent, performance_prior=(1, 1), **options)
    assert np.isnan([found.sensitivity[2], found.specificity[2]]).all()
    assert found.n_read[2] == 0
    for field in ("sensitivity", "specificity", "n_read"):
        setattr(found, field, np.delete(getattr(found, field), 2))
    assert_equal(found, without)
    np.testing.assert_array_equal(found.n_read, without.n_read)
    assert np.isnan(fuse(silent, performance_prior=(3, 2), **options).sensitivity[2])


@pytest.mark.parametrize("init", ["vote", 0.8])
@pytest.mark.parametrize("prior", ["mean", "estimate", 0.2, "map"])
@every_variant
def test_voxels_without_votes_are_as_if_masked(variant: dict[str, Any], prior: Any, init: Any) -> None:
    votes = votes_for(variant, 2)
    unread = np.isnan(votes).all(axis=0)
    assert unread.sum() > 1
    prior = np.random.default_rng(0).uniform(0.1, 0.4, unread.size) if prior == "map" else prior
    options = {"prior": prior, "init": init, "max_iter": 20, **variant}
    found, masked = fuse(votes, **options), fuse(votes, mask=~unread, **options)
    expected = prior[unread] if isinstance(prior, np.ndarray) else found.prior
    np.testing.assert_allclose(found.probability[unread], expected, rtol=1e-14)
    masked.probability[unread] = found.probability[unread]
    assert_equal(found, masked)
    assert found.n_voxels == (~unread).sum()
    np.testing.assert_array_equal(found.n_read, (~np.isnan(votes)).sum(axis=1))


@every_variant
def test_nan_where_all_is_there_changes_nothing(variant: dict[str, Any]) -> None:
    """A voxel read by nobody turns on every path for missing votes; the others do not feel it."""
    votes = votes_for(variant, 3, missing=0)
    options = {"max_iter": 15, **variant}
    found = fuse(np.insert(votes, 7, NAN, axis=1), **options)
    found.probability = np.delete(found.probability, 7)
    assert_equal(found, fuse(votes, **options))


@pytest.mark.parametrize("prior", ["estimate", 0.25, "map"])
@pytest.mark.parametrize("beta", [None, ((4, 2), (8, 1.5))])
@every_maximiser
def test_stationary(variant: dict[str, Any], beta: Any, prior: Any) -> None:
    """Where EM comes to rest, the slope of the likelihood (times the Beta densities) is nil, or leads out of [0, 1]."""
    votes = votes_for(variant, 32, (100,))
    pi = {"estimate": None, "map": np.random.default_rng(1).choice([0.2, 0.4], 100)}.get(prior, prior)
    given = prior if pi is None else pi
    found = fuse(votes, prior=given, performance_prior=beta, tol=1e-9, max_iter=20_000, **variant)
    assert found.converged
    x = np.concatenate([found.sensitivity, found.specificity, [found.prior] if pi is None else []])
    rise = np.repeat(np.array(beta or ((1, 1), (1, 1))) - 1.0, len(votes), axis=0).T

    def objective(x: np.ndarray) -> float:
        rate = x[: rise.shape[1]]
        log_beta = special.xlogy(rise[0], rate) + special.xlogy(rise[1], 1 - rate)
        return log_likelihood(votes, x, variant, pi) + float(log_beta.sum())

    inner = (x > 1e-5) & (x < 1 - 1e-5)
    assert inner.any()
    np.testing.assert_allclose(slope(objective, x, inner), 0, atol=1e-3)
    for i in np.flatnonzero(~inner):  # at the edge it falls inwards
        inwards = x.copy()
        inwards[i] += 1e-5 * (1 if x[i] < 0.5 else -1)
        assert objective(inwards) < objective(x)
    assert found.log_likelihood[-1] == pytest.approx(log_likelihood(votes, x, variant, pi), rel=1e-9)


@every_maximiser
def test_no_other_rates_are_likelier(variant: dict[str, Any]) -> None:
    """A general optimiser, started elsewhere, ends at the same rates."""
    votes = votes_for(variant, 5, (50,), m=3, missing=0.15)
    votes = np.where(np.isnan(votes), NAN, np.clip(votes, 0, 1))
    beta = (3, 2)  # keeps the optimum inside
    found = fuse(votes, prior=0.3, init=0.8, performance_prior=beta, tol=1e-12, max_iter=20_000, **variant)

    def loss(logit: np.ndarray) -> float:
        x = special.expit(logit)
        return -log_likelihood(votes, x, variant, 0.3) - float((2 * np.log(x) + np.log(1 - x)).sum())

    best = optimize.minimize(loss, np.full(6, 1.0), method="BFGS", options={"gtol": 1e-4})
    np.testing.assert_allclose(
        special.expit(best.x), np.concatenate([found.sensitivity, found.specificity]), atol=1e-4
    )


@pytest.mark.parametrize("beta", [None, (2, 1.5)])
@pytest.mark.parametrize("prior", ["estimate", 0.3])
@every_maximiser
def test_likelihood_rises(variant: dict[str, Any], prior: Any, beta: Any) -> None:
    """Of log-linear votes with either M-step; with Beta priors it is the sum with their logarithms that rises."""
    votes = votes_for(variant, 6)
    sums = []
    for n_iter in range(1, 12):
        found = fuse(votes, prior=prior, init=0.8, performance_prior=beta, tol=0, max_iter=n_iter, **variant)
        a, b = np.array(beta or (1, 1)) - 1.0
        rate = np.concatenate([found.sensitivity, found.specificity])
        sums.append(found.log_likelihood[-1] + float((a * np.log(rate) + b * np.log1p(-rate)).sum()))
    assert np.diff(sums).min() > -1e-10


def test_simulated_raters_with_half_of_the_votes_missing() -> None:
    rng = np.random.default_rng(7)
    truth = rng.random(20_000) < 0.2
    sensitivity, specificity = np.array([0.9, 0.8, 0.7, 0.85, 0.6]), np.array([0.95, 0.9, 0.98, 0.85, 0.97])
    marks = np.where(truth, sensitivity[:, None], 1 - specificity[:, None])
    votes = (rng.random(marks.shape) < marks).astype(np.float64)
    votes[rng.random(marks.shape) < 0.5] = NAN
    found = fuse(votes, method="staple", prior="estimate", tol=1e-6)
    np.testing.assert_allclose(found.sensitivity, sensitivity, atol=0.05)
    np.testing.assert_allclose(found.specificity, specificity, atol=0.02)
    assert found.prior == pytest.approx(0.2, abs=0.01)
    read = ~np.isnan(votes).all(axis=0)
    for cut in (0.1, 0.5, 0.8):  # the consensus is calibrated
        near = read & (np.abs(found.probability - cut) < 0.1)
        assert truth[near].mean() == pytest.approx(found.probability[near].mean(), abs=0.05)


@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_soft_staple_leaves_missing_votes_out_of_the_patterns(m_step: str) -> None:
    votes = votes_for({"method": "soft-staple"}, 8, missing=0.4)
    found = fuse(votes, m_step=m_step, max_iter=6, tol=0)
    theta1, theta0 = rates(found.sensitivity), rates(found.specificity)
    w, log_p = reference.characteristic(votes, found.prior, theta1, theta0)
    np.testing.assert_allclose(found.probability, w, rtol=0, atol=1e-13)
    assert found.log_likelihood[-1] == pytest.approx(log_p.sum(), rel=1e-12)


def test_a_half_in_the_mixture_weighs_nothing() -> None:
    """a_i1(1/2) = a_i0(1/2) = 1/2 whatever the rates: as no vote, in the consensus."""
    votes = votes_for({"method": "simplified-soft-staple"}, 9)
    theta1, theta0 = rates([0.9, 0.8, 0.7, 0.6]), rates([0.95, 0.9, 0.99, 0.8])
    w = reference.posterior(votes, np.array(0.3), theta1, theta0)[0]
    halves = reference.posterior(np.where(np.isnan(votes), 0.5, votes), np.array(0.3), theta1, theta0)[0]
    np.testing.assert_allclose(w, halves, rtol=1e-13)


def test_rate_without_evidence_stays() -> None:
    """The last rater reads only where all mean votes are 0: of his sensitivity the first M-step says nothing."""
    votes = [[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [NAN, NAN, NAN, 0, 0]]
    assert fuse(votes, method="staple", max_iter=1).sensitivity[2] == 0.5
    assert fuse(votes, method="staple", max_iter=5, tol=0).sensitivity[2] == reference.EPSILON
    strict = fuse(votes, method="staple", max_iter=1, performance_prior=(4, 2))
    assert strict.sensitivity[2] == pytest.approx(3 / 4)


@pytest.mark.parametrize(("prior", "expected"), [("mean", NAN), ("estimate", NAN), (0.2, 0.2)])
def test_no_votes_at_all(prior: Any, expected: float) -> None:
    found = fuse(np.full((2, 3), NAN), prior=prior)
    np.testing.assert_array_equal(found.probability, np.full(3, expected))
    assert (found.n_iter, found.converged, found.n_voxels) == (0, True, 0)
    assert np.isnan([*found.sensitivity, *found.specificity]).all()
    given = np.array([0.1, 0.2, 0.3])
    np.testing.assert_array_equal(fuse(np.full((2, 3), NAN), prior=given).probability, given)


# --- region of interest --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mrf", [0, 0.5])
@pytest.mark.parametrize("prior", ["mean", "estimate", 0.4, "map"])
@every_variant
def test_disputed(variant: dict[str, Any], prior: Any, mrf: float) -> None:
    votes = votes_for(variant, 11, (8, 9), m=3)
    prior = np.random.default_rng(2).uniform(0.1, 0.4, (8, 9)) if prior == "map" else prior
    inside = np.random.default_rng(3).random((8, 9)) < 0.8
    missing = np.isnan(votes)
    together = (~missing).sum(axis=0) >= 2
    none = (missing | (votes == 0)).all(axis=0) & together
    every = (missing | (votes == 1)).all(axis=0) & together
    disputed = inside & ~none & ~every
    assert min(disputed.sum(), (inside & none).sum(), (inside & every).sum()) > 1
    options = {"prior": prior, "max_iter": 10, "tol": 0, **variant}
    found = fuse(votes, roi="disputed", mask=inside, mrf=mrf, **options)
    np.testing.assert_array_equal(found.probability[~disputed], (inside & every)[~disputed])
    assert found.n_voxels == (disputed & ~missing.all(axis=0)).sum()
    np.testing.assert_array_equal(found.n_read, (~missing & disputed).sum(axis=(1, 2)))
    if not mrf:
        masked = fuse(votes, mask=disputed, **options)
        masked.probability[~disputed] = found.probability[~disputed]
        assert_equal(found, masked, 0)


def test_disputed_where_nothing_is() -> None:
    found = fuse(
        [[0, 1, NAN, 1], [0, 1, NAN, 1], [0, 1, NAN, NAN]], method="staple", roi="disputed", prior=0.3
    )
    np.testing.assert_array_equal(found.probability, [0, 1, 0.3, 1])
    assert np.isnan([*found.sensitivity, *found.specificity]).all()
    assert (found.n_iter, found.converged, found.n_voxels, found.log_likelihood.size) == (0, True, 0, 0)
    np.testing.assert_array_equal(found.n_read, [0, 0, 0])


def test_one_reader_alone_does_not_agree() -> None:
    found = fuse([[0, 1, 0, 1, 1], [0, 1, 1, NAN, 1], [NAN, 1, 0, NAN, 1]], method="staple", roi="disputed")
    assert found.n_voxels == 2
    assert 0 < found.probability[3] < 1


def test_disputed_soft_votes() -> None:
    """Agreement is of certain votes alone: 0.3 from everybody is in doubt."""
    found = fuse([[0, 0.3, 1, 1, 0], [0, 0.3, 1, 0.9, 1]], roi="disputed")
    assert found.n_voxels == 3


@pytest.mark.parametrize("margin", [0.0, 1.0, 2.5, 100.0])
@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.5, 1.2, 3)])
def test_margin(spacing: tuple[float, ...], margin: float) -> None:
    rng = np.random.default_rng(11)
    votes = np.zeros((3, 7, 8, 6))
    votes[:, 2:5, 3:5, 2:4] = rng.choice([0, 0.05, 0.3, 1], (3, 3, 2, 2))
    votes[rng.random(votes.shape) < 0.1] = NAN
    inside = rng.random((7, 8, 6)) < 0.9
    votes[:, ~inside] = 1  # outside the mask nothing counts
    marked = inside & (np.nan_to_num(votes) > 0.1).any(axis=0)
    near = inside & (ndimage.distance_transform_edt(~marked, sampling=spacing) <= margin + 1e-9)
    options = {"max_iter": 5, "tol": 0, "method": "simplified-soft-staple", "mrf": 0.2}
    found = fuse(votes, roi=margin, mask=inside, spacing_mm=spacing, **options)
    assert_equal(found, fuse(votes, mask=near, spacing_mm=spacing, **options), 0)
    assert (found.probability[~near] == 0).all()


def test_margin_counts_its_own_edge() -> None:
    """Three voxels of 0.1 mm are 0.3 mm, though not in floats."""
    votes = np.zeros((2, 9))
    votes[0, 4] = 1
    assert np.count_nonzero(fuse(votes, method="staple", roi=0.3, spacing_mm=[0.1]).probability) == 7
    assert np.count_nonzero(fuse(votes, method="staple", roi=0.29, spacing_mm=[0.1]).probability) == 5


def test_margin_around_nothing() -> None:
    """The margin is then the whole: a case without lesions is none without an answer."""
    options: dict[str, Any] = {"method": "staple", "prior": 0.3, "max_iter": 3}
    assert_equal(fuse(np.zeros((2, 4)), roi=3, **options), fuse(np.zeros((2, 4)), **options), 0)


# --- mean field ----------------------------------------------------------------------------------------------


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


# --- Beta priors ---------------------------------------------------------------------------------------------


def test_map_worked() -> None:
    """The first M-step of the worked example: rater 1 has 5/3 hits of 2, and as many rejections."""
    found = fuse(WORKED, method="staple", max_iter=1, performance_prior=((3, 2), (1, 1)))
    assert found.sensitivity[0] == pytest.approx((5 / 3 + 2) / (2 + 3), rel=1e-14)
    assert found.specificity[0] == pytest.approx(5 / 6, rel=1e-14)
    both = fuse(WORKED, method="staple", max_iter=1, performance_prior=(3, 2))
    assert both.specificity[0] == pytest.approx((5 / 3 + 2) / (2 + 3), rel=1e-14)


@every_variant
def test_map_limits(variant: dict[str, Any]) -> None:
    votes = votes_for(variant, 16)
    flat = fuse(votes, performance_prior=(1, 1), max_iter=5, tol=0, **variant)
    assert_equal(flat, fuse(votes, max_iter=5, tol=0, **variant), 0)
    sure = fuse(votes, performance_prior=((8e9 + 1, 2e9 + 1), (9e9 + 1, 1e9 + 1)), max_iter=5, **variant)
    np.testing.assert_allclose(sure.sensitivity, 0.8, atol=1e-7)
    np.testing.assert_allclose(sure.specificity, 0.9, atol=1e-7)
    log_p = log_likelihood(votes, np.repeat([0.8, 0.9], len(votes)), variant, sure.prior)
    assert sure.log_likelihood[-1] == pytest.approx(log_p, rel=1e-6)  # without the densities


# --- log-linear votes ----------------------------------------------------------------------------------------


def test_log_linear_worked() -> None:
    """A half is the geometric mean of mark and none; the posterior by hand."""
    theta1, theta0 = rates([0.9, 0.8]), rates([0.6, 0.75])
    a1, a0 = reference.vote_likelihoods(np.array([[0.5, 1], [0.25, NAN]]), theta1, theta0, "log_linear")
    np.testing.assert_allclose(a1, [[0.3, 0.9], [0.8**0.25 * 0.2**0.75, 1]], rtol=1e-14)
    np.testing.assert_allclose(a0, [[0.24**0.5, 0.4], [0.25**0.25 * 0.75**0.75, 1]], rtol=1e-14)
    w = reference.posterior(np.array([[0.5]]), np.array(0.5), *(rates(x[0][:1]) for x in (theta1, theta0)),
                            likelihood="log_linear")[0]  # fmt: skip
    assert w[0] == pytest.approx(0.3 / (0.3 + 0.24**0.5), rel=1e-14)


@pytest.mark.parametrize("m_step", ["paper", "em"])
def test_log_linear_is_staple_on_binary_votes(m_step: str) -> None:
    votes = votes_for({"method": "staple"}, 17)
    options = {"max_iter": 10, "tol": 0}
    ours = fuse(votes, method="simplified-soft-staple", likelihood="log_linear", m_step=m_step, **options)
    assert_equal(ours, fuse(votes, method="staple", **options))


def test_log_linear_has_one_m_step() -> None:
    votes = votes_for({"method": "simplified-soft-staple"}, 18)
    options = {"method": "simplified-soft-staple", "likelihood": "log_linear", "max_iter": 10, "tol": 0}
    assert_equal(fuse(votes, m_step="em", **options), fuse(votes, m_step="paper", **options), 0)


# --- the expectation without patterns ------------------------------------------------------------------------


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


# --- information ---------------------------------------------------------------------------------------------


def louis(votes: np.ndarray, x: np.ndarray, pi: Any, variant: dict[str, Any]) -> np.ndarray:
    """Information by Louis's identity, voxel by voxel: w and u, first and second derivatives of log (pi A1), ..."""
    m, n = votes.shape
    p = 2 * m + 1
    information = np.zeros((p, p))
    for q, pi_t in zip(votes.T, np.broadcast_to(pi, n), strict=True):
        there = ~np.isnan(q)
        patterns = [(1.0, q)]
        if variant["method"] == "soft-staple":
            bits = [np.array(b, dtype=float) for b in product(*((0, 1) if ok else (NAN,) for ok in there))]
            patterns = [(np.where(b == 1, q, 1 - q)[there].prod(), b) for b in bits]
        for mass, b in patterns:
            w = of_voxel(b, pi_t, x[:m], x[m : 2 * m], {**variant, "method": "simplified-soft-staple"})[0]
            s1, h1 = derivatives(b, x[:m], there, variant)
            s0, h0 = derivatives(1 - b, x[m : 2 * m], there, variant)
            one = np.concatenate([s1, np.zeros(m), [1 / pi_t]])
            zero = np.concatenate([np.zeros(m), s0, [-1 / (1 - pi_t)]])
            second = np.concatenate([w * h1, (1 - w) * h0, [-w / pi_t**2 - (1 - w) / (1 - pi_t) ** 2]])
            gap = one - zero
            information -= mass * (np.diag(second) + w * (1 - w) * np.outer(gap, gap))
    return information


def derivatives(
    q: np.ndarray, theta: np.ndarray, there: np.ndarray, variant: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """First and second derivative of log a_i(q) in theta_i; nil without a vote."""
    if variant.get("likelihood") == "log_linear":
        first, second = q / theta - (1 - q) / (1 - theta), -q / theta**2 - (1 - q) / (1 - theta) ** 2
    else:
        first = (2 * q - 1) / (q * theta + (1 - q) * (1 - theta))
        second = -(first**2)
    return np.where(there, first, 0), np.where(there, second, 0)


@pytest.mark.parametrize("edge", [0.1, 1e-7, 1e-12])
@pytest.mark.parametrize("prior", [0.3, "map"])
@every_variant
def test_information_by_another_way(variant: dict[str, Any], prior: Any, edge: float) -> None:
    votes = votes_for(variant, 20, (5, 6))
    rng = np.random.default_rng(21)
    pi = rng.uniform(0.1, 0.6, (5, 6)) if prior == "map" else prior
    inside = rng.random((5, 6)) < 0.8
    one, zero = rng.uniform(0.55, 0.99, 4), rng.uniform(0.6, 0.999, 4)
    one[0], zero[1] = 1 - edge, edge
    given = {"sensitivity": one, "specificity": zero, "prior": pi, "mask": inside}
    given |= {key: value for key, value in variant.items() if key != "m_step"}
    found, _ = reference.information(votes, estimate_prior=prior != "map", **given)
    there = inside & ~np.isnan(votes).all(axis=0)
    at = np.broadcast_to(pi, (5, 6))[there]
    expected = louis(votes[:, there], np.concatenate([one, zero]), at, variant)[: len(found), : len(found)]
    root = np.sqrt(np.abs(np.diag(expected)))
    np.testing.assert_allclose(found / np.outer(root, root), expected / np.outer(root, root), atol=1e-9)
    prior_of_rates = ((3, 2), (5, 1.5))
    curved, _ = reference.information(
        votes, estimate_prior=prior != "map", performance_prior=prior_of_rates, **given
    )
    rise = [2 / one**2 + 1 / (1 - one) ** 2, 4 / zero**2 + 0.5 / (1 - zero) ** 2]
    np.testing.assert_allclose(np.diag(curved - found)[:8], np.concatenate(rise), rtol=1e-8)


def test_information_is_the_slope_of_the_slope() -> None:
    """By plain second differences of a likelihood written otherwise."""
    variant = {"method": "soft-staple"}
    votes = votes_for(variant, 22, (12,), m=2)
    x = np.array([0.8, 0.7, 0.9, 0.75, 0.3])
    found, _ = reference.information(
        votes, method="soft-staple", sensitivity=x[:2], specificity=x[2:4], prior=0.3, estimate_prior=True
    )
    d = 1e-3 * np.eye(5)
    f = lambda x: log_likelihood(votes, x, variant)
    second = [[f(x + a + b) - f(x + a - b) - f(x - a + b) + f(x - a - b) for a in d] for b in d]
    np.testing.assert_allclose(found, -np.array(second) / 4e-6, rtol=1e-3, atol=1e-2)


def test_standard_errors_where_the_truth_is_known() -> None:
    """With a prior map that leaves no doubt, each rate is a share of known voxels: se^2 = theta (1 - theta) / n."""
    rng = np.random.default_rng(23)
    truth = np.arange(100) < 40
    votes = simulated_raters(rng, 3, 100)
    known = np.where(truth, 1 - 1e-13, 1e-13)
    found = fuse(votes, method="staple", prior=known, init=0.8)
    np.testing.assert_allclose(found.sensitivity, votes[:, truth].mean(axis=1), atol=1e-9)
    information, _ = reference.information(
        votes,
        method="staple",
        sensitivity=found.sensitivity,
        specificity=found.specificity,
        prior=known,
        estimate_prior=False,
    )
    theta, n = np.concatenate([found.sensitivity, found.specificity]), np.repeat([40, 60], 3)
    np.testing.assert_allclose(
        reference.standard_errors(information), np.sqrt(theta * (1 - theta) / n), rtol=1e-6
    )


def test_standard_errors_are_those_of_repeated_studies() -> None:
    """Sixty simulated studies: the rates scatter as the information says, and intervals cover the truth."""
    rng = np.random.default_rng(24)
    one, zero, m = np.array([0.9, 0.8, 0.7, 0.85]), np.array([0.95, 0.9, 0.85, 0.97]), 4
    truths = np.concatenate([one, zero, [0.3]])
    estimates, errors = [], []
    for _ in range(60):
        truth = rng.random(1500) < 0.3
        votes = (rng.random((m, 1500)) < np.where(truth, one[:, None], 1 - zero[:, None])).astype(float)
        votes[rng.random(votes.shape) < 0.2] = NAN
        found = fuse(votes, method="staple", prior="estimate", tol=1e-6)
        estimates.append([*found.sensitivity, *found.specificity, found.prior])
        known = {"sensitivity": found.sensitivity, "specificity": found.specificity, "prior": found.prior}
        information, _ = reference.information(votes, method="staple", estimate_prior=True, **known)
        errors.append(reference.standard_errors(information))
    said = np.sqrt(np.mean(np.square(errors), axis=0))
    np.testing.assert_allclose(np.std(estimates, axis=0, ddof=1) / said, 1, atol=0.35)
    assert np.std(estimates, axis=0, ddof=1).sum() / said.sum() == pytest.approx(1, abs=0.12)
    low, high = reference.logit_interval(np.array(estimates), np.array(errors))
    assert ((low < truths) & (truths < high)).mean() == pytest.approx(0.95, abs=0.03)


def test_rater_without_votes_has_no_information() -> None:
    votes = votes_for({"method": "staple"}, 25)
    one, zero = np.array([0.9, 0.8, 0.7, 0.85]), np.array([0.95, 0.9, 0.85, 0.97])
    plain, _ = reference.information(
        votes, method="staple", sensitivity=one, specificity=zero, prior=0.3, estimate_prior=True
    )
    silent, _ = reference.information(
        np.insert(votes, 1, NAN, axis=0),
        method="staple",
        sensitivity=np.insert(one, 1, NAN),
        specificity=np.insert(zero, 1, NAN),
        prior=0.3,
        estimate_prior=True,
    )
    others = [0, 2, 3, 4, 5, 7, 8, 9, 10]
    np.testing.assert_array_equal(silent[np.ix_(others, others)], plain)
    assert np.isnan(silent[[1, 6]]).all()
    errors = reference.standard_errors(silent)
    np.testing.assert_array_equal(errors[others], reference.standard_errors(plain))
    assert np.isnan(errors[[1, 6]]).all()


def test_standard_errors_worked() -> None:
    np.testing.assert_allclose(
        reference.standard_errors(np.array([[4.0, 2], [2, 3]])), np.sqrt([3 / 8, 4 / 8]), rtol=1e-14
    )
    assert np.isnan(reference.standard_errors(np.ones((2, 2)))).all()  # nothing tells the two apart
    np.testing.assert_array_equal(reference.standard_errors(np.diag([4.0, -1])), [0.5, NAN])


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_logit_interval(level: float) -> None:
    theta, se = np.array([0.5, 0.9, 0.999, NAN]), np.array([0.1, 0.02, 0.001, NAN])
    low, high = reference.logit_interval(theta, se, level)
    scale = se[:3] / (theta[:3] * (1 - theta[:3]))
    normal = stats.norm(special.logit(theta[:3]), scale)
    np.testing.assert_allclose(low[:3], special.expit(normal.ppf((1 - level) / 2)), rtol=1e-12)
    np.testing.assert_allclose(high[:3], special.expit(normal.ppf((1 + level) / 2)), rtol=1e-12)
    assert (low[:3] > 0).all()
    assert (high[:3] < 1).all()
    assert np.isnan([low[3], high[3]]).all()


# --- agreement -----------------------------------------------------------------------------------------------


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
