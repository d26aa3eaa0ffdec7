"""The consensus of networks' probabilities of several labels: their mean, and each network against it.

Networks come one by one, so that at most one of them is in memory beside the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..result import divided
from .chosen import Labels
from .result import LabelFusion, entropy_of

TIED = 1e-9  # probabilities that differ by no more are one
AT_ONCE = 1 << 16  # voxels of a piece: a row of them for each label is held
OVERLAP = "regions of networks may overlap, so that a voxel has"
REGION = 0.5  # the probability above which a region is marked

Volume = NDArray[Any]
Rates = NDArray[np.float64]


@dataclass(eq=False)
class Mean:
    """The weighted mean of networks' probabilities, channels first; in single precision, summed in their order.

    That is how nnU-Net's own ensembling sums, so that its label map is the same, voxel by voxel.
    """

    total: NDArray[np.float32] | None = None
    weight: float = 0.0

    def add(self, channels: Sequence[Volume], weight: float = 1.0) -> None:
        """Add one network's channels."""
        if self.total is None:
            self.total = np.stack([np.asarray(channel, np.float32) for channel in channels])
            if weight != 1:
                self.total *= np.float32(weight)
        else:
            for place, channel in enumerate(channels):
                self.total[place] += (
                    channel if weight == 1 else np.float32(weight) * channel.astype(np.float32)
                )
        self.weight += weight

    def done(self) -> NDArray[np.float32]:
        """Return the mean."""
        assert self.total is not None
        self.total /= np.float32(self.weight)
        return self.total


@dataclass(frozen=True, eq=False)
class MeanConsensus:
    """The mean probability of each label.

    Attributes
    ----------
    mean : ndarray of float32, shape (K, ...)
        In the order of the labels.
    values : sequence of int
        The labels.
    outside : ndarray of bool, optional
        Voxels outside the mask.
    """

    mean: NDArray[np.float32]
    values: Sequence[int]
    outside: NDArray[np.bool_] | None = None

    def label(self, kind: np.dtype[Any], rank: int, undecided: int | None) -> Volume:
        """Return the label of highest probability, the first of tied ones; at other ranks the one that comes there."""
        values = np.asarray(self.values).astype(kind)
        if rank == 0:
            labels = values[self.mean.argmax(axis=0)]
        else:
            labels = values[np.argsort(-self.mean, axis=0, kind="stable")[rank]]
        if undecided is not None:
            highest = self.mean.max(axis=0)
            near = sum((np.abs(one - highest) <= TIED).astype(np.uint16) for one in self.mean)
            labels[np.asarray(near) > 1] = undecided
        return self._inside(labels)

    def ranked(self, rank: int) -> Volume:
        """Return the probability of that label."""
        if rank == 0:
            return self._inside(self.mean.max(axis=0))
        return self._inside(-np.partition(-self.mean, rank, axis=0)[rank])

    def probability(self, codes: Sequence[int]) -> Volume:
        """Return the probability that one of these labels is true."""
        summed = self.mean[codes[0]].copy()
        for code in codes[1:]:
            summed += self.mean[code]
        return self._inside(np.clip(summed, 0, 1))

    def entropy(self) -> Volume:
        """Return the entropy in nats."""
        return self._inside(entropy_of(self.mean))

    def _inside(self, values: Volume) -> Volume:
        """Return the values, 0 outside the mask."""
        if self.outside is not None:
            values[self.outside] = 0
        return values


@dataclass(frozen=True, eq=False)
class RegionConsensus:
    """The mean probability of each region of networks, and the labels that they are painted with, the last on top.

    Attributes
    ----------
    mean : ndarray of float32, shape (regions, ...)
        In the order in which they are painted.
    paints : sequence of int
        The label of each.
    regions : sequence of tuple of int
        The labels that each holds, sorted.
    values : sequence of int
        The labels, background included.
    outside : ndarray of bool, optional
        Voxels outside the mask.
    """

    mean: NDArray[np.float32]
    paints: Sequence[int]
    regions: Sequence[tuple[int, ...]]
    values: Sequence[int]
    outside: NDArray[np.bool_] | None = None

    def label(self, kind: np.dtype[Any], rank: int, undecided: int | None) -> Volume:
        """Return the label of the last region above 0.5."""
        if rank or undecided is not None:
            raise ValueError(f"{OVERLAP} no other labels than the one that is painted last")
        labels = painted(self.mean, self.paints, kind)
        if self.outside is not None:
            labels[self.outside] = 0
        return labels

    def ranked(self, rank: int) -> Volume:  # noqa: ARG002 - as other consensuses
        """Refuse: regions overlap."""
        raise ValueError(f"{OVERLAP} no confidence")

    def entropy(self) -> Volume:
        """Refuse: regions overlap."""
        raise ValueError(f"{OVERLAP} no entropy")

    def probability(self, codes: Sequence[int]) -> Volume:
        """Return the probability of the region that holds these labels, and no other."""
        wanted = tuple(sorted(self.values[code] for code in codes))
        if wanted not in self.regions:
            known = "; ".join(", ".join(map(str, labels)) for labels in self.regions)
            raise ValueError(
                f"label is {', '.join(map(str, wanted))}: these networks tell the probabilities of regions, which hold the labels "
                f"{known}; name all labels of one of them"
            )
        return self.region(self.regions.index(wanted))

    def region(self, place: int) -> Volume:
        """Return the probability of a region."""
        found: Volume = self.mean[place].copy()
        if self.outside is not None:
            found[self.outside] = 0
        return found


def painted(regions: Sequence[Volume] | Volume, paints: Sequence[int], kind: Any) -> Volume:
    """Return the label map of regions, each painted over those before it."""
    labels = np.zeros(regions[0].shape, dtype=kind)
    for channel, label in zip(regions, paints, strict=True):
        labels[channel > REGION] = label
    return labels


@dataclass(eq=False)
class Against:
    """What the networks say against the consensus: sums over voxels, for the rates of each."""

    count: int  # of labels
    agreed: list[Rates] = field(default_factory=list)  # of each network: votes (columns) by truth (rows)
    truth: Rates = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no voxels."""
        self.truth = np.zeros(self.count)

    def add(self, consensus: Callable[[slice], Rates], votes: Callable[[slice], Rates], voxels: int) -> None:
        """Add one network; both give probabilities, shape (K, voxels), of a piece of the voxels."""
        table, truth = np.zeros((self.count, self.count)), np.zeros(self.count)
        for start in range(0, voxels, AT_ONCE):
            piece = slice(start, start + AT_ONCE)
            true = consensus(piece)
            table += true @ votes(piece).T
            truth += true.sum(axis=1)
        self.agreed.append(table)
        self.truth = truth


def fusion_of(
    against: Against,
    consensus: Any,
    labels: Labels,
    raters: Sequence[str],
    voxels: int,
    undecided: int | None,
) -> LabelFusion:
    """Return the fusion: the mean, and each network's rates against it."""
    agreed = np.stack(against.agreed)
    seen, volume = agreed.sum(axis=2), agreed.sum(axis=1)
    both = np.diagonal(agreed, axis1=1, axis2=2)
    empty = np.zeros(0)
    return LabelFusion(
        labels=labels.values,
        label_names=labels.names,
        raters=tuple(raters),
        confusion=divided(agreed, seen[:, :, None]),
        prior=volume.sum(axis=0) / max(volume.sum(), 1.0),
        log_likelihood=empty,
        log_prior=empty,
        n_iter=0,
        converged=True,
        method="majority",
        n_voxels=voxels,
        volume=volume,
        consensus_volume=against.truth,
        ppv=np.minimum(divided(both, volume), 1),
        dice=np.minimum(divided(2 * both, seen + volume), 1),
        consensus=consensus,
        undecided=undecided,
    )
