"""Soft votes at random, and their fusion by the core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfuse import _core

Volume = NDArray[np.float64]
MODELS = {
    "simplified-soft-staple": "mixture",
    "log-linear": "log_linear",
    "soft-staple": "enumeration",
    "majority": "mean",
}


@dataclass
class SoftFit:
    """What the core finds in soft votes."""

    w: Volume
    estimate: _core.SoftEstimate
    votes: _core.SoftVotes

    @property
    def found(self) -> _core.LabelEstimate:
        return self.estimate.found


def softmax(rng: np.random.Generator, labels: int, raters: int, voxels: int, spread: float = 0.4) -> Volume:
    """Return votes (m, K, n) of raters who agree in part."""
    truth = np.eye(labels)[rng.integers(0, labels, voxels)].T
    noise = np.stack([rng.dirichlet(np.full(labels, spread), voxels).T for _ in range(raters)])
    return np.asarray(0.4 * truth + 0.6 * noise)


def without_some(rng: np.random.Generator, q: Volume, share: float) -> Volume:
    """Return the votes without some, never all of a voxel."""
    gone = rng.random((len(q), q.shape[2])) < share
    gone[0] = False
    return np.where(gone[:, None], np.nan, q)


def probability(votes: _core.SoftVotes, estimate: _core.SoftEstimate, shape: tuple[int, int]) -> Volume:
    w = np.empty(shape)
    for a in range(shape[0]):
        _core.write_soft_probability(votes, estimate, w[a], [a])
    return w


def fit_soft(
    q: Volume,
    method: str,
    *,
    m_step: str = "paper",
    truncation: float = 0.0,
    knows: Mapping[int, Sequence[int]] | None = None,
    prior_map: Volume | None = None,
    **options: Any,
) -> SoftFit:
    """Fuse votes (m, K, n) by the core, voxel by voxel."""
    asked = _core.LabelOptions()
    if knows:
        asked.unknown = [
            [a for a in range(q.shape[1]) if i in knows and a not in knows[i]] for i in range(len(q))
        ]
    for name, value in options.items():
        setattr(asked, name, value)
    votes = _core.SoftVotes.of_arrays(
        q.shape[1],
        [list(one) for one in q],
        [None] * len(q),
        missing="nan",
        prior=() if prior_map is None else list(prior_map),
    )
    votes.truncation = truncation
    estimate = _core.estimate_soft(votes, options=asked, model=MODELS[method], m_step=m_step)
    return SoftFit(probability(votes, estimate, q.shape[1:]), estimate, votes)
