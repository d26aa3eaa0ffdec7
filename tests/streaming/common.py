"""Volumes to stream, and what must be the same as in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHAPE = (24, 30, 36)
PARTS = (
    "probability", "sensitivity", "specificity", "prior", "log_likelihood", "n_iter", "converged", "n_voxels",
    "volume", "n_read", "ppv", "npv", "dice",
)  # fmt: skip


def balls(shape: tuple[int, ...] = SHAPE, *, soft: bool = False, raters: int = 4) -> list[NDArray[Any]]:
    """Return masks of a ball that raters see with noise; soft ones with a rim of 0.3."""
    rng = np.random.default_rng(0)
    place = np.indices(shape, dtype=np.float32)
    distance = np.sqrt(sum((place[axis] - length / 2) ** 2 for axis, length in enumerate(shape)))
    seen = [distance + rng.normal(0, 1, shape).astype(np.float32) - 6 - i for i in range(raters)]
    if soft:
        return [np.where(one < 0, 1, np.where(one < 2, 0.3, 0)).astype(np.float32) for one in seen]
    return [(one < 0).astype(np.uint8) for one in seen]


def assert_same(fusion: Any, expected: Any) -> None:
    """The same bits in all that a fusion says."""
    for name in PARTS:
        found, wanted = (np.asarray(getattr(one, name)) for one in (fusion, expected))
        assert found.dtype == wanted.dtype, name
        assert found.tobytes() == wanted.tobytes(), name


def mapped(folder: Path, volumes: list[NDArray[Any]], order: Any = "C") -> list[Any]:
    """Return volumes as memory-mapped files, which begin after a header."""
    made = []
    for i, volume in enumerate(volumes):
        whole = np.memmap(folder / f"{i}.raw", volume.dtype, "w+", 352, volume.shape, order)
        whole[...] = volume
        whole.flush()
        made.append(np.memmap(folder / f"{i}.raw", volume.dtype, "r", 352, volume.shape, order))
    return made


class Store:
    """A store of chunks that counts its reads."""

    def __init__(self, array: NDArray[Any], chunks: tuple[int, ...]) -> None:
        self.array, self.chunks, self.reads = array, chunks, 0
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, place: Any) -> NDArray[Any]:
        found = self.array[place]
        self.reads += found.size > 0  # dask asks for an empty part to learn the type
        return found
