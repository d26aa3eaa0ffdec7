"""Votes that do not repeat, read block by block: the masses of the whole volume, bit for bit, and what needs counts is refused."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from fastfuse import estimate, reference, tabulate
from fastfuse.fusion.masses.table import MassTable
from fastfuse.fusion.streamed import run

from .common import SHAPE, Store, mapped

LITTLE = "400K"  # several blocks, and room for the consensus
CHUNKS = (8, 10, 12)
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
Volume = NDArray[Any]


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small volumes have more patterns than are counted."""
    monkeypatch.setattr(run, "MOST_ROWS", 1000)


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as made:
        yield made


def probabilities(shape: tuple[int, ...] = SHAPE, raters: int = 3) -> list[Volume]:
    """Return probabilities near a ball that all raters see dimly."""
    rng = np.random.default_rng(0)
    place = np.indices(shape, dtype=np.float32)
    distance = np.sqrt(sum((place[axis] - length / 2) ** 2 for axis, length in enumerate(shape)))
    truth = distance < 7
    votes = np.where(truth, rng.beta(5, 2, (raters, *shape)), rng.beta(1, 8, (raters, *shape)))
    return list(np.where(distance > 14, 0, votes).astype(np.float32))


def by_verbs(votes: list[Any], **options: Any) -> tuple[Any, Any]:
    """Return estimate and consensus by the three verbs in memory."""
    of_method = {name: options.pop(name) for name in ("m_step",) if name in options}
    rates = estimate(MassTable.of(tabulate(votes, **options)), "soft-staple", **of_method)
    return rates, rates.apply(votes, **options)


def assert_near(fusion: Any, rates: Any, applied: Any) -> None:
    """Rates and prior bit for bit; the rest, which voxels tell in vectors of floats or not, to their rounding."""
    for name in ("sensitivity", "specificity", "prior", "log_likelihood", "n_iter", "converged"):
        np.testing.assert_array_equal(getattr(fusion, name), getattr(rates, name), err_msg=name)
    for name in ("n_voxels", "n_read"):
        np.testing.assert_array_equal(getattr(fusion, name), getattr(applied, name), err_msg=name)
    for name in ("volume", "ppv", "npv", "dice"):
        np.testing.assert_allclose(getattr(fusion, name), getattr(applied, name), rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(np.asarray(fusion.probability), applied.probability, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    "options",
    [{}, {"m_step": "em"}, {"mask": True}, {"roi": 3.0, "spacing_mm": (1, 1, 2)}, {"present": True}],
    ids=str,
)
def test_same_as_the_three_verbs(options: dict[str, Any]) -> None:
    votes, given = probabilities(), dict(options)
    region = np.indices(SHAPE)[2] > 9
    if "mask" in given:
        given["mask"] = region
    if "present" in given:
        given["present"] = [None, region, None]
    m_step = {name: given.pop(name) for name in ("m_step",) if name in given}
    limit = "2M" if "roi" in given else LITTLE
    rates, applied = by_verbs(votes, **given, **m_step)
    table = tabulate(votes, max_memory=limit, **given)
    assert isinstance(table, MassTable)
    assert table == MassTable.of(tabulate(votes, **given))
    fused = fastfuse.soft_staple(votes, max_memory=limit, **given, **m_step)
    assert_near(fused, rates, applied)
    if not given:
        np.testing.assert_allclose(fused.volume, [vote.sum(dtype=float) for vote in votes], rtol=1e-13)
    assert_near(rates.apply(votes, max_memory=limit, **given), rates, applied)


def test_remarks_are_told() -> None:
    votes = [np.random.default_rng(i).beta(1, 8, SHAPE).astype(np.float32) for i in range(3)]
    with pytest.warns(fastfuse.FusionWarning, match="every rater comes out as no better than chance"):
        fastfuse.soft_staple(votes, max_memory=LITTLE)


def test_near_the_oracle() -> None:
    votes = probabilities((12, 10, 14))
    fused = fastfuse.soft_staple(votes, max_memory="100K", dtype="float64")
    oracle = reference.fuse(np.stack(votes).astype(np.float64).reshape(3, -1), method="soft-staple")
    assert fused.n_iter == oracle.n_iter
    np.testing.assert_allclose(fused.sensitivity, oracle.sensitivity, rtol=0, atol=1e-12)
    np.testing.assert_allclose(fused.probability.ravel(), oracle.probability, rtol=0, atol=1e-12)


def test_missing_votes_and_a_rater_who_did_not_read() -> None:
    votes: list[Any] = probabilities(raters=4)
    votes[0][:, :9] = np.nan
    votes[2] = None
    rates, applied = by_verbs(votes, missing="nan")
    fused = fastfuse.soft_staple(votes, max_memory=LITTLE, missing="nan")
    assert_near(fused, rates, applied)
    assert np.isnan(fused.sensitivity[2])


def zarrs(folder: Path, votes: list[Volume]) -> list[Any]:
    zarr = pytest.importorskip("zarr", reason="needs zarr: pip install fastfuse[stream]")
    made = []
    for i, vote in enumerate(votes):
        path = str(folder / f"{i}.zarr")
        zarr.create_array(path, shape=SHAPE, chunks=CHUNKS, dtype=vote.dtype)[...] = vote
        made.append(zarr.open_array(path, mode="r"))
    return made


def hdf5(folder: Path, votes: list[Volume]) -> list[Any]:
    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install fastfuse[stream]")
    with h5py.File(folder / "votes.h5", "w") as file:
        for i, vote in enumerate(votes):
            file.create_dataset(str(i), data=vote, chunks=CHUNKS)
    file = h5py.File(folder / "votes.h5", "r")
    return [file[str(i)] for i in range(len(votes))]


@pytest.mark.parametrize("kind", [mapped, zarrs, hdf5])
def test_stores_and_executor(kind: Callable[..., list[Any]], tmp_path: Path, pool: Executor) -> None:
    votes = probabilities()
    stores = kind(tmp_path, votes)
    rates, applied = by_verbs(votes)
    out = np.memmap(tmp_path / "out", "f4", "w+", 0, SHAPE)
    assert_near(fastfuse.soft_staple(stores, max_memory="200K", out=out), rates, applied)
    assert_near(fastfuse.soft_staple(stores, executor=pool), rates, applied)
    assert_near(rates.apply(stores, executor=pool, max_memory="300K", out=out), rates, applied)
    assert tabulate(stores, executor=pool) == MassTable.of(tabulate(votes))


def test_dask_stays_lazy() -> None:
    dask = pytest.importorskip("dask.array", reason="needs dask: pip install fastfuse[stream]")
    votes = probabilities()
    stores = [Store(vote, CHUNKS) for vote in votes]
    rates, applied = by_verbs(votes)
    fused = fastfuse.soft_staple([dask.from_array(store, chunks=CHUNKS) for store in stores])
    before = stores[0].reads
    assert fused.probability.chunks[0] == (8, 8, 8)
    assert stores[0].reads == before
    assert_near(fused, rates, applied)


def test_files(tmp_path: Path) -> None:
    votes = probabilities()
    paths = [tmp_path / f"r{i}.nii.gz" for i in range(3)]
    for path, vote in zip(paths, votes, strict=True):
        nib.save(nib.Nifti1Image(vote, np.eye(4)), path)
    fastfuse.fuse_files(
        paths, method="soft-staple", output=tmp_path / "c.nii", save_label=tmp_path / "l.nii", max_memory="2M"
    )
    _, applied = by_verbs(votes)
    found = nib.load(tmp_path / "c.nii").get_fdata()
    np.testing.assert_allclose(found, applied.probability, rtol=0, atol=1e-7)
    np.testing.assert_array_equal(nib.load(tmp_path / "l.nii").get_fdata(), applied.label())
    raters = json.loads((tmp_path / "c.json").read_text())["raters"]
    assert [one["marked_voxels"] for one in raters] == [np.count_nonzero(vote >= 0.5) for vote in votes]


def test_what_needs_counts_is_refused() -> None:
    votes = probabilities()
    for method in ("simplified-soft-staple", "majority"):
        with pytest.raises(
            ValueError, match=f"and {method} needs votes that repeat; choose soft-staple, round"
        ):
            fastfuse.fuse(votes, method, max_memory=LITTLE)
    with pytest.raises(ValueError, match=r"intervals is 'bootstrap': .*; leave it out, round the votes"):
        fastfuse.soft_staple(votes, max_memory=LITTLE, intervals="bootstrap")
    with pytest.raises(ValueError, match=r"too many distinct patterns to be counted.*: round them"):
        fastfuse.fuse(votes, "auto", max_memory="2M", spacing_mm=(1, 1, 1))
    with pytest.raises(ValueError, match=r"than one of masses \(12 raters\)"):
        fastfuse.soft_staple(probabilities(raters=13), max_memory="2M")


def test_wrong_votes_and_classes_are_refused() -> None:
    votes = probabilities()
    whole = sum(votes) + np.float32(1e-6)
    with pytest.raises(ValueError, match="the 3 raters' votes sum to 1"):
        fastfuse.soft_staple([vote / whole for vote in votes], max_memory=LITTLE)
    votes[1][22, 4, 5] = 7
    with pytest.raises(ValueError, match=r"rater 1 holds 7 at voxel \(22, 4, 5\)"):
        fastfuse.soft_staple(votes, max_memory=LITTLE)
