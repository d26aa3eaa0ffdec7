"""Stores of chunks, lazy arrays, and executors; what is not installed is skipped by name."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.streaming.executors import workers_of
from fastfuse.streaming.work import through

from .common import SHAPE, Store, assert_same, balls, mapped

CHUNKS = (8, 10, 12)
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def zarrs(folder: Path, version: int = 3) -> list[Any]:
    zarr = pytest.importorskip("zarr", reason="needs zarr: pip install fastfuse[stream]")
    made = []
    for i, vote in enumerate(balls()):
        path = str(folder / f"{i}.zarr")
        whole = zarr.create_array(path, shape=SHAPE, chunks=CHUNKS, dtype=vote.dtype, zarr_format=version)
        whole[...] = vote
        made.append(zarr.open_array(path, mode="r"))
    return made


def new_zarr(folder: Path, name: str = "out.zarr") -> Any:
    import zarr

    return zarr.create_array(str(folder / name), shape=SHAPE, chunks=CHUNKS, dtype="f4")


def hdf5(folder: Path, votes: list[Any] | None = None) -> list[Any]:
    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install fastfuse[stream]")
    with h5py.File(folder / "votes.h5", "w") as file:
        for i, vote in enumerate(balls() if votes is None else votes):
            file.create_dataset(f"raters/{i}", data=vote, chunks=CHUNKS)
    file = h5py.File(folder / "votes.h5", "r")
    return [file[f"raters/{i}"] for i in range(4)]


def lazy(votes: list[Any], chunks: Any = CHUNKS) -> list[Any]:
    dask = pytest.importorskip("dask.array", reason="needs dask: pip install fastfuse[stream]")
    return [dask.from_array(vote, chunks=chunks) for vote in votes]


@pytest.mark.parametrize("version", [2, 3])
def test_zarr(tmp_path: Path, version: int) -> None:
    stores, expected = zarrs(tmp_path, version), fastfuse.staple(balls())
    assert_same(fastfuse.staple(stores, max_memory="400K"), expected)
    out = new_zarr(tmp_path)
    fused = fastfuse.staple(stores, max_memory="100K", out=out)
    assert fused.probability is out
    assert_same(fused, expected)


@pytest.mark.parametrize("kind", ["zarr", "hdf5"])
def test_a_consensus_in_a_store_has_a_label(kind: str, tmp_path: Path) -> None:
    """An array of zarr or h5py compares with nothing."""
    library = pytest.importorskip("zarr" if kind == "zarr" else "h5py")
    expected = fastfuse.staple(balls())
    if kind == "zarr":
        out = new_zarr(tmp_path)
    else:
        out = library.File(tmp_path / "out.h5", "w").create_dataset("out", SHAPE, "f4")
    fused = fastfuse.staple(balls(), max_memory="10M", out=out)
    assert fused.probability is out
    for found, given in ((fused.label(0.4), {"cut": 0.4}), (fused.label("dice"), {"cut": "dice"})):
        assert type(found) is np.ndarray
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, expected.label(**given))  # type: ignore[arg-type]
    np.testing.assert_array_equal(fused.as_input(label=True), expected.label())


def test_hdf5(tmp_path: Path) -> None:
    stores, expected = hdf5(tmp_path), fastfuse.staple(balls())
    assert_same(fastfuse.staple(stores, max_memory="400K"), expected)
    near = {"roi": 2.0, "spacing_mm": (1.0, 1.0, 1.0)}
    assert_same(fastfuse.staple(stores, max_memory="400K", **near), fastfuse.staple(balls(), **near))


@pytest.mark.parametrize("method", ["staple", "soft-staple", "majority"])
def test_dask_stays_lazy(method: str) -> None:
    """Rates at the call, for one pass; volumes when they are asked for, chunk by chunk."""
    votes = balls(soft=method == "soft-staple")
    stores = [Store(vote, CHUNKS) for vote in votes]
    expected = fastfuse.fuse(votes, method)
    fused = fastfuse.fuse(lazy(stores), method)
    once = [store.reads for store in stores]
    assert once == [27] * 4
    assert fused.probability.chunks == lazy(votes)[0].chunks
    label = fused.label()
    assert type(label) is type(fused.probability)
    assert [store.reads for store in stores] == once
    assert_same(fused, expected)
    np.testing.assert_array_equal(label.compute(), expected.label())
    before = stores[0].reads
    fused.probability[:8, :10, :12].compute()
    assert stores[0].reads == before + 1


def test_dask_with_what_goes_beside() -> None:
    votes, mask = balls(), balls(raters=1)[0]
    given = {"mask": mask, "present": [np.indices(SHAPE)[0] > 4, None, None, None]}
    assert_same(fastfuse.staple(lazy(votes), **given), fastfuse.staple(votes, **given))
    assert_same(fastfuse.staple(lazy(votes), mask=lazy([mask])[0]), fastfuse.staple(votes, mask=mask))
    assert_same(fastfuse.staple(lazy(votes)[:3] + lazy(votes, (12, 30, 9))[3:]), fastfuse.staple(votes))
    whole = lazy([np.stack(votes)], (1, *CHUNKS))[0]
    assert_same(fastfuse.staple(whole), fastfuse.staple(votes))
    with pytest.raises(ValueError, match="roi is 2, a margin: of lazy votes give out"):
        fastfuse.staple(lazy(votes), roi=2.0, spacing_mm=(1, 1, 1))
    votes[1] = None
    assert_same(
        fastfuse.staple([None if one is None else lazy([one])[0] for one in votes]), fastfuse.staple(votes)
    )


def test_wrong_votes_of_dask_are_named_by_their_voxel() -> None:
    votes = balls()
    votes[2][20, 23, 4] = 7
    with pytest.raises(ValueError, match=r"rater 2 holds 7 at voxel \(20, 23, 4\)"):
        fastfuse.staple(lazy(votes))


def test_apply_and_tabulate_dask() -> None:
    votes = balls(soft=True)
    table = fastfuse.tabulate(lazy(votes))
    assert table == fastfuse.tabulate(votes)
    rates = fastfuse.estimate(table)
    applied = rates.apply(lazy(votes))
    np.testing.assert_array_equal(np.asarray(applied.probability), rates.apply(votes).probability)


def test_xarray_keeps_dimensions_and_coordinates() -> None:
    xarray = pytest.importorskip("xarray", reason="needs xarray: pip install fastfuse[stream]")
    pytest.importorskip("dask.array", reason="needs dask: pip install fastfuse[stream]")
    places = {"z": np.arange(24) * 2.0, "y": np.arange(30), "x": np.arange(36) * 0.5}
    arrays = [xarray.DataArray(vote, coords=places, dims=("z", "y", "x")).chunk(z=7) for vote in balls()]
    fused = fastfuse.staple(arrays)
    assert fused.probability.dims == ("z", "y", "x")
    assert fused.probability.chunks == arrays[0].chunks
    for name, place in places.items():
        np.testing.assert_array_equal(fused.probability.coords[name], place)
    assert fused.label().dims == ("z", "y", "x")
    assert_same(fused, fastfuse.staple(balls()))
    for label, name in ((False, "probability"), (True, "label")):
        given_back = fused.as_input(label=label)
        assert type(given_back) is type(arrays[0])
        assert given_back.chunks == arrays[0].chunks  # nothing is computed yet
        assert given_back.name == name
        np.testing.assert_array_equal(given_back, fused.label() if label else fused.probability)
    assert fused.probability.name == "probability"


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as made:
        yield made


@pytest.mark.parametrize("kind", ["mapped", "zarr", "hdf5"])
def test_executor(kind: str, tmp_path: Path, pool: Executor) -> None:
    """Files are opened again in the worker, and written there where that can be."""
    votes = balls()
    stores = (
        mapped(tmp_path, votes) if kind == "mapped" else zarrs(tmp_path) if kind == "zarr" else hdf5(tmp_path)
    )
    expected = fastfuse.staple(votes)
    assert_same(fastfuse.staple(stores, executor=pool), expected)
    assert fastfuse.tabulate(stores, executor=pool) == fastfuse.tabulate(votes)
    out: Any = new_zarr(tmp_path) if kind == "zarr" else np.memmap(tmp_path / "out", "f4", "w+", 0, SHAPE)
    assert_same(fastfuse.staple(stores, executor=pool, out=out, max_memory="300K"), expected)


@pytest.mark.parametrize("make", [mapped, hdf5])
def test_a_worker_reads_what_lies_under_the_name_now(
    make: Callable[..., list[Any]], tmp_path: Path, pool: Executor
) -> None:
    """Not the file of an earlier call, which it may still have had open: workers outlive calls."""
    for votes in (balls(), [vote[::-1, :, ::-1].copy() for vote in balls()]):
        stores = make(tmp_path, votes)
        assert_same(fastfuse.staple(stores, executor=pool), fastfuse.staple(votes))
        if make is hdf5:
            stores[0].file.close()
        for path in tmp_path.iterdir():
            path.unlink()


def test_executor_refuses_what_does_not_travel(tmp_path: Path) -> None:
    votes = balls()
    with ThreadPoolExecutor(2) as threads:
        with pytest.raises(ValueError, match="rater 0 lies in memory, which other processes do not see"):
            fastfuse.staple(votes, executor=threads)
        with pytest.raises(TypeError, match="executor is of type int"):
            fastfuse.staple(votes, executor=3)  # type: ignore[arg-type]
        files = mapped(tmp_path, votes)
        files[1] = Store(votes[1], CHUNKS)
        with pytest.raises(ValueError, match="rater 1 lies in memory"):
            fastfuse.staple(files, executor=threads)
        if dask := pytest.importorskip("dask.array", reason="needs dask: pip install fastfuse[stream]"):
            files[1] = dask.from_array(votes[1])
            with pytest.raises(ValueError, match="rater 1 is an array of dask"):
                fastfuse.staple(files, executor=threads)


def test_wrong_votes_are_named_by_workers(tmp_path: Path) -> None:
    votes = balls()
    votes[3][22, 4, 5] = 9
    with (
        ThreadPoolExecutor(2) as threads,
        pytest.raises(ValueError, match=r"rater 3 holds 9 at voxel \(22, 4, 5\)"),
    ):
        fastfuse.staple(mapped(tmp_path, votes), executor=threads)


class Counting:
    """An executor that does its work at once, and says how many tasks it was given."""

    _max_workers = 3

    def __init__(self) -> None:
        self.under_way: list[Future[Any]] = []
        self.most = self.tasks = 0

    def submit(self, work: Any, /, *arguments: Any) -> Future[Any]:
        self.tasks += 1
        done: Future[Any] = Future()
        done.set_result(work(*arguments))
        self.under_way = [one for one in self.under_way if not one.taken] + [done]  # type: ignore[attr-defined]
        done.taken = False  # type: ignore[attr-defined]
        self.most = max(self.most, len(self.under_way))
        return done


def test_few_tasks_are_under_way() -> None:
    executor = Counting()
    found = []
    for task, answer in through(executor, lambda number: number**2, range(100)):
        found.append((task, answer))
        for future in executor.under_way:
            if future.result() == answer:
                future.taken = True  # type: ignore[attr-defined]
    assert sorted(found) == [(number, number**2) for number in range(100)]
    assert executor.most <= 2 * workers_of(executor) + 2


def test_no_more_tasks_after_an_error() -> None:
    begun = []

    def fails(number: int) -> None:
        begun.append(number)
        raise ValueError(f"task {number}")

    with ThreadPoolExecutor(1) as threads, pytest.raises(ValueError, match="task 0"):
        list(through(threads, fails, range(1000)))
    assert len(begun) <= 4


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_two_workers_of_dask(tmp_path: Path) -> None:
    """512³ voxels of 7 raters in chunks of 64³: few tasks, little memory where they are handed out."""
    pytest.importorskip("distributed", reason="needs distributed: pip install fastfuse[distributed]")
    run = [sys.executable, "-W", "ignore", "-m", "tests.streaming.cluster", str(tmp_path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(run, cwd=root, capture_output=True, text=True, check=False, timeout=1200)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    found = dict(line.split() for line in done.stdout.splitlines())
    assert found["same"] == "True"
    assert int(found["tasks"]) <= 200
    assert float(found["MiB"]) < 300  # client and scheduler in one process
    assert found["chunks"] == "64x64x64"
