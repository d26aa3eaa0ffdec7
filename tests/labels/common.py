"""Label maps at random, and their fusion by core and reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfuse import _core

Maps = NDArray[np.int64]


@dataclass
class Fitted:
    """What the core finds in label maps."""

    w: NDArray[np.float64]
    label: NDArray[np.int64]
    estimate: _core.LabelEstimate
    table: _core.LabelTable


def draw(
    rng: np.random.Generator, labels: int, raters: int, voxels: int, accuracy: float = 0.7
) -> tuple[NDArray[np.int64], Maps]:
    """Return truth and maps of raters who err at random."""
    truth = rng.integers(0, labels, voxels)
    wrong = rng.integers(0, labels, (raters, voxels))
    return truth, np.where(rng.random((raters, voxels)) < accuracy, truth, wrong)


def missing_votes(rng: np.random.Generator, shape: tuple[int, int], share: float) -> NDArray[np.bool_]:
    """Return which votes are missing: never all of a voxel."""
    missing = np.asarray(rng.random(shape) < share)
    missing[:, missing.all(axis=0)] = False
    return missing


def fit(
    maps: Maps,
    labels: int,
    *,
    missing: NDArray[np.bool_] | None = None,
    knows: Mapping[int, Sequence[int]] | None = None,
    undecided: int | None = None,
    **options: Any,
) -> Fitted:
    """Fuse maps of codes 0 ... labels - 1 by the core."""
    asked = _core.LabelOptions()
    if knows:
        asked.unknown = [
            [a for a in range(labels) if i in knows and a not in knows[i]] for i in range(len(maps))
        ]
    for name, value in options.items():
        setattr(asked, name, value)
    raters = (
        list(maps)
        if missing is None
        else [np.where(gone, np.nan, m) for m, gone in zip(maps, missing, strict=True)]
    )
    table = _core.tabulate_labels(
        raters, range(labels), missing="error" if missing is None else "nan", threads=asked.threads
    )
    estimate = _core.estimate_labels(table, options=asked)
    w = np.empty((labels, maps.shape[1]))
    for a in range(labels):
        _core.write_probability(table, estimate.truths, w[a], [a])
    label = np.empty(maps.shape[1], np.int64)
    _core.write_label(table, estimate.truths, label, undecided=undecided)
    return Fitted(w, label, estimate, table)
