"""The channels of a network: probabilities of classes, which sum to 1, or of regions, which may overlap."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..inputs.foreground import Foreground
from .paths import shown

NEAR_ONE = 0.02  # how far half precision may take a sum of probabilities from 1
NEARLY_ALL = 0.99  # of the voxels
CHOOSE = "choose one with select_label=K (--select-label K)"


def are_classes(values: NDArray[Any], unit: float = 1.0) -> bool:
    """Tell classes, of which each voxel has one, from regions; ``values`` have the channels first."""
    if len(values) < 2:
        return False
    total = np.zeros_like(values[0], np.float32)
    for channel in values:
        total += channel
    return bool(np.mean(np.abs(total - unit) <= NEAR_ONE * unit) >= NEARLY_ALL)


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
    """

    path: Path
    values: NDArray[Any]
    classes: bool
    labels: dict[int, int] = field(default_factory=dict)

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
        return levels

    def chosen(self, foreground: Foreground, remarks: list[str]) -> NDArray[Any]:
        """Return the probability of what counts as foreground.

        Raises
        ------
        ImageError
            Naming the file, if it must be said which channel is meant, or there is none such.
        """
        if self.classes:
            return self._class(foreground)
        return self._region(foreground, remarks)

    def _class(self, foreground: Foreground) -> NDArray[Any]:
        count = len(self.values)
        if foreground.binarize or (count == 2 and not foreground.labels):
            others = [channel for channel in range(count) if channel != self._channel_of(0)]
        elif not foreground.labels:
            raise ImageError(f"{shown(self.path)}: it holds {count} classes; {CHOOSE}")
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

    def _region(self, foreground: Foreground, remarks: list[str]) -> NDArray[Any]:
        count, name = len(self.values), shown(self.path)
        if foreground.binarize and count > 1:
            remarks.append(
                f"{name}: {count} channels are regions, the largest of their probabilities was taken"
            )
            return np.asarray(self.values.max(axis=0))
        if count > 1 and len(foreground.labels) != 1:
            several = " alone: regions overlap" if foreground.labels else ""
            raise ImageError(
                f"{name}: its {count} channels are regions, as they do not sum to 1; choose one{several}, with "
                f"select_label=K (--select-label K), K from 1 to {count} in the file's order"
            )
        place = foreground.labels[0] if foreground.labels else 1
        if not 1 <= place <= count:
            regions = "1 region" if count == 1 else f"{count} regions, counted from 1"
            raise ImageError(f"{name}: there is no region {place}: it holds {regions}")
        if count > 1:
            own = self.labels.get(place)
            shows = "" if own is None else f", of which the segmentation shows label {own}"
            remarks.append(f"{name}: channels are regions, region {place} of {count} was taken{shows}")
        return np.asarray(self.values[place - 1])
