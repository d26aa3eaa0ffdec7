"""Map and table of found, missed and false lesions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .components import needed_scipy
from .detection import Matched

KINDS = {"found": 1, "missed": 2, "false": 3}  # with their labels in the map


@dataclass(frozen=True)
class Lesion:
    """One lesion: a true one that is found or missed, or a false one of the prediction.

    Attributes
    ----------
    kind : str
        "found", "missed" or "false".
    mm3 : float
        Volume.
    voxels : int
    overlap : float
        Share of its voxels in lesions of the other mask.
    voxel : tuple of 3 int
        Index of one of its voxels: the one nearest to its centre of gravity.
    """

    kind: str
    mm3: float
    voxels: int
    overlap: float
    voxel: tuple[int, int, int]


def lesion_map(matched: Matched) -> NDArray[np.uint8]:
    """Return the map: 1 where a true lesion is found, 2 where one is missed, 3 where a predicted one is false.

    Where a false lesion overlaps a true one, the true one's label stands. Predicted lesions that the truth confirms,
    and components that are no lesions, are 0.
    """
    labels_of_truth = np.where(matched.detected, KINDS["found"], KINDS["missed"])
    labels_of_prediction = np.where(matched.confirmed, 0, KINDS["false"])
    true = np.concatenate([[0], labels_of_truth]).astype(np.uint8)[matched.truth]
    predicted = np.concatenate([[0], labels_of_prediction]).astype(np.uint8)[matched.prediction]
    return np.where(matched.truth > 0, true, predicted).astype(np.uint8)


def lesion_table(matched: Matched, voxel_mm3: float) -> list[Lesion]:
    """Return all found, missed and false lesions, in this order, from the largest to the smallest."""
    kinds = ["found" if found else "missed" for found in matched.detected]
    lesions = [*_rows(matched.truth, kinds, matched.covered, voxel_mm3)]
    kinds = ["" if confirmed else "false" for confirmed in matched.confirmed]
    lesions += [row for row in _rows(matched.prediction, kinds, matched.explained, voxel_mm3) if row.kind]
    return sorted(lesions, key=lambda row: (KINDS[row.kind], -row.voxels, row.voxel))


def _rows(
    labels: NDArray[np.int32], kinds: list[str], shared: NDArray[np.int64], voxel_mm3: float
) -> Iterator[Lesion]:
    """Yield each lesion of one mask."""
    boxes = needed_scipy().ndimage.find_objects(labels)
    for i, (box, kind) in enumerate(zip(boxes, kinds, strict=True)):
        places = np.argwhere(labels[box] == i + 1)
        middle = places[np.argmin(((places - places.mean(axis=0)) ** 2).sum(axis=1))]
        x, y, z = (int(at) + side.start for at, side in zip(middle, box, strict=True))
        size = len(places)
        yield Lesion(kind, size * voxel_mm3, size, float(shared[i] / size), (x, y, z))
