"""K labels in plain NumPy: STAPLE for label maps, hard and soft, by brute force over all K^m patterns.

STAPLE for several labels is in Warfield, Zou, Wells, IEEE TMI 2004, doi:10.1109/TMI.2004.828354; the model is that of
Dawid, Skene, Applied Statistics 1979, doi:10.2307/2346806. The soft versions are those of Kats, Goldberger, Greenspan
(MICCAI 2019) with K labels in the place of two.

===============  ==============================================================================
q (m, K, n)      vote: rater i's probability of label b at voxel t; all nan: missing
theta (m, K, K)  confusion: p(vote b | truth a), rows of a
pi (K,)          prior p(truth a)
w (K, n)         p(truth a | votes)
T (m, K, K)      expected number of voxels of truth a with vote b
alpha (m, K, K)  Dirichlet prior of each row of theta
===============  ==============================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
FLOOR = 1e-12  # of a rate, where it meets a vote that it was not estimated on
UNKNOWN = 1e-3  # probability that a rater who does not know a class says what they never say there
LEAST_PRIOR = 1e-6  # of a map
TIED = 1e-9  # labels whose probabilities are this near are tied


@dataclass
class ReferenceLabels:
    """Result of the reference; see :class:`fastfuse.LabelFusion` for the fields."""

    probability: Array
    confusion: Array
    prior: Array
    objective: Array
    n_iter: int
    converged: bool


def one_hot(maps: NDArray[np.integer[Any]], n_labels: int, missing: NDArray[np.bool_] | None = None) -> Array:
    """Return votes, shape (m, K, n), of label codes, shape (m, n)."""
    votes: Array = (maps[:, None] == np.arange(n_labels)[None, :, None]).astype(np.float64)
    if missing is not None:
        votes[np.broadcast_to(missing[:, None], votes.shape)] = np.nan
    return votes


def fuse_labels(
    q: Array,
    method: str = "staple",
    *,
    prior: str | Array = "mean",
    m_step: str = "paper",
    init: str = "plurality",
    candidates: str = "voted",
    confusion: str = "full",
    performance_prior: tuple[float, float] | None = None,
    knows: Mapping[int, Sequence[int]] | None = None,
    max_iter: int = 100,
    tol: float = 1e-7,
) -> ReferenceLabels:
    """Fuse label maps by EM; the M-step comes first.

    Parameters
    ----------
    q : ndarray, shape (m, K, n)
    method : {"staple", "simplified-soft-staple", "soft-staple", "log-linear"}
        The same for hard votes. soft-STAPLE enumerates the K^m patterns of every voxel.
    prior : {"mean", "estimate"} or ndarray, shape (K,) or (K, n)
    m_step : {"paper", "em"}
        Of soft votes: v = q, or the true maximiser.
    init : {"plurality", "vote", "itk"}
    candidates : {"voted", "all"}
        The classes that may be true at a voxel: those that somebody voted there, or all. soft-STAPLE: those of each
        pattern.
    confusion : {"full", "class"}
        K × K numbers for each rater, or K.
    performance_prior : (s, d), optional
        Dirichlet: s voxels of belief, the share d of them on the diagonal.
    knows : mapping of rater to label codes, optional
    """
    m, n_labels, n = q.shape
    present = np.asarray(~np.isnan(q).any(axis=1))
    q = q / q.sum(axis=1, keepdims=True)
    votes = np.where(np.isnan(q), 0, q)
    shares = votes.sum(axis=(0, 2)) / present.sum()
    estimated = isinstance(prior, str) and prior == "estimate"
    pi = np.asarray(shares if isinstance(prior, str) else prior, dtype=np.float64)
    voted = candidates == "voted"
    allowed = np.ones((n_labels, n), bool) if not voted else votes.sum(axis=0) > 0
    allowed[:, ~allowed.any(axis=0)] = True
    alpha = dirichlet(shares, performance_prior, m)
    fixed = unknown_rows(votes, present, shares, knows or {})
    theta = np.full((m, n_labels, n_labels), 1 / n_labels)
    if init == "itk":
        theta = from_untied(votes, present)
        w = expectation(q, present, theta, pi, allowed, method, voted=voted)[0]
        counts = None
    else:
        w = first_guess(votes, present, init)
        counts = np.einsum("at,ibt->iab", w, votes)
    objective: list[float] = []
    converged = False
    while not converged and len(objective) < max_iter:
        if counts is None:
            w, counts, _ = expectation(q, present, theta, pi, allowed, method, m_step, voted=voted)
        before = theta
        theta = maximisation(counts, alpha, before, confusion, shares, fixed)
        if estimated:
            pi = w.sum(axis=1) / n
        w, counts, likelihood = expectation(q, present, theta, pi, allowed, method, m_step, voted=voted)
        belief = (alpha - 1)[alpha > 1] * np.log(theta[alpha > 1])
        objective.append(likelihood + float(belief.sum()))
        mass = w.sum(axis=1)
        held = mass >= min(1, mass.max()) * (1 - 1e-9)  # empty classes never settle
        converged = bool(np.abs(theta - before)[:, held].max() <= tol)
    return ReferenceLabels(w, theta, pi, np.array(objective), len(objective), converged)


def expectation(
    q: Array,
    present: NDArray[np.bool_],
    theta: Array,
    pi: Array,
    allowed: NDArray[np.bool_],
    method: str,
    m_step: str = "paper",
    *,
    voted: bool = False,
) -> tuple[Array, Array, float]:
    """Return w, the counts T of the M-step, and the log-likelihood; ``voted``: soft-STAPLE's candidates."""
    if method == "soft-staple":
        return enumeration(q, present, theta, pi, voted, m_step)
    votes = np.where(np.isnan(q), 0, q)
    if method == "log-linear":
        with np.errstate(divide="ignore"):
            logs = np.einsum("ibt,iab->iat", votes, np.maximum(np.log(theta), np.log(FLOOR)))
        a = np.exp(logs)
    else:
        a = np.einsum("ibt,iab->iat", votes, theta)  # a_i(a) = sum over b of q_i(b) theta_i[a, b]
    a = np.where(present[:, None], a, 1)
    w, evidence = posterior(a, pi, allowed)
    if m_step == "em" and method != "log-linear":
        part = votes[:, None] * theta[..., None]  # (m, a, b, t)
        v = np.divide(part, a[:, :, None], out=np.zeros_like(part), where=a[:, :, None] > 0)
        counts = np.einsum("at,iabt->iab", w, v)
    else:
        counts = np.einsum("at,ibt->iab", w, votes)
    return w, counts, float(evidence.sum())


def posterior(a: Array, pi: Array, allowed: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return w and log p(votes) from the likelihoods of each rater's vote, (m, K, n)."""
    prior = pi[:, None] if pi.ndim == 1 else pi
    with np.errstate(divide="ignore"):
        logs = np.where(allowed, np.log(prior) + np.log(a).sum(axis=0), -np.inf)
    top = logs.max(axis=0)
    known = np.isfinite(top)  # votes that the rates call impossible, as ITK's first ones may, say nothing
    top = np.where(known, top, 0)
    weights = np.exp(logs - top)
    total = np.where(known, weights.sum(axis=0), 1)
    return weights / total, top + np.log(total)


def enumeration(
    q: Array, present: NDArray[np.bool_], theta: Array, pi: Array, voted: bool, m_step: str
) -> tuple[Array, Array, float]:
    """E-step of soft-STAPLE: every pattern B of labels, with its mass q_t(B), at every voxel."""
    m, n_labels, n = q.shape
    w, counts, likelihood = np.zeros((n_labels, n)), np.zeros_like(theta), 0.0
    for bits in product(range(n_labels), repeat=m):
        factor = np.where(present, q[np.arange(m), bits], np.equal(bits, 0)[:, None])
        mass = factor.prod(axis=0)
        some = mass > 0
        if not some.any():
            continue
        a = np.where(present[:, None], theta[np.arange(m), :, bits][..., None], 1)[..., some]
        allowed = np.ones((n_labels, int(some.sum())), bool)
        if voted:
            said = present[:, some].T @ np.eye(n_labels)[list(bits)] > 0
            allowed = said.T | ~present[:, some].any(axis=0)
        one, evidence = posterior(a, pi if pi.ndim == 1 else pi[:, some], allowed)
        part = mass[some] * one
        w[:, some] += part
        likelihood += float((mass[some] * evidence).sum())
        for i, bit in enumerate(bits):
            counts[i, :, bit] += (part * present[i, some]).sum(axis=1)
    if m_step == "paper":
        counts = np.einsum("at,ibt->iab", w, np.where(np.isnan(q), 0, q))
    return w, counts, likelihood


def maximisation(
    counts: Array, alpha: Array, before: Array, confusion: str, shares: Array, fixed: Array
) -> Array:
    """M-step: rows of counts, with the Dirichlet's, made to sum to 1; rows without any keep their rates."""
    summed = counts + (alpha - 1)
    whole = summed.sum(axis=2, keepdims=True)
    theta = np.divide(summed, whole, out=before.copy(), where=whole > 0)
    if confusion == "class":
        s = np.diagonal(theta, axis1=1, axis2=2)
        rest = shares / (1 - shares[:, None])  # pi(b) / (1 - pi(a))
        theta = (1 - s[:, :, None]) * rest
        rows = np.arange(len(shares))
        theta[:, rows, rows] = s
    return np.where(np.isnan(fixed), theta, fixed)


def first_guess(votes: Array, present: NDArray[np.bool_], init: str) -> Array:
    """Return w before the first M-step: shares of the votes, or of the most voted labels."""
    sums = votes.sum(axis=0)
    if init == "plurality":
        most = np.abs(sums - sums.max(axis=0)) <= TIED
        return np.asarray(most / most.sum(axis=0))
    return np.asarray(sums / np.maximum(present.sum(axis=0), 1))


def from_untied(votes: Array, present: NDArray[np.bool_]) -> Array:
    """Return ITK's first rates: p(truth a | vote b) where one label has most votes."""
    guess = first_guess(votes, present, "plurality")
    guess = np.where((guess == 1).any(axis=0), guess, 0)
    counts = np.einsum("at,ibt->iab", guess, votes)
    whole = counts.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(counts, whole, out=np.zeros_like(counts), where=whole > 0))


def clamped(prior: Array) -> Array:
    """Return a map of priors (K, n) inside [1e-6, 1 - 1e-6], scaled to sum to 1."""
    kept = np.clip(prior, LEAST_PRIOR, 1 - LEAST_PRIOR)
    return np.asarray(kept / kept.sum(axis=0))


def dirichlet(shares: Array, performance_prior: tuple[float, float] | None, m: int) -> Array:
    """Return alpha_i[a, b] = 1 + s (d [a = b] + (1 - d) pi(b))."""
    n_labels = len(shares)
    if performance_prior is None:
        return np.ones((m, n_labels, n_labels))
    s, d = performance_prior
    return np.tile(1 + s * (d * np.eye(n_labels) + (1 - d) * shares), (m, 1, 1))


def unknown_rows(
    votes: Array, present: NDArray[np.bool_], shares: Array, knows: Mapping[int, Sequence[int]]
) -> Array:
    """Return the fixed rows of raters who do not know a class, nan elsewhere.

    Such a rater says, with 1 - delta, what they say where the others' plurality is that class.
    """
    m, n_labels, _ = votes.shape
    fixed = np.full((m, n_labels, n_labels), np.nan)
    for rater, known in knows.items():
        others = [i for i in range(m) if i != rater]
        guess = first_guess(votes[others], present[others], "plurality") * present[others].any(axis=0)
        said = np.einsum("at,bt->ab", guess, votes[rater])
        for a in set(range(n_labels)) - set(known):
            instead = said[a] / said[a].sum() if said[a].any() else np.eye(n_labels)[0]
            fixed[rater, a] = (1 - UNKNOWN) * instead + UNKNOWN * shares
    return fixed


def winner(probability: Array) -> NDArray[np.intp]:
    """Return the most probable label's code; of tied ones the largest."""
    tied = probability >= probability.max(axis=0) - TIED
    return np.asarray(len(probability) - 1 - np.argmax(tied[::-1], axis=0))


def mean_vote(q: Array, weights: Array | None = None) -> Array:
    """Return the mean vote, shape (K, n), of those that are there."""
    present = ~np.isnan(q).any(axis=1)
    scale = present * np.ones(len(q))[:, None] if weights is None else present * weights[:, None]
    votes = np.where(np.isnan(q), 0, q / q.sum(axis=1, keepdims=True))
    whole = scale.sum(axis=0)
    summed = (votes * scale[:, None]).sum(axis=0)
    return np.asarray(np.divide(summed, whole, out=np.zeros(q.shape[1:]), where=whole > 0))


def truncate(q: Array, tau: float) -> tuple[Array, Array]:
    """Drop votes up to tau except the largest, scale the rest to 1; return them and delta, the dropped mass, (n,)."""
    q = q / q.sum(axis=1, keepdims=True)
    kept = np.where((q > tau) | (q == q.max(axis=1, keepdims=True)), q, 0)
    dropped = np.where(np.isnan(q).any(axis=1), 0, (q - kept).sum(axis=1))
    whole = kept.sum(axis=1, keepdims=True)
    return np.where(np.isnan(q), np.nan, kept / np.where(whole > 0, whole, 1)), dropped.sum(axis=0)


def ring_labels(
    label_map: NDArray[np.integer[Any]],
    rings: Mapping[int, NDArray[np.bool_]],
    spacing: Sequence[float],
    background: int = 0,
) -> NDArray[np.int64]:
    """Return which label's ring takes each voxel, background where none does.

    A ring takes from the background only. Where two claim a voxel, the label that lies nearer wins, then the lower one.
    """
    taken = np.full(label_map.shape, background, np.int64)
    for place in np.argwhere(label_map == background):
        distance = {
            label: float(
                np.min(((np.argwhere(label_map == label) - place) ** 2 * np.square(spacing)).sum(axis=1))
            )
            for label, ring in rings.items()
            if ring[tuple(place)]
        }
        if distance:
            taken[tuple(place)] = min(distance, key=lambda label: (distance[label], label))
    return taken
