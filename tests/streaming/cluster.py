"""Fuses arrays of zarr on two workers of dask, and says how many tasks and how much memory that took."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import fastfuse

from ..memory import most_memory

SIDE, CHUNK = 512, 64


class Counted:
    """Dask's executor, which counts tasks."""

    def __init__(self, client: Any) -> None:
        self._client, self.inner, self.tasks = client, client.get_executor(), 0

    def submit(self, *arguments: Any) -> Any:
        self.tasks += 1
        return self.inner.submit(*arguments)


def written(folder: str) -> list[Any]:
    """Write votes on a ball, a row of chunks at a time."""
    import zarr

    rng = np.random.default_rng(0)
    noise = rng.normal(0, 4, (SIDE, 2 * SIDE)).astype(np.float32)
    place = np.indices((SIDE, SIDE), dtype=np.float32) - SIDE / 2
    arrays = [
        zarr.create_array(f"{folder}/{i}.zarr", shape=(SIDE,) * 3, chunks=(CHUNK,) * 3, dtype="u1")
        for i in range(7)
    ]
    for begin in range(0, SIDE, CHUNK):
        for i, array in enumerate(arrays):
            planes = []
            for z in range(begin, begin + CHUNK):
                distance = np.sqrt((place**2).sum(axis=0) + np.float32((z - SIDE / 2) ** 2))
                shift = (z * 13 + i * 97) % SIDE
                planes.append(distance + noise[:, shift : shift + SIDE] < 120 + 2 * i)
            array[begin : begin + CHUNK] = np.stack(planes).astype(np.uint8)
    return [zarr.open_array(f"{folder}/{i}.zarr", mode="r") for i in range(7)]


def main(folder: str) -> None:
    """Fuse, and print what it took."""
    import zarr
    from distributed import Client, LocalCluster

    arrays = written(folder)
    out = zarr.create_array(f"{folder}/out.zarr", shape=(SIDE,) * 3, chunks=(CHUNK,) * 3, dtype="f4")
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        executor = Counted(client)
        fused = fastfuse.staple(arrays, executor=executor, out=out)
        print("tasks", executor.tasks)
        print("MiB", most_memory() / 2**20)
    print("chunks", "x".join(map(str, fused.probability.chunks)))
    expected = fastfuse.staple([array[:] for array in arrays])
    print("same", expected.probability.tobytes() == out[:].tobytes())


if __name__ == "__main__":
    main(sys.argv[1])
