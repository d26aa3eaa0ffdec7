"""The channels of a network: probabilities of classes, which sum to 1, or of regions, which may overlap."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..inputs.foreground import Foreground
from ..inputs.names import counted
from .paths import shown

EXP = "save exp of them, as by numpy.exp(values)"
NEAR_ONE = 0.02  # how far half precision may take a sum of probabilities from 1
NEARLY_ALL = 0.99  # of the voxels
CHOOSE = "choose one with select_label=K (--select-label K)"
AS_FILES = (
    "to compare a region with labels, write it as a file of its own ('fastfuse fuse FILE --select-label K --method majority "
    "-o REGION.nii.gz'), and its labels as one mask ('fastfuse fuse FILE --select-label LABEL,LABEL --method majority -o "
    "MASK.nii.gz')"
)


Kind = Literal["classes", "regions", "either", "neither"]


def are_classes(values: NDArray[Any], unit: float = 1.0) -> bool:
    """Tell classes, of which each voxel has one, from regions; ``values`` have the channels first."""
    return len(values) > 1 and _sum_to_one(_total(values), unit)


def are_logarithms(values: NDArray[Any]) -> bool:
    """Tell logarithms of probabilities: none is above 0, and exp of them sums to 1 along the first or the last axis."""
    if not (np.nanmax(values) <= 1e-3 and np.nanmin(values) < 0):
        return False
    made = np.exp(np.asarray(values, np.float32))
    return any(are_classes(np.moveaxis(made, axis, 0)) for axis in (0, -1))


def kind_of(values: NDArray[Any], unit: float = 1.0) -> Kind:
    """Return what the channels are; ``values`` have them first.

    Voxels where all are 0 tell nothing: a network's probabilities are 0 outside the brain, or where it did not look.
    "either" are channels of 0 and 1 that never overlap, with such voxels: the first may be the background of the others,
    or a structure like them. "neither" are channels that do not sum to 1 and, like classes, leave hardly a voxel to
    none, so that the first is the background.
    """
    if len(values) < 2:
        return "regions"
    total = _total(values)
    if _sum_to_one(total, unit):
        return "classes"
    marked = total != 0
    if not marked.any():
        return "regions"
    sums, first = total[marked], values[0][marked]
    others, above = values[1][marked], (first > unit / 2).astype(np.uint16)
    above += others > unit / 2
    for channel in values[2:]:
        inside = channel[marked]
        above += inside > unit / 2
        others = np.maximum(others, inside)
    return _by_sums(sums / unit, first / unit, others / unit, overlap=bool((above > 1).any()))


def _by_sums(sums: NDArray[Any], first: NDArray[Any], others: NDArray[Any], *, overlap: bool) -> Kind:
    """Return what channels are by their sums, their first and the largest of the others, where one is above 0."""
    if _sum_to_one(sums):
        highest = np.maximum(first, others)
        if np.mean(highest < 1 - NEAR_ONE) > 1 - NEARLY_ALL:
            return "classes"
        return "regions" if overlap else "either"
    if bool(((first > 0.5) & (others > 0.5)).any()):
        return "regions"
    if _sum_to_one(first + others):
        return "neither"  # the first is what the largest of the others leaves
    usual = float(np.median(sums))
    constant = usual > 0.1 and np.mean(np.abs(sums - usual) <= 0.05 * usual) >= 0.9
    if constant or not (overlap or np.mean(sums < 0.5) >= 0.1):
        return "neither"
    return "regions"


def _total(values: NDArray[Any]) -> NDArray[np.float32]:
    total = np.zeros_like(values[0], np.float32)
    for channel in values:
        total += channel
    return total


def _sum_to_one(sums: NDArray[Any], unit: float = 1.0) -> bool:
    return bool(np.mean(np.abs(sums - unit) <= NEAR_ONE * unit) >= NEARLY_ALL)


def share_of_none(values: NDArray[Any]) -> float:
    """Return the share of the voxels where all channels are 0."""
    return 1 - float(np.mean(values.any(axis=0)))


@dataclass(frozen=True)
class Held:
    """Labels that one channel stands for.

    Attributes
    ----------
    inside, beside : tuple of int
        Labels known to be part of it, and not to be.
    region : int or None
        Its place in the file, of one of several regions, which may hold more labels; None for classes and the like,
        which are these labels alone.
    told : bool
        Whether a segmentation beside the file tells of its labels.
    """

    inside: tuple[int, ...] = ()
    beside: tuple[int, ...] = ()
    region: int | None = None
    told: bool = True

    def may_be(self, labels: Collection[int]) -> bool:
        """Tell whether it may be the union of these labels."""
        return set(self.inside) <= set(labels) and not set(self.beside) & set(labels)


@dataclass(frozen=True)
class Channels:
    """What a network says of each voxel.

    Attributes
    ----------
    path : Path
    values : ndarray, shape (channels, x, y, z)
        Probabilities.
    classes : bool
        Whether the channels are classes; regions otherwise.
    labels : dict of int to int
        For each class whose label is known, its label; for each region, the label of what lies in no later one.
    regions : mapping of str to tuple of int
        What the regions are called, and their labels, if the dataset tells.
    none : int
        The class that a voxel is taken for where all are 0: the background.
    """

    path: Path
    values: NDArray[Any]
    classes: bool
    labels: dict[int, int] = field(default_factory=dict)
    regions: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    none: int = 0

    def levels(self) -> NDArray[np.integer[Any]]:
        """Return the channel that a segmentation shows at each voxel; for regions, 1 more, and 0 for none."""
        dtype = np.min_scalar_type(len(self.values))
        levels = np.zeros_like(self.values[0], dtype)
        if not self.classes:
            for place, channel in enumerate(self.values, start=1):
                levels[channel > 0.5] = place
            return levels
        highest = self.values[0].copy(order="K")
        for place, channel in enumerate(self.values[1:], start=1):
            levels[channel > highest] = place
            np.maximum(highest, channel, out=highest)
        if self.none:
            levels[highest == 0] = self.none
        return levels

    def chosen(self, foreground: Foreground, remarks: list[str]) -> tuple[NDArray[Any], Held]:
        """Return the probability of what counts as foreground, and the labels that this is, if known.

        Raises
        ------
        ImageError
            Naming the file, if it must be said which channel is meant, or there is none such.
        """
        if self.classes:
            return self._class(foreground), Held(foreground.labels)
        return self._region(foreground, remarks)

    def _class(self, foreground: Foreground) -> NDArray[Any]:
        count = len(self.values)
        if foreground.binarize or (count == 2 and not foreground.labels):
            others = [channel for channel in range(count) if channel != self._channel_of(0)]
        elif not foreground.labels:
            raise ImageError(
                f"{shown(self.path)}: it holds {counted(count, 'class')}; {CHOOSE}{_by_name(foreground)}"
            )
        else:
            others = [self._channel_of(label) for label in foreground.labels]
        if len(others) == 1:
            return np.asarray(self.values[others[0]])
        return np.asarray(np.minimum(self.values[others].sum(axis=0, dtype=np.float32), 1))

    def _channel_of(self, label: int) -> int:
        """Return the class of a label: as the segmentation shows, or else the one that is left or has its number."""
        by_label = {known: channel for channel, known in self.labels.items()}
        if label in by_label:
            return by_label[label]
        count = len(self.values)
        unknown = [channel for channel in range(count) if channel not in self.labels]
        if all(channel == known for channel, known in self.labels.items()):
            if label in unknown:
                return label
        elif len(unknown) == 1 and 0 <= label < count:
            return unknown[0]
        held = "" if self._in_order else f", whose labels are {', '.join(map(str, sorted(by_label)))}"
        raise ImageError(f"{shown(self.path)}: there is no class {label} among its {count}{held}")

    @property
    def _in_order(self) -> bool:
        return all(channel == label for channel, label in self.labels.items())

    def held(self) -> list[Held]:
        """Return for each region the labels inside it and those beside it, as far as the segmentation shows them."""
        levels = self.levels()
        marked = levels > 0
        there = levels[marked]
        known = sorted((label, level) for level, label in self.labels.items() if level)
        found: list[Held] = []
        for told, channel in zip_longest(self.regions.values(), self.values, fillvalue=()):
            inside = np.asarray(channel)[marked] > 0.5
            within = {label for label, level in known if inside[there == level].mean() > 0.5}
            beside = {label for label, _ in known} - within
            consistent = within <= set(told) and not beside & set(told)  # with what the dataset says
            labels = tuple(sorted(told if consistent else within))
            found.append(Held(labels, tuple(sorted(beside)), region=len(found) + 1))
        return found

    def _region(self, foreground: Foreground, remarks: list[str]) -> tuple[NDArray[Any], Held]:
        count, name = len(self.values), shown(self.path)
        if foreground.binarize and count > 1:
            remarks.append(
                f"{name}: {count} channels are regions, the largest of their probabilities was taken"
            )
            return np.asarray(self.values.max(axis=0)), Held()
        if count == 1:
            return self.values[self._place_of(foreground.labels[:1] or (1,), []) - 1], Held()
        held = self.held()
        place = self._place_of(foreground.labels, held)
        labels = held[place - 1].inside
        holds = f", label{'s' * (len(labels) != 1)} {_listed(labels)} of the segmentation" if labels else ""
        called = f" ({list(self.regions)[place - 1]})" if self.regions else ""
        remarks.append(f"{name}: channels are regions, region {place}{called} of {count} was taken{holds}")
        return self.values[place - 1], held[place - 1]

    def _place_of(self, labels: tuple[int, ...], held: list[Held]) -> int:
        """Return the place of a region, from 1 on: as it is given, or that of the labels inside it."""
        count, name = len(self.values), shown(self.path)
        if len(labels) == 1:
            if 1 <= labels[0] <= count:
                return labels[0]
            regions = "1 region" if count == 1 else f"{count} regions, counted from 1"
            raise ImageError(f"{name}: there is no region {labels[0]}: it holds {regions}")
        for fits in (
            lambda one: set(one.inside) == set(labels),
            lambda one: one.inside and one.may_be(labels),
        ):
            places = [place for place, one in enumerate(held, start=1) if labels and fits(one)]
            if len(places) == 1:
                return places[0]
        told = "; ".join(
            f"{place} holds labels {_listed(one.inside)}"
            for place, one in enumerate(held, start=1)
            if one.inside
        )
        none = f", and none is labels {_listed(sorted(labels))}" if labels else ""
        others = f", or all labels of one: {told}" if told else "; which labels they hold is not known"
        apart = f"; {AS_FILES}" if labels and not told else ""
        raise ImageError(
            f"{name}: its {count} channels are regions, as they do not sum to 1{none}; choose one with select_label=K "
            f"(--select-label K), K from 1 to {count} in the file's order{self._named()}{others}{apart}"
        )

    def _named(self) -> str:
        return f" ({', '.join(self.regions)})" if self.regions else ""


def _by_name(foreground: Foreground) -> str:
    """Say where names of segments could come from, if they were asked for."""
    return ", or put the dataset.json that has that name beside it" if foreground.segments else ""


def _listed(labels: Sequence[int]) -> str:
    return ", ".join(map(str, labels))
